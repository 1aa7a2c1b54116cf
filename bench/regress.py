#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs in instructions and system calls, against a committed baseline.

    bench/regress.py [BUILDDIR] [--update]

bench/trace moves a fixed trace of packets through the engine's data path under
callgrind, which also lists the system calls.  Counted inside turn() alone:

    instructions    executed by culvert's own functions
    calls           from these to functions of libraries (libc, libevent, libcrypto)
    syscalls        without those that cost none (the vdso's)

The libraries' own instructions depend on what the CPU has, so they are left
out; ciphers are OpenSSL's, whatever the machine would choose.  What is counted
repeats to the instruction, on any machine; another compiler makes other
instructions, so baseline.tsv has rows for each.

Fails when something costs more than 10 % above the baseline.  Without rows for
this compiler there is nothing to compare with, and it is skipped, which says so;
REGRESS_MUST=1 in the environment, as on the system that CI runs on, makes that
a failure.  BUILDDIR may come as BUILD from the environment.

--update writes the rows of this compiler anew: in a commit of its own that says
why they changed.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "baseline.tsv")
LIMIT = 1.10
ROUNDS = 8
CASES = ["in", "out", "in-single", "out-single", "in shared", "out shared"]
METRICS = ["instructions", "calls", "syscalls"]
VDSO = {"clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres"}


def variable(builddir, name):
    with open(os.path.join(builddir, "Makefile"), encoding="utf-8") as f:
        return next((line.split("=", 1)[1].strip() for line in f if line.startswith(name + " =")), "")


def key(builddir):
    """Compiler with its major version, machine, flags: what makes other instructions."""
    cc = variable(builddir, "CC").split()
    out = subprocess.run(cc + ["--version"], capture_output=True, text=True, check=True).stdout
    name = "clang" if "clang" in out else "gcc"
    major = re.search(r"(\d+)\.\d+\.\d+", out).group(1)
    machine = subprocess.run(cc + ["-dumpmachine"], capture_output=True, text=True, check=True).stdout.split("-")[0]
    return f"{name}-{major} {machine} {' '.join(variable(builddir, 'CFLAGS').split())}"


def instructions(path, program):
    """Self cost of the program's functions, and calls that leave it."""
    own = calls = 0
    ob = cob = None
    fl = ""
    leaves = 0
    skip = False
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("ob="):
                ob = cob = line[3:].strip()
            elif line.startswith(("fl=", "fi=", "fe=")):
                fl = line[3:].strip()
            elif line.startswith("fn="):
                cob = ob
            elif line.startswith("cob="):
                cob = line[4:].strip()
            elif line.startswith("calls="):
                outward = ob == program and cob != program and "/esp/crypto" not in fl
                leaves = int(line[6:].split()[0]) if outward else 0
                # The next line is the callee's whole cost.
                skip, cob = True, ob
            elif line[:1].isdigit() or line[:1] in "+-*":
                if not skip and ob == program:
                    own += int(line.split()[1])
                # Calls are noted outside of turn() as well, but cost nothing there.  That of the
                # ciphers' self-test looks like the data path's: they are left out.
                if skip and int(line.split()[1]):
                    calls += leaves
                skip = False
    return own, calls


def syscalls(text):
    """Between the two readings of the process's CPU clock that begin and end a turn."""
    n = collections.Counter()
    inside = False
    for m in re.finditer(r"^SYSCALL\[\d+,\d+\]\(\d+\) (?:sys_)?(\w+) ?\( ?([^,)]*)", text, re.M):
        name, first = m.groups()
        if name == "clock_gettime" and first.strip() == "2":
            inside = not inside
        elif inside and name not in VDSO:
            n[name] += 1
    return n


def run(builddir, case, tmp):
    program = os.path.realpath(os.path.join(builddir, "bench/trace"))
    out = os.path.join(tmp, "out")
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TRACE_OPENSSL": "1"}
    p = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-pos=no",
                        "--compress-strings=no", "--toggle-collect=turn", "--trace-syscalls=yes", program] + case.split() +
                       [str(ROUNDS)], capture_output=True, text=True, errors="replace", env=env, timeout=300, check=False)
    m = re.search(r"packets=(\d+) lost=0 ", p.stdout)
    if p.returncode or not m:
        sys.exit(f"not ok - {case}: {p.stdout}{p.stderr[-2000:]}")
    packets = int(m.group(1))
    own, calls = instructions(out, program)
    calls_of = syscalls(p.stderr)
    if not own or not calls_of:
        sys.exit(f"not ok - {case}: callgrind counted nothing")
    return {"instructions": own / packets, "calls": calls / packets, "syscalls": sum(calls_of.values()) / packets}, calls_of


def baseline():
    rows = {}
    if os.path.exists(BASELINE):
        with open(BASELINE, encoding="utf-8") as f:
            for line in f:
                if line.startswith("#") or not line.strip():
                    continue
                of, case, metric, value = line.rstrip("\n").split("\t")
                rows[of, case, metric] = float(value)
    return rows


def write(rows):
    with open(BASELINE, "w", encoding="utf-8") as f:
        f.write("# SPDX-License-Identifier: GPL-2.0-or-later\n"
                "# For each packet; made by bench/regress.py --update, in commits that say why.\n")
        for (of, case, metric), v in sorted(rows.items()):
            f.write(f"{of}\t{case}\t{metric}\t{v:.4f}\n")


def main():
    p = argparse.ArgumentParser(description="cost of a packet against the baseline")
    p.add_argument("builddir", nargs="?", default=os.environ.get("BUILD", "build"))
    p.add_argument("--update", action="store_true")
    args = p.parse_args()

    def cannot(why):
        must = os.environ.get("REGRESS_MUST") == "1"
        print(("not ok - " if must else "1..0 # SKIP ") + why)
        sys.exit(1 if must else 0)

    if subprocess.run(["sh", "-c", "command -v valgrind"], capture_output=True, check=False).returncode:
        cannot("no valgrind")
    if "-fsanitize" in variable(args.builddir, "SAN_CFLAGS"):
        cannot("sanitizers count, too")
    of = key(args.builddir)
    rows = baseline()
    known = any(k[0] == of for k in rows)
    if args.update:
        rows = {k: v for k, v in rows.items() if k[0] != of}
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        for case in CASES:
            values, names = run(args.builddir, case, tmp)
            print(f"# {case}: system calls of {ROUNDS} rounds: " + ", ".join(f"{n} {c}" for c, n in names.most_common()))
            for metric in METRICS:
                now, was = values[metric], rows.get((of, case, metric))
                if args.update:
                    rows[of, case, metric] = now
                    print(f"# {case}: {metric} {now:.4f}")
                elif was is None:
                    print(f"# {case}: {metric} {now:.4f}, no baseline for {of}")
                    bad += known		# a case that has none beside others that have
                else:
                    worse = now > was * LIMIT
                    bad += worse
                    print(f"{'not ok' if worse else 'ok'} - {case}: {metric} of a packet {now:.4f}, baseline {was:.4f} "
                          f"({100 * (now / was - 1):+.1f} %)")
    if args.update:
        write(rows)
    elif not known:
        cannot(f"no baseline for {of}: bench/regress.py {args.builddir} --update")
    else:
        print(f"1..{len(CASES) * len(METRICS)}")
    sys.exit(1 if bad else 0)


main()

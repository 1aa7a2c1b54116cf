#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Does a test notice when a check is missing?

    mutate.py [--sample N] [--jobs N] [--list] [FILE...]

From each parser of packets, one check is taken out at a time: an operand of a
condition whose branch rejects, or of one that has to hold for a packet to be
accepted, or a limit of MIN().  The unit tests of that area are built with it
(with the address and undefined-behaviour sanitizers) and run until one fails.
A mutant that none notices survives, and the status is 1, unless
tests/mutate.equivalent says why it cannot be noticed, or tests/mutate.open
admits that its test is still to be written.

--sample N (or MUTATE_SAMPLE=N): every Nth mutant only.  --list: shows them, runs nothing.
Builds in a directory of its own; needs a configured build for config.h:
BUILD=build.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

top = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
CC = os.environ.get("CC", "cc")
TIMEOUT = 60


def flags(*names):
    return subprocess.run(["pkg-config", "--cflags", "--libs", *names], stdout=subprocess.PIPE, check=True,
                          text=True).stdout.split()


COMPILE = [CC, "-std=gnu11", "-O1", "-g0", "-w", "-fPIE", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
           "-D_FORTIFY_SOURCE=0", f"-I{top}", f"-I{build}", "-include", "config.h", "-DHAVE_CONFIG_H"]


def config_has(word):
    with open(os.path.join(build, "config.h"), encoding="ascii") as f:
        return re.search(rf"^#define {word} ", f.read(), re.M)


def sources(mk, library):
    """The .c files of a library, as its local.mk lists them."""
    with open(os.path.join(top, mk), encoding="ascii") as f:
        text = f.read().replace("\\\n", " ")
    found = []
    for line in re.findall(rf"^{library}_a_SOURCES \+?= (.*)$", text, re.M):
        found += [w for w in line.split() if w.endswith(".c")]
    return [s for s in found if "null" not in s and ("_mb" not in s or config_has("HAVE_IPSEC_MB"))]


BASE = sources("base/local.mk", "libbase")
L2TP = sources("l2tpd/local.mk", "libl2tp")
PPP = sources("ppp/local.mk", "libppp")
ESP = sources("esp/local.mk", "libesp")
REPLAY = ["tests/replay/replay.c", "tests/replay/lns.c", "tests/replay/note.c"]
STATES = ("tunnel.c", "session.c", "flow.c")        # state machines: their tables are tested cell by cell


def units(mk, *more):
    """The unit tests of an area, as its .mk lists them."""
    with open(os.path.join(top, mk), encoding="ascii") as f:
        text = f.read().replace("\\\n", " ")
    names = [w for line in re.findall(r"^unit_tests \+= (.*)$", text, re.M) for w in line.split()]
    return [f"tests/unit/{n}.c" for n in more] + [f"{n}.c" for n in names if not n.endswith(ELSEWHERE)]


# In tests/l2tp.mk, but with other libraries.
ELSEWHERE = ("t_proxy", "t_call")

# Area: the files that are mutated, what tests link with, the tests in the order in which they run.
AREAS = {
    "l2tp": ([s for s in L2TP if not s.endswith(STATES)], BASE + L2TP, units("tests/l2tp.mk", "t_l2reject")),
    "ppp": ([s for s in PPP if not s.endswith(("str.c", "protos.c"))], BASE + PPP, units("tests/ppp.mk", "t_pppreject", "t_proxy")),
    "esp": (["esp/esp.c", "esp/replay.c"], BASE + ESP, units("tests/esp.mk")),
}
MORE = {"tests/unit/t_pppreject.c": ["tests/replay/note.c"]}    # what else a test links with
HEADER = "base/rd.h"


# ---- finding the checks ----

def blank(text):
    """Comments and strings as spaces: positions stay."""
    def away(m):
        return re.sub(r"[^\n]", " ", m.group())
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", away, text, flags=re.S)


def closing(text, at):
    """The position of what closes the bracket at `at`."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
            if not depth:
                return i
    raise ValueError("brackets do not match")


def split(text, start, end, operator):
    """The operands between start and end, as (start, end), split at this operator outside of brackets."""
    parts, depth, begin, i = [], 0, start, start
    while i < end:
        if text[i] in "([{":
            depth += 1
        elif text[i] in ")]}":
            depth -= 1
        elif not depth and text[i:i + len(operator)] == operator:
            parts.append((begin, i))
            i += len(operator)
            begin = i
            continue
        i += 1
    parts.append((begin, end))
    return parts


def inner(text, start, end):
    """Without blanks, and without brackets around all of it."""
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    if text[start] == "(" and closing(text, start) == end - 1:
        return inner(text, start + 1, end - 1)
    return start, end


REJECTS = re.compile(r"\breturn\s*(false|NULL|0|-\d+|XPORT_(DROP|ACK|DUP)|OPT_(REJECT|NAK|ABORT)|-1)?\s*;|turn_drop\(|rd_fail\(|"
                     r"\bbad\(|turn_close\(|turn_gone\(|ESP_\w+;|\bfail\(|L2TP_PARSE_|->dropped")


def operands(text, start, end, dropped):
    """Each operand of a condition that is a check: `dropped` is what it becomes when it is taken out."""
    operator = "||" if dropped == "0" else "&&"
    start, end = inner(text, start, end)
    parts = split(text, start, end, operator)
    if len(parts) > 1:
        for a, b in parts:
            a, b = inner(text, a, b)
            if dropped == "0" and len(split(text, a, b, "||")) > 1:
                yield from operands(text, a, b, dropped)
            else:
                yield a, b, dropped
    elif dropped == "0":
        yield start, end, dropped


def mutants(path):
    """(start, end, new text) for every check of a file."""
    with open(os.path.join(top, path), encoding="utf-8") as f:
        source = f.read()
    text = blank(source)
    found = []
    for m in re.finditer(r"\bif\s*\(", text):
        start = m.end() - 1
        end = closing(text, start)
        body = end + 1
        while text[body].isspace():
            body += 1
        stop = closing(text, body) if text[body] == "{" else text.index(";", body) + 1
        rejects = REJECTS.search(text[body:stop])
        if len(split(text, *inner(text, start, end + 1), "&&")) > 1 and not rejects:
            found += operands(text, start, end + 1, "1")
        elif rejects:
            found += operands(text, start, end + 1, "0")
    # What must hold all at once to be good, or any of which is bad.
    for m in re.finditer(r"\b(?:return|\w+(?:->\w+)*\s*=)\s([^;{}]*(?:&&|\|\|)[^;{}]*);", text):
        if " ? " in m.group(1):
            continue
        for dropped in "10":
            parts = list(operands(text, m.start(1), m.end(1), dropped))
            if len(parts) > 1:
                found += parts
                break
    # Limits of lengths.
    for m in re.finditer(r"\b(?:rd_sub|rd_of|wr_bytes|memcpy)\([^;]*?\b(MIN)\(", text):
        start = m.start(1)
        end = closing(text, m.end() - 1)
        for a, b in split(text, m.end(), end, ","):
            found.append((start, end + 1, "(" + source[a:b].strip() + ")"))
    for m in re.finditer(r"(\w+) < (\w+) \? SIZE_MAX : ", text):
        found.append((m.start(), m.end(), ""))
    return source, sorted(set(found))


# ---- building and running ----

class Objects:
    """Objects of all sources as they are."""

    def __init__(self, work):
        self.work = work

    def name(self, path, where=None):
        return os.path.join(where or self.work, path.replace("/", "_") + ".o")

    def compile(self, path, out, include=None, source=None):
        extra = [f"-I{include}"] if include else []
        command = COMPILE[:1] + extra + COMPILE[1:] + [f"-I{os.path.dirname(os.path.join(top, path))}"]
        return subprocess.run(command + ["-c", "-o", out, source or os.path.join(top, path)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)

    def all(self, paths, pool):
        paths = [p for p in dict.fromkeys(paths) if not os.path.exists(self.name(p))]
        for path, done in zip(paths, pool.map(lambda p: self.compile(p, self.name(p)), paths)):
            if done.returncode:
                sys.exit(f"{path} does not compile:\n{done.stdout}")


def libraries():
    libs = flags("cmocka", "libcrypto")
    if config_has("HAVE_IPSEC_MB"):
        libs.append("-lIPSec_MB")
    return libs


LIBS = libraries()


def run(program, arguments):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
    try:
        return subprocess.run([program, *arguments], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=TIMEOUT, check=False).returncode
    except subprocess.TimeoutExpired:
        return 1


def links(area):
    """(objects, arguments, name) of each test of an area."""
    _, library, tests = AREAS[area]
    todo = [([t] + MORE.get(t, []) + library, [], t) for t in tests]
    if area != "esp":
        files = sorted(os.listdir(os.path.join(top, "tests/replay")))
        files = [os.path.join(top, "tests/replay", f) for f in files if f.endswith(".rpl")]
        todo.append((REPLAY + BASE + L2TP + PPP, files, "tests/replay/replay"))
    return todo


def noticed(objects, area, replaced, where):
    """The test that fails with these objects in place of the true ones, or None."""
    for files, arguments, name in links(area):
        program = os.path.join(where, "test")
        paths = [replaced.get(f, objects.name(f)) for f in dict.fromkeys(files)]
        done = subprocess.run([CC, "-fsanitize=address,undefined", "-o", program, *paths, *LIBS],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} does not link:\n{done.stdout}")
        if run(program, arguments):
            return name
    return None


def excuses(name):
    """(file, function, check) of lines FILE<TAB>FUNCTION<TAB>CHECK<TAB>WHY in tests/."""
    found = set()
    with open(os.path.join(top, "tests", name), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                found.add(tuple(line.rstrip("\n").split("\t")[:3]))
    return found


class Mutant:
    def __init__(self, path, source, start, end, new):
        self.path, self.source, self.start, self.end, self.new = path, source, start, end, new
        self.line = source.count("\n", 0, start) + 1
        self.function = re.findall(r"^\w[^;{}#]*?\b(\w+)\([^;{}]*\)\n\{", source[:start], re.M)[-1]
        self.check = " ".join(source[start:end].split())
        if new not in ("0", "1"):
            self.check += " -> " + (new or "(no limit)")

    def text(self):
        return self.source[:self.start] + self.new + self.source[self.end:]

    def __str__(self):
        return f"{self.path}:{self.line}: {self.function}: {self.check}"


lock = threading.Lock()


def test(objects, mutant):
    """What notices it: a test, "the compiler", or None."""
    with tempfile.TemporaryDirectory(dir=objects.work) as where:
        replaced = {}
        if mutant.path == HEADER:
            copy = os.path.join(where, HEADER)
            os.makedirs(os.path.dirname(copy))
            with open(copy, "w", encoding="utf-8") as f:
                f.write(mutant.text())
            files = dict.fromkeys(BASE + L2TP + PPP + ESP + REPLAY + [t for a in AREAS.values() for t in a[2]] +
                                  ["tests/unit/t_base.c"])
            for path in files:
                # Beside a copy of the header, or "base/rd.h" would be found in the source tree first.
                replaced[path] = objects.name(path, where)
                if objects.compile(path, replaced[path], where).returncode:
                    return "the compiler"
            program = os.path.join(where, "t_base")
            subprocess.run([CC, "-fsanitize=address,undefined", "-o", program, replaced["tests/unit/t_base.c"],
                            *[replaced[p] for p in BASE], *LIBS], check=True)
            if run(program, []):
                return "tests/unit/t_base.c"
            for area in AREAS:
                name = noticed(objects, area, replaced, where)
                if name:
                    return name
            return None
        area = next(a for a, (files, _, _) in AREAS.items() if mutant.path in files)
        source = os.path.join(where, os.path.basename(mutant.path))
        with open(source, "w", encoding="utf-8") as f:
            f.write(mutant.text())
        out = objects.name(mutant.path, where)
        if objects.compile(mutant.path, out, source=source).returncode:
            return "the compiler"
        return noticed(objects, area, {mutant.path: out}, where)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--sample", type=int, default=int(os.environ.get("MUTATE_SAMPLE", "1")))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--list", action="store_true")
    p.add_argument("files", nargs="*")
    args = p.parse_args()
    files = args.files or [f for a in AREAS.values() for f in a[0]] + [HEADER]
    todo = []
    for path in files:
        source, found = mutants(path)
        todo += [Mutant(path, source, *m) for m in found]
    todo = todo[::args.sample]
    if args.list:
        for m in todo:
            print(m)
        print(f"{len(todo)} mutants")
        return 0
    work = tempfile.mkdtemp(prefix="culvert-mutate.")
    objects = Objects(work)
    excused, still_open = excuses("mutate.equivalent"), excuses("mutate.open")
    counts, survivors, known = {}, [], 0
    try:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            objects.all(BASE + L2TP + PPP + ESP + REPLAY + [t for a in AREAS.values() for t in a[2]], pool)
            for area in AREAS:
                name = noticed(objects, area, {}, work)
                if name:
                    sys.exit(f"{name} fails without any change")
            for m, by in zip(todo, pool.map(lambda m: test(objects, m), todo)):
                count = counts.setdefault(m.path, [0, 0, 0])
                count[0] += 1
                if by:
                    count[1] += 1
                elif (m.path, m.function, m.check) in excused:
                    count[2] += 1
                elif (m.path, m.function, m.check) in still_open:
                    count[2] += 1
                    known += 1
                    print(f"# survives, as known: {m}", flush=True)
                else:
                    survivors.append(m)
                    print(f"# survives: {m}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for i, (path, (n, killed, same)) in enumerate(counts.items(), 1):
        left = n - killed - same
        print(f"{'not ' if left else ''}ok {i} - {path}: of {n} checks {killed} noticed when missing, {same} excused, {left} not")
    total = [sum(c[i] for c in counts.values()) for i in range(3)]
    print(f"# all: {total[0]} checks, {total[1]} noticed when missing, {total[2] - known} equivalent, {known} known to need a test, {len(survivors)} not")
    print(f"1..{len(counts)}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

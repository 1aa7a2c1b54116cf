#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Does a test notice when a check is missing?

    mutate.py [--sample N] [--jobs N] [--list] [FILE...]

From each parser of packets, one check is taken out at a time: an operand of a
condition whose branch rejects, or of one that has to hold for a packet to be
accepted, or a limit of MIN().  The unit tests of that area run with it (with the
address and undefined-behaviour sanitizers) until one fails.  A mutant that none
notices survives, and the status is 1, unless tests/mutate.equivalent says why
it cannot be noticed.

All cores are one shared library here, so that a mutant costs one link, and tests
are linked once.

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
import time

top = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
CC = os.environ.get("CC", "cc")
TIMEOUT = 60


def flags(*names):
    return subprocess.run(["pkg-config", "--cflags", "--libs", *names], stdout=subprocess.PIPE, check=True,
                          text=True).stdout.split()


COMPILE = [CC, "-std=gnu11", "-O1", "-g0", "-w", "-fPIC", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
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
STATES = ("tunnel.c", "session.c", "flow.c")        # state machines: their tables are tested cell by cell


def units(mk, *more):
    """The unit tests of an area, as its .mk lists them."""
    with open(os.path.join(top, mk), encoding="ascii") as f:
        text = f.read().replace("\\\n", " ")
    names = [w for line in re.findall(r"^unit_tests \+= (.*)$", text, re.M) for w in line.split()]
    return [f"tests/unit/{n}.c" for n in more] + [f"{n}.c" for n in names if not n.endswith(ELSEWHERE)]


# In tests/l2tp.mk, but with other libraries.
ELSEWHERE = ("t_proxy", "t_call")

# Area: the files that are mutated, and the tests that may notice, from the fastest to the slowest when they run.
AREAS = {
    "l2tp": ([s for s in L2TP if not s.endswith(STATES)], units("tests/l2tp.mk", "t_l2reject", "t_lineage") + ["replay"]),
    "ppp": ([s for s in PPP if not s.endswith(("str.c", "protos.c"))],
            units("tests/ppp.mk", "t_pppreject", "t_proxy") + ["replay"]),
    "esp": (["esp/esp.c", "esp/replay.c"], units("tests/esp.mk")),
    "base": (["base/rd.h"], ["tests/unit/t_base.c"]),
}
LIBRARY = BASE + L2TP + PPP + ESP
HEADER = "base/rd.h"        # its mutants need every object anew, and any test may notice them


def test_sources(name):
    if name == "replay":
        return ["tests/replay/replay.c", "tests/replay/lns.c", "tests/replay/note.c"]
    return [name] + (["tests/replay/note.c"] if name.endswith("t_pppreject.c") else [])


def test_arguments(name):
    if name != "replay":
        return []
    where = os.path.join(top, "tests/replay")
    return [os.path.join(where, f) for f in sorted(os.listdir(where)) if f.endswith(".rpl")]


TESTS = list(dict.fromkeys(t for a in AREAS.values() for t in a[1]))
SOURCES = list(dict.fromkeys(LIBRARY + [s for t in TESTS for s in test_sources(t)]))


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

class Build:
    """Objects, the library and the tests in one directory; what is not there is taken from the one that it is based on."""

    def __init__(self, where, base=None):
        self.where, self.base = where, base

    def file(self, name):
        own = os.path.join(self.where, name)
        return own if os.path.exists(own) or not self.base else self.base.file(name)

    @staticmethod
    def object(path):
        return path.replace("/", "_") + ".o"

    @staticmethod
    def program(test):
        return "run_" + os.path.basename(test).removesuffix(".c")

    def compile(self, path, source=None, include=None):
        """What the compiler says, or "" if it has compiled.  include comes before the source tree."""
        extra = [f"-I{include}"] if include else []
        command = COMPILE[:1] + extra + COMPILE[1:] + [f"-I{os.path.dirname(os.path.join(top, path))}"]
        done = subprocess.run(command + ["-c", "-o", os.path.join(self.where, self.object(path)), source or os.path.join(top, path)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout or "it failed" if done.returncode else ""

    def link(self, name, paths, *more):
        done = subprocess.run([CC, "-fsanitize=address,undefined", "-o", os.path.join(self.where, name),
                               *[self.file(self.object(p)) for p in paths], *more, *LIBS],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} does not link:\n{done.stdout}")

    def link_library(self):
        self.link("libcores.so", LIBRARY, "-shared")

    def link_test(self, test):
        self.link(self.program(test), test_sources(test), f"-L{self.where}", "-lcores")

    def fails(self, test):
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LD_LIBRARY_PATH=os.path.dirname(self.file("libcores.so")))
        try:
            return subprocess.run([self.file(self.program(test)), *test_arguments(test)], env=env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=TIMEOUT, check=False).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    def noticed(self, tests):
        """The first test that fails, or None."""
        return next((t for t in tests if self.fails(t)), None)


def libraries():
    libs = flags("cmocka", "libcrypto")
    if config_has("HAVE_IPSEC_MB"):
        libs.append("-lIPSec_MB")
    return libs


LIBS = libraries()


def whole_build(work, pool):
    """Everything as it is; sorts the tests by the time that they take."""
    b = Build(work)
    for path, said in zip(SOURCES, pool.map(b.compile, SOURCES)):
        if said:
            sys.exit(f"{path} does not compile:\n{said}")
    b.link_library()
    list(pool.map(b.link_test, TESTS))
    took = {}
    for test in TESTS:
        began = time.monotonic()
        if b.fails(test):
            sys.exit(f"{test} fails without any change")
        took[test] = time.monotonic() - began
    for _, tests in AREAS.values():
        tests.sort(key=took.get)
    return b


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


def test(whole, mutant):
    """What notices it: a test, "the compiler", or None."""
    with tempfile.TemporaryDirectory(dir=whole.where) as where:
        b = Build(where, whole)
        if mutant.path == HEADER:
            copy = os.path.join(where, HEADER)
            os.makedirs(os.path.dirname(copy))
            with open(copy, "w", encoding="utf-8") as f:
                f.write(mutant.text())
            # The copy is first on the include path.
            if any(b.compile(path, include=where) for path in SOURCES):
                return "the compiler"
            b.link_library()
            for t in TESTS:
                b.link_test(t)
            return b.noticed(AREAS["base"][1] + TESTS)
        tests = next(tests for files, tests in AREAS.values() if mutant.path in files)
        source = os.path.join(where, os.path.basename(mutant.path))
        with open(source, "w", encoding="utf-8") as f:
            f.write(mutant.text())
        if b.compile(mutant.path, source):
            return "the compiler"
        b.link_library()
        return b.noticed(tests)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--sample", type=int, default=int(os.environ.get("MUTATE_SAMPLE", "1")))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--list", action="store_true")
    p.add_argument("files", nargs="*")
    args = p.parse_args()
    todo = []
    for path in args.files or [f for a in AREAS.values() for f in a[0]]:
        source, found = mutants(path)
        todo += [Mutant(path, source, *m) for m in found]
    if args.list:
        for m in todo[::args.sample]:
            print(m)
        print(f"{len(todo[::args.sample])} mutants")
        return 0
    excused = excuses("mutate.equivalent")
    stale = excused - {(m.path, m.function, m.check) for m in todo}
    todo = todo[::args.sample]
    if stale and not args.files:
        for line in sorted(stale):
            print(f"# tests/mutate.equivalent excuses a check that is not there: {': '.join(line)}")
        print("not ok 1 - each excuse is for a check\n1..1")
        return 1
    work = tempfile.mkdtemp(prefix="culvert-mutate.")
    counts, survivors = {}, []
    try:
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            whole = whole_build(work, pool)
            for m, by in zip(todo, pool.map(lambda m: test(whole, m), todo)):
                count = counts.setdefault(m.path, [0, 0, 0])
                count[0] += 1
                if by:
                    count[1] += 1
                elif (m.path, m.function, m.check) in excused:
                    count[2] += 1
                else:
                    survivors.append(m)
                    print(f"# survives: {m}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for i, (path, (n, killed, same)) in enumerate(counts.items(), 1):
        left = n - killed - same
        print(f"{'not ' if left else ''}ok {i} - {path}: of {n} checks {killed} noticed when missing, {same} excused, {left} not")
    total = [sum(c[i] for c in counts.values()) for i in range(3)]
    print(f"# all: {total[0]} checks, {total[1]} noticed when missing, {total[2]} equivalent, {len(survivors)} not")
    print(f"1..{len(counts)}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

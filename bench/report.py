#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""raw.tsv → results.tsv (medians and spread), table.md and speed.svg.

    report.py DIRECTORY        where bench/run.sh left raw.tsv, facts.txt and notes.txt
"""
import collections
import csv
import html
import statistics
import sys

CANDIDATES = ["culvert", "softether", "null", "plain"]
TITLES = {"culvert": "culvert", "softether": "SoftEther", "null": "culvert without ciphers", "plain": "plain routing",
          "libcharon": "libcharon alone"}
KEYS = ["part", "test", "clients", "mtu", "suite", "pinned", "candidate", "metric"]
TESTS = {"tcp-down": "TCP download", "tcp-up": "TCP upload", "tcp-both": "TCP both ways", "udp-down": "UDP download",
         "udp-down-gro": "UDP download, merged by the uplink", "udp-up": "UDP upload", "udp-both": "UDP both ways"}
BASE = {"clients": "1", "mtu": "1400", "suite": "aes256-sha1", "pinned": "yes"}

Row = collections.namedtuple("Row", KEYS + ["median", "low", "high", "rounds"])


class Results:
    """Medians by what they are of."""

    def __init__(self, path):
        values = collections.defaultdict(list)
        with open(path, encoding="utf-8", newline="") as f:
            for r in csv.DictReader(f, delimiter="\t"):
                values[tuple(r[k] for k in KEYS)].append(float(r["value"]))
        self.rows = [Row(*k, statistics.median(v), min(v), max(v), len(v)) for k, v in values.items()]

    def find(self, metric, **what):
        """The row, or None."""
        for r in self.rows:
            if r.metric == metric and all(getattr(r, k) == str(v) for k, v in what.items()):
                return r
        return None

    def value(self, metric, **what):
        r = self.find(metric, **what)
        return r.median if r else None

    def cases(self, part, *keys):
        """What was measured in a part, in the order in which it was."""
        return list(dict.fromkeys(tuple(getattr(r, k) for k in keys) for r in self.rows if r.part == part))


def number(v):
    if v is None:
        return "–"
    if abs(v) >= 100:
        return f"{v:,.0f}".replace(",", " ")
    return f"{v:.3g}"


def spread(r):
    if r is None:
        return "–"
    if r.rounds < 2:
        return number(r.median)
    return f"{number(r.median)} ({number(r.low)}–{number(r.high)})"


def ratio(a, b):
    return a / b if a is not None and b else None


def times(v):
    return "–" if v is None else f"{v:.1f} ×"


def percent(v):
    return "–" if v is None else f"{100 * v:.0f} %"


def table(head, rows):
    if not rows:
        return ""
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    out += ["| " + " | ".join(r) + " |" for r in rows]
    return "\n".join(out) + "\n"


def throughput(res):
    if not res.cases("throughput", "test"):
        return ""
    rows, over = [], []
    names = [c for c in CANDIDATES if any(r.part == "throughput" and r.candidate == c for r in res.rows)]
    for pinned, n, mtu, suite, test in res.cases("throughput", "pinned", "clients", "mtu", "suite", "test"):
        what = {"part": "throughput", "test": test, "clients": n, "mtu": mtu, "suite": suite, "pinned": pinned}
        mbit = {c: res.find("mbit", candidate=c, **what) for c in names}
        cpu = "cpu0_ns_pkt" if pinned == "yes" else "process_ns_pkt"
        ns = {c: res.value(cpu, candidate=c, **what) for c in names}
        med = {c: mbit[c].median if mbit[c] else None for c in names}
        # Where its source could send no more, plain routing is no measure.
        limited = res.value("source_limited", candidate="plain", **what)
        rows.append(["yes" if pinned == "yes" else "no", n, mtu, suite, TESTS.get(test, test)] +
                    [("≥ " if limited and c == "plain" else "") + spread(mbit[c]) for c in names] +
                    [times(ratio(med.get("culvert"), med.get("softether"))),
                     "–" if limited else percent(ratio(med.get("culvert"), med.get("plain")))] +
                    [number(ns[c]) for c in names if c != "plain" or pinned == "yes"] +
                    ["–"] * ("plain" in names and pinned != "yes") +
                    [times(ratio(ns.get("softether"), ns.get("culvert")))] +
                    ["–" if res.value("load_pct", candidate="culvert", **what) is None else
                     " / ".join(number(res.value(m, candidate="culvert", **what)) for m in ("cpu0_pct", "load_pct"))])
        if test.startswith("udp"):
            for c in names:
                left = res.find("over_left_pct", candidate=c, **what)
                if left:
                    limit = res.value("source_limited", candidate=c, **what)
                    over.append(["yes" if pinned == "yes" else "no", n, TESTS[test], TITLES[c], number(mbit[c].median),
                                 number(res.value("kpps_got", candidate=c, **what)),
                                 number(res.value("over_times", candidate=c, **what)) + (" (all the source can)" if limit else ""),
                                 spread(left)])
    head = (["pinned", "clients", "MTU", "suite", "test"] + [f"{TITLES[c]}, Mbit/s" for c in names] +
            ["culvert : SoftEther", "culvert : plain"] + [f"{TITLES[c]}, ns/packet" for c in names] +
            ["SoftEther : culvert, ns/packet", "culvert, CPU 0 / CPU 1 busy, %"])
    text = table(head, rows)
    text += "\nPinned, CPU 0 is the server's and CPU 1 the load's: where CPU 1 is full, more would not come out of a faster server.\n"
    if over:
        text += ("\nOverload: the best that is delivered, and what is left of it when about twice as much is offered.\n\n" +
                 table(["pinned", "clients", "test", "", "best, Mbit/s", "best, 1000 packets/s", "offered then, × best",
                        "left, %"], over))
    return text


def logins(res):
    rows = []
    for test, at in res.cases("logins", "test", "clients"):
        if test == "primitives":
            continue
        what = {"part": "logins", "test": test, "clients": at}
        alone = res.value("per_cpu_s", candidate="libcharon", **what)
        for c in ("culvert", "libcharon", "softether"):
            r = res.find("per_cpu_s", candidate=c, **what)
            if r:
                rows.append([test.replace("login-", ""), at, TITLES[c], spread(r), percent(ratio(r.median, alone)),
                             number(res.value("rate", candidate=c, **what)),
                             number(res.value("login_p50_ms", candidate=c, **what)),
                             number(res.value("login_p99_ms", candidate=c, **what)),
                             number(res.value("login_max_ms", candidate=c, **what))])
    text = table(["group", "at once", "", "per server CPU second", ": libcharon alone", "per second", "p50, ms", "p99, ms",
                  "longest, ms"], rows)
    speed = [f"{n} {number(res.value(m, part='logins'))}/s" for n, m in
             (("ffdh2048", "ffdh2048_ops_s"), ("ECDH P-256", "ecdhp256_ops_s")) if res.value(m, part="logins")]
    if speed:
        text += "\n`openssl speed` on one core: " + ", ".join(speed) + " (derive only; a login needs a key pair and a derive).\n"
    return text


def verdicts(res):
    rows = []
    for test, who in res.cases("auth", "test", "candidate"):
        what = {"part": "auth", "test": test, "candidate": who}
        rows.append([test, {"unknown": "no such user", "wrong": "wrong password", "disabled": "disabled user, right password"}[who]] +
                    [spread(res.find(m, **what)) for m in ("p1_us", "p10_us", "p50_us", "p90_us", "p99_us")] +
                    ["–" if who == "unknown" else number(res.value("ks_p", **what))])
    return table(["method", "", "p1, µs", "p10", "p50", "p90", "p99", "KS p"], rows)


def sessions(res):
    rows = []
    metrics = [("kb_each", "memory of each, KB"), ("kb_each_engine", "engine"), ("kb_each_iked", "iked"),
               ("kb_each_manager", "manager"), ("kb_each_netd", "netd"), ("idle_cpu_pct", "idle CPU, % of a core"),
               ("witness_alone_mbit", "witness alone, Mbit/s"), ("witness_mbit", "witness among them, Mbit/s"),
               ("login_cpu_ms", "login, server CPU ms"), ("login_rate", "logins/s"),
               ("storm_cpu_ms", "storm, server CPU ms each"), ("storm_s", "storm, s")]
    for (n,) in res.cases("sessions", "clients"):
        rows.append([n] + [spread(res.find(m, part="sessions", clients=n)) for m, _ in metrics])
    return table(["sessions"] + [t for _, t in metrics], rows)


def latency(res):
    rows, voice = [], []
    names = [c for c in CANDIDATES if any(r.part == "latency" and r.candidate == c for r in res.rows)]
    title = {"idle": "idle", "beside-down": "beside a neighbour's download", "beside-up": "beside a neighbour's upload"}
    for test, n in res.cases("latency", "test", "clients"):
        what = {"part": "latency", "test": test, "clients": n}
        if test in title:
            rows.append([title[test]] + [" / ".join(number(res.value(f"ping_{q}_ms", candidate=c, **what))
                                                    for q in ("p50", "p99", "max")) for c in names])
        else:
            v = {c: res.find("kpps_got", candidate=c, **what) for c in ("culvert", "softether")}
            voice.append([test.replace("voice-", "") + "load", n] + [spread(v[c]) for c in v] +
                         [times(ratio(v["culvert"] and v["culvert"].median, v["softether"] and v["softether"].median))] +
                         [number(res.value("cpu0_ns_pkt", candidate=c, **what)) for c in v])
    return (table(["ping, ms: p50 / p99 / longest"] + [TITLES[c] for c in names], rows) +
            ("\nOne packet of each client at a time, 160 bytes: the most that arrives.\n\n" +
             table(["direction", "clients", "culvert, 1000 packets/s", "SoftEther", "culvert : SoftEther", "culvert, ns/packet",
                    "SoftEther, ns/packet"], voice) if voice else ""))


def engines(res):
    rows = []
    for test, title in (("udp-up", "UDP upload"), ("tcp-down", "TCP download")):
        for (n,) in res.cases("engines", "clients"):
            one, two = (res.find("mbit", part="engines", test=f"{test}-{k}", clients=n) for k in (1, 2))
            if one and two:
                cpu = [res.value("machine_pct", part="engines", test=f"{test}-{k}", clients=n) for k in (1, 2)]
                rows.append([title, n, spread(one), spread(two), times(ratio(two.median, one.median)),
                             " / ".join(number(c) for c in cpu)])
    return table(["test", "clients", "one engine, Mbit/s", "two engines", "two : one", "CPUs busy, % of one"], rows)


def guests(res):
    rows = []
    for (name,) in res.cases("guests", "candidate"):
        row = [name]
        for test in ("tcp-down", "tcp-up"):
            v, c = (res.value("mbit", part="guests", test=test, candidate=x) for x in (name, "culvert"))
            row.append(times(ratio(v, c)))
        rows.append(row)
    return table(["server in the guest", "TCP download, × culvert's", "TCP upload, × culvert's"], rows)


def goals(res):
    """What was aimed at, and what came out."""
    rows = []

    def add(text, bar, value, reached, shown):
        if value is not None:
            rows.append([text, bar, shown, "yes" if reached(value) else "**no**"])

    def base(metric, test, c):
        return res.value(metric, part="throughput", test=test, candidate=c, **BASE)

    for test, limit in (("tcp-down", 1000), ("tcp-up", 900)):
        name = TESTS[test]
        v = ratio(base("cpu0_ns_pkt", test, "softether"), base("cpu0_ns_pkt", test, "culvert"))
        add(f"{name}, one client: server CPU per packet, SoftEther's : ours", "≥ 10", v, lambda v: v >= 10, times(v))
        v = ratio(base("mbit", test, "culvert"), base("mbit", test, "softether"))
        add(f"{name}, server on one core: goodput : SoftEther's", "≥ 8", v, lambda v: v >= 8, times(v))
        v = ratio(base("mbit", test, "culvert"), base("mbit", test, "plain"))
        add(f"{name}, server on one core: goodput : plain routing", "≥ 60 %", v, lambda v: v >= 0.6, percent(v))
        v = base("cpu0_ns_pkt", test, "culvert")
        add(f"{name}: server CPU per packet, process and softirq", f"≤ {limit} ns", v, lambda v, m=limit: v <= m,
            f"{number(v)} ns")
    for test in ("udp-down", "udp-down-gro", "udp-up"):
        v = base("over_left_pct", test, "culvert")
        add(f"{TESTS[test]}: left of the best at twice that load", "≥ 80 %", v, lambda v: v >= 80, f"{number(v)} %")
    for test in ("voice-up", "voice-down"):
        a, b = (res.value("kpps_got", part="latency", test=test, candidate=c) for c in ("culvert", "softether"))
        v = ratio(a, b)
        add(f"one packet per client, {test[6:]}load: packet rate : SoftEther's", "≥ 3", v, lambda v: v >= 3, times(v))
    v = ratio(*(res.value("per_cpu_s", part="logins", test="login-modp2048", clients="100", candidate=c)
                for c in ("culvert", "libcharon")))
    add("logins per server CPU second : libcharon alone, modp2048", "≥ 85 %", v, lambda v: v >= 0.85, percent(v))
    v = res.value("login_p50_ms", part="logins", test="login-modp2048", clients="1", candidate="culvert")
    add("a login on an idle server", "≤ 50 ms", v, lambda v: v <= 50, f"{number(v)} ms")
    for metric, text, limit, unit in (("kb_each", "memory of each of 10,000 sessions", 25, "KB"),
                                      ("idle_cpu_pct", "idle CPU with 10,000 sessions", 5, "% of a core"),
                                      ("storm_cpu_ms", "reconnect storm of 10,000: server CPU each", 4, "ms")):
        v = res.value(metric, part="sessions", clients="10000")
        add(text, f"≤ {limit} {unit}", v, lambda v, m=limit: v <= m, f"{number(v)} {unit}")
    return table(["what", "bar", "measured", "reached"], rows)


# ---- the plot ----

COLOURS = {"culvert": "#1f6feb", "softether": "#d1642a", "null": "#8cb8f5", "plain": "#9aa0a6"}


class Svg:
    """Just enough of it."""

    def __init__(self, width, height):
        self.size = (width, height)
        self.parts = [f'<rect width="{width}" height="{height}" fill="#ffffff"/>']

    def rect(self, x, y, w, h, fill):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}"/>')

    def line(self, x1, y1, x2, y2, stroke="#444444", width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
                          f'stroke-width="{width}"/>')

    def text(self, x, y, text, size=12, anchor="start", fill="#24292f", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
                          f'font-weight="{weight}">{html.escape(text)}</text>')

    def write(self, path):
        w, h = self.size
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
                    'font-family="sans-serif">\n<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n')
            f.write("\n".join(self.parts) + "\n</svg>\n")


def panel(svg, x, y, width, title, unit, groups):
    """Horizontal bars; groups: (name, [(candidate, row)])."""
    svg.text(x, y, title, 14, weight="bold")
    svg.text(x, y + 16, unit, 11, fill="#57606a")
    top = max((r.high for _, bars in groups for _, r in bars), default=0)
    y += 30
    left, room = x + 76, width - 76 - 62
    for name, bars in groups:
        begin = y
        for c, r in bars:
            w = room * r.median / top
            svg.rect(left, y, max(w, 1), 15, COLOURS[c])
            if r.rounds > 1:
                svg.line(left + room * r.low / top, y + 7.5, left + room * r.high / top, y + 7.5)
            svg.text(left + max(w, room * r.high / top) + 5, y + 12, number(r.median), 11)
            y += 18
        svg.text(x, (begin + y) / 2 + 1, name, 12)
        y += 8
    return y


def plot(res, path):
    panels = []

    def bars(metric, test, part="throughput", what=None, names=CANDIDATES):
        found = [(c, res.find(metric, part=part, test=test, candidate=c, **(BASE if what is None else what))) for c in names]
        # What only shows how fast its source is has no place beside the others.
        return [(c, r) for c, r in found if r and not (
            test.startswith("udp") and c == "plain" and res.value("source_limited", test=test, candidate=c, **BASE))]

    for title, unit, metric, groups in (
            ("TCP, one client", "Mbit/s, server on one core; more is better", "mbit",
             (("download", "tcp-down"), ("upload", "tcp-up"))),
            ("Server CPU per packet", "ns, one client's TCP; less is better", "cpu0_ns_pkt",
             (("download", "tcp-down"), ("upload", "tcp-up"))),
            ("UDP, one client", "Mbit/s delivered at best; more is better", "mbit",
             (("download", "udp-down"), ("upload", "udp-up")))):
        g = [(n, bars(metric, t)) for n, t in groups]
        g = [x for x in g if x[1]]
        if g:
            panels.append((title, unit, g))
    g = [(n, bars("kpps_got", t, "latency", {}, ["culvert", "softether"]))
         for n, t in (("download", "voice-down"), ("upload", "voice-up"))]
    g = [x for x in g if x[1]]
    if g:
        panels.append(("One packet per client at a time", "1000 packets/s; more is better", g))
    if not panels:
        return False
    width, each = 880, 400
    heights = [30 + sum(18 * len(b) + 8 for _, b in g) + 26 for _, _, g in panels]
    lines = [max(heights[i:i + 2]) for i in range(0, len(heights), 2)]
    svg = Svg(width, 56 + sum(lines))
    x = 24
    used = [c for c in CANDIDATES if any(c == k for _, _, g in panels for _, b in g for k, _ in b)]
    for c in used:
        svg.rect(x, 16, 12, 12, COLOURS[c])
        svg.text(x + 18, 26, TITLES[c], 12)
        x += 34 + 7.2 * len(TITLES[c])
    y = 62
    for i, (title, unit, g) in enumerate(panels):
        panel(svg, 24 + (i % 2) * (each + 32), y, each, title, unit, g)
        if i % 2:
            y += lines[i // 2]
    svg.write(path)
    return True


def read(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = sys.argv[1]
    res = Results(f"{out}/raw.tsv")
    if not res.rows:
        sys.exit("report.py: nothing was measured")
    with open(f"{out}/results.tsv", "w", encoding="utf-8") as f:
        f.write("\t".join(KEYS + ["median", "min", "max", "rounds"]) + "\n")
        for r in res.rows:
            f.write("\t".join(list(r[:len(KEYS)]) + [f"{v:g}" for v in (r.median, r.low, r.high)] + [str(r.rounds)]) + "\n")
    parts = ["# What was measured\n", "```\n" + read(f"{out}/facts.txt") + "```\n"]
    if plot(res, f"{out}/speed.svg"):
        parts.append("![speed](speed.svg)\n")
    for title, text in (("Against the bars", goals(res)), ("Throughput", throughput(res)), ("One engine and two", engines(res)),
                        ("Logins", logins(res)), ("Verdicts", verdicts(res)),
                        ("Sessions held", sessions(res)), ("Latency and single packets", latency(res)),
                        ("In a guest (User Mode Linux)", guests(res))):
        if text:
            parts.append(f"## {title}\n\n{text}")
    notes = read(f"{out}/notes.txt")
    if notes:
        parts.append("## Not measured\n\n" + "".join(f"- {n}\n" for n in notes.splitlines()))
    with open(f"{out}/table.md", "w", encoding="utf-8") as f:
        f.write("\n".join(parts))


main()

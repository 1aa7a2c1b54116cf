#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One load run between the client end and the inside host, measured over one window.

    load.py tcp  --dir down|up|both …      iperf3, one pair per client
    load.py udp  --dir … --rate PPS …      single datagrams at this pace (udpload)
    load.py peak --dir … …                 paces from low to high; then twice the best
    load.py ping [--load-…] …              round trips, alone or beside a saturating neighbour
    load.py spray --rate PPS …             datagrams to clients that count them
    load.py rate --counters FILE …         what some other sender gets through

Prints "METRIC VALUE" lines.  CPU time is taken at the two ends of the window:
the server core's from its idle time (ticks miss most softirq work), the
server processes' from the scheduler's own sums.
"""
import argparse
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import time

HZ = os.sysconf("SC_CLK_TCK")
COUNTERS = struct.Struct("=5Q")


def fail(text):
    print("load.py: " + text, file=sys.stderr)
    sys.exit(1)


def put(metric, value):
    print(f"{metric} {value:.6g}" if isinstance(value, float) else f"{metric} {value}", flush=True)


class Sample:
    """Time, CPU and counters at one moment."""

    def __init__(self, args):
        self.at = time.monotonic_ns()
        self.idle = {}
        with open("/proc/stat", encoding="ascii") as f:
            for line in f:
                w = line.split()
                if w[0].startswith("cpu") and w[0] != "cpu":
                    # idle, iowait, steal
                    self.idle[int(w[0][3:])] = (int(w[4]) + int(w[5]) + int(w[8])) * 1_000_000_000 // HZ
        self.process = sum(process_ns(p) for p in args.pids)
        self.counters = [counters(f) for f in args.counters]


def process_ns(pid):
    """CPU time of all threads that live."""
    total = 0
    try:
        for t in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{t}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def counters(path):
    with open(path, "rb") as f:
        return COUNTERS.unpack(f.read(COUNTERS.size))


def cycles(cpu, seconds):
    """Of a CPU, while so much time passes; None where perf gives no number."""
    out = subprocess.run(["perf", "stat", "-x,", "-C", str(cpu), "-e", "cycles", "--", "sleep", str(seconds)],
                         capture_output=True, text=True, check=False).stderr
    for line in out.splitlines():
        n = line.split(",")[0]
        if n.isdigit():
            return int(n)
    return None


class Window:
    """What passed between two samples."""

    def __init__(self, args, seconds):
        self.cycles = None
        self.a = Sample(args)
        if args.perf and args.cpu >= 0:
            self.cycles = cycles(args.cpu, seconds)
        else:
            time.sleep(seconds)
        self.b = Sample(args)
        self.seconds = (self.b.at - self.a.at) / 1e9
        self.process = self.b.process - self.a.process
        idle = {c: self.b.idle[c] - self.a.idle[c] for c in self.a.idle}
        wall = self.b.at - self.a.at
        self.busy = {c: max(0, wall - i) for c, i in idle.items()}
        # How much of the machine was at work at all.
        self.all_busy = sum(self.busy.values())

    def counter(self, i, k):
        return self.b.counters[i][k] - self.a.counters[i][k]


def put_cpu(args, w, packets, payload):
    """CPU per packet and byte; a packet is one of the tunnel's MTU, or a datagram."""
    put("process_pct", 100 * w.process / 1e9 / w.seconds)
    if args.cpu >= 0:
        put("cpu0_pct", 100 * w.busy[args.cpu] / 1e9 / w.seconds)
    if args.load_cpu >= 0:
        put("load_pct", 100 * w.busy[args.load_cpu] / 1e9 / w.seconds)
    put("machine_pct", 100 * w.all_busy / 1e9 / w.seconds)
    if packets > 0:
        put("kpps", packets / w.seconds / 1e3)
        put("process_ns_pkt", w.process / packets)
        if args.cpu >= 0:
            put("cpu0_ns_pkt", w.busy[args.cpu] / packets)
            put("cpu0_ns_byte", w.busy[args.cpu] / payload)
        if w.cycles:
            put("cpu0_cycles_pkt", w.cycles / packets)
            put("cpu0_cycles_byte", w.cycles / payload)


def on_cpu(args):
    """The load's own CPU, when the server has one for itself."""
    return ["taskset", "-c", str(args.load_cpu)] if args.load_cpu >= 0 else []


def in_ns(args, ns, *command):
    return ["ip", "netns", "exec", ns] + on_cpu(args) + list(command)


def tcp_start(args, sources, direction, seconds, tag):
    way = {"down": "-R", "up": "", "both": "--bidir"}[direction]
    cubic = "-C " + args.congestion if args.congestion else ""
    lines = [
        f"iperf3 -c {args.target} -p {args.port + i} -B {s} {way} -t {int(seconds)} -O {int(args.omit)} {cubic} -J "
        f">{args.tmp}/{tag}.{i}.json 2>&1 &"
        for i, s in enumerate(sources)
    ]
    # pylint: disable=consider-using-with
    return subprocess.Popen(in_ns(args, args.ns, "sh", "-c", "\n".join(lines) + "\nwait"), start_new_session=True)


def tcp_end(args, process, sources, direction, tag):
    """Bytes per second down, up; retransmits; the smallest and largest share."""
    try:
        process.wait(timeout=args.time + args.omit + 20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        fail("iperf3 does not end")
    down = up = again = 0
    each = []
    for i in range(len(sources)):
        path = f"{args.tmp}/{tag}.{i}.json"
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        try:
            end = json.loads(text)["end"]
            got = {"up": end["sum_received"]["bits_per_second"] / 8}
        except (ValueError, KeyError):
            print(f"load.py: client {i}: {text[-300:]}", file=sys.stderr)
            continue
        if direction == "down":
            got = {"down": got["up"]}
        elif direction == "both":
            got["down"] = end["sum_received_bidir_reverse"]["bits_per_second"] / 8
        down += got.get("down", 0)
        up += got.get("up", 0)
        again += end["sum_sent"].get("retransmits", 0)
        each.append(sum(got.values()))
    if len(each) < len(sources):
        put("clients_failed", len(sources) - len(each))
    if not each:
        fail("no client of iperf3 measured anything")
    return down, up, again, min(each), max(each)


def do_tcp(args):
    p = tcp_start(args, args.sources, args.dir, args.time, "tcp")
    time.sleep(args.omit)
    w = Window(args, args.time)
    down, up, again, low, high = tcp_end(args, p, args.sources, args.dir, "tcp")
    if down + up <= 0:
        fail("nothing came through")
    put("mbit", (down + up) * 8 / 1e6)
    if args.dir == "both":
        put("down_mbit", down * 8 / 1e6)
        put("up_mbit", up * 8 / 1e6)
    put("retransmits", again)
    if len(args.sources) > 1:
        put("client_min_mbit", low * 8 / 1e6)
        put("client_max_mbit", high * 8 / 1e6)
    # IPv4 and TCP headers with the timestamp option.
    payload = (down + up) * w.seconds
    put_cpu(args, w, payload / (args.mtu - 52), payload)


def wire(pid, device):
    """Bytes that a device has received, in the namespace of a process."""
    with open(f"/proc/{pid}/net/dev", encoding="ascii") as f:
        return next(int(line.split(":")[1].split()[0]) for line in f if line.strip().startswith(device + ":"))


def udp_run(args, rate):
    """One pace: offered and delivered datagrams per second, and the window."""
    if args.dial and args.dir == "up":
        return ring_run(args, rate)
    up = rate if args.dir in ("up", "both") else 0
    down = rate if args.dir in ("down", "both") else 0
    mine = f"{args.tmp}/udp.counters"
    with open(mine, "wb") as f:
        f.write(bytes(COUNTERS.size))
    command = [args.udpload, "-c", mine] + [w for s in args.sources for w in ("-b", s)]
    command += ["-n", str(len(args.sources)), "-l", str(args.bytes),
 "-t", str(int(args.time + args.omit + 2)), "-r", str(up), "-d", str(down), "run", args.target,
                str(args.udp_port)]
    # pylint: disable=consider-using-with
    p = subprocess.Popen(in_ns(args, args.ns, *command), start_new_session=True)
    time.sleep(args.omit)
    args.counters = [mine, args.server_counters]
    before = wire(p.pid, "c0") if down else 0
    w = Window(args, args.time)
    arrived = wire(p.pid, "c0") - before if down else 0
    os.killpg(p.pid, signal.SIGKILL)
    p.wait()
    # 0: here, 1: at the inside host; rx 0, tx 2, tx_failed 4
    sent = (w.counter(0, 2) + w.counter(0, 4) if up else 0) + (w.counter(1, 2) + w.counter(1, 4) if down else 0)
    got = w.counter(1, 0) if up else 0
    if down:
        # What the client has no time for has still been delivered: counted on the wire, by
        # the bytes that a packet has there when all of them arrive.
        args.wire_bytes = args.wire_bytes or (arrived / w.counter(0, 0) if w.counter(0, 0) else 0)
        got += arrived / args.wire_bytes if args.wire_bytes else 0
    return sent / w.seconds, got / w.seconds, w


def started_sessions(args):
    with open(f"{args.tmp}/ring.log", encoding="utf-8", errors="replace") as log:
        return log.read().count(" up local=")


def ring_run(args, rate):
    """Upload by culvert-dial from packets sealed beforehand, so that the source costs little."""
    n = len(args.sources)
    command = shlex.split(args.dial) + ["-n", str(n), "--from", args.crowd, "--source", str(max(1, int(rate / n))),
                                        "--ring", str(int(rate * (args.time + args.omit + 0.5) / n) + 64), "--burst", "64",
                                        "--size", str(args.bytes), "--target", args.target, "--hold", "60",
                                        "--timeout", "60", "--time"]
    args.counters = [args.sink_counters]
    with open(f"{args.tmp}/ring.log", "w", encoding="utf-8") as log:
        # pylint: disable=consider-using-with
        p = subprocess.Popen(in_ns(args, args.ns, *command), stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + 60
        # What is still on its way from the last run is no sign that this one has begun.
        while started_sessions(args) < n and p.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        before = counters(args.sink_counters)[0]
        while counters(args.sink_counters)[0] < before + 10 and p.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(args.omit)
        w = Window(args, args.time)
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(timeout=10)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
    with open(f"{args.tmp}/ring.log", encoding="utf-8", errors="replace") as log:
        text = log.read()
    m = re.search(r"^result .* sourced=(\d+) source_ms=(\d+)", text, re.M)
    if not m or not int(m.group(1)):
        fail("the source sent nothing: " + text[-300:])
    return int(m.group(1)) * 1000 / max(1, int(m.group(2))), w.counter(0, 0) / w.seconds, w


def put_udp(args, prefix, offered, got):
    put(prefix + "offered_kpps", offered / 1e3)
    put(prefix + "kpps_got", got / 1e3)
    put(prefix + "mbit", got * args.bytes * 8 / 1e6)


def do_udp(args):
    offered, got, w = udp_run(args, args.rate)
    if got <= 0:
        fail("nothing came through")
    put_udp(args, "", offered, got)
    put("lost_pct", 100 * max(0.0, 1 - got / offered) if offered else 0.0)
    put_cpu(args, w, got * w.seconds, got * w.seconds * args.bytes)


def do_peak(args):
    """The best that is delivered; then what is left at twice that."""
    ways = 2 if args.dir == "both" else 1
    good, bad, best, full = 0, None, None, False

    def attempt(rate):
        nonlocal good, bad, best, full
        offered, got, w = udp_run(args, int(rate))
        if not best or got > best[1]:
            best = (offered, got, w)
        # The source itself can no more.
        full = offered < 0.8 * rate * ways
        if got >= 0.95 * offered:
            good = max(good, rate)
        else:
            bad = min(bad or rate, rate)

    rate = args.rate
    while not bad and not full and rate < 20e6:
        attempt(rate)
        rate *= args.step
    put("source_limited", int(full))
    for _ in range(args.refine if bad and bad > good else 0):
        attempt((good + bad) / 2)
    offered, got, w = best
    if got <= 0:
        fail("nothing came through")
    over, left, over_w = udp_run(args, int(2 * got / ways))
    # More than the best: that was none, something else was in its way.
    for _ in range(2 if args.refine else 0):
        if left <= 1.05 * got:
            break
        offered, got, w = over, left, over_w
        over, left, over_w = udp_run(args, int(2 * got / ways))
    put_udp(args, "", offered, got)
    put_cpu(args, w, got * w.seconds, got * w.seconds * args.bytes)
    w = over_w
    if args.cpu >= 0:
        put("over_cpu0_pct", 100 * w.busy[args.cpu] / 1e9 / w.seconds)
    put("over_process_pct", 100 * w.process / 1e9 / w.seconds)
    put_udp(args, "over_", over, left)
    put("over_times", over / got)
    put("over_left_pct", 100 * left / got)


def do_ping(args):
    neighbour = None
    if args.neighbours:
        neighbour = tcp_start(args, args.neighbours, args.dir, int(args.time + 1), "neighbour")
        time.sleep(args.omit)
    n = int(args.time / args.interval)
    p = subprocess.run(in_ns(args, args.ns, "chrt", "-r", "1", "ping", "-n", "-i", str(args.interval), "-c", str(n), "-W", "2", "-I",
                             args.sources[0], args.target), capture_output=True, text=True, check=False)
    if neighbour:
        tcp_end(args, neighbour, args.neighbours, args.dir, "neighbour")
    rtt = sorted(float(w[5:]) for line in p.stdout.splitlines() for w in line.split() if w.startswith("time="))
    if not rtt:
        fail("no ping was answered: " + p.stdout[-300:])
    put("ping_p50_ms", rtt[len(rtt) // 2])
    put("ping_p99_ms", rtt[min(len(rtt) - 1, len(rtt) * 99 // 100)])
    put("ping_max_ms", rtt[-1])
    put("pings_lost_pct", 100.0 * (n - len(rtt)) / n)


def do_spray(args):
    """Datagrams from the inside host to clients that count them themselves."""
    addresses = args.sources
    args.counters = [f"{args.tmp}/spray.counters"]
    with open(args.counters[0], "wb") as f:
        f.write(bytes(COUNTERS.size))
    a = Sample(args)
    subprocess.run(in_ns(args, args.ns, args.udpload, "-c", args.counters[0], "-r", str(args.rate), "-l", str(args.bytes),
                         "-t", str(int(args.time)), "spray", "9", *addresses), check=True)
    b = Sample(args)
    put("window_s", (b.at - a.at) / 1e9)
    put("window_process_ns", b.process - a.process)
    put("window_sent", b.counters[0][2] + b.counters[0][4])
    if args.cpu >= 0:
        put("window_cpu0_ns", b.at - a.at - (b.idle[args.cpu] - a.idle[args.cpu]))


def do_rate(args):
    """Another sender runs already; counters: where it arrives."""
    w = Window(args, args.time)
    got = sum(w.counter(i, 0) for i in range(len(args.counters)))
    if got <= 0:
        fail("nothing came through")
    put("kpps_got", got / w.seconds / 1e3)
    put_cpu(args, w, got, sum(w.counter(i, 1) for i in range(len(args.counters))))


def do_cpu(args):
    """Only the CPU: of a server that has nothing to do."""
    w = Window(args, args.time)
    put_cpu(args, w, 0, 0)


def words(text):
    return text.split()


def main():
    verbs = {"tcp": do_tcp, "udp": do_udp, "peak": do_peak, "ping": do_ping, "rate": do_rate, "spray": do_spray, "cpu": do_cpu}
    p = argparse.ArgumentParser(description="one load run", allow_abbrev=False)
    p.add_argument("verb", choices=sorted(verbs))
    p.add_argument("--ns", help="the clients' namespace")
    p.add_argument("--target", help="the inside host")
    p.add_argument("--sources", type=words, default=[], help="addresses of the clients")
    p.add_argument("--neighbours", type=words, default=[], help="ping: clients that saturate the server")
    p.add_argument("--dir", choices=("down", "up", "both"), default="down")
    p.add_argument("--time", type=float, default=3)
    p.add_argument("--omit", type=float, default=1, help="seconds before the window")
    p.add_argument("--cpu", type=int, default=-1, help="the server's CPU, if it has one for itself")
    p.add_argument("--load-cpu", type=int, default=-1)
    p.add_argument("--pids", type=words, default=[], help="processes of the server")
    p.add_argument("--perf", action="store_true", help="the machine has counters: cycles, too")
    p.add_argument("--congestion", help="TCP's control of it")
    p.add_argument("--mtu", type=int, default=1400)
    p.add_argument("--port", type=int, default=5201, help="iperf3's first")
    p.add_argument("--udp-port", type=int, default=5100)
    p.add_argument("--udpload")
    p.add_argument("--server-counters", help="of udpload serve")
    p.add_argument("--counters", type=words, default=[])
    p.add_argument("--rate", type=int, default=20000, help="datagrams per second and direction; peak: the first")
    p.add_argument("--step", type=float, default=1.6)
    p.add_argument("--refine", type=int, default=2, help="peak: steps between the last good and the first bad pace")
    p.add_argument("--bytes", type=int, default=1372)
    p.add_argument("--interval", type=float, default=0.01)
    p.add_argument("--dial", help="command of culvert-dial, for uploads from a ring")
    p.add_argument("--crowd", help="addresses of its clients")
    p.add_argument("--sink-counters", help="of udpload serve 9")
    p.add_argument("--tmp", default="/tmp")
    args = p.parse_args()
    args.wire_bytes = 0
    verbs[args.verb](args)


main()

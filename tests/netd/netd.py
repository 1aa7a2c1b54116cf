# SPDX-License-Identifier: GPL-2.0-or-later
"""netd and the firewall on a real kernel; tests/netns/netd.sh made the namespaces and runs this
in the server's.  The driver (drive.c) plays everybody whom netd talks to.

A packet that must not arrive is followed by one that must: when the second is there and the first
is not, the first was dropped.  The last phase takes the rules away and shows that every one of
those packets arrives then."""

import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

BUILD, OUTSIDE, LAN = sys.argv[1:4]
FORWARD = "/proc/sys/net/ipv4/ip_forward"
POOL = "address=192.168.87.1 pool=192.168.87.10-192.168.87.250"
SERVER, OUT, OUT2, LAN_HOST = "198.51.100.1", "198.51.100.2", "198.51.100.3", "10.50.0.2"
PATIENCE = 10.0
EINVAL, EBUSY, EADDRINUSE = -22, -16, -98
checks = 0


def check(ok, what):
    global checks
    checks += 1
    if not ok:
        frame = sys._getframe(1)
        while frame.f_code.co_name.startswith("check_"):
            frame = frame.f_back
        sys.exit(f"FAIL line {frame.f_lineno}: {what}")


def check_eq(got, want, what):
    check(got == want, f"{what}: got {got!r}, want {want!r}")


def run(*cmd):
    return subprocess.run(cmd, check=True, capture_output=True, text=True).stdout


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        check(time.monotonic() < end, what)
        time.sleep(0.01)


def read(path):
    with open(path) as f:
        return f.read().strip()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


class Drive:
    def __init__(self, helpers=BUILD):
        self.log = tempfile.TemporaryFile("w+")
        self.p = subprocess.Popen([BUILD + "/tests/netd/drive", helpers], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=self.log, text=True, bufsize=1)

    def tell(self, line):
        self.p.stdin.write(line + "\n")

    def ask(self, line):
        self.tell(line)
        return self.p.stdout.readline().strip()

    def start(self, conf):
        self.tell("conf " + conf)
        return self.ask("start")

    def apply(self, conf):
        self.tell("conf " + conf)
        return self.ask("apply")

    def reload(self, conf):
        check_eq(self.apply(conf), "applied 0", "reload")
        check_eq(self.ask("finish"), "applied 0", "reload's end")

    def add(self, unit, peer, mtu=1360, local="192.168.87.1", alias="user"):
        answer = self.ask(f"add {unit} {local} {peer} {mtu} {alias}").split()
        check_eq(answer[0], "done", "answer to add")
        check_eq(answer[2], f"pppx{unit}", "name in the answer")
        return int(answer[1])

    def stats(self):
        words = self.ask("stats").split()
        check_eq(words[0], "stats", "answer to stats")
        return {k: int(v) for k, v in (w.split("=") for w in words[1:])}

    def pid(self):
        return int(self.ask("pid").split()[1])

    def put(self, unit, packet):
        check_eq(self.ask(f"put {unit} {packet.hex()}"), "put", "a packet from a client")

    def get(self, unit, ms=int(PATIENCE * 1000)):
        kind, _, data = self.ask(f"get {unit} {ms}").partition(" ")
        return bytes.fromhex(data) if kind == "packet" else None

    def said(self):
        self.log.seek(0)
        return self.log.read()


# ---- packets
def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(src, dst, proto, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(src, sport, dst, dport, data):
    return ip4(src, dst, 17, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data)


def udp6(src, sport, dst, dport, data):
    src, dst = (socket.inet_pton(socket.AF_INET6, a) for a in (src, dst))
    length = 8 + len(data)
    pseudo = src + dst + struct.pack("!II", length, 17)
    head = struct.pack("!HHH", sport, dport, length)
    total = checksum(pseudo + head + b"\0\0" + data)
    return struct.pack("!IHBB", 6 << 28, length, 17, 64) + src + dst + head + struct.pack("!H", total) + data


def tcp_syn(src, sport, dst, dport, mss):
    options = struct.pack("!BBH", 2, 4, mss)
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 6 << 4, 2, 65535, 0, 0) + options
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", 6, len(head))
    return ip4(src, dst, 6, head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:])


def echo(src, dst):
    body = struct.pack("!BBHHH", 8, 0, 0, 77, 1)
    return ip4(src, dst, 1, body[:2] + struct.pack("!H", checksum(body)) + body[4:])


def payload(packet):
    return packet[28:]


def mss_of(packet):
    """The MSS of a SYN or SYN-ACK in an IPv4 packet; None for another packet."""
    if packet[9] != 6 or not packet[33] & 2:
        return None
    at = 40
    while at < len(packet) and packet[at] != 2:
        at += 1 if packet[at] == 1 else packet[at + 1]
    return struct.unpack("!H", packet[at + 2:at + 4])[0]


# ---- sockets in any of the namespaces
libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/net", os.O_RDONLY)


def in_ns(name, make):
    fd = os.open("/run/netns/" + name, os.O_RDONLY) if name else os.dup(home)
    check_eq(libc.setns(fd, 0), 0, "setns")
    os.close(fd)
    made = make()
    check_eq(libc.setns(home, 0), 0, "setns")
    return made


def udp_socket(ns, port, addr="0.0.0.0"):
    def make():
        s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((addr, port))
        s.settimeout(PATIENCE)
        return s
    return in_ns(ns, make)


def heard(s):
    try:
        return s.recvfrom(2048)
    except socket.timeout:
        return b"nothing", None


def quiet(*sockets):
    return not select.select(sockets, [], [], 0)[0]


# ---- the host
def devices():
    return {d["ifname"]: d for d in json.loads(run("ip", "-j", "-d", "addr")) if d["ifname"].startswith("pppx")}


def routes():
    return {r["dst"]: r["dev"] for r in json.loads(run("ip", "-j", "route"))}


def table():
    return "table inet culvert" in run("nft", "list", "tables")


def tun_fds(pid):
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/net/tun"
        except FileNotFoundError:
            pass
    return count


def check_clean(what):
    check_eq(sorted(devices()), ["pppx500", "pppx501"], f"{what}: devices left (the foreign two stay)")
    check(not table(), f"{what}: the table is gone")
    check("table inet other" in run("nft", "list", "tables"), f"{what}: a foreign table stays")
    check_eq(read(FORWARD), "0", f"{what}: ip_forward")


# ---- tests
def test_devices():
    d = Drive()
    check_eq(d.start(POOL), "ready", "start")
    check_eq(read(FORWARD), "1", "ip_forward")
    check(table(), "the table is there")
    status = dict(line.split(":\t", 1) for line in read(f"/proc/{d.pid()}/status").splitlines())
    check_eq([status[c].strip() for c in ("CapPrm", "CapEff", "CapInh", "CapAmb", "NoNewPrivs")],
             [f"{1 << 12:016x}"] * 2 + ["0" * 16] * 2 + ["1"], "capabilities of netd")
    for unit in range(100):
        check_eq(d.add(unit, f"192.168.87.{100 + unit}", 1300 + unit, alias=f"user{unit}"), 0, f"add {unit}")
    there, way = devices(), routes()
    for unit in range(100):
        i = there[f"pppx{unit}"]
        check_eq([(a["family"], a["local"], a["address"], a["prefixlen"]) for a in i["addr_info"]],
                 [("inet", "192.168.87.1", f"192.168.87.{100 + unit}", 32)], f"addresses of unit {unit}")
        check_eq((i["mtu"], i["ifalias"], i["txqlen"], "UP" in i["flags"]), (1300 + unit, f"user{unit}", 500, True),
                 f"settings of unit {unit}")
        info = i["linkinfo"]["info_data"]
        check_eq((info["type"], info["pi"], info["vnet_hdr"], info["persist"]), ("tun", False, True, False),
                 f"kind of unit {unit}")
        check_eq(way[f"192.168.87.{100 + unit}"], f"pppx{unit}", "route")
        check_eq(read(f"/proc/sys/net/ipv6/conf/pppx{unit}/disable_ipv6"), "1", "IPv6 is off")
    check_eq(tun_fds(d.pid()), 100, "netd's duplicates")

    check_eq(d.add(500, "192.168.87.20"), EBUSY, "a foreign veth")
    check_eq(d.add(501, "192.168.87.20"), EBUSY, "a foreign persistent TUN")
    check_eq(devices()["pppx500"]["linkinfo"]["info_kind"], "veth", "the foreign device is untouched")
    bad = ((dict(unit=200, peer="192.168.87.20", mtu=499), EINVAL, "MTU too small"),
           (dict(unit=200, peer="192.168.87.20", mtu=1501), EINVAL, "MTU too big"),
           (dict(unit=200, peer="192.168.87.9"), EINVAL, "outside the pool"),
           (dict(unit=200, peer="192.168.87.20", local="192.168.87.2"), EINVAL, "not our address"),
           (dict(unit=65536, peer="192.168.87.20"), EINVAL, "no such unit"),
           (dict(unit=200, peer="192.168.87.20", alias="a\x1b[2J"), EINVAL, "control bytes in the alias"),
           (dict(unit=0, peer="192.168.87.20"), EBUSY, "the unit is in use"),
           (dict(unit=200, peer="192.168.87.150"), EADDRINUSE, "the address is in use"))
    for request, err, what in bad:
        check_eq(d.add(**request), err, what)
    for junk in ("00", "ff" * 8, "00" * 64, struct.pack("=II", 7, 0).hex(), "41" * 60000):
        d.tell("junk " + junk)
    s = d.stats()
    check_eq((s["tuns"], s["tun_added"], s["tun_failed"], s["tun_refused"], s["bad_msg"]), (100, 100, 2, len(bad), 5),
             "counters")

    old = there["pppx7"]["ifindex"]
    for unit in range(50):
        d.tell(f"del {unit}")
    d.tell("del 77777")
    check_eq(d.add(7, "192.168.87.107"), 0, "a unit whose deletion is pending, with its old address")
    check(devices()["pppx7"]["ifindex"] != old, "it is a new device")
    way = routes()
    check(not [u for u in range(50) if u != 7 and f"192.168.87.{100 + u}" in way], "routes of the deleted are gone")
    wait_for(lambda: len(devices()) == 51 + 2, "the deleted devices are gone")
    check_eq(tun_fds(d.pid()), 51, "netd's duplicates after deletions")
    s = d.stats()
    check_eq((s["tuns"], s["tun_deleted"]), (51, 50), "counters after deletions")
    check(s["tun_delete_groups"] <= 10, "deletions went in groups")
    for _ in range(20):     # one unit over and over: nothing piles up
        d.tell("del 60")
        check_eq(d.add(60, "192.168.87.160"), 0, "again")
    check_eq(tun_fds(d.pid()), 51, "netd's duplicates after repetitions")

    check_eq(d.ask("shutdown"), "exit 0", "shutdown")
    check_clean("shutdown")


def test_ends():
    for how in ("hangup", "kill driver", "term", "restart"):
        d = Drive()
        check_eq(d.start(POOL + " nat_on=ext0"), "ready", "start")
        for unit in range(20):
            check_eq(d.add(unit, f"192.168.87.{100 + unit}"), 0, "add")
        pid = d.pid()
        if how == "hangup":
            check_eq(d.ask("hangup"), "exit 0", how)
        elif how == "kill driver":
            d.p.kill()
            wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "netd ends with its parent")
        elif how == "term":
            os.kill(pid, signal.SIGTERM)
            check_eq(d.stats()["tuns"], 20, "SIGTERM is the parent's to act on: netd serves")
            check_eq(d.ask("shutdown"), "exit 0", how)
        else:       # netd is killed: the sessions live on, and a new netd knows their devices
            check_eq(d.ask("restart"), "restarted", how)
            check_eq(len(devices()), 22, "devices without netd")
            check(table(), "the table without netd")
            check_eq(d.start(POOL + " nat_on=ext0"), "ready", "start")
            check_eq(d.stats()["tuns"], 20, "taken over")
            d.tell("del 3")
            d.stats()
            check("192.168.87.103" not in routes(), "the route of a deleted one is gone")
            check_eq(d.add(4, "192.168.87.204"), 0, "a unit that was freed while no netd ran")
            check_eq(devices()["pppx4"]["addr_info"][0]["address"], "192.168.87.204", "its address")
            check_eq(d.ask("shutdown"), "exit 0", how)
        check_clean(how)


def test_shared():
    def devs():
        return {d["ifname"]: d for d in json.loads(run("ip", "-j", "-d", "addr")) if d["ifname"].startswith("tun")}

    def on(dev):
        return sorted(r for r, d in routes().items() if d == dev)

    conf = POOL + " if=tun0"
    d = Drive()
    check_eq(d.start(conf), "ready", "start")
    check_eq(d.ask("shared 0 0"), "done 0 1", "engine 0's device")
    check_eq(d.ask("shared 0 1"), "done 0 1", "engine 1's device")
    there = devs()
    check_eq(sorted(there), ["tun0", "tun0-1"], "devices")
    for i in there.values():
        check_eq([(a["local"], a["prefixlen"], a.get("address")) for a in i["addr_info"]],
                 [("192.168.87.1", 32, None)], "our address and no peer")
        check_eq((i["ifalias"], i["operstate"] != "DOWN"), ("culvert", True), "alias, up")
    check_eq(d.ask("shared 0 0"), "done 0 1", "asked again: the same")
    check_eq(devs()["tun0"]["ifindex"], there["tun0"]["ifindex"], "the same device")
    for line, want in (("shared 0 2", "done -22 0"), ("shared 1 0", "done -22 0"),
                       ("route 0 0 192.168.87.9", "done -22"), ("route 0 0 192.168.87.1", "done -22"),
                       ("route 0 0 192.168.87.20 1501", "done -22"), ("route 0 0 192.168.87.20 499", "done -22"),
                       ("route 0 2 192.168.87.20", "done -22"), ("route 1 0 192.168.87.20", "done -22"),
                       ("route 0 0 0.0.0.0", "done -22")):
        check_eq(d.ask(line), want, line)
    check_eq(d.add(3, "192.168.87.20"), EINVAL, "a device of its own where they are shared")
    run("ip", "route", "add", "192.168.87.66/32", "dev", "lan0")
    check_eq(d.ask("route 0 0 192.168.87.66"), "done -17", "somebody else's host route stays")
    check_eq(routes()["192.168.87.66"], "lan0", "that route")
    d.tell("unroute 0 0 192.168.87.66")
    check_eq(d.stats()["route_failed"], 8, "refused routes")
    check_eq(routes()["192.168.87.66"], "lan0", "nor does it go")
    run("ip", "route", "del", "192.168.87.66/32", "dev", "lan0")
    for i in range(20, 120):
        check_eq(d.ask(f"route 0 {i % 2} 192.168.87.{i}"), "done 0", "a route")
    check_eq((len(on("tun0")), len(on("tun0-1"))), (50, 50), "routes of both")
    check_eq(d.ask("route 0 0 192.168.87.20 900"), "done 0", "again, with a smaller MTU")
    check("mtu 900" in run("ip", "route", "show", "192.168.87.20"), "its MTU")
    d.tell("unroute 0 0 192.168.87.21")
    d.stats()
    check_eq(routes()["192.168.87.21"], "tun0-1", "a route is not the other engine's to delete")
    check_eq(d.ask("route 0 0 192.168.87.21"), "done 0", "an address moves to the other engine")
    check_eq(routes()["192.168.87.21"], "tun0", "and is there")
    d.tell("unroute 0 0 192.168.87.21")
    check_eq(d.stats()["routes"], 99, "routes left")

    # netd is killed: the engines keep the devices, the next one takes over what is named to it.
    check_eq(d.ask("restart"), "restarted", "restart")
    check_eq(sorted(devs()), ["tun0", "tun0-1"], "devices without netd")
    check_eq(d.start(conf), "ready", "start")
    s = d.stats()
    check_eq((s["shared_tuns"], s["routes"]), (2, 99), "taken over")
    check_eq(d.ask("shared 0 0"), "done 0 0", "engine 0 has its device still")
    for i in (20, 22, 24, 26):
        check_eq(d.ask(f"route 0 0 192.168.87.{i}"), "done 0", "named")
    check_eq(d.ask("route 0 0 192.168.87.23"), "done 0", "named, at the other engine")
    d.tell("sync")
    check_eq(d.stats()["routes"], 5, "the rest is gone")
    check_eq(on("tun0"), [f"192.168.87.{i}" for i in (20, 22, 23, 24, 26)], "routes")
    check_eq(sorted(devs()), ["tun0"], "a device that was not named is gone")
    # Now its engine ends as well: the device with it, and a new one is made.
    check_eq(d.ask("leave"), "left", "the engine ends")
    wait_for(lambda: not devs(), "its device ends with it")
    d.tell("unroute 0 0 192.168.87.20")
    check_eq(d.ask("shared 0 0"), "done 0 1", "a new device")
    check_eq(d.stats()["routes"], 0, "without routes")
    check_eq(d.ask("route 0 0 192.168.87.20"), "done 0", "which it gets")
    run("ip", "link", "del", "tun0")
    check_eq(d.ask("route 0 0 192.168.87.22"), "done -19", "somebody deleted it")
    check_eq(d.ask("shared 0 0"), "done 0 1", "made anew")
    check_eq(d.ask("route 0 0 192.168.87.22"), "done 0", "and serves")
    check_eq(tun_fds(d.pid()), 1, "netd's duplicates")
    run("ip", "tuntap", "add", "tun0-1", "mode", "tun")
    check_eq(d.ask("shared 0 1"), "done -16 0", "somebody else's device has the name")
    check_eq(d.ask("shutdown"), "exit 0", "shutdown")
    check_eq(sorted(devs()), ["tun0-1"], "and stays")
    run("ip", "link", "del", "tun0-1")
    check_clean("shared")


# The configuration changes under devices that have sessions.
def test_reload():
    def devs():
        return {d["ifname"]: ([a["local"] for a in d["addr_info"]], d["mtu"])
                for d in json.loads(run("ip", "-j", "addr")) if d["ifname"][:4] in ("tun0", "tun1", "pppx")
                and d["ifname"] not in ("pppx500", "pppx501")}

    # A device for each: new pools and a new address are for new sessions, old ones until the manager knows.
    d = Drive()
    check_eq(d.start(POOL), "ready", "start")
    check_eq(d.ask("finish"), "applied 0", "the end of a reload that was none does nothing")
    check_eq(d.add(0, "192.168.87.20"), 0, "a session")
    check_eq(d.apply("address=10.9.0.1 pool=10.9.0.10-10.9.0.20"), "applied 0", "other addresses")
    check("10.9.0.10-10.9.0.20" in run("nft", "list", "table", "inet", "culvert"), "the rules have them")
    check_eq(d.add(1, "192.168.87.21"), 0, "one that was let in before")
    check_eq(d.add(2, "10.9.0.10", local="10.9.0.1"), 0, "one of now")
    check_eq(d.add(3, "10.9.0.11"), EINVAL, "one of neither")
    check_eq(d.ask("finish"), "applied 0", "end")
    check_eq(d.add(3, "192.168.87.22"), EINVAL, "too late")
    check_eq(sorted(devs()), ["pppx0", "pppx1", "pppx2"], "the sessions are left alone")
    check_eq(d.ask("shutdown"), "exit 0", "shutdown")

    # Shared ones.
    conf = POOL + " if=tun0 mru=1300"
    d = Drive()
    check_eq(d.start(conf), "ready", "start")
    for e in (0, 1):
        check_eq(d.ask(f"shared 0 {e}"), "done 0 1", "a device")
    for i in range(20, 40):
        check_eq(d.ask(f"route 0 {i % 2} 192.168.87.{i}"), "done 0", "a route")
    d.reload("address=192.168.87.2 pool=192.168.87.10-192.168.87.90 if=tun0 mru=1400")
    check_eq(devs(), {"tun0": (["192.168.87.2"], 1400), "tun0-1": (["192.168.87.2"], 1400)}, "address and MTU")
    check_eq(len([r for r, dev in routes().items() if dev.startswith("tun0")]), 20, "every route is still there")
    d.reload("address=192.168.87.2 pool=192.168.87.10-192.168.87.90 if=tun0 mru=1400")
    check_eq(d.ask("route 0 0 192.168.87.91"), "done -22", "outside the new pool")
    check_eq(d.ask("route 0 0 192.168.87.90"), "done 0", "inside")
    # netd dies and is asked again for what it has done already.
    check_eq(d.ask("restart"), "restarted", "restart")
    check_eq(d.start("address=192.168.87.2 pool=192.168.87.10-192.168.87.90 if=tun0 mru=1400"), "ready", "start")
    d.reload("address=192.168.87.3 pool=192.168.87.10-192.168.87.90 if=tun0 mru=1400")
    check_eq(devs()["tun0"], (["192.168.87.3"], 1400), "a device taken over is changed as well")
    # The interface goes, another comes: at another index.  Its devices stay until the end.
    check_eq(d.apply("address=192.168.87.3 pool=192.168.87.10-192.168.87.90 if=tun1 mru=1400 slot=1"), "applied 0", "rename")
    check_eq(sorted(devs()), ["tun0", "tun0-1"], "its devices before the end")
    check_eq(d.ask("shared 1 0"), "done 0 1", "the new one's")
    check_eq(d.ask("shared 0 0"), "done -22 0", "there is no more of the old")
    check_eq(d.ask("finish"), "applied 0", "end")
    check_eq(sorted(devs()), ["tun1"], "its devices after the end")
    check_eq(d.stats()["routes"], 0, "its routes went with them")
    check_eq(d.ask("route 1 0 192.168.87.20"), "done 0", "a route of the new one")
    check_eq(d.ask("shutdown"), "exit 0", "shutdown")
    check_clean("reload")


def test_texts():
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fw")
    texts = [f for f in sorted(os.listdir(here)) if f.endswith(".nft")]
    check(len(texts) >= 8, "golden texts")
    for f in texts:
        check_eq(subprocess.run(["nft", "-c", "-f", os.path.join(here, f)]).returncode, 0, f"nft and the kernel take {f}")


def test_starts():
    with tempfile.TemporaryDirectory() as empty:
        d = Drive(empty)
        check_eq(d.start(POOL), "exit 1", "no helper")
        check("the firewall cannot be set up: No such file" in d.said(), "it says why")
        check_clean("no helper")
        helper = empty + "/culvert-firewall"
        write(helper, "#!/bin/sh\necho 'Error: it\033rains' >&2\nexit 1\n")
        os.chmod(helper, 0o755)
        d = Drive(empty)
        check_eq(d.start(POOL), "exit 1", "a helper that fails")
        check("firewall: Error: it\\x1brains" in d.said(), "what it said is in the log")
        check_clean("a helper that fails")
        # With new settings that fail, what is in force stays.
        d = Drive(empty)
        os.unlink(helper)
        os.symlink(BUILD + "/culvert-firewall", helper)
        check_eq(d.start(POOL), "ready", "start")
        os.unlink(helper)
        check_eq(d.apply(POOL + " nat_on=ext0"), "applied -2 the firewall cannot be set up: No such file or directory",
                 "new settings that fail")
        check(table() and "masquerade" not in run("nft", "list", "table", "inet", "culvert"), "the old rules")
        os.symlink(BUILD + "/culvert-firewall", helper)
        check_eq(d.ask("shutdown"), "exit 0", "shutdown")
        check_clean("shutdown")
    run("nft", "add", "table", "inet", "culvert")
    d = Drive()
    check_eq(d.start(POOL + " off=1"), "ready", "firewall off")
    check(not table(), "no table, not even one that was left")
    check_eq(read(FORWARD), "1", "ip_forward")
    check_eq(d.ask("shutdown"), "exit 0", "shutdown")
    check_clean("off")
    write(FORWARD, "1")
    d = Drive()
    check_eq(d.start(POOL), "ready", "start")
    check_eq(d.ask("shutdown"), "exit 0", "shutdown")
    check_eq(read(FORWARD), "1", "forwarding that was on stays on")
    write(FORWARD, "0")


ONE, TWO = "192.168.87.10", "192.168.87.11"


class Net:
    """Two clients, and a socket at each place they could reach or be reached from."""

    def __init__(self, conf):
        self.d = Drive()
        check_eq(self.d.start(f"{POOL} {conf}"), "ready", "start")
        check_eq(self.d.add(0, ONE), 0, "first client")
        check_eq(self.d.add(1, TWO), 0, "second client")
        self.out = udp_socket(OUTSIDE, 7000)
        self.out6 = udp_socket(OUTSIDE, 7000, "2001:db8:1::2")
        self.out_ike = udp_socket(OUTSIDE, 4500, OUT)
        self.out2_ike = udp_socket(OUTSIDE, 4500, OUT2)
        self.lan = udp_socket(LAN, 7000)
        self.service = udp_socket(None, 9999)
        self.l2tp = udp_socket(None, 1701)
        self.ike = udp_socket(None, 4500)
        self.host = udp_socket(None, 0)

    def close(self):
        for s in vars(self).values():
            if isinstance(s, socket.socket):
                s.close()
        check_eq(self.d.ask("shutdown"), "exit 0", "shutdown")

    def mark_client(self, unit):
        """What this client has received up to now: the host may always write to it."""
        self.host.sendto(b"mark", ((ONE, TWO)[unit], 1))
        got = []
        while not got or got[-1] != b"mark":
            packet = self.d.get(unit)
            check(packet is not None, "the mark arrives")
            got.append(payload(packet) if packet[0] >> 4 == 4 else b"v6")
        return got[:-1]

    def from_client(self, s, packet, unit=0):
        """Whether a packet of a client reaches a socket outside."""
        marker = udp(ONE, 5000, OUT if s is not self.lan else LAN_HOST, 7000, b"mark")
        self.d.put(unit, packet)
        self.d.put(0, marker)
        other = self.lan if s is self.lan else self.out
        got = heard(other)[0]
        if got != b"mark":      # it came on the same socket, first
            check_eq(heard(other)[0], b"mark", "the mark arrives")
            return got == b"x"
        return not quiet(s) and heard(s)[0] == b"x"

    def at_service(self, s, packet, unit=0):
        """Whether a packet of a client reaches a socket of the server."""
        self.from_client(self.out, packet, unit)
        return not quiet(s) and heard(s)[0] == b"x"


def blocked(n):
    """Each of these is dropped with the rules, and arrives without them: name → whether it arrives."""
    d, r = n.d, {}
    d.put(0, udp(ONE, 6000, TWO, 6000, b"x"))
    r["client to client"] = b"x" in n.mark_client(1)
    r["address of another client"] = n.from_client(n.out, udp(TWO, 6001, OUT, 7000, b"x"))
    r["address outside the pool"] = n.from_client(n.out, udp("10.50.0.77", 6002, OUT, 7000, b"x"))
    r["cloud metadata"] = n.from_client(n.out, udp(ONE, 6003, "169.254.169.254", 7000, b"x"))
    r["service of the server, inside address"] = n.at_service(n.service, udp(ONE, 6004, "192.168.87.1", 9999, b"x"))
    r["service of the server, outside address"] = n.at_service(n.service, udp(ONE, 6005, SERVER, 9999, b"x"))
    r["IKE from inside"] = n.at_service(n.ike, udp(ONE, 6006, SERVER, 4500, b"x"))
    write("/proc/sys/net/ipv6/conf/pppx0/disable_ipv6", "0")    # or the kernel drops it by itself
    r["IPv6"] = n.from_client(n.out6, udp6("2001:db8:9::1", 6007, "2001:db8:1::2", 7000, b"x"))
    write("/proc/sys/net/ipv6/conf/pppx0/disable_ipv6", "1")
    n.out.sendto(b"x", (SERVER, 1701))
    n.out.sendto(b"mark", (SERVER, 9999))
    check_eq(heard(n.service)[0], b"mark", "others reach services of the server")
    r["unprotected L2TP"] = not quiet(n.l2tp) and heard(n.l2tp)[0] == b"x"
    n.out.sendto(b"x", (ONE, 6008))
    r["a client's address, from outside"] = b"x" in n.mark_client(0)
    n.lan.sendto(b"x", (ONE, 6009))
    r["a client's address, from the LAN"] = b"x" in n.mark_client(0)
    n.out.sendto(b"x", ("192.168.87.1", 9999))
    n.out.sendto(b"mark", (SERVER, 9999))
    first = heard(n.service)[0]
    r["our inside address, from outside"] = first == b"x"
    if first == b"x":
        check_eq(heard(n.service)[0], b"mark", "the mark arrives")
    return r


def shadow(n, unit, ip, peer, peer_addr):
    """A client sends from port 4500 to a peer of ours; then that peer sends to our port 4500.
    Returns who got it, and the port that the client's packet left from."""
    n.d.put(unit, udp(ip, 4500, peer_addr, 4500, b"client"))
    got, where = heard(peer)
    check_eq(got, b"client", "the client's own IPsec goes out")
    peer.sendto(b"answer", where)
    peer.sendto(b"IKE", (SERVER, 4500))
    got = n.mark_client(unit)
    check(b"answer" in got, "the client gets its answer")
    server = not quiet(n.ike) and heard(n.ike)[0] == b"IKE"
    return "server" if server else "client" if b"IKE" in got else "nobody", where[1]


def shadow_esp(n):
    """The same without UDP, where there are no ports to keep apart: who gets the peer's packets."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
    peer = in_ns(OUTSIDE, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 50))
    peer.settimeout(PATIENCE)
    n.d.put(0, ip4(ONE, OUT, 50, b"8 octets" + b"client"))
    check(peer.recv(2048).endswith(b"client"), "the client's own ESP goes out")
    peer.sendto(b"8 octets" + b"ESP", (SERVER, 0))
    client = b"ESP" in n.mark_client(0)
    server = not quiet(ours) and ours.recv(2048).endswith(b"ESP")
    ours.close()
    peer.close()
    return "server" if server and not client else "client" if client and not server else f"both or none {server} {client}"


def test_rules():
    n = Net("nat_on=ext0")
    d = n.d
    # What must work.
    ports = set()
    for sport in range(20000, 20020):
        d.put(0, udp(ONE, sport, OUT, 7000, b"hello"))
        got, where = heard(n.out)
        check_eq((got, where[0]), (b"hello", SERVER), "translated to the server's address")
        ports.add(where[1])
        n.out.sendto(b"back", where)
        back = d.get(0)
        check_eq((payload(back), struct.unpack("!HH", back[20:24])), (b"back", (7000, sport)), "its answer")
    check(all(10000 <= p <= 32767 for p in ports), f"ports {sorted(ports)}")
    d.put(0, udp(ONE, 500, LAN_HOST, 7000, b"hello"))
    got, where = heard(n.lan)
    check_eq((got, where), (b"hello", (ONE, 500)), "to the LAN untranslated, as nat is on ext0")
    n.lan.sendto(b"back", where)
    check_eq(payload(d.get(0)), b"back", "its answer")
    for target in (OUT, "192.168.87.1"):
        d.put(0, echo(ONE, target))
        reply = d.get(0)
        check(reply and reply[9] == 1 and reply[20] == 0, f"ping {target}")
    n.out_ike.sendto(b"IKE", (SERVER, 4500))
    check_eq(heard(n.ike), (b"IKE", (OUT, 4500)), "IKE comes in")
    n.ike.sendto(b"IKE", (OUT, 4500))
    check_eq(heard(n.out_ike), (b"IKE", (SERVER, 4500)), "IKE goes out")

    # Both directions of the MSS clamp; a smaller one stays.
    listener = in_ns(OUTSIDE, lambda: socket.create_server((OUT, 80)))
    wire = in_ns(OUTSIDE, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
    wire.settimeout(PATIENCE)
    for sport, mss, want in ((30000, 1460, 1320), (30001, 536, 536)):
        d.put(0, tcp_syn(ONE, sport, OUT, 80, mss))
        seen = None
        while seen is None:
            seen = mss_of(wire.recv(2048))
        check_eq(seen, want, f"MSS {mss} out")
        answer = d.get(0)
        check_eq((answer[33] & 0x12, mss_of(answer)), (0x12, 1320), "MSS of the answer")
    wire.close()
    listener.close()

    # Port shadowing, CVE-2021-3773.
    who, port = shadow(n, 0, ONE, n.out_ike, OUT)
    check_eq(who, "server", "who gets the peer's IKE")
    check(10000 <= port <= 32767, "the client does not speak from port 4500 of the server")

    d.reload(POOL + " nat_on=ext0 raw=1")
    check_eq(shadow_esp(n), "server", "who gets the peer's ESP")
    d.reload(POOL + " nat_on=ext0")
    check_eq(shadow_esp(n), "client", "who gets it where the server wants none")

    for name, arrives in blocked(n).items():
        check(not arrives, f"{name}: arrives")

    # Reload: client-to-client, with the session in place.
    d.reload(POOL + " nat_on=ext0 c2c=1")
    d.put(0, udp(ONE, 6000, TWO, 6000, b"x"))
    check(b"x" in n.mark_client(1), "client-to-client yes")
    d.reload(POOL + " nat_on=ext0 spoof=1")
    check(n.from_client(n.out, udp("10.50.0.77", 6002, OUT, 7000, b"x")), "ingress-filter no")

    # Without the rules everything arrives: the checks above can fail.
    d.reload(POOL + " off=1")
    check(not table(), "off")
    for name, arrives in blocked(n).items():
        check(arrives, f"{name}: does not arrive even without rules")
    # And with masquerade as others do it, the client takes the peer's packets.
    run("nft", "table ip plain { chain p { type nat hook postrouting priority srcnat; oifname ext0 masquerade; }; }")
    who, port = shadow(n, 1, TWO, n.out2_ike, OUT2)
    check_eq((who, port), ("client", 4500), "who gets the peer's IKE behind plain masquerade")
    run("nft", "delete table ip plain")
    n.close()
    check_clean("shutdown")


THREE = "192.168.87.20"     # of the network 192.168.87.16/29
MEMBERS = 10000


def members():
    """Who is in a filter, as the kernel has it."""
    table = json.loads(run("nft", "-j", "list", "table", "inet", "culvert"))
    got = {}
    for s in (i["set"] for i in table["nftables"] if "set" in i):
        kind, _, name = s["name"].partition("_")
        if kind not in ("host", "net", "gone"):
            continue
        for e in s.get("elem", ()):
            e = f"{e['prefix']['addr']}/{e['prefix']['len']}" if isinstance(e, dict) else e
            check(e not in got, f"{e} is in one set")
            got[e] = "drop" if kind == "gone" else name
    return got


def test_filters():
    own = f"block={OUT2}/32"
    staff = f"filter=staff pass=0.0.0.0/0 block={OUT}/32"
    guest = f"filter=guest pass={LAN_HOST}/32:7000"
    every = "filter=all pass=0.0.0.0/0"
    conf = f"nat_on=ext0 {own} {staff} {guest} {every}"
    n = Net(conf)
    d = n.d
    check_eq(d.add(2, THREE), 0, "third client")

    def reach(ip=TWO, unit=1):
        """OUT, OUT2, a port of LAN_HOST, another one; by the same ports again and again: conntrack knows them."""
        other = udp_socket(LAN, 7001)
        got = [n.from_client(s, udp(ip, 6000, dst, port, b"x"), unit)
               for s, dst, port in ((n.out, OUT, 7000), (n.out, OUT2, 7000), (n.lan, LAN_HOST, 7000), (other, LAN_HOST, 7001))]
        other.close()
        return "".join("-+"[g] for g in got)

    check_eq(reach(), "+-++", "the block's own rules")
    check_eq(d.ask(f"filter {TWO} 32 guest"), "done 0", "into a filter")
    check_eq(reach(), "--+-", "what guest passes")
    check_eq(reach(THREE, 2), "+-++", "another client")
    check_eq(d.ask(f"filter {TWO} 32 staff"), "done 0", "into another one")
    check_eq(reach(), "-+++", "what staff passes")
    check_eq(d.ask(f"filter {TWO} 32 nosuch"), "done -2", "into none that there is")
    check_eq(members(), {TWO: "staff"}, "it stays where it was")
    check_eq(d.ask("filter 192.168.87.16 29 guest"), "done 0", "a network")
    check_eq(d.ask("filter 192.168.87.24 29 staff"), "done 0", "the one beside it")
    check_eq((reach(THREE, 2), reach()), ("--+-", "-+++"), "an address of it, and a host")
    check_eq(d.ask("filter 192.168.87.16 29 staff"), "done 0", "it moves")
    check_eq(reach(THREE, 2), "-+++", "an address of it")
    check_eq(d.ask("filter 192.168.87.16 29 -"), "done 0", "it is taken out")
    check_eq(d.ask("filter 192.168.87.24 29 -"), "done 0", "and the other one")
    check_eq((reach(THREE, 2), members()), ("+-++", {TWO: "staff"}), "as before")
    check_eq(d.ask(f"filter {TWO} 32 -"), "done 0", "and the host")
    check_eq(d.ask(f"filter {TWO} 32 -"), "done 0", "once more")
    check_eq((reach(), members()), ("+-++", {}), "as at first")

    # A pass opens nothing that is closed by itself.
    check_eq(d.ask(f"filter {ONE} 32 all"), "done 0", "a filter that passes all")
    for name, arrives in blocked(n).items():
        check(not arrives, f"{name}: a filter that passes all lets it arrive")
    d.reload(POOL + f" nat_on=ext0 c2c=1 {own} {staff} {guest} {every}")
    d.put(0, udp(ONE, 6000, TWO, 6000, b"x"))
    check(b"x" in n.mark_client(1), "client-to-client yes")
    check_eq(d.ask(f"filter {TWO} 32 guest"), "done 0", "the other one gets a filter")
    d.put(1, udp(TWO, 6000, ONE, 6000, b"x"))
    check(b"x" in n.mark_client(0), "it may answer")
    d.put(1, udp(TWO, 6010, ONE, 6010, b"x"))
    check(b"x" not in n.mark_client(0), "but not ask")

    # A filter that goes: nothing of its members passes, until the manager has ended them.
    check_eq(d.apply(POOL + f" nat_on=ext0 {own} {every} {staff}"), "applied 0", "reload without guest")
    check_eq(members(), {ONE: "all", TWO: "drop"}, "members after it")
    check_eq(reach(), "----", "its member")
    check_eq(d.ask(f"filter {TWO} 32 guest"), "done -2", "no way back")
    check_eq(d.ask("finish"), "applied 0", "reload's end")
    d.reload(POOL + f" nat_on=ext0 {own}")
    check_eq(members(), {ONE: "drop", TWO: "drop"}, "with no filter left")
    check_eq(d.ask(f"filter {TWO} 32 -"), "done 0", "the session ends")
    check_eq(d.ask(f"filter {ONE} 32 -"), "done 0", "the other one, too")
    d.reload(f"{POOL} {conf}")
    check_eq(d.ask(f"filter {TWO} 32 guest"), "done 0", "and another begins")
    check_eq(reach(), "--+-", "what guest passes")

    # netd is killed: the next one finds who is in which filter.
    check_eq(d.ask("filter 192.168.87.16 29 staff"), "done 0", "a network")
    check_eq(d.ask("filter 192.168.87.24 29 guest"), "done 0", "the one beside it")
    was = members()
    check_eq(d.ask("restart"), "restarted", "restart")
    check_eq(reach(), "--+-", "without netd")
    check_eq(d.start(f"{POOL} {conf}"), "ready", "start")
    check_eq((members(), d.stats()["filtered"]), (was, 3), "the next netd")
    check_eq(reach(), "--+-", "what guest passes")
    check_eq(d.ask(f"filter {TWO} 32 guest"), "done 0", "the manager names one")
    d.tell("sync")
    check_eq((d.stats()["filtered"], members()), (1, {TWO: "guest"}), "the rest goes")

    # The firewall is switched off: not before the last one has gone.
    check_eq(d.apply(POOL + " off=1"), "applied 0", "off")
    check(table(), "the table is needed")
    check_eq(d.ask(f"filter {THREE} 32 guest"), "done -2", "nobody gets in")
    check_eq(d.ask("finish"), "applied 0", "reload's end")
    check_eq(d.ask(f"filter {TWO} 32 -"), "done 0", "the last one")
    check(not table(), "it is gone")
    n.close()
    check_clean("filters")


def test_filter_load():
    """Many members, and a helper that does not get all of its request; times are printed, not judged."""
    conf = POOL + " filter=staff pass=0.0.0.0/0 filter=guest block=0.0.0.0/0"
    times = []

    def timed(what, action, want):
        was = time.monotonic()
        check_eq(action(), want, what)
        times.append(f"{what} {time.monotonic() - was:.2f} s")

    with tempfile.TemporaryDirectory() as helpers:
        helper = helpers + "/culvert-firewall"
        os.symlink(BUILD + "/culvert-firewall", helper)
        d = Drive(helpers)
        check_eq(d.start(conf), "ready", "start")
        timed(f"{MEMBERS} members", lambda: d.ask(f"many 10.64.0.0 {MEMBERS} staff"), "done 0")
        timed("all to another filter", lambda: d.ask(f"many 10.64.0.0 {MEMBERS} guest"), "done 0")
        timed("reload", lambda: d.apply(conf + " nat_on=ext0"), "applied 0")
        check_eq(d.ask("finish"), "applied 0", "reload's end")
        check_eq(d.ask("restart"), "restarted", "restart")
        timed("a new netd", lambda: d.start(conf + " nat_on=ext0"), "ready")
        check_eq(d.stats()["filtered"], MEMBERS, "all are there")
        check_eq((len(members()), set(members().values())), (MEMBERS, {"guest"}), "in the kernel, too")
        os.unlink(helper)
        for what, script in (("killed half-way", "head -c 30000 >/dev/null; kill -9 $$"),
                             ("half a request", f"head -c 30000 | {BUILD}/culvert-firewall"),
                             ("one without an end", f"(cat; echo x) | {BUILD}/culvert-firewall")):
            write(helper, f"#!/bin/sh\n{script}\n")
            os.chmod(helper, 0o755)
            check(d.apply(conf).startswith("applied -5 "), f"{what}: fails")
            check_eq(len(members()), MEMBERS, f"{what}: all are there")
            check("masquerade" in run("nft", "list", "table", "inet", "culvert"), f"{what}: the old rules")
            os.unlink(helper)
        os.symlink(BUILD + "/culvert-firewall", helper)
        timed("all out", lambda: d.ask(f"many 10.64.0.0 {MEMBERS} -"), "done 0")
        check_eq(members(), {}, "nobody is left")
        check_eq(d.ask("shutdown"), "exit 0", "shutdown")
    check_clean("load")
    print("filters: " + ", ".join(times), flush=True)


def main():
    run("ip", "link", "add", "pppx500", "type", "veth", "peer", "name", "foreign")
    run("ip", "tuntap", "add", "pppx501", "mode", "tun")
    run("nft", "add", "table", "inet", "other")
    began = time.monotonic()
    for test in (test_devices, test_ends, test_shared, test_reload, test_texts, test_starts, test_rules,
                 test_filters, test_filter_load):
        was = time.monotonic()
        test()
        print(f"{test.__name__}: ok, {time.monotonic() - was:.1f} s", flush=True)
    print(f"netd: {checks} checks, {time.monotonic() - began:.1f} s")


main()

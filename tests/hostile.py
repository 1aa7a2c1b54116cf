#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
The attacker of tests/netns/20-hostile.sh: sends what a server must survive,
and prints what it sent and what came back.

    hostile.py esp SERVER                 ESP that belongs to nobody
    hostile.py junk SERVER                noise on UDP 500 and 4500
    hostile.py ike SERVER                 IKE that is not for us, or broken
    hostile.py capture FILE MODE SERVER CLIENT [AS]
                                          packets of a real client once more: replay, flip, ahead
                                          (AS: with this source address, port 4500)
    hostile.py inside FILE PART SERVER AS TUNNEL SESSION ADDRESS
                                          what a client with good keys may try (PART: lies, noise)
    hostile.py moved FILE SERVER          one good packet from here: the client moved
    hostile.py clear SERVER               L2TP without IPsec
    hostile.py ctl SOCKET                 abuses the control socket, prints "holding", keeps its connections
    hostile.py uid SOCKET UID             connects as somebody else
    hostile.py ban FILTER LOG             the addresses that a fail2ban filter finds in LOG

Lines are NAME=VALUE.  Nothing but the standard library, and openssl(1) for AES.
"""
import array
import configparser
import hashlib
import hmac
import os
import random
import re
import select
import socket
import struct
import subprocess
import sys
import time

IKE, NATT = 500, 4500
MARKER = b"\0\0\0\0"


class Out:
    """A socket of ours: counts what goes out and what comes back."""

    def __init__(self, server):
        self.server = server
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent = self.sent_bytes = self.back = self.back_bytes = 0

    def send(self, port, data):
        self.sock.sendto(data, (self.server, port))
        self.sent += 1
        self.sent_bytes += len(data)
        if self.sent % 100 == 0:
            time.sleep(0.01)    # within everybody's socket buffer

    def done(self, wait=1.0):
        """What came back, until nothing did for a while."""
        while select.select([self.sock], [], [], wait)[0]:
            try:
                data = self.sock.recv(65536)
            except ConnectionError:
                continue
            self.back += 1
            self.back_bytes += len(data)
        print(f"sent={self.sent}\nsent_bytes={self.sent_bytes}")
        print(f"back={self.back}\nback_bytes={self.back_bytes}")


def spoof(server, source, sport, packets):
    """UDP 4500 to the server with somebody's source address."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    for i, data in enumerate(packets):
        udp = struct.pack(">HHHH", sport, NATT, 8 + len(data), 0)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(data), 0, 0, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(source), socket.inet_aton(server))
        raw.sendto(ip + udp + data, (server, 0))
        if i % 100 == 99:
            time.sleep(0.01)


# --- ESP of nobody ---

def do_esp(server):
    out = Out(server)
    for spi in range(1, 256):
        out.send(NATT, struct.pack(">II", spi, 1) + os.urandom(88))
    for _ in range(300):
        out.send(NATT, struct.pack(">II", random.randrange(256, 1 << 32), 1) + os.urandom(88))
    for spi in (0x100, 0x04000100, 0x08000100, 0xffffffff):  # of engine 0, 1, none, none
        for n in range(65):
            out.send(NATT, (struct.pack(">II", spi, n) + os.urandom(64))[:n])
    out.done()


def do_junk(server):
    out = Out(server)
    for n in list(range(200)) + [500, 1400, 1472, 4096, 9000, 65507]:
        for port in (IKE, NATT):
            data = os.urandom(n)
            out.send(port, data)
            if port == NATT:
                out.send(port, MARKER + data[:-4])
    out.done()


# --- IKE ---

def isakmp(exchange, body=b"", version=0x10, flags=0, first=1, length=None, cookie=None, rcookie=bytes(8), mid=0):
    head = (cookie or os.urandom(8)) + rcookie + bytes([first, version, exchange, flags])
    return head + struct.pack(">II", mid, 28 + len(body) if length is None else length) + body


def payload(following, body, length=None):
    return struct.pack(">BBH", following, 0, 4 + len(body) if length is None else length) + body


def proposal(enc=7, bits=256, digest=2, group=14, count=1, auth=1):
    """An SA payload's body: one Oakley transform."""
    attr = struct.pack(">HHHHHHHH", 0x8001, enc, 0x8002, digest, 0x8003, auth, 0x8004, group)
    if bits:
        attr += struct.pack(">HH", 0x800e, bits)
    attr += struct.pack(">HHHH", 0x800b, 1, 0x800c, 3600)
    transform = payload(0, bytes([1, 1, 0, 0]) + attr)
    return struct.pack(">II", 1, 1) + payload(0, bytes([1, 1, 0, count]) + transform)


def do_ike(server, kind):
    out = Out(server)
    good = payload(0, proposal())
    if kind == "foreign":       # none of our business: no answer at all
        for mark, port in ((b"", IKE), (MARKER, NATT)):
            for exchange in (34, 35, 36, 37):
                out.send(port, mark + isakmp(exchange, os.urandom(200), version=0x20, first=33, flags=8))
            out.send(port, mark + isakmp(4, payload(4, proposal()) + payload(10, os.urandom(256)) +
                                         payload(5, os.urandom(20)) + payload(0, b"\x02\0\0\0group")))
            out.send(port, mark + isakmp(2, good, cookie=bytes(8)))
            for length in (0, 27, 29, 5000, 0xffffffff):
                out.send(port, mark + isakmp(2, b"", length=length))
            for cut in range(28):
                out.send(port, mark + isakmp(2, good)[:cut])
    elif kind == "weak":        # DES, 3DES, MD5, small groups
        for enc, bits, digest, group in ((1, 0, 1, 1), (5, 0, 1, 2), (7, 128, 1, 1), (5, 0, 2, 5)):
            out.send(IKE, isakmp(2, payload(0, proposal(enc, bits, digest, group))))
    elif kind == "begun":       # begun and left: with a PSK, RSA, XAuth
        for auth in (1, 3, 65001):
            out.send(IKE, isakmp(2, payload(0, proposal(auth=auth))))
    else:                       # broken in the middle
        for mark, port in ((b"", IKE), (MARKER, NATT)):
            whole = isakmp(2, good)
            for at in range(28, len(whole)):
                out.send(port, mark + whole[:at])
                out.send(port, mark + isakmp(2, whole[28:at]))
                out.send(port, mark + whole[:at] + b"\xff" + whole[at + 1:])
            for length in (0, 1, 3, 4, 5, 0x7fff, 0xffff):
                out.send(port, mark + isakmp(2, payload(0, proposal(), length)))
            out.send(port, mark + isakmp(2, payload(1, proposal()) * 50 + good))        # SA after SA
            out.send(port, mark + isakmp(2, payload(1, b"") * 2000 + payload(0, b"")))
            out.send(port, mark + isakmp(2, good + os.urandom(9900)))
            out.send(port, mark + isakmp(2, good + os.urandom(60000)))
            out.send(port, mark + isakmp(2, payload(0, proposal(count=255))))
            # For an IKE_SA that never was: Main Mode 3 and 5, Quick Mode, Delete, DPD, fragments.
            for exchange, first, flags in ((2, 4, 0), (2, 5, 1), (32, 8, 1), (5, 8, 1), (5, 12, 0), (5, 11, 0),
                                           (2, 132, 0), (6, 14, 1), (77, 1, 0), (255, 255, 255)):
                out.send(port, mark + isakmp(exchange, os.urandom(96), first=first, flags=flags,
                                             rcookie=os.urandom(8), mid=7))
    out.done()


# --- a real client's packets ---

def read_capture(name, client):
    """The ESP that CLIENT sent to port 4500, from a pcap file."""
    with open(name, "rb") as f:
        data = f.read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1" and struct.unpack("<I", data[20:24])[0] == 1, "no Ethernet capture"
    at, found = 24, []
    while at + 16 <= len(data):
        n = struct.unpack("<I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + n]
        at += 16 + n
        ip = frame[14:]
        if frame[12:14] != b"\x08\0" or ip[9] != socket.IPPROTO_UDP or ip[12:16] != socket.inet_aton(client):
            continue
        udp = ip[(ip[0] & 15) * 4:]
        dport, length = struct.unpack(">2xHH", udp[:6])
        esp = udp[8:length]
        if dport == NATT and len(esp) > 40 and esp[:4] != MARKER:
            found.append(esp)
    assert found, "no ESP in the capture"
    return found


def flipped(packet, at):
    return packet[:at] + bytes([packet[at] ^ 0x40]) + packet[at + 1:]


def do_capture(name, mode, server, client, source=None):
    found = read_capture(name, client)
    if mode == "replay":
        packets = found * 3
    elif mode == "flip":        # a bit of every octet, the sequence number new to the server; cut short; longer
        base = found[-1][:4] + struct.pack(">I", 0x40000000) + found[-1][8:]
        packets = [flipped(base, at) for at in range(8, len(base))]
        packets += [base[:n] for n in range(44, len(base))] + [base + os.urandom(16)]
    else:                       # the end of the numbers: must not move the window
        packets = [p[:4] + struct.pack(">I", seq) + p[8:] for p in found for seq in (0xffffffff, 0xfffffff0, 0x7fffffff)]
    if source:
        spoof(server, source, NATT, packets)
    else:
        out = Out(server)
        for p in packets:
            out.send(NATT, p)
        out.done()
    print(f"packets={len(packets)}")


# --- with good keys ---

class Keys:
    """FILE: SPI, sequence number, encryption key, authentication key as the client's kernel shows them."""

    def __init__(self, name):
        with open(name, encoding="ascii") as f:
            spi, seq, enc, auth = f.read().split()
        self.spi = int(spi, 0)
        self.seq = int(seq, 0)
        self.enc, self.auth = enc[2:], bytes.fromhex(auth[2:])

    def seal(self, inner, next_header=socket.IPPROTO_UDP, pad=None):
        """AES-CBC and HMAC-SHA1-96 (RFC 3602, RFC 2404); pad: the padding with its length, to lie about it."""
        self.seq += 1
        if pad is None:
            n = -(len(inner) + 2) % 16
            pad = bytes(range(1, n + 1)) + bytes([n])
        iv = os.urandom(16)
        secret = subprocess.run(["openssl", "enc", f"-aes-{len(self.enc) * 4}-cbc", "-K", self.enc, "-iv", iv.hex(), "-nopad"],
                                input=inner + pad + bytes([next_header]), stdout=subprocess.PIPE, check=True).stdout
        packet = struct.pack(">II", self.spi, self.seq) + iv + secret
        return packet + hmac.new(self.auth, packet, hashlib.sha1).digest()[:12]


def udp(data, dport=1701, sport=1701, length=None):
    return struct.pack(">HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data


def ipv4(source, to="198.51.100.2"):
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, socket.inet_aton(source),
                       socket.inet_aton(to)) + b"\x08\0\0\0\0\0\0\0"


def control(tunnel, session, ns, nr, avps, flags=0xc802, length=None):
    return struct.pack(">HHHHHH", flags, 12 + len(avps) if length is None else length, tunnel, session, ns, nr) + avps


def avp(kind, value, flags=0x8000, length=None, vendor=0):
    return struct.pack(">HHH", flags | (6 + len(value) if length is None else length), vendor, kind) + value


def do_inside(name, part, server, source, tunnel, session, address):
    """tunnel, session: the server's ids of this client; address: what it was given."""
    k = Keys(name)
    k.seq += 200            # the client itself goes on below that, within the window
    tunnel, session = int(tunnel), int(session)
    data = struct.pack(">HHH", 0x0002, tunnel, session)
    if part == "noise":
        sets = noise(k, tunnel, session, data)
    else:
        sets = lies(k, tunnel, session, data, address)
    for which, packets in sets.items():
        spoof(server, source, NATT, packets)
        print(f"{which}={len(packets)}")
    # the sequence numbers go on where these ended
    with open(name, "w", encoding="ascii") as f:
        f.write(f"{k.spi} {k.seq} 0x{k.enc} 0x{k.auth.hex()}\n")


def lies(k, tunnel, session, data, address):
    """Packets that are dropped and counted, each for one reason."""
    ppp_ip = b"\xff\x03\x00\x21"
    return {
        "not_1701": [k.seal(udp(b"x" * 40, dport=p)) for p in (53, 500, 4500, 1700, 0, 65535)],
        # no UDP inside; UDP whose length lies; less than a header
        "inner_bad": [k.seal(udp(b"x" * 40), next_header=n) for n in (1, 4, 6, 41, 50, 59, 255)] +
                     [k.seal(udp(b"x" * 40, length=n)) for n in (0, 7, 49, 0xffff)] + [k.seal(b"x" * n) for n in range(8)],
        # padding longer than the packet
        "bad_pad": [k.seal(b"x" * 30, pad=bytes([n])) for n in (31, 64, 255)],
        # data messages: not L2TPv2, lengths and offsets beyond the end
        "l2tp_bad": [k.seal(udp(m)) for m in (
            b"", b"\0", b"\0\2", b"\0\2\0\1", struct.pack(">HHH", 0x0003, tunnel, session), struct.pack(">HHH", 0, tunnel, session),
            struct.pack(">HHHH", 0x4002, 0xffff, tunnel, session), struct.pack(">HHHH", 0x4002, 3, tunnel, session),
            struct.pack(">HHHH", 0x0202, tunnel, session, 0xffff))],
        "unknown_session": [k.seal(udp(struct.pack(">HHH", 2, t & 0xffff, s & 0xffff) + ppp_ip + ipv4(address)))
                            for t, s in ((tunnel + 1, session), (tunnel, session + 1), (0, 0), (session, tunnel), (tunnel, 0))],
        # other people's addresses
        "spoofed": [k.seal(udp(data + ppp_ip + ipv4(a))) for a in (
            "198.51.100.2", "10.55.0.1", "10.55.0.10", "127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "192.0.2.10")
            if a != address],
        "ip_bad": [k.seal(udp(data + ppp_ip + p)) for p in (
            b"", b"\x45", ipv4(address)[:19], b"\x44" + ipv4(address)[1:], b"\x65" + ipv4(address)[1:],
            ipv4(address)[:2] + b"\0\x13" + ipv4(address)[4:], ipv4(address)[:2] + b"\xff\xff" + ipv4(address)[4:])],
        "ppp_bad": [k.seal(udp(data + p)) for p in (b"", b"\xff\0\0\x21", b"\xff\x03", b"\xff\x03\x00", b"\xff\x03\x02\x02")],
    }


def noise(k, tunnel, session, data):
    """Control messages and PPP frames that are wrong in every other way."""
    sets = {}
    message = avp(0, struct.pack(">H", 1))
    sets["control"] = [k.seal(udp(m)) for m in (
        [control(0, 0, 0, 0, message + avp(2, b"\1\0", length=n)) for n in (0, 1, 5, 9, 1023)] +
        [control(0, 0, 0, 0, message), control(0, 0, 0, 0, message + avp(200, b"x")), control(0, 0, 0, 0, b"")] +
        [control(0, 0, 0, 0, message + avp(39, b"\0\0", flags=0xc000)), control(0, 0, 0, 0, message * 20)] +
        [control(tunnel, 0, 0, 0, message, length=n) for n in (0, 11, 13, 0xffff)] +
        [control(tunnel + 1 & 0xffff, 0, 0, 0, avp(0, struct.pack(">H", 4)))] +         # StopCCN for another
        [control(tunnel, session + 1 & 0xffff, 60000, 60000, avp(0, struct.pack(">H", 14)))] +
        [control(tunnel, 0, ns, 0xffff, avp(0, struct.pack(">H", 6))) for ns in (0, 100, 32768, 65535)] +
        [os.urandom(n) for n in range(0, 100, 7)] + [b"\xc8\x02" + os.urandom(n) for n in range(0, 100, 7)])]
    # LCP, CHAP, IPCP, CCP, PAP, EAP and protocols that nobody has, with bodies of noise and lengths that lie
    sets["ppp"] = [k.seal(udp(data + b"\xff\x03" + struct.pack(">H", p) + body))
                   for p in (0xc223, 0xc023, 0xc227, 0x80fd, 0x8057, 0x0057, 0x00fd, 0x1234, 0)
                   for body in (b"", b"\1", struct.pack(">BBH", 1, 1, 0xffff), struct.pack(">BBH", 2, 1, 3), b"\1\1\0\x14" + bytes(16),
                                b"\2\0\0\x40" + os.urandom(60), os.urandom(64))]
    return sets


def do_moved(name, server):
    k = Keys(name)
    out = Out(server)
    out.send(NATT, k.seal(udp(b"x", dport=9)))
    out.done()


def do_clear(server):
    out = Out(server)
    sccrq = avp(0, struct.pack(">H", 1)) + avp(2, b"\1\0") + avp(3, bytes(4)) + avp(7, b"clear") + avp(9, b"\0\1")
    for _ in range(3):
        out.send(1701, control(0, 0, 0, 0, sccrq))
    out.done()


# --- the control socket ---

def seqpacket(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(path)
    s.settimeout(0.2)
    return s


def do_ctl(path):
    types = range(0, 64)
    shapes = [b"\0", b"\0" * 7, b"\0" * 8, os.urandom(8), os.urandom(64), os.urandom(4096), os.urandom(150000)]
    shapes += [struct.pack("=II", t, n) + bytes(n) for t in types for n in (0, 4, 8, 12, 100)]
    shapes += [struct.pack("=II", t, 0xffffffff) + bytes(8) for t in types]
    shapes += [struct.pack("=IIII", t, 8, 0xffff, 0) for t in types]        # another version
    refused = 0
    for shape in shapes:
        s = seqpacket(path)
        try:
            s.send(shape)
            s.sendmsg([shape[:64]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
        except OSError:
            refused += 1
        s.close()
    # A message of no octets.
    s = seqpacket(path)
    s.send(b"")
    s.close()
    held = []
    for i in range(40):
        s = seqpacket(path)
        held.append(s)
        try:
            for t in types if i % 2 else ():        # whatever asks for something, and nothing is read
                for _ in range(50):
                    s.send(struct.pack("=IIII", t, 8, 1, 0xfffffff0), socket.MSG_DONTWAIT)
        except OSError:
            pass
    print(f"shapes={len(shapes)}\nholding={len(held)}", flush=True)
    time.sleep(600)


def do_uid(path, uid):
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))
    try:
        seqpacket(path)
    except OSError as e:
        print(f"refused={e.strerror}")
        return
    print("refused=no")


def do_ban(filter_file, log):
    """What fail2ban would do, as far as this filter needs it."""
    conf = configparser.RawConfigParser()
    conf.read(filter_file)
    address = r"(?P<host>\d+\.\d+\.\d+\.\d+|[0-9a-fA-F:]+)"
    regs = [re.compile(r.replace("<ADDR>", address)) for r in conf["Definition"]["failregex"].split("\n") if r]
    assert regs
    with open(log, encoding="utf-8", errors="replace") as f:
        for line in f:
            # fail2ban takes the date out before it matches
            line = re.sub(r"^\d+-\d+-\d+ \d+:\d+:\d+\.\d+", "", line.rstrip("\n"))
            for r in regs:
                m = r.search(line)
                if m:
                    print(m["host"])


COMMANDS = {"esp": do_esp, "junk": do_junk, "ike": do_ike, "capture": do_capture, "inside": do_inside, "moved": do_moved,
            "clear": do_clear, "ctl": do_ctl, "uid": do_uid, "ban": do_ban}

if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
    sys.exit(__doc__)
COMMANDS[sys.argv[1]](*sys.argv[2:])

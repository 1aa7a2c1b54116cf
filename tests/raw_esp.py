#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""raw_esp.py SERVER CLIENT OTHER INTERFACE: protocol 50 that the server must drop, beside a real client's.

Waits for a packet of CLIENT's to SERVER on INTERFACE; then sends, from CLIENT unless said otherwise:

    unknown   SPIs of no engine, of an engine's free slots, reserved ones
    short     fewer octets than SPI and sequence number
    replayed  the client's packet again
    bad_icv   the same with a number that is to come
    source    the same from the address OTHER
    way       the same in UDP to port 4500

Prints NAME=COUNT of each.  Nothing but the standard library.
"""
import ipaddress
import socket
import struct
import sys

server, client, other, interface = sys.argv[1:]
v6 = ipaddress.ip_address(server).version == 6
family = socket.AF_INET6 if v6 else socket.AF_INET
IP_FREEBIND, IPV6_FREEBIND, ESP = 15, 78, 50


def raw(source):
    s = socket.socket(family, socket.SOCK_RAW, ESP)
    s.setsockopt(*((socket.IPPROTO_IPV6, IPV6_FREEBIND) if v6 else (socket.IPPROTO_IP, IP_FREEBIND)), 1)
    s.bind((source, 0))
    return s


def real_packet():
    """What the client sends next: its ESP packet."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    s.bind((interface, 3))
    s.settimeout(30)
    ends = [ipaddress.ip_address(a).packed for a in (client, server)]
    while True:
        p = s.recv(65536)
        if v6 and p[0] >> 4 == 6 and p[6] == ESP and [p[8:24], p[24:40]] == ends:
            return p[40:]
        if not v6 and p[0] >> 4 == 4 and p[9] == ESP and [p[12:16], p[16:20]] == ends:
            return p[(p[0] & 15) * 4:]


packet = real_packet()
spi, seq = struct.unpack("!II", packet[:8])
ahead = packet[:4] + struct.pack("!I", seq + 500) + packet[8:]
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.bind((client, 0))
ours, theirs = raw(client), raw(other)
plan = {
    "unknown": [(ours, struct.pack("!II", n, 1) + bytes(64))
                for n in (0, 1, 255, 0x03FFFF00, 0x07FFFF00, 0x0C000100, 0xC0000001, 0xFFFFFFFF)],
    "short": [(ours, packet[:n]) for n in range(8)],
    "replayed": [(ours, packet)] * 5,
    "bad_icv": [(ours, ahead)] * 3,
    "source": [(theirs, packet), (theirs, ahead)],
    "way": [(udp, packet), (udp, ahead)],
}
for name, sends in plan.items():
    for s, data in sends:
        s.sendto(data, (server, 4500 if s is udp else 0))
    print(f"{name}={len(sends)}")

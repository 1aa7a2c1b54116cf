#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that no honest client sends: attack.py SERVER KIND COUNT [ARGUMENT]

  junk PORT             random bytes of every length
  unknown               ESP for SPIs that were never given out
  icv SPI               ESP for a live SA (hex) with fresh sequence numbers and a wrong ICV
  replay PCAP FROM SPI  the last packets of that SA that FROM sent in a capture, once more
"""
import os
import socket
import struct
import sys
import time

server, kind, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def send(data, port=4500):
    sock.sendto(data, (server, port))
    time.sleep(0.002)  # slow enough that none is lost on the way


def esp(spi, seq):
    # IV, 64 bytes, ICV of 12: the right shape for AES-CBC with HMAC-SHA1-96.
    return struct.pack("!II", spi, seq) + os.urandom(16 + 64 + 12)


def captured(path, source, spi):
    """UDP payloads from source in a pcap (Ethernet, IPv4) that begin with the SPI."""
    with open(path, "rb") as f:
        data = f.read()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    at, want = 24, struct.pack("!I", spi)
    while at + 16 <= len(data):
        length = struct.unpack(order + "I", data[at + 8:at + 12])[0]
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[26:30] == socket.inet_aton(source):
            payload = frame[14 + (frame[14] & 15) * 4 + 8:]
            if payload[:4] == want:
                yield payload


if kind == "junk":
    for i in range(count):
        send(os.urandom(1 + i * 1400 // count), int(sys.argv[4]))
elif kind == "unknown":
    for i in range(count):
        send(esp(int.from_bytes(os.urandom(4), "big") | 0x100, i + 1))
elif kind == "icv":
    for i in range(count):
        send(esp(int(sys.argv[4], 16), 100000 + i))
elif kind == "replay":
    packets = list(captured(sys.argv[4], sys.argv[5], int(sys.argv[6], 16)))[-count:]
    if len(packets) < count:
        sys.exit("the capture has only %d" % len(packets))
    for p in packets:
        send(p)
else:
    sys.exit(__doc__)

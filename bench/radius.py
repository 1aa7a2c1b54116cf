#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A RADIUS server that accepts everybody (RFC 2865), for a peer that knows no other.

    radius.py PORT SECRET
"""
import hashlib
import socket
import struct
import sys

ACCESS_REQUEST, ACCESS_ACCEPT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 1, 2, 4, 5
ANSWERS = {ACCESS_REQUEST: ACCESS_ACCEPT, ACCOUNTING_REQUEST: ACCOUNTING_RESPONSE}


def main():
    port, secret = int(sys.argv[1]), sys.argv[2].encode()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    while True:
        m, peer = s.recvfrom(4096)
        if len(m) < 20 or m[0] not in ANSWERS:
            continue
        head = struct.pack("!BBH", ANSWERS[m[0]], m[1], 20)
        # Response Authenticator (RFC 2865 3): over the request's own
        s.sendto(head + hashlib.md5(head + m[4:20] + secret).digest(), peer)


main()

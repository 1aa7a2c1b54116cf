#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""relay6.py PORT ADDRESS PORT: what comes to 127.0.0.1 by UDP goes on over IPv6, and the answers back.

For clients that dial IPv4 only, at a server that is to be reached by IPv6.
"""
import select
import socket
import sys

near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
near.bind(("127.0.0.1", int(sys.argv[1])))
there = (sys.argv[2], int(sys.argv[3]))
far_of, near_of = {}, {}
while True:
    for s in select.select([near, *near_of], [], [])[0]:
        data, who = s.recvfrom(65536)
        if s is not near:
            near.sendto(data, near_of[s])
            continue
        if who not in far_of:
            far_of[who] = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            near_of[far_of[who]] = who
        far_of[who].sendto(data, there)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One command for the agent in the test machine, over its serial line.

vm.py SOCKET SECONDS [SCRIPT]: prints what SCRIPT prints and exits as it does; 124
when nothing comes back in time.  Without SCRIPT: waits until the agent answers.
"""
import base64
import os
import socket
import sys
import time

path, seconds = sys.argv[1], float(sys.argv[2])
script = sys.argv[3] if len(sys.argv) > 3 else "true"
end = time.monotonic() + seconds
ident = os.urandom(4).hex()
line = f"{ident} {base64.b64encode(script.encode()).decode()}\n".encode()
s = socket.socket(socket.AF_UNIX)
s.connect(path)
s.sendall(b"\n" + line)
got = b""
while time.monotonic() < end:
    s.settimeout(5)
    try:
        data = s.recv(65536)
    except TimeoutError:
        # Before the agent reads the line, what is sent is lost.
        if len(sys.argv) == 3:
            s.sendall(b"\n" + line)
        continue
    if not data:
        break
    got += data
    while b"\n" in got:
        answer, got = got.split(b"\n", 1)
        word = answer.split()
        if len(word) >= 2 and word[0] == b"@" + ident.encode():
            sys.stdout.buffer.write(base64.b64decode(word[2]) if len(word) > 2 else b"")
            sys.exit(int(word[1]))
sys.exit(124)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The web server behind the VPN: httpd.py PORT MEGABYTES CANARY

GET /file is MEGABYTES of random bytes with CANARY in every KiB, GET /sum its
SHA-256, GET /from the address the client is seen with, PUT /up answers with
the SHA-256 of what came.
"""
import hashlib
import http.server
import os
import sys

port, megabytes, canary = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
block = b"".join((canary + os.urandom(1024))[:1024] for _ in range(1024))
file = b"".join(hashlib.sha256(bytes([i])).digest() + block[32:] for i in range(megabytes))
file_sum = hashlib.sha256(file).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        pages = {"/file": file, "/sum": file_sum.encode(), "/from": self.client_address[0].encode()}
        if self.path in pages:
            self.answer(pages[self.path])
        else:
            self.send_error(404)

    def do_PUT(self):
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            data = self.rfile.read(min(left, 1 << 16))
            if not data:
                return
            digest.update(data)
            left -= len(data)
        self.answer(digest.hexdigest().encode())


http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()

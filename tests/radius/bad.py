#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A RADIUS server that answers each user as his name says: tests/netns/81-radius-bad.sh.

usage: bad.py ADDRESS SECRET

Names (PAP; the password is not looked at):
  good              Access-Accept, signed, Message-Authenticator first
  last              the same, Message-Authenticator last
  slow-SECONDS      the same, after that time
  no-ma             an Accept without a Message-Authenticator
  wrong-ma, zero-ma, short-ma, two-ma
  wrong-auth        the Response Authenticator is wrong (Message-Authenticator is right)
  wrong-secret      all of it by another secret
  wrong-id, wrong-code, wrong-port
  reject-accept     a Reject, then an Accept
  accept-twice
  short, long, len-short, len-long, attr-0, attr-1, attr-over, type-0
  padded            good, with octets behind the end
  vsa-3, vsa-sub-1, vsa-sub-over, ms-empty
  ip-3, ip-two, ip-loop, mask, timeout-3, service, framed, filter, mppe-one, mppe-odd
  esc               a Reject whose Reply-Message has escapes and newlines
  challenge         an Access-Challenge
  silent
"""
import hashlib
import hmac
import socket
import struct
import sys
import threading
import time

ACCEPT, REJECT, CHALLENGE = 2, 3, 11


def attr(t, v):
    return bytes([t, len(v) + 2]) + v


def vsa(v, vendor=311):
    return attr(26, struct.pack('>I', vendor) + v)


def reply(code, req, attrs, secret, sign='first', ident=None):
    ident = req[1] if ident is None else ident
    ma = attr(80, bytes(16))
    body = {'first': ma + attrs, 'last': attrs + ma, 'none': attrs}[sign]
    n = 20 + len(body)
    p = bytearray(struct.pack('>BBH', code, ident, n) + req[4:20] + body)
    if sign != 'none':
        at = 20 + 2 if sign == 'first' else n - 16
        p[at:at + 16] = hmac.new(secret, bytes(p), hashlib.md5).digest()
    seal(p, req, secret)
    return p


def seal(p, req, secret):
    """RFC 2865 3, over what stands there."""
    n = struct.unpack('>H', p[2:4])[0]
    p[4:20] = hashlib.md5(bytes(p[:4]) + req[4:20] + bytes(p[20:n]) + secret).digest()


def answers(user, req, secret):
    """The datagrams, in their order; None: of another port."""
    def ok(attrs=b'', **kw):
        return reply(ACCEPT, req, attrs, secret, **kw)

    def resealed(p):
        seal(p, req, secret)
        return p

    u32 = lambda v: struct.pack('>I', v)
    p = ok()
    if user == 'silent':
        return []
    if user.startswith('slow-'):
        time.sleep(float(user[5:]))
        return [p]
    if user == 'last':
        return [ok(sign='last')]
    if user == 'no-ma':
        return [ok(sign='none')]
    if user == 'wrong-ma':
        p[30] ^= 1
        return [resealed(p)]
    if user == 'zero-ma':
        p[22:38] = bytes(16)
        return [resealed(p)]
    if user == 'short-ma':
        return [ok(attr(80, b''), sign='none')]
    if user == 'two-ma':
        return [ok(attr(80, bytes(16)))]
    if user == 'wrong-auth':
        p[10] ^= 1
        return [p]
    if user == 'wrong-secret':
        return [reply(ACCEPT, req, b'', b'another')]
    if user == 'wrong-id':
        return [ok(ident=(req[1] + 1) & 255)]
    if user == 'wrong-code':
        return [reply(5, req, b'', secret)]
    if user == 'wrong-port':
        return [None, p]
    if user == 'reject-accept':
        return [reply(REJECT, req, b'', secret), p]
    if user == 'accept-twice':
        return [p, p]
    if user == 'short':
        return [p[:19]]
    if user == 'long':
        return [big(req, secret)]
    if user == 'len-short':
        p[2:4] = struct.pack('>H', 19)
        return [p]
    if user == 'len-long':
        p[2:4] = struct.pack('>H', len(p) + 1)
        return [p]
    if user == 'padded':
        return [p + b'\xff' * 7]
    raw = {
        'attr-0': b'\x12\x00', 'attr-1': b'\x12\x01', 'attr-over': b'\x12\xff' + b'x' * 9, 'type-0': b'\x00\x03x',
        'vsa-3': attr(26, b'\x00\x01\x37'), 'vsa-sub-1': vsa(b'\x11\x01'), 'vsa-sub-over': vsa(b'\x11\x30abc'),
        'ms-empty': vsa(b''),
        'ip-3': attr(8, b'\x0a\x37\x00'), 'ip-two': attr(8, u32(0x0a37000b)) + attr(8, u32(0x0a37000c)),
        'ip-loop': attr(8, u32(0x7f000001)), 'mask': attr(8, u32(0x0a37000b)) + attr(9, u32(0xff00ff00)),
        'timeout-3': attr(27, b'\x00\x00\x01'), 'service': attr(6, u32(6)), 'framed': attr(7, u32(2)),
        'filter': attr(11, b'staff'), 'mppe-one': vsa(attr(16, b'\x80\x01' + bytes(32))),
        'mppe-odd': vsa(attr(16, b'\x80\x01' + bytes(31)) + attr(17, b'\x80\x02' + bytes(31))),
    }
    if user in raw:
        return [ok(raw[user])]
    if user == 'esc':
        return [reply(REJECT, req, attr(18, b'\x1b[2Jgo\naway "%n"'), secret)]
    if user == 'challenge':
        return [reply(CHALLENGE, req, attr(18, b'PIN?') + attr(24, b'state'), secret)]
    return [p]


def big(req, secret):
    """One octet more than RFC 2865 3 allows, and right in all else."""
    p = bytearray(struct.pack('>BBH', ACCEPT, req[1], 4097) + req[4:20] + attr(80, bytes(16)))
    while len(p) < 4097:
        n = min(255, 4097 - len(p))
        n -= n and 4097 - len(p) - n == 1
        p += attr(18, b'x' * (n - 2))
    p[22:38] = hmac.new(secret, bytes(p), hashlib.md5).digest()
    seal(p, req, secret)
    return p


def user_of(req):
    at = 20
    while at < len(req):
        if req[at] == 1:
            return req[at + 2:at + req[at + 1]].decode('latin1')
        at += req[at + 1]
    return ''


def signed_first(req, secret):
    """What every request of ours must be."""
    if req[20:22] != bytes([80, 18]):
        return False
    zero = req[:22] + bytes(16) + req[38:]
    return hmac.compare_digest(hmac.new(secret, zero, hashlib.md5).digest(), req[22:38])


def serve(sock, other, req, peer, secret, log):
    user = user_of(req)
    with log:
        print(user, 'signed' if signed_first(req, secret) else 'UNSIGNED', 'id', req[1], flush=True)
    port = sock
    for p in answers(user, req, secret):
        if p is None:
            port = other
            continue
        port.sendto(p, peer)


def main():
    address, secret = sys.argv[1], sys.argv[2].encode()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((address, 1812))
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.bind((address, 0))
    log = threading.Lock()
    print('ready', flush=True)
    while True:
        req, peer = sock.recvfrom(5000)
        threading.Thread(target=serve, args=(sock, other, req, peer, secret, log), daemon=True).start()


main()

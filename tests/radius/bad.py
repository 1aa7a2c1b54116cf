#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A RADIUS server that answers each user as his name says: tests/netns/81-radius-bad.sh, 86-radius-eap.sh.

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

Names of those who come by EAP; what is behind a + or @ does not count:
  eap-good          MD5-Challenge, its Value not looked at: Access-Challenge, then Access-Accept
  eap-slow          the same, each after a second and a half
  eap-stateless     the same, without a State
  eap-named         the same, and the Accept's User-Name is "somebody"
  eap-reject        a Reject without EAP-Message, after the Challenge
  eap-hush          nothing after the Challenge
  eap-endless       one Challenge after the other
  eap-unsigned      a Challenge without a Message-Authenticator
  eap-none, eap-gap, eap-len, eap-code, eap-id, eap-long, eap-states
                    a Challenge that is none: see there
  eap-bare, eap-failure, eap-other
                    an Accept that is none
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
    if value(req, 79):
        return eap_answers(user.split('+')[0].split('@')[0], req, secret)
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


def eap_answers(user, req, secret):
    """Those of RFC 3579, right and wrong."""
    asked, state = value(req, 79), value(req, 24)
    ident = asked[1]

    def eap(code, body=b'', ident=ident, extra=0):
        return struct.pack('>BBH', code, ident, 4 + len(body) + extra) + body

    def pieces(p):
        return b''.join(attr(79, p[i:i + 253]) for i in range(0, len(p), 253))

    def accept(attrs):
        return [reply(ACCEPT, req, attrs, secret)]

    def challenge(attrs, state=attr(24, b'state of ' + user.encode()), **kw):
        return [reply(CHALLENGE, req, attrs + state, secret, **kw)]

    md5 = b'\x04\x10' + bytes(range(16))
    first = asked[4] == 1
    nxt = (ident + 1) & 255
    request = eap(1, md5, nxt)
    if user == 'eap-slow':
        time.sleep(1.5)
    if user == 'eap-endless':
        return challenge(pieces(request))
    if not first:
        if state != (b'' if user == 'eap-stateless' else b'state of ' + user.encode()):
            return [reply(REJECT, req, pieces(eap(4)), secret)]
        return {
            'eap-reject': lambda: [reply(REJECT, req, b'', secret)],
            'eap-hush': lambda: [],
            'eap-named': lambda: accept(pieces(eap(3)) + attr(1, b'somebody')),
            'eap-bare': lambda: accept(b''),
            'eap-failure': lambda: accept(pieces(eap(4))),
            'eap-other': lambda: accept(pieces(eap(3, ident=nxt))),
        }.get(user, lambda: accept(pieces(eap(3))))()
    return {
        'eap-stateless': lambda: challenge(pieces(request), b''),
        'eap-unsigned': lambda: challenge(pieces(request), sign='none'),
        # no EAP-Message; its pieces apart; a wrong Length; a Success; the Identifier of ours; too long; two States
        'eap-none': lambda: challenge(b''),
        'eap-gap': lambda: challenge(attr(79, request[:9]) + attr(18, b'x') + attr(79, request[9:])),
        'eap-len': lambda: challenge(pieces(eap(1, md5, nxt, 1))),
        'eap-code': lambda: challenge(pieces(eap(3))),
        'eap-id': lambda: challenge(pieces(eap(1, md5))),
        'eap-long': lambda: challenge(pieces(eap(1, md5 + b'x' * 1400, nxt))),
        'eap-states': lambda: challenge(pieces(request), attr(24, b'a') + attr(24, b'b')),
    }.get(user, lambda: challenge(pieces(request)))()


def value(req, wanted):
    """All attributes of one type, one after the other."""
    at, v = 20, b''
    while at < len(req):
        if req[at] == wanted:
            v += req[at + 2:at + req[at + 1]]
        at += req[at + 1]
    return v


def user_of(req):
    return value(req, 1).decode('latin1')


def signed_first(req, secret):
    """What every request of ours must be."""
    if req[20:22] != bytes([80, 18]):
        return False
    zero = req[:22] + bytes(16) + req[38:]
    return hmac.compare_digest(hmac.new(secret, zero, hashlib.md5).digest(), req[22:38])


def serve(sock, other, req, peer, secret, log):
    user = user_of(req)
    with log:
        print(user, 'signed' if signed_first(req, secret) else 'UNSIGNED', 'id', req[1],
              'port', value(req, 5).hex(), 'mtu', value(req, 12).hex(), 'eap', value(req, 79).hex(), flush=True)
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

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# What radclient(1) does not send: Disconnect-Requests of RFC 5176 that are forged, old, unsigned or
# sent again.
#
#   dae.py SERVER PORT SECRETFILE USER [from=ADDRESS] [age=SECONDS] [forge=authenticator|message]
#          [without=message|time] [save=FILE] [file=FILE] [wait=SECONDS]
#
# Prints the code of the answer, or "none".  save: the packet, to be sent again with file.
import hashlib, hmac, socket, struct, sys, time

server, port, secret, user = sys.argv[1:5]
opts = dict(o.split('=', 1) for o in sys.argv[5:])
key = open(secret, 'rb').read().rstrip(b'\n')


def attr(type_, value):
    return bytes([type_, len(value) + 2]) + value


def make():
    attrs = b'' if opts.get('without') == 'message' else attr(80, bytes(16))
    if opts.get('without') != 'time':
        attrs += attr(55, struct.pack('>I', int(time.time()) - int(opts.get('age', 0))))
    attrs += attr(1, user.encode())
    head = struct.pack('>BBH', 40, 7, 20 + len(attrs))
    if attrs[0] == 80:
        mac = bytearray(hmac.new(key, head + bytes(16) + attrs, hashlib.md5).digest())
        mac[0] ^= opts.get('forge') == 'message'
        attrs = attr(80, bytes(mac)) + attrs[18:]
    sum_ = bytearray(hashlib.md5(head + bytes(16) + attrs + key).digest())
    sum_[0] ^= opts.get('forge') == 'authenticator'
    return head + bytes(sum_) + attrs


pkt = open(opts['file'], 'rb').read() if 'file' in opts else make()
if 'save' in opts:
    open(opts['save'], 'wb').write(pkt)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((opts.get('from', '0.0.0.0'), 0))
s.settimeout(float(opts.get('wait', 20)))
s.sendto(pkt, (server, int(port)))
try:
    answer, at = s.recvfrom(4096)
except socket.timeout:
    print('none')
else:
    ok = answer[1] == pkt[1] and at == (server, int(port)) and answer[4:20] == hashlib.md5(
        answer[:4] + pkt[4:20] + answer[20:] + key).digest()
    print(answer[0] if ok else 'forged')

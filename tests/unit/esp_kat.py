#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes esp_kat.h: ESP packets with fixed keys and IVs, and what must become of them.

Shares nothing with esp/: AES is written out below from FIPS 197 (and checked
against its appendix C), GCM from NIST SP 800-38D (checked against two packets of
draft-mcgrew-gcm-test-01, which are among the rows, too), HMAC from RFC 2104, the
SHAs are the ones inside the interpreter, not OpenSSL's, DES from FIPS 46-3
(checked against a worked example that is everywhere).
python3 esp_kat.py > esp_kat.h
"""
import struct

import _sha1
try:
    from _sha256 import sha256
    from _sha512 import sha384, sha512
except ImportError:
    from _sha2 import sha256, sha384, sha512


def xtime(a):
    return (a << 1 ^ (0x11b if a & 0x80 else 0)) & 0xff


def gmul(a, b):
    r = 0
    while b:
        if b & 1:
            r ^= a
        a, b = xtime(a), b >> 1
    return r


def sbox_of(x):
    inv = next((y for y in range(256) if gmul(x, y) == 1), 0)
    r = 0x63
    for k in range(5):
        r ^= (inv << k | inv >> (8 - k)) & 0xff
    return r


SBOX = [sbox_of(x) for x in range(256)]


def expand(key):
    nk = len(key) // 4
    w = [list(key[4 * i:4 * i + 4]) for i in range(nk)]
    rcon = 1
    for i in range(nk, 4 * (nk + 7)):
        t = list(w[-1])
        if i % nk == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= rcon
            rcon = xtime(rcon)
        elif nk > 6 and i % nk == 4:
            t = [SBOX[b] for b in t]
        w.append([a ^ b for a, b in zip(w[i - nk], t)])
    return [sum(w[i:i + 4], []) for i in range(0, len(w), 4)]


def aes(key, block):
    rk = expand(key)
    s = [a ^ b for a, b in zip(block, rk[0])]
    for n, k in enumerate(rk[1:], 1):
        s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
        if n < len(rk) - 1:
            m = []
            for c in range(0, 16, 4):
                a = s[c:c + 4]
                m += [xtime(a[i]) ^ xtime(a[(i + 1) % 4]) ^ a[(i + 1) % 4] ^ a[(i + 2) % 4] ^ a[(i + 3) % 4]
                      for i in range(4)]
            s = m
        s = [a ^ b for a, b in zip(s, k)]
    return bytes(s)


def perm(x, bits, table):
    r = 0
    for t in table:
        r = r << 1 | x >> (bits - t) & 1
    return r


# FIPS 46-3; tables that follow a rule are made by it.
IP = [58 - 8 * (i % 8) + 2 * (i // 8) - 9 * (i // 32) for i in range(64)]
FP = [IP.index(i + 1) + 1 for i in range(64)]
EXP = [(4 * (i // 6) + i % 6 - 1) % 32 + 1 for i in range(48)]
P = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25]
PC1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
       63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4]
PC2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
       41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
# A digit for each value; a box has four rows.
DES_SBOX = [[int(d, 16) for d in w.replace(" ", "")] for w in (
    "e4d12fb83a6c5907 0f74e2d1a6cb9538 41e8d62bfc973a50 fc8249175b3ea06d",
    "f18e6b34972dc05a 3d47f28ec01a69b5 0e7ba4d158c6932f d8a13f42b67c05e9",
    "a09e63f51dc7b428 d709346a285ecbf1 d6498f30b12c5ae7 1ad069874fe3b52c",
    "7de3069a1285bc4f d8b56f03472c1ae9 a690cb7df13e5284 3f06a1d8945bc72e",
    "2c417ab6853fd0e9 eb2c47d150fa3986 421bad78f9c5630e b8c71e2d6f09a453",
    "c1af92680d34e75b af427c9561de0b38 9ef528c3704a1db6 432c95fabe17608d",
    "4b2ef08d3c975a61 d0b7491ae35c2f86 14bdc37eaf680592 6bd814a7950fe23c",
    "d2846fb1a93e50c7 1fd8a374c56b0e92 7b419ce206adf358 21e74a8dfc90356b")]


def des_keys(key):
    cd, ret = perm(int.from_bytes(key, "big"), 64, PC1), []
    c, d = cd >> 28, cd & 0xfffffff
    for i in range(16):
        n = 1 if i in (0, 1, 8, 15) else 2
        c, d = [(x << n | x >> (28 - n)) & 0xfffffff for x in (c, d)]
        ret.append(perm(c << 28 | d, 56, PC2))
    return ret


def des(keys, block):
    x = perm(int.from_bytes(block, "big"), 64, IP)
    left, right = x >> 32, x & 0xffffffff
    for k in keys:
        e, out = perm(right, 32, EXP) ^ k, 0
        for i in range(8):
            six = e >> (42 - 6 * i) & 63
            out = out << 4 | DES_SBOX[i][16 * (six >> 4 & 2 | six & 1) + (six >> 1 & 15)]
        left, right = right, left ^ perm(out, 32, P)
    return perm(right << 32 | left, 64, FP).to_bytes(8, "big")


def des3(key, block):
    a, b, c = [des_keys(key[i:i + 8]) for i in (0, 8, 16)]
    return des(c, des(b[::-1], des(a, bytes(block))))


assert all(sorted(s[i:i + 16]) == list(range(16)) for s in DES_SBOX for i in range(0, 64, 16))
assert des(des_keys(bytes.fromhex("133457799bbcdff1")), bytes.fromhex("0123456789abcdef")).hex() == "85e813540f0ab405"


def cbc(cipher, key, iv, data):
    out, n = b"", len(iv)
    for i in range(0, len(data), n):
        iv = cipher(key, [a ^ b for a, b in zip(data[i:i + n], iv)])
        out += iv
    return out


def hmac(h, key, data):
    key = key.ljust(h().block_size, b"\0")
    return h(bytes(b ^ 0x5c for b in key) + h(bytes(b ^ 0x36 for b in key) + data).digest()).digest()


def times(x, y):
    """Of the field of SP 800-38D 6.3: bit 0 is the first one."""
    z = 0
    for i in range(128):
        if x >> (127 - i) & 1:
            z ^= y
        y = y >> 1 ^ (0xe1 << 120 if y & 1 else 0)
    return z


def ghash(h, data):
    y = 0
    for i in range(0, len(data), 16):
        y = times(y ^ int.from_bytes(data[i:i + 16], "big"), h)
    return y.to_bytes(16, "big")


def gcm(key, nonce, aad, plain):
    """Ciphertext and tag, for the 12-byte nonces of RFC 4106."""
    out = b""
    for i in range(0, len(plain), 16):
        mask = aes(key, nonce + struct.pack(">I", 2 + i // 16))
        out += bytes(a ^ b for a, b in zip(plain[i:i + 16], mask))
    text = aad + bytes(-len(aad) % 16) + out + bytes(-len(out) % 16) + struct.pack(">QQ", 8 * len(aad), 8 * len(out))
    h = int.from_bytes(aes(key, bytes(16)), "big")
    return out + bytes(a ^ b for a, b in zip(ghash(h, text), aes(key, nonce + b"\0\0\0\1")))


fips = bytes(0x11 * i for i in range(16))
assert aes(bytes(range(16)), fips).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
assert aes(bytes(range(32)), fips).hex() == "8ea2b7ca516745bfeafc49904b496089"

AUTH = {"ESP_HMAC_SHA1_96": (_sha1.sha1, 20, 12), "ESP_HMAC_SHA2_256_128": (sha256, 32, 16),
        "ESP_HMAC_SHA2_384_192": (sha384, 48, 24), "ESP_HMAC_SHA2_512_256": (sha512, 64, 32)}
# cipher, bytes of key and of a block
ENC = {"ESP_AES_CBC_128": (aes, 16, 16), "ESP_AES_CBC_256": (aes, 32, 16), "ESP_3DES_CBC": (des3, 24, 8)}


def monotonic(n):
    return bytes(i & 0xff for i in range(1, n + 1))


GCM = {"ESP_AES_GCM_128": 16, "ESP_AES_GCM_256": 32}
# key and salt, header, IV, what is inside, ciphertext and ICV
MCGREW = [["".join(w.split()) for w in v] for v in (
    ("feffe9928665731c6d6a8f9467308308 cafebabe", "0000a5f8 0000000a", "facedbaddecaf888",
     """4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d00100
        00010000000000000373697009637962657263697479 02646b00000100010001""",
     """deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f
        51330d0eec416642cfbb85a5b47e48a4ec3b9ba95d918bd183b70d3aa8bc6ee4c309e9d85a41ad4a"""),
    ("abbccddef00112233445566778899aababbccddef00112233445566778899aab 11223344", "4a2cbfe3 00000002",
     "0102030405060708",
     "4500003069a6400080062690c0a801029389155e0a9e008b2dc57ee0000000007002400020bf0000020405b40101040201020201",
     """ff425c9b724599df7a3bcd510194e00d6a78107f1b0b1cbf06efae9d65a5d763748a637985771d347f0545659f14e99def842d8e
        b335f4eecfdbf831824b4c4915956c96"""))]
for k, head, v, inside, sealed in [map(bytes.fromhex, x) for x in MCGREW]:
    assert gcm(k[:-4], k[-4:] + v, head, inside) == sealed


def put(name, enc, auth, seq, verdict, nxt, ekey, akey, payload, pkt):
    def c(b):
        return '"' + "".join("\\x%02x" % x for x in b) + '"'

    def lines(b):
        return "\n".join("\t  " + c(b[i:i + 20]) for i in range(0, len(b), 20)) or '\t  ""'
    print("\t{ \"%s\", %s, %s, %uu, %s, %u, %u, %u,\n%s,\n%s,\n%s,\n%s },"
          % (name, enc, auth, seq, verdict, nxt, len(payload), len(pkt),
             lines(ekey), lines(akey), lines(payload), lines(pkt)))


def row_gcm(name, enc, seq, n, pad=None, padlen=None, verdict="ESP_OK", nxt=17):
    ekey = bytes(0xd1 ^ 11 * i & 0xff for i in range(GCM[enc] + 4))
    iv = bytes((seq * 29 + 113 * i) & 0xff for i in range(8))
    payload = bytes((i * 3 + n) & 0xff for i in range(n))
    if pad is None:
        pad = monotonic(-(n + 2) % 4)
    if padlen is None:
        padlen = len(pad)
    plain = payload + pad + bytes([padlen, nxt])
    assert len(plain) % 4 == 0, name
    head = struct.pack(">II", 0x04000100, seq)
    put(name, enc, "ESP_AUTH_IN_ENC", seq, verdict, nxt, ekey, b"", payload,
        head + iv + gcm(ekey[:-4], ekey[-4:] + iv, head, plain))


def row(name, enc, auth, seq, n, pad=None, padlen=None, verdict="ESP_OK", nxt=17):
    h, alen, icv = AUTH[auth]
    cipher, elen, block = ENC[enc]
    ekey = bytes(0xe0 ^ 7 * i & 0xff for i in range(elen))
    akey = bytes(0x1a + 5 * i & 0xff for i in range(alen))
    iv = bytes((seq * 29 + 113 * i) & 0xff for i in range(block))
    payload = bytes((i * 3 + n) & 0xff for i in range(n))
    if pad is None:
        pad = monotonic(-(n + 2) % block)
    if padlen is None:
        padlen = len(pad)
    plain = payload + pad + bytes([padlen, nxt])
    assert len(plain) % block == 0, name
    pkt = struct.pack(">II", 0x04000100, seq) + iv + cbc(cipher, ekey, iv, plain)
    pkt += hmac(h, akey, pkt)[:icv]

    put(name, enc, auth, seq, verdict, nxt, ekey, akey, payload, pkt)


print("""/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made by esp_kat.py; do not edit. */
static const struct kat {
	const char *name;
	uint8_t enc, auth;
	uint32_t seq;
	enum esp_verdict verdict;
	uint8_t next_header;
	size_t payload_len, packet_len;
	const char *enc_key, *auth_key, *payload, *packet;
} kats[] = {""")
for enc in ENC:
    for auth in AUTH:
        for seq, n in ((1, 0), (2, 13), (3, 14), (0xfffffffe, 15), (5, 61)):
            row("%u bytes" % n, enc, auth, seq, n)
E128, S1, S2 = "ESP_AES_CBC_128", "ESP_HMAC_SHA1_96", "ESP_HMAC_SHA2_256_128"
row("dummy packet, RFC 4303 2.6", E128, S1, 9, 30, nxt=59)
row("255 bytes of padding, RFC 4303 2.4 allows it", E128, S1, 10, 15, pad=monotonic(255))
row("padding only", E128, S2, 11, 0, pad=monotonic(30))
row("3DES, Pad Length 255 in 8 bytes", "ESP_3DES_CBC", S1, 19, 0, pad=monotonic(6), padlen=255, verdict="ESP_BAD_PAD")
row("zero padding", E128, S1, 12, 4, pad=bytes(10), verdict="ESP_BAD_PAD")
row("padding counts from 0", E128, S1, 13, 4, pad=bytes(range(10)), verdict="ESP_BAD_PAD")
row("last padding byte wrong", E128, S2, 14, 4, pad=monotonic(9) + b"\x0b", verdict="ESP_BAD_PAD")
row("first padding byte wrong", E128, S2, 15, 4, pad=b"\0" + monotonic(10)[1:], verdict="ESP_BAD_PAD")
row("Pad Length one too long", E128, S1, 16, 0, pad=monotonic(14), padlen=15, verdict="ESP_BAD_PAD")
row("Pad Length 255 in 16 bytes", E128, S1, 17, 0, pad=monotonic(14), padlen=255, verdict="ESP_BAD_PAD")
row("Pad Length reaches into the payload", E128, S2, 18, 14, pad=b"", padlen=1, verdict="ESP_BAD_PAD")
for enc in GCM:
    for seq, n in ((1, 0), (2, 1), (3, 2), (4, 3), (0xfffffffe, 14), (6, 61), (7, 250)):
        row_gcm("%u bytes" % n, enc, seq, n)
for enc, (k, head, v, inside, sealed) in zip(GCM, [map(bytes.fromhex, x) for x in MCGREW]):
    put("draft-mcgrew-gcm-test-01", enc, "ESP_AUTH_IN_ENC", head[-1], "ESP_OK", inside[-1], k, b"",
        inside[:-2 - inside[-2]], head + v + sealed)
G1, G2 = GCM
row_gcm("dummy packet, RFC 4303 2.6", G1, 9, 30, nxt=59)
row_gcm("255 bytes of padding, RFC 4303 2.4 allows it", G1, 10, 15, pad=monotonic(255))
row_gcm("padding only", G2, 11, 0, pad=monotonic(30))
row_gcm("padding counts from 0", G1, 13, 4, pad=bytes(range(10)), verdict="ESP_BAD_PAD")
row_gcm("Pad Length one too long", G2, 16, 0, pad=monotonic(2), padlen=3, verdict="ESP_BAD_PAD")
row_gcm("Pad Length 255 in 4 bytes", G1, 17, 0, pad=monotonic(2), padlen=255, verdict="ESP_BAD_PAD")
print("};")

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcharon as responder, with our plugin, against somebody who has the key.
 *
 * The input says what two hostile clients do, message after message, beside a
 * third one at the same address and with the same identity, who is honest.  They
 * know all keys of their own, so what is changed in a message is changed before
 * it is hashed and encrypted, and gets as far as it can; each may also be sent
 * again, from elsewhere, with other bits, or made up.  Whatever they do, the
 * honest one keeps its SAs and gets its answers, and engines hear nothing of it.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/rd.h"
#include "tests/ike/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rd in;			/* the input */
static struct tape tape;		/* what the hostile ones said */
static unsigned armed;			/* so many of their next messages are changed */

enum op {
	OP_START, OP_ALTER, OP_REKEY, OP_INFORM, OP_REPLAY, OP_BITS, OP_RAW, OP_TIME, OP_CLOSE, OP_MOVE, OP_HOLD, OP_LOSE,
	OP_HONEST, OPS,
};

static uint8_t take(void)
{
	return in.n ? rd_u8(&in) : 0;
}

static size_t payload_len(const uint8_t *p, size_t n, size_t at)
{
	size_t len = n - at >= 4 ? (size_t)p[at + 2] << 8 | p[at + 3] : 0;

	return len >= 4 && len <= n - at ? len : 0;
}

/* Where the nth payload stands; n: there is none. */
static size_t payload_at(const uint8_t *p, size_t n, unsigned nth)
{
	size_t at = 0, len;

	for (; nth && (len = payload_len(p, n, at)); nth--)
		at += len;
	return nth || !payload_len(p, n, at) ? n : at;
}

/* Make room for, or take away, and keep the payload's length right or not. */
static size_t splice(uint8_t *p, size_t n, size_t cap, size_t at, size_t cut, size_t put)
{
	cut = MIN(cut, n - at);
	if (n - cut + put > cap)
		put = 0;
	memmove(p + at + put, p + at + cut, n - at - cut);
	for (size_t i = 0; i < put; i++)
		p[at + i] = take();
	return n - cut + put;
}

static size_t alter(void *arg, uint8_t *type, uint8_t *p, size_t n, size_t cap)
{
	(void)arg;
	if (!armed)
		return n;
	armed--;
	for (unsigned edits = 1 + take() % 4; edits; edits--) {
		uint8_t kind = take(), nth = take() & 15, off = take(), len = take();
		size_t at = payload_at(p, n, nth), size = at < n ? payload_len(p, n, at) : 0;
		size_t pos = size ? at + off % size : n;

		switch (kind % 8) {
		case 0:			/* a bit */
			if (pos < n)
				p[pos] ^= (uint8_t)(1u << (len & 7));
			break;
		case 1:			/* an octet */
			if (pos < n)
				p[pos] = len;
			break;
		case 2:			/* octets in or out of a payload whose length says so */
		case 3:
			if (size < 4 || pos < at + 4)
				break;
			{
				size_t before = n;

				n = splice(p, n, cap, pos, kind % 8 == 3 ? len % (at + size - pos + 1) : 0, kind % 8 == 2 ? len : 0);
				size = size + n - before;
				p[at + 2] = (uint8_t)(size >> 8);
				p[at + 3] = (uint8_t)size;
			}
			break;
		case 4:			/* octets in or out of a payload whose length lies */
			n = splice(p, n, cap, MIN(pos, n), off & 1 ? len : 0, off & 1 ? 0 : len & 31);
			break;
		case 5:			/* the payload twice */
			if (size && n + size <= cap) {
				uint8_t copy[IKE_MESSAGE_MAX];

				memcpy(copy, p + at, size);
				memmove(p + at + size, p + at, n - at);
				memcpy(p + at, copy, size);
				n += size;
				/* the first one's Next Payload is its own type, which is in what stands before it */
				p[at] = nth ? p[payload_at(p, n, nth - 1u)] : *type;
			}
			break;
		case 6:			/* without the rest */
			n = at;
			break;
		default:		/* another first one */
			*type = off;
			break;
		}
	}
	return n;
}

static void hostile_start(struct client *c, uint8_t how)
{
	uint16_t port = c == &h ? 5002 : 5003;

	ike_free(&c->ike);
	arrive(c, how & 1 ? NAT : NAT + 1, port);
	c->ike.alter = alter;
	c->tape = &tape;
	conf.initial_contact = how & 2;
	conf.main_group = how & 4 ? DIAL_MODP1024 : DIAL_ECP256;
	starts(c);
	conf.initial_contact = false;
	conf.main_group = DIAL_ECP256;
}

static void raw(const struct client *c)
{
	uint8_t buf[IKE_MESSAGE_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	uint8_t first = take(), exchange = take(), flags = take(), n = take();

	wr_bytes(&w, c->ike.cky_i, 8);
	wr_bytes(&w, c->ike.cky_r, 8);
	wr_u8(&w, first);
	wr_u8(&w, 0x10);
	wr_u8(&w, exchange);
	wr_u8(&w, flags);
	wr_u32(&w, flags & 2 ? c->ike.mid : take());
	wr_u32(&w, 28u + n);
	for (unsigned i = 0; i < n; i++)
		wr_u8(&w, take());
	responder_input(&c->at, rd_of(buf, w.len));
}

static void broken(const char *what)
{
	fprintf(stderr, "the honest client %s\n", what);
	abort();
}

static void honest_check(void)
{
	if (!paired(&a))
		broken("has lost its SAs");
	if (moved(&a))
		broken("was moved");
	if (!alive(&a))
		broken("gets no answer");
}

static void one(void)
{
	uint8_t op = take(), arg = take();
	struct client *c = op & 0x80 ? &b : &h;
	uint8_t buf[260];
	unsigned n;

	switch ((op & 0x7f) % OPS) {
	case OP_START:
		hostile_start(c, arg);
		break;
	case OP_ALTER:
		armed = arg & 15;
		break;
	case OP_REKEY:
		rekeys(c);
		break;
	case OP_INFORM:
		n = take();
		for (unsigned i = 0; i < n; i++)
			buf[i] = take();
		/* SPIs and cookies that somebody has are worth more than those of chance. */
		if (n >= 16 && arg & 0x80)
			memcpy(buf + n - 16, arg & 0x40 ? a.ike.cky_i : c->ike.cky_i, 16);
		else if (n >= 4 && arg & 0x40)
			memcpy(buf + n - 4, &(uint32_t){ __builtin_bswap32(a.ike.child.spi_in) }, 4);
		if (c->ike.secured)
			informs(c, arg & 0x1f, rd_of(buf, n));
		break;
	case OP_REPLAY:
		if (tape.n) {
			struct addr from = addr_v4(arg & 1 ? NAT : NAT + 2, (uint16_t)(5002 + (arg >> 1 & 3)));

			n = take() % tape.n;
			responder_input(&from, rd_of(tape.m[n].p, tape.m[n].n));
		}
		break;
	case OP_BITS:
		if (tape.n) {
			uint8_t copy[IKE_MESSAGE_MAX];
			size_t len;

			n = arg % tape.n;
			len = tape.m[n].n;
			memcpy(copy, tape.m[n].p, len);
			for (unsigned k = 1 + take() % 3; k && len; k--) {
				uint8_t at = take();

				copy[at % len] ^= take();
			}
			responder_input(&c->at, rd_of(copy, len - MIN(len, (size_t)(take() & 3))));
		}
		break;
	case OP_RAW:
		raw(c);
		break;
	case OP_TIME:
		pass(arg & 1 ? 20000 : arg * 10u);
		break;
	case OP_CLOSE:
		ike_out_init(&c->out);
		ike_close(&c->ike, &c->out);
		applied(c);
		break;
	case OP_MOVE:
		c->at = addr_v4(NAT + (arg & 3), (uint16_t)(6000 + (arg >> 2)));
		break;
	case OP_HOLD:
		responder_hold(arg % 3);
		break;
	case OP_LOSE:
		c->lose_after = arg & 7;
		c->lose = arg >> 3 & 7;
		break;
	case OP_HONEST:
		/* It deletes nothing, so that there is a limit. */
		if (arg & 1 && a.children < 4)
			rekeys(&a);
		honest_check();
		break;
	default:
		break;
	}
	deliver();
	hear();
	/* The tape has room for the newest. */
	if (tape.n > N_ELEMENTS(tape.m) - 8) {
		tape.n -= 8;
		memmove(tape.m, tape.m + 8, tape.n * sizeof(tape.m[0]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool up;

	if (!up) {
		const struct addr server = addr_v4(SERVER, 4500);

		log_init("fuzz_ike", false);
		if (!responder_start(&server, PSK))
			abort();
		/* A thread makes keys ahead; it must not outlive libcrypto. */
		atexit(responder_stop);
		up = true;
	}
	memset(&told, 0, sizeof(told));
	tape.n = 0;
	armed = 0;
	in = rd_of(data, MIN(size, (size_t)2048));
	arrive(&a, NAT, 5001);
	starts(&a);
	if (a.ike.state != IKE_UP)
		broken("cannot come up");
	for (unsigned n = 0; in.n && n < 100; n++)
		one();
	responder_hold(0);
	deliver();
	hear();
	honest_check();
	ike_free(&a.ike);
	ike_free(&b.ike);
	ike_free(&h.ike);
	memset(&b, 0, sizeof(b));
	memset(&h, 0, sizeof(h));
	responder_clear();
	return 0;
}

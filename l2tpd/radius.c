/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvert-radius: asks RADIUS servers whether somebody may log in, and tells them who
 * was there.  A program of its own, so that libradcli and what that needs are in no other process.
 *
 *   auth ─ RADIUS_ASK ─→ job ─→ a worker (radcli.c) ─ request, cookie ─→ relay ─→ server
 *        ←─ RADIUS_SAID ─ job ←─ its end ─ worker ←───────── reply ───── relay ←─
 *
 * The relay is between libradcli and the servers because the one that Debian has
 * neither puts a Message-Authenticator into requests nor looks at one, nor at the
 * Response Authenticator, and leaves out attributes that it finds malformed.  A request
 * is known by a cookie of random bytes: other programs reach the loopback interface, too.
 *
 * What servers ask of us (RFC 5176) has nothing to do with that: dae.h.
 *
 * Whoever is asked first, and how long others are not: radserver.h.
 *
 * With TLS (radtls.h) a socket is a connection, which the first request opens and which is opened anew
 * when a server that went away is asked again.  The relay ends it, not libradcli: that one would need a
 * connection for each of its threads, and Debian's opens none again once it was closed.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "l2tpd/child.h"
#include "l2tpd/dae.h"
#include "l2tpd/radcli.h"
#include "l2tpd/radpkt.h"
#include "l2tpd/radserver.h"
#include "l2tpd/radtls.h"
#include "l2tpd/sandbox.h"

enum {
	WAITING_MAX = 16384,		/* logins that no worker has yet */
	BURST = 64,			/* datagrams handled before other descriptors get their turn */
	TLS_AGAIN_MS = 1000,		/* after a connection that was refused, or a handshake that failed */
	TLS_OUT_MAX = 65536,		/* bytes on their way to a server that does not read them: more requests wait */
	LISTS = 2 * CONF_AUTHS,		/* of servers: for logins, for accounting */
	ERROR_AUTH_SERVER_TIMEOUT = 930,	/* of MS-CHAP: Windows keeps the password that it has */
};

/* A socket to a server: 256 requests at a time (RFC 2865 3, Identifier). */
struct up {
	struct list link;
	struct radius *r;
	struct addr to, from;
	int fd;				/* TLS: -1 while there is no connection */
	struct event *ev;
	struct job *by_id[256];

	/* TLS */
	int list;			/* whose: index in tls; -1: UDP */
	bool old;			/* a reload has changed what it goes by: not for new requests */
	char name[CONF_NAME_MAX];
	struct radtls_conn *tls;
	struct event *room_ev;
	uint64_t again_ms;		/* no connection is tried before */
	bool heard;			/* a reply came by the one that is there */
	uint64_t heard_ms, dialed_ms;	/* the last one (0 = none), and the beginning */
	struct log_rate rate;
};

/* A login that is asked for, or a record of accounting. */
struct job {
	struct list link;		/* in waiting, until a worker has it */
	bool is_acct;
	bool in_eap;			/* of a conversation that a server has begun */
	unsigned auth;			/* index in conf.auth: whose servers */
	union {
		struct msg_radius_ask ask;
		struct msg_acct acct;
	};
	bool orphan;			/* who asked was replaced, and asks again */
	unsigned tried, left;		/* servers: bits of those asked, how many more may be */

	/* with a worker */
	unsigned server;		/* of its list */
	int list;			/* of TLS, or -1 */
	struct addr to;
	char secret[CONF_SECRET_MAX];
	bool must_sign;
	uint8_t cookie[RAD_COOKIE];
	uint64_t asked_ms;
	struct sockaddr_in worker;	/* where libradcli waits */
	struct up *up;			/* NULL: its request was not sent yet */
	uint8_t id;
	uint8_t *req;			/* as it was sent; owned */
	uint8_t authenticator[RAD_AUTHENTICATOR];	/* of the request as libradcli made it */
	size_t req_len;
	bool answered;
	bool sent;			/* TLS: on the connection that is there */
	struct msg_radius_said said;
};

/* What is asked of one list of servers. */
struct queue {
	struct list waiting;		/* for a worker */
	unsigned n_waiting, n_busy;
};

struct radius {
	struct event_base *base;
	struct peer parent, auth, manager;
	struct conf conf, next;
	bool have_conf, have_next;
	char host[CONF_NAME_MAX];
	struct rad_servers servers[2][CONF_AUTHS];	/* for logins, for accounting */
	struct radtls *tls[LISTS], *next_tls[LISTS];	/* NULL: UDP */
	struct list ups;
	struct queue queue[LISTS];
	unsigned next_queue;		/* whose turn it is */
	unsigned n_waiting, n_busy;	/* of all */
	struct job *busy[RADCLI_THREADS];	/* by slot */
	int relay_fd, pool_fd;
	uint16_t relay_port;
	struct event *relay_ev, *pool_ev, *pool_room_ev;
	struct dae *dae;
	struct {
		uint64_t requests, accepts, rejects, challenges, timeouts, failovers;
		uint64_t forged, unsigned_, malformed, late, strange;
		uint64_t acct_ok, acct_failed;
		uint64_t tls_up, tls_failed;
	} count;
};

static const char *server_str(const struct addr *a)
{
	static char text[ADDR_STRLEN];

	return addr_str(a, text);
}

/* ---- sockets to servers ---- */

static void up_readable(evutil_socket_t fd, short what, void *arg);
static void up_has_room(evutil_socket_t fd, short what, void *arg);

/* No connection any more; it may be made again. */
static void up_hang_up(struct up *u)
{
	if (u->ev)
		event_free(u->ev);
	if (u->room_ev)
		event_free(u->room_ev);
	if (u->fd >= 0)
		close(u->fd);
	radtls_close(u->tls);
	u->ev = u->room_ev = NULL;
	u->tls = NULL;
	u->fd = -1;
}

static void up_free(struct up *u)
{
	list_del(&u->link);
	up_hang_up(u);
	free(u);
}

/* Its socket, and with TLS the beginning of the handshake. 0 or -errno. */
static int up_dial(struct up *u)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sa(&u->to, &ss);
	bool tls = u->list >= 0;
	int err;

	u->dialed_ms = now_ms();

	u->fd = socket(ss.ss_family, (tls ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* Connected: the kernel drops what comes from elsewhere, and says which address of ours is used. */
	if (u->fd < 0 || (connect(u->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS)) {
		err = -errno;
		goto fail;
	}
	len = sizeof(ss);
	if (getsockname(u->fd, (struct sockaddr *)&ss, &len) < 0) {
		err = -errno;
		goto fail;
	}
	u->from = addr_from_sa((struct sockaddr *)&ss);
	err = -ENOMEM;
	u->ev = event_new(u->r->base, u->fd, EV_READ | EV_PERSIST, up_readable, u);
	if (!u->ev || event_add(u->ev, NULL) < 0)
		goto fail;
	if (!tls)
		return 0;
	u->tls = radtls_open(u->r->tls[u->list], &u->to, u->name);
	u->room_ev = event_new(u->r->base, u->fd, EV_WRITE, up_has_room, u);
	if (!u->tls || !u->room_ev || event_add(u->room_ev, NULL) < 0)
		goto fail;
	return 0;
fail:
	up_hang_up(u);
	return err;
}

/* 0 and one more socket to a server, or -errno. list: -1, or of TLS. */
static int up_open(struct radius *r, const struct addr *to, int list, struct up **ret)
{
	struct up *u = calloc(1, sizeof(*u));
	const struct conf_auth *a = &r->conf.auth[list < 0 ? 0 : list / 2];
	int err;

	if (!u)
		return -ENOMEM;
	u->r = r;
	u->to = *to;
	u->fd = -1;
	u->list = list;
	if (list >= 0)
		str_copy(u->name, sizeof(u->name), list % 2 ? a->radius_acct.tls_name : a->radius_auth.tls_name);
	err = up_dial(u);
	if (err) {
		free(u);
		return err;
	}
	list_push(&r->ups, &u->link);
	*ret = u;
	return 0;
}

/* A socket to that server on which the identifier (0…255; -1: any) is free. 0 or -errno. */
static int up_get(struct radius *r, const struct addr *to, int list, int id, struct up **ret)
{
	LIST_EACH(&r->ups, e) {
		struct up *u = CONTAINER_OF(e, struct up, link);

		if (u->list == list && !u->old && addr_eq(&u->to, to) && (id < 0 || !u->by_id[id])) {
			*ret = u;
			return 0;
		}
	}
	return up_open(r, to, list, ret);
}

static bool up_is_used(const struct up *u)
{
	for (unsigned i = 0; i < N_ELEMENTS(u->by_id); i++)
		if (u->by_id[i])
			return true;
	return false;
}

/* After a reload, or when the host has other addresses: new ones are opened when they are needed. */
static void ups_close_idle(struct radius *r)
{
	LIST_EACH(&r->ups, e) {
		struct up *u = CONTAINER_OF(e, struct up, link);

		/* Those of TLS go by what they were opened with. */
		u->old = u->list >= 0;
		if (!up_is_used(u))
			up_free(u);
	}
}

/* ---- jobs ---- */

static void hand_out(struct radius *r);

/* NAS-Identifier. */
static const char *nas_id(const struct radius *r)
{
	return r->conf.radius_nas_id[0] ? r->conf.radius_nas_id : r->host;
}

/* How servers know us: by the name, and by the addresses from which each of them is asked. */
static void nas_names(void *arg, struct dae_nas *ret)
{
	static struct addr addrs[CONF_AUTHS * CONF_RADIUS_SERVERS * 2];
	struct radius *r = arg;

	*ret = (struct dae_nas){ .addr = addrs, .id = nas_id(r) };
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		const struct conf_radius *list[] = { &r->conf.auth[i].radius_auth, &r->conf.auth[i].radius_acct };

		for (unsigned k = 0; conf_has_auth(&r->conf, i) && k < N_ELEMENTS(list); k++) {
			for (unsigned n = 0; n < list[k]->n_server && n < CONF_RADIUS_SERVERS; n++) {
				struct up *u;

				/* By TLS they come from the same one; a socket of UDP that nothing is sent by tells it. */
				if (up_get(r, &list[k]->server[n].addr, -1, -1, &u) == 0)
					addrs[ret->n_addr++] = u->from;
			}
		}
	}
}

static const struct conf_radius *list_of(const struct radius *r, const struct job *j)
{
	const struct conf_auth *a = &r->conf.auth[j->auth];

	return j->is_acct ? &a->radius_acct : &a->radius_auth;
}

static struct rad_servers *servers_of(struct radius *r, const struct job *j)
{
	return &r->servers[j->is_acct][j->auth];
}

static unsigned list_index(const struct job *j)
{
	return 2 * j->auth + j->is_acct;
}

/* The list of TLS that its servers are in, or -1. */
static int tls_of(const struct radius *r, const struct job *j)
{
	return list_of(r, j)->tls_ca[0] ? (int)list_index(j) : -1;
}

/* Is what it asked still in the list?  A reload may have changed it. */
static bool server_is_same(const struct radius *r, const struct job *j)
{
	const struct conf_radius *c = list_of(r, j);

	return j->server < c->n_server && addr_eq(&c->server[j->server].addr, &j->to);
}

static void job_free(struct job *j)
{
	free(j->req);
	explicit_bzero(j, sizeof(*j));
	free(j);
}

/* The manager's record: a server has it, or none took it. */
static void job_told(struct radius *r, struct job *j, bool ok)
{
	struct msg_acct_done d = { .tag = j->acct.tag, .auth = j->auth, .seq = j->acct.rec.seq, .ok = ok };

	r->count.acct_ok += ok;
	r->count.acct_failed += !ok;
	if (!j->orphan)
		peer_send(&r->manager, MSG_ACCT_DONE, &d, sizeof(d), -1);
	job_free(j);
}

/* What auth waits for; the job ends. */
static void job_say(struct radius *r, struct job *j)
{
	if (j->is_acct) {
		job_told(r, j, true);
		return;
	}
	j->said.tag = j->ask.tag;
	/* The next Response is that server's. */
	if (j->said.verdict == VERDICT_EAP)
		j->said.eap.server = j->to;
	r->count.accepts += j->said.verdict == VERDICT_OK;
	r->count.rejects += j->said.verdict == VERDICT_DENY;
	r->count.challenges += j->said.verdict == VERDICT_EAP;
	if (!j->orphan)
		peer_send(&r->auth, MSG_RADIUS_SAID, &j->said, sizeof(j->said), -1);
	job_free(j);
}

static void job_deny(struct radius *r, struct job *j, const char *why, uint32_t mschap_error)
{
	if (j->is_acct) {
		job_told(r, j, false);
		return;
	}
	j->said = (struct msg_radius_said){ .verdict = VERDICT_DENY, .mschap_error = mschap_error };
	str_copy(j->said.why, sizeof(j->said.why), why);
	job_say(r, j);
}

/* Its worker is done with it. */
static void job_back(struct radius *r, struct job *j, unsigned slot)
{
	if (j->up) {
		j->up->by_id[j->id] = NULL;
		if (j->up->old && !up_is_used(j->up))
			up_free(j->up);
	}
	j->up = NULL;
	j->sent = false;
	free(j->req);
	j->req = NULL;
	r->busy[slot] = NULL;
	r->n_busy--;
	r->queue[list_index(j)].n_busy--;
}

/* The server did not answer; true: another one is asked. */
static bool job_failover(struct radius *r, struct job *j)
{
	const struct conf_radius *c = list_of(r, j);
	struct rad_servers *s = servers_of(r, j);

	if (server_is_same(r, j) && rad_server_silent(s, j->server, j->asked_ms, c->dead_time_s, now_ms()))
		log_warn("radius server=%s does not answer: others are asked first for %u s", server_str(&j->to),
			c->dead_time_s);
	if (!j->left || rad_server_next(s, c->n_server, j->tried, now_ms()) < 0)
		return false;
	j->left--;
	r->count.failovers++;
	return true;
}

static void job_wait(struct radius *r, struct job *j)
{
	struct queue *q = &r->queue[list_index(j)];

	list_push(&q->waiting, &j->link);
	q->n_waiting++;
	r->n_waiting++;
}

/*
 * A list may have three times what is free: silent servers, whose requests stay
 * longest, take three quarters of all, two such lists three sevenths each.  So
 * nobody's logins wait for another one's servers, nor for accounting.
 */
static bool has_share(unsigned mine, unsigned all, unsigned max)
{
	return all < max && mine < 3 * (max - all);
}

/* The next one, of the lists in turn, or NULL. It waits no more. */
static struct job *job_next(struct radius *r)
{
	for (unsigned n = 0; n < LISTS; n++) {
		struct queue *q = &r->queue[r->next_queue++ % LISTS];
		struct job *j;

		if (list_empty(&q->waiting) || !has_share(q->n_busy, r->n_busy, RADCLI_THREADS))
			continue;
		j = CONTAINER_OF(q->waiting.next, struct job, link);
		list_del(&j->link);
		q->n_waiting--;
		r->n_waiting--;
		return j;
	}
	return NULL;
}

/* Of every server that may be asked none could be, or none answered. */
static void job_silence(struct radius *r, struct job *j)
{
	r->count.timeouts++;
	job_deny(r, j, "RADIUS timeout", ERROR_AUTH_SERVER_TIMEOUT);
}

/* Have the files of a list been read, and are they good?  What is not TLS needs none. */
static bool tls_is_ready(const struct radius *r, int list)
{
	const char *why;

	return list < 0 || (r->tls[list] && radtls_ready(r->tls[list], &why));
}

/* Which one of the list the conversation is with; false: none. */
static bool eap_server(const struct conf_radius *c, const struct job *j, int *ret)
{
	for (unsigned i = 0; i < c->n_server; i++) {
		if (addr_eq(&c->server[i].addr, &j->ask.judge.req.eap.server)) {
			*ret = (int)i;
			return true;
		}
	}
	return false;
}

/* Give it to a worker: the slot is free. False: none takes it now. */
static bool job_hand(struct radius *r, struct job *j, unsigned slot)
{
	const struct conf_radius *c = list_of(r, j);
	static struct radcli_work w;
	struct rad_nas nas = { .id = "" };
	struct wr attrs = wr_of(w.attrs, sizeof(w.attrs));
	const char *why = "the request is too long for RADIUS";
	struct up *u;
	int i, err;
	bool sent;

	if (!conf_has_auth(&r->conf, j->auth) || !c->n_server) {
		job_deny(r, j, "no authentication-server", 0);
		return true;
	}
	if (j->in_eap && !eap_server(c, j, &i)) {
		job_deny(r, j, "the RADIUS server of this EAP is not configured any more", 0);
		return true;
	}
	if (!j->in_eap)
		i = rad_server_next(servers_of(r, j), c->n_server, j->tried, now_ms());
	if (i < 0) {
		job_silence(r, j);
		return true;
	}
	j->server = (unsigned)i;
	j->tried |= 1u << i;
	j->to = c->server[i].addr;
	/* RFC 3579 3.2: with EAP-Message always; but TLS protects replies better than that would. */
	j->must_sign = !j->is_acct && !c->tls_ca[0] &&
		       (c->server[i].message_authenticator || j->ask.judge.req.method == AUTH_EAP);
	j->asked_ms = now_ms();
	str_copy(j->secret, sizeof(j->secret), c->server[i].secret);
	j->list = tls_of(r, j);
	err = tls_is_ready(r, j->list) ? up_get(r, &j->to, j->list, -1, &u) : -ENOKEY;
	if (err < 0) {
		log_err("radius server=%s cannot be asked: %s", server_str(&j->to), strerror(-err));
		if (job_failover(r, j))
			job_wait(r, j);
		else
			job_silence(r, j);
		return true;
	}
	nas.addr = u->from;
	str_copy(nas.id, sizeof(nas.id), nas_id(r));
	if (j->is_acct)
		rad_acct_attrs(&j->acct, &nas, &attrs);
	if ((!j->is_acct && !rad_login_attrs(&j->ask, &nas, &attrs, &why)) || attrs.bad) {
		job_deny(r, j, why ? why : "the request is too long for RADIUS", 0);
		return true;
	}
	random_bytes(j->cookie, sizeof(j->cookie));
	memcpy(j->cookie, &(uint32_t){ slot }, sizeof(uint32_t));
	w.slot = slot;
	w.port = r->relay_port;
	w.timeout_s = c->timeout_s;
	w.tries = c->max_tries;
	w.code = j->is_acct ? RAD_ACCOUNTING_REQUEST : RAD_ACCESS_REQUEST;
	w.len = (uint16_t)attrs.len;
	memcpy(w.cookie, j->cookie, sizeof(w.cookie));
	memcpy(w.secret, j->secret, sizeof(w.secret));
	r->busy[slot] = j;
	r->n_busy++;
	r->queue[list_index(j)].n_busy++;
	j->answered = false;
	sent = send(r->pool_fd, &w, sizeof(w), MSG_NOSIGNAL) == sizeof(w);
	explicit_bzero(&w, sizeof(w));
	if (sent) {
		r->count.requests++;
		return true;
	}
	/* Workers start one after the other: it is the next one again when there is room. */
	job_back(r, j, slot);
	j->tried &= ~(1u << i);
	job_wait(r, j);
	/* In front. */
	list_del(&j->link);
	list_push(r->queue[list_index(j)].waiting.next, &j->link);
	event_add(r->pool_room_ev, NULL);
	return false;
}

/* As many as there are workers for. */
static void hand_out(struct radius *r)
{
	for (unsigned slot = 0; slot < RADCLI_THREADS; slot++) {
		while (!r->busy[slot]) {
			struct job *j = job_next(r);

			if (!j || !job_hand(r, j, slot))
				return;
		}
	}
}

static void pool_has_room(evutil_socket_t fd, short what, void *arg)
{
	hand_out(arg);
}

/* ---- the relay ---- */

/* Of one class: what a server, or who poses as one, can cause. */
static void bad_reply(struct radius *r, const struct up *u, uint64_t *count, const char *what)
{
	static struct log_rate rate;

	(*count)++;
	if (log_rate_ok(&rate, now_ms()))
		log_warn("radius server=%s: a reply %s, ignoring", server_str(&u->to), what);
}

static void reply(struct radius *r, struct up *u, uint8_t *buf, size_t n)
{
	const struct rd pkt = rd_of(buf, n);
	struct job *j = pkt.n >= RAD_HEADER ? u->by_id[pkt.p[1]] : NULL;

	if (!j || j->answered) {
		/* Too late, or twice: the first one counted. */
		r->count.late++;
		return;
	}
	switch (rad_check_reply(pkt, rd_of(j->req, j->req_len), j->secret, j->must_sign)) {
	case RAD_MALFORMED:
		bad_reply(r, u, &r->count.malformed, "is malformed");
		return;
	case RAD_FORGED:
		bad_reply(r, u, &r->count.forged, "has a wrong authenticator: is the secret the same there?");
		return;
	case RAD_UNSIGNED:
		bad_reply(r, u, &r->count.unsigned_, "has no Message-Authenticator: have the server send it, or, where "
			"it cannot, write message-authenticator no");
		return;
	case RAD_GOOD:
		break;
	}
	if (j->is_acct)
		rad_resign(buf, pkt.n, j->authenticator, j->secret);
	else
		rad_read_reply(pkt, rd_of(j->req, j->req_len), j->secret, &j->ask, &j->said);
	j->answered = true;
	if (server_is_same(r, j)) {
		struct rad_servers *s = servers_of(r, j);

		if (s->dead_until_ms[j->server])
			log_notice("radius server=%s answers again", server_str(&j->to));
		rad_server_heard(s, j->server, now_ms());
	}
	/* What is lost here libradcli asks for again, and gets no second answer: it gives up, and it counts (ended()). */
	(void)!sendto(r->relay_fd, pkt.p, pkt.n, 0, (struct sockaddr *)&j->worker, sizeof(j->worker));
}

/* ---- TLS: its stream ---- */

static void tls_over(struct up *u, const char *why);

/* As much as the socket takes. */
static void tls_flush(struct up *u)
{
	while (u->tls) {
		struct rd out = radtls_out(u->tls);
		ssize_t n;

		if (!out.n)
			return;
		n = send(u->fd, out.p, out.n, MSG_NOSIGNAL);
		if (n >= 0) {
			radtls_sent(u->tls, (size_t)n);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			event_add(u->room_ev, NULL);
			return;
		} else if (errno != EINTR) {
			tls_over(u, strerror(errno));
			return;
		}
	}
}

/* Send what was not sent on this connection, or open one; a worker says it again, should that fail. */
static void tls_ask(struct up *u)
{
	if (!u->tls) {
		int err;

		if (now_ms() < u->again_ms || u->old)
			return;
		err = up_dial(u);
		if (err) {
			tls_over(u, strerror(-err));
			return;
		}
	}
	for (unsigned i = 0; i < N_ELEMENTS(u->by_id) && radtls_is_up(u->tls) && radtls_out(u->tls).n < TLS_OUT_MAX; i++)
		if (u->by_id[i] && !u->by_id[i]->sent && !u->by_id[i]->answered)
			u->by_id[i]->sent = radtls_put(u->tls, rd_of(u->by_id[i]->req, u->by_id[i]->req_len));
	if (radtls_is_over(u->tls))
		tls_over(u, "TLS failed");
	else
		tls_flush(u);
}

/* The connection has ended. A server may close one that is idle; what it had not answered is asked anew. */
static void tls_over(struct up *u, const char *why)
{
	/* One by which no reply ever came was refused: with TLS 1.3 our certificate is judged after the handshake. */
	bool was_up = u->tls && u->heard, asked = false;

	for (unsigned i = 0; i < N_ELEMENTS(u->by_id); i++) {
		if (u->by_id[i]) {
			u->by_id[i]->sent = false;
			asked = asked || !u->by_id[i]->answered;
		}
	}
	if (!was_up && (asked || !u->tls || !radtls_was_up(u->tls))) {
		u->r->count.tls_failed++;
		u->again_ms = now_ms() + TLS_AGAIN_MS;
		if (log_rate_ok(&u->rate, now_ms()))
			log_err("radius server=%s: no TLS connection: %s", server_str(&u->to), why);
	} else if (asked) {
		log_notice("radius server=%s: the TLS connection ended while it was asked: %s", server_str(&u->to), why);
	}
	up_hang_up(u);
	u->heard = false;
	u->heard_ms = 0;
	if (was_up && asked)
		tls_ask(u);
}

/* Of the server: handshake, replies, the end. */
static void tls_readable(struct up *u)
{
	uint8_t buf[16384], pkt[RAD_MAX];

	for (unsigned i = 0; i < BURST && u->tls; i++) {
		ssize_t n = recv(u->fd, buf, sizeof(buf), 0);
		bool was_up = radtls_is_up(u->tls), ok;
		const char *why;
		size_t len;

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		if (n <= 0) {
			tls_over(u, n < 0 ? strerror(errno) : "it closed the connection");
			return;
		}
		ok = radtls_in(u->tls, rd_of(buf, (size_t)n), &why);
		while ((len = radtls_get(u->tls, pkt, sizeof(pkt)))) {
			u->heard = true;
			u->heard_ms = now_ms();
			reply(u->r, u, pkt, len);
		}
		if (!ok || radtls_is_over(u->tls)) {
			/* Its last word may be an alert, which says why to the server. */
			struct rd out = radtls_out(u->tls);

			if (out.n)
				(void)!send(u->fd, out.p, out.n, MSG_NOSIGNAL);
			tls_over(u, why);
			return;
		}
		if (!was_up && radtls_is_up(u->tls)) {
			u->r->count.tls_up++;
			log_info("radius server=%s: the TLS connection is up", server_str(&u->to));
		}
		tls_ask(u);
	}
}

static void up_has_room(evutil_socket_t fd, short what, void *arg)
{
	tls_ask(arg);
}

static void up_readable(evutil_socket_t fd, short what, void *arg)
{
	struct up *u = arg;
	uint8_t buf[RAD_MAX + 1];

	if (u->list >= 0) {
		tls_readable(u);
		return;
	}
	for (unsigned i = 0; i < BURST; i++) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n >= 0)
			reply(u->r, u, buf, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		/* ECONNREFUSED and its like: anybody can send us an ICMP; the time says who is silent. */
	}
}

/* A request of libradcli's, or of whoever else reaches the loopback interface. */
static void request(struct radius *r, struct rd pkt, const struct sockaddr_in *from)
{
	uint8_t cookie[RAD_COOKIE], out[RAD_MAX];
	uint32_t slot = RADCLI_THREADS;
	struct job *j = NULL;
	struct up *u;
	size_t n;

	if (rad_cookie(pkt, cookie)) {
		memcpy(&slot, cookie, sizeof(slot));
		j = slot < RADCLI_THREADS ? r->busy[slot] : NULL;
	}
	if (!j || CRYPTO_memcmp(cookie, j->cookie, sizeof(cookie)) != 0 || !(n = rad_forward(pkt, j->secret, out))) {
		r->count.strange++;
		return;
	}
	if (j->answered)
		return;
	if (!j->up) {
		/* What was made for TLS goes by nothing else: a reload may have changed it. */
		if (j->list != tls_of(r, j) || !tls_is_ready(r, j->list) || up_get(r, &j->to, j->list, out[1], &u) < 0)
			return;		/* it comes again */
		j->req = malloc(n);
		if (!j->req)
			return;
		memcpy(j->req, out, n);
		memcpy(j->authenticator, pkt.p + 4, sizeof(j->authenticator));
		j->req_len = n;
		j->worker = *from;
		j->id = out[1];
		j->up = u;
		u->by_id[j->id] = j;
	} else if (n != j->req_len || memcmp(out, j->req, n) != 0) {
		r->count.strange++;	/* RFC 5080 2.2.1: what is repeated is the same */
		return;
	}
	if (j->up->list < 0)
		(void)!send(j->up->fd, j->req, j->req_len, 0);
	else
		tls_ask(j->up);
}

static void relay_readable(evutil_socket_t fd, short what, void *arg)
{
	uint8_t buf[RAD_MAX + 1];
	struct sockaddr_in from;

	for (unsigned i = 0; i < BURST; i++) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n >= 0)
			request(arg, rd_of(buf, (size_t)n), &from);
	}
}

/* A worker is done with a request. */
static void ended(struct radius *r, const struct radcli_done *d)
{
	struct job *j = d->slot < RADCLI_THREADS ? r->busy[d->slot] : NULL;
	bool answered;

	if (!j) {
		log_err("radius: a worker answers for nobody");
		_exit(1);
	}
	answered = j->answered;
	/*
	 * Nothing came by that connection for as long as a request may take: it is dead, or never came up.  TCP
	 * finds that out in a quarter of an hour, or not at all.
	 */
	if (!answered && j->up && j->up->tls && j->up->heard_ms < j->asked_ms &&
	    now_ms() - j->up->dialed_ms >= list_of(r, j)->timeout_s * UINT64_C(1000)) {
		if (log_rate_ok(&j->up->rate, now_ms()))
			log_notice("radius server=%s: the TLS connection is silent, and closed", server_str(&j->to));
		j->up->by_id[j->id] = NULL;
		tls_over(j->up, "it is silent");
	}
	job_back(r, j, d->slot);
	if (d->end == RADCLI_FAILED && answered)
		job_deny(r, j, "RADIUS reply: libradcli cannot read it", 0);
	else if (answered)
		job_say(r, j);
	else if (d->end == RADCLI_FAILED) {
		log_err("radius server=%s: the request could not be sent (is the loopback interface up, and "
			"netbase installed, for /etc/services?)", server_str(&j->to));
		job_deny(r, j, "the RADIUS request could not be sent", ERROR_AUTH_SERVER_TIMEOUT);
	} else if (d->end == RADCLI_ANSWERED) {
		log_err("radius server=%s: libradcli has a reply that is not the server's", server_str(&j->to));
		job_deny(r, j, "RADIUS reply: from nobody that was asked", 0);
	} else if (job_failover(r, j)) {
		job_wait(r, j);
	} else {
		job_silence(r, j);
	}
}

/* The parent starts us again, and with us new ones. */
static void workers_gone(void)
{
	int status = 0;

	if (waitpid(-1, &status, 0) > 0 && WIFSIGNALED(status))
		log_err("radius's workers: killed by signal %d", WTERMSIG(status));
	else
		log_err("radius's workers ended with status %d", WEXITSTATUS(status));
	_exit(1);
}

static void pool_readable(evutil_socket_t fd, short what, void *arg)
{
	struct radius *r = arg;
	struct radcli_done d;

	for (unsigned i = 0; i < BURST; i++) {
		ssize_t n = recv(fd, &d, sizeof(d), 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
			break;
		if (n != sizeof(d)) {
			workers_gone();
		}
		ended(r, &d);
	}
	hand_out(r);
}

/* ---- the process ---- */

static void job_begin(struct radius *r, struct job *j)
{
	/* No other server knows the State. */
	j->left = j->in_eap ? 0 : list_of(r, j)->max_failovers;
	if (!has_share(r->queue[list_index(j)].n_waiting, r->n_waiting, WAITING_MAX)) {
		job_deny(r, j, "too many logins wait for RADIUS", ERROR_AUTH_SERVER_TIMEOUT);
		return;
	}
	job_wait(r, j);
	hand_out(r);
}

static void auth_msg(struct peer *p, struct msg *m, void *arg)
{
	struct radius *r = arg;
	struct job *j;

	if (m->type != MSG_RADIUS_ASK)
		return;
	j = calloc(1, sizeof(*j));
	if (!j)
		return;
	j->ask = m->b.radius_ask;
	j->auth = j->ask.auth;
	j->in_eap = j->ask.judge.req.method == AUTH_EAP && j->ask.judge.req.eap.server.family;
	job_begin(r, j);
}

static void stats(struct radius *r)
{
	const struct counter c[] = {
		{ "radius_requests", r->count.requests }, { "radius_accepts", r->count.accepts },
		{ "radius_rejects", r->count.rejects }, { "radius_challenges", r->count.challenges },
		 { "radius_timeouts", r->count.timeouts },
		{ "radius_failovers", r->count.failovers }, { "radius_forged", r->count.forged },
		{ "radius_unsigned", r->count.unsigned_ }, { "radius_malformed", r->count.malformed },
		{ "radius_late", r->count.late }, { "radius_strange", r->count.strange },
		{ "radius_acct_ok", r->count.acct_ok }, { "radius_acct_failed", r->count.acct_failed },
		{ "radius_tls_up", r->count.tls_up }, { "radius_tls_failed", r->count.tls_failed },
		{ "radius_waiting", r->n_waiting }, { "radius_busy", r->n_busy },
	};
	struct msg_stats st = { .n = N_ELEMENTS(c) };

	memcpy(st.c, c, sizeof(c));
	sandbox_stats(&st);
	dae_counters(r->dae, &st);
	peer_send(&r->manager, MSG_STATS, &st, sizeof(st), -1);
}

static void manager_msg(struct peer *p, struct msg *m, void *arg)
{
	struct radius *r = arg;
	struct job *j;

	if (m->type == MSG_STATS_REQ)
		stats(r);
	if (m->type == MSG_DAE_DONE)
		dae_done(r->dae, &m->b.dae_done);
	if (m->type != MSG_ACCT || !(j = calloc(1, sizeof(*j))))
		return;
	j->is_acct = true;
	j->acct = m->b.acct;
	j->auth = j->acct.auth;
	job_begin(r, j);
}

/* Those of an auth, or of a manager, that is gone: its successor asks again. */
static void orphans(struct radius *r, bool acct)
{
	for (unsigned i = 0; i < LISTS; i++) {
		struct queue *q = &r->queue[i];

		LIST_EACH(&q->waiting, e) {
			struct job *j = CONTAINER_OF(e, struct job, link);

			if (j->is_acct != acct)
				continue;
			list_del(&j->link);
			job_free(j);
			q->n_waiting--;
			r->n_waiting--;
		}
	}
	for (unsigned i = 0; i < RADCLI_THREADS; i++)
		if (r->busy[i] && r->busy[i]->is_acct == acct)
			r->busy[i]->orphan = true;
}

/* Nobody is dead until he was asked by this configuration. */
static void apply(struct radius *r)
{
	if (dae_apply(r->dae) < 0)
		fatal("out of memory");
	if (!r->have_next)
		return;
	memcpy(&r->conf, &r->next, sizeof(r->conf));
	explicit_bzero(&r->next, sizeof(r->next));
	r->have_next = false;
	memset(r->servers, 0, sizeof(r->servers));
	ups_close_idle(r);
	for (unsigned i = 0; i < LISTS; i++) {
		radtls_free(r->tls[i]);
		r->tls[i] = r->next_tls[i];
		r->next_tls[i] = NULL;
	}
}

/* What every login needs: the relay's socket, and the way to the workers. */
static void open_all(struct radius *r)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	r->relay_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->relay_fd < 0 || bind(r->relay_fd, (struct sockaddr *)&at, len) < 0 ||
	    getsockname(r->relay_fd, (struct sockaddr *)&at, &len) < 0)
		fatal("no UDP socket on 127.0.0.1: %s", strerror(errno));
	r->relay_port = ntohs(at.sin_port);
	r->relay_ev = event_new(r->base, r->relay_fd, EV_READ | EV_PERSIST, relay_readable, r);
	r->pool_ev = event_new(r->base, r->pool_fd, EV_READ | EV_PERSIST, pool_readable, r);
	r->pool_room_ev = event_new(r->base, r->pool_fd, EV_WRITE, pool_has_room, r);
	if (!r->relay_ev || !r->pool_ev || !r->pool_room_ev || event_add(r->relay_ev, NULL) < 0 || event_add(r->pool_ev, NULL) < 0)
		fatal("out of memory");
	if (gethostname(r->host, sizeof(r->host) - 1) < 0)
		str_copy(r->host, sizeof(r->host), "culvert");
	/* OpenSSL fetches an algorithm at its first use. */
	uint8_t out[RAD_MAX], pkt[RAD_HEADER] = { RAD_ACCESS_REQUEST, 0, 0, RAD_HEADER };

	if (!rad_forward(rd_of(pkt, sizeof(pkt)), "x", out))
		fatal("OpenSSL has no MD5: RADIUS cannot work");
	pkt[0] = RAD_ACCOUNTING_REQUEST;
	(void)rad_forward(rd_of(pkt, sizeof(pkt)), "x", out);
	radtls_free(radtls_new());
}

/* A file of certificates or a key, of the configuration that came last. */
static void take_tls(struct radius *r, const struct msg_radius_tls *m, int fd)
{
	static const char *const names[RADTLS_FILES] = { "ca", "cert", "key" };
	struct radtls **t = &(r->have_next ? r->next_tls : r->tls)[2 * m->auth + m->acct];
	const char *why = NULL;
	char *text;
	size_t n;
	int err = read_all(fd, RADTLS_FILE_MAX, &text, &n);

	if (err) {
		log_err("tls: the file of %s cannot be read: %s", names[m->file], strerror(-err));
		return;
	}
	if (!*t && !(*t = radtls_new()))
		why = "finds no memory";
	else if (n > RADTLS_FILE_MAX)
		why = "is too long";
	else if (radtls_load(*t, (enum radtls_file)m->file, rd_of((uint8_t *)text, n), &why))
		why = NULL;
	explicit_bzero(text, n);
	free(text);
	if (why)
		log_err("tls: the file of %s %s: its servers cannot be asked", names[m->file], why);
}

static void parent_msg(struct peer *p, struct msg *m, void *arg)
{
	struct radius *r = arg;
	struct msg_applied done = { .phase = APPLY_CONF };

	switch (m->type) {
	case MSG_CONF:
		memcpy(r->have_conf ? &r->next : &r->conf, &m->b.conf.conf, sizeof(r->conf));
		r->have_next = r->have_conf;
		r->have_conf = true;
		for (unsigned i = 0; i < LISTS; i++) {
			radtls_free(r->next_tls[i]);
			r->next_tls[i] = NULL;
		}
		break;
	case MSG_RADIUS_TLS:
		take_tls(r, &m->b.radius_tls, m->fd);
		break;
	case MSG_SOCK:
		dae_socket(r->dae, &m->b.sock.at, m->fd);
		m->fd = -1;
		break;
	case MSG_APPLY:
		apply(r);
		peer_send(&r->parent, MSG_APPLIED, &done, sizeof(done), -1);
		break;
	case MSG_PEER:
		orphans(r, m->b.peer.role == ROLE_MANAGER);
		if (m->b.peer.role == ROLE_MANAGER) {
			dae_again(r->dae);
			child_take_peer(&r->manager, r->base, ROLE_RADIUS, ROLE_MANAGER, m, manager_msg, r);
		} else {
			child_take_peer(&r->auth, r->base, ROLE_RADIUS, ROLE_AUTH, m, auth_msg, r);
		}
		break;
	case MSG_START:
		if (!r->have_conf)
			fatal("started before everything was given");
		open_all(r);
		if (dae_apply(r->dae) < 0)
			fatal("out of memory");
		sandbox_enter(ROLE_RADIUS);
		peer_send(&r->parent, MSG_READY, NULL, 0, -1);
		break;
	case MSG_SHUTDOWN:
		_exit(0);
	}
}

int main(int argc, char **argv)
{
	static struct radius r;
	bool to_syslog = false;
	int c;

	while ((c = getopt(argc, argv, "sv")) != -1) {
		if (c == 's')
			to_syslog = true;
		else if (c == 'v')
			log_max = LOG_DEBUG;
		else
			return 2;
	}
	log_init("radius", to_syslog);
	if (argc != optind || !parent_lives(CHILD_FD)) {
		fprintf(stderr, "culvert-radius: culvertd starts it\n");
		return 2;
	}
	child_confine("_culvert-auth");
	/* Before there is anything that they need not know. */
	c = radcli_start(&r.pool_fd);
	if (c < 0)
		fatal("cannot start the RADIUS workers: %s", strerror(-c));
	list_init(&r.ups);
	for (unsigned i = 0; i < LISTS; i++)
		list_init(&r.queue[i].waiting);
	r.base = event_base_new();
	r.dae = r.base ? dae_new(r.base, &r.conf, &r.manager, nas_names, &r) : NULL;
	if (!r.dae)
		fatal("out of memory");
	child_start(&r.parent, r.base, ROLE_RADIUS, parent_msg, &r);
}

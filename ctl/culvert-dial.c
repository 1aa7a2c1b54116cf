/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvert-dial: one to thousands of L2TP/IPsec clients in one process, to load
 * and to watch a server, and to misbehave towards it.
 *
 * Exit status: 0 all came up and stayed, 1 not all, 2 wrong usage.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/log.h"
#include "ctl/dial.h"
#include "ppp/mschap.h"

enum { TICK_MS = 5 };

uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- the run ---- */

static void round_begin(struct dial *d)
{
	struct timeval tv = { .tv_usec = TICK_MS * 1000 };

	d->next = d->logging_in = d->up = d->over = d->logins_done = 0;
	d->ending = d->vanished = d->round_over = false;
	d->all_ms = 0;
	for (unsigned i = 0; i < d->conf.sessions; i++)
		sess_init(d, &d->sess[i], i);
	d->start_ms = now_ms();
	event_add(d->tick, &tv);
	event_active(d->tick, EV_TIMEOUT, 1);
}

/* All sessions are over, or gone without a word: from the loop, never from within one of them. */
static void round_over(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (d->pending) {		/* delayed datagrams belong to these sessions */
		struct timeval tv = { .tv_usec = TICK_MS * 1000 };

		if (event_base_once(d->base, -1, EV_TIMEOUT, round_over, d, &tv) < 0)
			event_base_loopbreak(d->base);
		return;
	}
	report_round(d);
	for (unsigned i = 0; i < d->conf.sessions; i++)
		sess_free(&d->sess[i]);
	if (d->stop || d->round >= d->conf.again) {
		event_base_loopbreak(d->base);
		return;
	}
	d->round++;
	round_begin(d);
}

static void round_end(struct dial *d)
{
	struct timeval now = { 0 };

	event_del(d->tick);
	for (unsigned i = 0; i < DIAL_TIMERS; i++)
		event_del(d->timer[i]);
	if (d->round_over)
		return;
	d->round_over = true;
	if (event_base_once(d->base, -1, EV_TIMEOUT, round_over, d, &now) < 0)
		fatal("no timer");
}

static void close_all(struct dial *d)
{
	for (unsigned i = 0; i < d->next; i++)
		sess_close(&d->sess[i]);
	if (d->over == d->next)
		round_end(d);
}

static void grace_over(evutil_socket_t fd, short what, void *arg)
{
	close_all(arg);
}

/* No more pings; those that are on their way have a second to come home. */
static void end(struct dial *d)
{
	struct timeval tv = { .tv_sec = GRACE_MS / 1000, .tv_usec = GRACE_MS % 1000 * 1000 };

	if (d->ending) {		/* asked twice: at once */
		d->stop = true;
		round_end(d);
		return;
	}
	d->ending = true;
	if (!d->all_ms)
		d->all_ms = now_ms();
	if (d->conf.ping_ms && d->up)
		event_add(d->timer[DIAL_GRACE], &tv);
	else
		close_all(d);
}

static void hold_over(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (!d->ending)
		end(d);
}

static void vanish(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (!d->ending) {
		d->ending = d->vanished = true;
		round_end(d);
	}
}

static void signalled(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	d->stop = true;
	end(d);
}

static void all_done(struct dial *d)
{
	struct timeval hold = { .tv_sec = d->up ? d->conf.hold_s : 0 }, vanishing = { .tv_sec = d->conf.vanish_s };

	d->all_ms = now_ms();
	load_all_up(d);
	if (d->conf.vanish)
		event_add(d->timer[DIAL_VANISH], &vanishing);
	if (d->conf.vanish && !d->conf.hold_s)
		return;
	if (d->conf.hold_s != UINT32_MAX || !d->up)
		event_add(d->timer[DIAL_HOLD], &hold);
}

void dial_login_done(struct dsess *s)
{
	struct dial *d = s->d;

	d->logging_in--;
	d->up += s->state == SESS_UP;
	if (++d->logins_done == d->conf.sessions)
		all_done(d);
	else if (d->next < d->conf.sessions)
		event_active(d->tick, EV_TIMEOUT, 1);	/* the next one's turn */
}

void dial_over(struct dsess *s)
{
	struct dial *d = s->d;

	d->up -= s->lost || (!s->failed && s->done_us[PHASE_PPP]);
	if (!s->failed && !s->done_us[PHASE_PPP])
		d->logging_in--;	/* we ended it in the middle */
	d->over++;
	if ((d->ending && d->over == d->next) || d->over == d->conf.sessions)
		round_end(d);
}

/* Start what the rate and the window allow. */
static void tick(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	const struct dial_conf *c = &d->conf;
	uint64_t allowed = c->sessions;

	if (c->rate)
		allowed = (now_ms() - d->start_ms) * c->rate / 1000 + 1;
	while (!d->ending && d->next < c->sessions && d->next < allowed && (!c->window || d->logging_in < c->window)) {
		d->logging_in++;
		sess_start(&d->sess[d->next++]);
	}
	if (d->next == c->sessions || d->ending)
		event_del(d->tick);
}

/* A socket for each session, two during its login and with raw ESP, and its TUN. */
static void files_allow(const struct dial_conf *c)
{
	unsigned logins = c->window ? MIN(c->window, c->sessions) : c->sessions;
	unsigned tuns = c->tun && strstr(c->tun, "%d") ? c->sessions : 1;
	rlim_t want = (rlim_t)c->sessions * (c->raw_esp ? 2 : 1) + logins + tuns + 64;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
		return;
	r.rlim_cur = want;
	r.rlim_max = MAX(r.rlim_max, want);
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		fatal("%u sessions need %lu open files: %s", c->sessions, (unsigned long)want, strerror(errno));
}

static void run(struct dial *d)
{
	static const event_callback_fn timers[DIAL_TIMERS] = {
		[DIAL_HOLD] = hold_over, [DIAL_VANISH] = vanish, [DIAL_GRACE] = grace_over,
	};
	struct event *sig[2];

	for (unsigned i = 0; i < DIAL_TIMERS; i++)
		if (!(d->timer[i] = evtimer_new(d->base, timers[i], d)))
			fatal("no memory");

	sig[0] = evsignal_new(d->base, SIGINT, signalled, d);
	sig[1] = evsignal_new(d->base, SIGTERM, signalled, d);
	d->tick = event_new(d->base, -1, EV_PERSIST, tick, d);
	if (!sig[0] || !sig[1] || !d->tick)
		fatal("no memory");
	event_add(sig[0], NULL);
	event_add(sig[1], NULL);
	round_begin(d);
	event_base_dispatch(d->base);
	event_free(sig[0]);
	event_free(sig[1]);
	event_free(d->tick);
	for (unsigned i = 0; i < DIAL_TIMERS; i++)
		event_free(d->timer[i]);
	if (d->load_ev)
		event_free(d->load_ev);
}

static void dial_init(struct dial *d)
{
	const struct dial_conf *c = &d->conf;
	struct rng seed;

	d->base = event_base_new();
	d->sess = calloc(c->sessions, sizeof(*d->sess));
	d->n_tun = !c->tun ? 0 : strstr(c->tun, "%d") ? c->sessions : 1;
	d->tun = calloc(d->n_tun + 1, sizeof(*d->tun));
	if (!d->base || !d->sess || !d->tun || report_init(d) < 0)
		fatal("no memory");
	for (unsigned i = 0; i < d->n_tun; i++)
		d->tun[i].fd = -1;
	for (unsigned i = 0; i < MAP_BUCKETS; i++)
		list_init(&d->by_ip[i]);
	if (c->has_seed)
		rng_init_test(&d->rng, c->seed);
	else
		rng_init(&d->rng);
	rng_init(&seed);
	l2tp_ids_init(&d->ids, &seed);
	if (c->reuse_dh && !(d->dh = dial_dh_new(c->main.n ? c->main.s[0].group :
		c->main_group ? c->main_group : DIAL_MODP2048)))
		fatal("no DH key");
	d->ike_conf = (struct ike_conf){
		.psk = (const uint8_t *)c->psk, .psk_len = strlen(c->psk), .force_natt = c->force_natt, .raw_esp = c->raw_esp,
		.skip_login = c->skip_login, .initial_contact = c->initial_contact,
		.main = c->main, .quick = c->quick, .manner = c->manner, .main_group = c->main_group, .quick_group = c->quick_group,
		.dh = d->dh,
		.retransmit_ms = 1000, .retransmit_max = 5, .ike_life_s = 28800, .esp_life_s = 3600,
	};
	d->l2tp_conf = l2tp_conf_default;
	str_copy(d->l2tp_conf.host_name, sizeof(d->l2tp_conf.host_name), "culvert-dial");
	d->l2tp_conf.secret_len = (uint8_t)strlen(d->conf.tunnel_secret);
	memcpy(d->l2tp_conf.secret, d->conf.tunnel_secret, d->l2tp_conf.secret_len);
	d->l2tp_conf.hide = d->conf.hide;
	d->l2tp_conf.sequencing = d->conf.sequencing;
	str_copy(d->l2tp_conf.calling_number, sizeof(d->l2tp_conf.calling_number), d->conf.calling_number);
	data_init(d);
}

int main(int argc, char **argv)
{
	static struct dial d;
	int status;

	log_init("dial", false);
	options_read(&d.conf, argc, argv);
	if (!mschap_init())
		fatal("OpenSSL has no MD4 and DES (its legacy provider): MS-CHAPv2 cannot work");
	if (d.conf.mppe && !mppe_init())
		fatal("OpenSSL has no RC4 (its legacy provider): MPPE cannot work");
	if (!esp_init())
		fatal("OpenSSL has no AES or SHA: ESP cannot work");
	esp_tune(cpu_ns);
	setvbuf(stdout, NULL, _IOLBF, 0);
	files_allow(&d.conf);
	dial_init(&d);
	run(&d);
	status = report(&d, stdout);
	report_free(&d);
	tun_close_all(&d);
	event_base_free(d.base);
	dial_dh_free(d.dh);
	free(d.sess);
	explicit_bzero(&d, sizeof(d));
	return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/ike/responder.h"

#include <collections/array.h>
#include <fcntl.h>
#include <processing/jobs/process_message_job.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "ike-plugin/plugin.h"
#include "ike-plugin/settings.h"

enum { NATT_PORT = 4500, RUN_MAX = 100000 };

/* A job that waits for its time. */
struct later {
	uint64_t at_ms;
	job_t *job;
};

static struct {
	uint64_t now_ms;
	struct addr server;
	struct handover handover;
	struct chan parent, engine;	/* our ends */
	linked_list_t *jobs;		/* of job_t, due now */
	array_t *later;			/* of struct later */
	array_t *critical;		/* of job_t *: the loops of threads that there are none of */
	array_t *residents;		/* of job_t *: the plugin's own, which go on for ever */
	linked_list_t *sent;		/* of packet_t */
	packet_t *shown;
	struct msg told;
	struct rng rng;
	unsigned hold;
} r;

/* ---- what stands in for parts of libstrongswan ---- */

/* In place of libstrongswan's, which libcharon finds here first. */
time_t time_monotonic(timeval_t *tv)
{
	if (tv)
		*tv = (timeval_t){ .tv_sec = (time_t)(r.now_ms / 1000), .tv_usec = (suseconds_t)(r.now_ms % 1000 * 1000) };
	return (time_t)(r.now_ms / 1000);
}

static void queue_job(processor_t *p, job_t *job)
{
	job->status = JOB_STATUS_QUEUED;
	if (job->get_priority(job) == JOB_PRIO_CRITICAL)
		array_insert(r.critical, ARRAY_TAIL, &job);
	else
		r.jobs->insert_last(r.jobs, job);
}

static void schedule_job_ms(scheduler_t *s, job_t *job, uint32_t ms)
{
	struct later l = { .at_ms = r.now_ms + ms, .job = job };

	job->status = JOB_STATUS_QUEUED;
	array_insert(r.later, ARRAY_TAIL, &l);
}

static void schedule_job(scheduler_t *s, job_t *job, uint32_t seconds)
{
	struct later l = { .at_ms = r.now_ms + seconds * 1000ull, .job = job };

	job->status = JOB_STATUS_QUEUED;
	array_insert(r.later, ARRAY_TAIL, &l);
}

static void schedule_job_tv(scheduler_t *s, job_t *job, timeval_t tv)
{
	struct later l = { .at_ms = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000, .job = job };

	job->status = JOB_STATUS_QUEUED;
	array_insert(r.later, ARRAY_TAIL, &l);
}

static void send_packet(sender_t *s, packet_t *packet)
{
	r.sent->insert_last(r.sent, packet);
}

/* Cookies, nonces and SPIs are the same in every run. */
static bool rng_get(rng_t *this, size_t n, uint8_t *out)
{
	rng_bytes(&r.rng, out, n);
	return TRUE;
}

static bool rng_allocate(rng_t *this, size_t n, chunk_t *out)
{
	*out = chunk_alloc(n);
	return rng_get(this, n, out->ptr);
}

static void rng_destroy(rng_t *this)
{
	free(this);
}

static rng_t *rng_new(rng_quality_t quality)
{
	rng_t *this;

	INIT(this, .get_bytes = rng_get, .allocate_bytes = rng_allocate, .destroy = rng_destroy);
	return this;
}

/* ---- jobs, as processor.c has them done ---- */

static void run_job(job_t *job)
{
	job_requeue_t again;

	job->status = JOB_STATUS_EXECUTING;
	do
		again = job->execute(job);
	while (again.type == JOB_REQUEUE_TYPE_DIRECT);
	if (job->status == JOB_STATUS_CANCELED || again.type == JOB_REQUEUE_TYPE_NONE) {
		if (job->status != JOB_STATUS_CANCELED)
			job->status = JOB_STATUS_DONE;
		job->destroy(job);
	} else if (again.type == JOB_REQUEUE_TYPE_FAIR) {
		queue_job(NULL, job);
	} else if (again.schedule == JOB_SCHEDULE) {
		schedule_job(NULL, job, again.time.rel);
	} else if (again.schedule == JOB_SCHEDULE_MS) {
		schedule_job_ms(NULL, job, again.time.rel);
	} else {
		schedule_job_tv(NULL, job, again.time.abs);
	}
}

static void run_jobs(void)
{
	job_t *job;

	if (r.hold) {
		if (r.hold == 2 && r.jobs->remove_last(r.jobs, (void **)&job) == SUCCESS)
			run_job(job);
		return;
	}
	for (unsigned n = 0; r.jobs->remove_first(r.jobs, (void **)&job) == SUCCESS; n++) {
		if (n == RUN_MAX)
			fatal("jobs without end");
		run_job(job);
	}
}

/* The first that is due at `until` or before, taken out of the list; NULL: none. */
static job_t *take_due(uint64_t until)
{
	struct later best = { 0 }, l;
	int at = -1, n = array_count(r.later);

	for (int i = 0; i < n; i++) {
		array_get(r.later, i, &l);
		if (l.at_ms <= until && (at < 0 || l.at_ms < best.at_ms)) {
			best = l;
			at = i;
		}
	}
	if (at < 0)
		return NULL;
	array_remove(r.later, at, NULL);
	r.now_ms = max(r.now_ms, best.at_ms);
	return best.job;
}

void responder_hold(unsigned how)
{
	r.hold = how;
	run_jobs();
}

void responder_advance(uint64_t ms)
{
	uint64_t until = r.now_ms + ms;
	job_t *job;

	for (unsigned n = 0; (job = take_due(until)); n++) {
		if (n == RUN_MAX)
			fatal("jobs without end");
		run_job(job);
		run_jobs();
	}
	r.now_ms = until;
}

uint64_t responder_now_ms(void)
{
	return r.now_ms;
}

/* ---- messages ---- */

void responder_input(const struct addr *peer, struct rd message)
{
	static struct msg_stray stray;
	uint64_t before = culvert->count.ike_rx + culvert->count.ike_rx_overflow;
	uint64_t limited = culvert->count.ike_rx_limited;
	packet_t *packet;
	message_t *m;

	if (!peer->family || message.n + 4 > sizeof(stray.data))
		return;
	stray = (struct msg_stray){ .local = r.server, .peer = *peer, .len = (uint16_t)(message.n + 4) };
	if (message.n)
		memcpy(stray.data + 4, message.p, message.n);
	/* The plugin's socket: whether it is IKE at all, and is let in. */
	sock_inject(&stray);
	if (culvert->count.ike_rx == before || culvert->count.ike_rx_limited != limited)
		return;
	/* It is there; a fuzzer's alarm may come in between. */
	while (charon->socket->receive(charon->socket, &packet) != SUCCESS)
		;
	/* What charon's receiver does with an IKEv1 datagram on port 4500. */
	packet->skip_bytes(packet, 4);
	m = message_create_from_packet(packet);
	if (m->parse_header(m) != SUCCESS || m->get_major_version(m) != IKEV1_MAJOR_VERSION) {
		m->destroy(m);
		return;
	}
	run_job((job_t *)process_message_job_create(m));
	run_jobs();
}

bool responder_sent(struct addr *ret_to, struct rd *ret_message)
{
	chunk_t data;

	DESTROY_IF(r.shown);
	r.shown = NULL;
	if (r.sent->remove_first(r.sent, (void **)&r.shown) != SUCCESS)
		return false;
	*ret_to = addr_of_host(r.shown->get_destination(r.shown));
	data = r.shown->get_data(r.shown);
	*ret_message = rd_of(data.ptr, data.len);
	return true;
}

const struct msg *responder_told(void)
{
	return chan_recv(&r.engine, &r.told) == 1 ? &r.told : NULL;
}

void responder_used(uint32_t spi, uint64_t packets)
{
	struct sa *sa;

	culvert->lock->lock(culvert->lock);
	sa = table_sa(culvert->table, spi);
	if (sa) {
		sa->packets = packets;
		sa->bytes = packets * 100;
		sa->last_s = r.now_ms / 1000;
	}
	culvert->lock->unlock(culvert->lock);
}

unsigned responder_ike_sas(void)
{
	return charon->ike_sa_manager->get_count(charon->ike_sa_manager);
}

uint64_t responder_count(const char *name)
{
#define FIND(n)                              \
	if (!strcmp(name, #n))               \
		return culvert->count.n;
	COUNTERS(FIND)
#undef FIND
	fatal("no counter %s", name);
}

/* ---- beginning and end ---- */

static level_t silent(logger_t *this, debug_t group)
{
	return getenv("RESPONDER_LOG") ? LEVEL_CTRL : LEVEL_SILENT;
}

static void log_line(logger_t *this, debug_t group, level_t level, int thread, ike_sa_t *ike_sa, const char *fmt, va_list ap)
{
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

static logger_t logger = { .vlog = log_line, .get_level = silent };

static void no_log(debug_t group, level_t level, char *fmt, ...)
{
}

static bool handover_make(const struct addr *server, const char *psk)
{
	struct handover *h = &r.handover;
	int parent[2], engine[2];

	*h = (struct handover){ .log_max = getenv("RESPONDER_LOG") ? LOG_DEBUG : LOG_ERR, .childless_s = RESPONDER_CHILDLESS_S };
	if (chan_pair(parent) || chan_pair(engine))
		return false;
	h->conf.engines = 1;
	h->conf.dpd_s = RESPONDER_DPD_S;
	h->conf.n_ike = 1;
	h->conf.ike[0].psk_len = (uint16_t)strlen(psk);
	memcpy(h->conf.ike[0].psk, psk, strlen(psk));
	h->parent_fd = parent[1];
	h->peer[0].who = (struct msg_peer){ .role = ROLE_ENGINE };
	h->peer[0].fd = engine[1];
	h->n_peer = 1;
	/* Where charon would listen; it never does. */
	for (unsigned i = 0; i < 2; i++) {
		h->sock[i].at = (struct msg_sock){ .kind = i ? SOCK_IKE_4500 : SOCK_IKE_500, .at = *server };
		h->sock[i].at.at.port = i ? NATT_PORT : 500;
		h->sock[i].fd = -1;
	}
	h->n_sock = 2;
	chan_init(&r.parent, parent[0], ROLE_PARENT, ROLE_IKED, 0);
	chan_init(&r.engine, engine[0], ROLE_ENGINE, ROLE_IKED, 0);
	return true;
}

static bool charon_up(void)
{
	char conf[32], list[256];
	int fd = memfd_create("strongswan.conf", MFD_CLOEXEC);

	if (fd < 0)
		return false;
	snprintf(conf, sizeof(conf), "/proc/self/fd/%d", fd);
	dbg = no_log;
	if (!library_init(conf, "charon"))
		return false;
	close(fd);
	r.jobs = linked_list_create();
	r.sent = linked_list_create();
	r.later = array_create(sizeof(struct later), 0);
	r.critical = array_create(sizeof(job_t *), 0);
	lib->processor->queue_job = queue_job;
	lib->scheduler->schedule_job = schedule_job;
	lib->scheduler->schedule_job_ms = schedule_job_ms;
	lib->scheduler->schedule_job_tv = schedule_job_tv;
	for (rng_quality_t q = RNG_WEAK; q <= RNG_TRUE; q++)
		lib->crypto->add_rng(lib->crypto, q, "test", rng_new);
	settings_make();
	/* It is searched from end to end again and again, and holds a handful. */
	lib->settings->set_int(lib->settings, "%s.ikesa_table_size", 64, lib->ns);
	lib->settings->set_int(lib->settings, "%s.ikesa_table_segments", 1, lib->ns);
	lib->set(lib, HANDOVER_NAME, &r.handover);
	if (!libcharon_init())
		return false;
	charon->bus->add_logger(charon->bus, &logger);
	plugin_list(list, sizeof(list));
	if (!charon->initialize(charon, list))
		return false;
	charon->sender->send = send_packet;
	return true;
}

bool responder_start(const struct addr *server, const char *psk)
{
	struct later l;

	r.now_ms = 1000000000;
	r.server = *server;
	r.server.port = NATT_PORT;
	rng_init_test(&r.rng, 1);
	if (!handover_make(server, psk) || !charon_up())
		return false;
	culvert->lock->lock(culvert->lock);
	culvert->table->alive[0] = true;
	culvert->lock->unlock(culvert->lock);
	r.residents = array_create(sizeof(job_t *), 0);
	for (int i = 0; i < array_count(r.later); i++) {
		array_get(r.later, i, &l);
		array_insert(r.residents, ARRAY_TAIL, &l.job);
	}
	return true;
}

/* Does the plugin keep this one going, from the start on? */
static bool resident(job_t *job)
{
	job_t *have;

	for (int i = 0; i < array_count(r.residents); i++) {
		array_get(r.residents, i, &have);
		if (have == job)
			return true;
	}
	return false;
}

static void ike_sas_end(void)
{
	array_t *ids = array_create(0, 0);
	enumerator_t *e = charon->ike_sa_manager->create_enumerator(charon->ike_sa_manager, FALSE);
	ike_sa_t *ike_sa;
	ike_sa_id_t *id;

	while (e->enumerate(e, &ike_sa)) {
		id = ike_sa->get_id(ike_sa);
		array_insert(ids, ARRAY_TAIL, id->clone(id));
	}
	e->destroy(e);
	while (array_remove(ids, ARRAY_HEAD, &id)) {
		ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, id);
		if (ike_sa)
			charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager, ike_sa);
		id->destroy(id);
	}
	array_destroy(ids);
}

void responder_clear(void)
{
	struct addr to;
	struct later l;
	struct rd m;
	job_t *job;

	r.hold = 0;
	ike_sas_end();
	while (r.jobs->remove_first(r.jobs, (void **)&job) == SUCCESS)
		job->destroy(job);
	for (int i = array_count(r.later) - 1; i >= 0; i--) {
		array_get(r.later, i, &l);
		if (resident(l.job))
			continue;
		array_remove(r.later, i, NULL);
		l.job->destroy(l.job);
	}
	while (responder_sent(&to, &m))
		;
	while (responder_told())
		;
}

void responder_stop(void)
{
	struct later l;
	job_t *job;

	responder_clear();
	while (array_remove(r.later, ARRAY_HEAD, &l))
		l.job->destroy(l.job);
	while (array_remove(r.critical, ARRAY_HEAD, &job))
		job->destroy(job);
	libcharon_deinit();
	r.jobs->destroy(r.jobs);
	r.sent->destroy(r.sent);
	array_destroy(r.later);
	array_destroy(r.critical);
	array_destroy(r.residents);
	lib->crypto->remove_rng(lib->crypto, rng_new);
	library_deinit();
	chan_close(&r.engine);
	chan_close(&r.parent);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hub: the channels to parent, engines and manager.
 *
 * One thread reads them all.  Any thread may send: chan_send() hands the
 * message to the kernel at once or queues it, and the reading thread sends the
 * queue when the socket has room.  One lock is over all sending and closing;
 * it is always taken after culvert->lock, never before.
 */
#include <errno.h>
#include <poll.h>
#include <processing/jobs/callback_job.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <threading/thread.h>
#include <unistd.h>

#include "ike-plugin/plugin.h"

enum { FLUSH_MS = 500 };

struct hub {
	mutex_t *lock;
	struct chan parent, manager, engine[SPI_ENGINES];
	int wake;			/* eventfd: something waits to be sent */
	struct msg *msg;		/* too big for a stack */
	bool ready;			/* MSG_READY was sent */
};

/* Engine channels are created and closed in two places; the table knows which ones are open. */
static void engine_alive(unsigned i, bool alive)
{
	culvert->lock->lock(culvert->lock);
	culvert->table->alive[i] = alive;
	culvert->lock->unlock(culvert->lock);
}

/* An error of chan_send(), told once a second at most. */
static int sent(struct hub *this, int err, const struct chan *c, enum msg_type type)
{
	static struct log_rate rate;
	uint64_t one = 1;

	if (!err && chan_waiting(c))
		(void)!write(this->wake, &one, sizeof(one));
	if (err && err != -EPIPE) {
		COUNT(ike_chan_full);
		if (rate_ok(&rate))
			log_err("chan peer=%s%u msg=%s lost err=%s", role_name(c->peer), c->index, msg_name(type),
				strerror(-err));
	}
	return err;
}

int hub_engine(struct hub *this, unsigned engine, enum msg_type type, const void *body, size_t len)
{
	int err;

	if (engine >= SPI_ENGINES)
		return -EPIPE;
	this->lock->lock(this->lock);
	err = sent(this, chan_send(&this->engine[engine], type, body, len, -1), &this->engine[engine], type);
	this->lock->unlock(this->lock);
	return err;
}

void hub_end(struct hub *this, const struct table_end *end)
{
	struct msg_flow m = { .lineage = end->lineage, .deleted = end->deleted };

	if (end->flow_end)
		(void)!hub_engine(this, end->engine, MSG_FLOW_END, &m, sizeof(m));
}

/* ---- what engines ask for; in jobs, since they may wait for an IKE_SA ---- */

struct spi_job {
	struct lineage lineage;
	uint32_t spi;
	struct addr local, peer;
};

/*
 * ESP proved that the client has moved.  charon may follow only where the
 * IKE_SA that holds the SA is the client's own: after an adoption it may be
 * somebody else's.  For a client that charon does not know behind NAT (ours is
 * a pretended one) it moves nothing, and IKE itself finds the new address.
 */
static job_requeue_t move_job(struct spi_job *job)
{
	host_t *local = host_of_addr(&job->local), *peer = host_of_addr(&job->peer);
	/* The kernel's SAs move with charon's word only, so it has to follow. */
	update_hosts_flag_t how = culvert->xfrm ? UPDATE_HOSTS_FORCE_REMOTE : 0;
	ike_sa_t *ike_sa = NULL;
	struct sa *sa;
	bool own = false;

	if (local && peer)
		ike_sa = charon->child_sa_manager->checkout(charon->child_sa_manager, PROTO_ESP, htonl(job->spi), local,
			NULL);
	if (ike_sa) {
		culvert->lock->lock(culvert->lock);
		sa = table_sa(culvert->table, job->spi);
		own = sa && lineage_eq(&sa->lin->id, &job->lineage) &&
		      table_is_client(culvert->table, ike_sa->get_unique_id(ike_sa), sa);
		if (own)
			table_lin_move(culvert->table, sa->lin, &job->peer);
		culvert->lock->unlock(culvert->lock);
		if (own)
			ike_sa->update_hosts(ike_sa, NULL, peer, how);
		else
			COUNT(ike_move_refused);
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	}
	culvert->lock->lock(culvert->lock);
	sa = table_sa(culvert->table, job->spi);
	if (sa)
		sa->kernel.moving = false;
	culvert->lock->unlock(culvert->lock);
	DESTROY_IF(local);
	DESTROY_IF(peer);
	return JOB_REQUEUE_NONE;
}

static void job_queue(callback_job_cb_t fn, void *data, callback_job_cleanup_t cleanup)
{
	lib->processor->queue_job(lib->processor, (job_t *)callback_job_create(fn, data, cleanup, NULL));
}

void hub_moved(uint32_t spi, const struct addr *local, const struct addr *peer)
{
	struct spi_job *job = NULL;
	struct sa *sa;

	culvert->lock->lock(culvert->lock);
	sa = table_sa(culvert->table, spi);
	if (sa && sa->in && !sa->in_gone && !sa->kernel.moving && addr_ip_eq(&sa->local, local)) {
		job = malloc(sizeof(*job));
		*job = (struct spi_job){ .lineage = sa->lin->id, .spi = spi, .local = sa->local, .peer = *peer };
		sa->kernel.moving = true;
	}
	culvert->lock->unlock(culvert->lock);
	if (job)
		job_queue((callback_job_cb_t)move_job, job, free);
}

/* Have charon delete one SA, with a DELETE to the peer. */
static void sa_expire(uint32_t spi, const struct addr *local)
{
	host_t *dst = host_of_addr(local);

	if (!dst)
		return;
	charon->kernel->expire(charon->kernel, IPPROTO_ESP, htonl(spi), dst, TRUE);
	dst->destroy(dst);
}

struct deleted {
	uint32_t spi;
	unsigned tries;
};

/* Not once only: charon does not find an SA that is just being handed on. */
static job_requeue_t deleted_job(struct deleted *d)
{
	struct addr local = { 0 };
	struct sa *sa;

	culvert->lock->lock(culvert->lock);
	sa = table_sa(culvert->table, d->spi);
	if (sa && sa->in && !sa->in_gone)
		local = sa->local;
	culvert->lock->unlock(culvert->lock);
	if (!local.family)
		return JOB_REQUEUE_NONE;
	sa_expire(d->spi, &local);
	return ++d->tries < 5 ? JOB_RESCHEDULE(1) : JOB_REQUEUE_NONE;
}

void hub_deleted(uint32_t uid, uint32_t out_spi)
{
	uint32_t spi[8];
	unsigned n;

	culvert->lock->lock(culvert->lock);
	n = table_made(culvert->table, uid, out_spi, spi, countof(spi));
	culvert->lock->unlock(culvert->lock);
	for (unsigned i = 0; i < n; i++) {
		struct deleted *job = malloc(sizeof(*job));

		*job = (struct deleted){ .spi = spi[i] };
		job_queue((callback_job_cb_t)deleted_job, job, free);
	}
}

/*
 * End an IKE_SA.  By its SPIs: charon looks for a unique id in all IKE_SAs, and
 * waits on the way for each that another thread is at.
 */
static void ike_end(uint64_t spi_i, uint64_t spi_r, uint32_t uid)
{
	ike_sa_id_t *id = ike_sa_id_create(IKEV1_MAJOR_VERSION, spi_i, spi_r, FALSE);
	ike_sa_t *ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, id);

	id->destroy(id);
	if (!ike_sa)
		return;
	if (ike_sa->get_unique_id(ike_sa) == uid && ike_sa->delete(ike_sa, FALSE) == DESTROY_ME)
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager, ike_sa);
	else
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
}

/*
 * End a client: its IKE_SA, and then whatever SAs of it are left, since
 * another IKE_SA may have adopted them.
 */
static job_requeue_t kill_job(struct lineage *id)
{
	struct { uint32_t spi; struct addr local; } left[16];
	bool ike = false;
	uint64_t spi_i = 0, spi_r = 0;
	uint32_t uid = 0;
	unsigned n = 0;
	struct lin *l;

	culvert->lock->lock(culvert->lock);
	l = table_lin_by_id(culvert->table, id);
	if (l && !l->ike_gone) {
		ike = true;
		uid = l->uid;
		spi_i = l->spi_i;
		spi_r = l->spi_r;
	}
	culvert->lock->unlock(culvert->lock);
	if (ike)
		ike_end(spi_i, spi_r, uid);

	culvert->lock->lock(culvert->lock);
	l = table_lin_by_id(culvert->table, id);
	if (l)
		LIST_EACH(&l->sas, e) {
			struct sa *sa = CONTAINER_OF(e, struct sa, of_lin);

			if (sa->in && !sa->in_gone && n < countof(left)) {
				left[n].spi = sa->spi;
				left[n++].local = sa->local;
			}
		}
	culvert->lock->unlock(culvert->lock);
	for (unsigned i = 0; i < n; i++)
		sa_expire(left[i].spi, &left[i].local);
	return JOB_REQUEUE_NONE;
}

static void lin_kill(const struct lin *l)
{
	struct lineage *id = malloc(sizeof(*id));

	COUNT(ike_flow_kill);
	*id = l->id;
	job_queue((callback_job_cb_t)kill_job, id, free);
}

/* The engine is gone and its clients with it: end their IKE_SAs, so that they dial again. */
static void engine_lost(unsigned i)
{
	engine_alive(i, false);
	log_warn("engine%u is gone: its clients are ended", i);
	culvert->lock->lock(culvert->lock);
	for (unsigned b = 0; b < TABLE_BUCKETS; b++)
		LIST_EACH(&culvert->table->by_uid[b], e) {
			const struct lin *l = CONTAINER_OF(e, struct lin, by_uid);

			if (l->placed && l->engine == i)
				lin_kill(l);
		}
	culvert->lock->unlock(culvert->lock);
}

/* Take one channel; fd is ours from now on. */
static void peer_take(struct hub *this, const struct msg_peer *who, int fd)
{
	bool replaced;
	struct chan *c = NULL;

	if (who->role == ROLE_ENGINE && who->index < culvert->table->n_engines)
		c = &this->engine[who->index];
	else if (who->role == ROLE_MANAGER)
		c = &this->manager;
	if (!c) {
		log_err("chan role=%s index=%u refused", role_name(who->role), who->index);
		close(fd);
		return;
	}
	this->lock->lock(this->lock);
	replaced = c->fd >= 0;
	chan_close(c);
	this->lock->unlock(this->lock);
	if (who->role == ROLE_ENGINE && replaced)
		engine_lost(who->index);	/* it was restarted before its end was noticed */
	this->lock->lock(this->lock);
	chan_init(c, fd, ROLE_IKED, who->role, who->index);
	this->lock->unlock(this->lock);
	if (who->role == ROLE_ENGINE)
		engine_alive(who->index, false);	/* until its MSG_SYNC */
}

static void on_engine(struct hub *this, unsigned engine, const struct msg *m)
{
	struct addr local = { 0 };
	struct spi_job *job;
	struct lin *l;
	struct sa *sa;

	switch (m->type) {
	case MSG_STRAY:
		sock_inject(&m->b.stray);
		break;
	case MSG_SPI_USED:
		if (spi_engine(m->b.spi_used.spi) != engine)
			break;
		culvert->lock->lock(culvert->lock);
		if (m->b.spi_used.used)
			table_reserve(culvert->table, m->b.spi_used.spi);
		else
			table_unreserve(culvert->table, m->b.spi_used.spi);
		culvert->lock->unlock(culvert->lock);
		break;
	case MSG_SYNC:
		/* Not before: it could be given a slot that an older SA of its has. */
		engine_alive(engine, true);
		break;
	case MSG_SA_USE:
		culvert->lock->lock(culvert->lock);
		sa = table_sa(culvert->table, m->b.sa_use.spi);
		if (sa && sa->lin->engine == engine) {
			sa->bytes = m->b.sa_use.bytes;
			sa->packets = m->b.sa_use.packets;
			sa->last_s = m->b.sa_use.last_s;
		}
		culvert->lock->unlock(culvert->lock);
		break;
	case MSG_SA_EXPIRED:
		culvert->lock->lock(culvert->lock);
		sa = table_sa(culvert->table, m->b.sa_expired.spi);
		if (sa && sa->lin->engine == engine && lineage_eq(&sa->lin->id, &m->b.sa_expired.lineage))
			local = sa->local;
		culvert->lock->unlock(culvert->lock);
		if (local.family) {
			COUNT(ike_sa_expired);
			sa_expire(m->b.sa_expired.spi, &local);
		}
		break;
	case MSG_SA_MOVED:
		if (spi_engine(m->b.sa_move.spi) != engine)
			break;
		job = malloc(sizeof(*job));
		*job = (struct spi_job){
			.lineage = m->b.sa_move.lineage, .spi = m->b.sa_move.spi,
			.local = m->b.sa_move.local, .peer = m->b.sa_move.peer,
		};
		job_queue((callback_job_cb_t)move_job, job, free);
		break;
	case MSG_XAUTH_DONE:
		xauth_done(engine, &m->b.xauth_done);
		break;
	case MSG_FLOW_JOIN:
		culvert->lock->lock(culvert->lock);
		l = table_lin_by_id(culvert->table, &m->b.flow_join.lineage);
		if (l && l->placed && l->engine == engine)
			table_join(culvert->table, &m->b.flow_join.lineage, &m->b.flow_join.root);
		culvert->lock->unlock(culvert->lock);
		break;
	case MSG_FLOW_KILL:
		culvert->lock->lock(culvert->lock);
		l = table_lin_by_id(culvert->table, &m->b.flow.lineage);
		if (l && l->placed && l->engine == engine)
			lin_kill(l);
		culvert->lock->unlock(culvert->lock);
		break;
	default:
		break;
	}
}

static uint64_t load(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void put(struct msg_stats *m, const char *name, uint64_t value)
{
	if (m->n == STATS_MAX)
		return;
	str_copy(m->c[m->n].name, sizeof(m->c[m->n].name), name);
	m->c[m->n++].value = value;
}

static void stats(struct hub *this)
{
	struct msg_stats m = { 0 };

#define PUT(name) put(&m, #name, load(&culvert->count.name));
	COUNTERS(PUT)
#undef PUT
	culvert->lock->lock(culvert->lock);
	put(&m, "ike_lineages_now", culvert->table->n_lin);
	put(&m, "ike_pairs_now", culvert->table->n_sa);
	culvert->lock->unlock(culvert->lock);
	put(&m, "ike_half_open_now", charon->ike_sa_manager->get_half_open_count(charon->ike_sa_manager, NULL, FALSE));
	put(&m, "ike_sas_now", charon->ike_sa_manager->get_count(charon->ike_sa_manager));
	this->lock->lock(this->lock);
	(void)!sent(this, chan_send(&this->manager, MSG_STATS, &m, sizeof(m), -1), &this->manager, MSG_STATS);
	this->lock->unlock(this->lock);
}

static void on_parent(struct hub *this, struct msg *m)
{
	static const struct msg_applied applied = { .phase = APPLY_CONF };

	switch (m->type) {
	case MSG_PEER:
		peer_take(this, &m->b.peer, m->fd);
		m->fd = -1;
		break;
	case MSG_CONF:
		backend_load(culvert->backend, &m->b.conf.conf);
		explicit_bzero(&m->b.conf, sizeof(m->b.conf));
		log_info("ike configuration loaded");
		break;
	case MSG_APPLY:
		/* In force since MSG_CONF. */
		this->lock->lock(this->lock);
		(void)!sent(this, chan_send(&this->parent, MSG_APPLIED, &applied, sizeof(applied), -1), &this->parent,
			MSG_APPLIED);
		this->lock->unlock(this->lock);
		break;
	case MSG_PING:
		this->lock->lock(this->lock);
		(void)!sent(this, chan_send(&this->parent, MSG_PONG, NULL, 0, -1), &this->parent, MSG_PONG);
		this->lock->unlock(this->lock);
		break;
	case MSG_SHUTDOWN:
		/* main() waits for it and takes charon down, which deletes every IKE_SA at its peer. */
		kill(getpid(), SIGTERM);
		break;
	default:
		break;
	}
}

/* Read what a channel has. False when it is closed. */
static bool drain(struct hub *this, struct chan *c)
{
	int n;

	for (unsigned k = 0; k < 256; k++) {
		n = chan_recv(c, this->msg);
		if (n == -EBADMSG) {
			COUNT(ike_chan_bad);
			continue;
		}
		if (n <= 0)
			return n == 0;
		if (c == &this->parent)
			on_parent(this, this->msg);
		else if (c == &this->manager)
			stats(this);		/* its only message is MSG_STATS_REQ */
		else
			on_engine(this, c->index, this->msg);
		if (this->msg->fd >= 0)
			close(this->msg->fd);
	}
	return true;
}

static void flush(struct hub *this, struct chan *c)
{
	this->lock->lock(this->lock);
	if (c->fd >= 0 && chan_waiting(c))
		(void)!chan_flush(c);	/* a peer that is gone is noticed by the next read */
	this->lock->unlock(this->lock);
}

static void closed(struct hub *this, struct chan *c)
{
	/* The parent holds this process's life; nothing is to be tidied up without it. */
	if (c == &this->parent)
		_exit(0);
	this->lock->lock(this->lock);
	chan_close(c);
	this->lock->unlock(this->lock);
	if (c != &this->manager)
		engine_lost(c->index);
}

static job_requeue_t run(struct hub *this)
{
	struct chan *who[SPI_ENGINES + 2];
	struct pollfd pfd[SPI_ENGINES + 3];
	unsigned n = 0;
	uint64_t count;
	bool old;
	int err;

	if (!this->ready) {
		this->ready = true;
		this->lock->lock(this->lock);
		err = chan_send(&this->parent, MSG_READY, NULL, 0, -1);
		this->lock->unlock(this->lock);
		if (err)
			_exit(1);
	}
	this->lock->lock(this->lock);
	who[n++] = &this->parent;
	if (this->manager.fd >= 0)
		who[n++] = &this->manager;
	for (unsigned i = 0; i < SPI_ENGINES; i++)
		if (this->engine[i].fd >= 0)
			who[n++] = &this->engine[i];
	for (unsigned i = 0; i < n; i++)
		pfd[i] = (struct pollfd){
			.fd = who[i]->fd, .events = (short)(chan_waiting(who[i]) ? POLLIN | POLLOUT : POLLIN),
		};
	this->lock->unlock(this->lock);
	pfd[n] = (struct pollfd){ .fd = this->wake, .events = POLLIN };

	old = thread_cancelability(TRUE);
	err = poll(pfd, n + 1, -1);
	thread_cancelability(old);
	if (err < 0)
		return JOB_REQUEUE_FAIR;
	if (pfd[n].revents)
		(void)!read(this->wake, &count, sizeof(count));
	for (unsigned i = 0; i < n; i++) {
		if (pfd[i].revents & POLLOUT)
			flush(this, who[i]);
		if (pfd[i].revents & (POLLIN | POLLHUP | POLLERR) && !drain(this, who[i]))
			closed(this, who[i]);
	}
	return JOB_REQUEUE_DIRECT;
}

struct hub *hub_new(struct handover *h)
{
	struct hub *this;

	INIT(this,
		.lock = mutex_create(MUTEX_TYPE_DEFAULT),
		.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.msg = malloc(sizeof(*this->msg)),
	);
	chan_init(&this->parent, h->parent_fd, ROLE_IKED, ROLE_PARENT, 0);
	chan_init(&this->manager, -1, ROLE_IKED, ROLE_MANAGER, 0);
	for (unsigned i = 0; i < SPI_ENGINES; i++)
		chan_init(&this->engine[i], -1, ROLE_IKED, ROLE_ENGINE, i);
	for (unsigned i = 0; i < h->n_peer; i++)
		peer_take(this, &h->peer[i].who, h->peer[i].fd);
	return this;
}

void hub_start(struct hub *this)
{
	lib->processor->queue_job(lib->processor,
		(job_t *)callback_job_create_with_prio((callback_job_cb_t)run, this, NULL,
			(callback_job_cancel_t)return_false, JOB_PRIO_CRITICAL));
}

void hub_delete(struct hub *this)
{
	uint64_t end_ms = now_ms() + FLUSH_MS;

	if (!this)
		return;
	/* The thread is gone; what it left (the last SA_DEL and FLOW_END) goes now. */
	for (unsigned i = 0; i < SPI_ENGINES; i++) {
		struct chan *c = &this->engine[i];

		while (c->fd >= 0 && chan_waiting(c) && now_ms() < end_ms && !chan_flush(c)) {
			struct pollfd p = { .fd = c->fd, .events = POLLOUT };

			if (chan_waiting(c))
				poll(&p, 1, 50);
		}
		chan_close(c);
	}
	chan_close(&this->manager);
	chan_close(&this->parent);
	close(this->wake);
	explicit_bzero(this->msg, sizeof(*this->msg));
	free(this->msg);
	this->lock->destroy(this->lock);
	free(this);
}

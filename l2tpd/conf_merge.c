/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_merge: where objects of a new file go, and what must stay. */
#include "l2tpd/conf_merge.h"

#include <errno.h>
#include <string.h>

enum { ROWS_DEFAULT = 16384, ROWS_MAX = 65536 };

uint32_t conf_rows(uint32_t max_session)
{
	/* Logins that are on their way have a row, too, and do not count as sessions yet. */
	return max_session ? (uint32_t)MIN((uint64_t)max_session + MAX(64, max_session / 4), ROWS_MAX) : ROWS_DEFAULT;
}

/* ---- indices ---- */

/* One array of named objects in both; the name is each row's first field. */
struct rows {
	const char *what;
	const void *live, *file;
	size_t size;
	unsigned n_live, n_file, max;
	/* out: where each of the file's objects goes */
	uint8_t to[CONF_BINDS];
};

static const char *name_at(const struct rows *r, const void *base, unsigned i)
{
	return (const char *)base + i * r->size;
}

static bool taken(const struct rows *r, const bool used[], unsigned slot)
{
	return used[slot] || (slot < r->n_live && *name_at(r, r->live, slot));
}

/* An index for an object that is new: one that never had an object before one that had. */
static bool slot_new(const struct rows *r, const bool used[], uint8_t *ret)
{
	for (unsigned k = 0; k < r->max; k++) {
		unsigned slot = (r->n_live + k) % r->max;

		if (!taken(r, used, slot)) {
			*ret = (uint8_t)slot;
			return true;
		}
	}
	return false;
}

static bool no_room(const struct rows *r, char why[static 128])
{
	snprintf(why, 128, "no room for more %s: at most %u, and those that are removed count until the next reload",
		r->what, r->max);
	return false;
}

/* Fill r->to. */
static bool place(struct rows *r, char why[static 128])
{
	bool used[CONF_BINDS] = { false }, old[CONF_BINDS] = { false };

	for (unsigned i = 0; i < r->n_file; i++) {
		for (unsigned k = 0; k < r->n_live; k++) {
			if (!strcmp(name_at(r, r->file, i), name_at(r, r->live, k))) {
				r->to[i] = (uint8_t)k;
				old[i] = used[k] = true;
			}
		}
	}
	for (unsigned i = 0; i < r->n_file; i++) {
		if (old[i])
			continue;
		if (!slot_new(r, used, &r->to[i]))
			return no_room(r, why);
		used[r->to[i]] = true;
	}
	return true;
}

/* Put the file's objects to base where they belong; how far the array goes now. */
static uint8_t put(const struct rows *r, void *base)
{
	unsigned n = r->n_live;

	memset(base, 0, r->max * r->size);
	for (unsigned i = 0; i < r->n_file; i++) {
		memcpy((char *)base + r->to[i] * r->size, name_at(r, r->file, i), r->size);
		n = MAX(n, r->to[i] + 1u);
	}
	return (uint8_t)n;
}

#define ROWS(text, array, count, most) { \
	.what = text, .live = live->array, .file = file->array, .size = sizeof(live->array[0]), \
	.n_live = live->count, .n_file = file->count, .max = most }

static bool same_bind(const struct conf_bind *a, const struct conf_bind *b)
{
	return !a->gone && !b->gone && a->tunnel == b->tunnel && a->auth == b->auth && a->interface == b->interface;
}

/* The same for binds, which have no name but those of the three that they bind. */
static bool merge_binds(const struct conf *live, const struct conf_bind want[], unsigned n_want, struct conf *ret,
	char why[static 128])
{
	const struct rows r = { .what = "binds", .max = CONF_BINDS };
	bool done[CONF_BINDS] = { false };

	memset(ret->bind, 0, sizeof(ret->bind));
	ret->n_bind = live->n_bind;
	for (unsigned k = 0; k < CONF_BINDS; k++)
		ret->bind[k].gone = true;
	for (unsigned i = 0; i < n_want; i++) {
		for (unsigned k = 0; k < live->n_bind; k++) {
			if (same_bind(&live->bind[k], &want[i])) {
				ret->bind[k] = want[i];
				done[i] = true;
			}
		}
	}
	for (unsigned i = 0; i < n_want; i++) {
		for (unsigned k = 0; k < CONF_BINDS && !done[i]; k++) {
			unsigned slot = (live->n_bind + k) % CONF_BINDS;

			if (!ret->bind[slot].gone || conf_has_bind(live, slot))
				continue;
			ret->bind[slot] = want[i];
			ret->n_bind = (uint8_t)MAX(ret->n_bind, slot + 1);
			done[i] = true;
		}
		if (!done[i])
			return no_room(&r, why);
	}
	for (unsigned k = ret->n_bind; k < CONF_BINDS; k++)
		ret->bind[k] = (struct conf_bind){ 0 };
	return true;
}

static bool arrange(const struct conf *live, const struct conf *file, struct conf *ret, char why[static 128])
{
	struct rows t = ROWS("tunnels", tunnel, n_tunnel, CONF_TUNNELS);
	struct rows p = ROWS("ipcp blocks", ipcp, n_ipcp, CONF_IPCPS);
	struct rows f = ROWS("interfaces", interface, n_interface, CONF_INTERFACES);
	struct rows a = ROWS("authentication blocks", auth, n_auth, CONF_AUTHS);
	struct conf_bind want[CONF_BINDS] = { 0 };

	if (!place(&t, why) || !place(&p, why) || !place(&f, why) || !place(&a, why))
		return false;
	ret->n_tunnel = put(&t, ret->tunnel);
	ret->n_ipcp = put(&p, ret->ipcp);
	ret->n_interface = put(&f, ret->interface);
	ret->n_auth = put(&a, ret->auth);
	for (unsigned i = 0; i < ret->n_interface; i++)
		if (conf_has_interface(ret, i))
			ret->interface[i].ipcp = p.to[ret->interface[i].ipcp];
	/* Those who are still in it are judged by the settings that it had. */
	for (unsigned i = 0; i < live->n_tunnel; i++) {
		if (!conf_has_tunnel(ret, i)) {
			memcpy(&ret->tunnel[i], &live->tunnel[i], sizeof(ret->tunnel[i]));
			memset(ret->tunnel[i].name, 0, sizeof(ret->tunnel[i].name));
			ret->tunnel[i].n_listen = 0;
		}
	}
	for (unsigned i = 0; i < file->n_bind; i++) {
		want[i] = file->bind[i];
		want[i].tunnel = t.to[file->bind[i].tunnel];
		want[i].auth = a.to[file->bind[i].auth];
		want[i].interface = f.to[file->bind[i].interface];
	}
	return merge_binds(live, want, file->n_bind, ret, why);
}

/* ---- what only a restart can change ---- */

/* A socket for every address takes what comes for this one, and then there is none for this one alone. */
static bool is_bound(const struct conf_fixed *fixed, const struct addr *a)
{
	for (unsigned i = 0; i < fixed->n_sock; i++)
		if (addr_ip_eq(&fixed->sock[i], a) ||
		    (addr_is_any(&fixed->sock[i]) && fixed->sock[i].family == a->family))
			return true;
	return false;
}

static bool is_bound_plain(const struct conf_fixed *fixed, const struct addr *a)
{
	for (unsigned i = 0; i < fixed->n_plain; i++)
		if (fixed->plain[i].port == conf_plain_port(a) && (addr_ip_eq(&fixed->plain[i], a) ||
		    (addr_is_any(&fixed->plain[i]) && fixed->plain[i].family == a->family)))
			return true;
	return false;
}

static bool listens(const struct conf_tunnel *t, const struct addr *a)
{
	for (unsigned i = 0; i < t->n_listen; i++)
		if (addr_ip_eq(&t->listen[i], a))
			return true;
	return false;
}

/* Do others than tunnel i of the configuration listen there? */
static bool others_listen(const struct conf *c, unsigned i, const struct addr *a)
{
	for (unsigned k = 0; k < c->n_tunnel; k++)
		if (k != i && conf_has_tunnel(c, k) && listens(&c->tunnel[k], a))
			return true;
	return false;
}

/*
 * A tunnel that wants an address without a socket keeps those it had, or it
 * would be deaf until the restart; not those that another one took over.  One
 * that wants to take plain L2TP, where no socket does, goes on without.
 */
static void hold_listens(const struct conf *live, const struct conf_fixed *fixed, struct conf *c)
{
	for (unsigned i = 0; i < c->n_tunnel; i++) {
		struct conf_tunnel *t = &c->tunnel[i];
		bool all = true;

		for (unsigned k = 0; k < t->n_listen; k++)
			all = all && is_bound(fixed, &t->listen[k]) &&
				(t->l2tp_require_ipsec || is_bound_plain(fixed, &t->listen[k]));
		if (all)
			continue;
		if (conf_has_tunnel(live, i))
			t->l2tp_require_ipsec = live->tunnel[i].l2tp_require_ipsec;
		memset(t->listen, 0, sizeof(t->listen));
		t->n_listen = 0;
		for (unsigned k = 0; conf_has_tunnel(live, i) && k < live->tunnel[i].n_listen; k++)
			if (!others_listen(c, i, &live->tunnel[i].listen[k]))
				t->listen[t->n_listen++] = live->tunnel[i].listen[k];
	}
}

int conf_merge(const struct conf *live, const struct conf *file, const struct conf_fixed *fixed, struct conf *ret,
	char why[static 128])
{
	memcpy(ret, file, sizeof(*ret));
	if (!arrange(live, file, ret, why)) {
		explicit_bzero(ret, sizeof(*ret));
		return -ENOSPC;
	}
	ret->engines = live->engines;
	ret->esp = live->esp;
	ret->esp_kernel = live->esp_kernel;
	ret->raw_esp = live->raw_esp;
	memcpy(ret->control_socket, live->control_socket, sizeof(ret->control_socket));
	memcpy(ret->control_group, live->control_group, sizeof(ret->control_group));
	if (conf_rows(ret->max_session) > fixed->rows)
		ret->max_session = live->max_session;
	hold_listens(live, fixed, ret);
	return 0;
}

/* ---- who may stay ---- */

const char *conf_session_fault(const struct conf *c, unsigned tunnel, unsigned auth, unsigned interface, uint32_t ip)
{
	bool bound = false;

	if (!conf_has_tunnel(c, tunnel))
		return "its tunnel was removed";
	if (!conf_has_auth(c, auth))
		return "its authentication was removed";
	if (!conf_has_interface(c, interface))
		return "its interface was removed";
	for (unsigned i = 0; i < c->n_bind; i++)
		bound = bound || (conf_has_bind(c, i) && c->bind[i].tunnel == tunnel && c->bind[i].auth == auth &&
			c->bind[i].interface == interface);
	if (!bound)
		return "its bind was removed";
	return conf_may_have(c, interface, ip, c->auth[auth].type == CONF_TYPE_RADIUS) ? NULL : "its address left the pool";
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent's part in users files: it opens them, for auth opens nothing, and keeps what auth
 * took last, in memory that is not paged out: an auth that starts anew knows the users of
 * before also where the file has been broken since.  It reads none of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/conf.h"
#include "l2tpd/parent.h"
#include "l2tpd/users.h"

/* ---- copies ---- */

static void copy_free(struct users_copy *c)
{
	if (c->text) {
		explicit_bzero(c->text, c->n);
		munlock(c->text, c->n);
		free(c->text);
	}
	*c = (struct users_copy){ 0 };
}

static int copy_read(struct users_copy *ret, int fd)
{
	struct users_copy c = { 0 };
	int err = read_all(fd, USERS_FILE_MAX, &c.text, &c.n);

	if (err)
		return err;
	if (c.n > USERS_FILE_MAX) {
		copy_free(&c);
		return -EFBIG;
	}
	/* The whole server may have been refused that: it has said so. */
	(void)!mlock(c.text, c.n);
	copy_free(ret);
	*ret = c;
	return 0;
}

static bool copy_send(struct child_proc *auth, unsigned i, uint32_t serial, const struct users_copy *c)
{
	struct msg_users m = { .auth = i, .serial = serial };
	int fd = memfd_create("culvert-users", MFD_CLOEXEC);
	bool ok = fd >= 0;

	for (size_t done = 0; ok && done < c->n;) {
		ssize_t n = write(fd, c->text + done, c->n - done);

		ok = n > 0;
		done += ok ? (size_t)n : 0;
	}
	ok = ok && peer_send(&auth->peer, MSG_USERS, &m, sizeof(m), fd);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- looking ---- */

static struct users_id id_of(const struct stat *st)
{
	return (struct users_id){ true, st->st_dev, st->st_ino, st->st_size, st->st_mtim };
}

static bool same_id(const struct users_id *a, const struct users_id *b)
{
	return a->there && b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static void forget(struct users_file *f)
{
	copy_free(&f->offered);
	copy_free(&f->good);
	*f = (struct users_file){ .serial = f->serial };
}

static void offer(struct child_proc *auth, struct users_file *f, unsigned i, int fd)
{
	int err = copy_read(&f->offered, fd);
	struct msg_users_missing m = { .auth = i };

	if (!err && copy_send(auth, i, ++f->serial, &f->offered))
		return;
	snprintf(m.why, sizeof(m.why), "%s", strerror(err ? -err : EIO));
	peer_send(&auth->peer, MSG_USERS_MISSING, &m, sizeof(m), -1);
}

static void look(struct parent *p, struct child_proc *auth, unsigned i, enum users_look how)
{
	struct users_file *f = &p->users[i];
	const char *path = p->conf->auth[i].users_file;
	struct msg_users_missing missing = { .auth = i };
	struct users_id id = { false };
	char why[512];
	struct stat st;
	bool settled;
	int fd = conf_open_secret(path, why);

	if (fd >= 0 && fstat(fd, &st) == 0)
		id = id_of(&st);
	/* One that is being written is not read: it must be the same at two looks. */
	settled = how != USERS_POLL || same_id(&id, &f->seen) || (!id.there && f->looked && !f->seen.there);
	f->seen = id;
	f->looked = true;
	if (how != USERS_ALL && (!settled || (id.there ? same_id(&id, &f->told) : f->told_missing)))
		goto out;
	f->told = id;
	f->told_missing = !id.there;
	if (id.there) {
		offer(auth, f, i, fd);
	} else {
		str_copy(missing.why, sizeof(missing.why), fd < 0 ? why : strerror(errno));
		peer_send(&auth->peer, MSG_USERS_MISSING, &missing, sizeof(missing), -1);
	}
out:
	if (fd >= 0)
		close(fd);
}

void parent_send_users(struct parent *p, enum users_look how)
{
	struct child_proc *auth = parent_child(p, ROLE_AUTH, 0);

	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		const struct conf_auth *ca = &p->conf->auth[i];
		struct users_file *f = &p->users[i];

		if (!conf_has_auth(p->conf, i) || ca->type != CONF_TYPE_LOCAL || !ca->users_file[0]) {
			forget(f);
			continue;
		}
		if (strcmp(f->path, ca->users_file)) {
			forget(f);
			str_copy(f->path, sizeof(f->path), ca->users_file);
		}
		look(p, auth, i, how);
	}
}

void parent_remind_users(struct parent *p)
{
	struct child_proc *auth = parent_child(p, ROLE_AUTH, 0);

	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		struct users_file *f = &p->users[i];

		if (f->good.text && conf_has_auth(p->conf, i) && !strcmp(f->path, p->conf->auth[i].users_file))
			copy_send(auth, i, 0, &f->good);
	}
}

void parent_users_taken(struct parent *p, const struct msg_users_of *m)
{
	struct users_file *f = &p->users[m->auth % CONF_AUTHS];

	if (!m->serial || m->serial != f->serial || !f->offered.text)
		return;
	copy_free(&f->good);
	f->good = f->offered;
	f->offered = (struct users_copy){ 0 };
}

void parent_users_free(struct parent *p)
{
	for (unsigned i = 0; i < CONF_AUTHS; i++)
		forget(&p->users[i]);
}

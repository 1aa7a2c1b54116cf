/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "l2tpd/conf.h"
#include "l2tpd/users.h"

enum { LOCK_S = 10, LOCK_EVERY_MS = 50 };

static int why_not(char why[static 512], const char *path, const char *what, int err)
{
	snprintf(why, 512, "%.200s: %s: %s", path, what, err == -EACCES ? "not permitted; try as root" : strerror(-err));
	return err;
}

/* By name, when it is not there yet: "" for the directory of a bare name is ".". */
static bool split(const char *path, struct users_file *f)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;

	if (n >= sizeof(f->dir) || !str_copy(f->name, sizeof(f->name), slash ? slash + 1 : path) || !f->name[0])
		return false;
	memcpy(f->dir, path, n);
	f->dir[n] = '\0';
	if (!n)
		str_copy(f->dir, sizeof(f->dir), slash ? "/" : ".");
	return true;
}

static int lock(struct users_file *f, const char *path, char why[static 512])
{
	static const struct timespec every = { .tv_nsec = LOCK_EVERY_MS * 1000000 };

	for (unsigned i = 0; i <= LOCK_S * 1000 / LOCK_EVERY_MS; i++) {
		if (flock(f->dir_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return why_not(why, path, "its directory cannot be locked", -errno);
		nanosleep(&every, NULL);
	}
	snprintf(why, 512, "%.200s: somebody else is changing it: try again", path);
	return -EBUSY;
}

int users_file_open(const char *path, enum users_file_mode mode, struct users_file *f, char why[static 512])
{
	int fd, err;

	*f = (struct users_file){ .dir_fd = -1 };
	if (!split(path, f)) {
		snprintf(why, 512, "%.200s: this is no name of a file", path);
		return -EINVAL;
	}
	f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir_fd < 0)
		return why_not(why, f->dir, "cannot be opened", -errno);
	err = mode == USERS_FILE_READ ? 0 : lock(f, path, why);
	if (err)
		return err;
	fd = conf_open_secret(path, why);
	if (fd == -ENOENT && mode == USERS_FILE_MAKE) {
		if (fstat(f->dir_fd, &f->st) < 0)
			return why_not(why, f->dir, "cannot be looked at", -errno);
	} else if (fd < 0) {
		return fd;
	} else {
		f->there = true;
		err = fstat(fd, &f->st) < 0 ? -errno : read_all(fd, USERS_FILE_MAX, &f->text, &f->n);
		close(fd);
		if (!err && f->n > USERS_FILE_MAX)
			err = -EFBIG;
		if (err)
			return why_not(why, path, "cannot be read", err);
	}
	if (mode != USERS_FILE_READ && f->st.st_uid != geteuid()) {
		snprintf(why, 512, "%.200s belongs to another user, who alone may change it: try as root", path);
		return -EPERM;
	}
	return 0;
}

static bool unchanged(const struct users_file *f)
{
	struct stat st;

	if (fstatat(f->dir_fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT && !f->there;
	return f->there && st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino && st.st_size == f->st.st_size &&
	       st.st_mtim.tv_sec == f->st.st_mtim.tv_sec && st.st_mtim.tv_nsec == f->st.st_mtim.tv_nsec;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t got = write(fd, text, n);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0) {
			text += got;
			n -= (size_t)got;
		}
	}
	return 0;
}

int users_file_write(struct users_file *f, const char *text, size_t n, char why[static 512])
{
	char tmp[sizeof(f->name) + 16];
	int fd, err = 0;

	/* We have the lock: one that is there was left by somebody who was killed. */
	snprintf(tmp, sizeof(tmp), ".%s.new", f->name);
	if (unlinkat(f->dir_fd, tmp, 0) < 0 && errno != ENOENT)
		return why_not(why, f->dir, "cannot be written to", -errno);
	fd = openat(f->dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return why_not(why, f->dir, "cannot be written to", -errno);
	if (f->there && (fchown(fd, f->st.st_uid, f->st.st_gid) < 0 || fchmod(fd, f->st.st_mode & 07777) < 0))
		err = -errno;
	if (!err)
		err = write_all(fd, text, n);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	if (err) {
		why_not(why, f->name, "cannot be written", err);
	} else if (!unchanged(f)) {
		err = -EAGAIN;
		snprintf(why, 512, "%.200s: somebody else has changed it meanwhile", f->name);
	} else if (renameat(f->dir_fd, tmp, f->dir_fd, f->name) < 0) {
		err = why_not(why, f->name, "cannot be replaced", -errno);
	}
	if (err) {
		unlinkat(f->dir_fd, tmp, 0);
		return err;
	}
	/* So that it is the new one after a loss of power, too. */
	if (fsync(f->dir_fd) < 0)
		return why_not(why, f->dir, "is changed, but may not be on the disk", -errno);
	return 0;
}

void users_file_close(struct users_file *f)
{
	if (f->text) {
		explicit_bzero(f->text, f->n);
		free(f->text);
	}
	f->text = NULL;
	f->n = 0;
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	f->dir_fd = -1;
}

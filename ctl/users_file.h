/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users_file: a users file that is changed.  It is the old one or the new one at any moment,
 * whoever is killed: the new text is written beside it, and takes its name.  Owner and mode stay.
 *
 * Who changes it has a lock on its directory; an editor has none, so what it did meanwhile
 * is looked for before the name is taken.
 */
#ifndef CULVERT_CTL_USERS_FILE_H
#define CULVERT_CTL_USERS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/util.h"

struct users_file {
	char dir[4096], name[256];
	int dir_fd;			/* locked */
	bool there;
	struct stat st;			/* as it was read */
	char *text;			/* holds secrets */
	size_t n;
};

enum users_file_mode {
	USERS_FILE_READ,
	USERS_FILE_CHANGE,
	USERS_FILE_MAKE,		/* one that is not there is empty */
};

/*
 * Open and read the file at path.  CHANGE and MAKE: for its owner only, who waits up to ten
 * seconds for another one that changes a file there.  0, or -errno and ret_why, for a person.
 */
MUST_USE int users_file_open(const char *path, enum users_file_mode, struct users_file *ret, char ret_why[static 512]);

/* Give it another text.  0, -EAGAIN: it is not what was read any more; or -errno and ret_why. */
MUST_USE int users_file_write(struct users_file *, const char *text, size_t n, char ret_why[static 512]);

/* Wipes it, and gives the lock back. Harmless after an open that failed. */
void users_file_close(struct users_file *);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/paths.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *only_dir;

void paths_set_dir(const char *dir)
{
	only_dir = dir;
}

static int in_dir(const char *dir, const char *name, char ret[static CONF_PATH_MAX])
{
	char path[CONF_PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, X_OK) < 0)
		return -errno;
	memcpy(ret, path, sizeof(path));
	return 0;
}

/* The directory of the running executable. */
static int own_dir(char ret[static CONF_PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, CONF_PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (!slash || n == CONF_PATH_MAX - 1)
		return -ENAMETOOLONG;
	*slash = '\0';
	/* libtool keeps the program that its wrapper script starts one deeper. */
	slash = strrchr(ret, '/');
	if (slash && !strcmp(slash, "/.libs"))
		*slash = '\0';
	return 0;
}

int paths_helper(const char *name, char ret[static CONF_PATH_MAX])
{
	char dir[CONF_PATH_MAX];

	if (only_dir)
		return in_dir(only_dir, name, ret);
	if (own_dir(dir) == 0 && in_dir(dir, name, ret) == 0)
		return 0;
	return in_dir(PKGLIBEXECDIR, name, ret);
}

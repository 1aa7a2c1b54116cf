/* SPDX-License-Identifier: GPL-2.0-or-later */
/* paths: where culvert's own helper programs are. */
#ifndef CULVERT_PATHS_H
#define CULVERT_PATHS_H

#include "base/conf.h"
#include "base/util.h"

/*
 * Look for helpers in dir only (borrowed for ever), not where
 * paths_helper() looks by itself.  For programs that lie elsewhere: tests.
 */
void paths_set_dir(const char *dir);

/*
 * The program `name`: beside the running executable (the build tree), else in
 * the directory that it was installed to.  0, -ENOENT or another -errno.
 */
MUST_USE int paths_helper(const char *name, char ret[static CONF_PATH_MAX]);

#endif

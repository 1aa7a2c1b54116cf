/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parent: starts and watches every other process.  Reads nothing from the
 * network; keeps every socket, so that the slots of the steering never move.
 */
#ifndef CULVERT_PARENT_H
#define CULVERT_PARENT_H

#include "base/conf.h"

struct parent_opts {
	const char *conf_path;
	const char *run_dir;		/* lock and control socket live here */
	bool foreground;
	bool verbose;
};

/* Run until told to stop. Returns the exit status. conf's secrets are wiped at the end. */
int parent_main(struct conf *conf, const struct parent_opts *);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvertd: options; then the parent, or (started by the parent) one of its children. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proto.h"
#include "l2tpd/auth.h"
#include "l2tpd/child.h"
#include "l2tpd/conf.h"
#include "l2tpd/daemon.h"
#include "l2tpd/engine.h"
#include "l2tpd/manager.h"
#include "l2tpd/netd.h"
#include "l2tpd/notify.h"
#include "l2tpd/parent.h"
#include "l2tpd/users.h"

static int usage(void)
{
	fprintf(stderr, "usage: culvertd [-dnv] [-f file] [-r run-directory]\n");
	return 2;
}

static void child(const char *role, unsigned index, bool to_syslog)
{
	static char name[16];

	if (!strcmp(role, role_name(ROLE_ENGINE)))
		snprintf(name, sizeof(name), "engine%u", index);
	else
		str_copy(name, sizeof(name), role);
	log_init(name, to_syslog);
	if (!strcmp(role, role_name(ROLE_ENGINE)))
		engine_main();
	if (!strcmp(role, role_name(ROLE_MANAGER)))
		manager_main();
	if (!strcmp(role, role_name(ROLE_AUTH)))
		auth_main();
	if (!strcmp(role, role_name(ROLE_NETD)))
		exit(netd_main(CHILD_FD));
	exit(usage());
}

/* path, from the root: a daemon changes its directory, and reads files again later. */
static const char *absolute(const char *path)
{
	char *dir, *all;

	if (path[0] == '/')
		return path;
	dir = getcwd(NULL, 0);
	if (!dir || asprintf(&all, "%s/%s", dir, path) < 0)
		return path;
	free(dir);
	return all;
}

/* One sentence when the server cannot run here at all. */
static bool can_serve(void)
{
	if (geteuid() != 0) {
		fprintf(stderr, "culvertd: needs root: it binds UDP 500 and 4500 and makes interfaces\n");
		return false;
	}
	if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		fprintf(stderr, "culvertd: /dev/net/tun is missing: modprobe tun, or allow it in the container\n");
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct conf conf;
	struct conf_msgs msgs = { 0 };
	struct parent_opts o = { .conf_path = CONF_DEFAULT_PATH, .run_dir = PARENT_RUN_DIR };
	const char *role = NULL;
	bool check = false, to_syslog = false;
	uint64_t index = 0;
	int c;

	while ((c = getopt(argc, argv, "df:nr:svP:I:")) != -1) {
		switch (c) {
		case 'd':
			o.foreground = true;
			break;
		case 'f':
			o.conf_path = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'r':
			o.run_dir = optarg;
			break;
		case 'v':
			o.verbose = true;
			break;
		/* The parent's own words to its children. */
		case 'P':
			role = optarg;
			break;
		case 'I':
			if (!parse_uint(optarg, 0, CONF_ENGINES_MAX - 1, &index))
				return usage();
			break;
		case 's':
			to_syslog = true;
			break;
		default:
			return usage();
		}
	}
	if (optind != argc)
		return usage();
	if (o.verbose)
		log_max = LOG_DEBUG;
	if (role)
		child(role, (unsigned)index, to_syslog);
	if (!check && !strcmp(o.conf_path, "-")) {
		fprintf(stderr, "culvertd: -f - is for -n: what serves must be able to read its file again\n");
		return 2;
	}

	if (!check && !can_serve())
		return 1;
	if (!check && !o.foreground) {
		o.conf_path = absolute(o.conf_path);
		o.run_dir = absolute(o.run_dir);
		/* Before the configuration is read: only the server itself has its secrets. */
		daemon_detach();
	}
	c = conf_load(o.conf_path, &conf, &msgs);
	/* Auth says it of the users it serves. */
	if (check && c == 0)
		c = users_check(&conf, &msgs);
	conf_msgs_print(stderr, &msgs);
	conf_msgs_free(&msgs);
	if (c < 0)
		return 1;
	if (check) {
		if (o.verbose)
			conf_print(stdout, &conf);
		explicit_bzero(&conf, sizeof(conf));
		if (fflush(stdout) || ferror(stdout)) {
			perror("culvertd: standard output");
			return 1;
		}
		fprintf(stderr, "configuration OK\n");
		return 0;
	}
	log_init("culvertd", !o.foreground);
#ifdef BENCH_NULL_CRYPTO
	log_err("THIS BUILD DOES NOT ENCRYPT ANYTHING (--enable-bench-null-crypto): for measuring only");
#endif
	notify_open();
	return parent_main(&conf, &o);
}

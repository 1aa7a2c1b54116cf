/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parent's part in RADIUS over TLS: it opens the files of certificates and keys, for radius
 * opens nothing, and reads none of them.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/conf.h"
#include "l2tpd/parent.h"

static bool send_list(struct child_proc *radius, unsigned auth, bool acct, const struct conf_radius *r)
{
	const char *paths[] = { r->tls_ca, r->tls_cert, r->tls_key };

	for (unsigned i = 0; i < N_ELEMENTS(paths); i++) {
		struct msg_radius_tls m = { .auth = (uint8_t)auth, .acct = acct, .file = (uint8_t)i };
		char why[512];
		bool ok;
		int fd;

		if (!*paths[i])
			continue;
		fd = i == 2 ? conf_open_secret(paths[i], why) : conf_open_public(paths[i], why);
		if (fd < 0) {
			log_err("tls: %s: its servers cannot be asked", why);
			continue;
		}
		ok = peer_send(&radius->peer, MSG_RADIUS_TLS, &m, sizeof(m), fd);
		close(fd);
		if (!ok)
			return false;
	}
	return true;
}

bool parent_send_tls(struct child_proc *radius, const struct conf *conf)
{
	for (unsigned i = 0; i < CONF_AUTHS; i++)
		if (conf_has_auth(conf, i) && (!send_list(radius, i, false, &conf->auth[i].radius_auth) ||
					       !send_list(radius, i, true, &conf->auth[i].radius_acct)))
			return false;
	return true;
}

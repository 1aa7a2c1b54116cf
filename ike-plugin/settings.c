/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ike-plugin/ss.h"

void settings_make(void)
{
	static const struct {
		const char *key;
		int value;
	} ints[] = {
		{ "threads", 16 },
		/* Lists of 10,000 entries are slow; the defaults are tables of one bucket. */
		{ "ikesa_table_size", 16384 },
		{ "ikesa_table_segments", 16 },
		{ "init_limit_half_open", 4000 },
		{ "half_open_timeout", 30 },
		/* Of so many exchanges charon keeps the IVs: with the default (3) a Quick Mode whose third
		 * message takes six seconds cannot be read any more where DPD asks every two. */
		{ "max_ikev1_exchanges", 16 },
		/* When a Quick Mode gets no third message charon would end the IKE_SA, and with it the
		 * pairs that work; quick.c forgets the exchange alone. */
		{ "retransmit_tries", 100 },
	};
	static const char *const off[] = {
		/* Its limit of half-open IKE_SAs per address (5): a company or a carrier's NAT
		 * connects all at once, and whoever forges addresses is not held back by it.
		 * Setting block_threshold to 0 would not do: charon raises it above the
		 * threshold of its IKEv2 cookies. */
		"dos_protection",
		"install_routes", "install_virtual_ip", "accept_unencrypted_mainmode_messages",
		"i_dont_care_about_security_and_use_aggressive_mode_psk", "send_vendor_id",
	};

	for (unsigned i = 0; i < N_ELEMENTS(ints); i++)
		lib->settings->set_int(lib->settings, "%s.%s", ints[i].value, lib->ns, ints[i].key);
	for (unsigned i = 0; i < N_ELEMENTS(off); i++)
		lib->settings->set_bool(lib->settings, "%s.%s", FALSE, lib->ns, off[i]);
}

void plugin_list(char *list, size_t cap)
{
	/* hmac before openssl: over openssl's hashes it costs the same time, and an IKE_SA is 2.8 KB smaller than with
	 * openssl's HMAC, which has six contexts for each of its two keys. */
	static const char *const names[] = {
		"random", "nonce", "hmac", "openssl", "aes", "sha1", "sha2", "md5", "kdf", "gmp",
	};
	char path[512];

	list[0] = '\0';
	for (unsigned i = 0; i < N_ELEMENTS(names); i++) {
		size_t len = strlen(list);

		snprintf(path, sizeof(path), "%s/libstrongswan-%s.so", IPSEC_PLUGINDIR, names[i]);
		if (!access(path, R_OK))
			snprintf(list + len, cap - len, "%s ", names[i]);
	}
	strncat(list, "culvert!", cap - strlen(list) - 1);
}

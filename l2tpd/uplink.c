/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/uplink.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

bool uplink_default(FILE *route, char ret[static CONF_IFNAME_MAX])
{
	unsigned dst, gateway, flags, mask;
	unsigned long metric, best = 0;
	char line[256], name[64];
	bool found = false;

	while (fgets(line, sizeof(line), route)) {
		if (sscanf(line, "%63s %x %x %x %*d %*u %lu %x", name, &dst, &gateway, &flags, &metric, &mask) != 6)
			continue;
		if (dst || mask || !(flags & RTF_UP) || (flags & RTF_REJECT) || (found && metric >= best))
			continue;
		if (!str_copy(ret, CONF_IFNAME_MAX, name))
			continue;
		best = metric;
		found = true;
	}
	return found;
}

/* Ask about a device; false: it, or its driver, does not know. */
static bool ask(int s, const char *ifname, void *about)
{
	struct ifreq r = { .ifr_data = about };

	return str_copy(r.ifr_name, sizeof(r.ifr_name), ifname) && ioctl(s, SIOCETHTOOL, &r) == 0;
}

/* 1 on, 0 off, -1 not to be known. */
static int feature(int s, const char *ifname, uint32_t cmd)
{
	struct ethtool_value v = { .cmd = cmd };

	return ask(s, ifname, &v) ? v.data != 0 : -1;
}

/*
 * A feature that has no command of its own is a bit whose place the kernel's list
 * of names says.  1 on, 0 off, -1 not to be known, or out of reach.
 */
static int named_feature(int s, const char *ifname, const char *name)
{
	enum { FEATURES_MAX = 256, BLOCKS = FEATURES_MAX / 32 };
	/* Each ends in an array whose length the kernel says, or is told. */
	union {
		struct ethtool_sset_info i;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} count = { .i = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	static union {
		struct ethtool_gstrings s;
		uint8_t room[sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN];
	} names;
	union {
		struct ethtool_gfeatures f;
		uint8_t room[sizeof(struct ethtool_gfeatures) + BLOCKS * sizeof(struct ethtool_get_features_block)];
	} got = { .f = { .cmd = ETHTOOL_GFEATURES, .size = BLOCKS } };
	uint32_t n;

	if (!ask(s, ifname, &count) || !count.i.sset_mask || count.i.data[0] > FEATURES_MAX)
		return -1;
	n = count.i.data[0];
	names.s = (struct ethtool_gstrings){ .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = n };
	if (!ask(s, ifname, &names) || !ask(s, ifname, &got))
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		const struct ethtool_get_features_block *b = &got.f.features[i / 32];
		uint32_t bit = 1u << i % 32;

		if (strncmp((const char *)names.s.data + (size_t)i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN))
			continue;
		if (b->active & bit)
			return 1;
		return b->available & bit && !(b->never_changed & bit) ? 0 : -1;
	}
	return -1;
}

static void check_one(int s, const char *ifname)
{
	static const struct {
		uint32_t cmd;
		const char *name, *cost;
	} wanted[] = {
		{ ETHTOOL_GGRO, "gro", "downloads of clients cost three times the CPU" },
		{ ETHTOOL_GGSO, "gso", "uploads of clients cost up to twice the CPU" },
	};

	for (unsigned i = 0; i < N_ELEMENTS(wanted); i++)
		if (feature(s, ifname, wanted[i].cmd) == 0)
			log_warn("if=%s %s is off: %s; switch it on: ethtool -K %s %s on", ifname, wanted[i].name, wanted[i].cost,
				ifname, wanted[i].name);
	/* Only where GRO is on has it a meaning. */
	if (feature(s, ifname, ETHTOOL_GGRO) == 1 && named_feature(s, ifname, "rx-udp-gro-forwarding") == 0)
		log_notice("if=%s rx-udp-gro-forwarding is off: downloads of clients by UDP (QUIC, calls) cost twice the "
			"CPU; switch it on: ethtool -K %s rx-udp-gro-forwarding on", ifname, ifname);
}

void uplink_check(const struct conf *c)
{
	const char *nat = !c->firewall.off && c->firewall.nat ? c->firewall.nat_on : "";
	char name[CONF_IFNAME_MAX] = "";
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	FILE *f = fopen("/proc/net/route", "re");

	if (f && !uplink_default(f, name))
		name[0] = '\0';
	if (s >= 0 && *nat)
		check_one(s, nat);
	if (s >= 0 && *name && strcmp(name, nat))
		check_one(s, name);
	if (f)
		fclose(f);
	if (s >= 0)
		close(s);
}

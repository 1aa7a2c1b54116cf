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

/* 1 on, 0 off, -1 not to be known. */
static int feature(int s, const char *ifname, uint32_t cmd)
{
	struct ethtool_value v = { .cmd = cmd };
	struct ifreq r = { .ifr_data = (void *)&v };

	if (!str_copy(r.ifr_name, sizeof(r.ifr_name), ifname) || ioctl(s, SIOCETHTOOL, &r) < 0)
		return -1;
	return v.data != 0;
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

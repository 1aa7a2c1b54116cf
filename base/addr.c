/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

struct addr addr_from_sa(const struct sockaddr *sa)
{
	struct addr a = { 0 };

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		a.family = 4;
		a.port = ntohs(in->sin_port);
		memcpy(a.ip, &in->sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		a.family = 6;
		a.port = ntohs(in6->sin6_port);
		memcpy(a.ip, &in6->sin6_addr, 16);
	}
	return a;
}

socklen_t addr_to_sa(const struct addr *a, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	}
	if (a->family == 6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof(*in6);
	}
	return 0;
}

struct addr addr_v4(uint32_t ip, uint16_t port)
{
	struct addr a = { .family = 4, .port = port };
	uint32_t be = htonl(ip);

	memcpy(a.ip, &be, 4);
	return a;
}

uint32_t addr_v4_of(const struct addr *a)
{
	uint32_t be;

	if (a->family != 4)
		return 0;
	memcpy(&be, a->ip, 4);
	return ntohl(be);
}

bool addr_ip_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, sizeof(a->ip));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_ip_eq(a, b) && a->port == b->port;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->ip, zero, sizeof(zero));
}

static unsigned low_at(const struct addr *a)
{
	return a->family == 6 ? 12 : 0;
}

uint32_t addr_low(const struct addr *a)
{
	uint32_t be;

	memcpy(&be, a->ip + low_at(a), 4);
	return ntohl(be);
}

struct addr addr_nth(const struct addr *a, uint32_t n)
{
	struct addr r = *a;
	uint32_t be = htonl(addr_low(a) + n);

	memcpy(r.ip + low_at(a), &be, 4);
	return r;
}

bool addr_parse(const char *s, uint16_t port, struct addr *ret)
{
	struct addr a = { .family = 4, .port = port };

	if (inet_pton(AF_INET, s, a.ip) != 1) {
		a.family = 6;
		if (inet_pton(AF_INET6, s, a.ip) != 1)
			return false;
	}
	*ret = a;
	return true;
}

const char *addr_str(const struct addr *a, char buf[static ADDR_STRLEN])
{
	char ip[INET6_ADDRSTRLEN] = "-";

	if (a->family)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->ip, ip, sizeof(ip));
	if (!a->port)
		snprintf(buf, ADDR_STRLEN, "%s", ip);
	else
		snprintf(buf, ADDR_STRLEN, a->family == 6 ? "[%s]:%u" : "%s:%u", ip, a->port);
	return buf;
}

const char *ip4_str(uint32_t ip, char buf[static ADDR_STRLEN])
{
	struct addr a = addr_v4(ip, 0);

	return addr_str(&a, buf);
}

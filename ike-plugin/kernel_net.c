/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_net: the little that charon asks about the host's network.  It needs
 * no privilege: addresses by getifaddrs(3), the source address for a
 * destination by connecting a UDP socket, which sends nothing.
 */
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike-plugin/plugin.h"

struct net {
	kernel_net_t public;
};

METHOD(kernel_net_t, get_features, kernel_feature_t, struct net *this)
{
	return 0;
}

METHOD(kernel_net_t, get_source_addr, host_t *, struct net *this, host_t *dest, host_t *src)
{
	union {
		struct sockaddr sa;
		struct sockaddr_storage ss;
	} u;
	socklen_t len = sizeof(u);
	host_t *found = NULL;
	int fd;

	fd = socket(dest->get_family(dest), SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (src && !src->is_anyaddr(src)) {
		host_t *any_port = src->clone(src);

		any_port->set_port(any_port, 0);
		(void)!bind(fd, any_port->get_sockaddr(any_port), *any_port->get_sockaddr_len(any_port));
		any_port->destroy(any_port);
	}
	if (!connect(fd, dest->get_sockaddr(dest), *dest->get_sockaddr_len(dest)) &&
	    !getsockname(fd, &u.sa, &len)) {
		found = host_create_from_sockaddr(&u.sa);
		if (found)
			found->set_port(found, 0);
	}
	close(fd);
	return found;
}

METHOD(kernel_net_t, get_nexthop, host_t *, struct net *this, host_t *dest, int prefix, host_t *src, char **iface)
{
	return NULL;		/* only asked for routes of tunnels, which we have none of */
}

METHOD(kernel_net_t, get_interface, bool, struct net *this, host_t *host, char **name)
{
	struct ifaddrs *all, *i;
	bool found = FALSE;

	if (getifaddrs(&all))
		return FALSE;
	for (i = all; i && !found; i = i->ifa_next) {
		struct addr a, want = addr_of_host(host);

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
			continue;
		a = addr_from_sa(i->ifa_addr);
		if (a.family && addr_ip_eq(&a, &want)) {
			found = TRUE;
			if (name)
				*name = strdup(i->ifa_name);
		}
	}
	freeifaddrs(all);
	return found;
}

static void hosts_free(void *p)
{
	linked_list_t *list = p;

	list->destroy_offset(list, offsetof(host_t, destroy));
}

METHOD(kernel_net_t, create_address_enumerator, enumerator_t *, struct net *this, kernel_address_type_t which)
{
	linked_list_t *list = linked_list_create();
	struct ifaddrs *all, *i;

	if (!getifaddrs(&all)) {
		for (i = all; i; i = i->ifa_next) {
			bool up = i->ifa_flags & IFF_UP, loopback = i->ifa_flags & IFF_LOOPBACK;
			host_t *host;

			if (!i->ifa_addr || (!up && !(which & ADDR_TYPE_DOWN)) ||
			    (loopback && !(which & ADDR_TYPE_LOOPBACK)) ||
			    (up && !loopback && !(which & ADDR_TYPE_REGULAR)) ||
			    !addr_from_sa(i->ifa_addr).family)
				continue;
			host = host_create_from_sockaddr(i->ifa_addr);
			if (host)
				list->insert_last(list, host);
		}
		freeifaddrs(all);
	}
	return enumerator_create_cleaner(list->create_enumerator(list), hosts_free, list);
}

METHOD(kernel_net_t, create_local_subnet_enumerator, enumerator_t *, struct net *this)
{
	return enumerator_create_empty();
}

METHOD(kernel_net_t, add_ip, status_t, struct net *this, host_t *ip, int prefix, char *iface)
{
	return NOT_SUPPORTED;
}

METHOD(kernel_net_t, del_ip, status_t, struct net *this, host_t *ip, int prefix, bool wait)
{
	return NOT_SUPPORTED;
}

METHOD(kernel_net_t, add_route, status_t, struct net *this, chunk_t dst, uint8_t prefix, host_t *gateway,
	host_t *src, char *iface, bool pass)
{
	return NOT_SUPPORTED;
}

METHOD(kernel_net_t, del_route, status_t, struct net *this, chunk_t dst, uint8_t prefix, host_t *gateway,
	host_t *src, char *iface, bool pass)
{
	return NOT_SUPPORTED;
}

METHOD(kernel_net_t, destroy, void, struct net *this)
{
	free(this);
}

kernel_net_t *culvert_net_create(void)
{
	struct net *this;

	INIT(this,
		.public = {
			.get_features = _get_features,
			.get_source_addr = _get_source_addr,
			.get_nexthop = _get_nexthop,
			.get_interface = _get_interface,
			.create_address_enumerator = _create_address_enumerator,
			.create_local_subnet_enumerator = _create_local_subnet_enumerator,
			.add_ip = _add_ip,
			.del_ip = _del_ip,
			.add_route = _add_route,
			.del_route = _del_route,
			.destroy = _destroy,
		},
	);
	return &this->public;
}

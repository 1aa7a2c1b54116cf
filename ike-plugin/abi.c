/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * abi: a plugin that was built for another strongSwan release loads without a
 * word and then calls the wrong methods.  5.9.8 has no version to ask for, so
 * this looks at what matters, the layout of its objects: an object is a row of
 * method pointers into libcharon, as many as our header says, and what follows
 * the row is something else.
 */
#include <dlfcn.h>
#include <string.h>

#include "ike-plugin/plugin.h"

/* True when p is code of libcharon. */
static bool in_libcharon(const void *p)
{
	Dl_info of, charon_lib;

	return p && dladdr(p, &of) && dladdr((void *)libcharon_init, &charon_lib) &&
	       of.dli_fbase == charon_lib.dli_fbase;
}

static bool object_ok(const char *what, const void *object, size_t public_size)
{
	size_t n = public_size / sizeof(void *), i = 0;
	void *const *slot = object;

	while (i < n && in_libcharon(slot[i]))
		i++;
	if (i == n && !in_libcharon(slot[n]))
		return true;
	log_err("this plugin was built for another strongSwan release: %s has not the %zu methods it should", what, n);
	return false;
}

bool abi_check_mediation(void)
{
#ifdef ME
	bool built = true;
#else
	bool built = false;
#endif
	if (built == (dlsym(RTLD_DEFAULT, "ike_me_create") != NULL))
		return true;
	log_err("libcharon was built %s mediation, this plugin %s", built ? "without" : "with",
		built ? "with" : "without");
	return false;
}

bool abi_check_layout(void)
{
	ike_cfg_create_t ike = { .version = IKEV1, .local = "%any", .local_port = 500, .remote = "%any", .remote_port = 500 };
	peer_cfg_create_t peer = { .cert_policy = CERT_NEVER_SEND };
	child_cfg_create_t child = { .mode = MODE_TRANSPORT };
	ike_cfg_t *ike_cfg = ike_cfg_create(&ike);
	child_cfg_t *child_cfg = child_cfg_create("abi", &child);
	peer_cfg_t *peer_cfg;
	ike_sa_t *ike_sa;
	bool ok;

	/* peer_cfg_create() takes ike_cfg over, so look at that first. */
	ok = object_ok("ike_cfg_t", ike_cfg, sizeof(ike_cfg_t)) &&
	     object_ok("child_cfg_t", child_cfg, sizeof(child_cfg_t)) &&
	     object_ok("bus_t", charon->bus, sizeof(bus_t)) &&
	     object_ok("kernel_interface_t", charon->kernel, sizeof(kernel_interface_t)) &&
	     object_ok("backend_manager_t", charon->backends, sizeof(backend_manager_t)) &&
	     object_ok("ike_sa_manager_t", charon->ike_sa_manager, sizeof(ike_sa_manager_t)) &&
	     object_ok("child_sa_manager_t", charon->child_sa_manager, sizeof(child_sa_manager_t)) &&
	     object_ok("attribute_manager_t", charon->attributes, sizeof(attribute_manager_t)) &&
	     object_ok("xauth_manager_t", charon->xauth, sizeof(xauth_manager_t));
	if (!ok)
		return false;	/* destroying what we misread would be a guess */
	child_cfg->destroy(child_cfg);
	peer_cfg = peer_cfg_create("abi", ike_cfg, &peer);
	if (!object_ok("peer_cfg_t", peer_cfg, sizeof(peer_cfg_t)))
		return false;
	peer_cfg->destroy(peer_cfg);
	ike_sa = charon->ike_sa_manager->create_new(charon->ike_sa_manager, IKEV1, FALSE);
	if (!ike_sa || !object_ok("ike_sa_t", ike_sa, sizeof(ike_sa_t)))
		return false;
	ike_sa->destroy(ike_sa);
	return true;
}

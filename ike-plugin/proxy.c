/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/proxy.h"

#include <stdlib.h>
#include <string.h>

struct child_proxy {
	child_cfg_t public;
	refcount_t ref;
	child_cfg_t *base;
	char name[];
};

struct peer_proxy {
	peer_cfg_t public;
	refcount_t ref;
	peer_cfg_t *base;
	struct child_proxy *child;
	uint64_t lineage;		/* for same, where that is not NULL */
	proxy_same_fn *same;
};

/* Where a release has a method more, it must be written below: else it would be a jump to nowhere. */
#define METHODS(type) (sizeof(type) / sizeof(void (*)(void)))
_Static_assert(METHODS(child_cfg_t) == 32, "child_new() has not this release's methods");
_Static_assert(METHODS(peer_cfg_t) == 31 + SS_6 + 3 * SS_MEDIATION, "proxy_new() has not this release's methods");

/* A method that base answers. */
#define CHILD_PASS(ret, name, params, args) static ret child_##name params { return this->base->name args; }
#define PEER_PASS(ret, name, params, args) static ret peer_##name params { return this->base->name args; }

/* ---- the child ---- */
CHILD_PASS(linked_list_t *, get_proposals, (struct child_proxy *this, bool strip_ke),
	(this->base, strip_ke))
CHILD_PASS(proposal_t *, select_proposal, (struct child_proxy *this, linked_list_t *proposals, proposal_selection_flag_t flags),
	(this->base, proposals, flags))
CHILD_PASS(linked_list_t *, get_traffic_selectors, (struct child_proxy *this, bool local, linked_list_t *supplied, linked_list_t *hosts, bool log),
	(this->base, local, supplied, hosts, log))
CHILD_PASS(char *, get_updown, (struct child_proxy *this), (this->base))
CHILD_PASS(lifetime_cfg_t *, get_lifetime, (struct child_proxy *this, bool jitter), (this->base, jitter))
CHILD_PASS(ipsec_mode_t, get_mode, (struct child_proxy *this), (this->base))
CHILD_PASS(action_t, get_start_action, (struct child_proxy *this), (this->base))
CHILD_PASS(action_t, get_dpd_action, (struct child_proxy *this), (this->base))
CHILD_PASS(hw_offload_t, get_hw_offload, (struct child_proxy *this), (this->base))
CHILD_PASS(dscp_copy_t, get_copy_dscp, (struct child_proxy *this), (this->base))
CHILD_PASS(action_t, get_close_action, (struct child_proxy *this), (this->base))
CHILD_PASS(uint16_t, get_algorithm, (struct child_proxy *this, transform_type_t type),
	(this->base, type))
CHILD_PASS(uint32_t, get_inactivity, (struct child_proxy *this), (this->base))
CHILD_PASS(uint32_t, get_reqid, (struct child_proxy *this), (this->base))
CHILD_PASS(uint32_t, get_if_id, (struct child_proxy *this, bool inbound), (this->base, inbound))
CHILD_PASS(mark_t, get_mark, (struct child_proxy *this, bool inbound), (this->base, inbound))
CHILD_PASS(mark_t, get_set_mark, (struct child_proxy *this, bool inbound), (this->base, inbound))
CHILD_PASS(sec_label_t *, get_label, (struct child_proxy *this), (this->base))
CHILD_PASS(sec_label_mode_t, get_label_mode, (struct child_proxy *this), (this->base))
CHILD_PASS(bool, select_label, (struct child_proxy *this, linked_list_t *labels, bool log, sec_label_t **label, bool *exact),
	(this->base, labels, log, label, exact))
CHILD_PASS(uint32_t, get_tfc, (struct child_proxy *this), (this->base))
CHILD_PASS(uint32_t, get_manual_prio, (struct child_proxy *this), (this->base))
CHILD_PASS(char *, get_interface, (struct child_proxy *this), (this->base))
CHILD_PASS(uint32_t, get_replay_window, (struct child_proxy *this), (this->base))
CHILD_PASS(bool, has_option, (struct child_proxy *this, child_cfg_option_t option), (this->base, option))

static char *child_get_name(struct child_proxy *this)
{
	return this->name;
}

/* What would change the shared one is not for a client to do. */
static void child_add_proposal(struct child_proxy *this, proposal_t *proposal)
{
	proposal->destroy(proposal);
}

static void child_add_traffic_selector(struct child_proxy *this, bool local, traffic_selector_t *ts)
{
	ts->destroy(ts);
}

static void child_set_replay_window(struct child_proxy *this, uint32_t window)
{
}

/* As charon's own, which do not compare names. */
static bool child_equals(struct child_proxy *this, child_cfg_t *other)
{
	return other->equals == this->public.equals &&
	       this->base->equals(this->base, ((struct child_proxy *)other)->base);
}

static child_cfg_t *child_get_ref(struct child_proxy *this)
{
	ref_get(&this->ref);
	return &this->public;
}

static void child_destroy(struct child_proxy *this)
{
	if (!ref_put(&this->ref))
		return;
	this->base->destroy(this->base);
	free(this);
}

static struct child_proxy *child_new(child_cfg_t *base, const char *name)
{
	struct child_proxy *this = malloc(sizeof(*this) + strlen(name) + 1);

	*this = (struct child_proxy){
		.public = {
			.get_name = (void *)child_get_name,
			.add_proposal = (void *)child_add_proposal,
			.add_traffic_selector = (void *)child_add_traffic_selector,
			.set_replay_window = (void *)child_set_replay_window,
			.equals = (void *)child_equals,
			.get_ref = (void *)child_get_ref,
			.destroy = (void *)child_destroy,
			.get_proposals = (void *)child_get_proposals,
			.select_proposal = (void *)child_select_proposal,
			.get_traffic_selectors = (void *)child_get_traffic_selectors,
			.get_updown = (void *)child_get_updown,
			.get_lifetime = (void *)child_get_lifetime,
			.get_mode = (void *)child_get_mode,
			.get_start_action = (void *)child_get_start_action,
			.get_dpd_action = (void *)child_get_dpd_action,
			.get_hw_offload = (void *)child_get_hw_offload,
			.get_copy_dscp = (void *)child_get_copy_dscp,
			.get_close_action = (void *)child_get_close_action,
			.get_algorithm = (void *)child_get_algorithm,
			.get_inactivity = (void *)child_get_inactivity,
			.get_reqid = (void *)child_get_reqid,
			.get_if_id = (void *)child_get_if_id,
			.get_mark = (void *)child_get_mark,
			.get_set_mark = (void *)child_get_set_mark,
			.get_label = (void *)child_get_label,
			.get_label_mode = (void *)child_get_label_mode,
			.select_label = (void *)child_select_label,
			.get_tfc = (void *)child_get_tfc,
			.get_manual_prio = (void *)child_get_manual_prio,
			.get_interface = (void *)child_get_interface,
			.get_replay_window = (void *)child_get_replay_window,
			.has_option = (void *)child_has_option,
		},
		.ref = 1,
		.base = base->get_ref(base),
	};
	memcpy(this->name, name, strlen(name) + 1);
	return this;
}

/* ---- the peer ---- */
PEER_PASS(char *, get_name, (struct peer_proxy *this), (this->base))
PEER_PASS(ike_version_t, get_ike_version, (struct peer_proxy *this), (this->base))
PEER_PASS(ike_cfg_t *, get_ike_cfg, (struct peer_proxy *this), (this->base))
PEER_PASS(enumerator_t *, create_auth_cfg_enumerator, (struct peer_proxy *this, bool local),
	(this->base, local))
PEER_PASS(cert_policy_t, get_cert_policy, (struct peer_proxy *this), (this->base))
#if SS_6
PEER_PASS(ocsp_policy_t, get_ocsp_policy, (struct peer_proxy *this), (this->base))
#endif
PEER_PASS(unique_policy_t, get_unique_policy, (struct peer_proxy *this), (this->base))
PEER_PASS(uint32_t, get_keyingtries, (struct peer_proxy *this), (this->base))
PEER_PASS(uint32_t, get_rekey_time, (struct peer_proxy *this, bool jitter), (this->base, jitter))
PEER_PASS(uint32_t, get_reauth_time, (struct peer_proxy *this, bool jitter), (this->base, jitter))
PEER_PASS(uint32_t, get_over_time, (struct peer_proxy *this), (this->base))
PEER_PASS(bool, use_mobike, (struct peer_proxy *this), (this->base))
PEER_PASS(bool, use_aggressive, (struct peer_proxy *this), (this->base))
PEER_PASS(bool, use_pull_mode, (struct peer_proxy *this), (this->base))
PEER_PASS(uint32_t, get_dpd, (struct peer_proxy *this), (this->base))
PEER_PASS(uint32_t, get_dpd_timeout, (struct peer_proxy *this), (this->base))
PEER_PASS(enumerator_t *, create_virtual_ip_enumerator, (struct peer_proxy *this), (this->base))
PEER_PASS(enumerator_t *, create_pool_enumerator, (struct peer_proxy *this), (this->base))
PEER_PASS(uint32_t, get_if_id, (struct peer_proxy *this, bool inbound), (this->base, inbound))
PEER_PASS(identification_t *, get_ppk_id, (struct peer_proxy *this), (this->base))
PEER_PASS(bool, ppk_required, (struct peer_proxy *this), (this->base))
#ifdef ME
PEER_PASS(bool, is_mediation, (struct peer_proxy *this), (this->base))
PEER_PASS(char *, get_mediated_by, (struct peer_proxy *this), (this->base))
PEER_PASS(identification_t *, get_peer_id, (struct peer_proxy *this), (this->base))
#endif

static void peer_add_child_cfg(struct peer_proxy *this, child_cfg_t *child)
{
	child->destroy(child);
}

static void peer_remove_child_cfg(struct peer_proxy *this, enumerator_t *enumerator)
{
}

static enumerator_t *peer_replace_child_cfgs(struct peer_proxy *this, peer_cfg_t *other)
{
	return enumerator_create_empty();
}

static enumerator_t *peer_create_child_cfg_enumerator(struct peer_proxy *this)
{
	return enumerator_create_single(&this->child->public, NULL);
}

/* base's choice, or none, among its own: then it is ours. */
static child_cfg_t *peer_select_child_cfg(struct peer_proxy *this, linked_list_t *my_ts, linked_list_t *other_ts,
	linked_list_t *my_hosts, linked_list_t *other_hosts, linked_list_t *my_labels, linked_list_t *other_labels)
{
	child_cfg_t *found = this->base->select_child_cfg(this->base, my_ts, other_ts, my_hosts, other_hosts, my_labels,
		other_labels);

	if (!found)
		return NULL;
	found->destroy(found);
	return child_get_ref(this->child);
}

static void peer_add_auth_cfg(struct peer_proxy *this, auth_cfg_t *cfg, bool local)
{
	cfg->destroy(cfg);
}

static void peer_add_virtual_ip(struct peer_proxy *this, host_t *vip)
{
	vip->destroy(vip);
}

static void peer_add_pool(struct peer_proxy *this, char *name)
{
}

/* A client's new phase 1 takes over the SAs of its old one if their configurations are equal. */
static bool peer_equals(struct peer_proxy *this, peer_cfg_t *other)
{
	struct peer_proxy *o = (struct peer_proxy *)other;

	return other->equals == this->public.equals && this->base->equals(this->base, o->base) &&
	       (!this->same || this->same(this->lineage, o->lineage));
}

static peer_cfg_t *peer_get_ref(struct peer_proxy *this)
{
	ref_get(&this->ref);
	return &this->public;
}

static void peer_destroy(struct peer_proxy *this)
{
	if (!ref_put(&this->ref))
		return;
	child_destroy(this->child);
	this->base->destroy(this->base);
	free(this);
}

peer_cfg_t *proxy_new(peer_cfg_t *base, child_cfg_t *base_child, const char *child_name)
{
	struct peer_proxy *this = malloc(sizeof(*this));

	*this = (struct peer_proxy){
		.public = {
			.add_child_cfg = (void *)peer_add_child_cfg,
			.remove_child_cfg = (void *)peer_remove_child_cfg,
			.replace_child_cfgs = (void *)peer_replace_child_cfgs,
			.create_child_cfg_enumerator = (void *)peer_create_child_cfg_enumerator,
			.select_child_cfg = (void *)peer_select_child_cfg,
			.add_auth_cfg = (void *)peer_add_auth_cfg,
			.add_virtual_ip = (void *)peer_add_virtual_ip,
			.add_pool = (void *)peer_add_pool,
			.equals = (void *)peer_equals,
			.get_ref = (void *)peer_get_ref,
			.destroy = (void *)peer_destroy,
			.get_name = (void *)peer_get_name,
			.get_ike_version = (void *)peer_get_ike_version,
			.get_ike_cfg = (void *)peer_get_ike_cfg,
			.create_auth_cfg_enumerator = (void *)peer_create_auth_cfg_enumerator,
			.get_cert_policy = (void *)peer_get_cert_policy,
#if SS_6
			.get_ocsp_policy = (void *)peer_get_ocsp_policy,
#endif
			.get_unique_policy = (void *)peer_get_unique_policy,
			.get_keyingtries = (void *)peer_get_keyingtries,
			.get_rekey_time = (void *)peer_get_rekey_time,
			.get_reauth_time = (void *)peer_get_reauth_time,
			.get_over_time = (void *)peer_get_over_time,
			.use_mobike = (void *)peer_use_mobike,
			.use_aggressive = (void *)peer_use_aggressive,
			.use_pull_mode = (void *)peer_use_pull_mode,
			.get_dpd = (void *)peer_get_dpd,
			.get_dpd_timeout = (void *)peer_get_dpd_timeout,
			.create_virtual_ip_enumerator = (void *)peer_create_virtual_ip_enumerator,
			.create_pool_enumerator = (void *)peer_create_pool_enumerator,
			.get_if_id = (void *)peer_get_if_id,
			.get_ppk_id = (void *)peer_get_ppk_id,
			.ppk_required = (void *)peer_ppk_required,
#ifdef ME
			.is_mediation = (void *)peer_is_mediation,
			.get_mediated_by = (void *)peer_get_mediated_by,
			.get_peer_id = (void *)peer_get_peer_id,
#endif
		},
		.ref = 1,
		.base = base->get_ref(base),
		.child = child_new(base_child, child_name),
	};
	return &this->public;
}

peer_cfg_t *proxy_new_own(peer_cfg_t *base, child_cfg_t *base_child, const char *child_name, uint64_t lineage,
	proxy_same_fn *same)
{
	struct peer_proxy *this = (struct peer_proxy *)proxy_new(base, base_child, child_name);

	this->lineage = lineage;
	this->same = same;
	return &this->public;
}

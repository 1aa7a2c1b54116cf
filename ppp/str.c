/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names for logs. */
#include "ppp/proto.h"

const char *ppp_phase_name(enum ppp_phase phase)
{
	static const char *const names[] = {
		[PPP_DEAD] = "dead", [PPP_ESTABLISH] = "establish", [PPP_AUTHENTICATE] = "authenticate",
		[PPP_NETWORK] = "network", [PPP_TERMINATE] = "terminate",
	};

	return phase < N_ELEMENTS(names) ? names[phase] : "?";
}

const char *ppp_auth_name(uint8_t method)
{
	switch (method) {
	case 0:
		return "none";
	case PPP_AUTH_PAP:
		return "PAP";
	case PPP_AUTH_CHAP_MD5:
		return "CHAP";
	case PPP_AUTH_MSCHAPV2:
		return "MS-CHAP-V2";
	case PPP_AUTH_EAP_MD5:
		return "EAP-MD5";
	case PPP_AUTH_EAP_MSCHAPV2:
		return "EAP-MSCHAP-V2";
	case PPP_AUTH_EAP:
	case PPP_AUTH_EAP_PASS:
		return "EAP";
	}
	return "?";
}

const char *ppp_proto_name(uint16_t num)
{
	const struct ppp_proto *pr = proto_find(num);

	return pr ? pr->name : num == PPP_COMP ? "MPPE" : "?";
}

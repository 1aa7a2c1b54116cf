/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvert-firewall: one firewall request on standard input, one nft
 * transaction, exit.  netd runs it, with CAP_NET_ADMIN.  It is a program of
 * its own so that a big library that parses text is never in a process that
 * lives on, and so that a crash in it leaves the rules as they were.
 *
 * Exit status: 0 done, 1 refused (the reason is on standard error), 2 wrong usage.
 */
#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fwreq.h"
#include "base/util.h"
#include "base/wr.h"
#include "firewall/ruleset.h"

/* Exactly one request, then the end. */
static bool read_request(struct fwreq *ret)
{
	uint8_t more, *at = (uint8_t *)ret;
	size_t left = sizeof(*ret);

	while (left) {
		ssize_t n = read(STDIN_FILENO, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		left -= (size_t)n;
	}
	return read(STDIN_FILENO, &more, 1) == 0;
}

int main(int argc, char **argv)
{
	static char text[RULESET_MAX];
	static struct fwreq req;
	struct wr w = wr_of(text, sizeof(text));
	struct nft_ctx *nft;
	const char *why;

	if (argc != 1) {
		fprintf(stderr, "usage: %s < request (culvertd's netd runs this)\n", argv[0]);
		return 2;
	}
	if (!read_request(&req)) {
		fprintf(stderr, "the request is not %zu bytes long\n", sizeof(req));
		return 1;
	}
	why = fwreq_check(&req);
	if (why) {
		fprintf(stderr, "refused: %s\n", why);
		return 1;
	}
	ruleset_build(&req, &w);
	wr_u8(&w, 0);
	if (w.bad) {
		fprintf(stderr, "the ruleset is too long\n");
		return 1;
	}
	nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft) {
		fprintf(stderr, "libnftables does not start\n");
		return 1;
	}
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, text)) {
		fputs(nft_ctx_get_error_buffer(nft), stderr);
		nft_ctx_free(nft);
		return 1;
	}
	nft_ctx_free(nft);
	return 0;
}

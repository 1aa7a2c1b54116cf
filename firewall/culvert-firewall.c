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

static bool read_bytes(void *ret, size_t left)
{
	uint8_t *at = ret;

	while (left) {
		ssize_t n = read(STDIN_FILENO, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		left -= (size_t)n;
	}
	return true;
}

static bool at_end(void)
{
	uint8_t more;

	return read(STDIN_FILENO, &more, 1) == 0;
}

static int refuse(const char *why)
{
	fprintf(stderr, "refused: %s\n", why);
	return 1;
}

static int run(const char *text)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int status = 0;

	if (!nft) {
		fprintf(stderr, "libnftables does not start\n");
		return 1;
	}
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, text)) {
		fputs(nft_ctx_get_error_buffer(nft), stderr);
		status = 1;
	}
	nft_ctx_free(nft);
	return status;
}

int main(int argc, char **argv)
{
	static struct fwreq req;
	struct fwreq_member *member;
	const char *why;
	struct wr w;
	size_t max;
	char *text;

	if (argc != 1) {
		fprintf(stderr, "usage: %s < request (culvertd's netd runs this)\n", argv[0]);
		return 2;
	}
	if (!read_bytes(&req, sizeof(req)))
		return refuse("the request is too short");
	why = fwreq_check(&req);
	if (why)
		return refuse(why);
	/* For the process's whole life. */
	member = calloc(req.n_member + 1, sizeof(*member));
	max = RULESET_MAX + (size_t)req.n_member * RULESET_MEMBER_MAX;
	text = malloc(max);
	if (!member || !text)
		return refuse("out of memory");
	if (!read_bytes(member, req.n_member * sizeof(*member)) || !at_end())
		return refuse("the request is of another length than it says");
	why = fwreq_check_members(&req, member);
	if (why)
		return refuse(why);
	w = wr_of(text, max);
	ruleset_build(&req, member, &w);
	wr_u8(&w, 0);
	if (w.bad)
		return refuse("the ruleset is too long");
	return run(text);
}

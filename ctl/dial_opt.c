/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of culvert-dial. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl/dial.h"

enum opt {
	OPT_FROM = 256, OPT_INNER, OPT_FORCE_NATT, OPT_TUN, OPT_TARGET, OPT_PING, OPT_SOURCE, OPT_SIZE, OPT_TIMEOUT,
	OPT_HOLD, OPT_VANISH, OPT_WRONG, OPT_LOSS, OPT_DUP, OPT_REORDER, OPT_REPLAY, OPT_MAX_OUTAGE, OPT_FLOOD, OPT_FLOOD_RATE,
	OPT_TIME, OPT_SEED, OPT_IKE, OPT_ESP, OPT_REUSE_DH, OPT_MRU, OPT_BURST, OPT_RING, OPT_AGAIN, OPT_STATS, OPT_MPPE,
	OPT_STOP_AFTER, OPT_AUTH, OPT_MANNER, OPT_GROUP, OPT_PFS, OPT_ASK, OPT_SECRET, OPT_HIDE, OPT_SEQUENCE, OPT_NUMBER,
	OPT_NO_IPSEC, OPT_PORT, OPT_RAW_ESP, OPT_XAUTH, OPT_SKIP_LOGIN,
	OPT_LOSE_QUICK, OPT_REKEY, OPT_REKEY_ESP, OPT_REAUTH, OPT_MOVE, OPT_OVERLAP, OPT_INITIAL_CONTACT,
};

enum { EXIT_USAGE = 2, SIZE_MAX_INNER = 1472 };

static const struct option options[] = {
	{ "from", required_argument, NULL, OPT_FROM },
	{ "inner", required_argument, NULL, OPT_INNER },
	{ "force-natt", no_argument, NULL, OPT_FORCE_NATT },
	{ "raw-esp", no_argument, NULL, OPT_RAW_ESP },
	{ "initial-contact", no_argument, NULL, OPT_INITIAL_CONTACT },
	{ "no-ipsec", no_argument, NULL, OPT_NO_IPSEC },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "xauth", no_argument, NULL, OPT_XAUTH },
	{ "skip-login", no_argument, NULL, OPT_SKIP_LOGIN },
	{ "tun", required_argument, NULL, OPT_TUN },
	{ "target", required_argument, NULL, OPT_TARGET },
	{ "ping", required_argument, NULL, OPT_PING },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "vanish-after", required_argument, NULL, OPT_VANISH },
	{ "wrong-password", no_argument, NULL, OPT_WRONG },
	{ "loss", required_argument, NULL, OPT_LOSS },
	{ "lose-quick", required_argument, NULL, OPT_LOSE_QUICK },
	{ "dup", required_argument, NULL, OPT_DUP },
	{ "reorder", required_argument, NULL, OPT_REORDER },
	{ "replay", no_argument, NULL, OPT_REPLAY },
	{ "rekey", required_argument, NULL, OPT_REKEY },
	{ "rekey-esp", required_argument, NULL, OPT_REKEY_ESP },
	{ "reauth", required_argument, NULL, OPT_REAUTH },
	{ "move", required_argument, NULL, OPT_MOVE },
	{ "overlap", required_argument, NULL, OPT_OVERLAP },
	{ "max-outage", required_argument, NULL, OPT_MAX_OUTAGE },
	{ "flood", required_argument, NULL, OPT_FLOOD },
	{ "flood-rate", required_argument, NULL, OPT_FLOOD_RATE },
	{ "time", no_argument, NULL, OPT_TIME },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "ike", required_argument, NULL, OPT_IKE },
	{ "esp", required_argument, NULL, OPT_ESP },
	{ "reuse-dh", no_argument, NULL, OPT_REUSE_DH },
	{ "mru", required_argument, NULL, OPT_MRU },
	{ "burst", required_argument, NULL, OPT_BURST },
	{ "ring", required_argument, NULL, OPT_RING },
	{ "again", required_argument, NULL, OPT_AGAIN },
	{ "ask", required_argument, NULL, OPT_ASK },
	{ "auth", required_argument, NULL, OPT_AUTH },
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "manner", required_argument, NULL, OPT_MANNER },
	{ "pfs", required_argument, NULL, OPT_PFS },
	{ "stop-after", required_argument, NULL, OPT_STOP_AFTER },
	{ "stats", no_argument, NULL, OPT_STATS },
	{ "tunnel-secret", required_argument, NULL, OPT_SECRET },
	{ "hide", no_argument, NULL, OPT_HIDE },
	{ "sequence", no_argument, NULL, OPT_SEQUENCE },
	{ "calling-number", required_argument, NULL, OPT_NUMBER },
	{ "mppe", required_argument, NULL, OPT_MPPE },
	{ 0 },
};

static void usage(void) __attribute__((noreturn));
static void usage(void)
{
	fprintf(stderr,
		"usage: culvert-dial [-v] -s server -k psk|@file -u user -p password|@file\n"
		"       culvert-dial [-v] -s server --no-ipsec [--port number] -u user -p password|@file\n"
		"       culvert-dial [-v] -s server --xauth [--skip-login] -k psk|@file -u user -p password|@file\n"
		"           [-n sessions] [-r rate] [-w window] [--from prefix] [--inner address]\n"
		"           [--auth pap|chap|mschapv2|eap|eap-md5] [--ike suite,...] [--group group] [--esp suite,...] [--pfs group]\n"
		"           [--manner own|racoon|windows] [--tunnel-secret secret|@file] [--hide] [--sequence]\n"
		"           [--calling-number number]\n"
		"           [--reuse-dh] [--mru bytes] [--ask address]\n"
		"           [--mppe yes|required[,40][,56][,128][,stateful][,stateless]]\n"
		"           [--hold s] [--vanish-after s] [--again n] [--timeout s] [--time] [--stats]\n"
		"           [--rekey s] [--rekey-esp suite] [--reauth s] [--overlap ms] [--move s]\n"
		"           [--tun name] [--ping ms] [--max-outage ms] [--target address] [--size bytes]\n"
		"           [--source packets/s] [--burst packets] [--ring packets]\n"
		"           [--loss %%] [--lose-quick %%] [--dup %%] [--reorder %%] [--seed n] [--replay]\n"
		"           [--wrong-password] [--force-natt] [--raw-esp] [--initial-contact]\n"
		"           [--flood ike|l2tp|ppp] [--flood-rate packets/s] [--stop-after ike]\n");
	exit(EXIT_USAGE);
}

static void bad_usage(const char *what, const char *arg) __attribute__((noreturn));
static void bad_usage(const char *what, const char *arg)
{
	fprintf(stderr, "culvert-dial: %s: %s\n", what, arg);
	exit(EXIT_USAGE);
}

/* ---- options ---- */

static unsigned number(const char *arg, unsigned min, unsigned max)
{
	uint64_t v;

	if (!parse_uint(arg, min, max, &v))
		bad_usage("no number, or out of range", arg);
	return (unsigned)v;
}

static double percent(const char *arg)
{
	char *end;
	double v = strtod(arg, &end);

	if (end == arg || *end || !(v >= 0 && v <= 100))
		bad_usage("no percentage", arg);
	return v / 100;
}

static uint32_t address(const char *arg)
{
	struct addr a;

	if (!addr_parse(arg, 0, &a) || a.family != 4)
		bad_usage("no IPv4 address", arg);
	return addr_v4_of(&a);
}

/* Outside, either family. */
static struct addr outer_address(const char *arg)
{
	struct addr a;

	if (!addr_parse(arg, 0, &a))
		bad_usage("no address", arg);
	return a;
}

static struct addr server_address(const char *arg)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM }, *res;
	struct addr a;
	int err = getaddrinfo(arg, NULL, &hints, &res);

	if (err)
		bad_usage(gai_strerror(err), arg);
	a = addr_from_sa(res->ai_addr);
	freeaddrinfo(res);
	return a;
}

/* The first and the last address of a prefix of more than two are left out. */
static void prefix(struct dial_conf *c, const char *arg)
{
	enum { HOST_BITS_MAX = 24 };	/* so many addresses are enough for anybody */
	char ip[ADDR_STRLEN];
	const char *slash = strchr(arg, '/');
	unsigned all, host;
	uint32_t size;

	snprintf(ip, sizeof(ip), "%.*s", slash ? (int)(slash - arg) : 40, arg);
	c->from = outer_address(ip);
	all = c->from.family == 6 ? 128 : 32;
	host = all - (slash ? number(slash + 1, all == 128 ? 64 : 8, all) : all);
	size = 1u << MIN(host, (unsigned)HOST_BITS_MAX);
	if (size > 2) {
		c->from = addr_nth(&c->from, 1 - (addr_low(&c->from) & (size - 1)));
		size -= 2;
	}
	c->from_n = size;
}

/* The argument itself, or the first line of the file that it names behind '@'. */
static void secret(char *dst, size_t cap, char *arg)
{
	FILE *f;

	if (arg[0] != '@') {
		if (!str_copy(dst, cap, arg))
			bad_usage("too long", "a secret");
		memset(arg, '*', strlen(arg));	/* not for ps(1) */
		return;
	}
	f = fopen(arg + 1, "re");
	if (!f)
		bad_usage(arg + 1, strerror(errno));
	if (!fgets(dst, (int)cap, f))
		bad_usage(arg + 1, "empty");
	fclose(f);
	dst[strcspn(dst, "\r\n")] = '\0';
}

static uint8_t group(const char *arg)
{
	uint8_t g = ike_group_parse(arg);

	if (!g)
		bad_usage("no such group", arg);
	return g;
}

/* One method; the server must offer it, or fall back on it. */
static uint8_t auth(const char *arg)
{
	if (!strcmp(arg, "pap"))
		return PPP_AUTH_PAP;
	if (!strcmp(arg, "chap"))
		return PPP_AUTH_CHAP_MD5;
	if (!strcmp(arg, "eap"))
		return PPP_AUTH_EAP_MSCHAPV2;
	if (!strcmp(arg, "eap-md5"))
		return PPP_AUTH_EAP_MD5;
	if (strcmp(arg, "mschapv2"))
		bad_usage("no such authentication method", arg);
	return PPP_AUTH_MSCHAPV2;
}

/* "required,128,stateful": whether, then key lengths and states; all of a kind where none is named. */
static void mppe(struct dial_conf *c, const char *arg)
{
	static const struct { const char *word; uint32_t bit; } words[] = {
		{ "40", MPPE_40 }, { "56", MPPE_56 }, { "128", MPPE_128 }, { "stateless", MPPE_STATELESS },
	};
	char text[80], *at, *word;
	bool any = false;

	if (strlen(arg) >= sizeof(text))
		bad_usage("no such kind of MPPE", arg);
	strcpy(text, arg);
	word = strtok_r(text, ",", &at);
	c->mppe = word && !strcmp(word, "yes") ? PPP_MPPE_YES : PPP_MPPE_REQUIRED;
	if (!word || (c->mppe != PPP_MPPE_YES && strcmp(word, "required")))
		bad_usage("no such kind of MPPE", arg);
	c->mppe_bits = 0;
	c->mppe_stateful = false;
	while ((word = strtok_r(NULL, ",", &at))) {
		any = !strcmp(word, "stateful");
		c->mppe_stateful |= any;
		for (size_t i = 0; i < N_ELEMENTS(words) && !any; i++) {
			if (!strcmp(word, words[i].word)) {
				c->mppe_bits |= words[i].bit;
				any = true;
			}
		}
		if (!any)
			bad_usage("no such kind of MPPE", arg);
	}
	if (!(c->mppe_bits & MPPE_KEYS))
		c->mppe_bits |= MPPE_KEYS;
	if (!(c->mppe_bits & MPPE_STATELESS) && !c->mppe_stateful) {
		c->mppe_bits |= MPPE_STATELESS;
		c->mppe_stateful = true;
	}
}

static void option_long(struct dial_conf *c, int o, char *arg)
{
	static const char *const floods[] = { "none", "ike", "l2tp", "ppp" };

	switch (o) {
	case OPT_FROM:
		prefix(c, arg);
		break;
	case OPT_INNER:
		c->inner = outer_address(arg);
		break;
	case OPT_RAW_ESP:
		c->raw_esp = true;
		break;
	case OPT_FORCE_NATT:
		c->force_natt = true;
		break;
	case OPT_INITIAL_CONTACT:
		c->initial_contact = true;
		break;
	case OPT_NO_IPSEC:
		c->plain = true;
		break;
	case OPT_XAUTH:
		c->xauth = true;
		break;
	case OPT_SKIP_LOGIN:
		c->skip_login = true;
		break;
	case OPT_PORT:
		c->port = (uint16_t)number(arg, 1, UINT16_MAX);
		break;
	case OPT_TUN:
		c->tun = arg;
		break;
	case OPT_TARGET:
		c->target = address(arg);
		break;
	case OPT_PING:
		c->ping_ms = number(arg, 5, 3600000);
		break;
	case OPT_SOURCE:
		c->source_pps = number(arg, 1, 100000000);
		break;
	case OPT_BURST:
		c->burst = number(arg, 1, BURST_MAX);
		break;
	case OPT_RING:
		c->ring = number(arg, 1, 100000000);
		break;
	case OPT_SIZE:
		c->size = number(arg, 0, SIZE_MAX_INNER);
		break;
	case OPT_MRU:
		c->mru = (uint16_t)number(arg, PPP_MRU_MIN, PPP_MRU_DEFAULT);
		break;
	case OPT_AGAIN:
		c->again = number(arg, 0, 10000);
		break;
	case OPT_STATS:
		c->stats = true;
		break;
	case OPT_IKE:
		if (!ike_main_offers_parse(arg, &c->main))
			bad_usage("no such suite, or too many", arg);
		break;
	case OPT_ESP:
		if (!ike_quick_offers_parse(arg, &c->quick))
			bad_usage("no such suite, or too many", arg);
		break;
	case OPT_MANNER:
		if (ike_manner_parse(arg) < 0)
			bad_usage("no such manner", arg);
		c->manner = (uint8_t)ike_manner_parse(arg);
		break;
	case OPT_REUSE_DH:
		c->reuse_dh = true;
		break;
	case OPT_TIMEOUT:
		c->timeout_s = number(arg, 1, 3600);
		break;
	case OPT_HOLD:
		c->hold_s = number(arg, 0, 86400);
		break;
	case OPT_VANISH:
		c->vanish = true;
		c->vanish_s = number(arg, 0, 86400);
		break;
	case OPT_WRONG:
		c->wrong_password = true;
		break;
	case OPT_LOSS:
		c->loss = percent(arg);
		break;
	case OPT_LOSE_QUICK:
		c->lose_quick = percent(arg);
		break;
	case OPT_DUP:
		c->dup = percent(arg);
		break;
	case OPT_REORDER:
		c->reorder = percent(arg);
		break;
	case OPT_REPLAY:
		c->replay = true;
		break;
	case OPT_REKEY:
		c->rekey_s = number(arg, 1, 86400);
		break;
	case OPT_REKEY_ESP:
		if (!ike_quick_offers_parse(arg, &c->rekey_suite))
			bad_usage("no such suite", arg);
		break;
	case OPT_REAUTH:
		c->reauth_s = number(arg, 1, 86400);
		break;
	case OPT_MOVE:
		c->move_s = number(arg, 1, 86400);
		break;
	case OPT_OVERLAP:
		c->overlap_ms = number(arg, 0, 600000);
		break;
	case OPT_MAX_OUTAGE:
		c->has_max_outage = true;
		c->max_outage_ms = number(arg, 0, 3600000);
		break;
	case OPT_FLOOD:
		for (unsigned i = FLOOD_IKE; i < N_ELEMENTS(floods); i++)
			if (!strcmp(arg, floods[i]))
				c->flood = i;
		if (!c->flood)
			bad_usage("no such flood", arg);
		break;
	case OPT_FLOOD_RATE:
		c->flood_pps = number(arg, 1, 1000000);
		break;
	case OPT_TIME:
		c->each = true;
		break;
	case OPT_SEED:
		c->has_seed = true;
		c->seed = number(arg, 0, UINT32_MAX);
		break;
	case OPT_SECRET:
		secret(c->tunnel_secret, sizeof(c->tunnel_secret), arg);
		break;
	case OPT_HIDE:
		c->hide = true;
		break;
	case OPT_SEQUENCE:
		c->sequencing = true;
		break;
	case OPT_NUMBER:
		if (!str_copy(c->calling_number, sizeof(c->calling_number), arg))
			bad_usage("longer than 64 bytes", "--calling-number");
		break;
	case OPT_ASK:
		c->ask = address(arg);
		break;
	case OPT_AUTH:
		c->auth = auth(arg);
		break;
	case OPT_MPPE:
		mppe(c, arg);
		break;
	case OPT_GROUP:
		c->main_group = group(arg);
		break;
	case OPT_PFS:
		c->quick_group = group(arg);
		break;
	case OPT_STOP_AFTER:
		if (strcmp(arg, "ike"))
			bad_usage("only after ike", arg);
		c->stop_ike = true;
		break;
	default:
		usage();
	}
}

void options_read(struct dial_conf *c, int argc, char **argv)
{
	bool psk = false, password = false, hold = false;
	int o;

	*c = (struct dial_conf){
		.sessions = 1, .port = 1701, .overlap_ms = 2000, .window = 64, .timeout_s = 60, .size = 32, .flood_pps = 1000,
		.mru = 1400, .burst = 1,
		/* EAP only when asked for: SoftEther offers it first, and means TLS. */
		.auth = PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAPV2,
	};
	while ((o = getopt_long(argc, argv, "s:k:u:p:n:r:vw:", options, NULL)) != -1) {
		switch (o) {
		case 's':
			c->server = server_address(optarg);
			break;
		case 'k':
			secret(c->psk, sizeof(c->psk), optarg);
			psk = true;
			break;
		case 'u':
			c->user = optarg;
			break;
		case 'p':
			secret(c->password, sizeof(c->password), optarg);
			password = true;
			break;
		case 'n':
			c->sessions = number(optarg, 1, 100000);
			break;
		case 'r':
			c->rate = number(optarg, 0, 100000);
			break;
		case 'v':
			c->verbose = true;
			break;
		case 'w':
			c->window = number(optarg, 0, 100000);
			break;
		default:
			hold |= o == OPT_HOLD;
			option_long(c, o, optarg);
		}
	}
	if (optind != argc || !c->server.family || psk == c->plain || !c->user || !password)
		usage();
	if (c->plain && (c->ring || c->stop_ike || c->replay || c->force_natt || c->raw_esp || c->inner.family ||
	    c->initial_contact || c->rekey_s || c->reauth_s || c->move_s || c->flood == FLOOD_IKE))
		bad_usage("an option that is about IPsec", "--no-ipsec");
	if (c->xauth && (c->plain || c->ring || c->ask || c->mppe || c->sequencing || c->hide || c->tunnel_secret[0] ||
	    c->calling_number[0] || c->flood == FLOOD_L2TP || c->flood == FLOOD_PPP))
		bad_usage("an option that is about L2TP or PPP, or --ring", "--xauth");
	/* Nobody is at an inside address of the server's that XAuth would tell. */
	if (c->xauth && !c->target && (c->ping_ms || c->source_pps))
		bad_usage("needs --target", "--xauth");
	if (c->skip_login && !c->xauth)
		bad_usage("only with --xauth", "--skip-login");
	if (c->raw_esp && c->force_natt)
		bad_usage("not with --force-natt", "--raw-esp");
	if (c->from.family && c->from.family != c->server.family)
		bad_usage("not of the server's family", "--from");
	if (c->inner.family && c->inner.family != c->server.family)
		bad_usage("not of the server's family", "--inner");
	if (c->port != 1701 && !c->plain)
		bad_usage("only with --no-ipsec", "--port");
	if (c->ring && !c->source_pps)
		bad_usage("only with --source", "--ring");
	if (c->ring && c->sequencing)
		bad_usage("not with --ring", "--sequence");
	if (c->hide && !c->tunnel_secret[0])
		bad_usage("only with --tunnel-secret", "--hide");
	if (c->ring && c->mppe)
		bad_usage("not with --mppe", "--ring");
	if (c->ring && (c->rekey_s || c->reauth_s))
		bad_usage("not with --rekey or --reauth", "--ring");
	if (c->again && c->tun)
		bad_usage("not with --tun", "--again");
	if (c->stop_ike && (c->tun || c->ping_ms || c->source_pps || c->flood))
		bad_usage("there is no tunnel to use", "--stop-after ike");
	if (c->flood == FLOOD_IKE)
		c->window = 0;
	if (c->tun && !hold)
		c->hold_s = UINT32_MAX;
}

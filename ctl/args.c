/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/args.h"

#include <string.h>
#include <strings.h>

#include "l2tpd/users.h"

/* A word that may stand at some place, or, with take, the name of what follows. */
struct word {
	const char *name;
	size_t min;			/* fewest letters that mean it */
	int value;
	bool (*take)(struct ctl_cmd *, const char *arg);
	const char *hint;		/* for the argument of take */
};

/* The words that may stand at one place. */
struct place {
	const struct word *w;
	unsigned n;
	bool may_end;			/* or nothing more */
};

struct args {
	char *const *argv;
	int n;
	FILE *err;
};

static bool take_ppp_id(struct ctl_cmd *c, const char *arg)
{
	uint64_t v;

	if (!parse_uint(arg, 0, UINT32_MAX, &v))
		return false;
	c->filter.ppp_id = (uint32_t)v;
	c->filter.has_ppp_id = true;
	return true;
}

static bool take_address(struct ctl_cmd *c, const char *arg)
{
	return addr_parse(arg, 0, &c->filter.address);
}

static bool take_interface(struct ctl_cmd *c, const char *arg)
{
	c->filter.interface = arg;
	return true;
}

static bool take_protocol(struct ctl_cmd *c, const char *arg)
{
	static const struct {
		const char *name;
		enum ctl_protocol p;
	} all[] = {
		{ "l2tp", CTL_PROTO_L2TP }, { "ipsec", CTL_PROTO_IPSEC }, { "pptp", CTL_PROTO_PPTP },
		{ "pppoe", CTL_PROTO_PPPOE }, { "sstp", CTL_PROTO_SSTP },
	};

	for (size_t i = 0; i < N_ELEMENTS(all); i++) {
		if (!strcasecmp(arg, all[i].name)) {
			c->filter.protocol = all[i].p;
			return true;
		}
	}
	return false;
}

static bool take_realm(struct ctl_cmd *c, const char *arg)
{
	c->filter.realm = arg;
	return true;
}

static bool take_username(struct ctl_cmd *c, const char *arg)
{
	c->filter.username = arg;
	return true;
}

/* ---- of users: checked here as far as it is no matter of the file ---- */

static bool take_name(struct ctl_cmd *c, const char *arg)
{
	c->user.name = arg;
	return !users_name_fault(arg, strlen(arg));
}

static bool take_stdin(struct ctl_cmd *c, const char *arg)
{
	c->user.from_stdin = true;
	return true;
}

static bool take_generate(struct ctl_cmd *c, const char *arg)
{
	c->user.from_stdin = false;
	return true;
}

static bool take_store(struct ctl_cmd *c, const char *arg)
{
	static const char *const names[] = {
		[CTL_STORE_PASSWORD] = "password", [CTL_STORE_NT_HASH] = "nt-hash", [CTL_STORE_CRYPT] = "crypt",
	};

	for (unsigned i = 0; i < N_ELEMENTS(names); i++) {
		if (!strcmp(arg, names[i])) {
			c->user.store = (enum ctl_store)i;
			return true;
		}
	}
	return false;
}

static bool take_expires(struct ctl_cmd *c, const char *arg)
{
	int64_t t;

	c->user.expires = arg;
	return users_parse_expiry(arg, &t);
}

static bool take_max_session(struct ctl_cmd *c, const char *arg)
{
	uint64_t n;

	c->user.max_session = arg;
	return parse_uint(arg, 0, UINT32_MAX, &n);
}

static bool take_ip(struct ctl_cmd *c, const char *arg)
{
	struct addr a;

	c->user.framed_ip_address = arg;
	return addr_parse(arg, 0, &a) && a.family == 4;
}

static bool take_net(struct ctl_cmd *c, const char *arg)
{
	struct addr a;

	c->user.framed_ip_network = arg;
	return addr_parse(arg, 0, &a) && a.family == 4;
}

static bool take_number(struct ctl_cmd *c, const char *arg)
{
	c->user.calling_number = arg;
	return *arg != '\0';
}

enum { SESSION, CLEAR, STATUS, RELOAD, USER };

/* npppctl has no `status`: what `s` means there it means here, so `status` wants two letters. */
static const struct word commands[] = {
	{ .name = "session", .value = SESSION },
	{ .name = "clear", .value = CLEAR },
	{ .name = "status", .min = 2, .value = STATUS },
	{ .name = "reload", .value = RELOAD },
	{ .name = "user", .value = USER },
};

static const struct word session_words[] = {
	{ .name = "brief", .value = CTL_SESSION_BRIEF },
	{ .name = "packets", .value = CTL_SESSION_PACKETS },
	{ .name = "all", .value = CTL_SESSION_ALL },
};

/* `all` stands first: the filters alone are the rest. */
static const struct word clear_words[] = {
	{ .name = "all" },
	{ .name = "ppp-id", .take = take_ppp_id, .hint = "<ppp-id>" },
	{ .name = "address", .take = take_address, .hint = "<address>" },
	{ .name = "interface", .take = take_interface, .hint = "<interface>" },
	{ .name = "protocol", .take = take_protocol, .hint = "[ pppoe | l2tp | pptp | sstp ]" },
	{ .name = "realm", .take = take_realm, .hint = "<realm>" },
	{ .name = "username", .take = take_username, .hint = "<username>" },
};

static const struct word user_words[] = {
	{ .name = "add", .value = CTL_USER_ADD },
	{ .name = "del", .value = CTL_USER_DEL },
	{ .name = "passwd", .value = CTL_USER_PASSWD },
	{ .name = "enable", .value = CTL_USER_ENABLE },
	{ .name = "disable", .value = CTL_USER_DISABLE },
	{ .name = "list", .value = CTL_USER_LIST },
	{ .name = "show", .value = CTL_USER_SHOW },
};

/* For a password, and then for a new user. */
static const struct word password_words[] = {
	{ .name = "generate", .take = take_generate },
	{ .name = "stdin", .take = take_stdin },
	{ .name = "store", .take = take_store, .hint = "[ password | nt-hash | crypt ]" },
	{ .name = "expires", .take = take_expires, .hint = "<YYYY-MM-DD> or <YYYY-MM-DDTHH:MM>, with Z for UTC" },
	{ .name = "max-session", .take = take_max_session, .hint = "<number>" },
	{ .name = "framed-ip-address", .take = take_ip, .hint = "<address>" },
	{ .name = "framed-ip-network", .take = take_net, .hint = "<netmask>" },
	{ .name = "calling-number", .take = take_number, .hint = "<number>" },
};

enum { PASSWORD_WORDS = 3 };

static const struct word name_word = { .name = "name", .take = take_name, .hint = "<name>" };

static const struct place
	at_command = { commands, N_ELEMENTS(commands), false },
	at_session = { session_words, N_ELEMENTS(session_words), false },
	at_clear = { clear_words, N_ELEMENTS(clear_words), false },
	at_filter = { clear_words + 1, N_ELEMENTS(clear_words) - 1, true },
	at_user = { user_words, N_ELEMENTS(user_words), false },
	at_passwd = { password_words, PASSWORD_WORDS, true },
	at_add = { password_words, N_ELEMENTS(password_words), true };

static const char *next_arg(struct args *a)
{
	if (!a->n)
		return NULL;
	a->n--;
	return *a->argv++;
}

static void complain(FILE *err, const char *arg, unsigned matches)
{
	if (!arg)
		fputs("missing argument:\n", err);
	else
		fprintf(err, "%s argument: %s\n", matches > 1 ? "ambiguous" : "unknown", arg);
	fputs("valid commands/args:\n", err);
}

/* The one word of p that the next argument begins, or NULL. */
static const struct word *pick(struct args *a, const struct place *p)
{
	const char *arg = next_arg(a);
	const struct word *found = NULL;
	unsigned matches = 0;

	for (unsigned i = 0; arg && i < p->n; i++) {
		size_t len = strlen(arg);

		if (len >= p->w[i].min && !strncmp(arg, p->w[i].name, len)) {
			found = &p->w[i];
			matches++;
		}
	}
	if (matches == 1)
		return found;
	complain(a->err, arg, matches);
	if (p->may_end)
		fputs("  <cr>\n", a->err);
	for (unsigned i = 0; i < p->n; i++)
		fprintf(a->err, "  %s\n", p->w[i].name);
	return NULL;
}

/* The argument of the word w, if it has one. */
static bool take(struct args *a, const struct word *w, struct ctl_cmd *cmd)
{
	const char *arg = w->hint ? next_arg(a) : "";

	if (arg && w->take(cmd, arg))
		return true;
	complain(a->err, arg, 0);
	fprintf(a->err, "  %s\n", w->hint);
	return false;
}

/* Words of p, and what follows each, up to the end. */
static bool take_all(struct args *a, const struct place *p, struct ctl_cmd *cmd)
{
	while (a->n) {
		const struct word *w = pick(a, p);

		if (!w || !take(a, w, cmd))
			return false;
	}
	return true;
}

static bool parse_session(struct args *a, struct ctl_cmd *cmd)
{
	const struct word *w = pick(a, &at_session);

	if (!w)
		return false;
	cmd->verb = (enum ctl_verb)w->value;
	return cmd->verb != CTL_SESSION_ALL || take_all(a, &at_filter, cmd);
}

static bool parse_clear(struct args *a, struct ctl_cmd *cmd)
{
	const struct word *w = pick(a, &at_clear);

	if (!w)
		return false;
	cmd->verb = CTL_CLEAR;
	return !w->take || (take(a, w, cmd) && take_all(a, &at_filter, cmd));
}

static bool parse_user(struct args *a, struct ctl_cmd *cmd)
{
	const struct word *w = pick(a, &at_user);

	if (!w)
		return false;
	cmd->verb = (enum ctl_verb)w->value;
	if (cmd->verb == CTL_USER_LIST)
		return true;
	if (!take(a, &name_word, cmd))
		return false;
	if (cmd->verb == CTL_USER_ADD)
		return take_all(a, &at_add, cmd);
	return cmd->verb != CTL_USER_PASSWD || take_all(a, &at_passwd, cmd);
}

bool args_parse(int argc, char *const argv[], FILE *err, struct ctl_cmd *ret)
{
	struct args a = { .argv = argv, .n = argc, .err = err };
	struct ctl_cmd cmd = { .verb = CTL_STATUS };
	const struct word *w = pick(&a, &at_command);

	if (!w || (w->value == SESSION && !parse_session(&a, &cmd)) ||
	    (w->value == CLEAR && !parse_clear(&a, &cmd)) || (w->value == USER && !parse_user(&a, &cmd)))
		return false;
	if (a.n) {
		fprintf(err, "superfluous argument: %s\n", a.argv[0]);
		return false;
	}
	if (w->value == RELOAD)
		cmd.verb = CTL_RELOAD;
	*ret = cmd;
	return true;
}

/* Is the text want, or its escaped form, what stands in a field of a row? */
static bool text_is(const char *want, const char *field, size_t cap)
{
	char esc[4 * 256];
	size_t len = strnlen(field, cap);

	if (strlen(want) == len && !memcmp(want, field, len))
		return true;
	if (strlen(want) >= sizeof(esc) / 4)
		return false;
	str_escape(esc, sizeof(esc), want, strlen(want));
	return strlen(esc) == len && !memcmp(esc, field, len);
}

bool filter_match(const struct ctl_filter *f, const struct sess_row *row)
{
	if (f->has_ppp_id && f->ppp_id != row->ppp_id)
		return false;
	/* Sessions have no IPv6 address yet, so one of those matches none. */
	if (f->address.family && (f->address.family != 4 || addr_v4_of(&f->address) != row->ip))
		return false;
	if (f->protocol != CTL_PROTO_ANY && f->protocol != (row->xauth ? CTL_PROTO_IPSEC : CTL_PROTO_L2TP))
		return false;
	if (f->interface && !text_is(f->interface, row->ifname, sizeof(row->ifname)))
		return false;
	if (f->realm && !text_is(f->realm, row->realm, sizeof(row->realm)))
		return false;
	return !f->username || text_is(f->username, row->user, sizeof(row->user));
}

bool filter_is_ppp_id(const struct ctl_filter *f)
{
	return f->has_ppp_id && !f->address.family && f->protocol == CTL_PROTO_ANY && !f->interface &&
	       !f->realm && !f->username;
}

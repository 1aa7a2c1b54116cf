/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_diff: what changed between two configurations, for a person.
 *
 * Both are printed in the canonical form, without secrets, and cut into items:
 * the object ("ipcp HOME"), the option ("dns-servers") and its value.  So a
 * keyword that conf_print() knows is compared without another word here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_merge.h"

struct item {
	char *object, *option, *value;	/* owned; option "": the object itself */
};

struct items {
	struct item *v;
	size_t n;
	bool failed;			/* out of memory */
};

static void items_free(struct items *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->v[i].object);
		free(all->v[i].option);
		free(all->v[i].value);
	}
	free(all->v);
	*all = (struct items){ 0 };
}

static struct item *find(const struct items *all, const char *object, const char *option)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->v[i].object, object) && !strcmp(all->v[i].option, option))
			return &all->v[i];
	return NULL;
}

/* One more value; an option that comes again has a list of them. */
static void add(struct items *all, const char *object, const char *option, const char *value)
{
	struct item *have = find(all, object, option), *more;
	char *list;

	if (all->failed)
		return;
	if (have) {
		if (asprintf(&list, "%s, %s", have->value, value) < 0) {
			all->failed = true;
			return;
		}
		free(have->value);
		have->value = list;
		return;
	}
	more = reallocarray(all->v, all->n + 1, sizeof(*more));
	if (!more) {
		all->failed = true;
		return;
	}
	all->v = more;
	more[all->n] = (struct item){ strdup(object), strdup(option), strdup(value) };
	all->failed = !more[all->n].object || !more[all->n].option || !more[all->n].value;
	all->n++;
}

/* ---- canonical text to lines ---- */

/* The next line, continued ones joined, without blanks in front; ended in place. NULL: no more. */
static char *line_next(char **text)
{
	char *r = *text + strspn(*text, " \t\n"), *line = r, *w = r;
	bool quoted = false;

	if (!*r)
		return NULL;
	for (; *r; r++) {
		if (*r == '\\' && r[1] == '"') {
			*w++ = *r++;
		} else if (*r == '"') {
			quoted = !quoted;
		} else if (*r == '\\' && r[1] == '\n' && !quoted) {
			/* One blank stands before it already. */
			r += 1 + strspn(r + 2, " \t");
			continue;
		} else if (*r == '\n' && !quoted) {
			r++;
			break;
		}
		*w++ = *r;
	}
	*text = r;
	*w = '\0';
	return line;
}

/* Cut the first word, or quoted string, off *rest. */
static char *word_next(char **rest)
{
	char *word = *rest + strspn(*rest, " "), *end = word;
	bool quoted = false;

	for (; *end && (quoted || *end != ' '); end++) {
		if (*end == '\\' && end[1] == '"')
			end++;
		else if (*end == '"')
			quoted = !quoted;
	}
	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* "interface NAME address A ipcp I", "tunnel NAME protocol l2tp": pairs behind the name. */
static void add_pairs(struct items *all, const char *object, char *rest)
{
	while (*rest) {
		const char *option = word_next(&rest), *value = word_next(&rest);

		if (*option)
			add(all, object, option, value);
	}
}

/* An option without a value is there, or not. */
static const char *said(const char *option, const char *value)
{
	return strcmp(option, "xauth") ? value : "yes";
}

/* "ike passive esp MODE from A to B …": the first half names it. */
static void add_ike(struct items *all, char *rest)
{
	static const char *const options[] = { "main", "quick", "srcid", "dstid", "xauth", "psk" };
	char object[256], value[512] = "";
	const char *mode, *from, *to, *option = "";

	(void)word_next(&rest);		/* passive */
	(void)word_next(&rest);		/* esp */
	mode = word_next(&rest);
	(void)word_next(&rest);		/* from */
	from = word_next(&rest);
	(void)word_next(&rest);		/* to */
	to = word_next(&rest);
	snprintf(object, sizeof(object), "ike esp %s from %s to %s", mode, from, to);
	add(all, object, "", "");
	while (*rest) {
		const char *word = word_next(&rest);
		size_t at = strlen(value);
		bool is_option = false;

		/* The last one's value may be a word like the others' names. */
		for (size_t i = 0; i < N_ELEMENTS(options) && strcmp(option, "psk"); i++)
			is_option = is_option || !strcmp(word, options[i]);
		if (!is_option) {
			snprintf(value + at, sizeof(value) - at, "%s%s", at ? " " : "", word);
			continue;
		}
		if (*option)
			add(all, object, option, said(option, value));
		option = word;
		value[0] = '\0';
	}
	if (*option)
		add(all, object, option, said(option, value));
}

static char *cut_brace(char *line)
{
	size_t n = strlen(line);

	if (n < 2 || strcmp(line + n - 2, " {"))
		return NULL;
	line[n - 2] = '\0';
	return line;
}

/* The lines of a block up to its brace; those of a block inside begin with its name. */
static void add_block(struct items *all, const char *object, const char *outer, char **text)
{
	char *line;

	while ((line = line_next(text)) && strcmp(line, "}")) {
		char option[256], *word, *rest = line;

		if (cut_brace(line)) {
			add_block(all, object, line, text);
			continue;
		}
		/* Of rules the order counts, whatever their first words are. */
		if (!strncmp(line, "pass ", 5) || !strncmp(line, "block ", 6)) {
			snprintf(option, sizeof(option), "%s%srules", outer, *outer ? " " : "");
			add(all, object, option, line);
			continue;
		}
		word = word_next(&rest);
		snprintf(option, sizeof(option), "%s%s%s", outer, *outer ? " " : "", word);
		add(all, object, option, *rest ? rest : "yes");	/* off */
	}
}

/* "radius dae listen on A port N", "radius dae client A secret …": several lines, one object. */
static void add_dae(struct items *all, char *rest)
{
	static const char object[] = "radius dae";
	char option[128];
	const char *word = word_next(&rest);

	if (!find(all, object, ""))
		add(all, object, "", "");
	snprintf(option, sizeof(option), "%s %s", word, strcmp(word, "client") ? "on" : word_next(&rest));
	if (!strcmp(option, "listen on"))
		(void)word_next(&rest);
	add(all, object, option, rest);
}

static void add_statement(struct items *all, char *line, char **text)
{
	static const char dae[] = "radius dae ";
	bool block = cut_brace(line) != NULL;
	char object[512], *rest = line, *word;

	if (!strncmp(line, dae, strlen(dae))) {
		add_dae(all, line + strlen(dae));
		return;
	}

	if (!strncmp(line, "bind ", 5)) {
		add(all, line, "", "");
		return;
	}
	word = word_next(&rest);
	if (!strcmp(word, "ike")) {
		add_ike(all, rest);
		return;
	}
	if (!strcmp(word, "set")) {
		word = word_next(&rest);
		add(all, "set", word, rest);
		return;
	}
	/* With a name, or one of its kind. */
	if (*rest)
		snprintf(object, sizeof(object), "%s %s", word, word_next(&rest));
	else
		snprintf(object, sizeof(object), "%s", word);
	add(all, object, "", "");
	add_pairs(all, object, rest);
	if (block)
		add_block(all, object, "", text);
}

/* ---- secrets: compared here, printed as one of two words ---- */

#define SAME "(secret)"
#define OTHER "(another secret)"

static void put_psk(struct conf_ike *k, const char *word)
{
	k->psk_len = (uint16_t)strlen(word);
	memcpy(k->psk, word, k->psk_len);
}

static void put_tunnel_secret(struct conf_tunnel *t, bool same)
{
	const char *word = same ? SAME : OTHER;

	t->l2tp_secret_len = (uint16_t)strlen(word);
	memcpy(t->l2tp_secret, word, t->l2tp_secret_len);
	if (!same)		/* the same file may hold another one now */
		memset(t->l2tp_secret_file, 0, sizeof(t->l2tp_secret_file));
}

static void put_secrets(struct conf_radius *ret, const struct conf_radius *r, const struct conf_radius *was)
{
	for (unsigned i = 0; i < r->n_server; i++) {
		bool same = !was || i >= was->n_server || !strcmp(r->server[i].secret, was->server[i].secret);

		(void)str_copy(ret->server[i].secret, CONF_SECRET_MAX, same ? SAME : OTHER);
	}
}

/* c without secrets, to be compared with that of was (NULL: c is the older one). */
static void mask(struct conf *ret, const struct conf *c, const struct conf *was)
{
	memcpy(ret, c, sizeof(*ret));
	conf_scrub(ret);
	for (unsigned i = 0; i < c->n_ike; i++) {
		const struct conf_ike *x = &c->ike[i];
		bool same = true;

		for (unsigned k = 0; was && k < was->n_ike; k++) {
			const struct conf_ike *y = &was->ike[k];

			if (conf_ike_same_ends(x, y) && x->tunnel_word == y->tunnel_word)
				same = x->psk_len == y->psk_len && !memcmp(x->psk, y->psk, x->psk_len);
		}
		put_psk(&ret->ike[i], same ? SAME : OTHER);
		if (!same)		/* the same file may hold another one now */
			memset(ret->ike[i].psk_file, 0, sizeof(ret->ike[i].psk_file));
	}
	for (unsigned i = 0; i < c->n_tunnel; i++) {
		const struct conf_tunnel *x = &c->tunnel[i], *y = x;

		for (unsigned k = 0; was && k < was->n_tunnel; k++)
			if (!strcmp(x->name, was->tunnel[k].name) && was->tunnel[k].l2tp_secret_len)
				y = &was->tunnel[k];
		if (!x->l2tp_secret_len && !x->l2tp_secret_file[0])
			continue;
		put_tunnel_secret(&ret->tunnel[i], x->l2tp_secret_len == y->l2tp_secret_len &&
			!memcmp(x->l2tp_secret, y->l2tp_secret, x->l2tp_secret_len));
	}
	for (unsigned i = 0; i < c->dae.n_client; i++) {
		bool same = true;

		for (unsigned k = 0; was && k < was->dae.n_client; k++)
			if (addr_ip_eq(&c->dae.client[i].addr, &was->dae.client[k].addr))
				same = !strcmp(c->dae.client[i].secret, was->dae.client[k].secret);
		(void)str_copy(ret->dae.client[i].secret, CONF_SECRET_MAX, same ? SAME : OTHER);
	}
	for (unsigned i = 0; i < c->n_auth; i++) {
		const struct conf_auth *a = NULL;

		for (unsigned k = 0; was && k < was->n_auth; k++)
			if (!strcmp(c->auth[i].name, was->auth[k].name))
				a = &was->auth[k];
		put_secrets(&ret->auth[i].radius_auth, &c->auth[i].radius_auth, a ? &a->radius_auth : NULL);
		put_secrets(&ret->auth[i].radius_acct, &c->auth[i].radius_acct, a ? &a->radius_acct : NULL);
	}
}

static bool items_of(const struct conf *c, const struct conf *was, struct items *ret)
{
	struct conf *bare = malloc(sizeof(*bare));
	char *text = NULL, *at, *line;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (bare && f) {
		mask(bare, c, was);
		conf_print(f, bare);
	}
	ret->failed = !bare || !f || ferror(f);
	if (f && fclose(f) != 0)
		ret->failed = true;
	at = text;
	while (!ret->failed && (line = line_next(&at)))
		add_statement(ret, line, &at);
	free(text);
	free(bare);
	return !ret->failed;
}

/* ---- differences ---- */

/* What only those see who connect after the change; all the rest counts for everybody at once. */
static const struct {
	const char *object, *option;	/* the object's first word; NULL: every option but those before */
	bool new_only;
} when[] = {
	{ "set", "max-session", true }, { "set", "user-max-session", true }, { "set", "proposals", true },
	{ "set", "dpd", true },
	{ "ike", NULL, true },
	{ "tunnel", "listen", false }, { "tunnel", "tcp-mss-adjust", false }, { "tunnel", "ingress-filter", false },
	{ "tunnel", "l2tp-require-ipsec", false }, { "tunnel", "debug-dump-pktin", false }, { "tunnel", "debug-dump-pktout", false },
	{ "tunnel", "l2tp-ctrl-in-pktdump", false }, { "tunnel", "l2tp-ctrl-out-pktdump", false },
	{ "tunnel", "l2tp-data-in-pktdump", false }, { "tunnel", "l2tp-data-out-pktdump", false },
	{ "tunnel", NULL, true },
	{ "ipcp", "pool-address", false }, { "ipcp", NULL, true }, { "ipv6cp", NULL, true },
	{ "interface", "address", true },
	{ "authentication", "users-file", false }, { "authentication", NULL, true },
};

static bool is_new_only(const struct item *i)
{
	size_t n = strcspn(i->object, " ");

	for (size_t k = 0; k < N_ELEMENTS(when); k++)
		if (strlen(when[k].object) == n && !strncmp(i->object, when[k].object, n) &&
		    (!when[k].option || !strcmp(when[k].option, i->option)))
			return when[k].new_only;
	return false;
}

struct diff {
	FILE *out;
	enum conf_diff_style style;
	int n;
};

/* On one line: the canonical form breaks a string that ends in a backslash. */
static void put_text(FILE *f, const char *s)
{
	for (; *s; s++)
		if (*s != '\n')
			putc(*s, f);
}

static void tell_object(struct diff *d, const char *what, const char *object)
{
	fprintf(d->out, "%s%s", d->style == CONF_DIFF_RESTART ? "needs a restart: " : "", what);
	put_text(d->out, object);
	putc('\n', d->out);
	d->n++;
}

static void tell_value(struct diff *d, const struct item *i, const char *from, const char *to)
{
	bool restart = d->style == CONF_DIFF_RESTART;

	fputs(restart ? "needs a restart: " : "changed: ", d->out);
	put_text(d->out, i->object);
	fprintf(d->out, "%s %s", strcmp(i->object, "set") ? ":" : "", i->option);
	if (strcmp(i->option, "psk")) {
		putc(' ', d->out);
		put_text(d->out, *from ? from : "(none)");
		fputs(" -> ", d->out);
		put_text(d->out, *to ? to : "(none)");
	}
	fputs(!restart && is_new_only(i) ? " (new sessions)\n" : "\n", d->out);
	d->n++;
}

/* Is the object in both?  "set" is one that is everywhere. */
static bool in_both(const struct items *a, const struct items *b, const struct item *i)
{
	return !strcmp(i->object, "set") || (find(a, i->object, "") && find(b, i->object, ""));
}

static void diff(struct diff *d, const struct items *a, const struct items *b)
{
	for (size_t k = 0; k < a->n; k++)
		if (!*a->v[k].option && !find(b, a->v[k].object, ""))
			tell_object(d, "removed: ", a->v[k].object);
	for (size_t k = 0; k < b->n; k++)
		if (!*b->v[k].option && !find(a, b->v[k].object, ""))
			tell_object(d, "added: ", b->v[k].object);
	for (size_t k = 0; k < a->n; k++) {
		const struct item *i = &a->v[k], *o = find(b, i->object, i->option);

		if (*i->option && in_both(a, b, i) && (!o || strcmp(i->value, o->value)))
			tell_value(d, i, i->value, o ? o->value : "");
	}
	for (size_t k = 0; k < b->n; k++) {
		const struct item *i = &b->v[k];

		if (*i->option && in_both(a, b, i) && !find(a, i->object, i->option))
			tell_value(d, i, "", i->value);
	}
}

int conf_diff(FILE *out, const struct conf *from, const struct conf *to, enum conf_diff_style style)
{
	struct items a = { 0 }, b = { 0 };
	struct diff d = { .out = out, .style = style };

	if (items_of(from, NULL, &a) && items_of(to, from, &b))
		diff(&d, &a, &b);
	else
		d.n = -ENOMEM;
	items_free(&a);
	items_free(&b);
	return d.n;
}

/*
 * matrix.h - the dimensions of a login, and what has to come of one.
 *
 * The rules are PostgreSQL's and PgBouncer's, in the order in which a login
 * meets them: the rule for the client, its certificate, what it is asked for,
 * libpq's own demands, its proof, and what the server wants of the pooler.
 */
#ifndef T_SYSTEM_MATRIX_H
#define T_SYSTEM_MATRIX_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <string.h>

#include "t/lib/spawn.h"

/* --- the dimensions ----------------------------------------------------------- */

/* What the pooler has of a user, and how the server has stored the same. */
enum kind { CLEAR_MD5, CLEAR_SCRAM, MD5, SCRAM, UNKNOWN, KINDS };

/* Where the pooler has it from. */
enum place { AUTH_FILE, AUTH_QUERY, PLACES };

/* What a client brings to prove itself: password, or certificate. */
enum proof { RIGHT, WRONG, PROOFS };

/* How the server lets the pooler in. */
enum server { BY_TRUST, BY_PASSWORD, BY_MD5, BY_SCRAM, SERVERS };

/* How the pooler lets the client in. */
enum method {
	ASK_NOTHING,
	ASK_NOBODY, /* any: who it is does not matter */
	ASK_CLEAR,
	ASK_MD5,
	ASK_SCRAM,
	ASK_CERT,
	REJECT,
};

/* An auth_type, or the line of an hba file for databases of this name. */
struct line {
	const char *name, *type, *rule;
	enum method method;
};

static const struct line types[] = {
	{ .name = "plain", .method = ASK_CLEAR },
	{ .name = "md5", .method = ASK_MD5 },
	{ .name = "scram-sha-256", .method = ASK_SCRAM },
	{ .name = "trust", .method = ASK_NOTHING },
	{ .name = "any", .method = ASK_NOBODY },
	{ .name = "cert", .method = ASK_CERT },
};

static const struct line lines[] = {
	{ "clear", "host", "password", ASK_CLEAR },
	{ "md5", "host", "md5", ASK_MD5 },
	{ "scram", "host", "scram-sha-256", ASK_SCRAM },
	{ "open", "host", "trust", ASK_NOTHING },
	{ "cert", "hostssl", "cert", ASK_CERT },
	{ "never", "host", "reject", REJECT },
	{ "inside", "hostssl", "scram-sha-256", ASK_SCRAM },
	{ "outside", "hostnossl", "md5", ASK_MD5 },
};

enum {
	TYPES = sizeof(types) / sizeof(*types),
	LINES = sizeof(lines) / sizeof(*lines),
	CELLS = LINES * (KINDS * PLACES) * 2 * (SERVERS + 2),
};

static const char *const servers[SERVERS] = { "trust", "password", "md5",
	"scram-sha-256" };
static const char *const tls_modes[] = { "disable", "verify-full" };

/* One login; `c` while it runs. */
struct cell {
	const struct line *line;
	bool is_tls;    /* the client's side */
	bool is_bound;  /* it demands channel binding */
	bool is_served; /* the server's side has TLS */
	enum kind kind;
	enum place place;
	enum proof proof;
	enum server server;
	bool is_asking;
	PGconn *c;
};

static inline const char *
user_of(enum kind kind, enum place place)
{
	static const char *const names[KINDS] = { "clear_md5", "clear_scram",
		"md5", "scram", "nobody" };

	return text(
	    "%s_%s", place == AUTH_FILE ? "file" : "query", names[kind]);
}

/* --- the rules ---------------------------------------------------------------- */

/* A server asks for what the pooler does not have: told at once, and to who
 * comes soon after, too. */
#define IN_VAIN "server login failed: wrong password type"

/* What the pooler can tell a server that asks. */
enum answer { NO_ANSWER, A_PASSWORD, AN_MD5_HASH, SCRAM_KEYS };

static inline enum answer
answer_of(const struct cell *x)
{
	if (x->line->method == ASK_NOBODY || x->kind <= CLEAR_SCRAM)
		return A_PASSWORD;
	/* it has just been typed */
	if (x->line->method == ASK_CLEAR)
		return A_PASSWORD;
	if (x->kind == MD5)
		return AN_MD5_HASH;
	/* a verifier alone proves nothing; a client's proof has the keys */
	return x->line->method == ASK_MD5 || x->line->method == ASK_SCRAM
	    ? SCRAM_KEYS
	    : NO_ANSWER;
}

static inline bool
is_let_in_by_server(const struct cell *x)
{
	enum answer a = answer_of(x);
	bool has_md5 = x->line->method != ASK_NOBODY &&
	    (x->kind == CLEAR_MD5 || x->kind == MD5);

	switch (x->server) {
	case BY_PASSWORD:
		return a == A_PASSWORD;
	case BY_MD5:
		/* it asks for SCRAM where it has a verifier */
		return a == A_PASSWORD ||
		    a == (has_md5 ? AN_MD5_HASH : SCRAM_KEYS);
	case BY_SCRAM:
		return !has_md5 && (a == A_PASSWORD || a == SCRAM_KEYS);
	default:
		return true;
	}
}

/* Before anything is asked: rules, and certificates. */
static inline const char *
refusal_by_rule(const struct cell *x, const char *user)
{
	const struct line *line = x->line;

	if (line->method == REJECT)
		return "28000: pg_hba.conf rejects connection for host ";
	if (line->type != NULL &&
	    strcmp(line->type, x->is_tls ? "hostnossl" : "hostssl") == 0)
		return "28000: no pg_hba.conf entry for host ";
	if (line->method != ASK_CERT)
		return NULL;
	if (!x->is_tls)
		return "28000: SSL required\n";
	return x->proof == RIGHT
	    ? NULL
	    : text("28000: certificate authentication failed for user \"%s\"\n",
		  user);
}

/* The words that libpq ends with; NULL: it is let in. */
static inline const char *
refusal(const struct cell *x)
{
	const char *user = user_of(x->kind, x->place);
	enum method method = x->line->method;
	const char *why = refusal_by_rule(x, user);

	if (why != NULL)
		return why;
	/* the secret says what is asked for */
	if (method == ASK_MD5 && x->kind == SCRAM)
		method = ASK_SCRAM;
	if ((method == ASK_NOTHING || method == ASK_CERT) && x->kind == UNKNOWN)
		return text("28000: role \"%s\" does not exist\n", user);
	/* libpq's own rule */
	if (x->is_bound && (!x->is_tls || method != ASK_SCRAM))
		return "channel binding";
	if ((method == ASK_CLEAR || method == ASK_MD5 || method == ASK_SCRAM) &&
	    (x->kind == UNKNOWN || x->proof == WRONG ||
		(method == ASK_SCRAM && x->kind == MD5)))
		return text("28P01: password authentication failed for user "
			    "\"%s\"\n",
		    user);
	if (is_let_in_by_server(x))
		return NULL;
	return answer_of(x) == A_PASSWORD && x->server == BY_SCRAM
	    ? text("password authentication failed for user \"%s\"", user)
	    : IN_VAIN;
}

#endif

/*
 * deed.c - which deed is next, and the plain ones.
 */
#include "t/lib/deed.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/lib/crowd.h"
#include "t/lib/spawn.h"

static void
simple(struct guest *g)
{
	const char *t = guest_token(g), *u = guest_token(g);

	if (guest_draw(g, 3) > 0) {
		guest_do(g, "SELECT '%s'", t);
	} else {
		guest_do(g, "SELECT '%s'; SELECT '%s'", t, u);
		if (strcmp(g->a.last, u) != 0)
			guest_wrong(g, "%s instead of %s", g->a.last, u);
	}
	guest_is(g, t);
}

static void
extended(struct guest *g)
{
	const char *t = guest_token(g);

	guest_extended(g, "SELECT '%s'::text", t);
	guest_is(g, t);
}

static void
large(struct guest *g)
{
	const char *t = guest_token(g);
	size_t n = 20000 + guest_draw(g, 200000);

	guest_do(g, "SELECT '%s', repeat('x', %zu)", t, n);
	guest_is(g, t);
	if (g->a.width < n)
		guest_wrong(g, "%zu bytes of %zu", g->a.width, n);
}

static void
failing(struct guest *g)
{
	const char *t = guest_token(g);

	guest_query(g, "SELECT '%s'::int", t);
	guest_fails(g, "22P02");
	if (!strstr(g->a.error, t))
		guest_wrong(g, "error of another: %s", g->a.error);
}

/* A transaction in which others of the deeds are done. */
static void
block(struct guest *g)
{
	bool is_kept = guest_draw(g, 4) > 0;

	guest_put(g, 'Q', "s", "BEGIN");
	guest_answers(g, 1);
	g->in_block = true;
	memcpy(g->at_begin, g->set, sizeof(g->set));
	for (unsigned i = guest_draw(g, 4); i > 0; i--)
		deed_run(g);
	g->in_block = false;
	guest_query(g, is_kept ? "COMMIT" : "ROLLBACK");
	if (strcmp(g->a.tag, is_kept ? "COMMIT" : "ROLLBACK") != 0)
		guest_wrong(g, "%s %s", g->a.tag, g->a.error);
	if (!is_kept)
		memcpy(g->set, g->at_begin, sizeof(g->set));
}

/* A cancel request, to the end of its connection. */
static void
cancel(struct guest *g)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	uint32_t msg[4] = { htonl(16), htonl(80877102), g->key[0], g->key[1] };
	struct pollfd p = { .events = POLLIN };
	char c;

	a.sin_port = htons((uint16_t)g->port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	p.fd = socket(AF_INET, SOCK_STREAM, 0);
	if (p.fd != -1 &&
	    connect(p.fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    send(p.fd, msg, sizeof(msg), MSG_NOSIGNAL) == sizeof(msg) &&
	    poll(&p, 1, GUEST_WAIT_MS) > 0 && recv(p.fd, &c, 1, 0) == 0)
		g->seen->cancelled++;
	if (p.fd != -1)
		close(p.fd);
}

static void
cancelled(struct guest *g)
{
	const char *t = guest_token(g);

	guest_put(g, 'Q', "s", text("SELECT '%s' FROM pg_sleep(0.02)", t));
	guest_send(g);
	if (guest_draw(g, 2))
		poll(NULL, 0, (int)guest_draw(g, 25));
	cancel(g);
	/* who waits for a backend is sent away */
	g->end = "57014";
	guest_answers(g, 1);
	g->end = NULL;
	if (*g->a.code)
		guest_fails(g, "57014");
	else
		guest_is(g, t);
}

/* Statement mode has no transactions over several queries. */
static void
refused_block(struct guest *g)
{
	g->end = "08P01";
	if (guest_draw(g, 2))
		guest_query(g, "BEGIN");
	else
		guest_extended(g, "START TRANSACTION");
	guest_wrong(g, "%s, and a state of %c", g->a.tag, g->tx);
}

const struct deed deeds[] = {
	{ "simple", simple, 12, DEED_BLOCK },
	{ "extended", extended, 8, DEED_BLOCK },
	{ "large", large, 1, DEED_BLOCK },
	{ "failing", failing, 3, 0 },
	{ "block", block, 8, 0 },
	{ "cancel", cancelled, 1, 0 },
	{ "stmt", deed_stmt, 10, DEED_BLOCK },
	{ "pipeline", deed_pipeline, 4, 0 },
	{ "flush", deed_flush, 2, DEED_BLOCK },
	{ "portal", deed_portal, 2, DEED_BLOCK },
	{ "sql", deed_sql, 8, DEED_BLOCK },
	{ "cross", deed_cross, 3, DEED_BLOCK },
	{ "dealloc", deed_dealloc, 1, DEED_BLOCK },
	{ "discard", deed_discard, 1, DEED_CLEANS },
	{ "set", deed_set, 6, DEED_BLOCK },
	{ "local", deed_local, 3, 0 },
	{ "undone", deed_undone, 3, 0 },
	{ "reset", deed_reset, 2, DEED_BLOCK },
	{ "hidden", deed_hidden, 1, DEED_BLOCK },
	{ "again", deed_again, 3, DEED_BLOCK },
	{ "piped", deed_piped, 2, 0 },
	{ "look", deed_look, 8, DEED_BLOCK },
	{ "listen", deed_listen, 3, 0 },
	{ "notify", deed_notify, 4, 0 },
	{ "temp", deed_temp, 1, DEED_HOLDS },
	{ "lock", deed_lock, 1, DEED_HOLDS },
	{ "cursor", deed_cursor, 1, DEED_HOLDS },
	{ "copyin", deed_copy_in, 2, DEED_BLOCK },
	{ "copyout", deed_copy_out, 2, DEED_BLOCK },
	{ "copyfails", deed_copy_fails, 1, 0 },
	{ "noblock", refused_block, 1, 0 },
	{ "endagain", NULL, 0, DEED_NOTHING },  /* UNLISTEN, prepared */
	{ "resettold", NULL, 0, DEED_NOTHING }, /* RESET of what a login told */
	{ "tx", NULL, 0, DEED_NOTHING }, /* transactions of several queries */
	{ "startup", NULL, 0, DEED_NOTHING },
	{ "vanish", NULL, 0, DEED_NOTHING },
	{ "tls", NULL, 0, DEED_NOTHING },       /* of clients */
	{ "servertls", NULL, 0, DEED_NOTHING }, /* of servers: app_tls */
	{ "kill", NULL, 0, DEED_NOTHING },      /* the rest: ops.h */
	{ "terminate", NULL, 0, DEED_NOTHING },
	{ "restart", NULL, 0, DEED_NOTHING },
	{ "change", NULL, 0, DEED_NOTHING },
	{ "shutdown", NULL, 0, DEED_NOTHING },
	{ NULL, NULL, 0, 0 },
};

_Static_assert(
    sizeof(deeds) / sizeof(deeds[0]) <= CROWD_KINDS, "each kind is counted");

static bool is_on[CROWD_KINDS];

/* Is the word among those of a list? */
static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; at && (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') &&
		    (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

void
deed_choose(const char *off)
{
	const char *only = getenv("SOAK_ONLY"), *not = getenv("SOAK_OFF");

	for (int i = 0; deeds[i].kind; i++)
		is_on[i] = !has_word(not, deeds[i].kind) &&
		    has_word(only && *only ? only : off, deeds[i].kind) ==
			(only && *only);
}

bool
deed_is_on(const char *kind)
{
	for (int i = 0; deeds[i].kind; i++)
		if (!strcmp(deeds[i].kind, kind))
			return is_on[i];
	return false;
}

bool
deed_is_due(int i)
{
	return deeds[i].kind && is_on[i] && deeds[i].run;
}

static bool
fits(const struct guest *g, int i)
{
	unsigned f = deeds[i].flags;

	if (!is_on[i] || f & DEED_NOTHING)
		return false;
	if (g->in_block && !(f & DEED_BLOCK))
		return false;
	return !g->is_holding || !(f & (DEED_HOLDS | DEED_CLEANS));
}

void
deed_run(struct guest *g)
{
	unsigned sum = 0, at;
	int i;

	for (i = 0; deeds[i].kind; i++)
		sum += fits(g, i) ? deeds[i].weight : 0;
	if (sum == 0)
		return;
	if (g->doom < 0 && deed_is_on("vanish") && guest_draw(g, 60) == 0)
		g->doom = (long)guest_draw(g, 400);
	at = guest_draw(g, sum);
	for (i = 0; deeds[i].kind; i++) {
		unsigned w = fits(g, i) ? deeds[i].weight : 0;

		if (at < w)
			break;
		at -= w;
	}
	g->doing = i;
	deeds[i].run(g);
	g->seen->good[i]++;
}

void
deed_begin(struct guest *g)
{
	g->in_block = g->is_holding = false;
	memset(g->said, 0, sizeof(g->said));
	deed_forget_stmts(g);
	deed_forget_channels(g);
	deed_forget_settings(g, true);
	deed_told(g);
}

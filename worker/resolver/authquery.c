#include "worker/resolver/authquery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/log.h"
#include "worker/resolver/authplace.h"

enum {
	TRIES = 2,         /* connections that may break under one look-up */
	RETRY_MIN_MS = 20, /* whatever server_login_retry says */
};

static const struct conf *conf;
static void (*deliver)(const struct msg *m);
static uint32_t self;
static uint32_t nlookups;

/* --- answers --------------------------------------------------------------- */

static void
reply(uint32_t proc, uint64_t id, enum msg_secret status, const void *p,
    size_t len)
{
	struct msg m = { .type = MSG_SECRET_IS,
		.proc = (uint16_t)proc,
		.id = id,
		.len = (uint32_t)len,
		.status = status };

	memcpy(m.text, p, len);
	deliver(&m);
	compat_bzero(&m, sizeof(m));
}

/* Out of its place, answered, and gone. */
static void
answer(struct authplace *p, struct lookup *l, enum msg_secret status,
    const void *bytes, size_t len)
{
	struct lookup **at = &p->lookups;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	nlookups--;
	/* whoever runs it still may finish, for nobody */
	if (l->conn != NULL)
		l->conn->question = NULL;
	while (l->askers != NULL) {
		struct asker *a = l->askers;

		l->askers = a->next;
		reply(a->proc, a->id, status, bytes, len);
		free(a);
	}
	free(l->query);
	free(l);
}

/* The text of MSG_SECRET_FAILED; its length. */
static size_t
failure(char text[MSG_TEXT], const char *sqlstate, const char *say)
{
	size_t len = strlen(sqlstate) + 1;

	memcpy(text, sqlstate, len);
	(void)compat_strlcpy(text + len, say, MSG_TEXT - len);
	return len + strlen(text + len);
}

static void
fail(struct authplace *p, struct lookup *l, const char *sqlstate,
    const char *say)
{
	char text[MSG_TEXT];

	answer(p, l, MSG_SECRET_FAILED, text, failure(text, sqlstate, say));
}

static void
refuse(const struct msg *m, const char *sqlstate, const char *say)
{
	char text[MSG_TEXT];

	reply(m->proc, m->id, MSG_SECRET_FAILED, text,
	    failure(text, sqlstate, say));
}

static void
open_failed(struct authplace *p, const struct authconn *c, uint64_t now_ms)
{
	uint64_t pause_ms = (uint64_t)conf->server_login_retry_ms;

	p->down_ms =
	    now_ms + (pause_ms > RETRY_MIN_MS ? pause_ms : RETRY_MIN_MS);
	p->is_missing = c->is_missing;
	p->turn++;
	log_warn(NULL, "auth_query: connection to database \"%s\" failed: %s",
	    authplace_name(p), c->why);
}

/* A database that is not there tells nobody so: names would be learnt. */
static void
down(struct authplace *p, struct lookup *l)
{
	if (p->is_missing)
		answer(p, l, MSG_SECRET_UNKNOWN, "", 0);
	else
		fail(p, l, "08006", "auth_query: server is not reachable");
}

static void settle(struct authplace *p, struct authconn *c, uint64_t now_ms);

/* Connections for those who wait, as far as there may be any. */
static void
serve(struct authplace *p, uint64_t now_ms)
{
	struct authconn *c, *next;
	struct lookup *l;

	for (c = p->conns; c != NULL; c = next) {
		next = c->next;
		l = authplace_queued(p);
		if (l == NULL)
			return;
		if (c->state != AUTHCONN_IDLE)
			continue;
		l->conn = c;
		c->question = l;
		authconn_ask(c, l->query, l->user, now_ms);
		if (c->state == AUTHCONN_DEAD) {
			settle(p, c, now_ms);
			return; /* settle() has gone on */
		}
	}
	l = authplace_queued(p);
	if (l == NULL || p->nconns >= AUTHQUERY_CONNS ||
	    authplace_count(p, false) > 0)
		return;
	if (p->down_ms > now_ms) {
		while (p->conns == NULL && (l = authplace_queued(p)) != NULL)
			down(p, l);
		return;
	}
	c = authplace_connect(p);
	if (c == NULL)
		return; /* the next turn, or their time runs out */
	c->me = self;
	authconn_open(c, now_ms);
	settle(p, c, now_ms);
}

/* --- what a connection has come to ----------------------------------------------- */

static void
take_answer(struct authplace *p, struct authconn *c)
{
	struct lookup *l = c->question;

	c->question = NULL;
	if (c->why[0] != '\0')
		log_warn(NULL, "auth_query: database \"%s\", user \"%s\": %s",
		    authplace_name(p), c->user, c->why);
	if (l != NULL) {
		l->conn = NULL;
		if (c->answer == AUTHCONN_FOUND)
			answer(p, l, MSG_SECRET_FOUND, c->secret,
			    strlen(c->secret));
		else if (c->answer == AUTHCONN_UNKNOWN)
			answer(p, l, MSG_SECRET_UNKNOWN, "", 0);
		else
			fail(p, l, "58000", "auth_query failed");
	}
	c->answer = AUTHCONN_NOTHING;
	compat_bzero(c->secret, sizeof(c->secret));
}

/* It has broken under a look-up, which another one may do. */
static void
broken(struct authplace *p, struct authconn *c)
{
	struct lookup *l = c->question;

	log_warn(NULL, "auth_query: connection to database \"%s\" is lost: %s",
	    authplace_name(p), c->why);
	if (l == NULL)
		return;
	l->conn = NULL;
	if (++l->tries >= TRIES)
		fail(p, l, "08006", "auth_query: connection was lost");
}

/* Whatever has happened to `c`, which may be gone after it. */
static void
settle(struct authplace *p, struct authconn *c, uint64_t now_ms)
{
	if (c->answer != AUTHCONN_NOTHING &&
	    (c->state == AUTHCONN_IDLE || c->state == AUTHCONN_DEAD))
		take_answer(p, c);
	if (c->state == AUTHCONN_IDLE && c->was_ready)
		p->down_ms = 0;
	if (c->state == AUTHCONN_DEAD) {
		if (!c->was_ready)
			open_failed(p, c, now_ms);
		else if (c->question != NULL)
			broken(p, c);
		authplace_drop(p, c);
	} else if (c->state == AUTHCONN_IDLE && p->is_obsolete &&
	    authplace_queued(p) == NULL) {
		authplace_drop(p, c);
	} else if (c->state != AUTHCONN_IDLE) {
		return;
	}
	serve(p, now_ms);
}

/* --- questions ------------------------------------------------------------------- */

/* The two texts of a question; false: it is not one. */
static bool
parse(
    const struct msg *m, char db[CONF_DBNAME_MAX + 1], char user[AUTHCONN_USER])
{
	const uint8_t *nul = memchr(m->text, '\0', m->len);
	size_t len = nul == NULL ? 0 : (size_t)(nul - m->text);
	size_t user_len = nul == NULL ? 0 : m->len - len - 1;

	if (len == 0 || len > CONF_DBNAME_MAX || user_len == 0 ||
	    user_len >= AUTHCONN_USER ||
	    memchr(nul + 1, '\0', user_len) != NULL)
		return false;
	memcpy(db, m->text, len);
	db[len] = '\0';
	memcpy(user, nul + 1, user_len);
	user[user_len] = '\0';
	return true;
}

static struct lookup *
lookup_for(
    struct authplace *p, const char *query, const char *user, uint64_t now_ms)
{
	struct lookup **at = &p->lookups, *l;

	for (; *at != NULL; at = &(*at)->next)
		if (strcmp((*at)->user, user) == 0 &&
		    strcmp((*at)->query, query) == 0)
			return *at;
	l = nlookups < AUTHQUERY_LOOKUPS ? calloc(1, sizeof(*l)) : NULL;
	if (l == NULL)
		return NULL;
	l->query = strdup(query);
	if (l->query == NULL) {
		free(l);
		return NULL;
	}
	(void)compat_strlcpy(l->user, user, sizeof(l->user));
	l->due_ms = now_ms + AUTHQUERY_LIMIT_MS;
	*at = l;
	nlookups++;
	return l;
}

static int
add_asker(struct lookup *l, uint32_t proc, uint64_t id)
{
	struct asker *a;

	for (a = l->askers; a != NULL; a = a->next)
		if (a->proc == proc && a->id == id)
			return 0;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -1;
	a->proc = proc;
	a->id = id;
	a->next = l->askers;
	l->askers = a;
	return 0;
}

void
authquery_ask(const struct msg *m, uint64_t now_ms)
{
	char db[CONF_DBNAME_MAX + 1], user[AUTHCONN_USER];
	struct conf_asking as;
	struct lookup *l = NULL;
	struct authplace *p;

	if (!parse(m, db, user) || !conf_asking(conf, db, &as)) {
		reply(m->proc, m->id, MSG_SECRET_UNKNOWN, "", 0);
		return;
	}
	if (as.db == NULL) {
		log_error(
		    NULL, "auth_dbname: there is no database \"%s\"", as.name);
		refuse(m, "08P01", "bouncer config error");
		return;
	}
	authplace_tidy(now_ms);
	p = authplace_for(conf, &as);
	if (p != NULL)
		l = lookup_for(p, as.query, user, now_ms);
	if (l == NULL) {
		refuse(m, "53400", "auth_query: too many look-ups");
		return;
	}
	if (add_asker(l, m->proc, m->id) == 0)
		serve(p, now_ms);
	else if (l->askers == NULL)
		fail(p, l, "53200", "out of memory");
	else
		refuse(m, "53200", "out of memory");
}

void
authquery_on_name(const struct dns_answer *a, uint64_t now_ms)
{
	for (struct authplace *p = authplace_first(); p; p = p->next)
		for (struct authconn *c = p->conns; c != NULL; c = c->next)
			if (authconn_on_name(c, a, now_ms)) {
				settle(p, c, now_ms);
				return;
			}
}

/* --- the main loop's ----------------------------------------------------------------- */

uint32_t
authquery_poll(struct pollfd *fds)
{
	uint32_t n = 0;

	for (struct authplace *p = authplace_first(); p; p = p->next)
		for (struct authconn *c = p->conns; c != NULL; c = c->next) {
			fds[n] = (struct pollfd){ .fd = authconn_fd(c),
				.events = c->events };
			c->polled = ++n;
		}
	return n;
}

/* One that is ready, or whose time is up; each is found once. */
static struct authconn *
take_ready(const struct pollfd *fds, uint32_t n, uint64_t now_ms,
    struct authplace **of)
{
	for (struct authplace *p = authplace_first(); p; p = p->next)
		for (struct authconn *c = p->conns; c != NULL; c = c->next) {
			uint32_t at = c->polled;

			c->polled = 0;
			if (at == 0 || at > n)
				continue;
			c->revents = fds[at - 1].revents;
			*of = p;
			if (c->revents != 0 || now_ms >= c->due_ms)
				return c;
		}
	return NULL;
}

static void
end_overdue(struct authplace *p, uint64_t now_ms)
{
	struct lookup *l;

	while ((l = p->lookups) != NULL && now_ms >= l->due_ms) {
		log_warn(NULL,
		    "auth_query: database \"%s\", user \"%s\": timed out",
		    authplace_name(p), l->user);
		fail(p, l, "08006", "auth_query: timed out");
	}
}

void
authquery_run(const struct pollfd *fds, uint32_t n, uint64_t now_ms)
{
	struct authplace *p;
	struct authconn *c;

	/* from the start each time: any of them may be closed meanwhile */
	while ((c = take_ready(fds, n, now_ms, &p)) != NULL) {
		authconn_run(c, c->revents, now_ms);
		settle(p, c, now_ms);
	}
	for (p = authplace_first(); p != NULL; p = p->next) {
		end_overdue(p, now_ms);
		/* there may have been no room when it was asked */
		serve(p, now_ms);
	}
	authplace_tidy(now_ms);
}

int
authquery_wait_ms(uint64_t now_ms)
{
	uint64_t due = UINT64_MAX;

	for (const struct authplace *p = authplace_first(); p; p = p->next) {
		for (const struct authconn *c = p->conns; c; c = c->next)
			if (c->due_ms < due)
				due = c->due_ms;
		if (p->lookups != NULL && p->lookups->due_ms < due)
			due = p->lookups->due_ms;
	}
	if (due == UINT64_MAX)
		return -1;
	return due <= now_ms ? 0 : (int)(due - now_ms);
}

/* --- settings -------------------------------------------------------------------------- */

void
authquery_open(
    uint32_t me, const struct conf *c, void (*to)(const struct msg *m))
{
	authconn_setup();
	self = me;
	conf = c;
	deliver = to;
}

void
authquery_conf(const struct conf *c)
{
	struct authconn *k, *next;

	conf = c;
	for (struct authplace *p = authplace_first(); p; p = p->next) {
		p->is_obsolete = true;
		for (k = p->conns; k != NULL; k = next) {
			next = k->next;
			if (k->state == AUTHCONN_IDLE)
				authplace_drop(p, k);
		}
	}
}

void
authquery_close(void)
{
	struct authplace *p;

	while ((p = authplace_first()) != NULL) {
		while (p->lookups != NULL)
			fail(p, p->lookups, "57P03", "auth_query: shutdown");
		authplace_free(p);
	}
}

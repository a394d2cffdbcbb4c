/*
 * welcome.c - proved, and not yet in: the pool, its greeting, the first words.
 *
 *   WELCOME: join the pool; wait until a backend has told what it reports
 *   -> IDLE  AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery
 *
 * The greeting is the pool's, and is there as soon as one login has been well;
 * so most clients need no backend to come in.
 *
 * Never blocks.
 */
#include "worker/client/greet.h"

#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "shm/cancelkey.h"
#include "shm/count.h"
#include "shm/crash.h"
#include "worker/backend/login.h"
#include "worker/client/proof.h"
#include "worker/client/replicate.h"
#include "worker/client/session.h"
#include "worker/io/outer.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum {
	WELCOME_MAX = 2 * POOL_GREETING + 1024,
	AGAIN_US = 1000, /* the pools lock was busy */
};

static void
put_greeting(struct wire *w, const struct pool_greeting *text,
    const struct interned *mine)
{
	const char *name, *value, *own;
	uint32_t pos = 0;

	while (pool_greeting_next(text, &pos, &name, &value)) {
		int i = params_find(name);

		own = i == -1 ? NULL : params_value(mine->text, mine->len, i);
		report_parameter(w, name, own == NULL ? value : own);
	}
}

/* What the client did not say, it has as the server has it. */
static void
fill_from(struct params_edit *e, const struct pool_greeting *text)
{
	const char *name, *value;
	uint32_t pos = 0;

	while (pool_greeting_next(text, &pos, &name, &value)) {
		int i = params_find(name);

		if (i != -1 && params_value(e->text, e->len, i) == NULL)
			params_edit_set(e, i, value);
	}
}

static void
put_key(struct wire *w, const struct client *c)
{
	struct cancelkey key;

	cancelkey_give(c->row, c->greet->is_long_key, &key);
	report_key(w, (int32_t)key.pid, key.secret, key.len);
}

/* What it wants to be set, as far as anybody knows.  -1: it is closed. */
static int
settle_wishes(struct client *c, const struct pool_greeting *text)
{
	struct greet *g = c->greet;

	c->asked = params_intern(&g->params);
	fill_from(&g->params, text);
	c->params = params_intern(&g->params);
	if (c->asked != NULL && c->params != NULL &&
	    session_open(c, g->vars) == 0)
		return 0;
	client_fail(c, "53200", "out of memory");
	return -1;
}

static void
let_in(struct client *c, const struct pool_greeting *text)
{
	uint8_t bytes[WELCOME_MAX];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	report_auth_ok(&w);
	put_greeting(&w, text, c->params);
	put_key(&w, c);
	report_ready(&w, 'I');
	deadline_clear(&c->deadline);
	greet_free(c);
	want_show_app(c);
	count_add(c->lend->count, COUNT_LOGINS, 1);
	client_set_state(c, CLIENT_IDLE);
	CRASH_POINT("welcome.in");
	if (client_send_wire(c, &w) == 0)
		want_resume(c);
}

static bool
has_greeting(struct client *c, struct pool_greeting *text)
{
	return pool_greeting_look(c->lend->row, text) && text->number != 0;
}

static void
on_error(struct waiter *waiter, const struct err *e)
{
	client_close(OUTER_OF(waiter, struct client, waiter), e);
}

static void
on_backend(struct waiter *waiter, struct backend *b)
{
	struct client *c = OUTER_OF(waiter, struct client, waiter);

	want_take(c, b);
	session_try(c);
}

/*
 * Settings beside the tracked ones: only the server knows whether they are
 * any good, and who asks for nonsense is not let in.
 */
static void
try_settings(struct client *c)
{
	struct backend *b;
	struct err e;
	bool failed;

	c->waiter.on_ready = on_backend;
	c->waiter.on_error = on_error;
	b = lend_take(c->lend, &c->waiter, &failed, &e);
	if (b != NULL)
		on_backend(&c->waiter, b);
	else if (failed)
		client_close(c, &e);
}

static void
come_in(struct client *c, const struct pool_greeting *text)
{
	if (settle_wishes(c, text) == -1)
		return;
	if (c->greet->vars == NULL)
		let_in(c, text);
	else
		try_settings(c);
}

void
welcome_tried(struct client *c)
{
	struct pool_greeting text;

	if (has_greeting(c, &text))
		let_in(c, &text);
	else
		client_fail(c, "08006", "login failed");
}

static void
on_ready(struct waiter *waiter, struct backend *b)
{
	struct client *c = OUTER_OF(waiter, struct client, waiter);
	struct pool_greeting text;

	(void)b; /* a greeting comes without a backend */
	if (has_greeting(c, &text))
		come_in(c, &text);
	else
		client_fail(c, "08006", "login failed");
}

static void
join(struct client *c)
{
	struct greet *g = c->greet;
	const struct conf_db *db = conf_db_find(self.conf, g->database);
	char say[128];
	bool is_busy, is_forced;

	if (db == NULL)
		db = conf_db_auto(self.conf);
	if (db == NULL) {
		snprintf(say, sizeof(say), "database \"%s\" does not exist",
		    g->database);
		client_fail(c, "3D000", say);
		return;
	}
	is_forced = db->user[0] != '\0';
	if (self.conf->auth_type == AUTH_ANY && !is_forced) {
		client_fail(c, "08P01", "bouncer config error");
		return;
	}
	c->lend = lend_join(db, g->database, is_forced ? db->user : g->user,
	    is_forced, &is_busy);
	if (c->lend != NULL) {
		atomic_store(&clientrow_at(c->row)->pool, c->lend->pool);
		return;
	}
	if (!is_busy)
		client_fail(c, "53400", "no room for another pool");
	else if (deadline_set(&c->deadline, loop_now_us + AGAIN_US) == -1)
		client_fail(c, "53200", "out of memory");
}

/* What the user has proved to have serves at the servers, too. */
static void
keep_proof(struct client *c)
{
	const struct greet *g = c->greet;

	if (proof_keys(g) != NULL)
		login_keep_keys(c->lend, proof_keys(g));
	if (secret_for_server(&g->secret) != NULL)
		login_keep_secret(c->lend, secret_for_server(&g->secret));
}

/* Proved: join the pool, and wait for what a fresh backend says. */
void
welcome_start(struct client *c)
{
	struct pool_greeting text;
	struct err e;

	if (c->lend == NULL)
		join(c);
	if (c->state == CLIENT_GONE || c->lend == NULL)
		return;
	/* before the greeting: the login that fetches it may need them */
	if (!c->lend->is_forced && strcmp(c->greet->user, c->lend->user) == 0)
		keep_proof(c);
	if (c->greet->own.kind != STARTUP_NORMAL) {
		replicate_start(c);
		return;
	}
	if (has_greeting(c, &text)) {
		come_in(c, &text);
		return;
	}
	c->waiter.on_ready = on_ready;
	c->waiter.on_error = on_error;
	/* a known failure is told at once */
	if (!lend_greeting(c->lend, &c->waiter, &e)) {
		client_close(c, &e);
		return;
	}
}

bool
welcome_again(struct client *c)
{
	uint64_t limit_us = (uint64_t)self.conf->client_login_timeout_ms * 1000;
	uint64_t end_us = c->since_us + limit_us;

	if (c->lend != NULL || (limit_us > 0 && loop_now_us >= end_us))
		return false;
	welcome_start(c);
	if (c->state == CLIENT_WELCOME && c->lend != NULL && limit_us > 0 &&
	    c->waiter.own == NULL)
		deadline_set(&c->deadline, end_us);
	return true;
}

/*
 * greet.c - startup packets, and the welcome.
 *
 *   STARTUP: [SSLRequest -> N] [GSSENCRequest -> N] startup packet
 *   AUTH:    password messages (auth.c)
 *   WELCOME: join the pool, wait for its greeting
 *   -> IDLE  AuthenticationOk, ParameterStatus, BackendKeyData, ReadyForQuery
 *
 * Never blocks.
 */
#include "worker/client/greet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "shm/cancelkey.h"
#include "shm/count.h"
#include "shm/crash.h"
#include "shm/proc.h"
#include "worker/client/interrupt.h"
#include "worker/io/outer.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum {
	PASSWORD_MAX = 16 * 1024, /* longest password message */
	WELCOME_MAX = 2 * POOL_GREETING + 1024,
	AGAIN_US = 1000, /* the pools lock was busy */
};

void
greet_start(struct client *c)
{
	(void)c; /* memory comes with the first byte */
}

void
greet_free(struct client *c)
{
	struct greet *g = c->greet;

	if (g == NULL)
		return;
	c->greet = NULL;
	if (g->scram != NULL)
		scram_server_fini(g->scram);
	free(g->scram);
	compat_bzero(g, sizeof(*g));
	free(g);
}

const char *
greet_database(const struct client *c)
{
	return c->greet->database[0] ? c->greet->database : "(nodb)";
}

/* --- the welcome --------------------------------------------------------------- */

static void
put_greeting(
    struct wire *w, const struct pool_greeting *text, const struct params *mine)
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
	uint64_t key = cancelkey_make(c->row);
	uint8_t secret[4];

	/* without randomness the row keeps 0, which matches nothing */
	atomic_store(&clientrow_at(c->row)->key, key);
	frame_put32(secret, (uint32_t)key);
	report_key(w, (int32_t)(uint32_t)(key >> 32), secret, sizeof(secret));
}

static void
come_in(struct client *c, const struct pool_greeting *text)
{
	struct greet *g = c->greet;
	uint8_t bytes[WELCOME_MAX];
	struct wire w;

	fill_from(&g->params, text);
	c->params = params_intern(&g->params);
	if (c->params == NULL) {
		client_fail(c, "53200", "out of memory");
		return;
	}
	wire_init(&w, bytes, sizeof(bytes));
	report_auth_ok(&w);
	put_greeting(&w, text, c->params);
	put_key(&w, c);
	report_ready(&w, 'I');
	deadline_clear(&c->deadline);
	greet_free(c);
	relay_show_app(c);
	count_add(c->lend->count, COUNT_LOGINS, 1);
	client_set_state(c, CLIENT_IDLE);
	CRASH_POINT("greet.in");
	if (client_send_wire(c, &w) == 0)
		relay_resume(c);
}

static bool
has_greeting(struct client *c, struct pool_greeting *text)
{
	return pool_greeting_look(c->lend->row, text) && text->number != 0;
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
on_error(struct waiter *waiter, const struct err *e)
{
	client_close(OUTER_OF(waiter, struct client, waiter), e);
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

/* Proved: join the pool, and wait for what a fresh backend says. */
static void
welcome(struct client *c)
{
	struct pool_greeting text;
	struct err e;

	if (c->lend == NULL)
		join(c);
	if (c->state == CLIENT_GONE || c->lend == NULL)
		return;
	/* before the greeting: the login that fetches it may need them */
	if (c->greet->has_keys && !c->lend->is_forced)
		c->lend->keys = c->greet->scram->keys;
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
greet_again(struct client *c)
{
	uint64_t limit_us = (uint64_t)self.conf->client_login_timeout_ms * 1000;
	uint64_t end_us = c->since_us + limit_us;

	if (c->lend != NULL || (limit_us > 0 && loop_now_us >= end_us))
		return false;
	welcome(c);
	if (c->state == CLIENT_WELCOME && c->lend != NULL && limit_us > 0)
		deadline_set(&c->deadline, end_us);
	return true;
}

static void
proved(struct client *c)
{
	struct greet *g = c->greet;

	if (!g->is_console) {
		client_set_state(c, CLIENT_WELCOME);
		welcome(c);
		return;
	}
	if (!auth_console(c, g, &c->is_admin)) {
		client_fail(c, "28000", "not allowed");
		return;
	}
	deadline_clear(&c->deadline);
	greet_free(c);
	client_set_state(c, CLIENT_CONSOLE);
	admin_welcome(c);
}

/* --- the startup packet ------------------------------------------------------------ */

static int
on_setting(struct client *c, const char *name, const char *value,
    bool is_option, struct err *e)
{
	int i = params_find(name);

	if (i != -1) {
		if (params_edit_set(&c->greet->params, i, value))
			return 0;
		return err_set(e, "54000", "startup parameters are too long",
		    "startup parameters are too long");
	}
	if (conf_list_has(self.conf->ignore_startup_parameters, name))
		return 0;
	return startup_refuse(e, name, is_option);
}

static int
on_option(void *arg, const char *name, const char *value, struct err *e)
{
	return on_setting(arg, name, value, true, e);
}

static int
take_settings(struct client *c, const struct startup *s, struct err *e)
{
	const char *name, *value;
	size_t pos = 0;

	params_edit_init(&c->greet->params);
	while (startup_next(s, &pos, &name, &value)) {
		if (strcmp(name, "user") == 0 ||
		    strcmp(name, "database") == 0 ||
		    strncmp(name, "_pq_.", 5) == 0)
			continue;
		if (strcmp(name, "options") == 0) {
			if (!conf_list_has(
				self.conf->ignore_startup_parameters, name) &&
			    startup_options(value, on_option, c, e) == -1)
				return -1;
		} else if (strcmp(name, "replication") == 0) {
			if (strcmp(value, "0") != 0 &&
			    strcasecmp(value, "off") != 0 &&
			    strcasecmp(value, "no") != 0 &&
			    strcasecmp(value, "false") != 0)
				return err_set(e, "0A000",
				    "replication connections are not supported",
				    "replication connections are not "
				    "supported");
		} else if (on_setting(c, name, value, false, e) == -1) {
			return -1;
		}
	}
	return 0;
}

static void
show_user(struct client *c)
{
	struct clientrow_info i;

	if (!clientrow_info_look(c->row, &i))
		return;
	compat_strlcpy(i.user, c->greet->user, sizeof(i.user));
	i.admin = c->greet->is_console;
	clientrow_info_write(c->row, &i);
}

/* The console does not count, and is let in when all else is full. */
static bool
is_room(struct client *c)
{
	if (c->greet->is_console) {
		c->is_counted = false;
		atomic_fetch_sub(&proc_at(self.me)->clients, 1);
		return true;
	}
	if (self.conf->max_client_conn == 0 ||
	    proc_clients() <= (uint32_t)self.conf->max_client_conn)
		return true;
	client_fail(
	    c, "53300", "no more connections allowed (max_client_conn)");
	return false;
}

static bool
is_console_name(const char *database)
{
	return strcmp(database, "pgbouncer") == 0 ||
	    (strcmp(database, "pooler") == 0 &&
		conf_db_find(self.conf, database) == NULL);
}

static void
on_session(struct client *c, const struct startup *s)
{
	struct greet *g = c->greet;
	uint8_t bytes[256];
	struct log_who who;
	struct wire w;
	struct err e;

	compat_strlcpy(g->database, s->database, sizeof(g->database));
	compat_strlcpy(g->user, s->user, sizeof(g->user));
	g->is_console = is_console_name(g->database);
	show_user(c);
	if (!is_room(c))
		return;
	if (self.conf->log_connections) {
		client_who(c, &who);
		log_info(&who,
		    "login attempt: db=%s user=%s tls=no replication=no",
		    g->database, g->user);
	}
	if (take_settings(c, s, &e) == -1) {
		client_close(c, &e);
		return;
	}
	if (startup_is_newer(s)) {
		wire_init(&w, bytes, sizeof(bytes));
		startup_negotiate(&w, s);
		if (client_send_wire(c, &w) == -1)
			return;
	}
	switch (auth_start(c, g, &e)) {
	case DONE:
		proved(c);
		return;
	case WAIT:
		return;
	case FAIL:
		client_close(c, &e);
		return;
	}
}

/* TLS and GSSAPI are not to be had; what was sent ahead of the answer was
 * meant for a tunnel that does not exist (CVE-2021-3935). */
static bool
on_tunnel(struct client *c, bool *was, bool has_more)
{
	if (*was || has_more) {
		client_fail(c, "08P01",
		    "received unencrypted data after "
		    "encryption request");
		return false;
	}
	*was = true;
	return client_send(c, "N", 1) == 0;
}

/* Bytes used; 0: not whole yet, or it is over. */
static size_t
on_packet(struct client *c, const uint8_t *p, size_t len)
{
	struct startup s;
	struct err e;

	switch (startup_parse(p, len, &s, &e)) {
	case WAIT:
		return 0;
	case FAIL:
		client_close(c, &e);
		return 0;
	case DONE:
		break;
	}
	switch (s.kind) {
	case STARTUP_SSL:
		return on_tunnel(c, &c->greet->was_ssl, len > s.size) ? s.size
								      : 0;
	case STARTUP_GSSENC:
		return on_tunnel(c, &c->greet->was_gss, len > s.size) ? s.size
								      : 0;
	case STARTUP_CANCEL:
		interrupt_request(c, s.pid, s.key, s.key_len);
		return 0;
	case STARTUP_SESSION:
		on_session(c, &s);
		return s.size;
	}
	return 0;
}

static size_t
on_proof(struct client *c, const uint8_t *p, size_t len)
{
	struct frame f;
	struct err e;
	enum result r = frame_parse(p, len, PASSWORD_MAX, &f);

	if (r == DONE && f.type == 'p' && len - FRAME_HEAD < f.body)
		return 0;
	if (r == WAIT)
		return 0;
	if (r == FAIL || f.type != 'p') {
		if (r == DONE && f.type == 'X')
			client_close(c, NULL);
		else
			client_fail(c, "08P01", "expected password response");
		return 0;
	}
	switch (auth_on_message(c, c->greet, p + FRAME_HEAD, f.body, &e)) {
	case DONE:
		proved(c);
		break;
	case WAIT:
		break;
	case FAIL:
		client_close(c, &e);
		break;
	}
	return FRAME_HEAD + (size_t)f.body;
}

void
greet_on_bytes(struct client *c)
{
	uint8_t *p;
	size_t len, used;

	if (!client_recv(c, &p, &len))
		return;
	if (c->greet == NULL &&
	    (c->greet = calloc(1, sizeof(*c->greet))) == NULL) {
		client_fail(c, "53200", "out of memory");
		return;
	}
	while (len > 0 && c->state != CLIENT_GONE) {
		if (c->state == CLIENT_STARTUP)
			used = on_packet(c, p, len);
		else if (c->state == CLIENT_AUTH)
			used = on_proof(c, p, len);
		else
			break;
		if (used == 0)
			break;
		p += used;
		len -= used;
	}
	if (c->state == CLIENT_GONE || len == 0)
		return;
	if (client_hold(c, p, len) == 0) {
		client_rewatch(c);
		/* it is in already, and has sent its first query with it */
		if (c->state == CLIENT_IDLE)
			relay_resume(c);
		else if (c->state == CLIENT_CONSOLE)
			admin_resume(c);
	}
}

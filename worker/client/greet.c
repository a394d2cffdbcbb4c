/*
 * greet.c - startup packets and proofs.
 *
 *   STARTUP: [SSLRequest -> S, TLS (tunnel.c), or N] [GSSENCRequest -> N]
 *            startup packet
 *   AUTH:    password messages (auth.c)
 *   -> WELCOME (welcome.c), or CONSOLE (worker/console)
 *
 * Never blocks.
 */
#include "worker/client/greet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/users.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "worker/client/gate.h"
#include "worker/client/interrupt.h"
#include "worker/client/outside.h"
#include "worker/client/peer.h"
#include "worker/client/proof.h"
#include "worker/client/replicate.h"
#include "worker/io/stream.h"
#include "worker/proto/report.h"
#include "worker/self.h"
#include "worker/session/vars.h"

enum {
	PASSWORD_MAX = USERS_SECRET_MAX + 1, /* body of a password message */
	APP_NAME = 64, /* bytes of a name in PostgreSQL, with its NUL */
};

void
greet_free(struct client *c)
{
	struct greet *g = c->greet;

	if (g == NULL)
		return;
	c->greet = NULL;
	proof_drop(g);
	outside_drop(g);
	peer_drop(g);
	secret_fini(&g->secret);
	free(g->own.params);
	free(g->vars);
	compat_bzero(g, sizeof(*g));
	free(g);
}

const char *
greet_database(const struct client *c)
{
	return c->greet->database[0] ? c->greet->database : "(nodb)";
}

static void
proved(struct client *c)
{
	struct greet *g = c->greet;
	bool is_long_key;

	gate_leave(c);
	if (!g->is_console) {
		client_set_state(c, CLIENT_WELCOME);
		welcome_start(c);
		return;
	}
	if (!auth_console(c, g, &c->is_admin)) {
		client_fail(c, "28000", "not allowed");
		return;
	}
	deadline_clear(&c->deadline);
	is_long_key = g->is_long_key;
	greet_free(c);
	client_set_state(c, CLIENT_CONSOLE);
	client_console->welcome(c, is_long_key);
}

/* --- the startup packet ------------------------------------------------------------ */

/* Whatever the server would take; it is asked when it is there. */
static int
on_var(struct greet *g, const char *name, const char *value, struct err *e)
{
	if (g->vars == NULL) {
		g->vars = malloc(sizeof(*g->vars));
		if (g->vars == NULL)
			return err_set(
			    e, "53200", "out of memory", "out of memory");
		vars_edit_init(g->vars, NULL);
	}
	if (vars_edit_put(g->vars, name, value))
		return 0;
	return err_set(e, "54000", "startup parameters are too long",
	    "startup parameters are too long");
}

static int
on_setting(struct client *c, const char *name, const char *value,
    bool is_option, struct err *e)
{
	int i = params_find(name);
	char app_name[APP_NAME];

	if (i != -1 && i == params_find("application_name")) {
		/* as PostgreSQL does, which takes one of any length */
		report_cut(app_name, sizeof(app_name), value);
		value = app_name;
	}
	if (i != -1) {
		if (params_edit_set(&c->greet->params, i, value))
			return 0;
		return err_set(e, "54000", "startup parameters are too long",
		    "startup parameters are too long");
	}
	if (conf_list_has(self.conf->ignore_startup_parameters, name))
		return 0;
	/* all that stands in them, but for what is tracked */
	if (is_option &&
	    conf_list_has(self.conf->ignore_startup_parameters, "options"))
		return 0;
	if (self.conf->session_state != SESSION_STATE_OFF &&
	    !c->greet->is_console)
		return on_var(c->greet, name, value, e);
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

	if (s->replication != STARTUP_NORMAL)
		return replicate_take(c, s, e);
	params_edit_init(&c->greet->params);
	while (startup_next(s, &pos, &name, &value)) {
		if (strcmp(name, "user") == 0 ||
		    strcmp(name, "database") == 0 ||
		    strcmp(name, "replication") == 0 ||
		    strncmp(name, "_pq_.", 5) == 0)
			continue;
		if (strcmp(name, "options") == 0) {
			if (startup_options(value, on_option, c, e) == -1)
				return -1;
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
	if (atomic_load(&seg->stopping) != SEG_RUNNING) {
		client_fail(c, "57P03", "the pooler is shutting down");
		return false;
	}
	if (self.conf->max_client_conn == 0)
		return true;
	/* who says nothing takes no place from who has said who it is */
	do
		if (proc_clients() <= (uint32_t)self.conf->max_client_conn)
			return true;
	while (gate_evict() && c->state != CLIENT_GONE);
	if (c->state == CLIENT_GONE)
		return false;
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
log_attempt(const struct client *c, enum startup_replication kind)
{
	static const char *const names[] = { "no", "logical", "physical" };
	char tls[TLS_DESCRIBE] = "no";
	struct log_who who;

	if (!self.conf->log_connections)
		return;
	if (c->tls != NULL)
		tls_describe(c->tls, tls, sizeof(tls));
	client_who(c, &who);
	log_info(&who, "login attempt: db=%s user=%s tls=%s replication=%s",
	    c->greet->database, c->greet->user, tls, names[kind]);
}

/* Where TLS is demanded nobody does without; a Unix socket has none. */
static bool
is_tls_missing(const struct client *c)
{
	return self.conf->client_tls_sslmode >= SSLMODE_REQUIRE &&
	    c->tls == NULL && !c->is_unix;
}

static void
on_session(struct client *c, const struct startup *s)
{
	struct greet *g = c->greet;
	uint8_t bytes[STARTUP_MAX + 16]; /* a packet may be all options */
	struct wire w;
	struct err e;

	compat_strlcpy(g->database, s->database, sizeof(g->database));
	compat_strlcpy(g->user, s->user, sizeof(g->user));
	g->is_console = is_console_name(g->database);
	show_user(c);
	if (is_tls_missing(c)) {
		client_fail(c, "28000", "SSL required");
		return;
	}
	if (!is_room(c))
		return;
	log_attempt(c, s->replication);
	if (take_settings(c, s, &e) == -1) {
		client_close(c, &e);
		return;
	}
	g->is_long_key = startup_minor(s) >= 2;
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

/*
 * What was sent ahead of our answer would be read as if it had come through
 * the tunnel (CVE-2021-3935).  False: it is over, or goes on as TLS.
 */
static bool
on_tunnel(struct client *c, bool *was, bool has_more, bool is_ssl)
{
	if (*was || has_more || c->tls != NULL) {
		client_fail(c, "08P01",
		    c->tls != NULL ? "encryption request inside TLS"
				   : "received unencrypted data after "
				     "encryption request");
		return false;
	}
	*was = true;
	if (!is_ssl || !tunnel_is_offered())
		return client_send(c, "N", 1) == 0;
	if (client_send(c, "S", 1) == 0)
		(void)tunnel_start(c, false);
	return false;
}

/* Direct TLS: the first byte says so, and is left where it is. */
static bool
is_direct_tls(const struct client *c)
{
	uint8_t first;

	return c->greet == NULL && c->tls == NULL && tunnel_is_offered() &&
	    recv(c->watch.fd, &first, 1, MSG_PEEK) == 1 &&
	    first == TLS_FIRST_BYTE;
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
		return on_tunnel(c, &c->greet->was_ssl, len > s.size, true)
		    ? s.size
		    : 0;
	case STARTUP_GSSENC:
		return on_tunnel(c, &c->greet->was_gss, len > s.size, false)
		    ? s.size
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

void
greet_checked(struct client *c, enum result r, const struct err *e)
{
	if (r == FAIL)
		client_close(c, e);
	if (r != DONE)
		return;
	proved(c);
	/* what came in while the proof was looked at */
	if (c->state == CLIENT_CONSOLE && buf_len(&c->in) > 0)
		client_console->resume(c);
}

bool
greet_is_busy(const struct client *c)
{
	const struct greet *g = c->greet;

	return g != NULL &&
	    (proof_is_busy(g) || outside_is_busy(g) || g->peer != NULL ||
		secret_is_asked_for(&g->secret));
}

static size_t
on_proof(struct client *c, const uint8_t *p, size_t len)
{
	struct frame f;
	struct err e;
	enum result r;

	/* its last proof is still being looked at: this waits */
	if (greet_is_busy(c))
		return 0;
	r = frame_parse(p, len, PASSWORD_MAX, &f);
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
	r = auth_on_message(c, c->greet, p + FRAME_HEAD, f.body, &e);
	greet_checked(c, r, &e);
	return FRAME_HEAD + (size_t)f.body;
}

void
greet_on_bytes(struct client *c)
{
	uint8_t *p;
	size_t len, used;

	if (is_direct_tls(c)) {
		(void)tunnel_start(c, true);
		return;
	}
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
		/* it may have been a password */
		compat_bzero(p, used);
		p += used;
		len -= used;
	}
	if (c->state == CLIENT_GONE || c->state == CLIENT_TLS || len == 0)
		return;
	if (client_hold(c, p, len) == 0) {
		client_rewatch(c);
		/* it is in already, and has sent its first query with it */
		if (c->state == CLIENT_IDLE)
			want_resume(c);
		else if (c->state == CLIENT_CONSOLE)
			client_console->resume(c);
	}
}

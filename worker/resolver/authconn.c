#include "worker/resolver/authconn.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/hostlist.h"

enum {
	HOST_LIST = MSG_ADDRS * (HOSTLIST_HOST + 1),
	ADDR_LIST = MSG_ADDRS * (INET6_ADDRSTRLEN + 12),
};

static uint64_t last_name_id;

void
authconn_setup(void)
{
	PQconninfoOption *all = PQconndefaults();

	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		if (o->envvar != NULL)
			(void)unsetenv(o->envvar);
	PQconninfoFree(all);
	/* no .pgpass, no .postgresql/ of whoever started us: no directory at
	 * all, which is no fault to libpq */
	(void)setenv("HOME", "/dev/null", 1);
}

/* --- the end ------------------------------------------------------------- */

static void
finish(struct authconn *c)
{
	PQfinish(c->pg);
	c->pg = NULL;
	c->events = 0;
}

static void set_why(struct authconn *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
set_why(struct authconn *c, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	/* what libpq says ends with a newline, and may have several */
	len = strlen(c->why);
	while (len > 0 && c->why[len - 1] == '\n')
		c->why[--len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (c->why[i] == '\n')
			c->why[i] = ' ';
}

static void
die(struct authconn *c)
{
	finish(c);
	c->state = AUTHCONN_DEAD;
}

void
authconn_close(struct authconn *c)
{
	finish(c);
	compat_bzero(c, sizeof(*c));
}

int
authconn_fd(const struct authconn *c)
{
	return c->pg == NULL ? -1 : PQsocket(c->pg);
}

/* --- hosts ----------------------------------------------------------------- */

static void
quiet(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* `hosts` and `addrs` are lists of equal length, or `addrs` is "". */
static void
connect_to(struct authconn *c, const char *hosts, const char *addrs)
{
	static const char *const keys[] = { "host", "hostaddr", "port",
		"dbname", "user", "password", "sslmode", "sslrootcert",
		"sslcert", "sslkey", "gssencmode", "application_name", NULL };
	const char *values[] = { hosts, addrs, c->texts[AUTHCONN_PORT],
		c->texts[AUTHCONN_DBNAME], c->texts[AUTHCONN_AS],
		c->texts[AUTHCONN_PASSWORD], c->texts[AUTHCONN_SSLMODE],
		c->texts[AUTHCONN_CA_FILE], c->texts[AUTHCONN_CERT_FILE],
		c->texts[AUTHCONN_KEY_FILE], "disable", "pooler auth_query",
		NULL };

	c->state = AUTHCONN_CONNECT;
	c->events = POLLOUT;
	/* 0: a database's name is no connection string */
	c->pg = PQconnectStartParams(keys, values, 0);
	if (c->pg == NULL) {
		set_why(c, "out of memory");
		die(c);
		return;
	}
	PQsetNoticeProcessor(c->pg, quiet, NULL);
	/* the SQLSTATE of a refusal is told in its text alone */
	(void)PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
}

/* The next entry of the host list; DEAD after the last, with its fault. */
static void
next_host(struct authconn *c, uint64_t now_ms)
{
	const char *hosts = c->texts[AUTHCONN_HOSTS];
	uint32_t n = hostlist_count(hosts);
	char host[HOSTLIST_HOST];

	finish(c);
	c->due_ms = now_ms + AUTHCONN_LIMIT_MS;
	while (c->tried < n) {
		if (!hostlist_entry(hosts, (c->first + c->tried++) % n, host)) {
			set_why(c, "name of the server is too long");
			continue;
		}
		if (host[0] == '\0' || host[0] == '/' || host[0] == '@') {
			connect_to(
			    c, host[0] ? host : c->texts[AUTHCONN_DIR], "");
			return;
		}
		c->name_id = ++last_name_id;
		if (dns_ask(c->me, c->name_id, host) == 0) {
			c->state = AUTHCONN_NAME;
			return;
		}
		set_why(c, "look-up of %.64s: too many questions", host);
	}
	die(c);
}

void
authconn_open(struct authconn *c, uint64_t now_ms)
{
	next_host(c, now_ms);
}

static void
add_text(char *list, size_t size, const char *text)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s", len > 0 ? "," : "", text);
}

bool
authconn_on_name(
    struct authconn *c, const struct dns_answer *a, uint64_t now_ms)
{
	const char *list = c->texts[AUTHCONN_HOSTS];
	char host[HOSTLIST_HOST], hosts[HOST_LIST] = "", addrs[ADDR_LIST] = "";
	uint32_t n = hostlist_count(list);

	if (c->state != AUTHCONN_NAME || c->name_id != a->id)
		return false;
	(void)hostlist_entry(list, (c->first + c->tried - 1) % n, host);
	if (a->status != DNS_WELL) {
		set_why(c, "look-up of %.64s: %.64s", host, a->why);
		next_host(c, now_ms);
		return true;
	}
	for (uint32_t i = 0; i < a->addrs.n && i < MSG_ADDRS; i++) {
		bool is_v6 = a->addrs.a[i].family == 6;
		char text[INET6_ADDRSTRLEN + 12];

		(void)inet_ntop(is_v6 ? AF_INET6 : AF_INET, a->addrs.a[i].addr,
		    text, sizeof(text));
		if (is_v6 && a->addrs.a[i].scope != 0)
			snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%%%u",
			    (unsigned)a->addrs.a[i].scope);
		add_text(addrs, sizeof(addrs), text);
		add_text(hosts, sizeof(hosts), host);
	}
	connect_to(c, hosts, addrs);
	return true;
}

/* --- the login --------------------------------------------------------------- */

static void
host_failed(struct authconn *c, uint64_t now_ms)
{
	const char *text = PQerrorMessage(c->pg);

	set_why(c, "%s", text);
	c->is_missing = strstr(text, " 3D000: ") != NULL;
	next_host(c, now_ms);
}

/* Our own limit, at the server; no answer of its is of interest. */
static void
set_up(struct authconn *c, uint64_t now_ms)
{
	char query[64];

	snprintf(query, sizeof(query), "SET statement_timeout TO %d",
	    AUTHCONN_QUERY_MS);
	c->state = AUTHCONN_SETUP;
	c->due_ms = now_ms + AUTHCONN_LIMIT_MS;
	c->events = POLLIN;
	(void)PQsetErrorVerbosity(c->pg, PQERRORS_DEFAULT);
	if (PQsetnonblocking(c->pg, 1) == -1 ||
	    PQsendQuery(c->pg, query) == 0) {
		host_failed(c, now_ms);
		return;
	}
	if (PQflush(c->pg) == 1)
		c->events |= POLLOUT;
}

static void
on_login(struct authconn *c, uint64_t now_ms)
{
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		c->events = POLLIN;
		break;
	case PGRES_POLLING_WRITING:
		c->events = POLLOUT;
		break;
	case PGRES_POLLING_OK:
		set_up(c, now_ms);
		break;
	default:
		host_failed(c, now_ms);
		break;
	}
}

/* --- the query ------------------------------------------------------------------ */

void
authconn_ask(
    struct authconn *c, const char *query, const char *user, uint64_t now_ms)
{
	const char *const values[] = { user };

	(void)compat_strlcpy(c->user, user, sizeof(c->user));
	c->state = AUTHCONN_BUSY;
	c->answer = AUTHCONN_NOTHING;
	c->rows = 0;
	c->why[0] = '\0';
	c->due_ms = now_ms + AUTHCONN_LIMIT_MS;
	c->events = POLLIN;
	if (PQsendQueryParams(c->pg, query, 1, NULL, values, NULL, NULL, 0) ==
		0 ||
	    PQsetSingleRowMode(c->pg) == 0) {
		set_why(c, "%s", PQerrorMessage(c->pg));
		die(c);
		return;
	}
	if (PQflush(c->pg) == 1)
		c->events |= POLLOUT;
}

static void
decide(struct authconn *c, enum authconn_answer answer, const char *why)
{
	c->answer = answer;
	if (why != NULL)
		set_why(c, "%s", why);
}

/*
 * The one row.  Whatever is wrong with it is about this user alone, and he is
 * told what one who does not exist is told.
 */
static void
on_row(struct authconn *c, PGresult *r)
{
	char *secret;
	size_t len;

	if (c->rows++ > 0) {
		decide(c, AUTHCONN_UNKNOWN, "more than one row");
		/* there may be millions */
		die(c);
		return;
	}
	if (PQnfields(r) != 2) {
		decide(c, AUTHCONN_FAULT, "not two columns: name, secret");
		return;
	}
	secret = PQgetvalue(r, 0, 1);
	len = (size_t)PQgetlength(r, 0, 1);
	if (PQgetisnull(r, 0, 0) || strcmp(PQgetvalue(r, 0, 0), c->user) != 0)
		decide(c, AUTHCONN_UNKNOWN, "the row is another user's");
	else if (len >= sizeof(c->secret))
		decide(c, AUTHCONN_UNKNOWN, "the secret is too long");
	else {
		memcpy(c->secret, secret, len);
		c->secret[len] = '\0';
		decide(c, AUTHCONN_FOUND, NULL);
	}
	compat_bzero(secret, len);
}

/*
 * Data that the query cannot take (a name that is no text in the server's
 * encoding), or what the query itself raises, is about this user alone; a
 * query that does not do is about all.
 */
static void
on_fault(struct authconn *c, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	/* the session ends: another one may do it */
	if (PQstatus(c->pg) == CONNECTION_BAD ||
	    (state != NULL && strncmp(state, "57P", 3) == 0)) {
		set_why(c, "%s", PQresultErrorMessage(r));
		die(c);
		return;
	}
	decide(c,
	    state != NULL &&
		    (strncmp(state, "22", 2) == 0 ||
			strncmp(state, "P0", 2) == 0)
		? AUTHCONN_UNKNOWN
		: AUTHCONN_FAULT,
	    PQresultErrorMessage(r));
}

static void
on_result(struct authconn *c, PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_SINGLE_TUPLE:
		on_row(c, r);
		return;
	case PGRES_TUPLES_OK:
		if (c->rows > 0)
			return;
		if (PQnfields(r) == 2)
			decide(c, AUTHCONN_UNKNOWN, NULL);
		else
			decide(
			    c, AUTHCONN_FAULT, "not two columns: name, secret");
		return;
	case PGRES_FATAL_ERROR:
		on_fault(c, r);
		return;
	default:
		/* COPY, say, which would have no end */
		decide(c, AUTHCONN_FAULT, "it is not a query for rows");
		die(c);
		return;
	}
}

static void
on_results(struct authconn *c, uint64_t now_ms)
{
	while (c->state != AUTHCONN_DEAD && !PQisBusy(c->pg)) {
		PGresult *r = PQgetResult(c->pg);

		if (r == NULL) {
			if (c->state == AUTHCONN_BUSY &&
			    c->answer == AUTHCONN_NOTHING)
				decide(c, AUTHCONN_FAULT, "no answer");
			c->state = AUTHCONN_IDLE;
			c->was_ready = true;
			c->due_ms = now_ms + AUTHCONN_KEEP_MS;
			return;
		}
		if (c->state == AUTHCONN_BUSY)
			on_result(c, r);
		PQclear(r);
	}
}

/* SETUP, IDLE (where it can only have ended), BUSY. */
static void
on_bytes(struct authconn *c, uint64_t now_ms)
{
	int unsent = PQflush(c->pg);

	c->events = unsent == 1 ? POLLIN | POLLOUT : POLLIN;
	if (unsent == -1 || PQconsumeInput(c->pg) == 0) {
		if (c->answer == AUTHCONN_NOTHING)
			set_why(c, "%s", PQerrorMessage(c->pg));
		die(c);
		return;
	}
	if (c->state == AUTHCONN_IDLE)
		/* libpq keeps nothing of what comes unasked */
		(void)PQisBusy(c->pg);
	else
		on_results(c, now_ms);
	if (c->state != AUTHCONN_DEAD && PQstatus(c->pg) == CONNECTION_BAD) {
		if (c->answer == AUTHCONN_NOTHING && c->why[0] == '\0')
			set_why(c, "%s", PQerrorMessage(c->pg));
		die(c);
	}
}

static void
on_due(struct authconn *c, uint64_t now_ms)
{
	switch (c->state) {
	case AUTHCONN_NAME:
	case AUTHCONN_CONNECT:
		set_why(c, "timed out");
		next_host(c, now_ms);
		return;
	case AUTHCONN_IDLE:
		die(c);
		return;
	default:
		set_why(c, "the server does not answer");
		die(c);
		return;
	}
}

void
authconn_run(struct authconn *c, short revents, uint64_t now_ms)
{
	if (revents != 0 && c->state == AUTHCONN_CONNECT)
		on_login(c, now_ms);
	else if (revents != 0 && c->pg != NULL)
		on_bytes(c, now_ms);
	if (c->state != AUTHCONN_DEAD && now_ms >= c->due_ms)
		on_due(c, now_ms);
}

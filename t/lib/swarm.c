/*
 * swarm.c - many clients in one loop.
 *
 *   OFF -> CONNECT -> READY -> BUSY -> READY
 *    `--------^---------'--------' lost, or left
 */
#include "t/lib/swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/spawn.h"

enum state { OFF, CONNECT, READY, BUSY };

enum kind { SIMPLE, EXTENDED, BLOCK, STEPS, SLOW, LARGE, FAILING, KINDS };

static unsigned
draw(struct swarm *s, unsigned below)
{
	/* xorshift: reproducible from the seed */
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return (unsigned)(s->seed >> 33) % below;
}

static void
no_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

struct swarm *
swarm_new(const char *at, int n, unsigned flags)
{
	struct swarm *s = calloc(1, sizeof(*s));

	ck_assert_ptr_nonnull(s);
	s->member = calloc((size_t)n, sizeof(*s->member));
	ck_assert_ptr_nonnull(s->member);
	s->at = strdup(at);
	s->n = n;
	s->flags = flags;
	s->seed = 88172645463325252u + (uint64_t)getpid();
	return s;
}

static void
connect_start(struct swarm *s, struct member *m)
{
	m->conn = PQconnectStart(s->at);
	ck_assert_ptr_nonnull(m->conn);
	PQsetNoticeReceiver(m->conn, no_notice, NULL);
	m->state = CONNECT;
}

static void
note(struct swarm *s, const char *what)
{
	if (!*s->first_error)
		snprintf(s->first_error, sizeof(s->first_error), "%s", what);
}

/* The connection is gone, whoever ended it. */
static void
lose(struct swarm *s, struct member *m, long *count)
{
	/* who is cancelled in the queue is sent away */
	if (m->cancelled && count == &s->dropped &&
	    strstr(PQerrorMessage(m->conn), "due to user request"))
		count = &s->left;
	m->cancelled = false;
	if (count != &s->left)
		note(s, PQerrorMessage(m->conn));
	++*count;
	PQfinish(m->conn);
	m->conn = NULL;
	m->state = OFF;
	if (s->flags & SWARM_RECONNECT)
		connect_start(s, m);
}

static const char *
sql_of(const struct member *m)
{
	switch (m->kind) {
	case BLOCK:
		return text("BEGIN; SELECT '%s'; COMMIT", m->token);
	case STEPS:
		return m->step == 0 ? "BEGIN"
		    : m->step == 1  ? text("SELECT '%s'", m->token)
				    : "COMMIT";
	case SLOW:
		return text("SELECT '%s' FROM pg_sleep(0.005)", m->token);
	case LARGE:
		return text("SELECT '%s', repeat('x', 30000)", m->token);
	case FAILING:
		return text("SELECT '%s'::int", m->token);
	default:
		return text("SELECT '%s'", m->token);
	}
}

/* Send the query, or its next step. */
static void
send_step(struct swarm *s, struct member *m)
{
	const char *param = m->token;
	int ok;

	if (m->kind == EXTENDED)
		ok = PQsendQueryParams(
		    m->conn, "SELECT $1::text", 1, NULL, &param, NULL, NULL, 0);
	else
		ok = PQsendQuery(m->conn, sql_of(m));
	if (!ok) {
		lose(s, m, &s->dropped);
		return;
	}
	m->state = BUSY;
}

static void
begin(struct swarm *s, struct member *m)
{
	snprintf(m->token, sizeof(m->token), "t%d-%d-%llu", (int)getpid(),
	    (int)(m - s->member), (unsigned long long)s->serial++);
	m->kind = s->flags & SWARM_BRIEF ? SIMPLE : (int)draw(s, KINDS);
	m->step = 0;
	m->answered = false;
	m->cancelled = false;
	send_step(s, m);
}

static void
cancel(struct swarm *s, struct member *m)
{
	char buf[256];
	PGcancel *k = PQgetCancel(m->conn);

	m->cancelled = true;
	s->cancels++;
	/* returns when the pooler has done with it */
	if (k)
		PQcancel(k, buf, sizeof(buf));
	PQfreeCancel(k);
}

static void
take_error(struct swarm *s, struct member *m, const PGresult *r)
{
	const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (code && !strcmp(code, "57014")) {
		s->stray += !m->cancelled;
		m->answered = true;
	} else if (m->kind == FAILING && code && !strcmp(code, "22P02")) {
		if (strstr(PQresultErrorMessage(r), m->token))
			s->done++;
		else
			s->wrong++;
		m->answered = true;
	} else if (m->cancelled && code && !strcmp(code, "25P02")) {
		m->answered = true;
	} else {
		note(s, PQresultErrorMessage(r));
		s->failed++;
		m->answered = true;
	}
}

static void
take(struct swarm *s, struct member *m, PGresult *r)
{
	if (PQresultStatus(r) == PGRES_TUPLES_OK) {
		if (!m->answered && PQntuples(r) == 1 &&
		    !strcmp(PQgetvalue(r, 0, 0), m->token)) {
			s->done++;
		} else {
			note(s,
			    text("expected %s, got %.60s", m->token,
				PQntuples(r) ? PQgetvalue(r, 0, 0)
					     : "nothing"));
			s->wrong++;
		}
		m->answered = true;
	} else if (PQresultStatus(r) == PGRES_FATAL_ERROR &&
	    PQstatus(m->conn) == CONNECTION_OK) {
		take_error(s, m, r);
	}
	PQclear(r);
}

/* All results of a step are there. */
static void
on_end(struct swarm *s, struct member *m)
{
	if (m->kind == STEPS && m->step < 2) {
		m->step++;
		send_step(s, m);
		return;
	}
	if (!m->answered && !m->cancelled) {
		note(s, text("no answer to %s", m->token));
		s->wrong++;
	}
	m->state = READY;
	if (s->flags & SWARM_LEAVE && draw(s, 30) == 0)
		lose(s, m, &s->left);
}

static void
on_bytes(struct swarm *s, struct member *m)
{
	PGresult *r;

	if (!PQconsumeInput(m->conn)) {
		lose(s, m, &s->dropped);
		return;
	}
	while (m->state == BUSY && !PQisBusy(m->conn)) {
		r = PQgetResult(m->conn);
		if (r)
			take(s, m, r);
		else if (PQstatus(m->conn) == CONNECTION_OK)
			on_end(s, m);
		if (m->conn && PQstatus(m->conn) == CONNECTION_BAD) {
			lose(s, m, &s->dropped);
			return;
		}
	}
}

static void
on_event(struct swarm *s, struct member *m)
{
	if (m->state == CONNECT) {
		switch (PQconnectPoll(m->conn)) {
		case PGRES_POLLING_OK:
			m->state = READY;
			break;
		case PGRES_POLLING_FAILED:
			lose(s, m, &s->refused);
			break;
		default:
			break;
		}
	} else {
		on_bytes(s, m);
	}
}

/* What a member does of its own accord. */
static void
act(struct swarm *s, struct member *m)
{
	if (m->state == READY && !s->stopping)
		begin(s, m);
	else if (m->state == BUSY && s->flags & SWARM_CANCEL &&
	    m->kind == SLOW && !m->cancelled && draw(s, 20) == 0)
		cancel(s, m);
	else if (m->state == BUSY && s->flags & SWARM_LEAVE &&
	    draw(s, 300) == 0)
		lose(s, m, &s->left);
}

static void
turn(struct swarm *s)
{
	struct pollfd *p = calloc((size_t)s->n, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < s->n; i++) {
		struct member *m = &s->member[i];

		p[i].fd = m->conn ? PQsocket(m->conn) : -1;
		p[i].events = POLLIN;
		/* libpq says what it waits for; a wrong guess costs a call */
		if (m->state == CONNECT &&
		    (PQstatus(m->conn) == CONNECTION_STARTED ||
			PQstatus(m->conn) == CONNECTION_MADE))
			p[i].events = POLLOUT;
	}
	poll(p, (nfds_t)s->n, 10);
	for (int i = 0; i < s->n; i++)
		if (p[i].revents && s->member[i].conn)
			on_event(s, &s->member[i]);
	for (int i = 0; i < s->n; i++)
		act(s, &s->member[i]);
	free(p);
}

void
swarm_run(struct swarm *s, int ms)
{
	int64_t end = now_ms() + ms;

	s->stopping = false;
	for (int i = 0; i < s->n; i++)
		if (s->member[i].state == OFF &&
		    (s->flags & SWARM_RECONNECT ||
			(s->serial == 0 && !s->gathered)))
			connect_start(s, &s->member[i]);
	while (now_ms() < end)
		turn(s);
}

int
swarm_connected(const struct swarm *s)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		n += s->member[i].state >= READY;
	return n;
}

void
swarm_gather(struct swarm *s, int ms)
{
	int64_t end = now_ms() + patience(ms);

	s->stopping = true;
	while (swarm_connected(s) < s->n) {
		for (int i = 0; i < s->n; i++)
			if (s->member[i].state == OFF)
				connect_start(s, &s->member[i]);
		ck_assert_msg(now_ms() < end, "%d of %d connected: %s",
		    swarm_connected(s), s->n, s->first_error);
		turn(s);
	}
	s->gathered = true;
}

static int
busy(const struct swarm *s)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		n += s->member[i].state == BUSY;
	return n;
}

void
swarm_settle_all(struct swarm *const *s, int n, int ms)
{
	int64_t end = now_ms() + patience(ms);
	int left;

	do {
		left = 0;
		for (int i = 0; i < n; i++) {
			s[i]->stopping = true;
			if (busy(s[i]) > 0)
				turn(s[i]);
			left += busy(s[i]);
			ck_assert_msg(now_ms() < end || busy(s[i]) == 0,
			    "%d queries hang: %s", busy(s[i]),
			    s[i]->first_error);
		}
	} while (left > 0);
}

void
swarm_settle(struct swarm *s, int ms)
{
	swarm_settle_all(&s, 1, ms);
}

void
swarm_check(const struct swarm *s)
{
	ck_assert_msg(
	    s->wrong == 0, "%ld wrong answers: %s", s->wrong, s->first_error);
	ck_assert_msg(s->stray == 0, "%ld stray cancels", s->stray);
	ck_assert_msg(
	    s->failed == 0, "%ld errors: %s", s->failed, s->first_error);
}

void
swarm_free(struct swarm *s)
{
	for (int i = 0; i < s->n; i++)
		if (s->member[i].conn)
			PQfinish(s->member[i].conn);
	free(s->member);
	free((void *)(uintptr_t)s->at);
	free(s);
}

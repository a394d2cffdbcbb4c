/*
 * ask.c - names, their addresses, and who waits for them.
 *
 * A name is in one of these states; whoever asks while it is ASKING joins
 * the list of those who wait:
 *
 *   NEW -> ASKING -> KNOWN    until_us passes -> ASKING
 *            |  `--> UNKNOWN  until_us passes -> ASKING
 *            `-----> NEW      no answer in time; kept for nobody
 *
 * Data: this process's own.  Never blocks.
 */
#include "worker/ask.h"

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/settings.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"
#include "worker/io/outer.h"

enum { HOST_MAX = 256, NAMES_MAX = 1024, NOBODY_MS = 250 };

enum name_state { NAME_NEW, NAME_ASKING, NAME_KNOWN, NAME_UNKNOWN };

struct ask_name {
	struct deadline deadline;
	struct ask_name *next;
	struct ask_link waiting; /* ring; while ASKING */
	enum name_state state;
	int port;          /* of the first who asked; addresses have none */
	uint32_t turn;     /* who is first of several addresses */
	uint64_t id;       /* of the question in flight */
	uint64_t until_us; /* ASKING: give up; KNOWN, UNKNOWN: stale */
	struct msg_addrs addrs;
	struct err err;
	char host[HOST_MAX];
};

static struct chan *channel;
static uint32_t self;
static int64_t known_ms, unknown_ms;
static struct ask_name *names;
static uint32_t nnames;
static uint64_t last_id;

void
ask_open(struct chan *c, uint32_t me, const struct conf *conf)
{
	channel = c;
	self = me;
	/* above those of all before us under our number: a late answer to
	 * one of theirs is none of ours */
	last_id = clock_now_us() << 8;
	ask_conf(conf);
}

void
ask_conf(const struct conf *conf)
{
	known_ms = conf->dns_max_ttl_ms;
	unknown_ms = conf->dns_nxdomain_ttl_ms;
}

/* --- who waits ------------------------------------------------------------ */

static void
link_at_end(struct ask_link *ring, struct ask_link *l)
{
	l->next = ring;
	l->prev = ring->prev;
	ring->prev->next = l;
	ring->prev = l;
}

static void
unlink_one(struct ask_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

/* All of `from` to the empty ring `to`. */
static void
move_all(struct ask_link *from, struct ask_link *to)
{
	to->next = to->prev = to;
	while (from->next != from) {
		struct ask_link *l = from->next;

		unlink_one(l);
		link_at_end(to, l);
	}
}

/* Give `a` what is known of `n`: DONE or FAIL. */
static enum result
give(struct ask_name *n, struct ask *a)
{
	uint32_t count = n->addrs.n;

	if (n->state != NAME_KNOWN) {
		a->status = ASK_FAILED;
		a->err = n->err;
		return FAIL;
	}
	assert(count > 0); /* is_good() has seen to it */
	/* several addresses take turns */
	memset(&a->addrs, 0, sizeof(a->addrs));
	a->addrs.n = count;
	for (uint32_t i = 0; i < count; i++)
		a->addrs.a[i] = n->addrs.a[(i + n->turn) % count];
	n->turn = (n->turn + 1) % count;
	a->status = ASK_WELL;
	return DONE;
}

/*
 * All get the answer before the first is called: a callback may ask for the
 * same name anew, or for one that makes this one be forgotten.
 */
static void
answer(struct ask_name *n)
{
	struct ask_link told;

	deadline_clear(&n->deadline);
	n->id = 0;
	move_all(&n->waiting, &told);
	for (struct ask_link *l = told.next; l != &told; l = l->next)
		(void)give(n, OUTER_OF(l, struct ask, link));
	while (told.next != &told) {
		struct ask *a = OUTER_OF(told.next, struct ask, link);

		unlink_one(&a->link);
		a->on_answer(a);
	}
}

/* --- names ---------------------------------------------------------------- */

static void
fail(struct ask_name *n, const char *why)
{
	(void)err_set(&n->err, "08001", "server's address is not known",
	    "look-up of %s: %s", n->host, why);
}

static int
send_question(struct ask_name *n)
{
	struct msg m = { .type = MSG_RESOLVE, .proc = (uint16_t)self };

	m.id = n->id;
	m.arg = (uint64_t)n->port;
	m.len = (uint32_t)strlen(n->host);
	memcpy(m.text, n->host, m.len);
	return channel ? chan_send(channel, &m, -1) : -1;
}

static int
arm(struct ask_name *n, int again_ms)
{
	uint64_t again_us = loop_now_us + (uint64_t)again_ms * 1000;

	return deadline_set(
	    &n->deadline, again_us < n->until_us ? again_us : n->until_us);
}

static void
on_deadline(struct deadline *d)
{
	struct ask_name *n = OUTER_OF(d, struct ask_name, deadline);

	if (loop_now_us < n->until_us) {
		/* a resolver that died over it has a successor by now; who
		 * still works on it drops the second one */
		(void)send_question(n);
		(void)arm(n, ASK_AGAIN_MS);
		return;
	}
	fail(n, "no answer in time");
	n->state = NAME_NEW;
	answer(n);
}

/* Make room in the table: forget the name that goes stale first. */
static void
forget_one(void)
{
	struct ask_name **victim = NULL;

	for (struct ask_name **at = &names; *at; at = &(*at)->next) {
		if ((*at)->state == NAME_ASKING)
			continue;
		if (!victim || (*at)->until_us < (*victim)->until_us)
			victim = at;
	}
	if (victim) {
		struct ask_name *n = *victim;

		*victim = n->next;
		nnames--;
		free(n);
	}
}

static struct ask_name *
name_of(const char *host)
{
	struct ask_name *n;

	for (n = names; n; n = n->next)
		if (strcasecmp(n->host, host) == 0)
			return n;
	if (nnames >= NAMES_MAX)
		forget_one();
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	deadline_init(&n->deadline, on_deadline);
	n->waiting.next = n->waiting.prev = &n->waiting;
	(void)compat_strlcpy(n->host, host, sizeof(n->host));
	n->next = names;
	names = n;
	nnames++;
	return n;
}

void
ask_close(void)
{
	/* a callback that asks anew is refused at once */
	channel = NULL;
	while (names) {
		struct ask_name *n = names;

		names = n->next;
		nnames--;
		fail(n, "the process ends");
		n->state = NAME_NEW;
		answer(n);
		deadline_clear(&n->deadline);
		free(n);
	}
}

/* --- questions ------------------------------------------------------------ */

/* An address in figures; an IPv6 one may have a %scope. */
static bool
is_numeric(const char *host, struct msg_addrs *out)
{
	const char *percent = strchr(host, '%');
	char bare[INET6_ADDRSTRLEN];
	size_t len = percent ? (size_t)(percent - host) : strlen(host);

	memset(out, 0, sizeof(*out));
	if (len >= sizeof(bare))
		return false;
	memcpy(bare, host, len);
	bare[len] = '\0';
	out->n = 1;
	if (!percent && inet_pton(AF_INET, bare, out->a[0].addr) == 1) {
		out->a[0].family = 4;
		return true;
	}
	if (inet_pton(AF_INET6, bare, out->a[0].addr) != 1)
		return false;
	out->a[0].family = 6;
	if (percent)
		out->a[0].scope = if_nametoindex(percent + 1);
	if (percent && out->a[0].scope == 0)
		out->a[0].scope = (uint32_t)strtoul(percent + 1, NULL, 10);
	return true;
}

static int
begin(struct ask_name *n, int port)
{
	n->port = port;
	n->until_us = loop_now_us + (uint64_t)ASK_LIMIT_MS * 1000;
	n->id = ++last_id;
	if (arm(n, ASK_AGAIN_MS) == -1 || send_question(n) == -1) {
		deadline_clear(&n->deadline);
		fail(n, "the resolver cannot be asked");
		n->state = NAME_NEW;
		n->until_us = 0;
		return -1;
	}
	n->state = NAME_ASKING;
	return 0;
}

void
ask_cancel(struct ask *a)
{
	if (a->link.next)
		unlink_one(&a->link);
}

enum result
ask_host(
    struct ask *a, const char *host, int port, void (*on_answer)(struct ask *a))
{
	struct ask_name *n;
	size_t len = strlen(host);

	ask_cancel(a);
	a->on_answer = on_answer;
	a->port = port;
	a->status = ASK_NONE;
	if (is_numeric(host, &a->addrs)) {
		a->status = ASK_WELL;
		return DONE;
	}
	n = len > 0 && len < HOST_MAX ? name_of(host) : NULL;
	if (!n) {
		a->status = ASK_FAILED;
		(void)err_set(&a->err, "08001", "server's address is not known",
		    "look-up of %.64s: no such name, or no memory", host);
		return FAIL;
	}
	if (n->state == NAME_KNOWN || n->state == NAME_UNKNOWN) {
		if (loop_now_us < n->until_us)
			return give(n, a);
	}
	if (n->state != NAME_ASKING && begin(n, port) == -1)
		return give(n, a);
	link_at_end(&n->waiting, &a->link);
	return WAIT;
}

static bool
is_good(const struct msg *m, struct msg_addrs *out)
{
	if (m->len != sizeof(*out))
		return false;
	memcpy(out, m->text, sizeof(*out));
	if (out->n == 0 || out->n > MSG_ADDRS)
		return false;
	for (uint32_t i = 0; i < out->n; i++)
		if (out->a[i].family != 4 && out->a[i].family != 6)
			return false;
	return true;
}

void
ask_on_message(const struct msg *m)
{
	struct ask_name *n = names;
	int64_t keep_ms = unknown_ms;

	while (n && (n->state != NAME_ASKING || n->id != m->id))
		n = n->next;
	if (!n)
		return; /* too late, or said twice */
	if (m->status != 0 && m->len == 0) {
		/* it reached nobody: the resolver is being started anew */
		(void)arm(n, NOBODY_MS);
		return;
	}
	if (m->status == 0 && is_good(m, &n->addrs)) {
		n->state = NAME_KNOWN;
		n->turn = 0;
		keep_ms = known_ms;
	} else {
		char why[64] = "a bad answer";

		if (m->status != 0 && m->len <= MSG_TEXT) {
			size_t len =
			    m->len < sizeof(why) ? m->len : sizeof(why) - 1;

			memcpy(why, m->text, len);
			why[len] = '\0';
		}
		n->state = NAME_UNKNOWN;
		fail(n, why);
	}
	n->until_us = loop_now_us + (uint64_t)keep_ms * 1000;
	answer(n);
}

socklen_t
ask_sockaddr(const struct ask *a, uint32_t i, struct sockaddr_storage *out)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(out, 0, sizeof(*out));
	if (a->status != ASK_WELL || i >= a->addrs.n || i >= MSG_ADDRS)
		return 0;
	if (a->addrs.a[i].family == 4) {
		in4.sin_port = htons((uint16_t)a->port);
		memcpy(&in4.sin_addr, a->addrs.a[i].addr, 4);
		memcpy(out, &in4, sizeof(in4));
		return sizeof(in4);
	}
	in6.sin6_port = htons((uint16_t)a->port);
	in6.sin6_scope_id = a->addrs.a[i].scope;
	memcpy(&in6.sin6_addr, a->addrs.a[i].addr, 16);
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

uint32_t
ask_names(void)
{
	return nnames;
}

uint32_t
ask_pending(void)
{
	uint32_t sum = 0;

	for (const struct ask_name *n = names; n; n = n->next)
		sum += n->state == NAME_ASKING;
	return sum;
}

/*
 * asksecret.c - questions in flight, and who waits for them.
 *
 *   ASKING -> answered and freed
 *      `----> sent again each ASK_AGAIN_MS; failed and freed at its end
 *
 * A question whose askers have all gone is left to its answer.
 */
#include "worker/asksecret.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/settings.h"
#include "conf/users.h"
#include "worker/io/deadline.h"
#include "worker/io/loop.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum { BUCKET_BITS = 8, BUCKETS = 1 << BUCKET_BITS, NOBODY_MS = 250 };

struct question {
	struct question *next; /* of its bucket */
	struct deadline deadline;
	struct ask_link waiting; /* ring */
	uint64_t id;             /* its last bits are its bucket */
	uint64_t until_us;
	char database[CONF_DBNAME_MAX + 1];
	char user[USERS_NAME_MAX + 1];
};

static struct question *buckets[BUCKETS];
static uint32_t number;
static uint64_t last_id;

static uint32_t
bucket_of(const char *database, const char *user)
{
	uint32_t h = 2166136261u;

	for (; *database != '\0'; database++)
		h = (h ^ (uint8_t)*database) * 16777619u;
	h *= 16777619u;
	for (; *user != '\0'; user++)
		h = (h ^ (uint8_t)*user) * 16777619u;
	return h % BUCKETS;
}

static void
unlink_one(struct ask_link *l)
{
	assert(l->prev != NULL && l->next != NULL);
	l->prev->next = l->next;
	l->next->prev = l->prev;
	l->next = l->prev = NULL;
}

void
asksecret_cancel(struct asksecret *a)
{
	if (a->link.next != NULL)
		unlink_one(&a->link);
}

uint32_t
asksecret_pending(void)
{
	return number;
}

static void
drop(struct question *q)
{
	struct question **at = &buckets[q->id % BUCKETS];

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	number--;
	deadline_clear(&q->deadline);
	while (q->waiting.next != &q->waiting)
		unlink_one(q->waiting.next);
	free(q);
}

void
asksecret_close(void)
{
	for (uint32_t i = 0; i < BUCKETS; i++)
		while (buckets[i] != NULL)
			drop(buckets[i]);
}

/* Nobody finds the question any more while its askers are told. */
static void
answer(struct question *q, struct asksecret_answer *got)
{
	struct ask_link told;

	told.next = told.prev = &told;
	if (q->waiting.next != &q->waiting) {
		told = q->waiting;
		told.next->prev = told.prev->next = &told;
		q->waiting.next = q->waiting.prev = &q->waiting;
	}
	drop(q);
	while (told.next != &told) {
		struct asksecret *a =
		    OUTER_OF(told.next, struct asksecret, link);

		unlink_one(&a->link);
		a->on_answer(a, got);
	}
	compat_bzero(got, sizeof(*got));
}

/* --- asking ---------------------------------------------------------------- */

/* What cannot be sent now is sent again, as if it had reached nobody. */
static int
send_question(struct question *q)
{
	struct msg m = { .type = MSG_SECRET, .proc = (uint16_t)self.me };
	size_t len = strlen(q->database) + 1, user_len = strlen(q->user);
	int again_ms = ASK_AGAIN_MS;
	uint64_t again_us;

	_Static_assert(CONF_DBNAME_MAX + 1 + USERS_NAME_MAX <= MSG_TEXT,
	    "a question fits a message");
	m.id = q->id;
	m.len = (uint32_t)(len + user_len);
	memcpy(m.text, q->database, len);
	memcpy(m.text + len, q->user, user_len);
	if (self_send(&m, -1) == -1)
		again_ms = NOBODY_MS;
	again_us = loop_now_us + (uint64_t)again_ms * 1000;
	return deadline_set(
	    &q->deadline, again_us < q->until_us ? again_us : q->until_us);
}

static void
on_deadline(struct deadline *d)
{
	struct question *q = OUTER_OF(d, struct question, deadline);
	struct asksecret_answer got = { .status = ASK_FAILED };

	if (loop_now_us < q->until_us && send_question(q) == 0)
		return;
	(void)err_set(&got.err, "08006", "auth_query: no answer in time",
	    "auth_query: the resolver does not answer");
	answer(q, &got);
}

static struct question *
question_for(const char *database, const char *user)
{
	uint32_t bucket = bucket_of(database, user);
	struct question *q = buckets[bucket];

	while (q != NULL &&
	    (strcmp(q->user, user) != 0 || strcmp(q->database, database) != 0))
		q = q->next;
	if (q != NULL)
		return q;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	(void)compat_strlcpy(q->database, database, sizeof(q->database));
	(void)compat_strlcpy(q->user, user, sizeof(q->user));
	q->waiting.next = q->waiting.prev = &q->waiting;
	deadline_init(&q->deadline, on_deadline);
	/* above those of all before us under our number: a late answer to
	 * one of theirs is none of ours */
	if (last_id == 0)
		last_id = clock_now_us();
	q->id = ++last_id << BUCKET_BITS | bucket;
	q->until_us = loop_now_us + (uint64_t)ASK_LIMIT_MS * 1000;
	q->next = buckets[bucket];
	buckets[bucket] = q;
	number++;
	if (send_question(q) == 0)
		return q;
	drop(q);
	return NULL;
}

enum result
asksecret(struct asksecret *a, const char *database, const char *user,
    void (*on_answer)(struct asksecret *, const struct asksecret_answer *),
    struct err *e)
{
	struct question *q = NULL;

	asksecret_cancel(a);
	a->on_answer = on_answer;
	if (strlen(database) <= CONF_DBNAME_MAX &&
	    strlen(user) <= USERS_NAME_MAX)
		q = question_for(database, user);
	if (q == NULL)
		return err_set(e, "53200", "out of memory",
			   "auth_query: out of memory, or no such name"),
		       FAIL;
	a->link.next = &q->waiting;
	a->link.prev = q->waiting.prev;
	q->waiting.prev->next = &a->link;
	q->waiting.prev = &a->link;
	return WAIT;
}

/* --- the answer -------------------------------------------------------------- */

/* "SQLSTATE", NUL, text; the resolver's word, but not its length. */
static void
take_failure(const struct msg *m, struct err *e)
{
	char state[6], say[sizeof(e->say)];
	size_t len;

	if (m->len < sizeof(state) || m->text[sizeof(state) - 1] != '\0') {
		(void)err_set(e, "08006", "auth_query failed",
		    "auth_query: a bad answer");
		return;
	}
	memcpy(state, m->text, sizeof(state));
	len = m->len - sizeof(state);
	if (len >= sizeof(say))
		len = sizeof(say) - 1;
	memcpy(say, m->text + sizeof(state), len);
	say[len] = '\0';
	(void)err_set(e, state, say, "%s", say);
}

void
asksecret_on_message(const struct msg *m)
{
	struct question *q = buckets[m->id % BUCKETS];
	struct asksecret_answer got = { .status = ASK_WELL };

	while (q != NULL && q->id != m->id)
		q = q->next;
	if (q == NULL)
		return; /* too late, or said twice */
	if (m->status == MSG_SECRET_NOBODY) {
		uint64_t again_us = loop_now_us + (uint64_t)NOBODY_MS * 1000;

		/* the resolver is being started anew */
		if (again_us < q->until_us)
			(void)deadline_set(&q->deadline, again_us);
		return;
	}
	if (m->status == MSG_SECRET_FOUND && m->len < sizeof(got.secret)) {
		got.is_known = true;
		memcpy(got.secret, m->text, m->len);
	} else if (m->status != MSG_SECRET_UNKNOWN) {
		got.status = ASK_FAILED;
		take_failure(m, &got.err);
	}
	answer(q, &got);
}

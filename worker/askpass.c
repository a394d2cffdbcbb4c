#include "worker/askpass.h"

#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "shm/proc.h"
#include "worker/io/loop.h"
#include "worker/io/outer.h"
#include "worker/self.h"

enum {
	BUCKETS = 256,
	LOOK_MS = 1000,    /* is the resolver still the same? */
	NOBODY_MS = 250,   /* it is being started anew */
	PATIENCE_MS = 500, /* beyond what the resolver was given */
};

static struct askpass *buckets[BUCKETS];
static uint64_t last_id;

static uint32_t
resolver_restarts(void)
{
	return atomic_load(&proc_at(proc_resolver())->restarts);
}

void
askpass_init(struct askpass *a, enum msg_prove by)
{
	memset(a, 0, sizeof(*a));
	a->question.type = MSG_PROVE;
	a->question.status = by;
}

int
askpass_add(struct askpass *a, const char *text)
{
	struct msg *m = &a->question;
	size_t len = strlen(text) + 1;

	if (len > sizeof(m->text) - m->len)
		return -1;
	memcpy(m->text + m->len, text, len);
	m->len += (uint32_t)len;
	return 0;
}

static void
forget(struct askpass *a)
{
	struct askpass **at = &buckets[a->question.id % BUCKETS];

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->is_asked = false;
	deadline_clear(&a->deadline);
}

static void
answer(struct askpass *a, enum msg_proved what)
{
	forget(a);
	a->on_answer(a, what);
}

static int
look_in(struct askpass *a, uint64_t ms)
{
	uint64_t at_us = loop_now_us + ms * 1000;

	return deadline_set(
	    &a->deadline, at_us < a->until_us ? at_us : a->until_us);
}

static int
send_question(struct askpass *a)
{
	a->restarts = resolver_restarts();
	a->is_nowhere = self_send(&a->question, -1) == -1;
	return look_in(a, a->is_nowhere ? NOBODY_MS : LOOK_MS);
}

static void
on_deadline(struct deadline *d)
{
	struct askpass *a = OUTER_OF(d, struct askpass, deadline);
	int rc;

	if (loop_now_us >= a->until_us) {
		answer(a, MSG_PROVED_WRONG);
		return;
	}
	if (a->is_nowhere) {
		rc = send_question(a);
	} else if (a->restarts == resolver_restarts()) {
		rc = look_in(a, LOOK_MS);
	} else {
		rc = a->has_cost ? -1 : send_question(a);
		a->has_cost = true;
	}
	if (rc == -1)
		answer(a, MSG_PROVED_WRONG);
}

int
askpass(struct askpass *a, uint64_t limit_ms,
    void (*on_answer)(struct askpass *a, enum msg_proved answer))
{
	struct msg *m = &a->question;

	/* above those of all before us under our number: a late answer to
	 * one of theirs is none of ours */
	if (last_id == 0)
		last_id = clock_now_us();
	m->id = ++last_id;
	m->proc = (uint16_t)self.me;
	m->arg = limit_ms;
	a->on_answer = on_answer;
	a->until_us = loop_now_us + (limit_ms + PATIENCE_MS) * 1000;
	a->next = buckets[m->id % BUCKETS];
	buckets[m->id % BUCKETS] = a;
	a->is_asked = true;
	deadline_init(&a->deadline, on_deadline);
	if (send_question(a) == 0)
		return 0;
	forget(a);
	return -1;
}

void
askpass_fini(struct askpass *a)
{
	struct msg end = { .type = MSG_PROVE_END, .proc = (uint16_t)self.me };

	if (a->is_asked) {
		end.id = a->question.id;
		(void)self_send(&end, -1);
		forget(a);
	}
	compat_bzero(a, sizeof(*a));
}

void
askpass_on_message(const struct msg *m)
{
	struct askpass *a = buckets[m->id % BUCKETS];

	while (a != NULL && a->question.id != m->id)
		a = a->next;
	if (a == NULL)
		return; /* too late, or said twice */
	if (m->status == MSG_PROVED_NOBODY) {
		a->is_nowhere = true;
		if (look_in(a, NOBODY_MS) == -1)
			answer(a, MSG_PROVED_WRONG);
		return;
	}
	if (m->len < sizeof(a->name)) {
		memcpy(a->name, m->text, m->len);
		a->name[m->len] = '\0';
	}
	answer(a,
	    m->status == MSG_PROVED_RIGHT      ? MSG_PROVED_RIGHT
		: m->status == MSG_PROVED_BUSY ? MSG_PROVED_BUSY
					       : MSG_PROVED_WRONG);
}

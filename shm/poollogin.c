#include "shm/poollogin.h"

#include <string.h>

#include "shm/crash.h"
#include "shm/pool.h"
#include "shm/seqcopy.h"

bool
pool_login_take(struct pool *p, uint32_t me)
{
	uint32_t nobody = 0;

	return atomic_compare_exchange_strong(&p->login, &nobody, me + 1);
}

void
pool_login_drop(struct pool *p, uint32_t me)
{
	uint32_t mine = me + 1;

	CRASH_POINT("pool.login.drop");
	(void)atomic_compare_exchange_strong(&p->login, &mine, 0);
}

void
pool_failure_write(struct pool *p, const struct pool_failure *f)
{
	struct pool_failure mine = *f;

	mine.number = atomic_load(&p->failure_number) + 1;
	seqcopy_write(&p->failure_seq, p->failure, &mine, sizeof(mine));
	/* Nobody looks at a failure before its number is seen. */
	CRASH_POINT("pool.failure.written");
	atomic_store(&p->failure_number, mine.number);
}

bool
pool_failure_look(const struct pool *p, struct pool_failure *out)
{
	return seqcopy_read(&p->failure_seq, p->failure, out, sizeof(*out));
}

void
pool_failure_clear(struct pool *p)
{
	struct pool_failure none = { .number = 0 };

	none.number = atomic_load(&p->failure_number);
	seqcopy_write(&p->failure_seq, p->failure, &none, sizeof(none));
}

/* The number of the greeting that stands there if it is this one, or 0. */
static uint64_t
same_greeting(const struct pool *p, const struct pool_greeting *g)
{
	struct pool_greeting old;

	if (!pool_greeting_look(p, &old) || old.nparams != g->nparams ||
	    old.len != g->len || g->len > sizeof(g->text) ||
	    memcmp(old.text, g->text, g->len) != 0)
		return 0;
	return old.number;
}

void
pool_greeting_write(struct pool *p, const struct pool_greeting *g)
{
	struct pool_greeting mine;

	mine = *g;
	mine.number = same_greeting(p, g);
	if (mine.number != 0) {
		/* its writer may have died before it told the number */
		atomic_store(&p->greeting_number, mine.number);
		return;
	}
	if (mine.len > sizeof(mine.text))
		mine.len = sizeof(mine.text);
	/* The sequence only grows, even over what repair wipes. */
	mine.number = (uint64_t)(atomic_load(&p->greeting_seq) | 1) + 1;
	seqcopy_write(&p->greeting_seq, p->greeting, &mine, sizeof(mine));
	CRASH_POINT("pool.greeting.written");
	atomic_store(&p->greeting_number, mine.number);
}

bool
pool_greeting_look(const struct pool *p, struct pool_greeting *out)
{
	return seqcopy_read(&p->greeting_seq, p->greeting, out, sizeof(*out));
}

/* The string at *pos; NULL: none that ends within the text. */
static const char *
greeting_string(const struct pool_greeting *g, uint32_t *pos)
{
	uint32_t len = g->len < sizeof(g->text) ? g->len : sizeof(g->text);
	const char *s = g->text + *pos, *end;

	end = *pos < len ? memchr(s, '\0', len - *pos) : NULL;
	if (end == NULL)
		return NULL;
	*pos = (uint32_t)(end + 1 - g->text);
	return s;
}

bool
pool_greeting_next(const struct pool_greeting *g, uint32_t *pos,
    const char **name, const char **value)
{
	*name = greeting_string(g, pos);
	*value = *name == NULL ? NULL : greeting_string(g, pos);
	return *value != NULL;
}

static void
forget_greeting(struct pool *p)
{
	static const struct pool_greeting no_greeting;

	seqcopy_write(
	    &p->greeting_seq, p->greeting, &no_greeting, sizeof(no_greeting));
	atomic_store(&p->greeting_number, 0);
}

void
pool_login_forget(struct pool *p)
{
	static const struct pool_failure no_failure;

	seqcopy_write(
	    &p->failure_seq, p->failure, &no_failure, sizeof(no_failure));
	atomic_store(&p->failure_number, 0);
	forget_greeting(p);
}

/*
 * The records are written by who has the login, so an odd sequence is the
 * dead one's.  Numbers go on: nobody may take an old one for new.
 */
void
pool_login_mend(struct pool *p, uint32_t dead)
{
	if (atomic_load(&p->login) != dead + 1)
		return;
	if (atomic_load(&p->failure_seq) & 1)
		pool_failure_clear(p);
	if (atomic_load(&p->greeting_seq) & 1)
		forget_greeting(p);
	pool_login_drop(p, dead);
}

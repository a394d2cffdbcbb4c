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

/* Is it the greeting that stands there? */
static bool
is_same_greeting(const struct pool *p, const struct pool_greeting *g)
{
	struct pool_greeting old;

	return pool_greeting_look(p, &old) && old.number != 0 &&
	    old.nparams == g->nparams && old.len == g->len &&
	    g->len <= sizeof(g->text) && memcmp(old.text, g->text, g->len) == 0;
}

/*
 * Into the place that nobody reads: who comes in meanwhile has the old one,
 * and so has everybody if the writer dies.
 */
void
pool_greeting_write(struct pool *p, const struct pool_greeting *g)
{
	struct pool_greeting mine = *g;
	uint32_t i;

	if (is_same_greeting(p, g))
		return;
	if (mine.len > sizeof(mine.text))
		mine.len = sizeof(mine.text);
	mine.number = atomic_load(&p->greeting_number) + 1;
	i = mine.number & 1;
	seqcopy_write(&p->greeting_seq[i], p->greeting[i], &mine, sizeof(mine));
	/* A record without a number: the next writer fills it again. */
	CRASH_POINT("pool.greeting.written");
	atomic_store(&p->greeting_number, mine.number);
}

bool
pool_greeting_look(const struct pool *p, struct pool_greeting *out)
{
	uint64_t number = atomic_load(&p->greeting_number);
	uint32_t i = number & 1;

	if (number != 0)
		return seqcopy_read(
		    &p->greeting_seq[i], p->greeting[i], out, sizeof(*out));
	memset(out, 0, sizeof(*out));
	return true;
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

void
pool_login_forget(struct pool *p)
{
	static const struct pool_failure no_failure;

	seqcopy_write(
	    &p->failure_seq, p->failure, &no_failure, sizeof(no_failure));
	atomic_store(&p->failure_number, 0);
	atomic_store(&p->greeting_number, 0);
}

/*
 * The records are written by who has the login, so an odd sequence is the
 * dead one's.  A failure's number goes on: nobody may take an old one for new.
 * A greeting that was begun is not yet the pool's.
 */
void
pool_login_mend(struct pool *p, uint32_t dead)
{
	if (atomic_load(&p->login) != dead + 1)
		return;
	if (atomic_load(&p->failure_seq) & 1)
		pool_failure_clear(p);
	pool_login_drop(p, dead);
}

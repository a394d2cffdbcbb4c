#include "worker/session/names.h"

#include <stdlib.h>
#include <string.h>

#include "shm/segment.h"
#include "worker/self.h"

enum {
	FEW = 8,   /* names in one list */
	FIRST = 32 /* chains of a table; a power of two */
};

/*
 * To find a name again, no more: a client that makes its own names meet only
 * makes its own search longer, up to NAMES_MAX.
 */
static uint32_t
hash_of(const char *text, size_t len)
{
	uint64_t h;

	memcpy(&h, seg->stmt_secret, sizeof(h));
	for (size_t i = 0; i < len; i++) {
		h = (h ^ (uint8_t)text[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (uint32_t)(h >> 32);
}

static struct name **
chain_of(struct names *n, uint32_t hash)
{
	return n->chains == NULL ? &n->few
				 : &n->chains[hash & (n->nchains - 1)];
}

static size_t
size_of(const struct name *e)
{
	return sizeof(*e) + e->len + 1;
}

uint32_t
names_count(const struct names *n)
{
	return n->count;
}

static bool
is_it(const struct name *e, uint32_t hash, const char *text, size_t len)
{
	return e->hash == hash && e->len == len &&
	    memcmp(e->text, text, len) == 0;
}

struct name *
names_find(struct names *n, const char *text, size_t len)
{
	struct name *e = n->last;
	uint32_t hash;

	if (len > NAMES_LEN)
		len = NAMES_LEN;
	if (e != NULL && e->len == len && memcmp(e->text, text, len) == 0)
		return e;
	hash = hash_of(text, len);
	for (e = *chain_of(n, hash); e != NULL; e = e->next)
		if (is_it(e, hash, text, len)) {
			n->last = e;
			return e;
		}
	return NULL;
}

/* More chains; without memory for them the old ones get longer. */
static void
grow(struct names *n)
{
	uint32_t size = n->chains == NULL ? FIRST : 2 * n->nchains;
	uint32_t was = n->chains == NULL ? 1 : n->nchains;
	struct name **old = n->chains == NULL ? &n->few : n->chains;
	struct name **fresh = calloc(size, sizeof(*fresh));

	if (fresh == NULL)
		return;
	for (uint32_t i = 0; i < was; i++) {
		struct name *e, *next;

		for (e = old[i]; e != NULL; e = next) {
			next = e->next;
			e->next = fresh[e->hash & (size - 1)];
			fresh[e->hash & (size - 1)] = e;
		}
	}
	free(n->chains);
	n->few = NULL;
	n->chains = fresh;
	n->nchains = size;
}

struct name *
names_make(struct names *n, const char *text, size_t len)
{
	struct name *e = names_find(n, text, len), **chain;

	if (e != NULL)
		return e;
	if (len > NAMES_LEN)
		len = NAMES_LEN;
	if (n->count >= NAMES_MAX || !stmt_charge(sizeof(*e) + len + 1))
		return NULL;
	e = calloc(1, sizeof(*e) + len + 1);
	if (e == NULL) {
		stmt_refund(sizeof(*e) + len + 1);
		return NULL;
	}
	if (n->count >= (n->chains == NULL ? FEW : 2 * n->nchains))
		grow(n);
	e->hash = hash_of(text, len);
	e->len = (uint8_t)len;
	memcpy(e->text, text, len);
	chain = chain_of(n, e->hash);
	e->next = *chain;
	*chain = e;
	n->last = e;
	n->count++;
	n->bytes += size_of(e);
	return e;
}

static void
forget(struct names *n, struct name *e)
{
	struct name **at = chain_of(n, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	if (n->last == e)
		n->last = NULL;
	n->count--;
	n->bytes -= size_of(e);
	stmt_refund(size_of(e));
	free(e);
}

static void
set_is(struct names *n, struct name *e, struct stmt *s)
{
	struct stmt *was = e->is;

	if (s != NULL) {
		stmt_hold(s);
		n->bytes += s->len;
	}
	if (was != NULL)
		n->bytes -= was->len;
	e->is = s;
	e->told = (struct shape){ 0 };
	stmt_drop(was);
}

/* What was under way for it has come to an end. */
static void
rest(struct names *n, struct name *e)
{
	if (e->pending > 0)
		return;
	e->will = e->is;
	if (e->is == NULL && e->asks == 0)
		forget(n, e);
}

void
names_will(struct name *e, struct stmt *s, uint32_t batch)
{
	e->pending++;
	e->will = s;
	e->batch = batch;
}

void
names_did(struct names *n, struct name *e, struct stmt *s)
{
	e->pending--;
	set_is(n, e, s);
	rest(n, e);
}

void
names_lost(struct names *n, struct name *e)
{
	e->pending--;
	rest(n, e);
}

void
names_ask(struct name *e)
{
	e->asks++;
}

void
names_told(struct names *n, struct name *e, const struct stmt *s,
    const struct shape *told)
{
	e->asks--;
	if (told != NULL && e->is == s) {
		e->told.rows = told->rows;
		/* a portal's answer says nothing of these */
		if (told->params != 0)
			e->told.params = told->params;
	}
	rest(n, e);
}

bool
names_has_room(const struct names *n, const struct stmt *s)
{
	size_t part = (size_t)self.conf->max_statement_memory / NAMES_PART;

	return n->bytes <= part && s->len <= part - n->bytes;
}

/* --- all of them ---------------------------------------------------------------- */

/* Call `fn` for each, which may forget it, until it says true. */
static struct name *
each(struct names *n, bool (*fn)(struct names *, struct name *, const void *),
    const void *arg)
{
	uint32_t chains = n->chains == NULL ? 1 : n->nchains;

	for (uint32_t i = 0; i < chains; i++) {
		struct name *e, *next;

		e = n->chains == NULL ? n->few : n->chains[i];
		for (; e != NULL; e = next) {
			next = e->next;
			if (fn(n, e, arg))
				return e;
		}
	}
	return NULL;
}

static bool
has_hash(struct names *n, struct name *e, const void *hash)
{
	(void)n;
	return (e->will != NULL &&
		   memcmp(e->will->hash, hash, STMTS_NAME) == 0) ||
	    (e->is != NULL && memcmp(e->is->hash, hash, STMTS_NAME) == 0);
}

struct name *
names_of(struct names *n, const uint8_t hash[STMTS_NAME])
{
	if (n->last != NULL && has_hash(n, n->last, hash))
		return n->last;
	return each(n, has_hash, hash);
}

static bool
lose_one(struct names *n, struct name *e, const void *arg)
{
	(void)arg;
	set_is(n, e, NULL);
	rest(n, e);
	return false;
}

void
names_gone(struct names *n)
{
	(void)each(n, lose_one, NULL);
}

void
names_fini(struct names *n)
{
	names_gone(n);
	free(n->chains);
	memset(n, 0, sizeof(*n));
}

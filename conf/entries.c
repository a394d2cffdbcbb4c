#include "conf/entries.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The array with room for one more of `size` bytes; NULL: no memory, told. */
static void *
room_for(
    const struct entry_at *at, void *v, size_t n, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 16 : *room * 2;
	void *grown = v;

	if (n < *room)
		return v;
	if (more <= SIZE_MAX / size)
		grown = realloc(v, more * size);
	if (more > SIZE_MAX / size || grown == NULL) {
		conf_faults_add(
		    at->faults, at->file, at->line, "out of memory");
		return NULL;
	}
	*room = more;
	return grown;
}

int
entries_db(struct entries *e, const struct entry_at *at, const char *name,
    const char *value)
{
	struct conf *c = e->c;
	struct conf_db *v =
	    room_for(at, c->dbs, c->n_dbs, &e->room_dbs, sizeof(*v));

	if (v == NULL)
		return -1;
	c->dbs = v;
	v += c->n_dbs;
	if (entry_db(at, name, value, v) == -1)
		return -1;
	v->order = c->n_dbs++;
	return 0;
}

int
entries_user(struct entries *e, const struct entry_at *at, const char *name,
    const char *value)
{
	struct conf *c = e->c;
	struct conf_user *v = room_for(
	    at, c->user_rows, c->n_user_rows, &e->room_users, sizeof(*v));

	if (v == NULL)
		return -1;
	c->user_rows = v;
	v += c->n_user_rows;
	if (entry_user(at, name, value, v) == -1)
		return -1;
	v->order = c->n_user_rows++;
	return 0;
}

int
entries_peer(struct entries *e, const struct entry_at *at, const char *name,
    const char *value)
{
	struct conf *c = e->c;
	struct conf_peer *v =
	    room_for(at, c->peers, c->n_peers, &e->room_peers, sizeof(*v));

	if (v == NULL)
		return -1;
	c->peers = v;
	v += c->n_peers;
	if (entry_peer(at, name, value, v) == -1)
		return -1;
	v->order = c->n_peers++;
	return 0;
}

/* --- in order ----------------------------------------------------------- */

typedef int compare_fn(const void *, const void *);

static int
same_db(const void *a, const void *b)
{
	return strcmp(((const struct conf_db *)a)->name,
	    ((const struct conf_db *)b)->name);
}

static int
by_db(const void *a, const void *b)
{
	const struct conf_db *x = a, *y = b;
	int diff = same_db(a, b);

	return diff != 0 ? diff : x->order < y->order ? -1 : 1;
}

static int
same_user(const void *a, const void *b)
{
	return strcmp(((const struct conf_user *)a)->name,
	    ((const struct conf_user *)b)->name);
}

static int
by_user(const void *a, const void *b)
{
	const struct conf_user *x = a, *y = b;
	int diff = same_user(a, b);

	return diff != 0 ? diff : x->order < y->order ? -1 : 1;
}

static int
same_peer(const void *a, const void *b)
{
	return ((const struct conf_peer *)a)->id -
	    ((const struct conf_peer *)b)->id;
}

static int
by_peer(const void *a, const void *b)
{
	const struct conf_peer *x = a, *y = b;
	int diff = same_peer(a, b);

	return diff != 0 ? diff : x->order < y->order ? -1 : 1;
}

/* Sort, and keep the last of those that have one name.  How many are left. */
static size_t
sort_last(void *v, size_t n, size_t size, compare_fn *by, compare_fn *same)
{
	char *p = v;
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, size, by);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && same(p + i * size, p + (i + 1) * size) == 0)
			continue;
		memmove(p + kept++ * size, p + i * size, size);
	}
	return kept;
}

void
entries_sort(struct entries *e)
{
	struct conf *c = e->c;

	c->n_dbs = sort_last(c->dbs, c->n_dbs, sizeof(*c->dbs), by_db, same_db);
	c->n_user_rows = sort_last(c->user_rows, c->n_user_rows,
	    sizeof(*c->user_rows), by_user, same_user);
	c->n_peers = sort_last(
	    c->peers, c->n_peers, sizeof(*c->peers), by_peer, same_peer);
}

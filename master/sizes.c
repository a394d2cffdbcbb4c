#include "master/sizes.h"

#include "conf/users.h"
#include "shm/stmts.h"

enum {
	SIZES_ROWS_MAX = 65536, /* pools, databases, users */
	SIZES_CLIENT_BITS = 24, /* of a client row's number in a cancel key */
	SIZES_UNLIMITED_POOL = 64, /* what a pool without limit counts as */
	SIZES_GENEROUS = 8,        /* several users a database, and growth */
	SIZES_STMTS = 512,         /* prepared statements of a backend */
};

static uint64_t
at_most(uint64_t n, uint64_t max)
{
	return n < max ? n : max;
}

static uint64_t
at_least(uint64_t n, uint64_t min)
{
	return n > min ? n : min;
}

/* Backends of one pool of each database: the least that must have a place. */
static uint64_t
pools_sum(const struct conf *c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->n_dbs; i++) {
		const struct conf_db *db = &c->dbs[i];
		struct conf_pool p;
		uint64_t n;

		conf_pool_resolve(c, db, db->user, db->user[0] != '\0', &p);
		n = p.pool_size > 0 ? (uint64_t)p.pool_size
				    : SIZES_UNLIMITED_POOL;
		n +=
		    p.reserve_pool_size > 0 ? (uint64_t)p.reserve_pool_size : 0;
		if (p.max_db_connections > 0)
			n = at_most(n, (uint64_t)p.max_db_connections);
		sum += n;
	}
	return sum;
}

void
sizes_of(const struct conf *c, uint64_t hard, struct sizes *out)
{
	struct segment_sizes *s = &out->segment;
	uint64_t workers = (uint64_t)c->workers;
	uint64_t clients = (uint64_t)c->max_client_conn;
	uint64_t users =
	    c->n_user_rows + (c->users != NULL ? users_count(c->users) : 0);
	/* a bell is a pipe for each process, and a few are kept for growth */
	uint64_t base = clients + SIZES_MISC + 2 * (workers + 2);
	uint64_t sum = pools_sum(c);
	uint64_t slots;

	out->min_slots = (uint32_t)at_most(at_least(sum, 1), SEG_MAX_SLOTS);
	slots =
	    at_most(at_least(sum * SIZES_GENEROUS, SIZES_SLOTS), SEG_MAX_SLOTS);
	if (slots > hard || base > hard - slots)
		slots = at_least(hard > base ? hard - base : 0, out->min_slots);
	s->workers = (uint32_t)workers;
	s->slots = (uint32_t)at_most(slots, SEG_MAX_SLOTS);
	s->dbs = (uint32_t)at_most(256 + 2 * c->n_dbs, SIZES_ROWS_MAX);
	s->users = (uint32_t)at_most(1024 + 2 * users, SIZES_ROWS_MAX);
	s->pools = (uint32_t)at_most(
	    1024 + SIZES_GENEROUS * (c->n_dbs + users), SIZES_ROWS_MAX);
	/* consoles come on top of max_client_conn, and a reload may raise it */
	s->clients = (uint32_t)at_most(
	    2 * clients + 256, ((uint64_t)1 << SIZES_CLIENT_BITS) / workers);
	/* what is under way comes on top, and a reload may raise it */
	s->stmts = (uint32_t)at_least(SIZES_STMTS,
	    at_most(2 * (uint64_t)c->max_prepared_statements, STMTS_MAX));
	out->descriptors = base + s->slots;
	out->min_descriptors = base + out->min_slots;
}

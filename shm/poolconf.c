#include "shm/poolconf.h"

/* 0 is "no limit" in the configuration. */
static uint32_t
limit_of(int n)
{
	return n > 0 ? (uint32_t)n : POOL_UNLIMITED;
}

static uint32_t
count_of(int n)
{
	return n > 0 ? (uint32_t)n : 0;
}

void
poolconf_limits(const struct conf *c, const struct conf_db *db,
    const char *user, bool forced, struct pool_limits *out)
{
	struct conf_pool p;

	conf_pool_resolve(c, db, user, forced, &p);
	*out = (struct pool_limits){
		.size = limit_of(p.pool_size),
		.min_size = count_of(p.min_pool_size),
		.reserve = count_of(p.reserve_pool_size),
		.mode = (uint32_t)p.pool_mode,
		.forced = forced,
		.db_max = limit_of(p.max_db_connections),
		.user_max = limit_of(p.max_user_connections),
		.lifetime_ms = (uint64_t)p.server_lifetime_ms,
	};
}

uint32_t
poolconf_db_max(const struct conf *c, const struct conf_db *db)
{
	struct conf_pool p;

	conf_pool_resolve(c, db, db->user, db->user[0] != '\0', &p);
	return limit_of(p.max_db_connections);
}

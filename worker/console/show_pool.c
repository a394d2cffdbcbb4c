/*
 * show_pool.c - SHOW POOLS: who is in which pool, doing what.
 *
 * One pass over the clients and one over the servers count for all pools at
 * once.  The console is a pool of its own, without servers.
 *
 * Data: none.  Never blocks.
 */
#include "worker/console/show.h"

#include <stdlib.h>

#include "conf/clock.h"
#include "conf/conf.h"
#include "conf/keys.h"
#include "shm/pool.h"
#include "shm/queue.h"
#include "shm/segment.h"
#include "worker/console/tally.h"
#include "worker/self.h"

static const struct report_column columns[] = {
	{ "database", REPORT_TEXT }, { "user", REPORT_TEXT },
	{ "cl_active", REPORT_INT4 }, { "cl_waiting", REPORT_INT4 },
	{ "cl_active_cancel_req", REPORT_INT4 },
	{ "cl_waiting_cancel_req", REPORT_INT4 }, { "sv_active", REPORT_INT4 },
	{ "sv_active_cancel", REPORT_INT4 },
	{ "sv_being_canceled", REPORT_INT4 }, { "sv_idle", REPORT_INT4 },
	{ "sv_used", REPORT_INT4 }, { "sv_tested", REPORT_INT4 },
	{ "sv_login", REPORT_INT4 }, { "maxwait", REPORT_INT4 },
	{ "maxwait_us", REPORT_INT4 }, { "pool_mode", REPORT_TEXT },
	{ "load_balance_hosts", REPORT_TEXT },
	{ "sv_pinned", REPORT_INT4 }, /* ours: of sv_active, kept by a client */
};

static uint64_t
longest_wait_us(uint32_t pool)
{
	uint64_t since_us = 0, now_us;

	if (pool == POOL_NONE || queue_total(pool, &since_us) == 0)
		return 0;
	now_us = clock_now_us();
	return now_us > since_us ? now_us - since_us : 0;
}

/* Only a list of hosts is balanced. */
static const char *
balance_of(const char *database)
{
	const struct conf_db *db = conf_db_find(self.conf, database);

	if (db == NULL)
		db = conf_db_auto(self.conf);
	return db == NULL ? NULL : show_balance(db);
}

static void
put_pool(struct show *s, const struct tally *t)
{
	uint64_t wait_us = longest_wait_us(t->pool);
	bool is_console = t->pool == POOL_NONE;

	show_row(s);
	show_text(s, t->database);
	show_text(s, t->user);
	show_int(s, t->n[SHOW_CL_ACTIVE]);
	show_int(s, t->n[SHOW_CL_WAITING]);
	show_int(s, t->n[SHOW_CL_CANCEL]);
	show_int(s, 0); /* a cancel request does not wait for a place */
	show_int(s, t->n[SHOW_SV_ACTIVE] + t->n[SHOW_SV_LISTEN]);
	show_int(s, t->cancels);
	show_int(s, t->n[SHOW_SV_HELD]);
	show_int(s, t->n[SHOW_SV_IDLE]);
	show_int(s, 0);
	show_int(s, 0);
	show_int(s, t->n[SHOW_SV_LOGIN]);
	show_int(s, wait_us / 1000000);
	show_int(s, wait_us % 1000000);
	show_text(s,
	    is_console ? "statement"
		       : value_choice_name(keys_pool_mode, (int)t->mode));
	show_text(s, is_console ? NULL : balance_of(t->database));
	show_int(s, t->pinned);
	show_end(s);
}

void
show_pools(struct show *s)
{
	size_t n;
	struct tally *v = tally_new(&n);

	if (v == NULL) {
		show_fail(s);
		return;
	}
	SHOW_COLUMNS(s, columns);
	for (size_t i = 0; i < n; i++)
		put_pool(s, &v[i]);
	free(v);
}

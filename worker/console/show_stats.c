/*
 * show_stats.c - SHOW STATS and its relatives.
 *
 * The workers' counters, added up for each database over its pools; averages
 * are of the last whole stats_period.
 *
 * Data: none.  Never blocks.
 */
#include "worker/console/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/count.h"
#include "shm/pool.h"
#include "shm/segment.h"

enum { NAME = 48, SECOND_US = 1000000 };

struct sum {
	char db[POOL_NAME];
	uint64_t total[COUNT_N];
	uint64_t added[COUNT_N]; /* in the last period */
	uint64_t period_us;      /* 0: none has passed */
};

/* From here on the counters have no counterpart in PgBouncer: their columns
 * stand behind all others. */
enum { OURS = COUNT_PINS };

/* In the order of enum count_what. */
static const struct {
	const char *total, *average; /* columns of STATS */
	const char *plain;           /* of STATS_TOTALS */
	const char *mean;            /* of STATS_AVERAGES */
	const char *name;            /* row of TOTALS */
} names[COUNT_N] = {
	[COUNT_ASSIGNMENTS] = { "total_server_assignment_count",
	    "avg_server_assignment_count", "server_assignment_count",
	    "server_assignment_count", "server_assignment_count" },
	[COUNT_XACTS] = { "total_xact_count", "avg_xact_count", "xact_count",
	    "xact_count", "xact_count" },
	[COUNT_QUERIES] = { "total_query_count", "avg_query_count",
	    "query_count", "query_count", "query_count" },
	[COUNT_RECEIVED] = { "total_received", "avg_recv", "bytes_received",
	    "bytes_received", "client_bytes" },
	[COUNT_SENT] = { "total_sent", "avg_sent", "bytes_sent", "bytes_sent",
	    "server_bytes" },
	[COUNT_XACT_US] = { "total_xact_time", "avg_xact_time", "xact_time",
	    "xact_time", "xact_time" },
	[COUNT_QUERY_US] = { "total_query_time", "avg_query_time", "query_time",
	    "query_time", "query_time" },
	[COUNT_WAIT_US] = { "total_wait_time", "avg_wait_time", "wait_time",
	    "wait_time", "wait_time" },
	[COUNT_CLIENT_PARSES] = { "total_client_parse_count",
	    "avg_client_parse_count", "client_parse_count",
	    "avg_client_parse_count", "ps_client_parse_count" },
	[COUNT_SERVER_PARSES] = { "total_server_parse_count",
	    "avg_server_parse_count", "server_parse_count",
	    "avg_server_parse_count", "ps_server_parse_count" },
	[COUNT_BINDS] = { "total_bind_count", "avg_bind_count", "bind_count",
	    "avg_bind_count", "ps_bind_count" },
	[COUNT_LOGINS] = { "total_client_login_count", "avg_client_login_count",
	    "client_login_count", "avg_client_login_count",
	    "client_login_count" },
	[COUNT_PINS] = { "total_pin_count", "avg_pin_count", "pin_count",
	    "avg_pin_count", "pin_count" },
};

/* --- sums ----------------------------------------------------------------- */

static int
by_db(const void *a, const void *b)
{
	return strcmp(((const struct sum *)a)->db, ((const struct sum *)b)->db);
}

static void
add(struct sum *to, const struct sum *from)
{
	for (int i = 0; i < COUNT_N; i++) {
		to->total[i] += from->total[i];
		to->added[i] += from->added[i];
	}
	/* the keeper does all pools in one go: their periods are the same */
	if (from->period_us > to->period_us)
		to->period_us = from->period_us;
}

/* One for each database that has a pool, by name; NULL: no memory. */
static struct sum *
sums(size_t *n)
{
	uint32_t used = atomic_load(&seg->pools_used);
	struct sum *v;
	size_t pools = 0;

	if (used > seg->npools)
		used = seg->npools;
	*n = 0;
	v = calloc((size_t)used + 1, sizeof(*v));
	if (v == NULL)
		return NULL;
	for (uint32_t i = 0; i < used; i++) {
		const struct pool *p = pool_at(i);

		if (p == NULL || atomic_load(&p->gen) == 0)
			continue;
		show_copy(v[pools].db, sizeof(v->db), pool_db_name(p));
		count_sum(i, v[pools].total);
		v[pools].period_us = count_period(i, v[pools].added);
		pools++;
	}
	qsort(v, pools, sizeof(*v), by_db);
	for (size_t i = 0; i < pools; i++) {
		if (*n > 0 && strcmp(v[*n - 1].db, v[i].db) == 0)
			add(&v[*n - 1], &v[i]);
		else
			v[(*n)++] = v[i];
	}
	return v;
}

/* A time is the mean of those that it was measured for; else: a second's. */
static uint64_t
average(const struct sum *s, enum count_what what)
{
	uint64_t of = 0;

	if (s->period_us == 0)
		return 0;
	if (what == COUNT_XACT_US)
		of = s->added[COUNT_XACTS];
	else if (what == COUNT_QUERY_US)
		of = s->added[COUNT_QUERIES];
	else
		return (uint64_t)((double)s->added[what] * SECOND_US /
		    (double)s->period_us);
	return of == 0 ? 0 : s->added[what] / of;
}

/* --- tables by database --------------------------------------------------- */

static void
put_range(struct show *s, const struct sum *v, int from, int to,
    bool has_totals, bool has_averages)
{
	for (int k = from; has_totals && k < to; k++)
		show_int(s, v->total[k]);
	for (int k = from; has_averages && k < to; k++)
		show_int(s, average(v, (enum count_what)k));
}

static void
put_databases(struct show *s, bool has_totals, bool has_averages)
{
	size_t n;
	struct sum *v = sums(&n);

	if (v == NULL) {
		show_fail(s);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		show_row(s);
		show_text(s, v[i].db);
		put_range(s, &v[i], 0, OURS, has_totals, has_averages);
		put_range(s, &v[i], OURS, COUNT_N, has_totals, has_averages);
		show_end(s);
	}
	free(v);
}

static struct report_column
numeric(const char *name)
{
	return (struct report_column){ name, REPORT_NUMERIC };
}

static void
name_range(struct report_column *columns, int from, int to)
{
	for (int k = from; k < to; k++) {
		columns[k - from] = numeric(names[k].total);
		columns[k - from + to - from] = numeric(names[k].average);
	}
}

void
show_stats(struct show *s)
{
	struct report_column columns[1 + 2 * COUNT_N] = {
		{ "database", REPORT_TEXT },
	};

	name_range(columns + 1, 0, OURS);
	name_range(columns + 1 + 2 * OURS, OURS, COUNT_N);
	SHOW_COLUMNS(s, columns);
	put_databases(s, true, true);
}

static void
put_half(struct show *s, bool is_averages)
{
	struct report_column columns[1 + COUNT_N] = {
		{ "database", REPORT_TEXT },
	};

	for (int k = 0; k < COUNT_N; k++)
		columns[1 + k] =
		    numeric(is_averages ? names[k].mean : names[k].plain);
	SHOW_COLUMNS(s, columns);
	put_databases(s, !is_averages, is_averages);
}

void
show_stats_totals(struct show *s)
{
	put_half(s, false);
}

void
show_stats_averages(struct show *s)
{
	put_half(s, true);
}

/* --- TOTALS --------------------------------------------------------------- */

static void
put_total(struct show *s, const char *kind, const char *name, uint64_t v)
{
	char text[NAME];

	snprintf(text, sizeof(text), "%s_%s", kind, name);
	show_row(s);
	show_text(s, text);
	show_int(s, v);
	show_end(s);
}

static void
put_totals(struct show *s, const struct sum *all, int from, int to)
{
	for (int k = from; k < to; k++)
		put_total(s, "total", names[k].name, all->total[k]);
	for (int k = from; k < to; k++)
		put_total(
		    s, "avg", names[k].name, average(all, (enum count_what)k));
}

void
show_totals(struct show *s)
{
	static const struct report_column columns[] = {
		{ "name", REPORT_TEXT },
		{ "value", REPORT_NUMERIC },
	};
	struct sum all = { .period_us = 0 };
	size_t n;
	struct sum *v = sums(&n);

	if (v == NULL) {
		show_fail(s);
		return;
	}
	for (size_t i = 0; i < n; i++)
		add(&all, &v[i]);
	free(v);
	SHOW_COLUMNS(s, columns);
	put_totals(s, &all, 0, OURS);
	put_totals(s, &all, OURS, COUNT_N);
}

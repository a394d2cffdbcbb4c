/*
 * show.c - the list of tables, and how one is sent; the small tables.
 *
 * Data: the buffer, this process's own.  Never blocks.
 */
#include "worker/console/show.h"

#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/version.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "worker/self.h"

enum {
	BUFFER = 64 * 1024,
	FULL = BUFFER / 2, /* the other half has room for any row */
};

static uint8_t buffer[BUFFER];

/* --- rows ----------------------------------------------------------------- */

static void
flush(struct show *s)
{
	if (s->c->state != CLIENT_GONE)
		(void)client_send_wire(s->c, &s->w);
	wire_init(&s->w, buffer, sizeof(buffer));
}

void
show_columns(struct show *s, const struct report_column *columns, size_t n)
{
	s->n = n;
	report_columns(&s->w, columns, n);
}

void
show_row(struct show *s)
{
	if (s->w.len > FULL)
		flush(s);
	report_row_begin(&s->w, s->n);
}

void
show_text(struct show *s, const char *text)
{
	report_cell(&s->w, text);
}

void
show_int(struct show *s, uint64_t v)
{
	report_cell_int(&s->w, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void
show_end(struct show *s)
{
	report_row_end(&s->w);
}

void
show_fail(struct show *s)
{
	s->is_failed = true;
	report_error(&s->w, "ERROR", "53200", "out of memory");
}

void
show_copy(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (; n + 1 < size && name[n] != '\0'; n++)
		out[n] = name[n];
	out[n] = '\0';
}

/* --- VERSION, STATE ------------------------------------------------------- */

static void
show_version(struct show *s)
{
	static const struct report_column columns[] = {
		{ "version", REPORT_TEXT },
	};

	SHOW_COLUMNS(s, columns);
	show_row(s);
	show_text(s, "pooler " POOLER_VERSION);
	show_end(s);
}

static void
put_state(struct show *s, const char *key, bool is_so)
{
	show_row(s);
	show_text(s, key);
	show_text(s, is_so ? "yes" : "no");
	show_end(s);
}

static void
show_state(struct show *s)
{
	static const struct report_column columns[] = {
		{ "key", REPORT_TEXT },
		{ "value", REPORT_TEXT },
	};

	SHOW_COLUMNS(s, columns);
	put_state(s, "active", true);
	put_state(s, "paused", false);
	put_state(s, "suspended", false);
}

/* --- CONFIG --------------------------------------------------------------- */

/* Keys are sorted here: the table itself is in the order of the manual. */
struct sorted {
	const char *key;
	size_t i;
};

static int
by_key(const void *a, const void *b)
{
	return strcmp(
	    ((const struct sorted *)a)->key, ((const struct sorted *)b)->key);
}

static void
show_config(struct show *s)
{
	static const struct report_column columns[] = {
		{ "key", REPORT_TEXT },
		{ "value", REPORT_TEXT },
		{ "default", REPORT_TEXT },
		{ "changeable", REPORT_TEXT },
	};
	size_t n = conf_show_count();
	struct sorted *keys = calloc(n, sizeof(*keys));
	struct conf_shown row;

	if (keys == NULL) {
		show_fail(s);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		conf_show(self.conf, i, &row);
		keys[i] = (struct sorted){ row.key, i };
	}
	qsort(keys, n, sizeof(*keys), by_key);
	SHOW_COLUMNS(s, columns);
	for (size_t i = 0; i < n; i++) {
		conf_show(self.conf, keys[i].i, &row);
		show_row(s);
		show_text(s, row.key);
		show_text(s, row.value);
		show_text(s, row.dflt);
		show_text(s, row.changeable ? "yes" : "no");
		show_end(s);
	}
	free(keys);
}

/* --- WORKERS -------------------------------------------------------------- */

static void
put_worker(struct show *s, uint32_t number, uint64_t now_ms)
{
	static const char *const kinds[] = {
		[PROC_WORKER] = "worker",
		[PROC_RESOLVER] = "resolver",
		[PROC_MONITOR] = "monitor",
	};
	static const char *const states[] = {
		[PROC_DOWN] = "down",
		[PROC_STARTING] = "starting",
		[PROC_RUNNING] = "running",
		[PROC_DRAINING] = "draining",
	};
	const struct proc *p = proc_at(number);
	uint32_t state = atomic_load(&p->state);
	uint64_t started_ms = atomic_load(&p->started_ms);
	int32_t pid = atomic_load(&p->pid);
	bool is_up = state != PROC_DOWN && state <= PROC_DRAINING;

	/* a kind of process that this build does not have */
	if (started_ms == 0 && pid == 0 && proc_kind(number) != PROC_WORKER)
		return;
	show_row(s);
	show_int(s, number);
	show_text(s, kinds[proc_kind(number)]);
	show_int(s, is_up && pid > 0 ? (uint64_t)pid : 0);
	show_text(s, is_up ? states[state] : "down");
	show_int(s, atomic_load(&p->clients));
	show_int(s, atomic_load(&p->restarts));
	show_int(s, atomic_load(&p->cpu_us));
	show_int(s, atomic_load(&p->connections));
	show_int(s,
	    is_up && started_ms > 0 && now_ms > started_ms
		? (now_ms - started_ms) / 1000
		: 0);
	show_end(s);
}

static void
show_workers(struct show *s)
{
	static const struct report_column columns[] = {
		{ "number", REPORT_INT4 },
		{ "kind", REPORT_TEXT },
		{ "pid", REPORT_INT4 },
		{ "state", REPORT_TEXT },
		{ "clients", REPORT_INT4 },
		{ "restarts", REPORT_INT4 },
		{ "cpu_us", REPORT_INT8 },
		{ "connections", REPORT_INT8 },
		{ "uptime_s", REPORT_INT8 },
	};
	uint64_t now_ms = clock_now_ms();

	SHOW_COLUMNS(s, columns);
	for (uint32_t i = 0; i < seg->nprocs; i++)
		put_worker(s, i, now_ms);
}

/* --- HELP ----------------------------------------------------------------- */

static void
show_help(struct show *s)
{
	wire_begin(&s->w, 'N');
	wire_byte(&s->w, 'S');
	wire_str(&s->w, "NOTICE");
	wire_byte(&s->w, 'C');
	wire_str(&s->w, "00000");
	wire_byte(&s->w, 'M');
	wire_str(&s->w, "console usage");
	wire_byte(&s->w, 'D');
	wire_str(&s->w,
	    "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS"
	    "\n\tSHOW WORKERS|LISTS|STATE|VERSION"
	    "\n\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS"
	    "\n\tSET key = value"
	    "\n\tRELOAD"
	    "\n\tSHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]");
	wire_byte(&s->w, 0);
	wire_end(&s->w);
}

/* --- the list ------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*fill)(struct show *);
} tables[] = {
	{ "clients", show_clients },
	{ "config", show_config },
	{ "databases", show_databases },
	{ "help", show_help },
	{ "lists", show_lists },
	{ "pools", show_pools },
	{ "servers", show_servers },
	{ "state", show_state },
	{ "stats", show_stats },
	{ "stats_averages", show_stats_averages },
	{ "stats_totals", show_stats_totals },
	{ "totals", show_totals },
	{ "users", show_users },
	{ "version", show_version },
	{ "workers", show_workers },
};

bool
show_table(struct client *c, const char *name)
{
	struct show s = { .c = c };

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		if (strcmp(name, tables[i].name) != 0)
			continue;
		wire_init(&s.w, buffer, sizeof(buffer));
		tables[i].fill(&s);
		if (!s.is_failed)
			report_complete(&s.w, "SHOW");
		report_ready(&s.w, 'I');
		flush(&s);
		return true;
	}
	return false;
}

/*
 * replication.h - a PostgreSQL that can be replicated, a pooler with three
 * workers in transaction mode before it, and clients that replicate.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_SYSTEM_REPLICATION_H
#define T_SYSTEM_REPLICATION_H

#include <stdio.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

/* Whatever a limit counts. */
#define ALL_BACKENDS                                                       \
	"SELECT count(*) FROM pg_stat_activity WHERE application_name <> " \
	"'test-admin' AND backend_type IN ('client backend', 'walsender')"
#define SENDERS                                                       \
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type = " \
	"'walsender'"

static struct pooler *p;

/* --- servers and clients ------------------------------------------------------ */

static inline void
add_line(const char *path, const char *line)
{
	FILE *f = fopen(path, "a");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fprintf(f, "%s\n", line), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* A PostgreSQL that others can replicate; app may, app2 may not. */
static inline struct pg *
publisher(void)
{
	struct pg *s = pg_new(0);

	pg_stop(s);
	add_line(text("%s/postgresql.conf", s->dir),
	    "wal_level = logical\nmax_wal_senders = 6\n"
	    "max_replication_slots = 10\nwal_keep_size = 64MB");
	add_line(text("%s/pg_hba.conf", s->dir),
	    "host replication all all trust\nlocal replication all trust");
	pg_start(s);
	pg_ask(s, "ALTER ROLE app REPLICATION");
	return s;
}

static inline void
start(const char *setting)
{
	char own[512]; /* text() is used often below */

	snprintf(own, sizeof(own), "%s", setting);
	pg = publisher();
	p = pooler_new();
	pooler_workers(p, 3);
	/* what the tools name when they want the whole server */
	pooler_db(p, "replication = host=127.0.0.1 port=%d dbname=postgres",
	    pg->port);
	pooler_set(p, "%s", own);
	pooler_start(p);
}

static inline void
stop(void)
{
	/* nothing replicates any more, or ever came back to the pool */
	UNTIL(10000, pg_num(pg, SENDERS) == 0);
	pooler_stop(p);
	pg_free(pg);
}

/* A connection that replicates; up to ReadyForQuery, or what comes instead. */
static inline struct wire *
dial(const char *user, const char *db, const char *how)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", user, "database",
		db, "replication", how, NULL));
	return w;
}

static inline struct wire *
sender(const char *how)
{
	struct wire *w = dial("app", "app", how);

	wire_expect(w, "RKZ");
	return w;
}

static inline void
hang_up(struct wire *w)
{
	wire_put(w, 'X', "");
	wire_free(w);
}

#endif

/*
 * show.h - the console's tables.
 *
 * Every figure comes from the segment, which all workers and the supervisor
 * write, so a table says the same whichever worker is asked.  Rows change
 * while they are read: a row that has gone or cannot be read whole is left
 * out.
 *
 * A table is built in one fixed buffer and sent whenever that is nearly full;
 * what the client does not take is kept for it, as long as the table is.
 *
 * Data: that buffer, this process's own.  Never blocks; allocates for the
 * length of a call.
 */
#ifndef WORKER_CONSOLE_SHOW_H
#define WORKER_CONSOLE_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "shm/clientrow.h"
#include "shm/slot.h"
#include "worker/client/client.h"
#include "worker/proto/report.h"

/*
 * Answer "SHOW name", to the ReadyForQuery.  false: there is no such table,
 * and nothing was sent.  The client may have been closed.
 */
bool show_table(struct client *c, const char *name);

/* --- for the tables: show_*.c --- */

struct show {
	struct client *c;
	struct wire w;
	size_t n; /* columns */
	bool is_failed;
};

#define SHOW_COLUMNS(s, columns) \
	show_columns(s, columns, sizeof(columns) / sizeof(*(columns)))

void
show_columns(struct show *s, const struct report_column *columns, size_t n);
void show_row(struct show *s); /* begin one; its cells follow in order */
void show_text(struct show *s, const char *text); /* NULL: null */
void show_int(struct show *s, uint64_t v);
void show_end(struct show *s); /* of the row */
/* A table cannot be had: the client gets an error in its place. */
void show_fail(struct show *s);

/* A name that lies in the segment, where its row may be given to another. */
void show_copy(char *out, size_t size, const char *name);

#define SHOW_CONSOLE "pgbouncer" /* its database and its user, in tables */

enum show_kind {
	SHOW_NOT, /* not there yet, or not in a table */
	SHOW_CL_ACTIVE,
	SHOW_CL_WAITING,
	SHOW_CL_CANCEL,
	SHOW_SV_ACTIVE,
	SHOW_SV_LISTEN, /* for clients that LISTEN; counted as active */
	SHOW_SV_HELD, /* until the cancel requests that it was sent are over */
	SHOW_SV_IDLE,
	SHOW_SV_LOGIN,
	SHOW_SV_CLOSING,
	SHOW_KINDS,
};

/* What a table calls the state of a client, of a server with that word. */
enum show_kind show_client_kind(const struct clientrow *r);
enum show_kind show_server_kind(const struct slot *s, uint64_t word);

/* show_client.c */
void show_clients(struct show *s);
void show_servers(struct show *s);

/* show_pool.c */
void show_pools(struct show *s);

/* show_conf.c */
void show_databases(struct show *s);
void show_users(struct show *s);
void show_lists(struct show *s);

/* How a database's hosts are balanced; NULL: it has only one. */
const char *show_balance(const struct conf_db *db);

/* show_stats.c */
void show_stats(struct show *s);
void show_stats_totals(struct show *s);
void show_stats_averages(struct show *s);
void show_totals(struct show *s);

#endif

/*
 * report.h - what a server says: errors both ways, and the other answers.
 *
 * The pooler speaks as a server to its clients, so it builds here whatever a
 * server sends while it logs a client in, refuses it, or shows a table of the
 * console.  From real servers it reads ErrorResponse and NoticeResponse, of
 * which every field may be missing, too long, or torn.
 *
 * Builders write into a struct wire: look at its `full` once, at the end.
 * Pure.  Never blocks, allocates or logs.
 */
#ifndef WORKER_PROTO_REPORT_H
#define WORKER_PROTO_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"
#include "worker/proto/frame.h"

/* An ErrorResponse or NoticeResponse; what was missing is "". */
struct report {
	char severity[12]; /* V, which is never translated, before S */
	char sqlstate[6];
	char message[256];
};

/*
 * Read the body of an ErrorResponse or NoticeResponse.  `out` is filled with
 * whatever was whole; -1 says that the body is torn or malformed, which a
 * caller who has only its first bytes may expect.
 */
int report_parse(const uint8_t *body, size_t len, struct report *out);

/* Copy what fits, never half of a UTF-8 character. */
void report_cut(char *to, size_t size, const char *from);

/* The server is about to close the connection: FATAL or PANIC. */
bool report_is_fatal(const struct report *r);

/* Each begins and ends one message. */
void report_error(struct wire *w, const char *severity, const char *sqlstate,
    const char *message);
void report_notice(struct wire *w, const char *severity, const char *sqlstate,
    const char *message);
void report_fatal(struct wire *w, const struct err *e); /* FATAL, from `e` */

void report_auth_ok(struct wire *w);
void report_auth_cleartext(struct wire *w);
void report_auth_md5(struct wire *w, const uint8_t salt[4]);
void report_auth_sasl(
    struct wire *w, const char *const *mechanisms, size_t n_mechanisms);
void report_auth_sasl_continue(struct wire *w, const void *data, size_t len);
void report_auth_sasl_final(struct wire *w, const void *data, size_t len);

void report_parameter(struct wire *w, const char *name, const char *value);
void
report_key(struct wire *w, int32_t pid, const uint8_t *key, size_t key_len);
void report_ready(struct wire *w, char status); /* 'I', 'T' or 'E' */
void report_complete(struct wire *w, const char *tag);
void report_empty(struct wire *w); /* EmptyQueryResponse */

/* A result table: RowDescription, then one DataRow at a time. */
enum report_oid {
	REPORT_INT8 = 20,
	REPORT_INT4 = 23,
	REPORT_TEXT = 25,
	REPORT_NUMERIC = 1700
};

struct report_column {
	const char *name;
	enum report_oid type;
};

void
report_columns(struct wire *w, const struct report_column *column, size_t n);
void report_row_begin(struct wire *w, size_t n);
void report_cell(struct wire *w, const char *text); /* NULL: SQL null */
void report_cell_int(struct wire *w, int64_t v);
void report_row_end(struct wire *w);

#endif

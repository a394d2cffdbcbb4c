/*
 * sqlsplit.h - a text that ends a failed transaction before it goes on.
 *
 * `ROLLBACK; EXECUTE a` on a backend that lacks `a`: while the transaction is
 * failed nothing can be parsed ahead.  So the ROLLBACK is run first, by itself,
 * and its ReadyForQuery is for us alone; then the message is shown again, and
 * goes on its way with blanks in the place of what has been run.
 *
 *   shown, due -> its first statement and a Sync -> LOOK_WAIT
 *      answered -> shown again, maybe in another lease: the rest
 *      refused  -> shown again: the rest is not run, as by the server itself;
 *                  a Sync makes the ReadyForQuery
 *
 * Only in a failed transaction: all that the first statement can do there is to
 * give it up, even if the server's parser refuses the rest.
 *
 * Never blocks.
 */
#ifndef WORKER_CLIENT_SQLSPLIT_H
#define WORKER_CLIENT_SQLSPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/client/look.h"
#include "worker/session/sqlscript.h"

struct client;
struct prepare;

/* Has it to be?  A text that has been read; nothing is under way. */
bool sqlsplit_is_due(struct client *c, const struct sqlscript *sc);

/* Its first `len` bytes are run now. */
enum look sqlsplit_begin(struct client *c, struct look_at *m, uint32_t len);

/* How much of it has been run? */
uint32_t sqlsplit_run(const struct prepare *p, const struct look_at *m);

/* Was that refused?  Then this is what becomes of the message. */
bool sqlsplit_has_failed(const struct client *c, const struct look_at *m);
enum look sqlsplit_end(struct client *c, struct look_at *m);

#endif

/*
 * keep.h - housekeeping: what must be done to idle backends, once.
 *
 * One worker does it, the one that the segment names as keeper.  To end an
 * idle backend it claims it first, like any borrower.
 *
 *   server_idle_timeout, server_lifetime, obsolete and surplus backends
 *   min_pool_size
 *   rows of pools that nobody uses
 *   statistics: averages, and a line in the log each stats_period
 *
 * Never blocks.
 */
#ifndef WORKER_BACKEND_KEEP_H
#define WORKER_BACKEND_KEEP_H

#include "conf/err.h"

/* Begin: a timer of its own, three times a second. */
int keep_start(struct err *e);
void keep_stop(void);

#endif

/*
 * stop.h - how the pooler ends.
 *
 *   asked -> WAIT_CLIENTS or WAIT_SERVERS -> (asked again) NOW
 *         -> workers gone -> helpers gone
 *
 * The word in the segment says which; workers leave by themselves with exit
 * code 0 when there is nothing left for them to do.  Only SEG_NOW has a
 * deadline, at which whoever is still there is killed.
 *
 * Written by the supervisor alone.  Never blocks.
 */
#ifndef MASTER_STOP_H
#define MASTER_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/segment.h"

enum {
	STOP_HARD_MS = 5000,   /* workers, after SEG_NOW */
	STOP_HELPERS_MS = 500, /* the others, once the workers have gone */
};

/* Begin; asked again, at once. */
void stop_ask(enum segment_stopping how, uint64_t now_ms);
bool stop_is_asked(void);

/* True when nobody is left. */
bool stop_run(uint64_t now_ms);

/* When stop_run() must be called at the latest; UINT64_MAX: any time. */
uint64_t stop_due_ms(void);

#endif

/*
 * backoff.h - how long to wait before a dead child is forked anew.
 *
 * The first death costs no wait: a crash is mostly a single event.  A child
 * that dies again and again waits twice as long each time, so that a fault
 * at birth neither burns a CPU nor fills the log.  Who has lived long enough
 * starts from the beginning.
 *
 * Pure: the caller brings the time.
 */
#ifndef MASTER_BACKOFF_H
#define MASTER_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_FIRST_MS = 100,   /* before the second restart in a row */
	BACKOFF_MAX_MS = 5000,
	BACKOFF_RESET_MS = 30000, /* a life of this length forgives all */
};

struct backoff {
	uint64_t born_ms; /* when the present life began */
	uint32_t deaths;  /* short lives in a row */
};

void backoff_born(struct backoff *b, uint64_t now_ms);

/* It has died: milliseconds to wait before the next fork. */
uint32_t backoff_died(struct backoff *b, uint64_t now_ms);

#endif

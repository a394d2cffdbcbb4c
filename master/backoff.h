/*
 * backoff.h - how long to wait before a dead child is forked anew.
 *
 * The first death costs no wait: a crash is mostly a single event.  A child
 * that dies again and again waits twice as long each time, so that a fault
 * at birth neither burns a CPU nor fills the log.  A life that was long enough
 * to serve somebody forgives one death, so that one kill a second never adds
 * up; a long one forgives all.
 *
 * Pure: the caller brings the time.
 */
#ifndef MASTER_BACKOFF_H
#define MASTER_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_FIRST_MS = 100, /* before the second restart in a row */
	BACKOFF_MAX_MS = 5000,
	BACKOFF_SERVED_MS = 500,  /* a life of this length forgives one, ... */
	BACKOFF_RESET_MS = 30000, /* ... and of this all */
};

struct backoff {
	uint64_t born_ms; /* when the present life began */
	uint32_t deaths;  /* short lives in a row */
};

void backoff_born(struct backoff *b, uint64_t now_ms);

/* It has died: milliseconds to wait before the next fork. */
uint32_t backoff_died(struct backoff *b, uint64_t now_ms);

#endif

/*
 * load_stat.h - what the load driver counts.
 *
 * Written by the driver's one thread.  Never blocks or allocates.
 */
#ifndef BENCH_LOAD_STAT_H
#define BENCH_LOAD_STAT_H

#include <stddef.h>
#include <stdint.h>

/* 32 steps for each power of two up to 2^40 us: within 3 % of the truth */
#define HIST_STEPS   32
#define HIST_BUCKETS (HIST_STEPS * 37)

/* How long something took, in microseconds. */
struct hist {
	uint64_t count;
	uint64_t max_us;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, int64_t us);

/* The time that `percent` (0 to 100) of all did not exceed; 0 for none. */
uint64_t hist_percentile(const struct hist *h, double percent);

/* "NAME_p50_us N" and so on, a line each. */
void hist_print(const struct hist *h, const char *name);

#define KIND_MAX 16

/* Faults of one family, by their text: an SQLSTATE or an errno's name. */
struct kinds {
	uint64_t total;
	struct {
		char name[48];
		uint64_t count;
	} kind[KIND_MAX]; /* the last one gathers whatever has no place */
};

void kinds_add(struct kinds *k, const char *name);

/* "NAME N", then "NAME[KIND] N" for each. */
void kinds_print(const struct kinds *k, const char *name);

struct load_stat {
	uint64_t done;         /* transactions answered, and answered right */
	uint64_t queries;      /* answers verified */
	uint64_t wrong;        /* answers that are not this client's */
	uint64_t unanswered;   /* in flight when patience ended */
	uint64_t connects;     /* logins that succeeded */
	uint64_t reconnects;   /* of these, after a loss */
	uint64_t lost_clients; /* clients that lost a connection, each once */
	uint32_t connected;    /* now */
	uint32_t simultaneous; /* the most at once */
	struct kinds refused;  /* a connect or login that failed */
	struct kinds lost;     /* a connection that ended under a client */
	struct kinds errors;   /* ErrorResponse to a query */
	struct hist latency;   /* a transaction */
	struct hist connect;   /* from connect(2) to ReadyForQuery */
	struct hist outage;    /* from a loss to the next login */
};

#endif

/*
 * segment.h - the one shared mapping: its header, its tables, its sizes.
 *
 * Made by the supervisor before the first fork, anonymous and shared, so that
 * every process has it at the same address and nobody else can map it.  Sizes
 * are set at start and never change; the mapping is reserved generously and
 * costs memory only where it is touched.  It holds indexes, never pointers.
 *
 * `seg` is the process-wide handle.  The tables are reached through the
 * functions of their own modules (slot_at(), pool_at(), ...), which check the
 * index and return NULL for one that is out of range.
 *
 * Never blocks.
 */
#ifndef SHM_SEGMENT_H
#define SHM_SEGMENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"

enum {
	SEG_MAX_WORKERS = 64,
	SEG_MAX_SLOTS = 65535, /* a grant word has 16 bits for the slot */
	SEG_MAGIC = 0x504f4f4c,
	SEG_VERSION = 1,
};

/* What the configuration asks room for; segment_make() rounds up. */
struct segment_sizes {
	uint32_t workers;
	uint32_t slots; /* backends at once, all pools */
	uint32_t pools; /* (database, user) pairs at once */
	uint32_t dbs;
	uint32_t users;
	uint32_t clients; /* client rows for each worker */
	uint32_t stmts;   /* prepared statements of each backend */
};

struct segment {
	/* Written once, before the first fork. */
	uint32_t magic, version;
	uint64_t size; /* bytes mapped */
	uint32_t nworkers;
	uint32_t nprocs; /* workers, then resolver, then monitor */
	uint32_t nslots, npools, ndbs, nusers;
	uint32_t nclients;         /* rows for each worker */
	uint8_t cancel_secret[32]; /* random; keys of cancelkey.c */
	uint8_t mock_secret[32];   /* random; salts of unknown users */
	uint8_t ticket_secret[32]; /* random; TLS sessions to be resumed */
	uint8_t stmt_secret[32];   /* random; names of prepared statements */

	/* Written by the supervisor. */
	_Atomic uint64_t conf_number; /* newest configuration published */
	_Atomic uint64_t repairs;     /* deaths mended so far */
	_Atomic uint32_t keeper;      /* worker + 1 that does housekeeping */
	_Atomic uint32_t stopping;    /* enum segment_stopping */

	/* Written by many, as their modules say. */
	_Alignas(64) _Atomic uint32_t limits_lock; /* 0, or process + 1 */
	_Atomic uint32_t slot_hint; /* no FREE slot below it; limits lock */
	_Alignas(64) _Atomic uint32_t pools_lock; /* 0, or process + 1 */
	_Alignas(64) _Atomic uint64_t last_id;    /* of clients and servers */
	_Atomic uint32_t pools_used; /* rows below this may be in use */
	_Atomic uint32_t slots_used; /* likewise; only grows */
	_Atomic uint32_t crashed;    /* somebody died of it; crash.c's */
};

enum segment_stopping {
	SEG_RUNNING,
	SEG_WAIT_SERVERS, /* no new clients; each leaves as its server does */
	SEG_WAIT_CLIENTS, /* no new clients; wait until all have left */
	SEG_NOW,
};

extern struct segment *seg;

struct proc;
struct slot;
struct slot_row;
struct pool;
struct party;
struct clientrow;
struct count_block;
struct count_row;

/*
 * Where the tables are, and how long: this process's own copy, born with it.
 * A stray write into the segment cannot change what an index is checked by.
 * For the modules of shm/ only.
 */
struct segment_tables {
	uint32_t nworkers, nprocs, nslots, npools, ndbs, nusers, nclients;
	uint32_t nstmts;
	uint32_t nwords; /* workers, rounded up to whole cache lines of words */
	struct proc *procs;
	struct slot *slots;
	struct slot_row *infos;
	unsigned char *stmts;   /* [slot], sets of nstmts (stmts.h) */
	_Atomic uint64_t *have; /* [worker][slot] */
	struct pool *pools;
	struct party *dbs, *users;
	_Atomic uint64_t *waiting;  /* [pool][worker], rows of nwords */
	_Atomic uint64_t *grants;   /* likewise */
	_Atomic uint32_t *members;  /* [worker][pool] */
	struct clientrow *clients;  /* [worker][row] */
	struct count_block *counts; /* [worker][pool] */
	struct count_row *averages; /* [pool] */
};

extern struct segment_tables segtab;

/*
 * Map a segment and make it `seg`; every row free, every word zero but the
 * slots' generations, secrets random.  0, or -1 with `e` filled.
 */
int segment_make(const struct segment_sizes *sizes, struct err *e);

/* Unmap it (tests). */
void segment_drop(void);

/* Deny this process all writing to it (the monitor). */
int segment_readonly(struct err *e);

/* The next id of a client or a server: one sequence, +1 for each. */
uint64_t segment_next_id(void);

#endif

/*
 * clientrow.h - one row per client connection, for SHOW and for cancels.
 *
 * Each worker number has a range of rows of its own and hands them out from a
 * private free list, so taking one needs no lock, and a row's index tells its
 * worker.  A row's generation is odd while it is in use; repair makes those
 * of a dead worker even.
 *
 * Writes:  the worker that serves the client; gen also repair.
 * Never blocks.  clientrow_init() allocates the private list.
 */
#ifndef SHM_CLIENTROW_H
#define SHM_CLIENTROW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shm/slot.h"

#define CLIENTROW_NONE UINT32_MAX

enum { CLIENTROW_APP = 64, CLIENTROW_USER = 64, CLIENTROW_TLS = 56 };

enum clientrow_state {
	CLIENTROW_LOGIN,
	CLIENTROW_IDLE, /* shown as active, like PgBouncer does */
	CLIENTROW_WAITING,
	CLIENTROW_ACTIVE,
	CLIENTROW_CANCEL, /* brings a cancel request */
};

enum clientrow_flags {
	CLIENTROW_LONG_KEY = 1, /* its cancel key is one of protocol 3.2 */
	CLIENTROW_LOGICAL = 2,  /* replicates, a database ... */
	CLIENTROW_PHYSICAL = 4, /* ... or a whole server */
	/* from here on why it keeps its backend (worker/client/pin.h) */
	CLIENTROW_PINS_SHIFT = 8,
};

struct clientrow_addr {
	uint8_t family, pad; /* 4, 6; 1: Unix; 0: not known */
	uint16_t port;       /* 0 with Unix */
	uint8_t addr[16];
};

/* What changes rarely; published whole through seqcopy. */
struct clientrow_info {
	uint64_t id;
	uint64_t connect_wall_us;
	struct clientrow_addr peer, local;
	int32_t remote_pid; /* Unix sockets; else 0 */
	uint32_t admin;     /* 1: a console client */
	char user[CLIENTROW_USER];
	char app_name[CLIENTROW_APP];
	char tls[CLIENTROW_TLS]; /* version, cipher, group; "": plain */
};

struct clientrow {
	_Atomic uint32_t gen;   /* odd: in use */
	_Atomic uint32_t seq;   /* of `info` */
	_Atomic uint64_t key;   /* cancel key given to the client; 0: none */
	_Atomic uint32_t state; /* enum clientrow_state */
	_Atomic uint32_t pool;  /* index, or POOL_NONE */
	_Atomic uint32_t slot;  /* index + 1 of its backend, or 0 */
	_Atomic uint32_t flags; /* enum clientrow_flags */
	_Atomic uint32_t stmts; /* prepared statements that it has */
	_Atomic uint32_t pad;
	_Atomic uint64_t request_us; /* monotonic: when its state changed */
	_Atomic uint64_t info[sizeof(struct clientrow_info) / 8];
};

/* Build worker `me`'s private free list from the rows as they are. */
int clientrow_init(uint32_t me);
void clientrow_fini(void);

/* A fresh row of this worker; CLIENTROW_NONE: none is left. */
uint32_t clientrow_take(void);
void clientrow_free(uint32_t idx);

struct clientrow *clientrow_at(uint32_t idx); /* NULL: out of range */
uint32_t clientrow_worker(uint32_t idx);
/* Rows of worker `w` in use lie below this many from its first. */
uint32_t clientrow_first(uint32_t w);
uint32_t clientrow_high(uint32_t w);

void clientrow_info_write(uint32_t idx, const struct clientrow_info *info);
bool clientrow_info_look(uint32_t idx, struct clientrow_info *out);

/* Worker `w` has died: all its rows are free (repair). */
void clientrow_withdraw(uint32_t w);

#endif

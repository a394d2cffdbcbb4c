#include "shm/segment.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/compat.h"
#include "shm/clientrow.h"
#include "shm/count.h"
#include "shm/pool.h"
#include "shm/proc.h"
#include "shm/slot.h"
#include "shm/stmts.h"

/*
 * Wishes that not every system knows, and nothing depends on: no swap set
 * aside for what is never touched, and no cancel keys in a core file.
 */
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#if defined(MADV_DONTDUMP)
#define SEGMENT_NO_DUMP MADV_DONTDUMP
#elif defined(MADV_NOCORE)
#define SEGMENT_NO_DUMP MADV_NOCORE
#else
#define SEGMENT_NO_DUMP MADV_NORMAL
#endif

enum {
	LINE = 64,
	MAX_ROWS = 1 << 24, /* a cancel key has 24 bits for the client row */
	MAX_POOLS = 1 << 20,
};

struct segment *seg;
struct segment_tables segtab;

/* Bytes of the tables so far, and where the next one begins. */
struct layout {
	unsigned char *base; /* NULL: only measure */
	uint64_t used;
};

static uint64_t
round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * Room for n rows of `size` bytes.  Cannot overflow: is_sane() has bounded
 * every factor, so that all tables together stay far below 2^60.
 */
static void *
place(struct layout *l, uint64_t n, uint64_t size)
{
	void *at = l->base == NULL ? NULL : l->base + l->used;

	l->used += round_up(n * size, LINE);
	return at;
}

static void
lay_out(struct layout *l, struct segment_tables *t)
{
	uint64_t workers = t->nworkers, words = t->nwords;

	l->used = round_up(sizeof(struct segment), LINE);
	t->procs = place(l, t->nprocs, sizeof(struct proc));
	t->slots = place(l, t->nslots, sizeof(struct slot));
	t->infos = place(l, t->nslots, sizeof(struct slot_row));
	t->stmts = place(l, t->nslots, stmts_size(t->nstmts));
	t->have = place(l, workers * t->nslots, sizeof(*t->have));
	t->pools = place(l, t->npools, sizeof(struct pool));
	t->dbs = place(l, t->ndbs, sizeof(struct party));
	t->users = place(l, t->nusers, sizeof(struct party));
	t->waiting = place(l, words * t->npools, sizeof(*t->waiting));
	t->grants = place(l, words * t->npools, sizeof(*t->grants));
	t->members = place(l, workers * t->npools, sizeof(*t->members));
	t->clients = place(l, workers * t->nclients, sizeof(struct clientrow));
	t->counts = place(l, workers * t->npools, sizeof(struct count_block));
	t->averages = place(l, t->npools, sizeof(struct count_row));
}

static uint32_t
at_least_one(uint32_t n)
{
	return n == 0 ? 1 : n;
}

static bool
is_sane(const struct segment_sizes *s)
{
	return s->workers <= SEG_MAX_WORKERS && s->slots <= SEG_MAX_SLOTS &&
	    s->pools <= MAX_POOLS && s->dbs <= MAX_POOLS &&
	    s->users <= MAX_POOLS && s->clients <= MAX_ROWS &&
	    (uint64_t)at_least_one(s->workers) *
		round_up(at_least_one(s->clients), 8) <=
	    MAX_ROWS;
}

/*
 * Rows are rounded up to whole cache lines where two workers' ranges meet, so
 * that they do not share one.
 */
static void
round_sizes(struct segment_tables *t, const struct segment_sizes *s)
{
	memset(t, 0, sizeof(*t));
	t->nworkers = at_least_one(s->workers);
	t->nprocs = t->nworkers + 2;
	t->nslots = (uint32_t)round_up(at_least_one(s->slots), 8);
	if (t->nslots > SEG_MAX_SLOTS)
		t->nslots = SEG_MAX_SLOTS;
	t->nstmts = stmts_capacity(s->stmts);
	t->npools = (uint32_t)round_up(at_least_one(s->pools), 16);
	t->ndbs = at_least_one(s->dbs);
	t->nusers = at_least_one(s->users);
	t->nclients = (uint32_t)round_up(at_least_one(s->clients), 8);
	t->nwords = (uint32_t)round_up(t->nworkers, 8);
}

static void
fill_header(uint64_t size)
{
	seg->magic = SEG_MAGIC;
	seg->version = SEG_VERSION;
	seg->size = size;
	seg->nworkers = segtab.nworkers;
	seg->nprocs = segtab.nprocs;
	seg->nslots = segtab.nslots;
	seg->npools = segtab.npools;
	seg->ndbs = segtab.ndbs;
	seg->nusers = segtab.nusers;
	seg->nclients = segtab.nclients;
}

int
segment_make(const struct segment_sizes *sizes, struct err *e)
{
	struct layout l = { NULL, 0 };
	unsigned char secrets[128];
	void *at;

	if (!is_sane(sizes))
		return err_set(e, "53000", "too large a configuration",
		    "shared memory: more workers, slots, pools or clients "
		    "than can be numbered");
	round_sizes(&segtab, sizes);
	lay_out(&l, &segtab);
	l.used = round_up(l.used, (uint64_t)sysconf(_SC_PAGESIZE));
	if (l.used > SIZE_MAX / 2)
		return err_set(e, "53200", "out of memory",
		    "shared memory: more than this system can address");
	if (getentropy(secrets, sizeof(secrets)) == -1)
		return err_set(e, "58000", "no random numbers",
		    "getentropy: %s", strerror(errno));
	at = mmap(NULL, (size_t)l.used, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return err_set(e, "53200", "out of memory",
		    "shared memory: %llu bytes: %s", (unsigned long long)l.used,
		    strerror(errno));
	(void)madvise(at, (size_t)l.used, SEGMENT_NO_DUMP);
	seg = at;
	fill_header(l.used);
	l.base = at;
	lay_out(&l, &segtab);
	memcpy(seg->cancel_secret, secrets, 32);
	memcpy(seg->mock_secret, secrets + 32, 32);
	memcpy(seg->ticket_secret, secrets + 64, 32);
	memcpy(seg->stmt_secret, secrets + 96, 32);
	compat_bzero(secrets, sizeof(secrets));
	for (uint32_t i = 0; i < segtab.nslots; i++)
		atomic_store(&segtab.slots[i].hold,
		    slot_word(SLOT_FREE, PROC_NOBODY, 1));
	return 0;
}

void
segment_drop(void)
{
	if (seg != NULL)
		(void)munmap(seg, (size_t)seg->size);
	seg = NULL;
	memset(&segtab, 0, sizeof(segtab));
}

int
segment_readonly(struct err *e)
{
	if (mprotect(seg, (size_t)seg->size, PROT_READ) == -1)
		return err_set(e, "58000", "cannot protect shared memory",
		    "mprotect: %s", strerror(errno));
	return 0;
}

uint64_t
segment_next_id(void)
{
	return atomic_fetch_add(&seg->last_id, 1) + 1;
}

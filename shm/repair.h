/*
 * repair.h - mend what the dead left.  The supervisor only, after waitpid(2).
 *
 * Goes by the slot words; every index is checked; never waits; does no harm
 * when run twice.  See DESIGN: what a crash leaves behind.
 */
#ifndef SHM_REPAIR_H
#define SHM_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

/* What the supervisor must do about one slot after a repair. */
struct repair_todo {
	uint32_t slot;
	uint64_t gen;
	uint32_t heir; /* CLOSING(heir) now; PROC_NOBODY: no worker lives */
};

struct repair {
	uint32_t ntodo;
	struct repair_todo *todo; /* room for seg->nslots */
	bool deferred; /* a lock was busy: call again at the next turn */
};

/*
 * Mend after process `k`.  `has_fd(slot, gen)` tells whether the supervisor
 * has a descriptor for that generation (NULL: it has all).  Where it has none,
 * the slot is freed at once: either its backend's end had been seen, and other
 * workers are about to drop theirs, or the kernel closed the only socket with
 * its owner.  Publishes `gone` first and seg->repairs last, rings every bell.
 * r->todo is the caller's.  While r->deferred is true, do not fork the
 * replacement: call again first; what the earlier call has listed is not
 * listed again.
 */
void repair_process(
    uint32_t k, bool (*has_fd)(uint32_t slot, uint64_t gen), struct repair *r);

/*
 * CLOSING slots that nobody living owns get `heir` (a worker that has just
 * started); fills r->todo.  `has_fd` as above: one without a descriptor is
 * left to the repair that was deferred, which frees it.
 */
void repair_adopt(uint32_t heir, bool (*has_fd)(uint32_t slot, uint64_t gen),
    struct repair *r);

#endif

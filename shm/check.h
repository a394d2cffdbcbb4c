/*
 * check.h - the segment's invariants, as code.
 *
 * Holds at every instant, whatever runs and whoever has died, once the deaths
 * that were reaped have been repaired:
 *
 *   - every slot's state and owner exist; FREE and IDLE slots have no user
 *     (IDLE ones `strict` only: a claim may come in between two looks), and
 *     the statements of an IDLE one are whole, with nothing under way;
 *   - LOGIN, ACTIVE, GRANTED, RESERVED, CLOSING name a process whose number is
 *     a worker's (or CLOSING nobody's, while no worker lives);
 *   - no slot is owned by a process that is `gone`, but for a grant that its
 *     granter is about to take back, which `strict` does not forgive;
 *   - the counters of pool, database and user equal the slots that are not
 *     FREE, exactly (looked at under the limits lock);
 *   - every pool's count is no more than its limits, unless these were
 *     lowered meanwhile (`strict` false forgives it);
 *   - waiting, have and member words of a process that is gone are 0, and its
 *     grant words too, with the same exception;
 *   - no client row of a process that is gone is in use;
 *   - a slot that is not FREE belongs to a pool row in use, of the same
 *     generation;
 *   - locks and login words name a process that is there, or are 0.
 *
 * `strict`: nothing else runs, and no limit was lowered.  Changes nothing but
 * the limits lock, which it tries for a bounded time.  Allocates.
 */
#ifndef SHM_CHECK_H
#define SHM_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * 0: all holds.  1: could not look (lock busy, no memory).  -1: broken, and
 * `why` says what.
 */
int check_segment(uint32_t me, bool strict, char *why, size_t len);

#endif

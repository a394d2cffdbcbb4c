/*
 * seqcopy.h - records wider than a word: one writer, many readers.
 *
 * The record is copied word by word through relaxed atomics between two steps
 * of a sequence number that is odd while the writer is inside (a seqlock; see
 * Boehm, "Can seqlocks get along with programming language memory models?",
 * 2012).  A reader tries a fixed number of times and then says "unknown": the
 * writer may have died inside.  A new writer after a crash goes on from
 * whatever number it finds.
 *
 * `len` is a multiple of 8 and both sides are 8-byte aligned.  Never blocks.
 */
#ifndef SHM_SEQCOPY_H
#define SHM_SEQCOPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEQCOPY_TRIES = 64 };

static inline void
seqcopy_write(
    _Atomic uint32_t *seq, _Atomic uint64_t *dst, const void *src, size_t len)
{
	const uint64_t *from = src;
	uint32_t odd = atomic_load_explicit(seq, memory_order_relaxed) | 1;

	atomic_store_explicit(seq, odd, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < len / 8; i++)
		atomic_store_explicit(&dst[i], from[i], memory_order_relaxed);
	atomic_store_explicit(seq, odd + 1, memory_order_release);
}

/* False when no whole copy could be had in SEQCOPY_TRIES. */
static inline bool
seqcopy_read(const _Atomic uint32_t *seq, const _Atomic uint64_t *src,
    void *dst, size_t len)
{
	uint64_t *to = dst;

	for (int tries = 0; tries < SEQCOPY_TRIES; tries++) {
		uint32_t n = atomic_load_explicit(seq, memory_order_acquire);

		if (n & 1)
			continue;
		for (size_t i = 0; i < len / 8; i++)
			to[i] =
			    atomic_load_explicit(&src[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(seq, memory_order_relaxed) == n)
			return true;
	}
	return false;
}

#endif

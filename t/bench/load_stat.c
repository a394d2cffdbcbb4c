/*
 * load_stat.c - see load_stat.h.
 *
 * A histogram's bucket is the position of the value's highest bit and the five
 * bits below it: constant relative precision without floating point.
 */
#include "t/bench/load_stat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static unsigned
bucket_of(uint64_t us)
{
	unsigned shift = 0;

	while ((us >> shift) >= 2 * HIST_STEPS)
		shift++;
	return shift * HIST_STEPS + (unsigned)(us >> shift);
}

/* The largest value that falls into bucket `b`. */
static uint64_t
bucket_top(unsigned b)
{
	unsigned shift = b < 2 * HIST_STEPS ? 0 : b / HIST_STEPS - 1;
	uint64_t first = b - shift * HIST_STEPS;

	return ((first + 1) << shift) - 1;
}

void
hist_add(struct hist *h, int64_t us)
{
	uint64_t v = us < 0 ? 0 : (uint64_t)us;
	unsigned b = bucket_of(v);

	h->count++;
	h->bucket[b < HIST_BUCKETS ? b : HIST_BUCKETS - 1]++;
	if (v > h->max_us)
		h->max_us = v;
}

uint64_t
hist_percentile(const struct hist *h, double percent)
{
	uint64_t want = (uint64_t)((double)h->count * percent / 100.0);
	uint64_t seen = 0;

	for (unsigned b = 0; b < HIST_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen > 0 && seen >= want)
			return bucket_top(b) < h->max_us ? bucket_top(b)
							 : h->max_us;
	}
	return h->max_us;
}

void
hist_print(const struct hist *h, const char *name)
{
	printf("%s_count %" PRIu64 "\n", name, h->count);
	printf("%s_p50_us %" PRIu64 "\n", name, hist_percentile(h, 50));
	printf("%s_p90_us %" PRIu64 "\n", name, hist_percentile(h, 90));
	printf("%s_p99_us %" PRIu64 "\n", name, hist_percentile(h, 99));
	printf("%s_max_us %" PRIu64 "\n", name, h->max_us);
}

void
kinds_add(struct kinds *k, const char *name)
{
	int i;

	k->total++;
	for (i = 0; i < KIND_MAX - 1; i++) {
		if (k->kind[i].count == 0)
			snprintf(k->kind[i].name, sizeof(k->kind[i].name), "%s",
			    name);
		if (strncmp(k->kind[i].name, name,
			sizeof(k->kind[i].name) - 1) == 0)
			break;
	}
	if (i == KIND_MAX - 1)
		snprintf(k->kind[i].name, sizeof(k->kind[i].name), "other");
	k->kind[i].count++;
}

void
kinds_print(const struct kinds *k, const char *name)
{
	printf("%s %" PRIu64 "\n", name, k->total);
	for (int i = 0; i < KIND_MAX && k->total > 0; i++)
		if (k->kind[i].count > 0)
			printf("%s[%s] %" PRIu64 "\n", name, k->kind[i].name,
			    k->kind[i].count);
}

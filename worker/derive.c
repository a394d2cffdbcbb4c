#include "worker/derive.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"

enum {
	TAG = 32,
	SLICE_US = 500,
	STEP = 128, /* iterations between two looks at the clock */
	SETS = 4096,
	WAYS = 4,
};

/* What was derived: touched, and so in memory, only where it is used. */
static struct kept {
	uint64_t used; /* 0: free; else the order of use */
	uint8_t tag[TAG];
	uint8_t client[SCRAM_KEY], stored[SCRAM_KEY], server[SCRAM_KEY];
} kept[SETS][WAYS];

struct derive_job {
	struct derive_job *next; /* older first */
	struct derive *first;    /* who waits */
	struct scram_derive work;
	uint8_t tag[TAG];
	bool is_kept;   /* one of them knows that the secret is right */
	bool is_ending; /* its waiters are being told */
};

static struct derive_job *jobs;
static uint64_t uses, slices, work;
static uint8_t tag_key[TAG];
static bool has_tag_key;

/* --- what is kept ------------------------------------------------------------ */

/* A name for (secret, salt, iterations) that tells nothing of them. */
static int
name(const char *secret, const struct scram_keys *k, uint8_t tag[TAG])
{
	uint8_t head[SCRAM_SALT_MAX + 5], inner[EVP_MAX_MD_SIZE];
	unsigned n = TAG;
	int rc = -1;

	if (!has_tag_key && RAND_bytes(tag_key, sizeof(tag_key)) != 1)
		return -1;
	has_tag_key = true;
	head[0] = k->salt_len;
	memcpy(head + 1, &k->iterations, 4);
	memcpy(head + 5, k->salt, k->salt_len);
	if (HMAC(EVP_sha256(), tag_key, TAG, (const uint8_t *)secret,
		strlen(secret), inner, &n) != NULL &&
	    HMAC(EVP_sha256(), inner, TAG, head, 5u + k->salt_len, tag, &n) !=
		NULL)
		rc = 0;
	compat_bzero(inner, sizeof(inner));
	return rc;
}

static struct kept *
set_of(const uint8_t tag[TAG])
{
	return kept[((unsigned)tag[0] << 8 | tag[1]) % SETS];
}

static bool
recall(const uint8_t tag[TAG], struct scram_keys *k)
{
	struct kept *set = set_of(tag);

	for (int i = 0; i < WAYS; i++) {
		if (set[i].used == 0 || !compat_memeq_ct(set[i].tag, tag, TAG))
			continue;
		set[i].used = ++uses;
		memcpy(k->client, set[i].client, SCRAM_KEY);
		memcpy(k->stored, set[i].stored, SCRAM_KEY);
		memcpy(k->server, set[i].server, SCRAM_KEY);
		k->has_client = true;
		return true;
	}
	return false;
}

/* In place of those that were not used for longest. */
static void
keep(const uint8_t tag[TAG], const struct scram_keys *k)
{
	struct kept *set = set_of(tag), *at = set;

	for (int i = 1; i < WAYS; i++)
		if (set[i].used < at->used)
			at = &set[i];
	at->used = ++uses;
	memcpy(at->tag, tag, TAG);
	memcpy(at->client, k->client, SCRAM_KEY);
	memcpy(at->stored, k->stored, SCRAM_KEY);
	memcpy(at->server, k->server, SCRAM_KEY);
}

/* --- what is being derived ------------------------------------------------------ */

static void
job_free(struct derive_job *job)
{
	struct derive_job **at = &jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	scram_derive_fini(&job->work);
	compat_bzero(job, sizeof(*job));
	free(job);
}

static struct derive_job *
job_new(const char *secret, const struct scram_keys *k, const uint8_t tag[TAG])
{
	struct derive_job *job = calloc(1, sizeof(*job)), **at = &jobs;

	if (job == NULL ||
	    scram_derive_begin(&job->work, secret, k->salt, k->salt_len,
		k->iterations) == -1) {
		free(job);
		return NULL;
	}
	memcpy(job->tag, tag, TAG);
	while (*at != NULL)
		at = &(*at)->next;
	*at = job;
	return job;
}

static struct derive_job *
job_find(const uint8_t tag[TAG])
{
	struct derive_job *job = jobs;

	while (job != NULL && !compat_memeq_ct(job->tag, tag, TAG))
		job = job->next;
	return job;
}

/* Tell everybody.  A callback may end sessions, and so cancel others of these:
 * one at a time, from the head. */
static void
job_end(struct derive_job *job, bool well)
{
	struct scram_keys keys = job->work.keys;

	job->is_ending = true;
	if (well && job->is_kept)
		keep(job->tag, &keys);
	while (job->first != NULL) {
		struct derive *d = job->first;

		job->first = d->next;
		d->next = NULL;
		d->job = NULL;
		d->on_keys(d, well ? &keys : NULL);
	}
	scram_keys_wipe(&keys);
	job_free(job);
}

/* Whose slice is it? */
static struct derive_job *
job_next(void)
{
	struct derive_job *best = jobs;

	if (slices++ % 2 == 0)
		return best;
	for (struct derive_job *job = jobs; job != NULL; job = job->next)
		if (job->work.keys.iterations - job->work.done <
		    best->work.keys.iterations - best->work.done)
			best = job;
	return best;
}

/* --- the doors -------------------------------------------------------------------- */

enum result
derive_start(struct derive *d, const char *secret, struct scram_keys *k)
{
	struct derive_job *job;
	uint8_t tag[TAG];

	derive_cancel(d);
	if (k->salt_len == 0 || k->salt_len > SCRAM_SALT_MAX ||
	    name(secret, k, tag) == -1)
		return FAIL;
	if (recall(tag, k))
		return DONE;
	job = job_find(tag);
	if (job == NULL && (job = job_new(secret, k, tag)) == NULL)
		return FAIL;
	job->is_kept |= !d->is_guess;
	d->job = job;
	d->next = job->first;
	job->first = d;
	return WAIT;
}

void
derive_cancel(struct derive *d)
{
	struct derive_job *job = d->job;
	struct derive **at;

	if (job == NULL)
		return;
	for (at = &job->first; *at != d; at = &(*at)->next)
		;
	*at = d->next;
	d->next = NULL;
	d->job = NULL;
	if (job->first == NULL && !job->is_ending)
		job_free(job);
}

bool
derive_turn(void)
{
	struct derive_job *job;
	uint64_t end_us;
	enum result r;
	uint32_t from;

	if (jobs == NULL)
		return false;
	end_us = clock_now_us() + SLICE_US;
	job = job_next();
	from = job->work.done;
	do
		r = scram_derive_run(&job->work, STEP);
	while (r == WAIT && clock_now_us() < end_us);
	work += job->work.done - from;
	if (r != WAIT)
		job_end(job, r == DONE);
	return jobs != NULL;
}

uint64_t
derive_work(void)
{
	return work;
}

void
derive_fini(void)
{
	while (jobs != NULL)
		job_free(jobs);
	/* what was never used is not in memory, and stays so */
	if (uses > 0)
		compat_bzero(kept, sizeof(kept));
	compat_bzero(tag_key, sizeof(tag_key));
	has_tag_key = false;
	uses = 0;
}

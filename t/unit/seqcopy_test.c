/* seqcopy_test.c - a reader sees a whole record, or none. */
#include "shm/seqcopy.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sched.h>

#include "t/unit/shmtest.h"

enum { WORDS = 64, READS = 20000, PAUSE = 20000 };

struct record {
	_Atomic uint32_t seq;
	_Atomic uint32_t stop;
	_Atomic uint64_t words[WORDS];
};

static struct record *
shared_record(void)
{
	void *at = mmap(NULL, sizeof(struct record), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(at, MAP_FAILED);
	return at;
}

static void
fill(uint64_t to[WORDS], uint64_t value)
{
	for (int i = 0; i < WORDS; i++)
		to[i] = value;
}

START_TEST(never_torn)
{
	struct record *r = shared_record();
	uint64_t out[WORDS], in[WORDS];
	int whole = 0, status;
	pid_t kid = fork();

	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		for (uint64_t n = 1; atomic_load(&r->stop) == 0; n++) {
			fill(in, n);
			seqcopy_write(&r->seq, r->words, in, sizeof(in));
			/* a writer without pause leaves readers no chance */
			for (int i = 0; i < PAUSE; i++)
				(void)atomic_load(&r->stop);
		}
		_exit(0);
	}
	/* Check's time limit ends it if no copy can ever be had */
	while (whole < READS) {
		if (!seqcopy_read(&r->seq, r->words, out, sizeof(out))) {
			/* the writer may sleep inside, on this very core */
			sched_yield();
			continue;
		}
		whole++;
		for (int i = 1; i < WORDS; i++)
			ck_assert_uint_eq(out[i], out[0]);
	}
	atomic_store(&r->stop, 1);
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	munmap(r, sizeof(*r));
}
END_TEST

START_TEST(a_dead_writer_is_unknown_until_the_next)
{
	struct record *r = shared_record();
	uint64_t out[WORDS], in[WORDS];

	fill(in, 5);
	seqcopy_write(&r->seq, r->words, in, sizeof(in));
	ck_assert(seqcopy_read(&r->seq, r->words, out, sizeof(out)));
	ck_assert_uint_eq(out[WORDS - 1], 5);
	/* as if it had died half way */
	atomic_fetch_add(&r->seq, 1);
	atomic_store(&r->words[0], 6);
	ck_assert(!seqcopy_read(&r->seq, r->words, out, sizeof(out)));
	fill(in, 7);
	seqcopy_write(&r->seq, r->words, in, sizeof(in));
	ck_assert(seqcopy_read(&r->seq, r->words, out, sizeof(out)));
	ck_assert_uint_eq(out[0], 7);
	ck_assert_uint_eq(out[WORDS - 1], 7);
	munmap(r, sizeof(*r));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(never_torn),
		TEST(a_dead_writer_is_unknown_until_the_next),
		NO_MORE_TESTS,
	};

	return run_tests("seqcopy", tests, 60);
}

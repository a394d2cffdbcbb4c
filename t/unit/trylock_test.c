/* trylock_test.c - one holder, by its number; nobody waits. */
#include "shm/trylock.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/shmtest.h"

START_TEST(has_one_holder)
{
	_Atomic uint32_t lock = 0;

	ck_assert(trylock_take(&lock, 0));
	ck_assert_uint_eq(atomic_load(&lock), 1);
	ck_assert(!trylock_take(&lock, 3));
	ck_assert(!trylock_take(&lock, 0));
	trylock_drop(&lock, 3);
	ck_assert_uint_eq(atomic_load(&lock), 1);
	trylock_drop(&lock, 0);
	ck_assert_uint_eq(atomic_load(&lock), 0);
	ck_assert(trylock_take(&lock, 3));
	ck_assert_uint_eq(atomic_load(&lock), 4);
}
END_TEST

enum { PROCS = 3, ROUNDS = 50000 };

struct shared {
	_Atomic uint32_t lock;
	uint32_t sum; /* guarded by it: no atomic, so that a fault shows */
};

static void
add_up(struct shared *s, uint32_t me)
{
	for (int i = 0; i < ROUNDS;) {
		if (!trylock_take(&s->lock, me))
			continue;
		s->sum++;
		i++;
		trylock_drop(&s->lock, me);
	}
}

START_TEST(keeps_others_out)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	for (uint32_t me = 0; me < PROCS; me++) {
		pid_t pid = fork();

		ck_assert_int_ne(pid, -1);
		if (pid == 0) {
			add_up(s, me);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCS; i++)
		ck_assert_int_gt(wait(NULL), 0);
	ck_assert_uint_eq(s->sum, PROCS * ROUNDS);
	munmap(s, sizeof(*s));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(has_one_holder),
		TEST(keeps_others_out),
		NO_MORE_TESTS,
	};

	return run_tests("trylock", tests, 60);
}

/*
 * repair_death_test.c - workers that are killed, at random and at each crash
 * point, while they do to the segment what workers do.
 */
#include "shm/repair.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/unit/repairsim.h"

static pid_t kids[SIM_WORKERS];

static void
start(uint32_t k, unsigned seed)
{
	atomic_store(&proc_at(k)->state, PROC_STARTING);
	atomic_store(&proc_at(k)->gone, 0);
	kids[k] = fork();
	ck_assert_int_ne(kids[k], -1);
	if (kids[k] == 0)
		sim_worker(k, seed);
	repair_adopt(k, has_all, &result);
}

static void
reap(uint32_t k, bool is_killed)
{
	int status;

	ck_assert_int_eq(waitpid(kids[k], &status, 0), kids[k]);
	if (is_killed)
		ck_assert_msg(
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		    "worker %u: status %x", (unsigned)k, (unsigned)status);
	else
		ck_assert_int_eq(status, 0);
	for (int i = 0; i < SIM_SLOTS; i++) {
		uint32_t inside = k + 1;

		(void)atomic_compare_exchange_strong(
		    &sim->users[i], &inside, 0);
	}
}

static void
mend(uint32_t k)
{
	uint64_t end = clock_now_ms() + 20000;

	do {
		repair_process(k, sim_has_fd, &result);
		ck_assert_uint_lt(clock_now_ms(), end);
	} while (result.deferred);
}

/* Counters may be looked at by anybody at any moment: never too high. */
static void
expect_limits(void)
{
	for (uint32_t p = 0; p < SIM_POOLS; p++)
		ck_assert_uint_le(atomic_load(&pool_at(p)->count),
		    atomic_load(&pool_at(p)->size));
	ck_assert_uint_le(atomic_load(&db_at(0)->count), 9);
	ck_assert_uint_le(atomic_load(&user_at(1)->count), 14);
}

/* All who run give back what they have, and nothing is left. */
static void
stop_all(void)
{
	atomic_store(&sim->stop, 1);
	for (uint32_t k = 0; k < SIM_WORKERS; k++)
		if (kids[k] != 0)
			reap(k, false);
	expect_sane(false);
	for (int i = 0; i < SIM_SLOTS; i++)
		ck_assert_uint_eq(atomic_load(&sim->users[i]), 0);
	atomic_store(&sim->stop, 0);
}

START_TEST(killed_at_random)
{
	uint64_t end = clock_now_ms() + 4000;
	unsigned seed = 1;
	int deaths = 0;

	sim_make();
	for (uint32_t k = 0; k < SIM_WORKERS; k++)
		start(k, seed++);
	while (clock_now_ms() < end) {
		uint32_t k = seed % SIM_WORKERS;
		struct timespec nap = { 0, (long)(seed * 7919 % 20) * 500000 };

		nanosleep(&nap, NULL);
		expect_limits();
		ck_assert_int_eq(kill(kids[k], SIGKILL), 0);
		reap(k, true);
		mend(k);
		expect_sane(false);
		mend(k);
		expect_sane(false);
		start(k, seed++);
		deaths++;
	}
	stop_all();
	ck_assert_int_gt(deaths, 20);
	ck_assert_uint_gt(atomic_load(&sim->claims), 100);
	ck_assert_uint_gt(atomic_load(&sim->grants), 10);
	ck_assert_uint_gt(atomic_load(&sim->reserves), 10);
	segment_drop();
}
END_TEST

/* All at once; the second repair of each finds nothing to do. */
START_TEST(twice_is_once)
{
	unsigned char *before;
	unsigned seed = 1000;

	sim_make();
	before = malloc((size_t)seg->size);
	ck_assert_ptr_nonnull(before);
	for (int round = 0; round < 60; round++) {
		struct timespec nap = { 0, 3000000 + round % 7 * 1000000 };

		for (uint32_t k = 0; k < SIM_WORKERS; k++)
			start(k, seed++);
		nanosleep(&nap, NULL);
		for (uint32_t k = 0; k < SIM_WORKERS; k++)
			ck_assert_int_eq(kill(kids[k], SIGKILL), 0);
		for (uint32_t k = 0; k < SIM_WORKERS; k++)
			reap(k, true);
		/* the first may find a lock held by one not yet repaired */
		for (uint32_t k = 0; k < SIM_WORKERS; k++)
			repair_process(k, sim_has_fd, &result);
		for (uint32_t k = 0; k < SIM_WORKERS; k++)
			mend(k);
		expect_sane(true);
		atomic_store(&seg->repairs, 0);
		memcpy(before, seg, (size_t)seg->size);
		for (uint32_t k = 0; k < SIM_WORKERS; k++) {
			repair_process(k, sim_has_fd, &result);
			ck_assert(!result.deferred);
			ck_assert_uint_eq(result.ntodo, 0);
		}
		atomic_store(&seg->repairs, 0);
		ck_assert_int_eq(memcmp(before, seg, (size_t)seg->size), 0);
	}
	free(before);
	segment_drop();
}
END_TEST

#ifdef CRASH_POINTS

/* The points of this layer, in a file of their own names. */
static int
own_points(char names[][64], int max)
{
	static const char *const own[] = { "clientrow.", "grant.", "limits.",
		"pool.", "queue.", "slot." };
	FILE *f = tmpfile();
	int n = 0, out;
	char line[100];

	ck_assert_ptr_nonnull(f);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	ck_assert_int_ne(dup2(fileno(f), STDOUT_FILENO), -1);
	crash_list();
	fflush(stdout);
	ck_assert_int_ne(dup2(out, STDOUT_FILENO), -1);
	close(out);
	rewind(f);
	while (fgets(line, sizeof(line), f) != NULL && n < max) {
		line[strcspn(line, "\n")] = '\0';
		/* nobody here learns keys: poolkeys_test.c dies at these */
		if (strncmp(line, "pool.keys.", 10) == 0)
			continue;
		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			if (strncmp(line, own[i], strlen(own[i])) == 0)
				snprintf(names[n++], 64, "%.63s", line);
	}
	fclose(f);
	return n;
}

/* Worker 1 dies at the point, for the nth time that it comes by. */
static void
die_at(const char *point, int nth, unsigned seed)
{
	uint64_t end = clock_now_ms() + 60000;
	char env[100];
	siginfo_t info = { 0 };

	snprintf(env, sizeof(env), "%.63s:%d:1", point, nth);
	setenv("POOLER_CRASH", env, 1);
	for (uint32_t k = 0; k < SIM_WORKERS; k++)
		start(k, seed + k);
	while (info.si_pid == 0) {
		ck_assert_int_eq(waitid(P_PID, (id_t)kids[1], &info,
				     WEXITED | WNOHANG | WNOWAIT),
		    0);
		ck_assert_msg(clock_now_ms() < end, "never came to %s", point);
	}
	reap(1, true);
	unsetenv("POOLER_CRASH");
	mend(1);
	expect_sane(false);
	mend(1);
	expect_sane(false);
	start(1, seed + 100);
	stop_all();
}

START_TEST(killed_at_each_point)
{
	static char names[200][64];
	int n = own_points(names, 200);

	ck_assert_int_gt(n, 20);
	sim_make();
	for (int i = 0; i < n; i++)
		for (int nth = 1; nth <= 3; nth++)
			die_at(names[i], nth, (unsigned)(i * 1000 + nth));
	segment_drop();
}
END_TEST

#endif

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(killed_at_random),
		TEST(twice_is_once),
#ifdef CRASH_POINTS
		TEST(killed_at_each_point),
#endif
		NO_MORE_TESTS,
	};

	return run_tests("repair_death", tests, 240);
}

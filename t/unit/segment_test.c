/* segment_test.c - the mapping: sizes, borders, what it starts with. */
#include "shm/segment.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/clientrow.h"
#include "shm/count.h"
#include "shm/queue.h"
#include "shm/slot.h"
#include "t/unit/shmtest.h"

static const struct segment_sizes small = { .workers = 3,
	.slots = 10,
	.pools = 5,
	.dbs = 2,
	.users = 7,
	.clients = 9 };

START_TEST(starts_empty)
{
	struct err e;
	int zeros = 0;

	ck_assert_int_eq(segment_make(&small, &e), 0);
	ck_assert_uint_eq(seg->magic, SEG_MAGIC);
	ck_assert_uint_eq(seg->nworkers, 3);
	ck_assert_uint_eq(seg->nprocs, 5);
	ck_assert_uint_ge(seg->nslots, 10);
	ck_assert_uint_ge(seg->npools, 5);
	ck_assert_uint_ge(seg->nclients, 9);
	for (uint32_t i = 0; i < seg->nslots; i++) {
		ck_assert_int_eq(slot_state(slot_look(slot_at(i))), SLOT_FREE);
		ck_assert_uint_ne(slot_gen(slot_look(slot_at(i))), 0);
	}
	ck_assert_uint_eq(atomic_load(&pool_at(0)->gen), 0);
	ck_assert_uint_eq(proc_is_there(0), false);
	for (int i = 0; i < 32; i++)
		zeros += seg->cancel_secret[i] == 0;
	ck_assert_int_lt(zeros, 10);
	ck_assert_mem_ne(seg->cancel_secret, seg->mock_secret, 32);
	segment_drop();
	ck_assert_ptr_null(seg);
}
END_TEST

START_TEST(borders)
{
	struct err e;

	ck_assert_int_eq(segment_make(&small, &e), 0);
	ck_assert_ptr_nonnull(slot_at(seg->nslots - 1));
	ck_assert_ptr_null(slot_at(seg->nslots));
	ck_assert_ptr_null(slot_at(UINT32_MAX));
	ck_assert_ptr_null(pool_at(seg->npools));
	ck_assert_ptr_null(db_at(seg->ndbs));
	ck_assert_ptr_null(user_at(seg->nusers));
	ck_assert_ptr_null(proc_at(seg->nprocs));
	ck_assert_ptr_null(proc_at(PROC_SUPERVISOR));
	ck_assert_ptr_null(clientrow_at(3 * seg->nclients));
	ck_assert_ptr_null(count_at(3, 0));
	ck_assert_ptr_null(count_at(0, seg->npools));
	segment_drop();
}
END_TEST

/* The tables do not overlap: fill the ends of each, look at all. */
START_TEST(tables_are_apart)
{
	struct err e;
	struct slot_info info, out;

	ck_assert_int_eq(segment_make(&small, &e), 0);
	memset(&info, 0x55, sizeof(info));
	slot_info_write(seg->nslots - 1, &info);
	for (uint32_t w = 0; w < 3; w++) {
		have_set(w, seg->nslots - 1, 100 + w);
		have_set(w, 0, 200 + w);
		queue_publish(w, seg->npools - 1, 7 + w, 1000);
		atomic_store(
		    &count_at(w, seg->npools - 1)->n[COUNT_PAD - 1], w + 1);
		atomic_store(
		    &clientrow_at((w + 1) * seg->nclients - 1)->key, w + 1);
	}
	atomic_store(&user_at(seg->nusers - 1)->max, 77);
	atomic_store(&db_at(seg->ndbs - 1)->max, 78);
	ck_assert(slot_info_look(seg->nslots - 1, &out));
	ck_assert_mem_eq(&out, &info, sizeof(out));
	for (uint32_t w = 0; w < 3; w++) {
		ck_assert_uint_eq(have_look(w, seg->nslots - 1), 100 + w);
		ck_assert_uint_eq(have_look(w, 0), 200 + w);
		ck_assert_uint_eq(queue_look(w, seg->npools - 1, NULL), 7 + w);
		ck_assert_uint_eq(
		    atomic_load(
			&count_at(w, seg->npools - 1)->n[COUNT_PAD - 1]),
		    w + 1);
		ck_assert_uint_eq(
		    atomic_load(
			&clientrow_at((w + 1) * seg->nclients - 1)->key),
		    w + 1);
	}
	ck_assert_uint_eq(atomic_load(&user_at(seg->nusers - 1)->max), 77);
	ck_assert_uint_eq(atomic_load(&db_at(seg->ndbs - 1)->max), 78);
	for (uint32_t i = 0; i < seg->nslots; i++)
		ck_assert_int_eq(slot_state(slot_look(slot_at(i))), SLOT_FREE);
	segment_drop();
}
END_TEST

static void
expect_refusal(struct segment_sizes sizes)
{
	struct err e;

	ck_assert_int_eq(segment_make(&sizes, &e), -1);
	ck_assert_uint_ne(strlen(e.log), 0);
	ck_assert_ptr_null(seg);
}

START_TEST(too_large)
{
	struct segment_sizes s = small;

	s.workers = SEG_MAX_WORKERS + 1;
	expect_refusal(s);
	s = small;
	s.slots = SEG_MAX_SLOTS + 1;
	expect_refusal(s);
	s = small;
	s.pools = UINT32_MAX;
	expect_refusal(s);
	s = small;
	s.dbs = UINT32_MAX;
	expect_refusal(s);
	s = small;
	s.users = UINT32_MAX - 1;
	expect_refusal(s);
	s = small;
	s.clients = UINT32_MAX;
	expect_refusal(s);
	s = small;
	s.workers = 64;
	s.clients = (1 << 24) / 64 + 1;
	expect_refusal(s);
}
END_TEST

START_TEST(largest_and_smallest)
{
	struct segment_sizes none = { 0 };
	struct segment_sizes most = { .workers = SEG_MAX_WORKERS,
		.slots = SEG_MAX_SLOTS,
		.pools = 2000,
		.dbs = 1000,
		.users = 1000,
		.clients = 10000 };
	struct err e;

	ck_assert_int_eq(segment_make(&none, &e), 0);
	ck_assert_uint_ge(seg->nslots, 1);
	segment_drop();
	ck_assert_int_eq(segment_make(&most, &e), 0);
	ck_assert_uint_eq(seg->nslots, SEG_MAX_SLOTS);
	ck_assert_uint_eq(
	    slot_idx(slot_at(SEG_MAX_SLOTS - 1)), SEG_MAX_SLOTS - 1);
	segment_drop();
}
END_TEST

START_TEST(ids_are_one_sequence)
{
	struct err e;
	pid_t kids[3];
	int status;

	ck_assert_int_eq(segment_make(&small, &e), 0);
	for (int i = 0; i < 3; i++) {
		kids[i] = fork();
		ck_assert_int_ne(kids[i], -1);
		if (kids[i] == 0) {
			for (int n = 0; n < 10000; n++)
				(void)segment_next_id();
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(waitpid(kids[i], &status, 0), kids[i]);
	ck_assert_uint_eq(segment_next_id(), 30001);
	segment_drop();
}
END_TEST

START_TEST(readonly_is_for_one_process)
{
	struct err e;
	pid_t kid;
	int status;

	ck_assert_int_eq(segment_make(&small, &e), 0);
	kid = fork();
	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		/* a sanitizer's handler would make it an exit code */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		if (segment_readonly(&e) != 0 ||
		    slot_state(slot_look(slot_at(0))) != SLOT_FREE)
			_exit(9);
		atomic_store(&seg->repairs, 1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_uint_eq(atomic_load(&seg->repairs), 0);
	atomic_store(&seg->repairs, 2);
	segment_drop();
}
END_TEST

/* Secrets lie in there: no dump of a core has them.  Only Linux tells. */
START_TEST(not_in_a_core)
{
	char line[512], address[32];
	bool is_ours = false, is_seen = false;
	struct err e;
	FILE *f;

	ck_assert_int_eq(segment_make(&small, &e), 0);
	f = fopen("/proc/self/smaps", "r");
	snprintf(address, sizeof(address), "%llx-",
	    (unsigned long long)(uintptr_t)seg);
	if (f == NULL)
		puts("not_in_a_core: no /proc/self/smaps here, not tested");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, address, strlen(address)) == 0)
			is_ours = true;
		if (!is_ours || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		ck_assert_ptr_nonnull(strstr(line, " dd"));
		is_seen = true;
		break;
	}
	ck_assert(f == NULL || is_seen);
	if (f != NULL)
		fclose(f);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(starts_empty),
		TEST(borders),
		TEST(tables_are_apart),
		TEST(too_large),
		TEST(largest_and_smallest),
		TEST(ids_are_one_sequence),
		TEST(readonly_is_for_one_process),
		TEST(not_in_a_core),
		NO_MORE_TESTS,
	};

	return run_tests("segment", tests, 20);
}

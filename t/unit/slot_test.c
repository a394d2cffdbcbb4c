/* slot_test.c - the word, its arrows, and who wins a race for it. */
#include "shm/slot.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/shmtest.h"

enum { STATES = SLOT_CLOSING + 1, RACERS = 4, CLAIMS = 20000 };

START_TEST(word_packs)
{
	uint64_t w = slot_word(SLOT_GRANTED, 63, 0xffffffffffffULL);

	ck_assert_int_eq(slot_state(w), SLOT_GRANTED);
	ck_assert_uint_eq(slot_owner(w), 63);
	ck_assert_uint_eq(slot_gen(w), 0xffffffffffffULL);
	w = slot_word(SLOT_IDLE, PROC_NOBODY, 1);
	ck_assert_uint_eq(slot_owner(w), PROC_NOBODY);
	ck_assert_uint_eq(slot_gen(w), 1);
	ck_assert_uint_eq(slot_next_gen(1), 2);
	ck_assert_uint_eq(slot_next_gen(0xffffffffffffULL), 1);
}
END_TEST

/* Each pair of states in a child: an arrow moves, anything else aborts. */
static bool
is_allowed(bool by_turn, int from, int to)
{
	struct slot *s = slot_at(0);
	uint64_t word = slot_word(from, 0, 7);
	int status;
	pid_t kid = fork();

	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		bool ok;

		/* the assertion's text is no news */
		(void)close(STDERR_FILENO);
		atomic_store(&s->hold, word);
		ok = by_turn ? slot_turn(s, word, to, 1, 8)
			     : slot_move(s, word, to, 1);
		_exit(ok && slot_look(s) == slot_word(to, 1, by_turn ? 8 : 7)
			? 0
			: 1);
	}
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(arrows)
{
	static const char *const moves[STATES] = {
		/* to: FREE LOGIN ACTIVE IDLE GRANTED RESERVED CLOSING */
		[SLOT_FREE] = ".......",
		[SLOT_LOGIN] = "..x...x",
		[SLOT_ACTIVE] = "...xx.x",
		[SLOT_IDLE] = "..x.x..",
		[SLOT_GRANTED] = "..xx...",
		[SLOT_RESERVED] = ".x.....",
		[SLOT_CLOSING] = "......x",
	};
	static const char *const turns[STATES] = {
		[SLOT_FREE] = ".x.....",
		[SLOT_LOGIN] = ".......",
		[SLOT_ACTIVE] = ".......",
		[SLOT_IDLE] = ".......",
		[SLOT_GRANTED] = ".......",
		[SLOT_RESERVED] = "x......",
		[SLOT_CLOSING] = "x....x.",
	};

	fresh_segment(2, 8, 4);
	for (int from = 0; from < STATES; from++)
		for (int to = 0; to < STATES; to++) {
			ck_assert_msg(is_allowed(false, from, to) ==
				(moves[from][to] == 'x'),
			    "move %d -> %d", from, to);
			ck_assert_msg(is_allowed(true, from, to) ==
				(turns[from][to] == 'x'),
			    "turn %d -> %d", from, to);
		}
	segment_drop();
}
END_TEST

START_TEST(stale_words_lose)
{
	struct slot *s;
	uint64_t word;

	fresh_segment(2, 8, 4);
	s = slot_at(3);
	atomic_store(&s->hold, slot_word(SLOT_IDLE, 0, 7));
	ck_assert(!slot_move(s, slot_word(SLOT_IDLE, 0, 6), SLOT_ACTIVE, 1));
	ck_assert(!slot_move(s, slot_word(SLOT_IDLE, 1, 7), SLOT_ACTIVE, 1));
	word = slot_look(s);
	ck_assert(slot_move(s, word, SLOT_ACTIVE, 1));
	ck_assert(!slot_move(s, word, SLOT_ACTIVE, 0));
	ck_assert_uint_eq(slot_look(s), slot_word(SLOT_ACTIVE, 1, 7));
	/* what somebody scribbled is refused, not asserted */
	atomic_store(&s->hold, 7 << 16 | 99);
	ck_assert(!slot_move(s, slot_look(s), SLOT_IDLE, 1));
	ck_assert_str_eq(slot_state_name(SLOT_CLOSING), "closing");
	ck_assert_str_eq(slot_state_name(99), "unknown");
	segment_drop();
}
END_TEST

/* Processes claim and release one slot: never two at a time. */
static void
race(uint32_t me, _Atomic uint32_t *inside)
{
	struct slot *s = slot_at(0);

	for (int n = 0; n < CLAIMS;) {
		uint64_t w = slot_look(s);

		if (slot_state(w) != SLOT_IDLE ||
		    !slot_move(s, w, SLOT_ACTIVE, me))
			continue;
		if (atomic_fetch_add(inside, 1) != 0)
			_exit(1);
		atomic_store(&s->client, me + 1);
		if (atomic_load(&s->client) != me + 1)
			_exit(2);
		atomic_fetch_sub(inside, 1);
		n++;
		if (!slot_move(s, slot_look(s), SLOT_IDLE, me))
			_exit(3);
	}
	_exit(0);
}

START_TEST(one_owner_at_a_time)
{
	_Atomic uint32_t *inside = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t kids[RACERS];
	int status;

	ck_assert_ptr_ne(inside, MAP_FAILED);
	fresh_segment(RACERS, 8, 4);
	atomic_store(&slot_at(0)->hold, slot_word(SLOT_IDLE, 0, 1));
	for (uint32_t i = 0; i < RACERS; i++) {
		kids[i] = fork();
		ck_assert_int_ne(kids[i], -1);
		if (kids[i] == 0)
			race(i, inside);
	}
	for (int i = 0; i < RACERS; i++) {
		ck_assert_int_eq(waitpid(kids[i], &status, 0), kids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(slot_state(slot_look(slot_at(0))), SLOT_IDLE);
	segment_drop();
}
END_TEST

START_TEST(what_it_carries)
{
	struct slot_info in = { .id = 42, .params_len = 3 }, out;

	fresh_segment(2, 8, 4);
	memcpy(in.params, "a\0b", 3);
	memset(in.key, 9, sizeof(in.key));
	ck_assert(slot_info_look(1, &out));
	ck_assert_uint_eq(out.id, 0);
	slot_info_write(1, &in);
	ck_assert(slot_info_look(1, &out));
	ck_assert_mem_eq(&in, &out, sizeof(in));
	ck_assert_mem_eq(slot_info_mine(1), &in, sizeof(in));
	ck_assert(!slot_info_look(seg->nslots, &out));
	ck_assert_ptr_null(slot_info_mine(seg->nslots));
	slot_info_write(seg->nslots, &in);
	slot_info_mend(1);
	ck_assert(slot_info_look(1, &out));
	ck_assert_uint_eq(out.id, 42);
	/* died inside */
	atomic_fetch_add(&segtab.infos[1].seq, 1);
	ck_assert(!slot_info_look(1, &out));
	slot_info_mend(1);
	ck_assert(slot_info_look(1, &out));
	ck_assert_uint_eq(out.id, 0);
	segment_drop();
}
END_TEST

START_TEST(who_has_it)
{
	fresh_segment(2, 8, 4);
	have_set(0, 5, 9);
	have_set(1, 5, 10);
	ck_assert_uint_eq(have_look(0, 5), 9);
	ck_assert_uint_eq(have_look(1, 5), 10);
	ck_assert_uint_eq(have_look(1, 4), 0);
	have_set(0, 5, 0);
	ck_assert_uint_eq(have_look(0, 5), 0);
	have_set(2, 5, 1);
	have_set(0, seg->nslots, 1);
	ck_assert_uint_eq(have_look(2, 5), 0);
	ck_assert_uint_eq(have_look(0, seg->nslots), 0);
	segment_drop();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(word_packs),
		TEST(arrows),
		TEST(stale_words_lose),
		TEST(one_owner_at_a_time),
		TEST(what_it_carries),
		TEST(who_has_it),
		NO_MORE_TESTS,
	};

	return run_tests("slot", tests, 60);
}

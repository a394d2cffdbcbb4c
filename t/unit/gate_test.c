/*
 * gate_test.c - those who are not in yet: how many there may be, who makes
 * room, and how much of a turn they get.
 *
 * The test is the loop, the clock and the listeners.
 */
#include "worker/client/gate.h"

#include "t/unit/clientsim.h"
#include "worker/client/greet.h"
#include "worker/derive.h"
#include "worker/io/accept.h"
#include "worker/io/deadline.h"

#define VERIFIER                                        \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"  \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define LATE "too many clients are logging in"

enum { MOST = 8, MANY = 60, SECOND = 1000000 };

static struct sim sims[MANY];
static int pauses, resumes;
static bool is_paused;

/* accept.c's, which has no listeners here. */
void
accept_pause(bool now)
{
	ck_assert(now != is_paused);
	is_paused = now;
	pauses += now;
	resumes += !now;
}

static void
set_up(uint32_t workers, int most)
{
	char ini[256];

	snprintf(ini, sizeof(ini),
	    "auth_type = plain\nauth_file = users\nmax_client_logins = %d\n"
	    "client_login_timeout = 0\nmax_client_conn = 0\n"
	    "ignore_startup_parameters = options, x\nadmin_users = joe\n",
	    most);
	sim_set_up(workers, ini, "\"joe\" \"" VERIFIER "\"\n");
}

static void
open_some(int from, int to)
{
	for (int i = from; i < to; i++) {
		sim_open(&sims[i]);
		ck_assert_ptr_nonnull(sims[i].c);
	}
}

static void
leave(int i)
{
	client_close(sims[i].c, NULL);
	sims[i].c = NULL;
}

/* --- how many ----------------------------------------------------------------- */

/* Paused at the share, and not resumed before there is room to speak of. */
START_TEST(pauses_at_its_share)
{
	set_up(1, MOST);
	open_some(0, MOST - 1);
	ck_assert_int_eq(pauses, 0);
	open_some(MOST - 1, MOST);
	ck_assert_int_eq(pauses, 1);
	leave(0);
	ck_assert(is_paused);
	open_some(0, 1);
	ck_assert_int_eq(pauses, 1);
	leave(0);
	leave(1);
	ck_assert(!is_paused);
	ck_assert_int_eq(resumes, 1);
	/* nothing is looked at any more */
	ck_assert_uint_eq(deadline_next(), 0);
}
END_TEST

/* Eight among three workers: three each. */
START_TEST(shares_with_others)
{
	set_up(3, MOST);
	open_some(0, 2);
	ck_assert(!is_paused);
	open_some(2, 3);
	ck_assert(is_paused);
}
END_TEST

START_TEST(no_bound)
{
	set_up(1, 0);
	open_some(0, MANY);
	ck_assert(!is_paused);
}
END_TEST

/* Whoever is in does not count any more, nor does he leave twice. */
START_TEST(who_is_in_has_left)
{
	set_up(1, MOST);
	open_some(0, MOST);
	gate_leave(sims[0].c);
	gate_leave(sims[0].c);
	ck_assert(is_paused);
	gate_leave(sims[1].c);
	ck_assert(!is_paused);
	open_some(MOST, MOST + 1);
	ck_assert(!is_paused);
	loop_now_us += 60 * SECOND;
	ck_assert(gate_evict());
	ck_assert_int_eq(sims[0].c->state, CLIENT_STARTUP);
	ck_assert_int_eq(sims[1].c->state, CLIENT_STARTUP);
	ck_assert(sim_is_told(&sims[2], LATE));
}
END_TEST

/* --- who makes room -------------------------------------------------------------- */

/* A password against a verifier: others let it wait, not it us. */
static void
keep_busy(int i)
{
	uint8_t bytes[64];
	struct wire w;

	sim_start(&sims[i], "joe", "pgbouncer");
	sim_poke(&sims[i]);
	ck_assert_int_eq(sim_look(&sims[i]), 'R');
	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'p');
	wire_str(&w, "wrong");
	wire_end(&w);
	sim_send(&sims[i], bytes, w.len);
	sim_poke(&sims[i]);
	while (gate_turn())
		continue;
	ck_assert(greet_is_busy(sims[i].c));
}

START_TEST(oldest_first)
{
	set_up(1, 0);
	for (int i = 0; i < 3; i++) {
		open_some(i, i + 1);
		loop_now_us += SECOND;
	}
	ck_assert(!gate_evict());
	loop_now_us += 2 * SECOND - 1;
	ck_assert(!gate_evict());
	loop_now_us++;
	ck_assert(gate_evict());
	ck_assert(sim_is_told(&sims[0], LATE));
	/* the next has a second left */
	ck_assert(!gate_evict());
	loop_now_us += SECOND;
	ck_assert(gate_evict());
	ck_assert(sim_is_told(&sims[1], LATE));
	ck_assert_uint_eq(client_number(), 1);
	ck_assert_int_eq(sim_look(&sims[2]), 0);
}
END_TEST

START_TEST(busy_ones_stay)
{
	set_up(1, 0);
	open_some(0, 2);
	keep_busy(0);
	loop_now_us += 10 * SECOND;
	ck_assert(gate_evict());
	ck_assert(sim_is_told(&sims[1], LATE));
	ck_assert(!gate_evict());
	ck_assert_uint_eq(client_number(), 1);
	client_close(sims[0].c, NULL);
	ck_assert(!derive_turn());
}
END_TEST

/* While the share is used up those who say nothing go, and no more of them than
 * need be. */
START_TEST(relief)
{
	set_up(1, MOST);
	open_some(0, MOST);
	loop_now_us += 4 * SECOND;
	deadline_run(loop_now_us);
	ck_assert_uint_eq(client_number(), MOST);
	loop_now_us += 2 * SECOND;
	deadline_run(loop_now_us);
	ck_assert_uint_eq(client_number(), MOST - 2);
	ck_assert(!is_paused);
	ck_assert(sim_is_told(&sims[0], LATE));
	ck_assert(sim_is_told(&sims[1], LATE));
	ck_assert_int_eq(sim_look(&sims[2]), 0);
	/* nobody waits for a place: nobody goes */
	loop_now_us += 60 * SECOND;
	deadline_run(loop_now_us);
	ck_assert_uint_eq(client_number(), MOST - 2);
}
END_TEST

/* A reload has raised the bound, and nobody comes or goes. */
START_TEST(bound_is_raised)
{
	const struct conf *old;

	set_up(1, 2);
	open_some(0, 2);
	ck_assert(is_paused);
	old = self.conf;
	self.conf = sim_conf("max_client_logins = 20\n", NULL);
	loop_now_us += SECOND;
	deadline_run(loop_now_us);
	ck_assert(!is_paused);
	ck_assert_uint_eq(client_number(), 2);
	self.conf = old;
}
END_TEST

/* --- whose turn it is -------------------------------------------------------------- */

/* A startup packet that takes its time: thousands of options, all ignored. */
static void
start_slowly(int i)
{
	static uint8_t bytes[STARTUP_MAX];
	static char options[STARTUP_MAX - 200];
	struct startup_pair more = { "options", options };
	struct wire w;

	for (size_t k = 0; k + 8 < sizeof(options); k += 7)
		memcpy(options + k, "-c x=1 ", 8);
	wire_init(&w, bytes, sizeof(bytes));
	startup_build(&w, 0, "joe", "pgbouncer", &more, 1);
	ck_assert(!w.full);
	sim_send(&sims[i], bytes, w.len);
}

/* All of them are readable in one turn; returns the first who has to wait. */
static int
crowd(void)
{
	int first = MANY;

	open_some(0, MANY);
	while (gate_turn())
		continue;
	for (int i = 0; i < MANY; i++)
		start_slowly(i);
	for (int i = 0; i < MANY; i++) {
		sim_poke(&sims[i]);
		if (first == MANY && sim_look(&sims[i]) == 0)
			first = i;
	}
	ck_assert_int_lt(first, MANY);
	return first;
}

/* How many have their answer, none before his turn. */
static int
answered(void)
{
	int n = 0;

	for (int i = 0; i < MANY; i++) {
		bool has = sim_look(&sims[i]) == 'R';

		ck_assert(!has || i == n);
		ck_assert(has == sims[i].c->watch.is_added);
		n += has;
	}
	return n;
}

START_TEST(a_part_of_each_turn)
{
	int n, first, turns = 1;

	set_up(1, 0);
	first = crowd();
	ck_assert_int_eq(answered(), first);
	/* as epoll would not: it is out of the loop */
	sim_poke(&sims[first]);
	ck_assert_int_eq(answered(), first);
	/* this turn's part is used up */
	ck_assert(gate_turn());
	ck_assert_int_eq(answered(), first);
	for (n = first; gate_turn(); turns++) {
		ck_assert_int_gt(answered(), n);
		n = answered();
		ck_assert_int_lt(n, MANY);
	}
	ck_assert_int_eq(answered(), MANY);
	ck_assert_int_gt(turns, 1);
	/* the queue is empty: at once again */
	ck_assert(!gate_turn());
	leave(0);
	open_some(0, 1);
	sim_start(&sims[0], "joe", "pgbouncer");
	sim_poke(&sims[0]);
	ck_assert_int_eq(sim_look(&sims[0]), 'R');
}
END_TEST

/* Who is behind in the queue is not served before the others, however short. */
START_TEST(no_jumping_of_the_queue)
{
	int first;

	set_up(1, 0);
	first = crowd();
	/* a new turn, whose part is not touched yet */
	ck_assert(gate_turn());
	leave(0);
	open_some(0, 1);
	sim_start(&sims[0], "joe", "pgbouncer");
	sim_poke(&sims[0]);
	ck_assert_int_eq(sim_look(&sims[0]), 0);
	while (gate_turn())
		if (sim_look(&sims[0]) != 0)
			for (int i = first; i < MANY; i++)
				ck_assert_int_eq(sim_look(&sims[i]), 'R');
	ck_assert_int_eq(sim_look(&sims[0]), 'R');
}
END_TEST

/* Those who wait for us are not thrown out; those who leave are forgotten. */
START_TEST(leaves_the_queue)
{
	int first;

	set_up(1, 0);
	first = crowd();
	loop_now_us += 60 * SECOND;
	for (int i = 0; i < first; i++)
		ck_assert(gate_evict());
	ck_assert(!gate_evict());
	ck_assert_uint_eq(client_number(), (uint32_t)(MANY - first));
	/* one of them is in: it sees to itself, and has no turn here */
	gate_leave(sims[first].c);
	ck_assert(sims[first].c->watch.is_added);
	for (int i = first + 1; i < MANY - 1; i++)
		leave(i);
	ck_assert(gate_turn());
	ck_assert(!gate_turn());
	ck_assert_int_eq(sim_look(&sims[MANY - 1]), 'R');
	ck_assert(sims[MANY - 1].c->watch.is_added);
	ck_assert_int_eq(sim_look(&sims[first]), 0);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(pauses_at_its_share),
		TEST(shares_with_others),
		TEST(no_bound),
		TEST(who_is_in_has_left),
		TEST(oldest_first),
		TEST(busy_ones_stay),
		TEST(relief),
		TEST(bound_is_raised),
		TEST(a_part_of_each_turn),
		TEST(no_jumping_of_the_queue),
		TEST(leaves_the_queue),
		NO_MORE_TESTS,
	};

	return run_tests("gate", tests, 20);
}

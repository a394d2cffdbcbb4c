/*
 * lend_test.c - whom no server can be lent to, and who is told so instead of
 * being left to wait.
 */
#include "worker/backend/lend.h"

#include "shm/poollogin.h"
#include "t/unit/clientsim.h"
#include "worker/backend/open.h"

enum { RETRY_S = 15, SECOND = 1000000 };

static struct lend *lend;
static struct waiter waiter;

static void
no_callback(struct waiter *w, const struct err *e)
{
	(void)w;
	ck_abort_msg("%s", e->say);
}

/* A member of the pool app/app, for which nobody may open anything: another
 * worker's login is under way. */
static void
set_up(void)
{
	const struct conf_db *db;
	bool is_busy;

	sim_set_up(2, "[databases]\napp = host=/nowhere\n", NULL);
	db = conf_db_find(self.conf, "app");
	ck_assert_ptr_nonnull(db);
	lend = lend_join(db, "app", "app", false, &is_busy);
	ck_assert_ptr_nonnull(lend);
	ck_assert(pool_login_take(lend->row, 1));
	waiter.on_error = no_callback;
	loop_now_us = clock_now_us() + SECOND;
}

/* True: it waits.  False: *e. */
static bool
waits(struct err *e)
{
	bool failed;

	ck_assert_ptr_null(lend_take(lend, &waiter, &failed, e));
	ck_assert_uint_eq(lend->nwaiting, failed ? 0 : 1);
	if (!failed)
		lend_forget(&waiter);
	return !failed;
}

START_TEST(database_removed)
{
	struct err e;

	set_up();
	ck_assert(waits(&e));
	self.conf = sim_conf("[databases]\nother = host=/nowhere\n", NULL);
	self.conf_number++;
	ck_assert(!waits(&e));
	ck_assert_str_eq(e.sqlstate, "3D000");
	ck_assert_str_eq(e.say, "database removed");
}
END_TEST

static void
fail_with(enum pool_told told, const char *sqlstate)
{
	struct pool_failure f = { .told = told, .say = "because" };

	f.when_ms = loop_now_us / 1000;
	strcpy(f.sqlstate, sqlstate);
	pool_failure_write(lend->row, &f);
}

/* What the server has said for certain is told to all who come soon; what may
 * pass is waited for. */
START_TEST(cached_errors)
{
	static const struct {
		const char *sqlstate;
		enum pool_told told;
		bool is_final;
	} what[] = {
		{ "28P01", POOL_TOLD, true },
		{ "3D000", POOL_TOLD, true },
		{ "53300", POOL_TOLD, false }, /* too many clients */
		{ "57P03", POOL_TOLD, false }, /* starting up */
		{ "08006", POOL_UNTOLD, false },
		{ "08P01", POOL_NO_ANSWER, true },
		{ "08P01", POOL_NO_PASSWORD, true },
		{ "08P01", POOL_NO_MD5, true },
		{ "08P01", POOL_NO_KEYS, true },
	};
	struct err e;

	set_up();
	for (size_t i = 0; i < sizeof(what) / sizeof(*what); i++) {
		fail_with(what[i].told, what[i].sqlstate);
		ck_assert_msg(waits(&e) != what[i].is_final, "case %zu", i);
		if (!what[i].is_final)
			continue;
		ck_assert_str_eq(e.sqlstate, what[i].sqlstate);
		ck_assert_str_eq(e.say,
		    "server login has been failing, cached error: because "
		    "(server_login_retry)");
	}
	/* as long as server_login_retry says */
	fail_with(POOL_TOLD, "28P01");
	loop_now_us += RETRY_S * (uint64_t)SECOND - SECOND / 10;
	ck_assert(!waits(&e));
	loop_now_us += SECOND / 10;
	ck_assert(waits(&e));
	/* and no longer than until a login has been well */
	fail_with(POOL_TOLD, "28P01");
	ck_assert(!waits(&e));
	pool_failure_clear(lend->row);
	ck_assert(waits(&e));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(database_removed),
		TEST(cached_errors),
		NO_MORE_TESTS,
	};

	return run_tests("lend", tests, 10);
}

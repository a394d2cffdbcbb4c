/*
 * reload_test.c - what a reload changes in the segment, and what it leaves.
 *
 * No child runs: what is sent to children is not looked at here, but the rows
 * that they obey are.
 */
#include "master/reload.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/log.h"
#include "master/children.h"
#include "shm/poolconf.h"
#include "shm/segment.h"

static char dir[] = "/tmp/reload_test.XXXXXX";
static char path[64];
static struct reload_source source = { .path = path };
static uint32_t pool; /* of (a, u) */

static const struct child_kind kinds[] = {
	[PROC_WORKER] = { "worker", NULL },
	[PROC_RESOLVER] = { "resolver", NULL },
	[PROC_MONITOR] = { "monitor", NULL },
};

static const struct children_hooks hooks;

static void
put(const char *databases, const char *settings)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "[databases]\n%s\n[pooler]\nauth_type = any\n%s\n",
	    databases, settings);
	ck_assert_int_eq(fclose(f), 0);
}

static struct conf *
read_conf(void)
{
	struct conf_faults faults;
	struct conf_files files;
	struct conf *c;

	conf_faults_init(&faults);
	c = reload_read(&source, &files, &faults);
	conf_files_free(&files);
	conf_faults_free(&faults);
	return c;
}

/* As a worker does when its first client asks for the pool. */
static uint32_t
join(const char *db, const char *user)
{
	struct pool_limits limits;
	bool busy;
	uint32_t idx;

	poolconf_limits(reload_conf(), conf_db_find(reload_conf(), db), user,
	    false, &limits);
	limits.conf_number = reload_number();
	idx = pool_join(0, db, user, &limits, &busy);
	ck_assert_uint_ne(idx, POOL_NONE);
	return idx;
}

static void
setup(void)
{
	struct segment_sizes sizes = { .workers = 2,
		.slots = 8,
		.pools = 4,
		.dbs = 4,
		.users = 4,
		.clients = 4 };
	struct conf *c;
	struct err e;

	log_quiet(true);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	put("a = host=h1 port=1 pool_size=3\nb = host=h2",
	    "max_user_connections = 9");
	c = read_conf();
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(segment_make(&sizes, &e), 0);
	ck_assert_int_eq(children_init(kinds, &hooks, &e), 0);
	reload_start(&source, c);
	pool = join("a", "u");
}

static void
teardown(void)
{
	reload_fini();
	children_fini();
	segment_drop();
	(void)unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
reload(void)
{
	reload_now(PROC_NOBODY, 0, clock_now_ms());
}

static uint64_t
epoch(void)
{
	return atomic_load(&pool_at(pool)->epoch);
}

START_TEST(first_is_published)
{
	ck_assert_uint_eq(reload_number(), 1);
	ck_assert_uint_eq(atomic_load(&seg->conf_number), 1);
	ck_assert_uint_ne(db_find("a"), POOL_NONE);
	ck_assert_uint_ne(db_find("b"), POOL_NONE);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->size), 3);
	ck_assert_str_eq(reload_conf()->conffile, path);
}
END_TEST

START_TEST(limits_change_and_backends_stay)
{
	uint64_t before = epoch();

	put("a = host=h1 port=1 pool_size=5 max_db_connections=7\nb = host=h2",
	    "max_user_connections = 0");
	reload();
	ck_assert_uint_eq(reload_number(), 2);
	ck_assert_uint_eq(atomic_load(&seg->conf_number), 2);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->size), 5);
	ck_assert_uint_eq(atomic_load(&db_at(db_find("a"))->max), 7);
	ck_assert_uint_eq(
	    atomic_load(&user_at(user_find("u"))->max), POOL_UNLIMITED);
	ck_assert_uint_eq(epoch(), before);
}
END_TEST

START_TEST(another_server_makes_backends_obsolete)
{
	uint64_t before = epoch();

	put("a = host=h9 port=1 pool_size=3\nb = host=h2", "");
	reload();
	ck_assert_uint_eq(epoch(), before + 1);
	reload();
	ck_assert_uint_eq(epoch(), before + 1);
	ck_assert_uint_eq(reload_number(), 3);
}
END_TEST

START_TEST(removed_database)
{
	uint64_t before = epoch();

	put("b = host=h2", "");
	reload();
	ck_assert_uint_eq(epoch(), before + 1);
	ck_assert_uint_eq(atomic_load(&db_at(db_find("a"))->defined), 0);
	ck_assert_uint_eq(atomic_load(&db_at(db_find("b"))->defined), 1);
	put("a = host=h1 port=1\nb = host=h2", "");
	reload();
	ck_assert_uint_eq(atomic_load(&db_at(db_find("a"))->defined), 1);
}
END_TEST

START_TEST(fault_changes_nothing)
{
	const struct conf *was = reload_conf();
	uint64_t before = epoch();

	put("a = host=h9 pool_size=8", "no_such_key = 1");
	reload();
	ck_assert_ptr_eq(reload_conf(), was);
	ck_assert_uint_eq(reload_number(), 1);
	ck_assert_uint_eq(atomic_load(&seg->conf_number), 1);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->size), 3);
	ck_assert_uint_eq(epoch(), before);
	ck_assert_int_eq(unlink(path), 0);
	reload();
	ck_assert_ptr_eq(reload_conf(), was);
}
END_TEST

START_TEST(busy_lock_puts_off)
{
	put("a = host=h1 port=1 pool_size=6\nb = host=h2", "");
	atomic_store(&seg->pools_lock, 1 + 1); /* worker 1's */
	reload();
	ck_assert_uint_eq(reload_number(), 1);
	ck_assert(reload_run(clock_now_ms()));
	/* a bad file in between does not undo the good one */
	put("a = host=h1", "no_such_key = 1");
	reload();
	atomic_store(&seg->pools_lock, 0);
	ck_assert(!reload_run(clock_now_ms()));
	ck_assert_uint_eq(reload_number(), 2);
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->size), 6);
}
END_TEST

START_TEST(command_line_holds)
{
	struct conf *c;

	source.user = "somebody";
	source.verbose = 2;
	put("a = host=h1", "user = other\nverbose = 0");
	c = read_conf();
	ck_assert_ptr_nonnull(c);
	reload_fini();
	reload_start(&source, c);
	ck_assert_int_eq(reload_conf()->verbose, 2);
	ck_assert_str_eq(reload_conf()->user, "somebody");
	reload();
	ck_assert_ptr_ne(reload_conf(), c);
	ck_assert_int_eq(reload_conf()->verbose, 2);
	ck_assert_str_eq(reload_conf()->user, "somebody");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reload");
	TCase *tc = tcase_create("reload");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, first_is_published);
	tcase_add_test(tc, limits_change_and_backends_stay);
	tcase_add_test(tc, another_server_makes_backends_obsolete);
	tcase_add_test(tc, removed_database);
	tcase_add_test(tc, fault_changes_nothing);
	tcase_add_test(tc, busy_lock_puts_off);
	tcase_add_test(tc, command_line_holds);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}

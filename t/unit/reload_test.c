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
#include "t/unit/run.h"

static char dir[] = "/tmp/reload_test.XXXXXX";
static char path[64];
static struct candidate_source source = { .path = path };
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

static struct conf_files files;

static struct conf *
read_conf(void)
{
	struct conf_faults faults;
	struct conf *c;

	conf_faults_init(&faults);
	c = candidate_read(&source, &files, &faults);
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
	reload_start(&source, c, &files);
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
	reload_start(&source, c, &files);
	ck_assert_int_eq(reload_conf()->verbose, 2);
	ck_assert_str_eq(reload_conf()->user, "somebody");
	reload();
	ck_assert_ptr_ne(reload_conf(), c);
	ck_assert_int_eq(reload_conf()->verbose, 2);
	ck_assert_str_eq(reload_conf()->user, "somebody");
}
END_TEST

/* --- SET ------------------------------------------------------------------ */

static void
set_text(const char *text, size_t len)
{
	struct msg m = { .type = MSG_SET, .id = 5, .len = (uint32_t)len };

	memcpy(m.text, text, len);
	reload_set(0, &m, clock_now_ms());
}

static void
set(const char *key, const char *value)
{
	char text[MSG_TEXT];
	int n = snprintf(text, sizeof(text), "%s%c%s", key, 0, value);

	set_text(text, (size_t)n + 1);
}

START_TEST(set_is_published)
{
	uint64_t before = epoch();

	/* who edits the file has not asked for anything yet */
	put("a = host=h9", "no_such_key = 1");
	set("max_user_connections", "4");
	ck_assert_uint_eq(reload_number(), 2);
	ck_assert_uint_eq(atomic_load(&seg->conf_number), 2);
	ck_assert_int_eq(reload_conf()->max_user_connections, 4);
	ck_assert_uint_eq(atomic_load(&user_at(user_find("u"))->max), 4);
	set("default_pool_size", "8");
	ck_assert_int_eq(reload_conf()->max_user_connections, 4);
	ck_assert_int_eq(reload_conf()->default_pool_size, 8);
	/* the entry's own size goes before */
	ck_assert_uint_eq(atomic_load(&pool_at(pool)->size), 3);
	ck_assert_uint_eq(epoch(), before);
	set("server_tls_sslmode", "require");
	ck_assert_uint_eq(epoch(), before + 1);
	set("server_tls_sslmode", "require");
	ck_assert_uint_eq(epoch(), before + 1);
	ck_assert_uint_eq(reload_number(), 5);
}
END_TEST

START_TEST(set_is_dropped_by_reload)
{
	set("max_user_connections", "4");
	set("auth_user", "asks");
	set("default_pool_size", "0");
	reload();
	ck_assert_int_eq(reload_conf()->max_user_connections, 9);
	ck_assert_uint_eq(atomic_load(&user_at(user_find("u"))->max), 9);
	ck_assert_int_eq(reload_conf()->default_pool_size, 20);
	ck_assert_str_eq(reload_conf()->auth_user, "asks");
	/* and what follows does not bring it back */
	set("pool_mode", "transaction");
	ck_assert_int_eq(reload_conf()->max_user_connections, 9);
}
END_TEST

START_TEST(set_changes_nothing)
{
	static const char *const refused[][2] = { { "no_such_key", "1" },
		{ "max_user_connections", "few" }, { "listen_port", "7000" },
		{ "workers", "no number" }, { "auth_file", "/nowhere/at/all" },
		{ "auth_type", "cert" }, { "", "" } };
	const struct conf *was = reload_conf();
	char long_text[2 * MSG_SET_VALUE] = "auth_user";

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		set(refused[i][0], refused[i][1]);
	/* not what a worker sends */
	set_text("", 0);
	set_text("auth_user", 9);
	set_text("auth_user", 10);
	set_text("auth_user\0x", 11);
	set_text("auth_user\0x\0y", 14);
	memset(long_text + 10, 'x', sizeof(long_text) - 11);
	set_text(long_text, sizeof(long_text));
	ck_assert_ptr_eq(reload_conf(), was);
	ck_assert_uint_eq(reload_number(), 1);
	ck_assert_int_eq(reload_conf()->listen_port, 6432);
	set("auth_user", "x");
	ck_assert_str_eq(reload_conf()->auth_user, "x");
}
END_TEST

/* Two changes that both wait: the second does not undo the first. */
START_TEST(set_adds_to_what_waits)
{
	atomic_store(&seg->pools_lock, 1 + 1); /* worker 1's */
	set("max_user_connections", "4");
	set("default_pool_size", "8");
	ck_assert_uint_eq(reload_number(), 1);
	atomic_store(&seg->pools_lock, 0);
	(void)reload_run(clock_now_ms());
	ck_assert_uint_eq(reload_number(), 2);
	ck_assert_int_eq(reload_conf()->max_user_connections, 4);
	ck_assert_int_eq(reload_conf()->default_pool_size, 8);
}
END_TEST

/* From then on a reload reads another file. */
START_TEST(set_conffile)
{
	char other[sizeof(path) + 8];

	snprintf(other, sizeof(other), "%s.other", path);
	ck_assert_int_eq(rename(path, other), 0);
	set("conffile", other);
	ck_assert_uint_eq(reload_number(), 2);
	reload();
	ck_assert_uint_eq(reload_number(), 3);
	ck_assert_str_eq(reload_conf()->conffile, other);
	ck_assert_int_eq(reload_conf()->max_user_connections, 9);
	ck_assert_int_eq(unlink(other), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reload");
	TCase *tc = tcase_create("reload");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, first_is_published);
	tcase_add_test(tc, limits_change_and_backends_stay);
	tcase_add_test(tc, another_server_makes_backends_obsolete);
	tcase_add_test(tc, removed_database);
	tcase_add_test(tc, fault_changes_nothing);
	tcase_add_test(tc, busy_lock_puts_off);
	tcase_add_test(tc, command_line_holds);
	tcase_add_test(tc, set_is_published);
	tcase_add_test(tc, set_is_dropped_by_reload);
	tcase_add_test(tc, set_changes_nothing);
	tcase_add_test(tc, set_adds_to_what_waits);
	tcase_add_test(tc, set_conffile);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

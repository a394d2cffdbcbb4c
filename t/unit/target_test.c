/* target_test.c - addresses, and how they are called. */
#include "worker/backend/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "t/unit/shmtest.h"

static const struct sockaddr_un *
un_of(const struct slot_addr *a)
{
	static struct sockaddr_un un;

	ck_assert_uint_le(a->len, sizeof(un));
	memset(&un, 0xff, sizeof(un));
	memcpy(&un, a->sa, a->len);
	ck_assert_int_eq(un.sun_family, AF_UNIX);
	return &un;
}

START_TEST(unix_paths)
{
	static const char file[] = "/.s.PGSQL.5432";
	size_t most =
	    sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(file);
	char dir[256];
	struct slot_addr a;

	ck_assert(!target_unix("db.example", 5432, "/tmp", &a));
	ck_assert(!target_unix("10.0.0.7", 5432, "/tmp", &a));
	ck_assert_uint_eq(a.len, 0);
	ck_assert(target_unix("", 5432, "/run/pg", &a));
	ck_assert_str_eq(un_of(&a)->sun_path, "/run/pg/.s.PGSQL.5432");
	ck_assert(target_unix("/tmp", 1, "/run/pg", &a));
	ck_assert_str_eq(un_of(&a)->sun_path, "/tmp/.s.PGSQL.1");
	/* no socket in no directory: then it is TCP's turn, to no name */
	ck_assert(!target_unix("", 5432, "", &a));
	/* an abstract one: its name is all its bytes and no NUL */
	ck_assert(target_unix("@pg", 5432, "", &a));
	ck_assert_int_eq(un_of(&a)->sun_path[0], '\0');
	ck_assert_mem_eq(un_of(&a)->sun_path + 1, "pg/.s.PGSQL.5432", 16);
	ck_assert_uint_eq(a.len, offsetof(struct sockaddr_un, sun_path) + 17);
	/* the longest path, and a byte more */
	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	dir[most] = '\0';
	ck_assert(target_unix(dir, 5432, "", &a));
	ck_assert_uint_eq(strlen(un_of(&a)->sun_path), most + sizeof(file) - 1);
	dir[most] = 'd';
	dir[most + 1] = '\0';
	ck_assert(target_unix(dir, 5432, "", &a));
	ck_assert_uint_eq(a.len, 0);
	dir[0] = '@';
	memset(dir + 1, 'd', 200);
	dir[200] = '\0';
	ck_assert(target_unix(dir, 5432, "", &a));
	ck_assert_uint_eq(a.len, 0);
}
END_TEST

START_TEST(inet)
{
	struct msg_addrs list = { .n = 2 };
	char text[TARGET_TEXT], host[64];
	struct slot_addr a;
	int port;

	list.a[0].family = 4;
	inet_pton(AF_INET, "10.0.0.7", list.a[0].addr);
	list.a[1].family = 6;
	list.a[1].scope = 3;
	inet_pton(AF_INET6, "fe80::1", list.a[1].addr);
	ck_assert(target_inet(&list, 0, 5432, &a));
	ck_assert_uint_eq(a.len, sizeof(struct sockaddr_in));
	target_text(&a, text);
	ck_assert_str_eq(text, "10.0.0.7:5432");
	ck_assert(target_inet(&list, 1, 65535, &a));
	ck_assert_uint_eq(a.len, sizeof(struct sockaddr_in6));
	target_text(&a, text);
	ck_assert_str_eq(text, "[fe80::1]:65535");
	target_parts(&a, host, sizeof(host), &port);
	ck_assert_str_eq(host, "fe80::1");
	ck_assert_int_eq(port, 65535);
	ck_assert(!target_inet(&list, 2, 1, &a));
	/* a count that is a lie */
	list.n = UINT32_MAX;
	ck_assert(!target_inet(&list, MSG_ADDRS, 1, &a));
}
END_TEST

/* Whatever stands in a row that nobody guards. */
START_TEST(text_of_anything)
{
	char text[TARGET_TEXT], host[64];
	struct slot_addr a = { .len = 0 };
	int port;

	target_text(&a, text);
	ck_assert_str_eq(text, "unknown:0");
	ck_assert(target_unix("/tmp", 6432, "", &a));
	target_text(&a, text);
	ck_assert_str_eq(text, "unix:6432");
	ck_assert(target_unix("@pg", 6432, "", &a));
	target_text(&a, text);
	ck_assert_str_eq(text, "unix:6432");
	memset(&a, 0xff, sizeof(a));
	target_text(&a, text);
	ck_assert_str_eq(text, "unknown:0");
	a.len = sizeof(a.sa);
	target_parts(&a, host, sizeof(host), &port);
	ck_assert_str_eq(host, "unknown");
	/* a path without its end */
	ck_assert(target_unix("/tmp", 6432, "", &a));
	memset(a.sa + 2, '.', sizeof(a.sa) - 2);
	a.len = sizeof(a.sa);
	target_text(&a, text);
	ck_assert_mem_eq(text, "unix:", 5);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(unix_paths),
		TEST(inet),
		TEST(text_of_anything),
		NO_MORE_TESTS,
	};

	return run_tests("target", tests, 30);
}

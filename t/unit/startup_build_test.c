/*
 * startup_build_test.c - startup packets that we send, and what is answered to
 * one: the version that is spoken, and why a parameter is refused.
 */
#include "worker/proto/startup.h"

#include <string.h>

#include "t/unit/startupsim.h"

/* What we answer to a client that asks for `minor`, with one option or not. */
static const struct {
	uint16_t minor, spoken;
	bool has_option, is_told;
} versions[] = {
	{ 0, 0, false, false },
	{ 0, 0, true, true },
	{ 1, 0, false, true }, /* there is no 3.1 */
	{ 2, 2, false, false },
	{ 2, 2, true, true },
	{ 3, 2, false, true },
	{ 9999, 2, true, true },
	{ 0xffff, 2, false, true },
};

START_TEST(test_versions)
{
	char body[64] = "\0\3..user\0a\0_pq_.x\0\0";
	struct startup s;
	struct wire w;
	uint8_t out[64];

	frame_put16((uint8_t *)body + 2, versions[_i].minor);
	if (!versions[_i].has_option)
		body[11] = '\0';
	ck_assert_int_eq(
	    parse(make(body, versions[_i].has_option ? 20 : 12), &s, NULL),
	    DONE);
	ck_assert_uint_eq(s.minor, versions[_i].minor);
	ck_assert_uint_eq(startup_minor(&s), versions[_i].spoken);
	ck_assert_int_eq(startup_is_newer(&s), versions[_i].is_told);
	wire_init(&w, out, sizeof(out));
	startup_negotiate(&w, &s);
	ck_assert_uint_eq(frame_get32(out + 5), 0x30000u + versions[_i].spoken);
	ck_assert_uint_eq(frame_get32(out + 9), versions[_i].has_option);
}
END_TEST

START_TEST(test_negotiate)
{
	static const uint8_t want[] = "v\0\0\0\x1c\0\3\0\2\0\0\0\2"
				      "_pq_.one\0_pq_.2\0";
	uint8_t out[64];
	struct startup s;
	struct wire w;

	ck_assert_int_eq(
	    PARSE("\0\3\0\2user\0a\0_pq_.one\0x\0_pq_.2\0\0\0", &s, NULL),
	    DONE);
	ck_assert_uint_eq(s.pq_options, 2);
	ck_assert(startup_is_newer(&s));
	wire_init(&w, out, sizeof(out));
	startup_negotiate(&w, &s);
	ck_assert(!w.full);
	ck_assert_uint_eq(w.len, sizeof(want) - 1);
	ck_assert_mem_eq(out, want, w.len);
}
END_TEST

/* What a server may answer to who has asked for `minor`. */
static const struct {
	const char *body;
	size_t len;
	uint16_t minor;
	int rc;
} negotiated[] = {
	{ "\0\3\0\0\0\0\0\0", 8, 2, 0 },
	{ "\0\3\0\0\0\0\0\0", 8, 0, -1 }, /* nothing to negotiate */
	{ "\0\3\0\2\0\0\0\0", 8, 2, -1 },
	{ "\0\3\0\3\0\0\0\0", 8, 2, -1 },
	{ "\0\2\0\0\0\0\0\0", 8, 2, -1 },
	{ "\0\3\0\0\0\0\0\1x", 10, 2, -1 }, /* we sent no option */
	{ "\0\3\0\0\0\0\0\1", 8, 2, -1 },
	{ "\0\3\0\0\xff\xff\xff\xff", 8, 2, -1 },
	{ "\0\3\0\0\0\0\0", 7, 2, -1 },
	{ "", 0, 2, -1 },
};

START_TEST(test_negotiated)
{
	struct err e;

	ck_assert_int_eq(
	    startup_negotiated((const uint8_t *)negotiated[_i].body,
		negotiated[_i].len, negotiated[_i].minor, &e),
	    negotiated[_i].rc);
	if (negotiated[_i].rc == -1)
		ck_assert_str_eq(e.sqlstate, "08P01");
}
END_TEST

START_TEST(test_refuse)
{
	static char name[STARTUP_MAX];
	struct err e;

	ck_assert_int_eq(startup_refuse(&e, "geqo", false), -1);
	ck_assert_str_eq(e.sqlstate, "08P01");
	ck_assert_str_eq(e.say, "unsupported startup parameter: geqo");
	memset(name, 'x', sizeof(name) - 1);
	ck_assert_int_eq(startup_refuse(&e, name, false), -1);
	ck_assert_uint_eq(strlen(e.say), sizeof(e.say) - 1);
}
END_TEST

/* What we build is what we parse, and it is bounded. */
START_TEST(test_build)
{
	static const struct startup_pair more[] = {
		{ "application_name", "app" }, { "options", "-c a=b" }
	};
	uint8_t out[128];
	struct startup s;
	struct wire w;

	wire_init(&w, out, sizeof(out));
	startup_build(&w, 2, "joe", "shop", more, 2);
	ck_assert_int_eq(startup_parse(out, w.len, &s, NULL), DONE);
	ck_assert_uint_eq(s.size, w.len);
	ck_assert_str_eq(s.user, "joe");
	ck_assert_str_eq(s.database, "shop");
	ck_assert_str_eq(s.options, "-c a=b");
	ck_assert_uint_eq(s.minor, 2);
	wire_init(&w, out, sizeof(out));
	startup_build_ssl(&w);
	ck_assert_int_eq(startup_parse(out, w.len, &s, NULL), DONE);
	ck_assert_int_eq(s.kind, STARTUP_SSL);
	wire_init(&w, out, sizeof(out));
	startup_build_cancel(&w, 4711, (const uint8_t *)"\1\2\3\4", 4);
	ck_assert_uint_eq(w.len, 16);
	ck_assert_int_eq(startup_parse(out, w.len, &s, NULL), DONE);
	ck_assert_int_eq(s.pid, 4711);
	ck_assert_mem_eq(s.key, "\1\2\3\4", 4);
	wire_init(&w, out, 20);
	startup_build(&w, 0, "joe", "shop", NULL, 0);
	ck_assert(w.full);
	ck_assert_uint_eq(w.len, 0);
}
END_TEST

/* All that a client has said, but for who and where it is; ours comes first. */
START_TEST(test_build_own)
{
	static const uint8_t params[] =
	    "user\0eve\0geqo\0off\0database\0x\0replication\0off\0"
	    "_pq_.new\0001\0TimeZone\0GMT\0";
	static const struct startup_pair more[] = { { "TimeZone", "UTC" } };
	static const char *const want[] = { "user", "joe", "database", "shop",
		"TimeZone", "UTC", "geqo", "off", "TimeZone", "GMT",
		"replication", "database" };
	const char *name, *value;
	size_t pos = 0, n = 0;
	uint8_t out[256];
	struct startup s;
	struct wire w;

	wire_init(&w, out, sizeof(out));
	startup_build_own(&w, 0, "joe", "shop", STARTUP_LOGICAL, more, 1,
	    params, sizeof(params) - 1);
	ck_assert_int_eq(startup_parse(out, w.len, &s, NULL), DONE);
	ck_assert_int_eq(s.replication, STARTUP_LOGICAL);
	while (startup_next(&s, &pos, &name, &value)) {
		ck_assert_str_eq(name, want[n++]);
		ck_assert_str_eq(value, want[n++]);
	}
	ck_assert_uint_eq(n, sizeof(want) / sizeof(*want));
	wire_init(&w, out, sizeof(out));
	startup_build_own(&w, 0, "joe", "shop", STARTUP_PHYSICAL, more, 1,
	    params, sizeof(params) - 1);
	ck_assert_int_eq(startup_parse(out, w.len, &s, NULL), DONE);
	ck_assert_int_eq(s.replication, STARTUP_PHYSICAL);
	/* too long is seen at the end */
	wire_init(&w, out, 60);
	startup_build_own(&w, 0, "joe", "shop", STARTUP_PHYSICAL, more, 1,
	    params, sizeof(params) - 1);
	ck_assert(w.full);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("startup_build");
	TCase *tc = tcase_create("startup_build");

	tcase_add_loop_test(
	    tc, test_versions, 0, sizeof(versions) / sizeof(*versions));
	tcase_add_test(tc, test_negotiate);
	tcase_add_loop_test(
	    tc, test_negotiated, 0, sizeof(negotiated) / sizeof(*negotiated));

	tcase_add_test(tc, test_refuse);
	tcase_add_test(tc, test_build);
	tcase_add_test(tc, test_build_own);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

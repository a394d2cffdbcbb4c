/* scan_test.c - a server's bytes, whole, torn and hostile. */
#include "worker/backend/scan.h"

#include "t/unit/scansim.h"
#include "worker/proto/report.h"

START_TEST(in_pieces)
{
	static const size_t steps[] = { ROOM, 1, 2, 3, 5, 7, 64, 1000 };

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		start("QQQ");
		say_conversation();
		feed_all(steps[i]);
		ck_assert_uint_eq(sum.readies, 3);
		ck_assert_uint_eq(sum.idles, 2);
		ck_assert(sum.has_params);
		ck_assert_str_eq(zone(), "Europe/Rome");
		ck_assert(sum.has_error);
		ck_assert_str_eq(sum.error.sqlstate, "22012");
		ck_assert(!report_is_fatal(&sum.error));
		ck_assert(!scan_is_boundary(&b)); /* in a transaction */
		nsaid = npassed = 0;
		ck_assert_int_eq(track_client(&b.track, 'Q'), 0);
		say('C', "COMMIT", 7);
		say('Z', "I", 1);
		feed_all(steps[i]);
		ck_assert(scan_is_boundary(&b));
	}
}
END_TEST

/* No boundary while a byte is missing, or one too many is there. */
START_TEST(boundary)
{
	start("Q");
	say('C', "SELECT 0", 9);
	say('Z', "I", 1);
	for (size_t i = 0; i < nsaid; i++) {
		ck_assert(!scan_is_boundary(&b));
		ck_assert_int_eq(feed(said + i, 1), 0);
	}
	ck_assert(scan_is_boundary(&b));
	/* an idle server may speak, but not stop in the middle */
	nsaid = 0;
	say('N', "SNOTICE\0", 9);
	for (size_t i = 0; i < nsaid; i++) {
		ck_assert_int_eq(feed(said + i, 1), 0);
		ck_assert_int_eq(scan_is_boundary(&b), i + 1 == nsaid);
	}
	/* more than was asked for */
	nsaid = 0;
	say('Z', "I", 1);
	ck_assert_int_eq(feed(said, nsaid), -1);
}
END_TEST

/* Where a piece begins inside a message, nothing else may be put. */
START_TEST(inside)
{
	char row[100] = { 0 };

	start("Q");
	say('D', row, sizeof(row));
	ck_assert_int_eq(feed(said, 50), 0);
	ck_assert(!sum.is_inside);
	ck_assert_uint_eq(npassed, 50);
	ck_assert_int_eq(feed(said + 50, 50), 0);
	ck_assert(sum.is_inside);
	ck_assert_int_eq(feed(said + 100, nsaid - 100), 0);
	ck_assert(sum.is_inside);
	ck_assert_int_eq(feed(said, 50), 0);
	ck_assert(!sum.is_inside);
}
END_TEST

/* The first error counts; FATAL is seen wherever it comes. */
START_TEST(errors)
{
	char text[2000];

	start("Q");
	say('E', "SERROR\0C22012\0Mfirst\0", 22);
	say('E', "SFATAL\0C57P01\0Msecond\0", 23);
	feed_all(ROOM);
	ck_assert_str_eq(sum.error.message, "first");
	ck_assert(track_is_dying(&b.track));
	ck_assert(!scan_is_boundary(&b));
	/* one without any field */
	start("Q");
	say('E', "", 1);
	feed_all(1);
	ck_assert(sum.has_error);
	ck_assert_str_eq(sum.error.sqlstate, "");
	/* and one with no end of a field that is longer than is looked at */
	memset(text, 'x', sizeof(text));
	memcpy(text, "SFATAL\0M", 8);
	for (size_t step = 1; step < 3000; step += 700) {
		start("Q");
		say('E', text, sizeof(text));
		feed_all(step);
		ck_assert(sum.has_error);
		ck_assert(track_is_dying(&b.track));
	}
}
END_TEST

/* Lengths that no server sends; whatever follows is not looked at. */
START_TEST(lengths)
{
	static const struct {
		char type;
		uint32_t len;
		int rc;
	} cases[] = {
		{ 'D', 0, -1 },
		{ 'D', 3, -1 },
		{ 'D', 4, 0 },
		{ 'D', 0x3fffffffu + 4, 0 },
		{ 'D', 0x3fffffffu + 5, -1 },
		{ 'D', 0x7fffffffu, -1 },
		{ 'D', 0x80000000u, -1 },
		{ 'D', 0xffffffffu, -1 },
		{ 'S', 0xffffffffu, -1 },
		{ 'S', 0x3fffffffu, -1 },
		{ 'S', 8 * 1024, -1 },
		{ 'S', 8 * 1024 - 1, 0 },
		{ 'Z', 8 * 1024, -1 },
		{ 'E', 0x3fffffffu, 0 },
		{ 'E', 0xfffffffcu, -1 },
		{ 'Z', 4, -1 },
		{ '\0', 4, -1 },
		{ 'W', 4, -1 },
		{ 'K', 12, -1 },
		{ 'R', 8, -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t head[FRAME_HEAD] = { (uint8_t)cases[i].type };
		int rc = 0;

		frame_put32(head + 1, cases[i].len);
		start("Q");
		ck_assert_msg(feed(head, sizeof(head)) == cases[i].rc,
		    "case %zu, whole", i);
		start("Q");
		for (size_t k = 0; k < sizeof(head) && rc == 0; k++)
			rc = feed(head + k, 1);
		ck_assert_msg(rc == cases[i].rc, "case %zu, torn", i);
		ck_assert(!scan_is_boundary(&b));
	}
}
END_TEST

START_TEST(bad_status)
{
	start("Q");
	say('Z', "X", 1);
	ck_assert_int_eq(feed(said, nsaid), -1);
	start("Q");
	say('Z', "", 0);
	ck_assert_int_eq(feed(said, nsaid), -1);
}
END_TEST

/* Torn parameters change nothing; one too long spoils the backend. */
START_TEST(parameters)
{
	char body[2000];

	start("");
	say('S', "", 0);
	say('S', "TimeZone", 9);
	say('S', "TimeZone\0no end", 15);
	say('S', "work_mem\0004MB", 13);
	feed_all(1);
	ck_assert(!sum.has_params);
	ck_assert_str_eq(zone(), "UTC");
	ck_assert_uint_eq(atomic_load(&slot_at(2)->flags), 0);
	memset(body, 'x', sizeof(body));
	memcpy(body, "TimeZone", 9);
	body[sizeof(body) - 1] = '\0';
	nsaid = npassed = 0;
	say('S', body, sizeof(body));
	feed_all(100);
	ck_assert_str_eq(zone(), "UTC");
	ck_assert_uint_eq(atomic_load(&slot_at(2)->flags), SLOT_DIRTY);
}
END_TEST

static const struct {
	const char *tag;
	uint32_t bits;
} tag_cases[] = {
	{ "SELECT 1", 0 },
	{ "SET", SCAN_TAG_SET },
	{ "SET CONSTRAINTS", 0 },
	{ "RESET", SCAN_TAG_RESET },
	{ "DISCARD ALL", SCAN_TAG_DISCARD | SCAN_TAG_ALL_GONE },
	{ "DISCARD TEMP", SCAN_TAG_DISCARD },
	{ "DEALLOCATE", SCAN_TAG_DEALLOCATE },
	{ "DEALLOCATE ALL", SCAN_TAG_DEALLOCATE | SCAN_TAG_ALL_GONE },
	{ "DECLARE CURSOR", SCAN_TAG_DECLARE },
	{ "DELETE 3", 0 },
	{ "DO", SCAN_TAG_DO },
	{ "DROP TABLE", SCAN_TAG_DROP },
	{ "PREPARE", SCAN_TAG_PREPARE },
	{ "PREPARE TRANSACTION", 0 },
	{ "LISTEN", SCAN_TAG_LISTEN },
	{ "LOAD", SCAN_TAG_LOAD },
	{ "LOCK TABLE", 0 },
	{ "UNLISTEN", SCAN_TAG_UNLISTEN },
	{ "UPDATE 1", 0 },
	{ "CREATE TABLE", SCAN_TAG_CREATE },
	{ "CALL", SCAN_TAG_CALL },
	{ "CLOSE CURSOR", SCAN_TAG_CLOSE },
	{ "COMMIT", 0 },
	{ "COPY 12", 0 },
	{ "ROLLBACK", SCAN_TAG_ROLLBACK },
	{ "", 0 },
	{ "S", 0 },
};

/* GONE, PREPARED, DEALLOCATED: one at most. */
static const char *
telling(uint32_t bits)
{
	return bits & SCAN_TAG_ALL_GONE  ? "G"
	    : bits & SCAN_TAG_PREPARE    ? "P"
	    : bits & SCAN_TAG_DEALLOCATE ? "X"
					 : "";
}

START_TEST(tags_seen)
{
	for (size_t i = 0; i < sizeof(tag_cases) / sizeof(*tag_cases); i++)
		for (size_t step = 1; step < 100; step += 9) {
			uint32_t bits = tag_cases[i].bits;

			start("Q");
			ask("");
			say('C', tag_cases[i].tag,
			    strlen(tag_cases[i].tag) + 1);
			feed_all(step);
			ck_assert_uint_eq(sum.tags, bits);
			ck_assert_str_eq(told, telling(bits));
		}
}
END_TEST

/* Anything at all, in any pieces: an answer, or a refusal. */
START_TEST(noise)
{
	srandom(11);
	for (int round = 0; round < 20000; round++) {
		uint8_t bytes[200];
		size_t n = 1 + (size_t)random() % sizeof(bytes);

		start("QPBES");
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)(random() % 4 == 0
				? random() % 256
				: "\0\0\0\5CDZE12nTSI"[random() % 14]);
		for (size_t at = 0; at < n;) {
			size_t step = 1 + (size_t)random() % 20;

			if (step > n - at)
				step = n - at;
			if (feed(bytes + at, step) == -1)
				break;
			at += step;
		}
	}
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(in_pieces),
		TEST(boundary),
		TEST(inside),
		TEST(errors),
		TEST(lengths),
		TEST(bad_status),
		TEST(parameters),
		TEST(tags_seen),
		TEST(noise),
		NO_MORE_TESTS,
	};

	return run_tests("scan", tests, 60);
}

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

/* --- messages and answers of our own ------------------------------------- */

static const struct own {
	const char *asked, *said, *seen, *told;
	bool has_failed;
} owns[] = {
	/* a Parse that the server lacked goes ahead of a Bind */
	{ "1BES", "12DCZI", "2DCZ", "D", false },
	/* and in the middle */
	{ "BE1BES", "2C12CZI", "2C2CZ", "D", false },
	/* one that it has is not sent */
	{ "6BES", "2CZI", "12CZ", "D", false },
	{ "BE6BE7S", "2C2CZI", "2C12C3Z", "DD", false },
	{ "66677S", "ZI", "11133Z", "DDDDD", false },
	/* the client's own, entered when it is answered */
	{ "pBES", "12CZI", "12CZ", "D", false },
	/* eviction */
	{ "21BES", "312CZI", "2CZ", "DD", false },
	/* an error to the client's message skips what is behind it */
	{ "pB6pE1BES", "1EZI", "1EZ", "DLLL", false },
	{ "6BpS6BES", "EZI2CZI", "1EZ12CZ", "DLD", false },
	/* to a Parse of ours: it is the client's Bind that fails */
	{ "1BES", "EZI", "EZ", "L", false },
	/* what is set ahead: nothing of it is seen, notices neither */
	{ "345345Q", "12DCN12CTDCZI", "TDCZ", "", false },
	{ "345Q", "12E", "E", "", true },
	/* and ended, when nothing follows */
	{ "3453458", "12DC12CZI", "", "", false },
	{ "3458Q", "12CZICZI", "CZ", "", false },
	/* in place of a message of the client's: any error is its own */
	{ "BEaaES", "2C12EZI", "2CEZ", "", false },
	{ "aaES", "EZI", "EZ", "", false },
	{ "aaES", "1EZI", "EZ", "", false },
	/* what a Describe told, for the books */
	{ "dS", "tTZI", "tTZ", "D", false },
	{ "BdES", "2nCZI", "2nCZ", "D", false },
	{ "21bBES", "31tNT2CZI", "2CZ", "DDD", false },
	{ "1bBES", "1tEZI", "EZ", "DL", false },
	{ "pdBES", "EZI", "EZ", "LL", false },
	/* with a transaction around */
	{ "Q6BES", "CZT2CZI", "CZ12CZ", "D", false },
};

static void
converse(const struct own *o, size_t step)
{
	char seen[64];
	size_t n = 0, at = 0;

	start("");
	ask(o->asked);
	answer(o->said);
	feed_torn(step);
	while (at < npassed) {
		seen[n++] = (char)passed[at];
		at += 1 + frame_get32(passed + at + 1);
	}
	ck_assert_uint_eq(at, npassed);
	seen[n] = '\0';
	ck_assert_str_eq(seen, o->seen);
	ck_assert_str_eq(told, o->told);
	ck_assert_int_eq(sum.has_own_failed, o->has_failed);
	ck_assert_int_eq(scan_is_boundary(&b), !o->has_failed);
}

START_TEST(own_messages)
{
	for (size_t i = 0; i < sizeof(owns) / sizeof(*owns); i++)
		for (size_t step = 1; step < 200; step = step * 2 + 1)
			converse(&owns[i], step);
}
END_TEST

/* Long, torn anywhere, with a notice in it; told when all of it has come. */
START_TEST(shapes)
{
	static char row[2 + 300 + 18], notice[3000];
	struct shape first = { 0 };

	row[1] = 1;
	memset(row + 2, 'n', 299);
	memset(notice, 0x7f, sizeof(notice));
	for (size_t step = 1; step < 5000; step = step * 2 + 1) {
		start("");
		ask("bdS");
		say('t', "\0\1\0\0\0\27", 6);
		say('N', notice, sizeof(notice));
		say('T', row, sizeof(row));
		feed_torn(step);
		ck_assert_str_eq(told, "D");
		ck_assert(heard.rows != 0 && heard.params != 0);
		if (step == 1)
			first = heard;
		ck_assert_uint_eq(heard.rows, first.rows);
		ck_assert_uint_eq(heard.params, first.params);
		/* refused half way: that tells nothing of the next */
		nsaid = 0;
		ask("dSdS");
		say('T', row, sizeof(row));
		say('Z', "I", 1);
		say('t', "\0\1\0\0\0\27", 6);
		answer("EZI");
		say('T', row, sizeof(row) - 1);
		feed_torn(step);
		ck_assert_str_eq(told, "DLD");
		ck_assert_uint_eq(heard.rows, 0);
		nsaid = 0;
		ask("dSdS");
		say('Z', "I", 1);
		say('t', "\0\1\0\0\0\27", 6);
		answer("EZI");
		say('T', row, sizeof(row));
		feed_torn(step);
		ck_assert_uint_eq(heard.rows, first.rows);
		ck_assert_uint_eq(heard.params, 0);
	}
}
END_TEST

/* Without any answer of the server's before it. */
START_TEST(due_at_once)
{
	uint8_t bytes[SCAN_ROOM];

	start("");
	ask("67B6");
	ck_assert_uint_eq(scan_due(&b, bytes), 10);
	ck_assert_int_eq(bytes[0], '1');
	ck_assert_int_eq(bytes[5], '3');
	ck_assert_str_eq(told, "DD");
	ck_assert_uint_eq(scan_due(&b, bytes), 0);
	ck_assert(!scan_is_boundary(&b));
}
END_TEST

/* As many as may wait have room in front of what is scanned. */
START_TEST(due_many)
{
	start("");
	for (int i = 0; i < TRACK_FAKES; i++)
		ck_assert_int_eq(track_fake(&b.track, '1'), 0);
	ck_assert_int_eq(track_fake(&b.track, '1'), -1);
	ck_assert_int_eq(track_client(&b.track, 'S'), 0);
	say('Z', "I", 1);
	ck_assert_int_eq(feed(said, nsaid), 0);
	ck_assert_uint_eq(npassed, 5 * TRACK_FAKES + nsaid);
	ck_assert(scan_is_boundary(&b));
}
END_TEST

/* Nothing of ours where the server might not run it, or not now. */
START_TEST(own_refused)
{
	struct track *t = &b.track;

	start("PBE");
	answer("E");
	ck_assert_int_eq(feed(said, nsaid), 0);
	ck_assert(track_is_skipping(t));
	ck_assert_int_eq(track_own(t, 'P'), -1);
	ck_assert_int_eq(track_fake(t, '1'), -1);
	ck_assert_int_eq(track_parse(t), 0);
	ck_assert_int_eq(track_client(t, 'S'), 0);
	ck_assert(!track_is_skipping(t));
	start("Q");
	say('G', "\0\0\0", 3);
	ck_assert_int_eq(feed(said, nsaid), 0);
	ck_assert(!track_is_sure(t));
	ck_assert_int_eq(track_own(t, 'P'), -1);
	ck_assert_int_eq(track_fake(t, '1'), -1);
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

/* --- errors in other words ------------------------------------------------- */

static size_t longer; /* by so much; or LESSEE_SILENT */
static int firsts;

static size_t
on_error(
    struct lessee *l, const struct lessee_error *e, uint8_t *out, size_t room)
{
	(void)l;
	firsts += e->is_first;
	if (longer == LESSEE_SILENT)
		return LESSEE_SILENT;
	if (e->len + longer > room)
		return 0;
	memcpy(out, e->msg, e->len);
	memset(out + e->len - 1, 'x', longer);
	out[e->len + longer - 1] = '\0';
	frame_put32(out + 1, (uint32_t)(e->len + longer - 1));
	return e->len + longer;
}

#define ERROR "SERROR\0VERROR\0C26000\0Mwrong\0"

static void
say_errors(int n)
{
	for (int i = 0; i < n; i++) {
		say('1', "", 0);
		say('E', ERROR, sizeof(ERROR));
		say('Z', "I", 1);
	}
}

static void
hear(size_t by, size_t step, int n)
{
	char asked[400] = "";

	for (int i = 0; i < n; i++)
		strcat(asked, "PBS");
	start(asked);
	user.on_error = on_error;
	b.user = &user;
	longer = by;
	firsts = 0;
	say_errors(n);
	feed_torn(step);
	b.user = NULL;
	user.on_error = NULL;
}

START_TEST(reworded)
{
	const size_t whole = FRAME_HEAD + sizeof(ERROR);

	for (size_t step = 1; step < 200; step += 13) {
		hear(9, step, 3);
		ck_assert_uint_eq(npassed, nsaid + 3 * 9);
		ck_assert_uint_eq(passed[0], '1');
		ck_assert_uint_eq(passed[FRAME_HEAD], 'E');
		ck_assert_uint_eq(
		    frame_get32(passed + FRAME_HEAD + 1), whole + 9 - 1);
		ck_assert_uint_eq(passed[FRAME_HEAD + whole + 9], 'Z');
		hear(0, step, 3);
		ck_assert_uint_eq(npassed, nsaid);
		/* not at all */
		hear(LESSEE_SILENT, step, 3);
		ck_assert_uint_eq(npassed, nsaid - 3 * whole);
		ck_assert_uint_eq(passed[FRAME_HEAD], 'Z');
		ck_assert_uint_eq(sum.readies, 3);
	}
	/* is something passed on before it in this turn? */
	hear(9, FRAME_HEAD, 1);
	ck_assert_int_eq(firsts, 1);
	hear(9, ROOM, 1);
	ck_assert_int_eq(firsts, 0);
	/* many at once grow only as far as there is room */
	hear(60, ROOM, 30);
	ck_assert_uint_eq(npassed, nsaid + 1024 / 60 * 60);
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
		TEST(own_messages),
		TEST(shapes),
		TEST(due_at_once),
		TEST(due_many),
		TEST(own_refused),
		TEST(tags_seen),
		TEST(reworded),
		TEST(noise),
		NO_MORE_TESTS,
	};

	return run_tests("scan", tests, 60);
}

/*
 * scan_own_test.c - what a server says to messages of ours, answers that are
 * ours, and errors in other words.
 */
#include "worker/backend/scan.h"

#include "t/unit/scansim.h"

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
		TEST(own_messages),
		TEST(shapes),
		TEST(due_at_once),
		TEST(due_many),
		TEST(own_refused),
		TEST(reworded),
		NO_MORE_TESTS,
	};

	return run_tests("scan_own", tests, 60);
}

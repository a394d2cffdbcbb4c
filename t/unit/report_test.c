/* report_test.c - errors of rude servers; our answers, byte by byte. */
#include "worker/proto/report.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const struct {
	const char *body;
	size_t len;
	int want;
	const char *severity, *sqlstate, *message;
} error[] = {
#define BODY(text) text, sizeof(text) - 1
	{ BODY("SFATAL\0VFATAL\0C57P01\0Mbye\0\0"), 0, "FATAL", "57P01",
	    "bye" },
	{ BODY("SFATALE\0VFATAL\0C57P01\0Mbye\0\0"), 0, "FATAL", "57P01",
	    "bye" },
	{ BODY("VFATAL\0SFATALE\0\0"), 0, "FATAL", "", "" },
	{ BODY("SERROR\0\0"), 0, "ERROR", "", "" },
	{ BODY("C42601\0\0"), 0, "", "42601", "" },
	{ BODY("Mm\0\0"), 0, "", "", "m" },
	{ BODY("\0"), 0, "", "", "" },
	{ BODY(""), -1, "", "", "" },
	{ BODY("S"), -1, "", "", "" },
	{ BODY("SERR"), -1, "", "", "" },
	{ BODY("SERROR\0"), -1, "ERROR", "", "" },
	{ BODY("SERROR\0C42601\0Mto"), -1, "ERROR", "42601", "" },
	{ BODY("SERROR\0V"), -1, "ERROR", "", "" },
	{ BODY("SERROR\0\0more"), -1, "ERROR", "", "" },
	{ BODY("SERROR\0Hhint\0Ddetail\0?odd\0Mm\0\0"), 0, "ERROR", "", "m" },
	{ BODY("SA_VERY_LONG_SEVERITY\0C4260142601\0\0"), 0, "A_VERY_LONG",
	    "42601", "" },
	{ BODY("S\0C\0M\0\0"), 0, "", "", "" },
};

START_TEST(test_parse)
{
	uint8_t *p = malloc(error[_i].len + 1);
	struct report r;

	memcpy(p + 1, error[_i].body, error[_i].len);
	ck_assert_int_eq(
	    report_parse(p + 1, error[_i].len, &r), error[_i].want);
	ck_assert_str_eq(r.severity, error[_i].severity);
	ck_assert_str_eq(r.sqlstate, error[_i].sqlstate);
	ck_assert_str_eq(r.message, error[_i].message);
	ck_assert_int_eq(report_is_fatal(&r), strcmp(r.severity, "FATAL") == 0);
	free(p);
}
END_TEST

START_TEST(test_long_message)
{
	static char body[4096];
	struct report r;

	for (size_t len = 250; len < 260; len++) {
		size_t n;

		/* two bytes a character: a cut must not leave half of one */
		memset(body, 0, sizeof(body));
		body[0] = 'M';
		for (n = 1; n < len; n += 2)
			memcpy(body + n, "\xc3\xa4", 2);
		ck_assert_int_eq(report_parse((uint8_t *)body, n + 2, &r), 0);
		ck_assert_uint_lt(strlen(r.message), sizeof(r.message));
		ck_assert_uint_eq(strlen(r.message) % 2, 0);
		ck_assert_uint_ge(strlen(r.message), n - 1 < 254 ? n - 1 : 254);
	}
	memset(body, 0x80, sizeof(body));
	body[0] = 'M';
	body[sizeof(body) - 1] = '\0';
	ck_assert_int_eq(report_parse((uint8_t *)body, sizeof(body), &r), -1);
	ck_assert_str_eq(r.message, "");
}
END_TEST

START_TEST(test_noise)
{
	srandom(5);
	for (int i = 0; i < 50000; i++) {
		size_t len = (size_t)random() % 64;
		uint8_t *p = malloc(len + 1);
		struct report r;

		for (size_t j = 0; j < len; j++)
			p[j] = (uint8_t)("SVCM\0\0\xc3\x80x"[random() % 9]);
		report_parse(p, len, &r);
		if (memchr(r.severity, 0, sizeof(r.severity)) == NULL ||
		    memchr(r.sqlstate, 0, sizeof(r.sqlstate)) == NULL ||
		    memchr(r.message, 0, sizeof(r.message)) == NULL)
			ck_abort_msg("no end");
		free(p);
	}
}
END_TEST

START_TEST(test_error_round)
{
	struct err e = { "53300", "too many", "" };
	uint8_t out[256];
	struct frame f;
	struct report r;
	struct wire w;

	wire_init(&w, out, sizeof(out));
	report_fatal(&w, &e);
	ck_assert_int_eq(frame_parse(out, w.len, 1000, &f), DONE);
	ck_assert_int_eq(f.type, 'E');
	ck_assert_uint_eq(f.body + FRAME_HEAD, w.len);
	ck_assert_int_eq(report_parse(out + FRAME_HEAD, f.body, &r), 0);
	ck_assert_str_eq(r.severity, "FATAL");
	ck_assert_str_eq(r.sqlstate, "53300");
	ck_assert_str_eq(r.message, "too many");
	ck_assert(report_is_fatal(&r));
	wire_init(&w, out, sizeof(out));
	report_error(&w, "ERROR", "42601", "m");
	ck_assert_mem_eq(out, "E\0\0\0\x1dSERROR\0VERROR\0C42601\0Mm\0\0", 30);
	wire_init(&w, out, sizeof(out));
	report_notice(&w, "NOTICE", "00000", "m");
	ck_assert_int_eq(out[0], 'N');
}
END_TEST

static void
say_everything(struct wire *w)
{
	static const char *const mechanisms[] = { "SCRAM-SHA-256", "X" };

	report_auth_ok(w);
	report_auth_cleartext(w);
	report_auth_md5(w, (const uint8_t *)"salt");
	report_auth_sasl(w, mechanisms, 2);
	report_auth_sasl_continue(w, "r=1", 3);
	report_auth_sasl_final(w, "v=", 2);
	report_parameter(w, "TimeZone", "UTC");
	report_key(w, -2, (const uint8_t *)"\1\2\3\4", 4);
	report_ready(w, 'T');
	report_complete(w, "SHOW");
	report_empty(w);
}

static const uint8_t everything[] = "R\0\0\0\10\0\0\0\0"
				    "R\0\0\0\10\0\0\0\3"
				    "R\0\0\0\14\0\0\0\5salt"
				    "R\0\0\0\x19\0\0\0\12SCRAM-SHA-256\0X\0\0"
				    "R\0\0\0\13\0\0\0\13r=1"
				    "R\0\0\0\12\0\0\0\14v="
				    "S\0\0\0\x11TimeZone\0UTC\0"
				    "K\0\0\0\14\xff\xff\xff\xfe\1\2\3\4"
				    "Z\0\0\0\5T"
				    "C\0\0\0\11SHOW\0"
				    "I\0\0\0\4";

START_TEST(test_answers)
{
	uint8_t out[256];
	struct wire w;

	wire_init(&w, out, sizeof(out));
	say_everything(&w);
	ck_assert(!w.full);
	ck_assert_uint_eq(w.len, sizeof(everything) - 1);
	ck_assert_mem_eq(out, everything, w.len);
}
END_TEST

/* Into any room too small: whole messages, and no byte behind them. */
START_TEST(test_no_room)
{
	for (size_t cap = 0; cap < sizeof(everything) - 1; cap++) {
		uint8_t *out = malloc(cap + 1);
		size_t at = 0;
		struct frame f;
		struct wire w;

		wire_init(&w, out + 1, cap);
		say_everything(&w);
		ck_assert(w.full);
		while (at < w.len) {
			ck_assert_int_eq(
			    frame_parse(out + 1 + at, w.len - at, 99, &f),
			    DONE);
			at += FRAME_HEAD + f.body;
		}
		ck_assert_uint_eq(at, w.len);
		ck_assert_mem_eq(out + 1, everything, w.len);
		free(out);
	}
}
END_TEST

START_TEST(test_table)
{
	static const struct report_column column[] = { { "a", REPORT_TEXT },
		{ "b", REPORT_INT8 }, { "c", REPORT_INT4 },
		{ "d", REPORT_NUMERIC } };
	static const uint8_t want[] =
	    "T\0\0\0\x56\0\4"
	    "a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
	    "b\0\0\0\0\0\0\0\0\0\0\x14\0\10\xff\xff\xff\xff\0\0"
	    "c\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"
	    "d\0\0\0\0\0\0\0\0\0\6\xa4\xff\xff\xff\xff\xff\xff\0\0"
	    "D\0\0\0\x2c\0\4\0\0\0\2xy\xff\xff\xff\xff\0\0\0\0"
	    "\0\0\0\x14-9223372036854775808"
	    "D\0\0\0\13\0\1\0\0\0\0017"; /* 7 */
	uint8_t out[256];
	struct wire w;

	wire_init(&w, out, sizeof(out));
	report_columns(&w, column, 4);
	report_row_begin(&w, 4);
	report_cell(&w, "xy");
	report_cell(&w, NULL);
	report_cell(&w, "");
	report_cell_int(&w, INT64_MIN);
	report_row_end(&w);
	report_row_begin(&w, 1);
	report_cell_int(&w, 7);
	report_row_end(&w);
	ck_assert(!w.full);
	ck_assert_uint_eq(w.len, sizeof(want) - 1);
	ck_assert_mem_eq(out, want, w.len);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("report");

	tcase_add_loop_test(tc, test_parse, 0, sizeof(error) / sizeof(*error));
	tcase_add_test(tc, test_long_message);
	tcase_add_test(tc, test_noise);
	tcase_add_test(tc, test_error_round);
	tcase_add_test(tc, test_answers);
	tcase_add_test(tc, test_no_room);
	tcase_add_test(tc, test_table);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

/* command_test.c - the console's commands: words, arguments, rights. */
#include "worker/console/command.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static struct command cmd;

static enum command_kind
parse(const char *text)
{
	memset(&cmd, 0xff, sizeof(cmd));
	command_parse(text, &cmd);
	return cmd.kind;
}

START_TEST(test_show)
{
	static const char *const texts[] = {
		"SHOW pools",
		"show POOLS;",
		"  sHoW\t\n Pools \r\n ; \v\f",
		"SELECT pools",
		"show \"pools\"",
		"show pools  ",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		ck_assert_int_eq(parse(texts[i]), COMMAND_SHOW);
		ck_assert_str_eq(cmd.arg, "pools");
		ck_assert(cmd.is_open);
	}
	ck_assert_int_eq(parse("show \"A \"\"b\""), COMMAND_SHOW);
	ck_assert_str_eq(cmd.arg, "A \"b");
}
END_TEST

START_TEST(test_empty)
{
	ck_assert_int_eq(parse(""), COMMAND_EMPTY);
	ck_assert_int_eq(parse(" \n"), COMMAND_EMPTY);
	ck_assert_int_eq(parse(" ; "), COMMAND_EMPTY);
	ck_assert_int_eq(parse(";;"), COMMAND_INVALID);
}
END_TEST

START_TEST(test_invalid)
{
	static const char *const texts[] = {
		"show",
		"show;",
		"show pools clients",
		"show pools;;",
		"show pools; show clients",
		"show pools; shutdown",
		"showpools",
		"show (pools)",
		"show \"pools",
		"show \"",
		"show 'pools'",
		"\"show\" pools",
		"reload now",
		"shutdown a b",
		"shutdown wait_for_servers; reload",
		"reload \"",
		"set",
		"set a",
		"set a b",
		"set = 1",
		"set a = 'b",
		"set a = b c",
		"set a = 'b' 'c'",
		"set a = b; reload",
		"set a = b = c",
		"set a := b",
		"set a = (b)",
		"set a, b = c",
		"pause",
		"reload --",
		"/* show */ pools",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		ck_assert_msg(parse(texts[i]) == COMMAND_INVALID, "%s is %d",
		    texts[i], (int)cmd.kind);
		ck_assert_msg(!cmd.is_open, "%s is open", texts[i]);
	}
}
END_TEST

START_TEST(test_set)
{
	static const char *const texts[] = {
		"SET Key=Value",
		"set key = Value;",
		"set key to Value",
		"set \"key\" TO 'Value'",
		"set key \t=\n\"Value\" ;",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		ck_assert_int_eq(parse(texts[i]), COMMAND_SET);
		ck_assert_str_eq(cmd.arg, "key");
		/* as it stands there: case counts in a path */
		ck_assert_str_eq(cmd.value, "Value");
		ck_assert(!cmd.is_open);
	}
	ck_assert_int_eq(parse("set key = 'it''s'"), COMMAND_SET);
	ck_assert_str_eq(cmd.value, "it's");
	ck_assert_int_eq(parse("set key ="), COMMAND_SET);
	ck_assert_str_eq(cmd.value, "");
	ck_assert_int_eq(parse("set key = ''"), COMMAND_SET);
	ck_assert_str_eq(cmd.value, "");
	ck_assert_int_eq(parse("set key = /a/B-1.pem"), COMMAND_SET);
	ck_assert_str_eq(cmd.value, "/a/B-1.pem");
	ck_assert_int_eq(parse("set key to a,b,*:+@"), COMMAND_SET);
	ck_assert_str_eq(cmd.value, "a,b,*:+@");
	ck_assert_int_eq(parse("set key to"), COMMAND_SET);
	ck_assert_str_eq(cmd.value, "");
}
END_TEST

START_TEST(test_fake)
{
	ck_assert_int_eq(
	    parse("SET client_encoding TO 'latin1'"), COMMAND_FAKE);
	ck_assert(cmd.is_open);
	ck_assert_int_eq(parse("set TIMEZONE='UTC'"), COMMAND_FAKE);
	ck_assert_int_eq(parse("set DateStyle=ISO;"), COMMAND_FAKE);
	ck_assert_str_eq(command_fake("DateStyle"), "ISO");
	ck_assert_ptr_null(command_fake("pool_mode"));
	ck_assert_ptr_null(command_fake(""));
}
END_TEST

/* Nothing that changes anything is open to everybody. */
START_TEST(test_rights)
{
	ck_assert_int_eq(parse("reload"), COMMAND_RELOAD);
	ck_assert(!cmd.is_open);
	ck_assert_int_eq(parse("Shutdown;"), COMMAND_SHUTDOWN);
	ck_assert(!cmd.is_open);
	ck_assert_str_eq(cmd.arg, "");
	ck_assert_int_eq(parse("shutdown WAIT_for_clients"), COMMAND_SHUTDOWN);
	ck_assert(!cmd.is_open);
	ck_assert_str_eq(cmd.arg, "wait_for_clients");
	ck_assert_int_eq(parse("set pool_mode=session"), COMMAND_SET);
	ck_assert(!cmd.is_open);
}
END_TEST

/* An argument fits whole, or the command is none. */
START_TEST(test_long)
{
	char text[2 * COMMAND_WORD];

	for (size_t n = 1; n < COMMAND_WORD + 3; n++) {
		memset(text, 0, sizeof(text));
		memcpy(text, "show ", 5);
		memset(text + 5, 'a', n);
		ck_assert_int_eq(parse(text),
		    n < COMMAND_WORD ? COMMAND_SHOW : COMMAND_INVALID);
		if (n < COMMAND_WORD)
			ck_assert_uint_eq(strlen(cmd.arg), n);
		text[5] = '"';
		ck_assert_int_eq(parse(text), COMMAND_INVALID);
		text[5 + n] = '"';
		ck_assert_int_eq(parse(text),
		    n - 1 < COMMAND_WORD ? COMMAND_SHOW : COMMAND_INVALID);
	}
}
END_TEST

START_TEST(test_long_value)
{
	char text[COMMAND_VALUE + 64];

	for (size_t n = COMMAND_VALUE - 3; n < COMMAND_VALUE + 3; n++)
		for (int quoted = 0; quoted < 2; quoted++) {
			memset(text, 0, sizeof(text));
			strcpy(text, quoted ? "set k = '" : "set k = ");
			memset(text + strlen(text), 'a', n);
			if (quoted)
				text[strlen(text)] = '\'';
			ck_assert_int_eq(parse(text),
			    n < COMMAND_VALUE ? COMMAND_SET : COMMAND_INVALID);
			if (n < COMMAND_VALUE)
				ck_assert_uint_eq(strlen(cmd.value), n);
		}
}
END_TEST

/* Noise in a buffer of its exact size: no read beyond its end. */
START_TEST(test_noise)
{
	static const char some[] = "showetuln \t;\"'=_-a\xc3";

	srandom(11);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)random() % 200;
		char *text = malloc(n + 1);

		ck_assert_ptr_nonnull(text);
		for (size_t k = 0; k < n; k++)
			text[k] = some[(size_t)random() % (sizeof(some) - 1)];
		text[n] = '\0';
		(void)parse(text);
		if (memchr(cmd.arg, '\0', sizeof(cmd.arg)) == NULL ||
		    memchr(cmd.value, '\0', sizeof(cmd.value)) == NULL)
			ck_abort_msg("no end of text");
		free(text);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("command");
	TCase *t = tcase_create("command");

	suite_add_tcase(s, t);
	tcase_add_test(t, test_show);
	tcase_add_test(t, test_empty);
	tcase_add_test(t, test_invalid);
	tcase_add_test(t, test_set);
	tcase_add_test(t, test_fake);
	tcase_add_test(t, test_rights);
	tcase_add_test(t, test_long);
	tcase_add_test(t, test_long_value);
	tcase_add_test(t, test_noise);
	return run_suite(s);
}

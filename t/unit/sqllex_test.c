/* sqllex_test.c - texts and their tokens, one letter for each type. */
#include "worker/proto/sqllex.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const char letters[] = {
	[SQLLEX_BAD] = '!',
	[SQLLEX_IDENT] = 'i',
	[SQLLEX_QUOTED] = 'q',
	[SQLLEX_UQUOTED] = 'u',
	[SQLLEX_STRING] = 's',
	[SQLLEX_ESTRING] = 'e',
	[SQLLEX_USTRING] = 'v',
	[SQLLEX_BITS] = 'b',
	[SQLLEX_DOLLAR] = 'd',
	[SQLLEX_PARAM] = 'p',
	[SQLLEX_NUMBER] = 'n',
	[SQLLEX_OP] = 'o',
	[SQLLEX_SELF] = '.',
};

static const struct {
	const char *text;
	const char *want; /* letter and text of each, a blank between two */
	unsigned flags;
} lexed[] = {
	{ "", "" },
	{ " \t\n\r\f\v", "" },
	{ "-- only", "" },
	{ "/* only */", "" },
	{ "a--b\nc--d\re", "ia ic ie" },
	{ "a/* x /* y */ z */b", "ia ib" },
	{ "a/*/ */b", "ia ib" },
	{ "a/**/b/***/c", "ia ib ic" },
	{ "a/*'*/c'*/'", "ia ic s'*/'" },
	{ "a /* b", "ia !/* b" },
	{ "a /* /* */ b", "ia !/* /* */ b" },
	{ "a /*/", "ia !/*/" },
	/* words */
	{ "Ab_1$c d\xc3\xa9$ _x", "iAb_1$c id\xc3\xa9$ i_x" },
	{ "\"A b\" \"\"\"\" \"a\"\"b\"c", "q\"A b\" q\"\"\"\" q\"a\"\"b\" ic" },
	{ "\"a;", "!\"a;" },
	{ "U&\"d\" u&'x' u & 'x' u&x U&",
	    "uU&\"d\" vu&'x' iu o& s'x' iu o& ix "
	    "iU o&" },
	{ "U&\"a", "!U&\"a" },
	/* strings */
	{ "'a''b' 'c'", "s'a''b' s'c'" },
	{ "'a' 'b'", "s'a' s'b'" },
	{ "'a'\n'b'c", "s'a'\n'b' ic" },
	{ "'a' \n \n 'b' -- x'\n 'c'", "s'a' \n \n 'b' -- x'\n 'c'" },
	{ "'a' -- x\n'b'", "s'a' -- x\n'b'" },
	{ "'a' /* */ \n'b'", "s'a' s'b'" },
	{ "'a' --", "s'a'" },
	{ "'a' -\n'b'", "s'a' .- s'b'" },
	{ "'a\\' c'", "s'a\\' ic !'" },
	{ "'a\\' b'", "e'a\\' b'", SQLLEX_BACKSLASH },
	{ "E'\\'' e'a''\\\\' ae'\\'", "eE'\\'' ee'a''\\\\' iae s'\\'" },
	{ "E'a'\n'\\' b' c", "eE'a'\n'\\' b' ic" },
	{ "E'\\", "!E'\\" },
	{ "E'\\'", "!E'\\'" },
	{ "b'01' X'1f' N'x' xx'a'", "bb'01' bX'1f' iN s'x' ixx s'a'" },
	{ "'abc", "!'abc" },
	{ "'abc\n''", "!'abc\n''" },
	/* dollars */
	{ "$$a;'b$$ c", "d$$a;'b$$ ic" },
	{ "$a$ $b$ $$ $a $a$;", "d$a$ $b$ $$ $a $a$ .;" },
	{ "$a$ $b$a$", "d$a$ $b$a$" },
	{ "$A$ $a$", "!$A$ $a$" },
	{ "$\xc3\xa9$ ; $\xc3\xa9$", "d$\xc3\xa9$ ; $\xc3\xa9$" },
	{ "a$a$ b", "ia$a$ ib" },
	{ "$1 $23x $1$a$ $a$", "p$1 p$23 ix p$1 d$a$ $a$" },
	{ "$1a$ $ $a", "p$1 ia$ .$ .$ ia" },
	{ "$$", "!$$" },
	{ "$$$", "!$$$" },
	{ "$$$$", "d$$$$" },
	/* numbers */
	{ "1 2.5 .5 1. 1e5 1.e-5 .5E+3", "n1 n2.5 n.5 n1. n1e5 n1.e-5 n.5E+3" },
	{ "1..10", "n1 o.. n10" },
	{ "1e 1e+ 1into", "n1 ie n1 ie .+ n1 iinto" },
	{ "1e'\\''", "n1 ee'\\''" },
	{ "a.b . c", "ia .. ib .. ic" },
	/* operators */
	{ "a=-1 b@-1 c<=d e->>f",
	    "ia .= .- n1 ib o@- n1 ic o<= id ie o->> if" },
	{ "a*/*x*/b", "ia .* ib" },
	{ "a+--x\nb", "ia .+ ib" },
	{ "a@--x\nb", "ia o@ ib" },
	{ "a::b:=c:d => e", "ia o:: ib o:= ic .: id o=> ie" },
	{ "*+- <>- %+ ? ! ~", ".* .+ .- o<> .- o%+ o? o! o~" },
	{ "(a),[1];{}\\", ".( ia .) ., .[ n1 .] .; .{ .} .\\" },
};

/* The tokens of a text of just this length, which nothing may be read beyond. */
static void
show(const char *text, unsigned flags, char *to, size_t size)
{
	size_t len = strlen(text), n = 0;
	char *exact = malloc(len > 0 ? len : 1);
	struct sqllex_token t;
	struct sqllex l;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, text, len);
	sqllex_init(&l, exact, len, flags);
	to[0] = '\0';
	while (sqllex_next(&l, &t) != SQLLEX_END)
		n += (size_t)snprintf(to + n, size - n, "%s%c%.*s",
		    n > 0 ? " " : "", letters[t.type], (int)t.len, t.p);
	ck_assert_int_eq(sqllex_next(&l, &t), SQLLEX_END);
	ck_assert_ptr_eq(t.p, exact + len);
	free(exact);
}

START_TEST(test_tokens)
{
	char got[512];

	show(lexed[_i].text, lexed[_i].flags, got, sizeof(got));
	ck_assert_str_eq(got, lexed[_i].want);
}
END_TEST

START_TEST(test_ends_at_nul)
{
	struct sqllex_token t;
	struct sqllex l;

	sqllex_init(&l, "a\0b", 3, 0);
	ck_assert_int_eq(sqllex_next(&l, &t), SQLLEX_IDENT);
	ck_assert_int_eq(sqllex_next(&l, &t), SQLLEX_END);
	sqllex_init(&l, NULL, 0, 0);
	ck_assert_int_eq(sqllex_next(&l, &t), SQLLEX_END);
}
END_TEST

START_TEST(test_is_exact)
{
	struct sqllex l;

	sqllex_init(&l, "a\\b", 3, SQLLEX_UNSAFE);
	ck_assert(sqllex_is_exact(&l));
	sqllex_init(&l, "a\x83\\b", 4, SQLLEX_UNSAFE);
	ck_assert(!sqllex_is_exact(&l));
	sqllex_init(&l, "a\x83\\b", 4, 0);
	ck_assert(sqllex_is_exact(&l));
}
END_TEST

static struct sqllex_token
first(const char *text, unsigned flags)
{
	struct sqllex_token t;
	struct sqllex l;

	sqllex_init(&l, text, strlen(text), flags);
	sqllex_next(&l, &t);
	return t;
}

START_TEST(test_questions)
{
	struct sqllex_token t = first("SeT", 0);

	ck_assert(sqllex_is_word(&t, "set"));
	ck_assert(!sqllex_is_word(&t, "sets") && !sqllex_is_word(&t, "se"));
	ck_assert(sqllex_is_ident(&t) && !sqllex_is_string(&t));
	t = first("\"set\"", 0);
	ck_assert(!sqllex_is_word(&t, "set") && sqllex_is_ident(&t));
	t = first("::", 0);
	ck_assert(!sqllex_is_self(&t, ':'));
	t = first(":", 0);
	ck_assert(sqllex_is_self(&t, ':'));
	t = first("$$x$$", 0);
	ck_assert(sqllex_is_string(&t));
}
END_TEST

#define A20 "aaaaaaaaaaaaaaaaaaaa"
#define A63 A20 A20 A20 "aaa"

static const struct {
	const char *text;
	const char *want; /* NULL: -1 */
} names[] = {
	{ "AbC", "abc" },
	{ "\"AbC\"", "AbC" },
	{ "\"a\"\"\"\"b;\"", "a\"\"b;" },
	{ "\"\"", NULL },
	{ "\xc3\x89T", "\xc3\x89t" },
	{ "U&\"a\"", NULL },
	{ "'a'", NULL },
	{ "1", NULL },
	{ A63, A63 },
	{ A63 "b", A63 },
	{ "\"" A63 "bc\"", A63 },
	{ "\"" A20 A20 A20 "aa\xc3\xa9\"", NULL },
	{ "\"" A20 A20 A20 "a\xc3\xa9\"", A20 A20 A20 "a\xc3\xa9" },
};

START_TEST(test_name)
{
	struct sqllex_token t = first(names[_i].text, 0);
	char got[SQLLEX_NAME];
	int len = sqllex_name(&t, got);

	ck_assert_int_eq(
	    len, names[_i].want != NULL ? (int)strlen(names[_i].want) : -1);
	if (len != -1)
		ck_assert_str_eq(got, names[_i].want);
}
END_TEST

static const struct {
	const char *text;
	const char *want; /* NULL: -1 */
	unsigned flags;
} values[] = {
	{ "''", "" },
	{ "'a''b'", "a'b" },
	{ "''''", "'" },
	{ "'a\\n'", "a\\n" },
	{ "'a\\n'", "a\n", SQLLEX_BACKSLASH },
	{ "'a' -- it's\n 'b'", "ab" },
	{ "E'\\b\\f\\n\\r\\t\\\\\\'\\q'", "\b\f\n\r\t\\'q" },
	{ "E'\\101\\x42\\u0043\\U00000044\\x'", "ABCDx" },
	{ "E'a'\n'\\n'", "a\n" },
	{ "E'\\u00e9'", NULL },
	{ "E'\\000'", NULL },
	{ "E'\\v'", NULL },
	{ "$a$b$$c'$a$", "b$$c'" },
	{ "$$$$", "" },
	{ "U&'a'", NULL },
	{ "X'41'", NULL },
	{ "a", NULL },
	{ "'123456789'", "123456789" },
	{ "'1234567890'", NULL },
	{ "$$1234567890$$", NULL },
};

START_TEST(test_value)
{
	struct sqllex_token t = first(values[_i].text, values[_i].flags);
	char got[10];
	int len = sqllex_value(&t, got, sizeof(got));

	ck_assert_int_eq(
	    len, values[_i].want != NULL ? (int)strlen(values[_i].want) : -1);
	if (len != -1)
		ck_assert_str_eq(got, values[_i].want);
	ck_assert_int_eq(sqllex_value(&t, got, 0), -1);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof(*(table))))

int
main(void)
{
	Suite *s = suite_create("sqllex");
	TCase *tc = tcase_create("sqllex");

	tcase_add_loop_test(tc, test_tokens, 0, COUNT(lexed));
	tcase_add_test(tc, test_ends_at_nul);
	tcase_add_test(tc, test_is_exact);
	tcase_add_test(tc, test_questions);
	tcase_add_loop_test(tc, test_name, 0, COUNT(names));
	tcase_add_loop_test(tc, test_value, 0, COUNT(values));
	suite_add_tcase(s, tc);
	return run_suite(s);
}

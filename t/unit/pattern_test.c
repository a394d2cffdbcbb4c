/* pattern_test.c - names and patterns: what fits, what is refused. */
#include "conf/pattern.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const struct {
	const char *pattern, *name;
	bool fits;
} cases[] = {
	/* no pattern: the name itself */
	{ "app", "app", true },
	{ "app", "App", false },
	{ "app", "appx", false },
	{ "app", "", false },
	{ "", "", true },
	{ "a.c", "abc", false },
	{ "a/b", "a/b", true },
	{ "\\1", "\\1", true },
	/* searched for, unless it is bound */
	{ "/b", "abc", true },
	{ "/^b", "abc", false },
	{ "/^a", "abc", true },
	{ "/c$", "abc", true },
	{ "/b$", "abc", false },
	{ "/^abc$", "abc", true },
	{ "/^abc$", "abcd", false },
	{ "/^$", "", true },
	{ "/^$", "x", false },
	{ "/$", "x", true },
	{ "/.", "", false },
	/* operators */
	{ "/^a.c$", "abc", true },
	{ "/^a.c$", "ac", false },
	{ "/^ab*c$", "ac", true },
	{ "/^ab*c$", "abbbc", true },
	{ "/^ab+c$", "ac", false },
	{ "/^ab?c$", "abbc", false },
	{ "/^ab{2}c$", "abbc", true },
	{ "/^ab{2}c$", "abc", false },
	{ "/^ab{1,2}c$", "abbc", true },
	{ "/^ab{1,2}c$", "abbbc", false },
	{ "/^ab{2,}c$", "abbbbc", true },
	{ "/^ab{0}c$", "ac", true },
	{ "/^(a|b)+$", "abba", true },
	{ "/^(a|b)+$", "abca", false },
	{ "/^db_(prod|test)$", "db_test", true },
	{ "/^db_(prod|test)$", "db_testx", false },
	{ "/a|b", "xbx", true },
	{ "/^a|b$", "xb", true },
	{ "/^a|b$", "xbx", false },
	/* the case counts; so do blanks, commas, quotes */
	{ "/^a$", "A", false },
	{ "/^a b,\"c$", "a b,\"c", true },
	/* escapes */
	{ "/^a\\.c$", "a.c", true },
	{ "/^a\\.c$", "abc", false },
	{ "/^a\\\\c$", "a\\c", true },
	{ "/^\\$\\^\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|$", "$^*+?()[]{}|", true },
	{ "/^\\@\\-\\_$", "@-_", true },
	{ "/^\\d+$", "0123456789", true },
	{ "/^\\d+$", "12a", false },
	{ "/^\\D+$", "abc_", true },
	{ "/^\\D+$", "a1", false },
	{ "/^\\w+$", "aZ_09", true },
	{ "/^\\w+$", "a-b", false },
	{ "/^\\W$", "-", true },
	{ "/^\\W$", "_", false },
	{ "/^a\\sb$", "a b", true },
	{ "/^a\\sb$", "a\tb", true },
	{ "/^a\\Sb$", "a b", false },
	{ "/^a\\Sb$", "axb", true },
	/* brackets */
	{ "/^[abc]+$", "cab", true },
	{ "/^[a-c]+$", "cad", false },
	{ "/^[^a-c]$", "d", true },
	{ "/^[^a-c]$", "b", false },
	{ "/^[]a]+$", "a]", true },
	{ "/^[^]a]$", "]", false },
	{ "/^[a-]+$", "a-", true },
	{ "/^[[:digit:]x]+$", "1x2", true },
	{ "/^[[:digit:]x]+$", "1y2", false },
	{ "/^[[.-.]]$", "-", true },
	{ "/^[[=a=]]$", "a", true },
	{ "/^[a[]+$", "[a", true },
	{ "/^[\\d.]+$", "1.2", true },
	{ "/^[\\d.]+$", "d.", false },
	{ "/^[\\d.]+$", "\\", false },
	{ "/^[\\w-]+$", "a_1-b", true },
	{ "/^[\\w-]+$", "a b", false },
	{ "/^[^\\s]+$", "ab", true },
	{ "/^[^\\s]+$", "a b", false },
	{ "/^[\\.]$", ".", true },
	{ "/^[\\.]$", "\\", false },
	{ "/^[\\\\]$", "\\", true },
	{ "/^[*+?{}()|.$]+$", "*+?{}()|.$", true },
	/* a slash is no end */
	{ "/a/b", "xa/bx", true },
	{ "//x", "a/x", true },
	{ "//x", "x", false },
};

START_TEST(fits)
{
	struct pattern p;
	char why[192] = "";

	ck_assert_msg(pattern_init(&p, cases[_i].pattern, why) == 0, "%s: %s",
	    cases[_i].pattern, why);
	ck_assert_msg(pattern_has(&p, cases[_i].name) == cases[_i].fits,
	    "%s %s %s", cases[_i].pattern,
	    cases[_i].fits ? "does not fit" : "fits", cases[_i].name);
	pattern_fini(&p);
}
END_TEST

static const struct {
	const char *pattern, *why;
} refused[] = {
	{ "/", "empty" },
	{ "/(", "" },
	{ "/a\\", "a \\ at its end" },
	{ "/[a", "bracket" },
	{ "/[", "bracket" },
	{ "/[^", "bracket" },
	{ "/[]", "bracket" },
	{ "/[[:digit:]", "bracket" },
	{ "/[[:digit", "bracket" },
	{ "/[[:", "bracket" },
	{ "/[\\", "bracket" },
	{ "/[[:nosuch:]]", "" },
	{ "/[\\]]", "escape within brackets" },
	{ "/[\\^a]", "escape within brackets" },
	{ "/[\\D]", "escape within brackets" },
	{ "/[\\n]", "escape within brackets" },
	{ "/(a)\\1", "back references" },
	{ "/\\0", "back references" },
	{ "/\\m", "escapes" },
	{ "/\\yfoo", "escapes" },
	{ "/\\Afoo", "escapes" },
	{ "/\\n", "escapes" },
	{ "/\\b", "escapes" },
	{ "/\\<foo", NULL }, /* a < of its own */
	{ "/(?:a)", "(?" },
	{ "/(?=a)", "(?" },
	{ "/(?i)a", "(?" },
	{ "/***=a", "***" },
	{ "/a*?", "non-greedy" },
	{ "/a+?", "non-greedy" },
	{ "/a??", "non-greedy" },
	{ "/a{1,2}?", "non-greedy" },
	{ "/a**", "before a count" },
	{ "/a*+", "before a count" },
	{ "/a+{2}", "before a count" },
	{ "/*", "before a count" },
	{ "/+a", "before a count" },
	{ "/?", "before a count" },
	{ "/{2}", "before a count" },
	{ "/(*a)", "before a count" },
	{ "/a|*", "before a count" },
	{ "/^*", "before a count" },
	{ "/a$*", "before a count" },
	{ "/a{", "begins no count" },
	{ "/a{x}", "begins no count" },
	{ "/a{1", "begins no count" },
	{ "/a{,2}", "begins no count" },
	{ "/a{}", "begins no count" },
	{ "/a{2,1}", "" },
	{ "/a{99999}", "too often" },
	{ "/a{99999999999999999999999}", "too often" },
	{ "/((a{255}){255}){255}", "too often" },
	{ "/(a{100}){100}", "too often" },
};

START_TEST(refuses)
{
	struct pattern p;
	char why[192] = "";
	int rc = pattern_init(&p, refused[_i].pattern, why);

	if (refused[_i].why == NULL) {
		ck_assert_int_eq(rc, 0);
		ck_assert(pattern_has(&p, "a<foo"));
		ck_assert(!pattern_has(&p, "foo"));
		pattern_fini(&p);
		return;
	}
	ck_assert_msg(rc == -1, "%s was taken", refused[_i].pattern);
	ck_assert_msg(strstr(why, refused[_i].why) != NULL, "%s: %s",
	    refused[_i].pattern, why);
	ck_assert_ptr_null(p.re);
}
END_TEST

START_TEST(length)
{
	char text[PATTERN_MAX + 3], why[192];
	struct pattern p;

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	text[PATTERN_MAX + 1] = '\0';
	ck_assert_int_eq(pattern_init(&p, text, why), 0);
	ck_assert(pattern_has(&p, text + 1));
	pattern_fini(&p);
	text[PATTERN_MAX + 1] = 'a';
	text[PATTERN_MAX + 2] = '\0';
	ck_assert_int_eq(pattern_init(&p, text, why), -1);
	ck_assert_ptr_nonnull(strstr(why, "too long"));
	/* what grows most, as long as it may be */
	for (size_t i = 1; i < PATTERN_MAX; i += 2)
		memcpy(text + i, "\\W", 2);
	text[PATTERN_MAX + 1] = '\0';
	ck_assert_int_eq(pattern_init(&p, text, why), 0);
	pattern_fini(&p);
}
END_TEST

START_TEST(groups)
{
	struct pattern p;
	char why[192];
	long from;
	size_t len;

	ck_assert_int_eq(pattern_init(&p, "/^(.*)@(.*)$", why), 0);
	ck_assert_uint_eq(pattern_groups(&p), 2);
	ck_assert(pattern_capture(&p, "al@x", &from, &len));
	ck_assert_int_eq(from, 0);
	ck_assert_uint_eq(len, 2);
	ck_assert(pattern_capture(&p, "@x", &from, &len));
	ck_assert_int_eq(from, 0);
	ck_assert_uint_eq(len, 0);
	ck_assert(!pattern_capture(&p, "al", &from, &len));
	ck_assert_int_eq(from, -1);
	pattern_fini(&p);

	/* a group that took no part */
	ck_assert_int_eq(pattern_init(&p, "/^(x)?y$", why), 0);
	ck_assert(pattern_capture(&p, "y", &from, &len));
	ck_assert_int_eq(from, -1);
	ck_assert(pattern_capture(&p, "xy", &from, &len));
	ck_assert_int_eq(from, 0);
	pattern_fini(&p);

	ck_assert_int_eq(pattern_init(&p, "/y", why), 0);
	ck_assert_uint_eq(pattern_groups(&p), 0);
	ck_assert(pattern_capture(&p, "xyz", &from, &len));
	ck_assert_int_eq(from, -1);
	pattern_fini(&p);

	ck_assert_int_eq(pattern_init(&p, "name", why), 0);
	ck_assert_uint_eq(pattern_groups(&p), 0);
	ck_assert(pattern_capture(&p, "name", &from, &len));
	ck_assert_int_eq(from, -1);
	pattern_fini(&p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pattern");
	TCase *tc = tcase_create("pattern");

	tcase_add_loop_test(tc, fits, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_loop_test(tc, refuses, 0, sizeof(refused) / sizeof(*refused));
	tcase_add_test(tc, length);
	tcase_add_test(tc, groups);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

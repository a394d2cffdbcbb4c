/* lex_test.c - the grammar of the file, line by line, and hostile bytes. */
#include "conf/lex.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

/* The files that %include finds. */
static const struct lex_text shelf[] = {
	{ "a.ini", "x = 1\n[two]\ny = 2\n", 18 },
	{ "loop.ini", "%include loop.ini\n", 18 },
	{ "noend.ini", "z = 3", 5 },
	{ "empty.ini", "", 0 },
	{ "bomb.ini",
	    "%include bomb.ini\n%include bomb.ini\n%include bomb.ini\n"
	    "%include bomb.ini\n%include bomb.ini\n%include bomb.ini\n"
	    "%include bomb.ini\n%include bomb.ini\n%include bomb.ini\n",
	    162 },
};

static bool
find(void *arg, const char *name, struct lex_text *text)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(shelf) / sizeof(*shelf); i++) {
		if (strcmp(shelf[i].name, name) == 0) {
			*text = shelf[i];
			return true;
		}
	}
	return false;
}

/* All events of `bytes` as text: "S1[one] P2 one.key=value! F3". */
static void
run(const char *bytes, size_t len, char *out, size_t size)
{
	struct lex_text text = { "main.ini", bytes, len };
	struct lex_event ev;
	struct lex l;
	size_t n = 0;

	out[0] = '\0';
	lex_init(&l, &text, find, NULL);
	for (lex_next(&l, &ev); ev.kind != LEX_END; lex_next(&l, &ev)) {
		const char *from = strcmp(ev.file, "main.ini") == 0 ? "" : "+";

		ck_assert_uint_lt(n, size - 200);
		if (ev.kind == LEX_SECTION)
			n += (size_t)snprintf(out + n, size - n, "S%s%u[%s] ",
			    from, ev.line, ev.section);
		else if (ev.kind == LEX_PAIR)
			n += (size_t)snprintf(out + n, size - n,
			    "P%s%u %s.%s=%.60s! ", from, ev.line, ev.section,
			    ev.key, ev.value);
		else
			n += (size_t)snprintf(
			    out + n, size - n, "F%s%u ", from, ev.line);
	}
	/* the end stays the end */
	lex_next(&l, &ev);
	ck_assert_int_eq(ev.kind, LEX_END);
	lex_fini(&l);
}

static void
expect(const char *bytes, const char *want)
{
	char out[4096];

	run(bytes, strlen(bytes), out, sizeof(out));
	ck_assert_str_eq(out, want);
}

START_TEST(pairs)
{
	expect("", "");
	expect("\n\n  \n\t", "");
	expect("[s]\nkey = value\n", "S1[s] P2 s.key=value! ");
	expect("[s]\nkey=value", "S1[s] P2 s.key=value! ");
	expect("[s]\nkey= port=5 x = 'y'  ", "S1[s] P2 s.key=port=5 x = 'y'! ");
	expect("[s]\nkey =\n", "S1[s] P2 s.key=! ");
	expect("[s]\nkey\t=\tv v\t\n", "S1[s] P2 s.key=v v! ");
	expect("[s]\r\nkey = v\r\n", "S1[s] P2 s.key=v! ");
	expect("  [s]\n  a = 1\n\tb = 2", "S1[s] P2 s.a=1! P3 s.b=2! ");
	expect("a.b-c_D*9 = 1", "P1 .a.b-c_D*9=1! ");
	expect("* = host=x", "P1 .*=host=x! ");
	expect("k = v ; not a comment # nor this",
	    "P1 .k=v ; not a comment # nor this! ");
	expect("k = a=b=c", "P1 .k=a=b=c! ");
}
END_TEST

START_TEST(quoted_keys)
{
	expect("\"my db\" = x", "P1 .my db=x! ");
	expect("\"a\"\"b\"=x", "P1 .a\"b=x! ");
	expect("\"[x]\" = y", "P1 .[x]=y! ");
	expect("\"\" = y", "F1 ");
	expect("\"open = y\nk = v", "F1 P2 .k=v! ");
	expect("\"a\"\" = y", "F1 ");
	expect("\"", "F1 ");
}
END_TEST

START_TEST(comments)
{
	expect("; c\n# c\n  ; c\n\t# k = v\n", "");
	expect("[s] ; c\nk = v", "S1[s] P2 s.k=v! ");
	expect("[s] k = v\nl = w", "S1[s] P1 s.k=v! P2 s.l=w! ");
	expect("[s][t]", "S1[s] S1[t] ");
	expect("[s]", "S1[s] ");
	expect("[]\nk=v", "S1[] P2 .k=v! ");
	expect("[s]\na=1\n[t]\nb=2\n[s]\nc=3",
	    "S1[s] P2 s.a=1! S3[t] P4 t.b=2! S5[s] P6 s.c=3! ");
}
END_TEST

START_TEST(faults)
{
	expect("[open\nk = v", "F1 P2 .k=v! ");
	expect("just words\nk = v", "F1 P2 .k=v! ");
	expect("= v\nk = v", "F1 P2 .k=v! ");
	expect("k : v\nkey\nk = v", "F1 F2 P3 .k=v! ");
	expect("%include\nk = v", "F1 P2 .k=v! ");
	expect("%include \nk = v", "F1 P2 .k=v! ");
	expect("%included = x\n", "F1 ");
	expect("[0123456789012345678901234567890123456789012345678901234567"
	       "8901234567890]\n",
	    "F1 ");
	expect("caf\303\251 = 1", "F1 ");
}
END_TEST

START_TEST(includes)
{
	expect("[one]\n%include a.ini\nz = 3\n",
	    "S1[one] P+1 one.x=1! S+2[two] P+3 two.y=2! P3 two.z=3! ");
	expect("[s]\n  %include\tnoend.ini  \nk = v",
	    "S1[s] P+1 s.z=3! P3 s.k=v! ");
	expect("%include missing.ini\nk = v", "F1 P2 .k=v! ");
	expect("%include empty.ini\nk = v", "P2 .k=v! ");
	/* ten deep, then a fault, then all unwind */
	expect("%include loop.ini\nk = v", "F+1 P2 .k=v! ");
}
END_TEST

/* Nine times itself, ten deep: 3,486,784,401 files, if nobody counts. */
START_TEST(include_bomb)
{
	struct lex_text text = { "m", "%include bomb.ini\nk = v", 23 };
	unsigned bad = 0, good = 0;
	struct lex_event ev;
	struct lex l;

	lex_init(&l, &text, find, NULL);
	for (lex_next(&l, &ev); ev.kind != LEX_END; lex_next(&l, &ev)) {
		bad += ev.kind == LEX_FAULT;
		good += ev.kind == LEX_PAIR;
	}
	lex_fini(&l);
	ck_assert_uint_eq(good, 1);
	/* each line of the 1000 files that was no further file */
	ck_assert_uint_eq(bad, LEX_INCLUDES * 9 - (LEX_INCLUDES - 1));
}
END_TEST

START_TEST(no_finder)
{
	struct lex_text text = { "m", "%include a.ini\n", 15 };
	struct lex_event ev;
	struct lex l;

	lex_init(&l, &text, NULL, NULL);
	lex_next(&l, &ev);
	ck_assert_int_eq(ev.kind, LEX_FAULT);
	ck_assert_uint_eq(ev.line, 1);
	lex_next(&l, &ev);
	ck_assert_int_eq(ev.kind, LEX_END);
	lex_fini(&l);
}
END_TEST

START_TEST(hostile)
{
	static const char nul[] = "a = b\0c\nd = e\n";
	static const char bytes[] = " \t\n[]=\"%;#\0xinclude a.ini'\\\r\377";
	char out[65536], junk[300];
	size_t big = 3 << 20;
	char *huge = malloc(big);
	unsigned seed = 7;

	run(nul, sizeof(nul) - 1, out, sizeof(out));
	ck_assert_str_eq(out, "F1 P2 .d=e! ");

	/* a line of megabytes is a line */
	memset(huge, 'x', big);
	memcpy(huge, "[s]\nk=", 6);
	memcpy(huge + big - 6, "\nl=w\n\n", 6);
	run(huge, big, out, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, "S1[s] P2 s.k=xxx"));
	ck_assert_ptr_nonnull(strstr(out, "P3 s.l=w! "));
	memset(huge, '[', big);
	run(huge, big, out, sizeof(out));
	ck_assert_str_eq(out, "F1 ");
	memset(huge, '"', big - 1);
	run(huge, big - 1, out, sizeof(out));
	ck_assert_str_eq(out, "F1 ");
	free(huge);

	/* any bytes end in an end, and stay inside of their block */
	for (int round = 0; round < 3000; round++) {
		size_t len = 0;
		char *exact;

		do {
			seed = seed * 1103515245 + 12345;
			junk[len++] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
		} while (len < sizeof(junk) && (seed >> 8) % 60 != 0);
		exact = malloc(len);
		memcpy(exact, junk, len);
		run(exact, len, out, sizeof(out));
		free(exact);
	}
}
END_TEST

/* A text cut anywhere gives no event that the whole does not begin with. */
START_TEST(cut)
{
	static const char text[] =
	    "[s]\n\"q\"\"q\" = v\n; c\nkey = word word\n[t] x = 'y'\n";
	char out[4096];

	for (size_t n = 0; n < sizeof(text); n++) {
		char *exact = malloc(n == 0 ? 1 : n);

		memcpy(exact, text, n);
		run(exact, n, out, sizeof(out));
		ck_assert(n < 3 ? out[0] != 'S' : out[0] == 'S');
		free(exact);
	}
}
END_TEST

static void
expect_pairs(const char *text, const char *want, int end)
{
	char copy[256], out[512] = "", *p = copy, *key, *value;
	size_t n = 0;
	int more;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((more = lex_pair(&p, &key, &value)) == 1)
		n += (size_t)snprintf(
		    out + n, sizeof(out) - n, "%s=%s|", key, value);
	ck_assert_int_eq(more, end);
	ck_assert_str_eq(out, want);
}

START_TEST(entry_pairs)
{
	expect_pairs("", "", 0);
	expect_pairs("  \t", "", 0);
	expect_pairs("a=1", "a=1|", 0);
	expect_pairs(" a=1  b=2 ", "a=1|b=2|", 0);
	expect_pairs("a = 1 b\t=\t2", "a=1|b=2|", 0);
	expect_pairs("a='1 2' b=3", "a=1 2|b=3|", 0);
	expect_pairs("a='it''s' b=''", "a=it's|b=|", 0);
	expect_pairs("a='' b=2", "a=|b=2|", 0);
	expect_pairs("a='back\\slash'", "a=back\\slash|", 0);
	expect_pairs("a=it's", "a=it's|", 0);
	expect_pairs("a='1'b=2", "a=1|b=2|", 0);
	expect_pairs("a=", "a=|", 0);
	expect_pairs("a='''' ", "a='|", 0);
	expect_pairs("a='open", "", -1);
	expect_pairs("a='open''", "", -1);
	expect_pairs("a", "", -1);
	expect_pairs("x=1 a b", "x=1|", -1);
	expect_pairs("=1", "", -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lex");
	TCase *tc = tcase_create("lex");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pairs);
	tcase_add_test(tc, quoted_keys);
	tcase_add_test(tc, comments);
	tcase_add_test(tc, faults);
	tcase_add_test(tc, includes);
	tcase_add_test(tc, include_bomb);
	tcase_add_test(tc, no_finder);
	tcase_add_test(tc, hostile);
	tcase_add_test(tc, cut);
	tcase_add_test(tc, entry_pairs);
	return run_suite(s);
}

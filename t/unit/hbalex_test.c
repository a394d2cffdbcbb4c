/*
 * hbalex_test.c - the grammar of pg_hba.conf: lines, fields, tokens, files.
 *
 * A case's files are "name\1bytes\2name\1bytes..."; what comes out is written
 * as FILE:LINE[token,token][token]..., a quoted token with a ' before it.
 */
#include "conf/hbalex.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf_files files;
static struct conf_faults faults;
static char out[1 << 20];
static size_t len;

static void
say(const char *s)
{
	size_t n = strlen(s);

	if (n >= sizeof(out) - len)
		return;
	memcpy(out + len, s, n + 1);
	len += n;
}

static void
take(void *arg, const struct hbalex_line *line)
{
	char at[64];

	(void)arg;
	snprintf(at, sizeof(at), "%s:%u", line->file, line->line);
	say(at);
	for (size_t i = 0; i < line->n; i++) {
		say("[");
		for (size_t j = 0; j < line->f[i].n; j++) {
			say(j == 0 ? "" : ",");
			say(line->f[i].v[j].is_quoted ? "'" : "");
			say(line->f[i].v[j].text);
		}
		say("]");
	}
	say("\n");
}

static bool
find(void *arg, enum hbalex_what what, const char *name, struct lex_text *text)
{
	const struct conf_file *f = conf_files_find(&files, name);

	(void)arg;
	if (f == NULL && what == HBALEX_MAYBE) {
		*text = (struct lex_text){ .name = "", .bytes = "" };
		return true;
	}
	if (f == NULL || (what == HBALEX_DIR) != (strcmp(name, "D") == 0))
		return false;
	text->name = f->name;
	text->bytes = f->bytes;
	text->len = f->len;
	return true;
}

static const char *
run(void)
{
	struct arena arena;
	struct hbalex l = {
		.arena = &arena, .faults = &faults, .find = find, .take = take
	};

	arena_init(&arena);
	conf_faults_free(&faults);
	len = 0;
	out[0] = '\0';
	hbalex_run(&l, "h");
	arena_fini(&arena);
	return out;
}

/* An exact block each, so that a byte too far is seen. */
static void
add(const char *name, const char *bytes, size_t n)
{
	text_add_len(&files, name, bytes, n);
	free(files.v[files.count - 1].bytes);
	files.v[files.count - 1].bytes = malloc(n == 0 ? 1 : n);
	memcpy(files.v[files.count - 1].bytes, bytes, n);
}

static void
add_all(const char *text)
{
	char *copy = strdup(text), *rest = copy, *one, *bytes;

	conf_files_free(&files);
	while ((one = strsep(&rest, "\2")) != NULL) {
		bytes = strchr(one, '\1');
		*bytes++ = '\0';
		add(one, bytes, strlen(bytes));
	}
	free(copy);
}

static const struct {
	const char *files, *lines, *faults;
} cases[] = {
	{ "h\1", "", "" },
	{ "h\1\n\n  \n\t\r\n", "", "" },
	{ "h\1a", "h:1[a]\n", "" },
	{ "h\1a b\tc\n", "h:1[a][b][c]\n", "" },
	{ "h\1a\rb \r c\r\r\n", "h:1[a][b][c]\n", "" },
	{ "h\1a\\\r\r\nb\n", "h:1[ab]\n", "" },
	{ "h\1  a  b  \r\n", "h:1[a][b]\n", "" },
	{ "h\1\na\n\nb\n", "h:2[a]\nh:4[b]\n", "" },
	/* commas */
	{ "h\1a,b c", "h:1[a,b][c]\n", "" },
	{ "h\1a, b c", "h:1[a,b][c]\n", "" },
	{ "h\1a,,b c", "h:1[a,b][c]\n", "" },
	{ "h\1a, ,b c", "h:1[a,b][c]\n", "" },
	{ "h\1a ,b c", "h:1[a][b][c]\n", "" },
	{ "h\1,a b", "h:1[a][b]\n", "" },
	{ "h\1a,", "h:1[a]\n", "" },
	{ "h\1,", "", "" },
	/* quotes */
	{ "h\1\"a b\" c", "h:1['a b][c]\n", "" },
	{ "h\1\"a,b\",c", "h:1['a,b,c]\n", "" },
	{ "h\1\"a\"\"b\"", "h:1['a\"b]\n", "" },
	{ "h\1\"\"", "h:1[']\n", "" },
	{ "h\1\"\" a", "h:1['][a]\n", "" },
	{ "h\1\"\"\"\"", "h:1['\"]\n", "" },
	{ "h\1a\"b c\"d e", "h:1[ab cd][e]\n", "" },
	{ "h\1a=\"b c\",d", "h:1[a=b c,d]\n", "" },
	{ "h\1\"a\"b", "h:1['ab]\n", "" },
	{ "h\1\"a#b\" c#d e", "h:1['a#b][c]\n", "" },
	{ "h\1\"all\" all", "h:1['all][all]\n", "" },
	{ "h\1\"a", "", "h:1: a quote is not closed\n" },
	{ "h\1a \"b\"\"\nc", "h:2[c]\n", "h:1: a quote is not closed\n" },
	{ "h\1\"", "", "h:1: a quote is not closed\n" },
	{ "h\1a \"b # c\nd", "h:2[d]\n", "h:1: a quote is not closed\n" },
	/* comments */
	{ "h\1# a\n  #b\na # c\nd#e\n", "h:3[a]\nh:4[d]\n", "" },
	{ "h\1a,#b\nc", "h:1[a]\nh:2[c]\n", "" },
	{ "h\1# \"not a quote\na", "h:2[a]\n", "" },
	/* joined lines */
	{ "h\1a \\\nb\nc", "h:1[a][b]\nh:3[c]\n", "" },
	{ "h\1a\\\nb", "h:1[ab]\n", "" },
	{ "h\1a\\\r\nb\r\n", "h:1[ab]\n", "" },
	{ "h\1a \\\n\\\n b\nc", "h:1[a][b]\nh:4[c]\n", "" },
	{ "h\1# a \\\nb\nc", "h:3[c]\n", "" },
	{ "h\1a \\", "h:1[a]\n", "" },
	{ "h\1a \\\n", "h:1[a]\n", "" },
	{ "h\1a\\\\\n\nb", "h:1[a\\]\nh:3[b]\n", "" },
	{ "h\1a \\ \nb", "h:1[a][\\]\nh:2[b]\n", "" },
	{ "h\1\"a \\\nb\"", "h:1['a b]\n", "" },
	{ "h\1a\\b\nc", "h:1[a\\b]\nh:2[c]\n", "" },
	/* @files */
	{ "h\1@f x\2f\1a\nb,c d\n# e\n\"f g\"", "h:1[a,b,c,d,'f g][x]\n", "" },
	{ "h\1z,@f,y x\2f\1a", "h:1[z,a,y][x]\n", "" },
	{ "h\1@f x\2f\1", "h:1[][x]\n", "" },
	{ "h\1@f x\2f\1# none", "h:1[][x]\n", "" },
	{ "h\1\"@f\" @ \"@\"", "h:1['@f][@]['@]\n", "" },
	{ "h\1@\"a f\" x\2a f\1b", "h:1[b][x]\n", "" },
	{ "h\1@f x\2f\1@g,b\2g\1a", "h:1[a,b][x]\n", "" },
	{ "h\1a @no x\nb", "h:2[b]\n", "h:1: cannot read \"no\"\n" },
	{ "h\1@f x\2f\1@no", "", "f:1: cannot read \"no\"\n" },
	{ "h\1@f x\2f\1a\n\"b", "", "f:2: a quote is not closed\n" },
	{ "h\1@f x\2f\1include g\2g\1a", "h:1[include,g][x]\n", "" },
	{ "h\1@d/f x\2d/f\1@g\2d/g\1a\2g\1wrong", "h:1[a][x]\n", "" },
	{ "h\1@d/f x\2d/f\1@/g\2d/g\1wrong\2/g\1a", "h:1[a][x]\n", "" },
	/* includes */
	{ "h\1a\ninclude f\nb\2f\1c\nd", "h:1[a]\nf:1[c]\nf:2[d]\nh:3[b]\n",
	    "" },
	{ "h\1include d/f\2d/f\1include g\2d/g\1a", "d/g:1[a]\n", "" },
	{ "h\1include \"a f\"\2a f\1b", "a f:1[b]\n", "" },
	{ "h\1include no\nb", "h:2[b]\n", "h:1: cannot read \"no\"\n" },
	{ "h\1include_if_exists no\nb", "h:2[b]\n", "" },
	{ "h\1include_if_exists f\nb\2f\1a", "f:1[a]\nh:2[b]\n", "" },
	{ "h\1include_dir D\2D\1a.conf\nb.conf\n\2D/a.conf\1a\2D/b.conf\1b",
	    "D/a.conf:1[a]\nD/b.conf:1[b]\n", "" },
	{ "h\1include_dir D\nc\2D\1a.conf\n", "h:2[c]\n",
	    "h:1: cannot read \"D/a.conf\"\n" },
	{ "h\1include_dir no\nb", "h:2[b]\n", "h:1: cannot read \"no\"\n" },
	{ "h\1include\nb", "h:2[b]\n",
	    "h:1: an include has one name behind it\n" },
	{ "h\1include f g\2f\1a", "",
	    "h:1: an include has one name behind it\n" },
	{ "h\1include f,g\2f\1a", "",
	    "h:1: an include has one name behind it\n" },
	{ "h\1include \"\"", "", "h:1: an include has one name behind it\n" },
	{ "h\1\"include\" f\2f\1a", "h:1['include][f]\n", "" },
	{ "h\1included f\2f\1a", "h:1[included][f]\n", "" },
	{ "h\1include f\2f\1\"a", "", "f:1: a quote is not closed\n" },
	/* bytes that are none of ASCII */
	{ "h\1\xc3\xa4 \xff\xfe", "h:1[\xc3\xa4][\xff\xfe]\n", "" },
	{ "h\1a\vb\fc", "h:1[a\vb\fc]\n", "" },
};

START_TEST(grammar)
{
	add_all(cases[_i].files);
	ck_assert_str_eq(run(), cases[_i].lines);
	ck_assert_str_eq(text_faults(&faults), cases[_i].faults);
}
END_TEST

START_TEST(no_file)
{
	conf_files_free(&files);
	run();
	ck_assert_str_eq(out, "");
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_str_eq(faults.v[0].file, "h");
	ck_assert_ptr_nonnull(strstr(faults.v[0].text, "cannot be read"));
}
END_TEST

START_TEST(nul_bytes)
{
	conf_files_free(&files);
	add("h", "a\0b\nc\n@f x\nd \\\ne\0\nf", 19);
	add("f", "a\nb\0", 4);
	ck_assert_str_eq(run(), "h:2[c]\nh:6[f]\n");
	ck_assert_str_eq(text_faults(&faults),
	    "h:1: a NUL byte in the line\n"
	    "f:2: a NUL byte in the line\n"
	    "h:4: a NUL byte in the line\n");
}
END_TEST

/* Files that name themselves end, and soon, however often they do it. */
START_TEST(loops)
{
	char many[8000] = "";

	add_all("h\1a\ninclude h\nb");
	run();
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_ptr_nonnull(strstr(faults.v[0].text, "include one another"));

	add_all("h\1@h");
	run();
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_ptr_nonnull(strstr(faults.v[0].text, "include one another"));

	for (int i = 0; i < 500; i++)
		strcat(many, "include h\n");
	conf_files_free(&files);
	add("h", many, strlen(many));
	run();
	ck_assert_ptr_nonnull(
	    strstr(text_faults(&faults), "include one another"));
	ck_assert_uint_gt(faults.faults, 900);
	ck_assert_uint_lt(faults.faults, 2000000);

	many[0] = '\0';
	for (int i = 0; i < 500; i++)
		strcat(many, "a,@f,");
	conf_files_free(&files);
	add("h", "@f x", 4);
	add("f", many, strlen(many));
	run();
	ck_assert_uint_ge(faults.faults, 1);
	ck_assert_str_eq(out, "");
}
END_TEST

/* Ten deep is allowed, one more is not. */
START_TEST(depth)
{
	char name[8], bytes[32];

	for (int deep = HBALEX_DEPTH; deep <= HBALEX_DEPTH + 1; deep++) {
		conf_files_free(&files);
		for (int i = 0; i <= deep; i++) {
			snprintf(name, sizeof(name), "h%.0d", i);
			snprintf(bytes, sizeof(bytes),
			    i == deep ? "end" : "include h%d", i + 1);
			add(name, bytes, strlen(bytes));
		}
		run();
		ck_assert_uint_eq(faults.faults, deep > HBALEX_DEPTH);
		ck_assert_str_eq(
		    out, deep > HBALEX_DEPTH ? "" : "h10:1[end]\n");
	}
}
END_TEST

/* Three times itself, ten deep, would be 88,573 files. */
START_TEST(many_files)
{
	static const char bomb[] = "include h\ninclude h\ninclude h\nend";
	char *flat = malloc(3 * HBALEX_FILES + 1);

	conf_files_free(&files);
	add("h", bomb, strlen(bomb));
	run();
	ck_assert_uint_lt(faults.faults, 3 * HBALEX_FILES);

	for (int i = 0; i < HBALEX_FILES; i++)
		memcpy(flat + (size_t)i * 3, "@f\n", 4);
	conf_files_free(&files);
	add("h", flat, (size_t)3 * HBALEX_FILES);
	add("f", "x", 1);
	run();
	free(flat);
	/* with "h" itself it was one too many */
	ck_assert_uint_eq(faults.faults, 1);
	ck_assert_str_eq(faults.v[0].text, "too many files, repeats counted");
	ck_assert_uint_eq(faults.v[0].line, HBALEX_FILES);
}
END_TEST

/* So many lines and no more, whatever stands in them. */
START_TEST(many_lines)
{
	char *empty = malloc(HBALEX_MAX + 1);

	memset(empty, '\n', HBALEX_MAX + 1);
	for (int more = 0; more < 2; more++) {
		conf_files_free(&files);
		add("h", empty, (size_t)HBALEX_MAX + more);
		run();
		ck_assert_uint_eq(faults.faults, more);
	}
	free(empty);
	ck_assert_str_eq(
	    faults.v[0].text, "too many lines and names, repeats counted");
}
END_TEST

/* Every file of the table, cut at every byte: nothing breaks. */
START_TEST(torn)
{
	const char *all = cases[_i].files;
	size_t n;

	add_all(all);
	for (size_t i = 0; i < files.count; i++) {
		struct conf_file *f = &files.v[i];
		char *whole = malloc(f->len + 1);

		n = f->len;
		memcpy(whole, f->bytes, n);
		for (size_t cut = 0; cut < n; cut++) {
			free(f->bytes);
			f->bytes = malloc(cut == 0 ? 1 : cut);
			memcpy(f->bytes, whole, cut);
			f->len = cut;
			run();
			ck_assert_uint_le(len, sizeof(out));
		}
		free(f->bytes);
		f->bytes = whole;
		f->len = n;
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hbalex");
	TCase *tc = tcase_create("hbalex");
	int n = sizeof(cases) / sizeof(*cases);

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, grammar, 0, n);
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, nul_bytes);
	tcase_add_test(tc, loops);
	tcase_add_test(tc, depth);
	tcase_add_test(tc, many_files);
	tcase_add_test(tc, many_lines);
	tcase_add_loop_test(tc, torn, 0, n);
	return run_suite(s);
}

/*
 * sample_test.c - conf/pooler.conf is what the table of settings says.
 *
 * `sample_test --write > conf/pooler.conf` renews it after a change there.
 */
#include "conf/sample.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "conf/conf.h"
#include "conf/keys.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static char *
made(size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(sample_write(f), 0);
	fclose(f);
	return text;
}

START_TEST(in_repository)
{
	size_t len, n;
	char *want = made(&len), *have = calloc(1, len + 2);
	FILE *f = fopen("conf/pooler.conf", "r");

	ck_assert_msg(f != NULL, "run from the repository's root");
	n = fread(have, 1, len + 1, f);
	fclose(f);
	ck_assert_msg(n == len && memcmp(have, want, len) == 0,
	    "conf/pooler.conf is not what the table says: renew it with "
	    "build/t/unit/sample_test --write > conf/pooler.conf");
	free(have);
	free(want);
}
END_TEST

/* As it is it loads, and changes nothing. */
START_TEST(loads)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c;
	size_t len;
	char *text = made(&len);

	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add_len(&files, "pooler.conf", text, len);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	for (size_t i = 0; i < keys_n_global; i++)
		if (strcmp(keys_global[i].name, "workers") != 0 &&
		    strcmp(keys_global[i].name, "conffile") != 0)
			ck_assert_msg(!keys_is_changed(&keys_global[i], c),
			    "%s", keys_global[i].name);
	conf_free(c);
	conf_files_free(&files);
	conf_faults_free(&faults);
	free(text);
}
END_TEST

/* With every setting and example put in force it loads, and is the same. */
START_TEST(uncommented)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c;
	size_t len, n = 0;
	char *text = made(&len);

	for (size_t i = 0; i < len; i++) {
		bool is_start = i == 0 || text[i - 1] == '\n';

		if (is_start && text[i] == ';' && text[i + 1] != ';')
			continue;
		text[n++] = text[i];
	}
	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add_len(&files, "pooler.conf", text, n);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(c->n_dbs, 3);
	ck_assert_uint_eq(c->n_user_rows, 1);
	ck_assert_uint_eq(c->n_peers, 2);
	for (size_t i = 0; i < keys_n_global; i++)
		if (strcmp(keys_global[i].name, "workers") != 0 &&
		    strcmp(keys_global[i].name, "conffile") != 0)
			ck_assert_msg(!keys_is_changed(&keys_global[i], c),
			    "%s", keys_global[i].name);
	conf_free(c);
	conf_files_free(&files);
	conf_faults_free(&faults);
	free(text);
}
END_TEST

START_TEST(every_key_and_no_long_line)
{
	size_t len;
	char *text = made(&len), row[80];

	for (int scope = 0; scope < KEY_SCOPES; scope++) {
		size_t n;
		const struct conf_key *keys = keys_of(scope, &n);

		for (size_t i = 0; i < n; i++) {
			snprintf(row, sizeof(row),
			    scope == KEY_GLOBAL ? "\n;%s =" : "\n;;   %s ",
			    keys[i].name);
			ck_assert_msg(
			    strstr(text, row) != NULL, "%s", keys[i].name);
		}
	}
	for (char *p = text; *p != '\0'; p += strcspn(p, "\n") + 1)
		if (strncmp(p, ";;", 2) == 0)
			ck_assert_msg(strcspn(p, "\n") <= 80, "%.90s", p);
	free(text);
}
END_TEST

START_TEST(full_disk)
{
	FILE *f = fopen("/dev/full", "w");

	/* only Linux has one */
	if (f == NULL)
		return;
	ck_assert_int_eq(sample_write(f), -1);
	fclose(f);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s;
	TCase *tc;

	if (argc == 2 && strcmp(argv[1], "--write") == 0)
		return sample_write(stdout) == 0 ? 0 : 1;
	s = suite_create("sample");
	tc = tcase_create("sample");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, in_repository);
	tcase_add_test(tc, loads);
	tcase_add_test(tc, uncommented);
	tcase_add_test(tc, every_key_and_no_long_line);
	tcase_add_test(tc, full_disk);
	return run_suite(s);
}

/*
 * driver.c - the corpus of one fuzz target as plain tests: FILE_corpus DIR...
 *
 * Each file of the directories is a test, in a process of its own: whole, and
 * cut off behind each of its first bytes, since a torn message is what a
 * parser meets most.  A directory without a file is a failure: nothing would
 * have been tested.
 */
#include "t/fuzz/fuzz.h"

#include <check.h>
#include <dirent.h>
#include <sys/stat.h>

enum {
	CUTS = 512,         /* places where it is cut off */
	FILE_MAX = 1 << 20, /* bytes of a file */
	LIMIT_S = 20
};

static char **names;
static size_t count;

static void
add(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	struct stat st;
	char *path = malloc(size), **more;

	MUST(path != NULL);
	snprintf(path, size, "%s/%s", dir, name);
	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode)) {
		free(path);
		return;
	}
	more = realloc(names, (count + 1) * sizeof(*names));
	MUST(more != NULL);
	names = more;
	names[count++] = path;
}

static void
add_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (d == NULL) {
		perror(dir);
		exit(2);
	}
	while ((e = readdir(d)) != NULL)
		add(dir, e->d_name);
	closedir(d);
}

static uint8_t *
read_all(const char *path, size_t *size)
{
	uint8_t *bytes = malloc(FILE_MAX);
	FILE *f = fopen(path, "rb");

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(bytes);
	*size = fread(bytes, 1, FILE_MAX, f);
	ck_assert_uint_lt(*size, FILE_MAX);
	fclose(f);
	return bytes;
}

/* Of its own length, as libFuzzer gives it. */
static void
run(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = fuzz_copy(bytes, size);

	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

START_TEST(test_file)
{
	size_t size;
	uint8_t *bytes = read_all(names[_i], &size);

	run(bytes, size);
	for (size_t i = 0; i < size && i < CUTS; i++)
		run(bytes, i);
	free(bytes);
}
END_TEST

START_TEST(test_there_is_a_corpus)
{
	ck_assert_uint_gt(count, 0);
}
END_TEST

/* A case for each file, so that a report names it. */
static void
add_case(Suite *s, size_t i)
{
	TCase *tc = tcase_create(names[i]);

	tcase_set_timeout(tc, LIMIT_S);
	tcase_add_loop_test(tc, test_file, (int)i, (int)i + 1);
	suite_add_tcase(s, tc);
}

int
main(int argc, char **argv)
{
	Suite *s = suite_create(argc > 1 ? argv[1] : "corpus");
	TCase *tc = tcase_create("corpus");
	SRunner *r;
	int failed;

	for (int i = 1; i < argc; i++)
		add_all(argv[i]);
	tcase_add_test(tc, test_there_is_a_corpus);
	suite_add_tcase(s, tc);
	for (size_t i = 0; i < count; i++)
		add_case(s, i);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

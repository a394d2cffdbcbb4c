/*
 * conf_fuzz.c - a whole configuration, and its way to the children.
 *
 * Form feeds divide the input: the main file, the user file "users", and a
 * file "more" to include.
 */
#include "conf/conf.h"

#include <unistd.h>
#include "conf/compat.h"
#include "t/fuzz/fuzz.h"

static void
put(struct conf_files *files, const char *name, const uint8_t **data,
    size_t *size)
{
	const uint8_t *part;
	size_t len = fuzz_part(data, size, '\f', &part);

	MUST(conf_files_put(files, name, (const char *)part, len, NULL) == 0);
}

static void
check_pools(const struct conf *c)
{
	struct conf_pool p;
	const struct conf_db *db = conf_db_find(c, "shop");

	if (db == NULL)
		db = conf_db_auto(c);
	if (db != NULL)
		conf_pool_resolve(c, db, "app", false, &p);
	(void)conf_user_find(c, "app");
	(void)conf_peer_find(c, 1);
}

/* Both are the same settings, as SHOW CONFIG shows them. */
static void
check_same(const struct conf *a, const struct conf *b)
{
	struct conf_shown x, y;

	for (size_t i = 0; i < conf_show_count(); i++) {
		conf_show(a, i, &x);
		conf_show(b, i, &y);
		MUST(strcmp(x.key, y.key) == 0);
		MUST((x.value == NULL) == (y.value == NULL));
		MUST(x.value == NULL || strcmp(x.value, y.value) == 0);
	}
}

/* A child builds the same from what it gets. */
static void
check_again(const struct conf *c, const struct conf_files *files)
{
	int fd = compat_memfd("fuzz");
	struct conf_files there;
	struct conf_faults faults;
	struct conf *again;

	MUST(fd != -1);
	conf_files_init(&there);
	conf_faults_init(&faults);
	MUST(conf_files_save(files, fd, NULL) == 0);
	MUST(conf_files_restore(&there, fd, NULL) == 0);
	(void)close(fd);
	again = conf_load(&there, &faults);
	MUST(again != NULL);
	check_same(c, again);
	conf_free(again);
	conf_files_free(&there);
	conf_faults_free(&faults);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_faults faults;
	struct conf_files files;
	struct conf *c;

	conf_files_init(&files);
	conf_faults_init(&faults);
	put(&files, "main", &data, &size);
	put(&files, "users", &data, &size);
	put(&files, "more", &data, &size);
	c = conf_load(&files, &faults);
	MUST((c == NULL) == (faults.faults > 0));
	for (size_t i = 0; i < faults.count; i++) {
		MUST(faults.v[i].file != NULL);
		MUST_END(faults.v[i].text);
	}
	if (c != NULL) {
		check_pools(c);
		check_again(c, &files);
	}
	conf_free(c);
	conf_files_free(&files);
	conf_faults_free(&faults);
	return 0;
}

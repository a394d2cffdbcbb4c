/* snapshot_test.c - files to a descriptor and back; torn and forged ones. */
#include "conf/files.h"

#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/compat.h"
#include "conf/conf.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf_files files, back;
static struct err e;
static int fd;

static void
setup(void)
{
	conf_files_init(&files);
	conf_files_init(&back);
	err_clear(&e);
	fd = compat_memfd("snapshot_test");
	ck_assert_int_ne(fd, -1);
	text_add_len(&files, "main.ini", "a\0b\n", 4);
	text_add(&files, "users", "\"u\" \"secret\"\n");
	text_add(&files, "empty", "");
	conf_files_pin(&files, CONF_PIN_UNSET, "verbose", "1", NULL);
	conf_files_pin(&files, CONF_PIN_KEEP, "listen_port", "7000", NULL);
	conf_files_pin(&files, CONF_PIN_SET, "user", "", NULL);
}

static void
teardown(void)
{
	conf_files_free(&files);
	conf_files_free(&back);
	close(fd);
}

static void
ck_same(const struct conf_files *a, const struct conf_files *b)
{
	ck_assert_uint_eq(a->count, b->count);
	ck_assert_uint_eq(a->bytes, b->bytes);
	for (size_t i = 0; i < a->count; i++) {
		ck_assert_str_eq(a->v[i].name, b->v[i].name);
		ck_assert_uint_eq(a->v[i].len, b->v[i].len);
		ck_assert_mem_eq(a->v[i].bytes, b->v[i].bytes, a->v[i].len + 1);
	}
	ck_assert_uint_eq(a->n_pins, b->n_pins);
	for (size_t i = 0; i < a->n_pins; i++) {
		ck_assert_int_eq(a->pins[i].how, b->pins[i].how);
		ck_assert_str_eq(a->pins[i].key, b->pins[i].key);
		ck_assert_str_eq(a->pins[i].value, b->pins[i].value);
	}
}

START_TEST(round_trip)
{
	ck_assert_int_eq(conf_files_save(&files, fd, &e), 0);
	ck_assert_int_eq(conf_files_restore(&back, fd, &e), 0);
	ck_same(&files, &back);
	/* the position is nobody's, so another process can do the same */
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
	ck_assert_int_eq(lseek(fd, 5, SEEK_SET), 5);
	conf_files_free(&back);
	ck_assert_int_eq(conf_files_restore(&back, fd, &e), 0);
	ck_same(&files, &back);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 5);
}
END_TEST

/* A shorter snapshot over a longer one leaves no tail. */
START_TEST(over_another)
{
	struct conf_files small;

	ck_assert_int_eq(conf_files_save(&files, fd, &e), 0);
	conf_files_init(&small);
	text_add(&small, "s", "");
	ck_assert_int_eq(conf_files_save(&small, fd, &e), 0);
	ck_assert_int_eq(conf_files_restore(&back, fd, &e), 0);
	ck_same(&small, &back);
	conf_files_free(&small);
}
END_TEST

START_TEST(nothing_in_it)
{
	struct conf_files none;

	conf_files_init(&none);
	ck_assert_int_eq(conf_files_save(&none, fd, &e), 0);
	ck_assert_int_eq(conf_files_restore(&back, fd, &e), 0);
	ck_assert_uint_eq(back.count, 0);
	ck_assert_uint_eq(back.n_pins, 0);
}
END_TEST

START_TEST(bad_descriptors)
{
	int ro = open("/dev/null", O_RDONLY);

	ck_assert_int_eq(conf_files_save(&files, ro, &e), -1);
	ck_assert_int_eq(conf_files_restore(&back, ro, &e), -1);
	close(ro);
	ck_assert_int_eq(conf_files_save(&files, ro, &e), -1);
	ck_assert_int_eq(conf_files_restore(&back, ro, &e), -1);
	/* sparse and larger than anything that was saved */
	ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
	ck_assert_int_eq(conf_files_restore(&back, fd, &e), -1);
	ck_assert_str_eq(e.log, "the snapshot is too large");
	ck_assert_uint_eq(back.count, 0);
}
END_TEST

/* The snapshot's bytes, for the tests that spoil them. */
static size_t
saved(char *bytes, size_t size)
{
	ssize_t n;

	ck_assert_int_eq(conf_files_save(&files, fd, &e), 0);
	n = pread(fd, bytes, size, 0);
	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, (ssize_t)size);
	return (size_t)n;
}

static int
restore_of(const char *bytes, size_t len)
{
	conf_files_free(&back);
	ck_assert_int_eq(pwrite(fd, bytes, len, 0), (ssize_t)len);
	ck_assert_int_eq(ftruncate(fd, (off_t)len), 0);
	return conf_files_restore(&back, fd, &e);
}

START_TEST(truncated)
{
	char bytes[1000];
	size_t len = saved(bytes, sizeof(bytes));

	for (size_t n = 0; n < len; n++) {
		ck_assert_int_eq(restore_of(bytes, n), -1);
		ck_assert_uint_eq(back.count, 0);
		ck_assert_ptr_null(back.v);
	}
	bytes[len] = 'x';
	ck_assert_int_eq(restore_of(bytes, len + 1), -1);
	ck_assert_int_eq(restore_of(bytes, len), 0);
	ck_same(&files, &back);
}
END_TEST

/* Each four bytes replaced by lengths near every edge: no read outside. */
START_TEST(forged_lengths)
{
	static const uint32_t edges[] = { 0, 1, 2, 3, 4, 1024, 1025, 65536,
		0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	char bytes[1000], copy[1000];
	size_t len = saved(bytes, sizeof(bytes));
	int refused = 0;

	for (size_t i = 0; i + 4 <= len; i++) {
		for (size_t k = 0; k < sizeof(edges) / sizeof(*edges); k++) {
			memcpy(copy, bytes, len);
			memcpy(copy + i, &edges[k], 4);
			if (restore_of(copy, len) == 0)
				continue;
			refused++;
			ck_assert_uint_eq(back.count, 0);
			ck_assert_str_eq(e.log, "the snapshot is torn");
		}
	}
	ck_assert_int_gt(refused, 500);
}
END_TEST

START_TEST(forged_content)
{
	char bytes[1000];
	size_t len = saved(bytes, sizeof(bytes));
	char *name = memmem(bytes, len, "main.ini", 8);
	char *value = memmem(bytes, len, "7000", 4);

	bytes[0] = 'P';
	ck_assert_int_eq(restore_of(bytes, len), -1);
	bytes[0] = 'p';
	ck_assert_int_eq(restore_of(bytes, len), 0);
	/* a NUL in a name or a value would make two strings of one */
	name[4] = '\0';
	ck_assert_int_eq(restore_of(bytes, len), -1);
	name[4] = '.';
	value[1] = '\0';
	ck_assert_int_eq(restore_of(bytes, len), -1);
	value[1] = '0';
	ck_assert_int_eq(restore_of(bytes, len), 0);
}
END_TEST

/* As a child gets its configuration: all of it, or none. */
START_TEST(a_configuration)
{
	struct conf *c;

	conf_files_free(&files);
	text_add(&files, "main.ini", "[pooler]\nmax_client_conn = 77\n");
	ck_assert_int_eq(conf_files_save(&files, fd, &e), 0);
	c = conf_restore(fd);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->max_client_conn, 77);
	conf_free(c);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	conf_files_free(&files);
	text_add(&files, "main.ini", "[pooler]\nmax_client_conn = many\n");
	ck_assert_int_eq(conf_files_save(&files, fd, &e), 0);
	ck_assert_ptr_null(conf_restore(fd));
	ck_assert_int_eq(ftruncate(fd, 20), 0);
	ck_assert_ptr_null(conf_restore(fd));
	ck_assert_ptr_null(conf_restore(-1));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("snapshot");
	TCase *tc = tcase_create("snapshot");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, over_another);
	tcase_add_test(tc, nothing_in_it);
	tcase_add_test(tc, bad_descriptors);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, forged_lengths);
	tcase_add_test(tc, forged_content);
	tcase_add_test(tc, a_configuration);
	return run_suite(s);
}

/* files_test.c - read from disk once: what, in which order, what is refused. */
#include "conf/files.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/run.h"
#include "t/unit/tempdir.h"

static struct conf_files files;
static struct err e;

/* Includes are relative to the directory. */
static void
setup(void)
{
	tempdir_enter("files_test");
	conf_files_init(&files);
	err_clear(&e);
}

static void
teardown(void)
{
	conf_files_free(&files);
	tempdir_leave();
}

START_TEST(all_files)
{
	put("main.ini",
	    "%include a.ini\n[pooler]\nauth_file = first\n"
	    "[databases]\nauth_file = not-this-one\n");
	put("a.ini", "%include b.ini\n%include b.ini\n");
	put("b.ini", "[pgbouncer]\nauth_file = zero\n");
	put("first", "\"a\" \"b\"\n");
	put("zero", "never read");
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.count, 4);
	ck_assert_str_eq(files.v[0].name, "main.ini");
	ck_assert_str_eq(conf_files_find(&files, "a.ini")->bytes,
	    "%include b.ini\n%include b.ini\n");
	ck_assert_ptr_nonnull(conf_files_find(&files, "b.ini"));
	ck_assert_str_eq(
	    conf_files_find(&files, "first")->bytes, "\"a\" \"b\"\n");
	ck_assert_ptr_null(conf_files_find(&files, "zero"));
	ck_assert_uint_eq(files.bytes,
	    files.v[0].len + files.v[1].len + files.v[2].len + files.v[3].len);
	/* the bytes are those of that moment */
	put("main.ini", "changed");
	ck_assert_ptr_nonnull(strstr(files.v[0].bytes, "auth_file = first"));
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), -1);
}
END_TEST

START_TEST(exact_bytes)
{
	FILE *f = fopen("main.ini", "w");

	ck_assert_uint_eq(fwrite("a\0b\r\n", 1, 5, f), 5);
	fclose(f);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.v[0].len, 5);
	ck_assert_mem_eq(files.v[0].bytes, "a\0b\r\n\0", 6);
	put("empty", "");
	ck_assert_int_eq(conf_files_add(&files, "empty", &e), 0);
	ck_assert_uint_eq(conf_files_find(&files, "empty")->len, 0);
}
END_TEST

START_TEST(what_is_missing)
{
	ck_assert_int_eq(conf_files_read(&files, "gone.ini", &e), -1);
	ck_assert_str_eq(e.log, "gone.ini: No such file or directory");
	conf_files_free(&files);
	/* other files are told later, with the rest that is wrong */
	put("main.ini", "[pooler]\n%include gone.ini\n%include here.ini\n");
	put("here.ini", "");
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.count, 2);
	ck_assert_ptr_null(conf_files_find(&files, "gone.ini"));
	conf_files_free(&files);
	put("main.ini", "[pooler]\nauth_file = gone\n");
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.count, 1);
}
END_TEST

START_TEST(what_is_no_file)
{
	char longer[5000];

	ck_assert_int_eq(mkdir("d", 0700), 0);
	ck_assert_int_eq(conf_files_read(&files, "d", &e), -1);
	ck_assert_str_eq(e.log, "d: not a regular file");
	/* a FIFO without a writer would hold up who opens it */
	ck_assert_int_eq(mkfifo("p", 0600), 0);
	ck_assert_int_eq(conf_files_read(&files, "p", &e), -1);
	ck_assert_int_eq(conf_files_read(&files, "/dev/zero", &e), -1);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(conf_files_read(&files, longer, &e), -1);
	ck_assert_uint_eq(files.count, 0);
}
END_TEST

START_TEST(loops_end)
{
	put("main.ini", "%include main.ini\n[pooler]\nauth_file = u\n");
	put("u", "x");
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.count, 2);
}
END_TEST

START_TEST(bounds)
{
	char name[16];

	put("big", "");
	ck_assert_int_eq(truncate("big", CONF_FILES_MAX_BYTES + 1), 0);
	ck_assert_int_eq(conf_files_read(&files, "big", &e), -1);
	ck_assert_str_eq(e.log, "big: too large");
	ck_assert_int_eq(truncate("big", CONF_FILES_MAX_BYTES / 2 + 1), 0);
	ck_assert_int_eq(conf_files_add(&files, "big", &e), 0);
	/* known by its name, it is read once */
	ck_assert_int_eq(conf_files_add(&files, "big", &e), 0);
	ck_assert_int_eq(link("big", "big2"), 0);
	ck_assert_int_eq(conf_files_add(&files, "big2", &e), -1);
	ck_assert_str_eq(e.log, "big2: the configuration is larger than 64 MB");
	conf_files_free(&files);
	for (int i = 0; i <= CONF_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(name, "");
		ck_assert_int_eq(conf_files_add(&files, name, &e),
		    i < CONF_FILES_MAX ? 0 : -1);
	}
}
END_TEST

START_TEST(pins)
{
	char name[16];

	ck_assert_int_eq(conf_files_pin(&files, CONF_PIN_SET, "k", "1", &e), 0);
	ck_assert_int_eq(
	    conf_files_pin(&files, CONF_PIN_UNSET, "k", "2", &e), 0);
	ck_assert_int_eq(
	    conf_files_pin(&files, CONF_PIN_SET, "k", "three", &e), 0);
	ck_assert_uint_eq(files.n_pins, 2);
	ck_assert_str_eq(files.pins[0].value, "three");
	ck_assert_str_eq(files.pins[1].value, "2");
	for (int i = 2; i <= CONF_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		ck_assert_int_eq(
		    conf_files_pin(&files, CONF_PIN_SET, name, "", &e),
		    i < CONF_FILES_MAX ? 0 : -1);
	}
}
END_TEST

/* Which auth_file is read: the pin that is set, the files, the other pin. */
START_TEST(pinned_auth_file)
{
	put("main.ini", "[pooler]\nauth_file = named\n");
	put("bare.ini", "[pooler]\n");
	put("named", "1");
	put("pinned", "2");
	conf_files_pin(&files, CONF_PIN_UNSET, "auth_file", "pinned", &e);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_ptr_nonnull(conf_files_find(&files, "named"));
	ck_assert_ptr_null(conf_files_find(&files, "pinned"));
	conf_files_free(&files);
	conf_files_pin(&files, CONF_PIN_UNSET, "auth_file", "pinned", &e);
	ck_assert_int_eq(conf_files_read(&files, "bare.ini", &e), 0);
	ck_assert_ptr_nonnull(conf_files_find(&files, "pinned"));
	conf_files_free(&files);
	conf_files_pin(&files, CONF_PIN_SET, "auth_file", "pinned", &e);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_ptr_nonnull(conf_files_find(&files, "pinned"));
	ck_assert_ptr_null(conf_files_find(&files, "named"));
	conf_files_free(&files);
	/* a pin that comes after the files were read */
	ck_assert_int_eq(conf_files_read(&files, "bare.ini", &e), 0);
	conf_files_pin(&files, CONF_PIN_UNSET, "auth_file", "pinned", &e);
	conf_files_read_named(&files);
	ck_assert_ptr_nonnull(conf_files_find(&files, "pinned"));
}
END_TEST

/* All that a TLS setting names travels along; a name means nothing elsewhere.
 */
START_TEST(tls_files)
{
	static const char *const keys[] = { "client_tls_key_file",
		"client_tls_cert_file", "client_tls_ca_file",
		"server_tls_key_file", "server_tls_cert_file",
		"server_tls_ca_file" };
	char text[1000] = "[databases]\nclient_tls_ca_file = not-this-one\n"
			  "[pgbouncer]\n";
	char name[64];

	put("not-this-one", "");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "%s = %s.pem\n", keys[i], keys[i]);
		snprintf(name, sizeof(name), "%s.pem", keys[i]);
		put(name, keys[i]);
	}
	put("main.ini", text);
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.count, 7);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		ck_assert_str_eq(files.v[i + 1].bytes, keys[i]);
}
END_TEST

static bool
keeps_what_is_refused(void)
{
	return conf_files_add(&files, "secret", &e) == -1 &&
	    conf_files_keep(&files, "secret", "old", 3) &&
	    strcmp(conf_files_find(&files, "secret")->bytes, "old") == 0 &&
	    !conf_files_keep(&files, "secret", "older", 5) &&
	    !conf_files_keep(&files, "open", "old", 3) &&
	    !conf_files_keep(&files, "gone", "old", 3) && files.count == 1;
}

/* A key that root alone may read is kept when root's rights are gone. */
START_TEST(kept_when_refused)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		puts("files: kept_when_refused needs root: not run");
		return;
	}
	put("secret", "new");
	put("open", "new");
	ck_assert_int_eq(chmod("secret", 0600), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert(!conf_files_keep(&files, "secret", "old", 3));
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) == 0 && keeps_what_is_refused() ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* --- one setting changes -------------------------------------------------- */

static const char *
bytes_of(const char *name)
{
	const struct conf_file *f = conf_files_find(&files, name);

	return f == NULL ? "(none)" : f->bytes;
}

static void
set(const char *key, const char *value)
{
	size_t refused = 77;

	ck_assert_int_eq(conf_files_set(&files, key, value, &refused, &e), 0);
	ck_assert_uint_eq(refused, 0);
}

/* Everything is there, was read, and has changed on the disk. */
static void
read_and_change(void)
{
	static const char *const names[] = { "ck", "ck2", "cc", "sk", "users",
		"users2", "hba", "hba2", "more", "ident" };

	put("main.ini",
	    "%include a.ini\n[pooler]\nclient_tls_key_file = ck\n"
	    "client_tls_cert_file = cc\nserver_tls_key_file = sk\n"
	    "auth_file = users\nauth_hba_file = hba\n"
	    "auth_ident_file = ident\n");
	put("a.ini", "[pgbouncer]\nlogfile = 1\n");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		put(names[i], "#old");
	put("hba", "#old\ninclude more\n");
	ck_assert_int_eq(conf_files_read(&files, "main.ini", &e), 0);
	ck_assert_uint_eq(files.count, 9);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		put(names[i], "#new");
	put("hba2", "#new\ninclude more\n");
	put("main.ini", "[pooler]\nauth_file = ck2\n");
	put("a.ini", "");
}

/* `v`: what each of these holds now, in this order. */
static void
expect(const char *const v[6])
{
	static const char *const names[] = { "ck", "cc", "sk", "users", "more",
		"ident" };

	for (size_t i = 0; i < 6; i++)
		ck_assert_msg(strcmp(bytes_of(names[i]), v[i]) == 0, "%s: %s",
		    names[i], bytes_of(names[i]));
	/* never these: they are for a reload */
	ck_assert_ptr_eq(conf_files_find(&files, "main.ini"), &files.v[0]);
	ck_assert_ptr_nonnull(strstr(files.v[0].bytes, "auth_file = users"));
	ck_assert_ptr_nonnull(strstr(bytes_of("a.ini"), "logfile"));
}

#define O "#old"
#define N "#new"

START_TEST(set_reads_what_it_must)
{
	static const char *const none[] = { O, O, O, O, O, O },
				 *const tls[] = { N, N, O, O, O, O },
				 *const users[] = { N, N, O, "(none)", O, O },
				 *const rules[] = { N, N, O, "(none)", N, N };

	read_and_change();
	set("pool_mode", "session");
	expect(none);
	ck_assert_uint_eq(files.count, 9);
	set("client_tls_sslmode", "require");
	expect(tls);
	set("auth_file", "users2");
	expect(users);
	ck_assert_str_eq(bytes_of("users2"), N);
	ck_assert_uint_eq(files.count, 9);
	set("auth_hba_file", "hba2");
	expect(rules);
	ck_assert_ptr_nonnull(strstr(bytes_of("hba2"), N));
	ck_assert_str_eq(bytes_of("hba"), "(none)");
	ck_assert_uint_eq(files.count, 9);
	/* the bytes are still counted right */
	set("auth_file", "");
	ck_assert_str_eq(bytes_of("users2"), "(none)");
	ck_assert_uint_eq(files.n_pins, 4);
}
END_TEST

START_TEST(set_names_another_file)
{
	size_t sum = 0;

	read_and_change();
	set("client_tls_key_file", "ck2");
	ck_assert_str_eq(bytes_of("ck2"), N);
	ck_assert_str_eq(bytes_of("ck"), "(none)");
	ck_assert_str_eq(bytes_of("cc"), N);
	ck_assert_str_eq(bytes_of("sk"), O);
	/* what is gone, is missing; what others need, is not */
	set("client_tls_key_file", "gone");
	ck_assert_str_eq(bytes_of("ck2"), "(none)");
	set("client_tls_key_file", "sk");
	set("client_tls_key_file", "ck");
	ck_assert_str_eq(bytes_of("sk"), N);
	/* nobody makes us forget the main file */
	set("auth_file", "main.ini");
	set("auth_file", "a.ini");
	set("auth_file", "users");
	ck_assert_str_eq(files.v[0].name, "main.ini");
	ck_assert_ptr_nonnull(conf_files_find(&files, "a.ini"));
	ck_assert_uint_eq(files.n_pins, 2);
	for (size_t i = 0; i < files.count; i++)
		sum += files.v[i].len;
	ck_assert_uint_eq(files.bytes, sum);
}
END_TEST

/* What root has read holds on; what is not needed does not. */
static int
set_refused(void)
{
	size_t refused;

	if (conf_files_set(
		&files, "client_tls_sslmode", "allow", &refused, &e) == -1 ||
	    refused != 1 || strcmp(bytes_of("ck"), O) != 0 ||
	    strcmp(bytes_of("cc"), N) != 0)
		return 1;
	if (conf_files_set(
		&files, "client_tls_key_file", "ck2", &refused, &e) == -1 ||
	    refused != 0 || strcmp(bytes_of("ck"), "(none)") != 0)
		return 2;
	return 0;
}

START_TEST(set_keeps_when_refused)
{
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		puts("files: set_keeps_when_refused needs root: not run");
		return;
	}
	read_and_change();
	ck_assert_int_eq(chmod("ck", 0600), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) == 0 ? set_refused() : 9);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

#undef O
#undef N

int
main(void)
{
	Suite *s = suite_create("files");
	TCase *tc = tcase_create("files");

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, all_files);
	tcase_add_test(tc, exact_bytes);
	tcase_add_test(tc, what_is_missing);
	tcase_add_test(tc, what_is_no_file);
	tcase_add_test(tc, loops_end);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, pins);
	tcase_add_test(tc, pinned_auth_file);
	tcase_add_test(tc, tls_files);
	tcase_add_test(tc, kept_when_refused);
	tcase_add_test(tc, set_reads_what_it_must);
	tcase_add_test(tc, set_names_another_file);
	tcase_add_test(tc, set_keeps_when_refused);
	return run_suite(s);
}

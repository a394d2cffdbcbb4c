/* conf_reload_test.c - one configuration replaces another that runs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/keys.h"
#include "conf/users.h"
#include "t/unit/confsim.h"

static struct conf *running;

/* `now` replaces what was loaded from `was`. */
static struct conf *
reload(const char *was, const char *now)
{
	running = good(was);
	conf_files_free(&files);
	text_add(&files, "main.ini", now);
	return conf_reload(running, &files, &faults);
}

START_TEST(reload_resets)
{
	struct conf *c = reload(
	    "[pooler]\nmax_client_conn = 7\nlogfile = /l\nverbose = 2\n"
	    "auth_user = au\nauth_dbname = ad\n[databases]\na = host=h\n",
	    "[pooler]\nserver_lifetime = 9\n[databases]\nb = host=h\n");

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	/* back to the default, unless that is "none" */
	ck_assert_int_eq(c->max_client_conn, 100);
	ck_assert_str_eq(c->logfile, "");
	ck_assert_int_eq(c->server_lifetime_ms, 9000);
	ck_assert_int_eq(c->verbose, 2);
	ck_assert_str_eq(c->auth_user, "au");
	ck_assert_str_eq(c->auth_dbname, "ad");
	ck_assert_ptr_null(conf_db_find(c, "a"));
	ck_assert_ptr_nonnull(conf_db_find(c, "b"));
	conf_free(running);
	conf_free(c);
}
END_TEST

START_TEST(reload_keeps)
{
	struct conf *c = reload("[pooler]\nlisten_port = 7000\nworkers = 2\n",
	    "[pooler]\nlisten_port = 7001\nworkers=5\nauth_user=new\n"
	    "unix_socket_mode = 0770\n");

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->listen_port, 7000);
	ck_assert_int_eq(c->workers, 2);
	ck_assert_int_eq(c->unix_socket_mode, 0777);
	ck_assert_str_eq(c->auth_user, "new");
	ck_assert_str_eq(text_faults(&faults),
	    "w main.ini:2: listen_port: a change needs a restart; it stays "
	    "\"7000\"\n"
	    "w main.ini:5: unix_socket_mode: a change needs a restart; it "
	    "stays \"511\"\n"
	    "w main.ini:3: workers: a change needs a restart; it stays "
	    "\"2\"\n");
	conf_free(running);
	conf_free(c);
	/* nothing to say where nothing differs */
	c = reload("[pooler]\nlisten_port = 7000\n",
	    "[pooler]\nlisten_port = 0x1b58\n");
	ck_assert_uint_eq(faults.count, 0);
	conf_free(running);
	conf_free(c);
}
END_TEST

START_TEST(reload_of_a_bad_file)
{
	ck_assert_ptr_null(reload("[pooler]\nmax_client_conn = 7\n",
	    "[pooler]\nmax_client_conn = x\n[databases]\na = frob=1\n"));
	ck_assert_uint_eq(faults.faults, 2);
	ck_assert_int_eq(running->max_client_conn, 7);
	conf_free(running);
}
END_TEST

/* A child born after a reload builds the same from the snapshot. */
START_TEST(reload_travels)
{
	struct conf *c =
	    reload("[pooler]\nlisten_port = 7000\nverbose = 1\nuser = u\n",
		"[pooler]\nlisten_port = 7001\nmax_client_conn = 3\n");
	struct conf_files child;
	struct conf *d;
	struct conf_shown x, y;
	int fd = compat_memfd("test");

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(conf_files_save(&files, fd, NULL), 0);
	ck_assert_int_eq(conf_files_restore(&child, fd, NULL), 0);
	conf_faults_free(&faults);
	d = conf_load(&child, &faults);
	ck_assert_ptr_nonnull(d);
	ck_assert_int_eq(d->listen_port, 7000);
	ck_assert_int_eq(d->verbose, 1);
	for (size_t i = 0; i < conf_show_count(); i++) {
		conf_show(c, i, &x);
		conf_show(d, i, &y);
		ck_assert_pstr_eq(x.value, y.value);
	}
	close(fd);
	conf_free(running);
	conf_free(c);
	conf_free(d);
	conf_files_free(&child);
}
END_TEST

START_TEST(reload_of_auth_file)
{
	char path[] = "/tmp/conf_reload_test.XXXXXX", text[100];
	struct conf *was, *c;
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, "\"a\" \"1\"\n", 8), 8);
	snprintf(text, sizeof(text), "[pooler]\nauth_file = %s\n", path);
	text_add(&files, "main.ini", text);
	conf_files_read_named(&files);
	was = conf_load(&files, &faults);
	ck_assert_str_eq(users_find(was->users, "a")->secret, "1");
	conf_files_free(&files);

	/* the key goes, the value stays, and the file is read anew */
	ck_assert_int_eq(pwrite(fd, "\"a\" \"2\"\n", 8, 0), 8);
	text_add(&files, "main.ini", "[pooler]\n");
	c = conf_reload(was, &files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_str_eq(c->auth_file, path);
	ck_assert_str_eq(users_find(c->users, "a")->secret, "2");
	conf_free(c);
	conf_files_free(&files);

	/* named as nothing, it is gone */
	text_add(&files, "main.ini", "[pooler]\nauth_file =\n");
	c = conf_reload(was, &files, &faults);
	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_null(c->users);
	conf_free(c);
	conf_free(was);
	close(fd);
	unlink(path);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("conf_reload");
	TCase *tc = conf_case(s, "conf_reload");

	tcase_add_test(tc, reload_resets);
	tcase_add_test(tc, reload_keeps);
	tcase_add_test(tc, reload_of_a_bad_file);
	tcase_add_test(tc, reload_travels);
	tcase_add_test(tc, reload_of_auth_file);
	return run_suite(s);
}

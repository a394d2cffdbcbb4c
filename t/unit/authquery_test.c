/*
 * authquery_test.c - every question is answered once and in time, whatever the
 * server does or does not.  The test is the main loop and the clock; servers
 * are sockets that refuse, or that listen and say nothing.
 */
#include "worker/resolver/authquery.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/log.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

enum { ME = 7 };

static uint64_t now_ms;
static struct conf *conf;
static struct msg answers[64];
static int nanswers;
static int server, port;

static void
on_answer(const struct msg *m)
{
	ck_assert_uint_eq(m->type, MSG_SECRET_IS);
	ck_assert_int_lt(nanswers, 64);
	answers[nanswers++] = *m;
}

/* A socket on 127.0.0.1; its port is known even when it does not listen. */
static void
make_server(bool listens)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_ne(server, -1);
	ck_assert_int_eq(
	    bind(server, (const struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(getsockname(server, (struct sockaddr *)&in, &len), 0);
	if (listens)
		ck_assert_int_eq(listen(server, 64), 0);
	port = ntohs(in.sin_port);
}

static struct conf *
load(const char *more)
{
	struct conf_files files;
	struct conf_faults faults;
	char settings[1024];
	struct conf *c;

	snprintf(settings, sizeof(settings),
	    "[pooler]\nauth_user = au\nserver_login_retry = 5\n%s\n"
	    "[databases]\na = host=127.0.0.1 port=%d\n"
	    "b = host=127.0.0.1 port=%d auth_dbname=nowhere\n",
	    more, port, port);
	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add(&files, "main.ini", settings);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	conf_files_free(&files);
	conf_faults_free(&faults);
	return c;
}

static int
look_up_well(const char *host, struct msg_addrs *out, char *why)
{
	(void)host;
	(void)why;
	memset(out, 0, sizeof(*out));
	out->n = 1;
	out->a[0].family = 4;
	out->a[0].addr[0] = 127;
	out->a[0].addr[3] = 1;
	return 0;
}

static void
begin(bool listens)
{
	struct err e;

	log_quiet(true);
	make_server(listens);
	conf = load("");
	nanswers = 0;
	now_ms = 1000000;
	ck_assert_int_eq(dns_open(look_up_well, 60000, &e), 0);
	authquery_open(ME, conf, on_answer);
}

static void
end(void)
{
	authquery_close();
	conf_free(conf);
	close(server);
}

static void
ask(uint32_t proc, uint64_t id, const char *bytes, size_t len)
{
	struct msg m = { .type = MSG_SECRET,
		.proc = (uint16_t)proc,
		.id = id,
		.len = (uint32_t)len };

	memcpy(m.text, bytes, len);
	authquery_ask(&m, now_ms);
}

/* As resolver.c does it; returns the connections that there are. */
static uint32_t
turn(int ms)
{
	struct pollfd p[1 + AUTHQUERY_ALL];
	struct dns_answer a;
	uint32_t n = authquery_poll(p + 1);

	p[0] = (struct pollfd){ .fd = dns_fd(), .events = POLLIN };
	(void)poll(p, 1 + n, ms);
	authquery_run(p + 1, n, now_ms);
	dns_clear();
	while (dns_take(now_ms, &a)) {
		ck_assert_uint_eq(a.proc, ME);
		authquery_on_name(&a, now_ms);
	}
	return authquery_poll(p + 1);
}

static void
await(int n)
{
	for (int i = 0; nanswers < n; i++) {
		ck_assert_int_lt(i, 1000);
		turn(10);
	}
	ck_assert_int_eq(nanswers, n);
}

START_TEST(no_question)
{
	char longest[MSG_TEXT];

	begin(false);
	memset(longest, 'x', sizeof(longest));
	ask(1, 1, "", 0);
	ask(1, 2, "a", 1);
	ask(1, 3, "a\0", 2);
	ask(1, 4, "\0joe", 4);
	ask(1, 5, "a\0joe\0", 6);
	ask(1, 6, longest, sizeof(longest));
	longest[1] = '\0';
	ask(1, 7, longest, sizeof(longest));
	/* nobody is asked for clients of this one */
	ask(1, 8, "x\0joe", 5);
	ck_assert_int_eq(nanswers, 8);
	for (int i = 0; i < 8; i++) {
		ck_assert_uint_eq(answers[i].id, (uint64_t)i + 1);
		ck_assert_uint_eq(answers[i].status, MSG_SECRET_UNKNOWN);
		ck_assert_uint_eq(answers[i].len, 0);
	}
	ask(1, 9, "b\0joe", 5);
	ck_assert_int_eq(nanswers, 9);
	ck_assert_uint_eq(answers[8].status, MSG_SECRET_FAILED);
	ck_assert_str_eq((const char *)answers[8].text, "08P01");
	ck_assert_uint_eq(turn(0), 0);
	end();
}
END_TEST

START_TEST(down_and_cached)
{
	begin(false);
	ask(1, 1, "a\0joe", 5);
	ask(2, 1, "a\0joe", 5);
	ask(1, 2, "a\0jim", 5);
	await(3);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(answers[i].status, MSG_SECRET_FAILED);
		ck_assert_str_eq((const char *)answers[i].text, "08006");
	}
	/* told at once, without another attempt */
	now_ms += 4900;
	ask(1, 3, "a\0joe", 5);
	ck_assert_int_eq(nanswers, 4);
	ck_assert_str_eq((const char *)answers[3].text, "08006");
	/* until it is time to try again */
	now_ms += 200;
	ask(1, 4, "a\0joe", 5);
	ck_assert_int_eq(nanswers, 4);
	await(5);
	end();
}
END_TEST

/* One connection is on its way for any number of questions, and all of them
 * are told when it does not come about. */
START_TEST(silent_server)
{
	char bytes[16];
	int n;

	begin(true);
	for (int i = 0; i < 20; i++) {
		n = snprintf(bytes, sizeof(bytes), "a_joe%d", i / 2);
		bytes[1] = '\0';
		ask(1, (uint64_t)i, bytes, (size_t)n);
		/* an impatient one */
		ask(1, (uint64_t)i, bytes, (size_t)n);
	}
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(turn(5), 1);
	ck_assert_int_eq(nanswers, 0);
	ck_assert_int_gt(authquery_wait_ms(now_ms), 0);
	ck_assert_int_le(authquery_wait_ms(now_ms), AUTHQUERY_LIMIT_MS);
	now_ms += AUTHQUERY_LIMIT_MS;
	ck_assert_int_eq(authquery_wait_ms(now_ms), 0);
	turn(0);
	ck_assert_int_eq(nanswers, 20);
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(answers[i].status, MSG_SECRET_FAILED);
		ck_assert_str_eq((const char *)answers[i].text, "08006");
	}
	ck_assert_uint_eq(turn(0), 0);
	ck_assert_int_eq(authquery_wait_ms(now_ms), -1);
	end();
}
END_TEST

/* A server that answers what no server would. */
START_TEST(garbage)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int fd;

	begin(true);
	ask(1, 1, "a\0joe", 5);
	for (int i = 0; i < 10; i++)
		turn(5);
	fd = accept(server, (struct sockaddr *)&in, &len);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(
	    send(fd, "R\xff\xff\xff\xff\0\0\0\0", 9, MSG_NOSIGNAL), 9);
	close(fd);
	await(1);
	ck_assert_uint_eq(answers[0].status, MSG_SECRET_FAILED);
	end();
}
END_TEST

/* What was asked under the old settings is answered; then there is nothing
 * left of them. */
START_TEST(other_settings)
{
	struct conf *was;

	begin(true);
	ask(1, 1, "a\0joe", 5);
	ck_assert_uint_eq(turn(5), 1);
	was = conf;
	conf = load("auth_dbname = a");
	authquery_conf(conf);
	conf_free(was);
	ck_assert_uint_eq(turn(5), 1);
	/* the same words, but another question now */
	ask(1, 2, "a\0joe", 5);
	for (int i = 0; i < 4; i++)
		turn(5);
	ck_assert_uint_eq(turn(5), 2);
	now_ms += AUTHQUERY_LIMIT_MS;
	turn(0);
	ck_assert_int_eq(nanswers, 2);
	ck_assert_uint_eq(turn(0), 0);
	end();
}
END_TEST

START_TEST(the_end)
{
	begin(true);
	ask(1, 1, "a\0joe", 5);
	turn(5);
	authquery_close();
	ck_assert_int_eq(nanswers, 1);
	ck_assert_uint_eq(answers[0].status, MSG_SECRET_FAILED);
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("authquery");
	TCase *t = tcase_create("authquery");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, no_question);
	tcase_add_test(t, down_and_cached);
	tcase_add_test(t, silent_server);
	tcase_add_test(t, garbage);
	tcase_add_test(t, other_settings);
	tcase_add_test(t, the_end);
	suite_add_tcase(s, t);
	return run_suite(s);
}

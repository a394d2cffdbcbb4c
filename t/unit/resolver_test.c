/*
 * resolver_test.c - the resolver process: started, asked, told to end.  The
 * test is its supervisor.
 */
#include "worker/child.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/log.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct chan mine;
static struct child_start start;
static int life[2];
static pid_t resolver;
static struct conf *conf;

static struct proc *
row(void)
{
	return proc_at(proc_resolver());
}

static void
await_running(void)
{
	for (int ms = 0; atomic_load(&row()->state) != PROC_RUNNING; ms++) {
		ck_assert_int_lt(ms, 10000);
		poll(NULL, 0, 1);
	}
}

/* A configuration, and its snapshot. */
static struct conf *
configure(const char *settings, int *fd)
{
	struct conf_files files;
	struct conf_faults faults;
	struct conf *c;
	struct err e;

	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add(&files, "main.ini", settings);
	c = conf_load(&files, &faults);
	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	if (fd != NULL) {
		*fd = compat_memfd("snapshot");
		ck_assert_int_ne(*fd, -1);
		ck_assert_int_eq(conf_files_save(&files, *fd, &e), 0);
	}
	conf_files_free(&files);
	conf_faults_free(&faults);
	return c;
}

static void
set_up(void)
{
	struct segment_sizes sizes = { .workers = 2,
		.slots = 16,
		.pools = 4,
		.dbs = 4,
		.users = 4,
		.clients = 16 };
	struct err e;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(segment_make(&sizes, &e) == 0, "%s", e.log);
	ck_assert_msg(bell_make(seg->nprocs, &e) == 0, "%s", e.log);
	ck_assert_int_eq(chan_pair(&mine, &start.chan, &e), 0);
	ck_assert_int_eq(compat_pipe(life), 0);
	start.me = proc_resolver();
	start.life = life[0];
	start.conf_number = 5;
	conf = configure("[databases]\na = host=127.0.0.1 port=1\n", NULL);
	start.conf = conf;
	resolver = fork();
	ck_assert_int_ne(resolver, -1);
	if (resolver == 0) {
		log_quiet(true);
		chan_close(&mine);
		close(life[1]);
		_exit(resolver_main(&start));
	}
	chan_close(&start.chan);
	await_running();
}

/* It must have ended by itself, well. */
static void
assert_ended(void)
{
	int status;
	pid_t pid;

	for (int ms = 0; (pid = waitpid(resolver, &status, WNOHANG)) == 0;
	     ms++) {
		ck_assert_int_lt(ms, 10000);
		poll(NULL, 0, 1);
	}
	ck_assert_int_eq(pid, resolver);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	resolver = 0;
}

static void
tear_down(void)
{
	if (resolver > 0) {
		kill(resolver, SIGKILL);
		waitpid(resolver, NULL, 0);
	}
	if (mine.fd != -1)
		chan_close(&mine);
	close(life[0]);
	if (life[1] != -1)
		close(life[1]);
	bell_drop();
	segment_drop();
	conf_free(conf);
}

static void
ask(uint64_t id, const void *host, size_t len)
{
	struct msg m = { .type = MSG_RESOLVE, .proc = 1, .arg = 5432 };

	m.id = id;
	m.len = (uint32_t)len;
	memcpy(m.text, host, len);
	ck_assert_int_eq(chan_send(&mine, &m, -1), 0);
}

static struct msg
await_answer(void)
{
	struct pollfd p = { .fd = mine.fd, .events = POLLIN };
	bool truncated;
	struct msg m;
	int fd;

	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert_int_eq(chan_recv(&mine, &m, &fd, &truncated), DONE);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(m.type, MSG_RESOLVED);
	ck_assert_uint_eq(m.proc, 1);
	return m;
}

START_TEST(a_name_is_looked_up)
{
	struct msg_addrs addrs;
	struct msg m;

	ask(77, "localhost", 9);
	m = await_answer();
	ck_assert_uint_eq(m.id, 77);
	ck_assert_uint_eq(m.status, 0);
	ck_assert_uint_eq(m.len, sizeof(addrs));
	memcpy(&addrs, m.text, sizeof(addrs));
	ck_assert_uint_ge(addrs.n, 1);
	ck_assert(addrs.a[0].family == 4 || addrs.a[0].family == 6);
}
END_TEST

START_TEST(what_is_no_name_is_refused)
{
	char longer[MSG_TEXT];
	struct msg m;

	memset(longer, 'a', sizeof(longer));
	ask(1, "", 0);
	ask(2, longer, sizeof(longer));
	ask(3, "localhost\0evil", 14);
	for (uint64_t id = 1; id <= 3; id++) {
		m = await_answer();
		ck_assert_uint_eq(m.id, id);
		ck_assert_uint_ne(m.status, 0);
		ck_assert_uint_gt(m.len, 0);
	}
}
END_TEST

START_TEST(it_shows_life_and_the_configuration)
{
	struct msg m = { .type = MSG_CONF, .arg = 6 };
	uint64_t was = atomic_load(&row()->alive_ms);
	int fd, null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	conf_free(configure("[databases]\nb = host=127.0.0.1\n", &fd));

	ck_assert_uint_eq(atomic_load(&row()->conf_number), 5);
	/* one that cannot be read changes nothing */
	ck_assert_int_eq(chan_send(&mine, &m, null), 0);
	close(null);
	ask(1, "localhost", 9);
	ck_assert_uint_eq(await_answer().status, 0);
	ck_assert_uint_eq(atomic_load(&row()->conf_number), 5);
	ck_assert_int_eq(chan_send(&mine, &m, fd), 0);
	close(fd);
	for (int ms = 0; atomic_load(&row()->conf_number) != 6; ms++) {
		ck_assert_int_lt(ms, 10000);
		poll(NULL, 0, 1);
	}
	for (int ms = 0; atomic_load(&row()->alive_ms) == was; ms++) {
		ck_assert_int_lt(ms, 10000);
		poll(NULL, 0, 1);
	}
	m.type = MSG_LOG_REOPEN;
	ck_assert_int_eq(chan_send(&mine, &m, -1), 0);
	ask(1, "localhost", 9);
	ck_assert_uint_eq(await_answer().status, 0);
}
END_TEST

START_TEST(it_ends_with_the_channel)
{
	chan_close(&mine);
	assert_ended();
}
END_TEST

START_TEST(it_ends_with_the_supervisor)
{
	close(life[1]);
	life[1] = -1;
	assert_ended();
}
END_TEST

START_TEST(it_ends_when_told)
{
	uint64_t from = clock_now_ms();

	atomic_store(&seg->stopping, SEG_WAIT_CLIENTS);
	bell_ring(proc_resolver());
	ask(1, "localhost", 9);
	ck_assert_uint_eq(await_answer().status, 0);
	atomic_store(&seg->stopping, SEG_NOW);
	bell_ring(proc_resolver());
	assert_ended();
	ck_assert_uint_lt(clock_now_ms() - from, 20000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("resolver");
	TCase *t = tcase_create("resolver");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_name_is_looked_up);
	tcase_add_test(t, what_is_no_name_is_refused);
	tcase_add_test(t, it_shows_life_and_the_configuration);
	tcase_add_test(t, it_ends_with_the_channel);
	tcase_add_test(t, it_ends_with_the_supervisor);
	tcase_add_test(t, it_ends_when_told);
	suite_add_tcase(s, t);
	return run_suite(s);
}

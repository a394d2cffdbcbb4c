/*
 * supervisor_test.c - what the supervisor does not take from whom: a child
 * that its client has taken over speaks for itself and for no other kind.
 *
 * The children are the test's own.  Worker 0 and the resolver say what they
 * must not, and then what they may; what is passed on keeps its order, so when
 * the last of it has come to worker 1 all that was to come has come.
 */
#include "master/supervisor.h"

#include <sys/mman.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/log.h"
#include "shm/clientrow.h"
#include "shm/slot.h"
#include "t/unit/conf_text.h"
#include "t/unit/shmtest.h"

enum { WORKERS = 2, RESOLVER = WORKERS, SLOT = 3, GEN = 7, KINDS = 256 };
enum { FORGED = 1, QUESTION = 2, FOLLOWS = 3, AGAIN = 4, LAST = 5 };

/* What the children have seen; shared with them. */
static struct seen {
	_Atomic int up[WORKERS + 1];
	_Atomic int got[WORKERS + 1][KINDS]; /* messages by type */
	_Atomic int asker;                   /* of the question */
	_Atomic int stopping;                /* when FOLLOWS has come */
} * seen;

static void
say(struct child_start *s, uint16_t type, uint32_t proc, uint64_t id, int fd)
{
	struct msg m = { .type = type,
		.proc = (uint16_t)proc,
		.id = id,
		.idx = SLOT,
		.gen = GEN };

	if (type == MSG_SHUTDOWN)
		m.arg = SEG_NOW;
	if (type == MSG_CANCEL)
		m.idx = clientrow_first(1);
	(void)chan_send(&s->chan, &m, fd);
}

/* For worker 1, in the resolver's name; then as one that worker 1 has asked. */
static void
worker_speaks(struct child_start *s)
{
	say(s, MSG_RESOLVED, 1, FORGED, -1);
	say(s, MSG_SECRET_IS, 1, FORGED, -1);
	say(s, MSG_PROVED, 1, FORGED, -1);
	say(s, MSG_SECRET, 1, QUESTION, -1);
}

/* As a worker; to nobody, and to itself; then an answer that was asked for. */
static void
resolver_speaks(struct child_start *s)
{
	int fd = open("/dev/null", O_RDWR);

	say(s, MSG_FD_STORE, 0, FORGED, fd);
	say(s, MSG_FD_SHARE, 0, FORGED, -1);
	say(s, MSG_CANCEL, 0, FORGED, fd);
	say(s, MSG_SECRET, 0, FORGED, -1);
	say(s, MSG_SHUTDOWN, 0, FORGED, -1);
	say(s, MSG_SECRET_IS, RESOLVER, FORGED, -1);
	say(s, MSG_SECRET_IS, 4711, FORGED, -1);
	say(s, MSG_RESOLVED, 1, FOLLOWS, -1);
	close(fd);
}

static void
hear(struct child_start *s, const struct msg *m, int fd)
{
	if (fd != -1)
		close(fd);
	if (m->type < KINDS)
		atomic_fetch_add(&seen->got[s->me][m->type], 1);
	if (s->me == RESOLVER && m->id == QUESTION) {
		atomic_store(&seen->asker, m->proc);
		resolver_speaks(s);
	}
	if (s->me == RESOLVER && m->id == AGAIN)
		say(s, MSG_SECRET_IS, 1, LAST, -1);
	if (s->me == 1 && m->id == FOLLOWS) {
		atomic_store(&seen->stopping, (int)atomic_load(&seg->stopping));
		/* all get the descriptor, if a forged one was taken */
		say(s, MSG_FD_SHARE, 1, 0, -1);
		say(s, MSG_SECRET, 1, AGAIN, -1);
	}
	if (s->me == 1 && m->id == LAST)
		say(s, MSG_SHUTDOWN, 1, 0, -1);
}

static bool
are_up(void)
{
	for (int i = 0; i <= WORKERS; i++)
		if (atomic_load(&seen->up[i]) == 0)
			return false;
	return true;
}

static int
child_main(struct child_start *s)
{
	bool has_spoken = false, truncated;
	struct msg m;
	int fd;

	atomic_store(&seen->up[s->me], 1);
	for (;;) {
		struct pollfd p = { .fd = s->chan.fd, .events = POLLIN };

		(void)poll(&p, 1, 5);
		proc_alive(s->me);
		switch (chan_recv(&s->chan, &m, &fd, &truncated)) {
		case DONE:
			hear(s, &m, fd);
			break;
		case FAIL:
			return 0;
		case WAIT:
			break;
		}
		if (s->me == 0 && !has_spoken && are_up()) {
			has_spoken = true;
			worker_speaks(s);
		}
		if (atomic_load(&seg->stopping) != SEG_RUNNING)
			return 0;
	}
}

static const struct child_kind kinds[] = {
	[PROC_WORKER] = { "worker", child_main },
	[PROC_RESOLVER] = { "resolver", child_main },
	[PROC_MONITOR] = { "monitor", NULL },
};

static void
run(void)
{
	static const struct candidate_source source;
	struct segment_sizes sizes = { .workers = WORKERS,
		.slots = 8,
		.pools = 4,
		.dbs = 4,
		.users = 4,
		.clients = 8 };
	struct supervisor_start start = {
		.kinds = kinds, .source = &source, .sizes = &sizes
	};
	struct conf_files files;
	struct conf_faults faults;
	struct err e;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANON, -1, 0);
	ck_assert_ptr_ne(seen, MAP_FAILED);
	log_quiet(true);
	conf_files_init(&files);
	conf_faults_init(&faults);
	text_add(&files, "main.ini", "");
	start.conf = conf_load(&files, &faults);
	ck_assert_ptr_nonnull(start.conf);
	start.files = &files;
	ck_assert_int_eq(supervisor_open(&start, &e), 0);
	/* a backend in login, whose descriptor anybody might bring */
	atomic_store(&slot_at(SLOT)->hold, slot_word(SLOT_LOGIN, 0, GEN));
	supervisor_run();
	supervisor_close();
}

START_TEST(who_may_say_what)
{
	run();
	/* what was asked, and answered, and nothing else of the kind */
	ck_assert_int_eq(seen->got[RESOLVER][MSG_SECRET], 2);
	ck_assert_int_eq(seen->got[1][MSG_RESOLVED], 1);
	ck_assert_int_eq(seen->got[1][MSG_SECRET_IS], 1);
	ck_assert_int_eq(seen->got[1][MSG_PROVED], 0);
	/* the question is its asker's, whatever it says */
	ck_assert_int_eq(seen->asker, 0);
	/* what a resolver has no business to say */
	ck_assert_int_eq(seen->got[0][MSG_FD], 0);
	ck_assert_int_eq(seen->got[1][MSG_FD], 0);
	ck_assert_int_eq(seen->got[1][MSG_CANCEL], 0);
	ck_assert_int_eq(seen->stopping, SEG_RUNNING);
	ck_assert_int_eq(seen->got[RESOLVER][MSG_SECRET_IS], 0);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(who_may_say_what),
		NO_MORE_TESTS,
	};

	return run_tests("supervisor", tests, 30);
}

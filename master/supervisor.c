#include "master/supervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/log.h"
#include "master/daemon.h"
#include "master/fdstore.h"
#include "master/listen.h"
#include "master/signal.h"
#include "master/stop.h"
#include "shm/chan.h"
#include "shm/clientrow.h"

enum {
	SUPERVISOR_TICK_MS = 1000, /* look after the stuck and the stale */
	SUPERVISOR_STALL_MS = 50,  /* the kernel refuses for want of memory */
};

static int life[2] = { -1, -1 }; /* nothing is ever written to it */
static struct pollfd *polls;     /* seg->nprocs; fd -1: passed over */
static uint64_t *stalled_ms;     /* seg->nprocs: do not flush before */
static uint64_t tick_ms;         /* next tick */
static uint64_t deliver_ms;      /* next look at undelivered descriptors */
static bool is_delivering;
static bool is_reloading;

/* --- messages --- */

/* `fd` stays the caller's. */
static void
pass_cancel(uint32_t from, const struct msg *m, int fd)
{
	struct msg out = *m;
	uint32_t to = clientrow_at(m->idx) == NULL ? PROC_NOBODY
						   : clientrow_worker(m->idx);

	out.proc = (uint16_t)from;
	/* nobody there: the client has gone too, and its query with it */
	(void)children_send(to, &out, fd);
}

static uint16_t
answer_to(uint16_t question)
{
	return question == MSG_SECRET ? MSG_SECRET_IS
	    : question == MSG_PROVE   ? MSG_PROVED
				      : MSG_RESOLVED;
}

static void
pass_question(uint32_t from, const struct msg *m)
{
	struct msg out = *m;
	bool is_sent;

	out.proc = (uint16_t)from;
	is_sent = children_send(proc_resolver(), &out, -1);
	/* it may have been a password */
	compat_bzero(&out, sizeof(out));
	if (is_sent || m->type == MSG_PROVE_END)
		return;
	out = (struct msg){
		.type = answer_to(m->type),
		.proc = (uint16_t)from,
		.id = m->id,
		.arg = m->arg,
		.status = 1, /* MSG_SECRET_NOBODY, MSG_PROVED_NOBODY */
	};
	(void)children_send(from, &out, -1);
}

static void
on_shutdown(uint32_t from, const struct msg *m, uint64_t now_ms)
{
	struct msg done = {
		.type = MSG_DONE, .proc = (uint16_t)from, .id = m->id
	};
	bool is_known = m->arg == SEG_WAIT_SERVERS ||
	    m->arg == SEG_WAIT_CLIENTS || m->arg == SEG_NOW;

	/* asked twice by a console is no order to hurry */
	if (!is_known || (stop_is_asked() && m->arg != SEG_NOW)) {
		static const char why[] = "pooler is shutting down";

		done.status = MSG_DONE_REFUSED;
		done.len = sizeof(why) - 1;
		memcpy(done.text, why, sizeof(why) - 1);
		(void)children_send(from, &done, -1);
		return;
	}
	(void)children_send(from, &done, -1);
	stop_ask((enum segment_stopping)m->arg, now_ms);
}

/* Who may send what is checked here: a child that was taken over by its
 * client must not speak for another kind. */
static void
on_message(uint32_t n, const struct msg *m, int fd)
{
	uint64_t now_ms = clock_now_ms();
	bool is_worker = n < seg->nworkers;

	if (is_worker && m->type == MSG_FD_STORE) {
		fdstore_put(m->idx, m->gen, fd);
		return;
	}
	if (is_worker) {
		switch (m->type) {
		case MSG_FD_SHARE:
			fdstore_share(m->idx, m->gen, now_ms);
			is_delivering = true;
			break;
		case MSG_FD_GONE:
			fdstore_gone(m->idx, m->gen, n);
			break;
		case MSG_CANCEL:
			pass_cancel(n, m, fd);
			break;
		case MSG_RELOAD:
			reload_now(n, m->id, now_ms);
			is_reloading = true;
			break;
		case MSG_SET:
			reload_set(n, m, now_ms);
			is_reloading = true;
			break;
		case MSG_SHUTDOWN:
			on_shutdown(n, m, now_ms);
			break;
		case MSG_RESOLVE:
		case MSG_SECRET:
		case MSG_PROVE:
		case MSG_PROVE_END:
			pass_question(n, m);
			break;
		}
	} else if (n == proc_resolver() &&
	    (m->type == MSG_RESOLVED || m->type == MSG_SECRET_IS ||
		m->type == MSG_PROVED) &&
	    m->proc < seg->nworkers) {
		(void)children_send(m->proc, m, -1);
	}
	if (fd != -1)
		close(fd);
}

/* --- children --- */

static void
on_birth(struct child_start *start, enum proc_kind kind)
{
	start->conf = reload_conf();
	start->conf_number = reload_number();
	start->life = life[0];
	if (kind == PROC_WORKER)
		start->listeners = listen_fds(&start->nlisteners);
}

static void
in_child(enum proc_kind kind)
{
	if (kind != PROC_WORKER)
		listen_child();
	daemon_child();
	close(life[1]);
	life[1] = -1;
	reload_child();
	free(polls);
	free(stalled_ms);
	polls = NULL;
	stalled_ms = NULL;
}

static const struct children_hooks hooks = {
	.on_message = on_message,
	.on_birth = on_birth,
	.in_child = in_child,
};

/* --- the loop --- */

int
supervisor_open(const struct supervisor_start *start, struct err *e)
{
	if (segment_make(start->sizes, e) == -1 ||
	    bell_make(seg->nprocs, e) == -1)
		return -1;
	if (compat_pipe(life) == -1)
		return err_set(
		    e, "53000", "no pipe", "pipe: %s", strerror(errno));
	polls = calloc(seg->nprocs, sizeof(*polls));
	stalled_ms = calloc(seg->nprocs, sizeof(*stalled_ms));
	if (polls == NULL || stalled_ms == NULL)
		return err_set(
		    e, "53200", "out of memory", "no memory for the loop");
	if (fdstore_init(children_send, e) == -1 ||
	    children_init(start->kinds, &hooks, e) == -1)
		return -1;
	reload_start(start->source, start->conf, start->files);
	compat_title("supervisor");
	signal_start();
	children_start(clock_now_ms());
	return 0;
}

static void
on_signals(unsigned came, uint64_t now_ms)
{
	if (came & SIGNAL_HUP) {
		reload_now(PROC_NOBODY, 0, now_ms);
		is_reloading = true;
	}
	if (came & (SIGNAL_USR1 | SIGNAL_USR2))
		log_warn(NULL,
		    "SIGUSR1 (pause) and SIGUSR2 (resume) are not "
		    "supported yet");
	if (came & SIGNAL_TERM)
		stop_ask(SEG_WAIT_CLIENTS, now_ms);
	if (came & SIGNAL_INT)
		stop_ask(SEG_WAIT_SERVERS, now_ms);
	if (came & SIGNAL_QUIT)
		stop_ask(SEG_NOW, now_ms);
}

static void
on_tick(uint64_t now_ms)
{
	children_check(
	    now_ms, (uint64_t)reload_conf()->worker_stuck_timeout_ms);
	fdstore_rescan();
	reload_check();
	is_delivering = true;
}

/* Everything that is due; false: the end. */
static bool
take_turn(void)
{
	uint64_t now_ms = clock_now_ms();
	unsigned came = signal_take();
	bool is_tick = now_ms >= tick_ms;

	on_signals(came, now_ms);
	if (is_tick) {
		on_tick(now_ms);
		tick_ms = now_ms + SUPERVISOR_TICK_MS;
	}
	if ((came & SIGNAL_CHILD) || is_tick || children_due_ms() <= now_ms) {
		children_reap(now_ms);
		children_start(now_ms);
		is_delivering = true;
		deliver_ms = now_ms;
	}
	if (is_delivering && now_ms >= deliver_ms) {
		is_delivering = fdstore_run(now_ms);
		deliver_ms = now_ms + FDSTORE_RETRY_MS;
	}
	if (is_reloading)
		is_reloading = reload_run(now_ms);
	return !stop_run(now_ms);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What to wait for; returns until when. */
static uint64_t
prepare_wait(uint64_t now_ms)
{
	uint64_t until_ms =
	    sooner(tick_ms, sooner(children_due_ms(), stop_due_ms()));

	if (is_delivering)
		until_ms = sooner(until_ms, deliver_ms);
	if (is_reloading)
		until_ms = sooner(until_ms, now_ms + RELOAD_POLL_MS);
	for (uint32_t n = 0; n < seg->nprocs; n++) {
		const struct chan *chan = children_chan(n);

		polls[n] = (struct pollfd){ .fd = -1 };
		if (chan == NULL)
			continue;
		polls[n].fd = chan->fd;
		polls[n].events = POLLIN;
		if (!chan_is_waiting(chan))
			continue;
		if (stalled_ms[n] <= now_ms)
			polls[n].events |= POLLOUT;
		else
			until_ms = sooner(until_ms, stalled_ms[n]);
	}
	return until_ms;
}

/*
 * A socket may be writable and refuse all the same (ENOBUFS, ETOOMANYREFS:
 * too many descriptors on their way): asking again at once would spin.
 */
static void
flush(uint32_t n, uint64_t now_ms)
{
	struct chan *chan = children_chan(n);
	uint32_t before;

	if (chan == NULL)
		return;
	before = chan->queued;
	if (!chan_flush(chan) && chan->queued == before)
		stalled_ms[n] = now_ms + SUPERVISOR_STALL_MS;
}

static void
wait_and_read(void)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t until_ms = prepare_wait(now_ms);
	int wait_ms = until_ms > now_ms ? (int)(until_ms - now_ms) : 0;

	if (signal_wait(polls, seg->nprocs, wait_ms) <= 0)
		return;
	for (uint32_t n = 0; n < seg->nprocs; n++) {
		if (polls[n].revents & POLLOUT)
			flush(n, now_ms);
		if (polls[n].revents & (POLLIN | POLLHUP | POLLERR))
			children_read(n);
	}
}

void
supervisor_run(void)
{
	while (take_turn())
		wait_and_read();
}

void
supervisor_close(void)
{
	listen_close();
	children_fini();
	fdstore_fini();
	reload_fini();
	for (int i = 0; i < 2; i++) {
		if (life[i] != -1)
			close(life[i]);
		life[i] = -1;
	}
	free(polls);
	free(stalled_ms);
	polls = NULL;
	stalled_ms = NULL;
	bell_drop();
	segment_drop();
}

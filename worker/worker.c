/*
 * worker.c - a worker: set up, run, drain, leave.
 *
 * One loop, one thread.  Between turns: what the supervisor says (channel),
 * what others granted (bell), whether it is time to stop (the segment, or the
 * end of the life pipe).
 *
 * Never blocks but in the loop's wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/log.h"
#include "shm/crash.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "worker/ask.h"
#include "worker/askpass.h"
#include "worker/asksecret.h"
#include "worker/backend/cancel.h"
#include "worker/backend/depart.h"
#include "worker/backend/intern.h"
#include "worker/backend/keep.h"
#include "worker/backend/lend.h"
#include "worker/backend/params.h"
#include "worker/backend/servertls.h"
#include "worker/child.h"
#include "worker/client/client.h"
#include "worker/client/gate.h"
#include "worker/client/interrupt.h"
#include "worker/client/listener.h"
#include "worker/client/session.h"
#include "worker/console/admin.h"
#include "worker/derive.h"
#include "worker/io/accept.h"
#include "worker/self.h"

enum {
	SECOND_US = 1000000,
	ORPHAN_US = 5000000, /* to finish after the supervisor has died */
	LOOKS = 3,           /* for grants, before giving events a turn */
	KEEP_FDS = 64,       /* numbers for cancels, files and the like */
};

static struct watch chan_watch, bell_watch, life_watch;
static struct deadline second, orphan;
static bool is_rung, is_restless, is_draining;
static struct conf *own_conf; /* of a snapshot: ours to free */

/* --- what the supervisor says -------------------------------------------------- */

/* Whose database has gone from the configuration goes with it. */
static void
drop_removed(void)
{
	struct client *c, *next;
	struct lend *l;
	uint32_t i = 0;

	while ((l = lend_next(&i)) != NULL)
		lend_refresh(l);
	for (i = 0; i < seg->nslots; i++) {
		struct backend *b = backend_at(i);

		if (b != NULL && b->state == BACKEND_LOGIN &&
		    b->lend->db == NULL)
			backend_close(b, "database removed");
	}
	for (c = client_first(); c != NULL; c = next) {
		next = c->next;
		if (c->lend != NULL && c->lend->db == NULL)
			client_fail(c, "3D000", "database removed");
	}
}

static void
on_conf(const struct msg *m, int fd)
{
	int was = self.conf->session_state;
	struct conf *c;

	/* who is late is told again: the views know it by its number */
	if (m->arg <= self.conf_number)
		return;
	c = conf_restore(fd);
	if (c == NULL) {
		log_error(NULL, "configuration %llu cannot be read",
		    (unsigned long long)m->arg);
		return;
	}
	self.conf = c;
	self.conf_number = m->arg;
	ask_conf(c);
	log_setup(c);
	tunnel_conf();
	servertls_conf();
	drop_removed();
	if (c->session_state != was)
		session_on_conf();
	conf_free(own_conf);
	own_conf = c;
	atomic_store(&proc_at(self.me)->conf_number, m->arg);
	lend_rescan();
	is_restless = true;
}

static void
on_message(const struct msg *m, int fd)
{
	switch (m->type) {
	case MSG_FD:
		if (fd != -1)
			backend_learn(m->idx, m->gen, fd);
		is_restless = true;
		return;
	case MSG_FD_DROP:
		backend_forget(m->idx, m->gen);
		break;
	case MSG_FD_ADOPT:
		backend_adopt(m->idx, m->gen, fd);
		return;
	case MSG_CANCEL:
		if (fd != -1)
			interrupt_deliver(m->idx, (uint32_t)m->gen, fd);
		return;
	case MSG_CONF:
		on_conf(m, fd);
		break;
	case MSG_DONE:
		admin_on_done(m);
		break;
	case MSG_RESOLVED:
		ask_on_message(m);
		break;
	case MSG_SECRET_IS:
		asksecret_on_message(m);
		break;
	case MSG_PROVED:
		askpass_on_message(m);
		break;
	case MSG_LOG_REOPEN:
		log_reopen();
		break;
	}
	if (fd != -1)
		close(fd);
}

static void
on_channel(struct watch *w, unsigned events)
{
	bool truncated;
	struct msg m;
	int fd;

	if (events & LOOP_WRITE && chan_flush(&self.chan))
		loop_want(w, LOOP_READ);
	for (int i = 0; i < 64; i++)
		switch (chan_recv(&self.chan, &m, &fd, &truncated)) {
		case DONE:
			on_message(&m, fd);
			break;
		case WAIT:
			return;
		case FAIL:
			/* the life pipe tells the same, and what to do */
			loop_remove(w);
			return;
		}
}

static void
on_bell(struct watch *w, unsigned events)
{
	(void)w;
	(void)events;
	bell_clear(self.me);
	is_rung = true;
}

/* --- leaving ----------------------------------------------------------------------- */

static void
on_life(struct watch *w, unsigned events)
{
	(void)events;
	loop_remove(w);
	log_error(NULL, "supervisor has died: finishing what is in flight");
	/* the Unix socket too: who is started next takes its name */
	accept_close();
	/* nobody else can say it any more; but no slower than was asked for */
	if (atomic_load(&seg->stopping) != SEG_NOW)
		atomic_store(&seg->stopping, SEG_WAIT_SERVERS);
	deadline_set(&orphan, loop_now_us + ORPHAN_US);
}

static void
on_orphan(struct deadline *d)
{
	(void)d;
	client_drain(true);
	loop_stop();
}

/* Clients that are not the console's. */
static bool
has_clients(void)
{
	for (const struct client *c = client_first(); c != NULL; c = c->next)
		if (c->state != CLIENT_CONSOLE)
			return true;
	return false;
}

static void
look_stopping(void)
{
	uint32_t stopping = atomic_load(&seg->stopping);

	if (stopping == SEG_RUNNING)
		return;
	if (!is_draining) {
		is_draining = true;
		accept_close_inet();
		atomic_store(&proc_at(self.me)->state, PROC_DRAINING);
	}
	if (stopping == SEG_NOW) {
		client_drain(true);
		loop_stop();
		return;
	}
	if (stopping == SEG_WAIT_SERVERS)
		client_drain(false);
	if (has_clients())
		return;
	/* a console may watch until the last client of all workers has left;
	   the next look is at the next tick at the latest */
	if (client_first() == NULL || proc_clients() == 0) {
		client_drain(true);
		loop_stop();
	}
}

/* --- each turn ---------------------------------------------------------------------- */

static int
before_wait(void)
{
	struct proc *p = proc_at(self.me);
	bool is_busy = true, is_working;

	look_stopping();
	is_working = derive_turn();
	is_working |= gate_turn();
	if (is_rung && atomic_load(&p->repairs) != atomic_load(&seg->repairs)) {
		atomic_store(&p->repairs, atomic_load(&seg->repairs));
		lend_rescan();
		accept_try();
	}
	accept_balance();
	for (int i = 0; i < LOOKS && is_busy; i++) {
		bool rung = is_rung || is_restless;

		is_rung = is_restless = false;
		/* published before the look, so that no grant is missed */
		atomic_store(&p->sleeping, 1);
		is_busy = lend_turn(rung);
	}
	if (chan_is_waiting(&self.chan))
		loop_want(&chan_watch, LOOP_READ | LOOP_WRITE);
	if (depart_turn() && !is_working)
		return 1;
	if (is_busy || is_restless || is_working)
		return 0;
	return -1;
}

static void
after_wait(void)
{
	atomic_store_explicit(
	    &proc_at(self.me)->sleeping, 0, memory_order_relaxed);
}

static void
on_second(struct deadline *d)
{
	deadline_set(d, loop_now_us + SECOND_US / 2);
	proc_alive(self.me);
	lend_rescan();
	compat_title("worker %u (%u clients)", (unsigned)self.me,
	    (unsigned)client_number());
}

/* --- setting up -------------------------------------------------------------------- */

static void
take_inherited(struct child_start *start)
{
	for (uint32_t i = 0; i < start->nfds; i++)
		backend_learn(
		    start->fds[i].slot, start->fds[i].gen, start->fds[i].fd);
}

static int
watch_all(struct child_start *start, struct err *e)
{
	watch_init(&chan_watch, self.chan.fd, on_channel);
	watch_init(&bell_watch, bell_fd(self.me), on_bell);
	watch_init(&life_watch, start->life, on_life);
	deadline_init(&second, on_second);
	deadline_init(&orphan, on_orphan);
	if (loop_want(&chan_watch, LOOP_READ) == -1 ||
	    loop_want(&bell_watch, LOOP_READ) == -1 ||
	    loop_want(&life_watch, LOOP_READ) == -1 ||
	    deadline_set(&second, loop_now_us + SECOND_US / 2) == -1)
		return err_set(e, "53000", "out of resources", "event loop: %s",
		    strerror(errno));
	return 0;
}

/* Descriptors above this number are for backends, not for clients. */
static int
client_fd_limit(void)
{
	struct rlimit r;
	uint64_t keep = (uint64_t)seg->nslots + KEEP_FDS;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1 || r.rlim_cur > INT32_MAX)
		return INT32_MAX;
	return r.rlim_cur > 2 * keep ? (int)(r.rlim_cur - keep)
				     : (int)(r.rlim_cur / 2);
}

static int
set_up(struct child_start *start, struct err *e)
{
	self.me = start->me;
	self.conf = start->conf;
	self.conf_number = start->conf_number;
	self.chan = start->chan;
	self.fd_limit = client_fd_limit();
	self.scratch = malloc(SELF_SCRATCH);
	if (self.scratch == NULL || loop_open(e) == -1 ||
	    clientrow_init(self.me) == -1 || lend_init() == -1 ||
	    backend_init() == -1 || depart_init() == -1)
		return err_set(e, "53200", "out of memory",
		    "a worker cannot begin: %s", strerror(errno));
	params_init(self.conf->track_extra_parameters);
	tunnel_conf();
	servertls_conf();
	ask_open(&self.chan, self.me, self.conf);
	if (watch_all(start, e) == -1 || keep_start(e) == -1)
		return -1;
	take_inherited(start);
	admin_init();
	if (accept_open(self.me, start->listeners, start->nlisteners,
		client_open, e) == -1)
		return -1;
	loop_hooks(before_wait, after_wait);
	return 0;
}

static void
end_listeners(void)
{
	struct lend *l;
	uint32_t i = 0;

	while ((l = lend_next(&i)) != NULL)
		listener_fini(l);
}

/*
 * The channel stays open until the process ends: who closes it and lives on,
 * if only because exit(3) takes long, is killed by the supervisor.
 */
static void
tear_down(void)
{
	accept_close();
	keep_stop();
	cancel_fini();
	backend_fini();
	ask_close(); /* nobody asks any more */
	asksecret_close();
	depart_fini();
	end_listeners();
	lend_fini();
	client_fini();
	gate_fini();
	clientrow_fini();
	intern_fini();
	derive_fini();
	tunnel_fini();
	servertls_fini();
	admin_fini();
	deadline_clear(&second);
	deadline_clear(&orphan);
	loop_close();
	conf_free(own_conf);
	free(self.scratch);
}

int
worker_main(struct child_start *start)
{
	struct proc *p = proc_at(start->me);
	struct err e;

	err_clear(&e);
	if (set_up(start, &e) == -1) {
		log_error(NULL, "worker %u: %s", (unsigned)start->me, e.log);
		return 1;
	}
	atomic_store(&p->conf_number, self.conf_number);
	proc_alive(self.me);
	atomic_store(&p->state, PROC_RUNNING);
	is_restless = true;
	loop_run();
	tear_down();
	return 0;
}

#include "master/children.h"

#include <sys/wait.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/log.h"
#include "master/backoff.h"
#include "master/fdstore.h"
#include "master/obituary.h"
#include "master/signal.h"
#include "shm/crash.h"
#include "shm/repair.h"
#include "shm/segment.h"
#include "shm/slot.h"

enum {
	CHILDREN_BATCH = 256,      /* messages of one child before the next */
	CHILDREN_REPAIR_MS = 10,   /* pause before a put-off repair */
	CHILDREN_GAP_MS = 2500,    /* we ourselves did not run */
	CHILDREN_ORPHAN_MS = 2000, /* without a channel: two checks */
};

struct child {
	enum proc_kind kind;
	pid_t pid; /* 0: does not run */
	struct chan chan;
	struct backoff backoff;
	uint32_t lives;      /* forked so often */
	uint64_t start_ms;   /* when to fork; UINT64_MAX: never */
	uint64_t repair_ms;  /* when to go on with its repair; 0: it is done */
	uint64_t broken_ms;  /* when its channel ended; 0: it has not */
	uint64_t alive_ms;   /* its last sign of life, and ... */
	uint64_t noticed_ms; /* ... when we saw it change */
};

static struct child *children; /* seg->nprocs */
static const struct child_kind *kinds;
static const struct children_hooks *hooks;
static struct repair_todo *todo; /* seg->nslots */
static struct child_fd *legacy;  /* seg->nslots */
static uint64_t checked_ms;
static bool is_stopping;

int
children_init(const struct child_kind *the_kinds,
    const struct children_hooks *the_hooks, struct err *e)
{
	kinds = the_kinds;
	hooks = the_hooks;
	is_stopping = false;
	checked_ms = 0;
	children = calloc(seg->nprocs, sizeof(*children));
	todo = calloc(seg->nslots, sizeof(*todo));
	legacy = calloc(seg->nslots, sizeof(*legacy));
	if (children == NULL || todo == NULL || legacy == NULL) {
		children_fini();
		return err_set(e, "53200", "out of memory",
		    "no memory for %u processes", seg->nprocs);
	}
	for (uint32_t n = 0; n < seg->nprocs; n++) {
		children[n].kind = proc_kind(n);
		children[n].chan.fd = -1;
		children[n].start_ms =
		    kinds[children[n].kind].main == NULL ? UINT64_MAX : 0;
	}
	return 0;
}

void
children_fini(void)
{
	for (uint32_t n = 0; children != NULL && n < seg->nprocs; n++)
		chan_close(&children[n].chan);
	free(children);
	free(todo);
	free(legacy);
	children = NULL;
	todo = NULL;
	legacy = NULL;
}

/* "worker 2", "resolver" */
static const char *
name_of(uint32_t n, char text[32])
{
	const char *kind = kinds[children[n].kind].name;

	if (children[n].kind == PROC_WORKER)
		snprintf(text, 32, "%s %u", kind, n);
	else
		snprintf(text, 32, "%s", kind);
	return text;
}

/* Housekeeping is for a worker that lives; while it does, for the same. */
static void
name_keeper(void)
{
	uint32_t keeper = atomic_load(&seg->keeper);
	uint32_t n = 0;

	if (keeper != 0 && children_pid(keeper - 1) != 0)
		return;
	while (n < seg->nworkers && children[n].pid == 0)
		n++;
	atomic_store(&seg->keeper, n < seg->nworkers ? n + 1 : 0);
	bell_ring(n);
}

/* --- birth --- */

static _Noreturn void
become(uint32_t n, struct child_start *start)
{
	char name[32];

	signal_child();
	compat_title("%s", name_of(n, name));
	for (uint32_t i = 0; i < seg->nprocs; i++)
		chan_close(&children[i].chan);
	hooks->in_child(children[n].kind);
	fdstore_child(start->fds, start->nfds);
	crash_arm(n);
	/* exit, not _exit: a leak checker reports from there */
	exit(kinds[children[n].kind].main(start));
}

/* Slots that ended without an heir get this worker. */
static void
give_orphans(uint32_t n, uint64_t now_ms)
{
	struct repair r = { .todo = todo };

	repair_adopt(n, fdstore_has, &r);
	for (uint32_t i = 0; i < r.ntodo; i++)
		fdstore_adopt(todo[i].slot, todo[i].gen, todo[i].heir, now_ms);
}

/* What must be true of the number when its process begins. */
static void
enter(uint32_t n, const struct child_start *start, uint64_t now_ms)
{
	struct proc *p = proc_at(n);

	atomic_store(&p->conf_number, start->conf_number);
	atomic_store(&p->alive_ms, now_ms);
	atomic_store(&p->started_ms, now_ms);
	if (children[n].lives > 0)
		atomic_fetch_add(&p->restarts, 1);
	atomic_store(&p->state, PROC_STARTING);
	atomic_store(&p->gone, 0);
}

/* No fork.  While `gone` was 0 others may have handed it something. */
static void
on_no_fork(uint32_t n, const char *why, uint64_t now_ms)
{
	struct child *c = &children[n];
	uint32_t wait_ms;
	char name[32];

	backoff_born(&c->backoff, now_ms);
	(void)backoff_died(&c->backoff, now_ms);
	wait_ms = backoff_died(&c->backoff, now_ms);
	log_error(NULL, "cannot start %s: %s; next try in %" PRIu32 " ms",
	    name_of(n, name), why, wait_ms);
	c->start_ms = now_ms + wait_ms;
	atomic_store(&proc_at(n)->state, PROC_DOWN);
	atomic_store(&proc_at(n)->gone, 1);
	c->repair_ms = now_ms;
}

static void
give_birth(uint32_t n, uint64_t now_ms)
{
	struct child *c = &children[n];
	struct child_start start = { .me = n };
	struct chan ours;
	struct err e;
	pid_t pid;

	if (chan_pair(&ours, &start.chan, &e) == -1) {
		on_no_fork(n, e.log, now_ms);
		return;
	}
	hooks->on_birth(&start, c->kind);
	if (c->lives > 0)
		crash_disarm();
	if (c->kind == PROC_WORKER) {
		start.fds = legacy;
		start.nfds = fdstore_inherit(n, legacy);
	}
	enter(n, &start, now_ms);
	(void)fflush(NULL); /* or the child would write it a second time */
	pid = fork();
	if (pid == 0) {
		chan_close(&ours);
		become(n, &start);
	}
	if (pid == -1) {
		int saved = errno;

		chan_close(&ours);
		chan_close(&start.chan);
		on_no_fork(n, strerror(saved), now_ms);
		return;
	}
	chan_close(&start.chan);
	c->chan = ours;
	c->pid = pid;
	c->lives++;
	c->start_ms = UINT64_MAX;
	c->broken_ms = 0;
	c->alive_ms = c->noticed_ms = now_ms;
	backoff_born(&c->backoff, now_ms);
	atomic_store(&proc_at(n)->pid, (int32_t)pid);
	if (c->kind == PROC_WORKER)
		give_orphans(n, now_ms);
}

void
children_start(uint64_t now_ms)
{
	if (is_stopping || children_due_ms() > now_ms)
		return;
	/* what the others have sent belongs to what it inherits */
	for (uint32_t n = 0; n < seg->nprocs; n++)
		children_read(n);
	for (uint32_t n = 0; n < seg->nprocs && !is_stopping; n++) {
		const struct child *c = &children[n];

		if (c->pid == 0 && c->repair_ms == 0 && c->start_ms <= now_ms)
			give_birth(n, now_ms);
	}
	name_keeper();
}

/* --- death --- */

/*
 * In a SEQPACKET pair whose other end died with unread messages, the first
 * recv(2) says ECONNRESET and the next ones bring what was sent before.
 */
static void
read_to_end(uint32_t n)
{
	struct child *c = &children[n];

	for (int ends = 0; ends < 2 && c->chan.fd != -1;) {
		struct msg m;
		bool truncated;
		int fd;

		switch (chan_recv(&c->chan, &m, &fd, &truncated)) {
		case DONE:
			hooks->on_message(n, &m, fd);
			break;
		case FAIL:
			ends++;
			break;
		case WAIT:
			ends = 2;
			break;
		}
	}
}

static void
mend(uint32_t n, uint64_t now_ms)
{
	struct child *c = &children[n];
	struct repair r = { .todo = todo };

	repair_process(n, fdstore_has, &r);
	for (uint32_t i = 0; i < r.ntodo; i++)
		fdstore_adopt(todo[i].slot, todo[i].gen, todo[i].heir, now_ms);
	c->repair_ms = r.deferred ? now_ms + CHILDREN_REPAIR_MS : 0;
	if (!r.deferred)
		obituary_check();
}

static void
bury(uint32_t n, int status, uint64_t now_ms)
{
	struct child *c = &children[n];
	struct proc *p = proc_at(n);
	uint32_t clients = atomic_load(&p->clients);
	uint32_t wait_ms = backoff_died(&c->backoff, now_ms);
	char name[32];

	read_to_end(n);
	chan_close(&c->chan);
	obituary_log(&(struct obituary){
	    .name = name_of(n, name),
	    .pid = c->pid,
	    .status = status,
	    .clients = clients,
	    .wait_ms = wait_ms,
	    .is_stopping = is_stopping,
	});
	c->pid = 0;
	c->start_ms = now_ms + wait_ms;
	atomic_store(&p->pid, 0);
	atomic_store(&p->state, PROC_DOWN);
	if (c->kind == PROC_WORKER)
		fdstore_lost(n);
	mend(n, now_ms);
	name_keeper();
}

void
children_reap(uint64_t now_ms)
{
	for (uint32_t n = 0; n < seg->nprocs; n++) {
		struct child *c = &children[n];
		int status;

		if (c->pid != 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
			bury(n, status, now_ms);
		else if (c->repair_ms != 0 && c->repair_ms <= now_ms)
			mend(n, now_ms);
	}
}

/* --- the living --- */

static void
kill_one(uint32_t n, const char *why)
{
	char name[32];

	log_error(NULL, "%s (pid %ld) %s: killing it", name_of(n, name),
	    (long)children[n].pid, why);
	(void)kill(children[n].pid, SIGKILL);
}

void
children_check(uint64_t now_ms, uint64_t stuck_ms)
{
	/* a stopped machine, or a stopped supervisor, is no one's fault */
	uint64_t gap_ms = now_ms - checked_ms;
	bool did_we_run = gap_ms < CHILDREN_GAP_MS;

	checked_ms = now_ms;
	for (uint32_t n = 0; n < seg->nprocs; n++) {
		struct child *c = &children[n];
		uint64_t alive_ms = atomic_load(&proc_at(n)->alive_ms);

		if (c->pid == 0)
			continue;
		if (alive_ms != c->alive_ms || !did_we_run) {
			c->alive_ms = alive_ms;
			c->noticed_ms = now_ms;
		}
		if (c->broken_ms != 0 &&
		    now_ms - c->broken_ms > CHILDREN_ORPHAN_MS) {
			kill_one(n, "has left its channel");
			c->broken_ms = now_ms;
		} else if (stuck_ms != 0 &&
		    now_ms - c->noticed_ms >= stuck_ms) {
			kill_one(n, "shows no sign of life");
			c->noticed_ms = now_ms;
		}
	}
}

uint64_t
children_due_ms(void)
{
	uint64_t due = UINT64_MAX;

	for (uint32_t n = 0; n < seg->nprocs; n++) {
		const struct child *c = &children[n];

		if (c->repair_ms != 0 && c->repair_ms < due)
			due = c->repair_ms;
		else if (c->pid == 0 && c->repair_ms == 0 && !is_stopping &&
		    c->start_ms < due)
			due = c->start_ms;
	}
	return due;
}

void
children_stop(void)
{
	is_stopping = true;
}

void
children_kill(int signo)
{
	for (uint32_t n = 0; n < seg->nprocs; n++) {
		if (children[n].pid != 0)
			(void)kill(children[n].pid, signo);
	}
}

void
children_end_helpers(void)
{
	for (uint32_t n = seg->nworkers; n < seg->nprocs; n++) {
		chan_close(&children[n].chan);
		bell_ring(n);
	}
}

pid_t
children_pid(uint32_t n)
{
	return n < seg->nprocs ? children[n].pid : 0;
}

struct chan *
children_chan(uint32_t n)
{
	struct child *c = &children[n];

	if (c->pid == 0 || c->chan.fd == -1 || c->broken_ms != 0)
		return NULL;
	return &c->chan;
}

uint32_t
children_alive(bool workers_only)
{
	uint32_t max = workers_only ? seg->nworkers : seg->nprocs;
	uint32_t alive = 0;

	for (uint32_t n = 0; n < max; n++)
		alive += children[n].pid != 0;
	return alive;
}

void
children_read(uint32_t n)
{
	struct chan *chan = children_chan(n);

	for (int i = 0; chan != NULL && i < CHILDREN_BATCH; i++) {
		struct msg m;
		bool truncated = false;
		int fd = -1;
		enum result r = chan_recv(chan, &m, &fd, &truncated);

		if (truncated)
			log_error(NULL,
			    "out of file descriptors: "
			    "one that a child has sent is lost");
		if (r == FAIL)
			children[n].broken_ms = checked_ms | 1;
		if (r != DONE)
			return;
		hooks->on_message(n, &m, fd);
		/* it may have been a secret, on its way to somebody else */
		compat_bzero(&m, sizeof(m));
	}
}

bool
children_send(uint32_t n, const struct msg *m, int fd)
{
	struct chan *chan = n < seg->nprocs ? children_chan(n) : NULL;

	return chan != NULL && chan_send(chan, m, fd) == 0;
}

void
children_send_all(const struct msg *m, int fd)
{
	for (uint32_t n = 0; n < seg->nprocs; n++)
		(void)children_send(n, m, fd);
}

/*
 * loop_kqueue.c - the event loop over kqueue(2), for the BSDs.
 *
 * Reading and writing are two filters of one descriptor, so a watch may be
 * called twice in a turn, once for each.  A watch that asks for nothing keeps
 * a write filter with a low-water mark that no socket reaches: it fires at an
 * error or a hang-up only.  The kernel's udata points to the watch.
 *
 * close(2) takes a descriptor out of every kqueue of its process, whatever
 * duplicates there are; it is removed from here first all the same, because
 * the watch's memory is about to go.
 *
 * Blocks in loop_impl_wait() only.
 */
#include "worker/io/loop_impl.h"

#include <sys/types.h>
#include <sys/event.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { FETCH = 256 };

static int kq = -1;
static struct kevent fetched[FETCH];
static int nfetched;

const char *
loop_name(void)
{
	return "kqueue";
}

int
loop_impl_open(struct err *e)
{
	nfetched = 0;
	kq = kqueue();
	if (kq == -1)
		return err_set(e, "53000", "out of resources", "kqueue: %s",
		    strerror(errno));
	/* it is not inherited by fork(2); this is for exec */
	(void)fcntl(kq, F_SETFD, FD_CLOEXEC);
	return 0;
}

void
loop_impl_close(void)
{
	if (kq != -1)
		close(kq);
	kq = -1;
	nfetched = 0;
}

static int
change(struct watch *w, int filter, int flags, unsigned note, int64_t data)
{
	struct kevent ev;

	memset(&ev, 0, sizeof(ev));
	/* types of these fields differ between the systems */
	EV_SET(&ev, (unsigned)w->fd, filter, flags, note, data, w);
	return kevent(kq, &ev, 1, NULL, 0, NULL);
}

/* The interest in writing: for room, or for the end alone. */
static int
set_write(struct watch *w, unsigned want)
{
	if (want & LOOP_WRITE)
		return change(w, EVFILT_WRITE, EV_ADD, 0, 0);
	return change(w, EVFILT_WRITE, EV_ADD, NOTE_LOWAT, INT_MAX);
}

int
loop_impl_set(struct watch *w, unsigned want)
{
	/* reading alone tells the end as well: no second filter for it */
	bool need_write = (want & LOOP_WRITE) || !(want & LOOP_READ);
	bool had_write =
	    w->is_added && ((w->want & LOOP_WRITE) || !(w->want & LOOP_READ));
	bool had_read = w->is_added && (w->want & LOOP_READ);

	/* what is new first: if it fails, the old interest still stands */
	if (need_write && set_write(w, want) == -1)
		return -1;
	if ((want & LOOP_READ) && !had_read &&
	    change(w, EVFILT_READ, EV_ADD, 0, 0) == -1) {
		if (need_write && !had_write)
			(void)change(w, EVFILT_WRITE, EV_DELETE, 0, 0);
		else if (need_write)
			(void)set_write(w, w->want);
		return -1;
	}
	if (!need_write && had_write)
		(void)change(w, EVFILT_WRITE, EV_DELETE, 0, 0);
	if (!(want & LOOP_READ) && had_read)
		(void)change(w, EVFILT_READ, EV_DELETE, 0, 0);
	return 0;
}

void
loop_impl_remove(struct watch *w)
{
	/* ENOENT, EBADF: it is not in there, which is all that we want */
	if ((w->want & LOOP_WRITE) || !(w->want & LOOP_READ))
		(void)change(w, EVFILT_WRITE, EV_DELETE, 0, 0);
	if (w->want & LOOP_READ)
		(void)change(w, EVFILT_READ, EV_DELETE, 0, 0);
}

void
loop_impl_wait(int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	nfetched = kevent(kq, NULL, 0, fetched, FETCH, ms < 0 ? NULL : &ts);
	if (nfetched == -1)
		nfetched = 0; /* EINTR: a turn without events */
}

static unsigned
events_of(const struct kevent *ev)
{
	/* the other side has sent its last byte: recv(2) tells so, and there
	 * may still be bytes before that; fflags is a socket's error */
	if (ev->filter == EVFILT_READ)
		return (ev->flags & EV_EOF) && ev->fflags != 0
		    ? LOOP_READ | LOOP_HANGUP
		    : LOOP_READ;
	if (ev->flags & (EV_EOF | EV_ERROR))
		return LOOP_WRITE | LOOP_HANGUP;
	return LOOP_WRITE;
}

void
loop_impl_dispatch(void)
{
	for (int i = 0; i < nfetched; i++) {
		/* NetBSD before 10 has an integer there */
		struct watch *w = (struct watch *)(uintptr_t)fetched[i].udata;

		loop_event(w, events_of(&fetched[i]));
	}
	nfetched = 0;
}

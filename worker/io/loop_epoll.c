/*
 * loop_epoll.c - the event loop over Linux's epoll(7), level-triggered.
 *
 * The kernel keeps a pointer to the watch.  A descriptor has duplicates in
 * other processes, so closing it does not end its registration: it is removed
 * from here first, always (a closed number whose file lives on elsewhere goes
 * on firing, and nobody can take it out any more).
 *
 * A watch that tells when it is drained is registered edge-triggered, so that
 * epoll_wait() does not ask its file once more after each event.  When its
 * callback has not said so, or the event was not of bytes alone, it is
 * registered anew, which has the kernel look: then it is as level-triggered as
 * the others.  An end of file behind the bytes is an event of its own kind for
 * that (EPOLLRDHUP): the edge of both may be one.
 *
 * Blocks in loop_impl_wait() only.
 */
#include "worker/io/loop_impl.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { FETCH = 256 };

static int epoll_fd = -1;
static struct epoll_event fetched[FETCH];
static int nfetched;

const char *
loop_name(void)
{
	return "epoll";
}

int
loop_impl_open(struct err *e)
{
	nfetched = 0;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd == -1)
		return err_set(e, "53000", "out of resources",
		    "epoll_create1: %s", strerror(errno));
	return 0;
}

void
loop_impl_close(void)
{
	if (epoll_fd != -1)
		close(epoll_fd);
	epoll_fd = -1;
	nfetched = 0;
}

int
loop_impl_set(struct watch *w, unsigned want)
{
	struct epoll_event ev = { .data.ptr = w };

	if (want & LOOP_READ)
		ev.events |= EPOLLIN;
	if (want & LOOP_WRITE)
		ev.events |= EPOLLOUT;
	if (w->tells_drained)
		ev.events |= EPOLLET | (want & LOOP_READ ? EPOLLRDHUP : 0);
	w->is_edge = w->tells_drained;
	w->is_armed = true;
	if (w->is_added)
		return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);
	if (want & LOOP_EXCLUSIVE)
		ev.events |= EPOLLEXCLUSIVE;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) == 0)
		return 0;
	/* closed unremoved, and the same file came back under its number:
	 * the old registration is ours to take over */
	if (errno != EEXIST)
		return -1;
	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);
}

void
loop_impl_remove(struct watch *w)
{
	struct epoll_event unused = { 0 };

	/* ENOENT, EBADF: it is not in there, which is all that we want */
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, &unused);
}

void
loop_impl_wait(int ms)
{
	nfetched = epoll_wait(epoll_fd, fetched, FETCH, ms);
	if (nfetched == -1)
		nfetched = 0; /* EINTR: a turn without events */
}

static inline void
deliver(struct watch *w, uint32_t got)
{
	unsigned events = 0;

	if (got & EPOLLIN)
		events |= LOOP_READ;
	if (got & EPOLLOUT)
		events |= LOOP_WRITE;
	if (got & (EPOLLERR | EPOLLHUP))
		events |= LOOP_HANGUP;
	w->is_armed = false;
	loop_event(w, events);
	if (w->is_edge && w->is_added && (!w->is_armed || got != EPOLLIN))
		(void)loop_impl_set(w, w->want);
}

void
loop_impl_dispatch(void)
{
	for (int i = 0; i < nfetched; i++)
		deliver(fetched[i].data.ptr, fetched[i].events);
	nfetched = 0;
}

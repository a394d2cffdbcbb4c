/*
 * ready_linux.c - ready.h over epoll.
 *
 * A table by descriptor remembers what epoll was last told, so that asking
 * for the same again makes no system call.
 */
#include "t/bench/ready.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256

struct watch {
	uint32_t events; /* 0: not in the set */
	uint32_t tag;
};

static struct watch *watches;
static int watch_max;
static int epoll_fd = -1;

int
ready_open(int max_fd)
{
	watches = calloc((size_t)max_fd, sizeof(*watches));
	if (watches == NULL)
		return -1;
	watch_max = max_fd;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd == -1 ? -1 : 0;
}

int
ready_want(int fd, bool in, bool out, uint32_t tag)
{
	struct epoll_event ev = { .data.fd = fd };
	struct watch *w;
	bool is_new;

	if (fd < 0 || fd >= watch_max) {
		errno = EBADF;
		return -1;
	}
	w = &watches[fd];
	is_new = w->events == 0;
	/* EPOLLRDHUP keeps "watched for nothing" apart from "not watched" */
	ev.events = EPOLLRDHUP | (in ? EPOLLIN : 0U) | (out ? EPOLLOUT : 0U);
	w->tag = tag;
	if (w->events == ev.events)
		return 0;
	w->events = ev.events;
	/* a peer that has ended must not wake those who do not read now */
	if (!in)
		ev.events &= ~(uint32_t)EPOLLRDHUP;
	return epoll_ctl(
	    epoll_fd, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev);
}

void
ready_drop(int fd)
{
	if (fd < 0 || fd >= watch_max || watches[fd].events == 0)
		return;
	watches[fd].events = 0;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int
ready_wait(struct ready_event *events, int max, int timeout_ms)
{
	struct epoll_event ev[BATCH];
	uint32_t bad = EPOLLERR | EPOLLHUP;
	int n;

	n = epoll_wait(epoll_fd, ev, max < BATCH ? max : BATCH, timeout_ms);
	if (n == -1)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < n; i++) {
		uint32_t got = ev[i].events;

		events[i].tag = watches[ev[i].data.fd].tag;
		events[i].in = (got & (EPOLLIN | EPOLLRDHUP | bad)) != 0;
		events[i].out = (got & (EPOLLOUT | bad)) != 0;
	}
	return n;
}

/*
 * ready_bsd.c - ready.h over poll(2), for systems without epoll.
 *
 * The poll array is dense; a table by descriptor says where each one stands.
 */
#include "t/bench/ready.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static struct pollfd *polls; /* the first poll_count are in use */
static uint32_t *tags;       /* beside polls */
static int *places;          /* by descriptor: index into polls, or -1 */
static int poll_count;
static int poll_max;
static int next_start; /* where the last harvest stopped, to be fair */

int
ready_open(int max_fd)
{
	polls = calloc((size_t)max_fd, sizeof(*polls));
	tags = calloc((size_t)max_fd, sizeof(*tags));
	places = calloc((size_t)max_fd, sizeof(*places));
	if (polls == NULL || tags == NULL || places == NULL)
		return -1;
	poll_max = max_fd;
	for (int i = 0; i < max_fd; i++)
		places[i] = -1;
	return 0;
}

int
ready_want(int fd, bool in, bool out, uint32_t tag)
{
	int i;

	if (fd < 0 || fd >= poll_max) {
		errno = EBADF;
		return -1;
	}
	i = places[fd];
	if (i == -1) {
		i = places[fd] = poll_count++;
		polls[i].fd = fd;
	}
	polls[i].events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
	tags[i] = tag;
	return 0;
}

void
ready_drop(int fd)
{
	int i;

	if (fd < 0 || fd >= poll_max || places[fd] == -1)
		return;
	i = places[fd];
	places[fd] = -1;
	poll_count--;
	if (i == poll_count)
		return;
	polls[i] = polls[poll_count];
	tags[i] = tags[poll_count];
	places[polls[i].fd] = i;
}

int
ready_wait(struct ready_event *events, int max, int timeout_ms)
{
	int left, found = 0;

	left = poll(polls, (nfds_t)poll_count, timeout_ms);
	if (left == -1)
		return errno == EINTR ? 0 : -1;
	for (int k = 0; k < poll_count && left > 0 && found < max; k++) {
		int i = (next_start + k) % poll_count;
		short got = polls[i].revents;
		short bad = POLLERR | POLLHUP | POLLNVAL;

		if (got == 0)
			continue;
		left--;
		events[found].tag = tags[i];
		events[found].in = (got & (POLLIN | bad)) != 0;
		events[found].out = (got & (POLLOUT | bad)) != 0;
		found++;
	}
	if (poll_count > 0)
		next_start = (next_start + 1) % poll_count;
	return found;
}

#include "shm/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "conf/compat.h"

enum {
	HEAD = offsetof(struct msg, text),
	MOST_FDS = 8,   /* that one message may bring; all but one are closed */
	RESETS_MAX = 8, /* ECONNRESETs read past in one call */
};

struct chan_queued {
	struct chan_queued *next;
	int fd; /* ours, or -1 */
	struct msg m;
};

/* Room for descriptors, aligned as the kernel wants it. */
union fds {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * MOST_FDS)];
};

int
chan_pair(struct chan *a, struct chan *b, struct err *e)
{
	int fd[2];

	if (compat_socketpair(AF_UNIX, SOCK_SEQPACKET, fd) == -1)
		return err_set(e, "53000", "out of descriptors",
		    "socketpair: %s", strerror(errno));
	*a = (struct chan){ .fd = fd[0] };
	*b = (struct chan){ .fd = fd[1] };
	return 0;
}

static size_t
length_of(const struct msg *m)
{
	return HEAD + (m->len < MSG_TEXT ? m->len : MSG_TEXT);
}

static void
drop_first(struct chan *c)
{
	struct chan_queued *q = c->first;

	c->first = q->next;
	if (c->first == NULL)
		c->last = NULL;
	c->queued--;
	if (q->fd != -1)
		(void)close(q->fd);
	/* it may have been a secret */
	compat_bzero(&q->m, length_of(&q->m));
	free(q);
}

void
chan_close(struct chan *c)
{
	while (c->first != NULL)
		drop_first(c);
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
}

/* --- sending --- */

/* One sendmsg(2): its result, with errno. */
static ssize_t
send_one(int sock, const struct msg *m, int fd)
{
	struct iovec iov = { (void *)(uintptr_t)m, length_of(m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fds u;
	struct cmsghdr *c;

	if (fd != -1) {
		memset(&u, 0, sizeof(u));
		h.msg_control = &u;
		h.msg_controllen = CMSG_SPACE(sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/*
 * Full for now: the socket, the kernel's memory, or descriptors in flight
 * (ETOOMANYREFS; EMFILE is how OpenBSD says it).
 */
static bool
is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ||
	    error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS ||
	    error == EMFILE;
}

static int
enqueue(struct chan *c, const struct msg *m, int fd)
{
	struct chan_queued *q;

	if (c->queued >= CHAN_QUEUE_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	q = malloc(offsetof(struct chan_queued, m) + length_of(m));
	if (q == NULL)
		return -1;
	q->next = NULL;
	q->fd = -1;
	if (fd != -1 && (q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1) {
		free(q);
		return -1;
	}
	memcpy(&q->m, m, length_of(m));
	if (c->last == NULL)
		c->first = q;
	else
		c->last->next = q;
	c->last = q;
	c->queued++;
	return 0;
}

int
chan_send(struct chan *c, const struct msg *m, int fd)
{
	if (c->fd == -1) {
		errno = EPIPE;
		return -1;
	}
	if (c->first != NULL && !chan_flush(c))
		return enqueue(c, m, fd);
	if (c->fd != -1 && send_one(c->fd, m, fd) != -1)
		return 0;
	if (is_passing(errno))
		return enqueue(c, m, fd);
	if (errno == ECONNRESET || errno == ENOTCONN)
		errno = EPIPE;
	return -1;
}

/*
 * What the kernel refuses for good is dropped: a peer that has gone is found
 * out by reading, a descriptor that cannot be sent by its absence.
 */
bool
chan_flush(struct chan *c)
{
	while (c->first != NULL) {
		if (send_one(c->fd, &c->first->m, c->first->fd) == -1 &&
		    is_passing(errno))
			return false;
		drop_first(c);
	}
	return true;
}

bool
chan_is_waiting(const struct chan *c)
{
	return c->first != NULL;
}

/* --- receiving --- */

/* The first descriptor that came; more than one nobody asked for. */
static int
take_fds(struct msghdr *h)
{
	int first = -1, fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
	     c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len;
		     at += sizeof(int)) {
			memcpy(&fd, (unsigned char *)c + at, sizeof(int));
			if (first == -1)
				first = fd;
			else
				(void)close(fd);
		}
	}
	return first;
}

static bool
is_type(uint16_t type)
{
	switch (type) {
	case MSG_FD_STORE:
	case MSG_FD_SHARE:
	case MSG_FD_GONE:
	case MSG_CANCEL:
	case MSG_RELOAD:
	case MSG_SHUTDOWN:
	case MSG_SET:
	case MSG_FD:
	case MSG_FD_DROP:
	case MSG_FD_ADOPT:
	case MSG_CONF:
	case MSG_DONE:
	case MSG_RESOLVE:
	case MSG_RESOLVED:
	case MSG_SECRET:
	case MSG_SECRET_IS:
	case MSG_PROVE:
	case MSG_PROVE_END:
	case MSG_PROVED:
	case MSG_LOG_REOPEN:
		return true;
	default:
		return false;
	}
}

static bool
is_whole(const struct msg *m, size_t n)
{
	return n >= HEAD && m->len <= MSG_TEXT && n - HEAD == m->len &&
	    is_type(m->type);
}

/* As recvmsg(2), with the descriptor that came, or -1. */
static ssize_t
recv_one(int sock, struct msg *m, int *fd, bool *truncated)
{
	struct iovec iov = { m, sizeof(*m) };
	union fds u;
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &u,
		.msg_controllen = sizeof(u) };
	ssize_t n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*fd = -1;
	if (n == -1)
		return -1;
	*fd = take_fds(&h);
	if (h.msg_flags & MSG_CTRUNC)
		*truncated = true;
	return n;
}

enum result
chan_recv(struct chan *c, struct msg *m, int *fd, bool *truncated)
{
	int resets = 0;

	*fd = -1;
	*truncated = false;
	if (c->fd == -1)
		return FAIL;
	for (;;) {
		ssize_t n = recv_one(c->fd, m, fd, truncated);

		if (n > 0 && is_whole(m, (size_t)n))
			return DONE;
		if (*fd != -1)
			(void)close(*fd);
		*fd = -1;
		if (n > 0)
			continue;
		if (n == 0)
			return FAIL;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return WAIT;
		/* how some systems say that they had no number for one */
		if (errno == EMSGSIZE || errno == EMFILE || errno == ENFILE) {
			*truncated = true;
			return WAIT;
		}
		/*
		 * The peer closed before it had read all of ours: told once,
		 * and what it had sent before is still there to be read.
		 */
		if (errno != EINTR &&
		    (errno != ECONNRESET || ++resets > RESETS_MAX))
			return FAIL;
	}
}

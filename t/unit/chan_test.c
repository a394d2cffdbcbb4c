/* chan_test.c - messages whole or absent, descriptors that nobody loses. */
#include "shm/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/shmtest.h"

static struct chan a, b;

static void
pair(void)
{
	struct err e;

	ck_assert_int_eq(chan_pair(&a, &b, &e), 0);
	ck_assert(fcntl(a.fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(b.fd, F_GETFD) & FD_CLOEXEC);
}

static void
unpair(void)
{
	chan_close(&a);
	chan_close(&b);
	ck_assert_int_eq(a.fd, -1);
}

static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static struct msg
message(uint16_t type, uint64_t id, const char *text)
{
	struct msg m = { .type = type, .id = id };

	m.len = (uint32_t)strlen(text);
	memcpy(m.text, text, m.len);
	return m;
}

static enum result
receive(struct chan *c, struct msg *m, int *fd)
{
	bool truncated;
	enum result r = chan_recv(c, m, fd, &truncated);

	ck_assert(!truncated);
	return r;
}

START_TEST(there_and_back)
{
	struct msg m = message(MSG_RESOLVE, 7, "db.example.org"), in;
	int fd;

	pair();
	ck_assert_int_eq(receive(&b, &in, &fd), WAIT);
	m.gen = UINT64_MAX;
	m.status = 3;
	ck_assert_int_eq(chan_send(&a, &m, -1), 0);
	ck_assert_int_eq(receive(&b, &in, &fd), DONE);
	ck_assert_int_eq(fd, -1);
	ck_assert_uint_eq(in.type, MSG_RESOLVE);
	ck_assert_uint_eq(in.id, 7);
	ck_assert_uint_eq(in.gen, UINT64_MAX);
	ck_assert_uint_eq(in.status, 3);
	ck_assert_uint_eq(in.len, m.len);
	ck_assert_mem_eq(in.text, m.text, m.len);
	m.len = MSG_TEXT;
	ck_assert_int_eq(chan_send(&b, &m, -1), 0);
	ck_assert_int_eq(receive(&a, &in, &fd), DONE);
	ck_assert_uint_eq(in.len, MSG_TEXT);
	ck_assert_int_eq(receive(&a, &in, &fd), WAIT);
	unpair();
}
END_TEST

START_TEST(a_descriptor_travels)
{
	struct msg m = message(MSG_FD, 1, ""), in;
	struct stat one, two;
	int fds[2], fd, before;

	pair();
	before = open_fds();
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(chan_send(&a, &m, fds[0]), 0);
	ck_assert_int_eq(receive(&b, &in, &fd), DONE);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_ne(fd, fds[0]);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ck_assert_int_eq(fstat(fds[0], &one), 0);
	ck_assert_int_eq(fstat(fd, &two), 0);
	ck_assert_uint_eq(one.st_ino, two.st_ino);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(open_fds(), before);
	unpair();
}
END_TEST

/* Full socket: the queue takes over, in order, with its own duplicates. */
START_TEST(full_queues)
{
	struct msg m = message(MSG_FD_STORE, 0, "x"), in;
	uint64_t sent = 0, got = 0;
	int fds[2], fd, before;

	pair();
	before = open_fds();
	ck_assert_int_eq(pipe(fds), 0);
	while (!chan_is_waiting(&a)) {
		m.id = sent++;
		ck_assert_int_eq(
		    chan_send(&a, &m, m.id % 3 == 0 ? fds[0] : -1), 0);
	}
	for (int i = 0; i < 50; i++) {
		m.id = sent++;
		ck_assert_int_eq(
		    chan_send(&a, &m, m.id % 3 == 0 ? fds[0] : -1), 0);
	}
	close(fds[0]);
	close(fds[1]);
	ck_assert_uint_ge(a.queued, 50);
	ck_assert(!chan_flush(&a));
	while (got < sent) {
		enum result r = receive(&b, &in, &fd);

		if (r == WAIT) {
			(void)chan_flush(&a);
			continue;
		}
		ck_assert_int_eq(r, DONE);
		ck_assert_uint_eq(in.id, got);
		ck_assert_int_eq(fd != -1, got % 3 == 0);
		if (fd != -1)
			close(fd);
		got++;
	}
	ck_assert(chan_flush(&a));
	ck_assert(!chan_is_waiting(&a));
	ck_assert_uint_eq(a.queued, 0);
	ck_assert_int_eq(open_fds(), before);
	unpair();
}
END_TEST

START_TEST(bounded)
{
	struct msg m = message(MSG_FD_STORE, 0, "x");
	int n = 0, before;

	pair();
	before = open_fds();
	while (chan_send(&a, &m, n < 2000 ? -1 : a.fd) == 0 && n < 100000)
		n++;
	ck_assert_int_lt(n, 100000);
	ck_assert_uint_le(a.queued, CHAN_QUEUE_MAX);
	chan_close(&a); /* closes what is queued */
	ck_assert_int_le(open_fds(), before - 1);
	unpair();
}
END_TEST

START_TEST(the_peer_has_gone)
{
	struct msg m = message(MSG_DONE, 5, ""), in;
	int fd;

	pair();
	/* what it had sent is read first, past its reset */
	ck_assert_int_eq(chan_send(&a, &m, -1), 0);
	ck_assert_int_eq(chan_send(&a, &m, a.fd), 0);
	ck_assert_int_eq(chan_send(&b, &m, -1), 0); /* never read by a */
	chan_close(&a);
	ck_assert_int_eq(receive(&b, &in, &fd), DONE);
	ck_assert_int_eq(receive(&b, &in, &fd), DONE);
	ck_assert_int_ne(fd, -1);
	close(fd);
	ck_assert_int_eq(receive(&b, &in, &fd), FAIL);
	ck_assert_int_eq(receive(&b, &in, &fd), FAIL);
	errno = 0;
	ck_assert_int_eq(chan_send(&b, &m, -1), -1);
	ck_assert_int_eq(errno, EPIPE);
	unpair();
	ck_assert_int_eq(chan_send(&b, &m, -1), -1);
	ck_assert_int_eq(receive(&b, &in, &fd), FAIL);
}
END_TEST

/* Raw bytes, with any number of descriptors, as no good child sends them. */
static void
send_raw(const void *bytes, size_t len, int fd, int nfds)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} u;
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&u, 0, sizeof(u));
	if (nfds > 0) {
		h.msg_control = &u;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		for (int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(c) + i * (int)sizeof(int), &fd,
			    sizeof(int));
	}
	ck_assert_int_eq(sendmsg(a.fd, &h, 0), (ssize_t)len);
}

START_TEST(malformed_is_dropped)
{
	struct msg m = message(MSG_FD, 1, "abc"), in;
	unsigned char big[sizeof(struct msg) + 100];
	size_t head = offsetof(struct msg, text);
	int fd, before;

	pair();
	before = open_fds();
	send_raw("x", 1, a.fd, 1);
	send_raw(&m, head - 1, a.fd, 1);
	send_raw(&m, head + 2, a.fd, 1); /* shorter than it says */
	send_raw(&m, head + 4, a.fd, 1); /* longer */
	m.len = UINT32_MAX;
	send_raw(&m, head + 3, a.fd, 1);
	m.len = MSG_TEXT + 1;
	memset(big, 0, sizeof(big));
	memcpy(big, &m, sizeof(m));
	send_raw(big, sizeof(m) + 1, a.fd, 1);
	send_raw(big, sizeof(big), a.fd, 1);
	m = message(0, 1, "");
	send_raw(&m, head, a.fd, 1);
	m = message(999, 1, "");
	send_raw(&m, head, a.fd, 1);
	m = message(MSG_FD, 2, "abc");
	send_raw(&m, head + 3, a.fd, 5); /* four of them nobody asked for */
	ck_assert_int_eq(receive(&b, &in, &fd), DONE);
	ck_assert_uint_eq(in.id, 2);
	ck_assert_int_ne(fd, -1);
	close(fd);
	ck_assert_int_eq(open_fds(), before);
	ck_assert_int_eq(receive(&b, &in, &fd), WAIT);
	unpair();
}
END_TEST

START_TEST(truncated_is_told)
{
	struct msg m = message(MSG_FD, 1, ""), in;
	struct rlimit r, low;
	enum result got;
	bool truncated;
	int fd, top;

	pair();
	ck_assert_int_eq(chan_send(&a, &m, a.fd), 0);
	m.id = 2;
	ck_assert_int_eq(chan_send(&a, &m, a.fd), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	top = dup(a.fd);
	close(top);
	low = r;
	low.rlim_cur = (rlim_t)top; /* not one more number */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	got = chan_recv(&b, &in, &fd, &truncated);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
	ck_assert(truncated);
	ck_assert_int_eq(fd, -1);
	ck_assert(got == DONE || got == WAIT);
	/* the next one is whole again */
	ck_assert_int_eq(receive(&b, &in, &fd), DONE);
	ck_assert_uint_eq(in.id, 2);
	ck_assert_int_ne(fd, -1);
	close(fd);
	unpair();
}
END_TEST

/*
 * Linux refuses more descriptors in flight than a process may have open
 * (ETOOMANYREFS), though the socket has room: they wait in the queue.
 */
static _Noreturn void
send_too_many(void)
{
	struct rlimit low = { 64, 64 };
	struct msg m = message(MSG_FD, 0, ""), in;
	uint64_t got = 0, sent = 0;
	bool truncated;
	int fd;

	if ((geteuid() == 0 && setuid(65534) == -1) ||
	    setrlimit(RLIMIT_NOFILE, &low) == -1)
		_exit(1);
	for (; sent < 85; sent++) {
		m.id = sent;
		if (chan_send(&a, &m, a.fd) != 0)
			_exit(2);
	}
	while (got < sent) {
		enum result r = chan_recv(&b, &in, &fd, &truncated);

		if (r == FAIL || truncated)
			_exit(3);
		if (r == DONE && (in.id != got++ || fd == -1))
			_exit(4);
		if (fd != -1)
			(void)close(fd);
		(void)chan_flush(&a);
	}
	_exit(chan_is_waiting(&a) ? 5 : 0);
}

START_TEST(too_many_in_flight)
{
	int status;
	pid_t kid;

	pair();
	kid = fork();
	ck_assert_int_ne(kid, -1);
	if (kid == 0)
		send_too_many();
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	ck_assert_int_eq(status, 0);
	unpair();
}
END_TEST

/* A child that dies with its pockets full: all that it sent arrives. */
START_TEST(read_to_the_end_of_the_dead)
{
	struct msg m = message(MSG_FD_STORE, 0, ""), in;
	uint64_t got = 0;
	enum result r;
	int fd, status;
	pid_t kid;

	pair();
	kid = fork();
	ck_assert_int_ne(kid, -1);
	if (kid == 0) {
		chan_close(&b);
		for (m.id = 0; m.id < 20; m.id++)
			if (chan_send(&a, &m, a.fd) != 0)
				_exit(1);
		_exit(0);
	}
	chan_close(&a);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(chan_send(&b, &m, -1), 0);
	ck_assert_int_eq(waitpid(kid, &status, 0), kid);
	ck_assert_int_eq(status, 0);
	while ((r = receive(&b, &in, &fd)) == DONE) {
		ck_assert_uint_eq(in.id, got++);
		ck_assert_int_ne(fd, -1);
		close(fd);
	}
	/* its own end came back in those messages, and is closed by now */
	ck_assert_int_eq(r, FAIL);
	ck_assert_uint_eq(got, 20);
	unpair();
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(there_and_back),
		TEST(a_descriptor_travels),
		TEST(full_queues),
		TEST(bounded),
		TEST(the_peer_has_gone),
		TEST(malformed_is_dropped),
		TEST(truncated_is_told),
		TEST(too_many_in_flight),
		TEST(read_to_the_end_of_the_dead),
		NO_MORE_TESTS,
	};

	return run_tests("chan", tests, 30);
}

/*
 * forwarder.c - the yardstick: pass bytes between a client and a server
 * connection of its own, and understand nothing.
 *
 * What a pooler costs beyond this is what its features cost.  One thread, one
 * worker-wide buffer of 64 kB, one recv and one send for each event; what the
 * other side does not take is copied into a buffer of that direction, and the
 * source is not read until it has gone.
 *
 * As several processes it shows what a second process costs by itself: they
 * take clients in turn, so that all have as many.
 *
 * forwarder LISTEN_WHERE LISTEN_PORT SERVER_WHERE SERVER_PORT [PROCESSES]
 */
#include "t/bench/address_parse.h"
#include "t/bench/ready.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK    65536
#define EVENTS   256
#define NO_PEER  (-1)
#define LISTENER UINT32_MAX

/* One end of a pair, by its descriptor. */
struct end {
	int peer;        /* the other end's descriptor, or NO_PEER */
	bool connecting; /* connect(2) has not ended yet */
	char *held;      /* what the peer sent and this end did not take */
	size_t held_len;
	size_t held_sent;
};

static struct end *ends;
static int end_max;
static char chunk[CHUNK];

static struct sockaddr_storage server_addr;
static socklen_t server_len;

static unsigned me, nprocs = 1;
static atomic_uint *taken; /* clients that all processes have taken */

static void
tune(int fd)
{
	int one = 1;

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	/* fails on a Unix socket, which has no such delay */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void
end_free(int fd)
{
	ready_drop(fd);
	close(fd);
	free(ends[fd].held);
	memset(&ends[fd], 0, sizeof(ends[fd]));
	ends[fd].peer = NO_PEER;
}

static void
pair_close(int fd)
{
	int peer = ends[fd].peer;

	end_free(fd);
	if (peer != NO_PEER)
		end_free(peer);
}

/* Watch `fd` for what it and its peer can do now. */
static void
watch(int fd)
{
	const struct end *e = &ends[fd];
	bool blocked = ends[e->peer].held != NULL || ends[e->peer].connecting;

	if (ready_want(fd, !blocked && !e->connecting,
		e->connecting || e->held != NULL, (uint32_t)fd) == -1)
		err(1, "watch a socket");
}

static void
on_accept(int listener)
{
	int client, server;

	if (atomic_load(taken) % nprocs != me)
		return;
	client = accept(listener, NULL, NULL);
	if (client == -1)
		return;
	atomic_fetch_add(taken, 1);
	server = socket(server_addr.ss_family, SOCK_STREAM, 0);
	if (server == -1 || client >= end_max || server >= end_max) {
		warnx("no descriptor left for another pair");
		close(client);
		if (server != -1)
			close(server);
		return;
	}
	tune(client);
	tune(server);
	ends[client].peer = server;
	ends[server].peer = client;
	if (connect(server, (struct sockaddr *)&server_addr, server_len) ==
	    -1) {
		if (errno != EINPROGRESS) {
			warn("connect to the server");
			pair_close(client);
			return;
		}
		ends[server].connecting = true;
	}
	watch(client);
	watch(server);
}

/* 0, or -1 when the pair has to go. */
static int
hold(struct end *e, const char *data, size_t len)
{
	e->held = malloc(len);
	if (e->held == NULL)
		return -1;
	memcpy(e->held, data, len);
	e->held_len = len;
	e->held_sent = 0;
	return 0;
}

static int
on_in(int fd)
{
	int peer = ends[fd].peer;
	ssize_t got, sent;

	/* fetched before the peer filled up: it reads again when drained */
	if (ends[peer].held != NULL || ends[peer].connecting)
		return 0;
	got = recv(fd, chunk, sizeof(chunk), 0);
	if (got == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (got == 0)
		return -1;
	sent = send(peer, chunk, (size_t)got, MSG_NOSIGNAL);
	if (sent == -1) {
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		sent = 0;
	}
	if (sent == got)
		return 0;
	if (hold(&ends[peer], chunk + sent, (size_t)(got - sent)) == -1)
		return -1;
	watch(fd);
	watch(peer);
	return 0;
}

static int
on_out(int fd)
{
	struct end *e = &ends[fd];
	socklen_t len = sizeof(int);
	int fault = 0;
	ssize_t sent;

	if (e->connecting) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) == -1 ||
		    fault != 0)
			return -1;
		e->connecting = false;
	}
	if (e->held != NULL) {
		sent = send(fd, e->held + e->held_sent,
		    e->held_len - e->held_sent, MSG_NOSIGNAL);
		if (sent == -1)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		e->held_sent += (size_t)sent;
		if (e->held_sent < e->held_len)
			return 0;
		free(e->held);
		e->held = NULL;
	}
	watch(fd);
	watch(e->peer);
	return 0;
}

static int
listen_open(const char *where, int port)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int fd, one = 1;

	len = address_parse(where, port, &addr);
	if (len == 0)
		errx(2, "%s port %d is no address", where, port);
	fd = socket(addr.ss_family, SOCK_STREAM, 0);
	if (fd == -1)
		err(1, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* of a forwarder that was ended before */
	if (addr.ss_family == AF_UNIX)
		(void)unlink(((struct sockaddr_un *)&addr)->sun_path);
	if (bind(fd, (struct sockaddr *)&addr, len) == -1 ||
	    listen(fd, 1024) == -1)
		err(1, "listen on %s port %d", where, port);
	tune(fd);
	return fd;
}

/* The number of descriptors that we may have, raised as far as it goes. */
static int
fd_limit(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(1, "getrlimit");
	return rl.rlim_cur > 1000000 ? 1000000 : (int)rl.rlim_cur;
}

/* The first process ends the others with itself. */
static void
on_term(int signo)
{
	(void)signal(signo, SIG_DFL);
	(void)kill(0, signo);
}

static void
start_processes(void)
{
	taken = mmap(NULL, sizeof(*taken), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANON, -1, 0);
	if (taken == MAP_FAILED)
		err(1, "mmap");
	if (nprocs == 1)
		return;
	/* a session's leader is its group's already */
	if (getpgrp() != getpid() && setpgid(0, 0) == -1)
		err(1, "setpgid");
	for (unsigned i = 1; i < nprocs; i++)
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			me = i;
			return;
		}
	signal(SIGTERM, on_term);
}

static void
make_tables(void)
{
	end_max = fd_limit();
	ends = calloc((size_t)end_max, sizeof(*ends));
	if (ends == NULL || ready_open(end_max) == -1)
		err(1, "start");
	for (int i = 0; i < end_max; i++)
		ends[i].peer = NO_PEER;
}

static _Noreturn void
run(int listener)
{
	struct ready_event ev[EVENTS];

	if (ready_want(listener, true, false, LISTENER) == -1)
		err(1, "watch the listener");
	for (;;) {
		int n = ready_wait(ev, EVENTS, -1);

		if (n == -1)
			err(1, "wait");
		for (int i = 0; i < n; i++) {
			int fd = (int)ev[i].tag;

			if (ev[i].tag == LISTENER)
				on_accept(listener);
			else if (ends[fd].peer != NO_PEER &&
			    ((ev[i].out && on_out(fd) == -1) ||
				(ev[i].in && on_in(fd) == -1)))
				pair_close(fd);
		}
	}
}

int
main(int argc, char **argv)
{
	int listener;

	if (argc != 5 && argc != 6)
		errx(2,
		    "usage: forwarder WHERE PORT SERVER_WHERE SERVER_PORT "
		    "[PROCESSES]");
	signal(SIGPIPE, SIG_IGN);
	server_len = address_parse(argv[3], atoi(argv[4]), &server_addr);
	if (server_len == 0)
		errx(2, "%s port %s is no address", argv[3], argv[4]);
	if (argc == 6 && atoi(argv[5]) > 1)
		nprocs = (unsigned)atoi(argv[5]);
	listener = listen_open(argv[1], atoi(argv[2]));
	start_processes();
	make_tables();
	run(listener);
}

#include "worker/backend/login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "shm/crash.h"
#include "worker/backend/dedicate.h"
#include "worker/backend/depart.h"
#include "worker/backend/lend.h"
#include "worker/backend/login_impl.h"
#include "worker/backend/open.h"
#include "worker/backend/target.h"
#include "worker/io/outer.h"
#include "worker/io/tls.h"
#include "worker/io/tune.h"
#include "worker/self.h"

enum { STORE_US = 2000 }; /* how often to look at a full channel */

static enum result try_entry(struct login *l);
static enum result try_connect(struct login *l);

/* --- the end ---------------------------------------------------------------- */

void
login_drop(struct backend *b)
{
	struct login *l = b->login;

	if (l == NULL)
		return;
	b->login = NULL;
	ask_cancel(&l->ask);
	deadline_clear(&l->deadline);
	deadline_clear(&l->retry);
	loginmsg_fini(l);
	compat_bzero(l, sizeof(*l));
	free(l);
}

void
login_fail(struct login *l)
{
	struct err e = l->err;

	/* the host did not do: the next attempt is another one's turn.  With
	   round robin it is so anyway */
	if (l->b->lend->db->load_balance_hosts == LOAD_DISABLE)
		l->b->lend->next_host++;
	open_failed(l->b, &e, l->told, l->mark); /* frees l */
}

static void
on_deadline(struct deadline *d)
{
	struct login *l = OUTER_OF(d, struct login, deadline);

	err_set(&l->err, "08006", "server login has timed out",
	    "server_connect_timeout");
	login_fail(l);
}

static void
succeed(struct login *l)
{
	struct backend *b = l->b;
	struct slot *s = slot_at(b->slot);
	socklen_t len = sizeof(l->info.local.sa);
	struct pool_greeting greeting;
	struct log_who who;
	char text[TARGET_TEXT];

	if (getsockname(
		b->watch.fd, (struct sockaddr *)l->info.local.sa, &len) == 0 &&
	    len <= sizeof(l->info.local.sa))
		l->info.local.len = len;
	memcpy(l->info.params, l->params.text, l->params.len);
	l->info.params_len = l->params.len;
	if (b->tls != NULL)
		logintls_describe(l);
	slot_info_write(b->slot, &l->info);
	atomic_store(&s->backend_pid, l->pid);
	CRASH_POINT("login.greeting");
	greeting = l->greeting;
	if (b->own == NULL)
		pool_greeting_write(b->lend->row, &l->greeting);
	if (self.conf->log_connections) {
		backend_who(b, &who);
		target_text(&l->info.local, text);
		log_info(&who, "new connection to server (from %s)", text);
	}
	login_drop(b);
	if (b->own != NULL)
		dedicate_ready(b, &greeting);
	else
		backend_logged_in(b);
}

/* --- connecting ------------------------------------------------------------------- */

static void
close_socket(struct login *l)
{
	struct backend *b = l->b;

	depart_tell(b, MSG_FD_GONE, -1);
	loop_remove(&b->watch);
	tls_drop(b->tls);
	b->tls = NULL;
	close(b->watch.fd);
	b->watch.fd = -1;
	have_set(self.me, b->slot, 0);
	buf_fini(&b->in);
	buf_fini(&b->out);
}

/* This address did not do: the next one, if there is one. */
static enum result
next_address(struct login *l)
{
	const struct lend *lend = l->b->lend;

	if (l->b->watch.fd != -1)
		close_socket(l);
	l->address++;
	if (l->ask.status == ASK_WELL && l->address < l->ask.addrs.n)
		return try_connect(l);
	if (l->tried >= hostlist_count(lend->db->host))
		return FAIL;
	l->b->lend->next_host++;
	return try_entry(l);
}

static enum result
unreachable(struct login *l, int error)
{
	char text[TARGET_TEXT];

	target_text(&l->info.addr, text);
	err_set(&l->err, "08006", "server is not reachable",
	    "connect to %s: %s", text, strerror(error));
	return next_address(l);
}

/*
 * Connect, once the supervisor is sure to get the duplicate: what still waits
 * in our own memory would die with us, and the backend would be nobody's.
 */
static enum result
do_connect(struct login *l)
{
	struct backend *b = l->b;
	struct sockaddr_storage ss;

	if (chan_is_waiting(&self.chan)) {
		l->state = LOGIN_STORE;
		if (deadline_set(&l->retry, loop_now_us + STORE_US) == 0)
			return WAIT;
		return err_set(
			   &l->err, "53200", "out of memory", "out of memory"),
		       FAIL;
	}
	CRASH_POINT("login.stored");
	l->state = LOGIN_CONNECT;
	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, l->info.addr.sa, l->info.addr.len);
	if (connect(b->watch.fd, (struct sockaddr *)&ss, l->info.addr.len) ==
		-1 &&
	    errno != EINPROGRESS)
		return unreachable(l, errno);
	if (loop_want(&b->watch, LOOP_WRITE) == -1)
		return err_set(&l->err, "53000", "server is not reachable",
			   "event loop: %s", strerror(errno)),
		       FAIL;
	return WAIT;
}

static void
on_retry(struct deadline *d)
{
	struct login *l = OUTER_OF(d, struct login, retry);

	if (do_connect(l) == FAIL)
		login_fail(l);
}

static enum result
connect_to(struct login *l)
{
	struct backend *b = l->b;
	struct sockaddr_storage ss;
	int fd;

	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, l->info.addr.sa, l->info.addr.len);
	fd = socket(ss.ss_family, SOCK_STREAM, 0);
	if (fd == -1 && errno == EAFNOSUPPORT)
		return unreachable(l, errno);
	if (fd == -1 || compat_cloexec_nonblock(fd) == -1) {
		err_set(&l->err, "53000", "server is not reachable",
		    "socket: %s", strerror(errno));
		if (fd != -1)
			close(fd);
		return FAIL;
	}
	tune_socket(fd, ss.ss_family, self.conf);
	watch_init(&b->watch, fd, b->watch.on_event);
	b->watch.tells_drained = true;
	have_set(self.me, b->slot, b->gen);
	slot_info_write(b->slot, &l->info);
	CRASH_POINT("login.socket");
	/* the supervisor has it before there can be a backend behind it */
	if (depart_tell(b, MSG_FD_STORE, fd) == -1) {
		err_set(&l->err, "53000", "server is not reachable",
		    "channel to the supervisor is full");
		return FAIL;
	}
	return do_connect(l);
}

static enum result
try_connect(struct login *l)
{
	if (!target_inet(
		&l->ask.addrs, l->address, l->b->lend->db->port, &l->info.addr))
		return next_address(l);
	return connect_to(l);
}

static void
on_answer(struct ask *a)
{
	struct login *l = OUTER_OF(a, struct login, ask);
	enum result r;

	if (a->status == ASK_WELL) {
		r = try_connect(l);
	} else {
		l->err = a->err;
		r = next_address(l);
	}
	if (r == FAIL)
		login_fail(l);
}

/* The entry of the host list whose turn it is. */
static enum result
try_entry(struct login *l)
{
	struct lend *lend = l->b->lend;
	const struct conf_db *db = lend->db;
	uint32_t n = hostlist_count(db->host);

	l->tried++;
	l->address = 0;
	l->ask.status = ASK_NONE;
	l->state = LOGIN_HOST;
	if (!hostlist_entry(db->host, lend->next_host % n, l->host)) {
		err_set(&l->err, "08006", "server is not reachable",
		    "name of the server is too long");
		return next_address(l);
	}
	if (target_unix(
		l->host, db->port, self.conf->unix_socket_dir, &l->info.addr)) {
		if (l->info.addr.len > 0)
			return connect_to(l);
		err_set(&l->err, "08006", "server is not reachable",
		    "path of the Unix socket is too long");
		return next_address(l);
	}
	switch (ask_host(&l->ask, l->host, db->port, on_answer)) {
	case DONE:
		return try_connect(l);
	case WAIT:
		return WAIT;
	case FAIL:
		break;
	}
	l->err = l->ask.err;
	return next_address(l);
}

static enum result
on_connected(struct login *l)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->b->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) ==
	    -1)
		error = errno;
	if (error != 0)
		return unreachable(l, error);
	if (loop_want(&l->b->watch, LOOP_READ) == -1)
		return err_set(&l->err, "53000", "server is not reachable",
			   "event loop: %s", strerror(errno)),
		       FAIL;
	return logintls_is_wanted(l) ? logintls_start(l) : loginmsg_start(l);
}

void
login_start(struct backend *b)
{
	struct login *l = calloc(1, sizeof(*l));
	struct err e;

	dedicate_assign(b);
	if (l == NULL) {
		err_set(&e, "53200", "out of memory", "out of memory");
		open_failed(b, &e, POOL_UNTOLD, 0);
		return;
	}
	b->login = l;
	l->b = b;
	l->info = *backend_info(b);
	params_edit_init(&l->params);
	deadline_init(&l->deadline, on_deadline);
	deadline_init(&l->retry, on_retry);
	if (b->lend->db->load_balance_hosts == LOAD_ROUND_ROBIN)
		b->lend->next_host++;
	if (self.conf->server_connect_timeout_ms > 0)
		deadline_set(&l->deadline,
		    loop_now_us +
			(uint64_t)self.conf->server_connect_timeout_ms * 1000);
	if (try_entry(l) == FAIL)
		login_fail(l);
}

void
login_on_event(struct backend *b, unsigned events)
{
	struct login *l = b->login;
	enum result r = WAIT;

	if (l->state == LOGIN_CONNECT) {
		r = on_connected(l);
	} else if (l->state == LOGIN_TLS_REPLY || l->state == LOGIN_TLS) {
		r = logintls_run(l);
	} else {
		if (events & LOOP_WRITE && backend_is_full(b)) {
			ssize_t left = buf_flush(&b->out, b->watch.fd, b->tls);

			if (left == 0)
				loop_want(&b->watch, LOOP_READ);
		}
		if (events & (LOOP_READ | LOOP_HANGUP))
			r = loginmsg_run(l);
	}
	if (r == DONE)
		succeed(l);
	else if (r == FAIL)
		login_fail(l);
}

/*
 * load_client.c - see load_client.h.
 *
 *   DOWN -> CONNECT -> LOGIN -> REST <-> ANSWER
 *
 *   refused or lost: -> DOWN with --reconnect, else -> OVER
 *   one connection for each transaction: ANSWER -> DOWN
 *   count reached, or the run has ended: -> OVER
 */
#include "t/bench/load_client.h"

#include "t/bench/clock_us.h"
#include "t/bench/load_answer.h"
#include "t/bench/load_script.h"
#include "t/bench/ready.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RETRY_US    100000 /* after a refusal */
#define FULL_US     3000   /* after a full backlog of a Unix socket */
#define WRONG_SHOWN 10

static uint32_t
number_of(const struct load *l, const struct load_client *c)
{
	return (uint32_t)(c - l->clients);
}

static void
set_state(struct load *l, struct load_client *c, enum client_state state)
{
	l->in_flight -= c->state == CLIENT_ANSWER;
	l->in_flight += state == CLIENT_ANSWER;
	l->over -= c->state == CLIENT_OVER;
	l->over += state == CLIENT_OVER;
	c->state = (uint8_t)state;
}

static void
watch(struct load *l, struct load_client *c)
{
	bool wants_out = c->state == CLIENT_CONNECT || c->out_sent < c->out_len;

	if (ready_want(c->fd, true, wants_out, number_of(l, c)) == -1)
		err(1, "watch a socket");
}

/* Close the socket, if there is one; the state is the caller's affair. */
static void
hang_up(struct load *l, struct load_client *c)
{
	if (c->fd == -1)
		return;
	ready_drop(c->fd);
	close(c->fd);
	c->fd = -1;
	c->in_len = c->out_len = c->out_sent = 0;
	c->skip = 0;
	if (c->state == CLIENT_REST || c->state == CLIENT_ANSWER)
		l->stat.connected--;
	l->holding -= c->held;
	c->held = false;
}

static void
go_down(struct load *l, struct load_client *c, int64_t pause_us)
{
	hang_up(l, c);
	c->connect_us = 0;
	set_state(l, c, CLIENT_DOWN);
	load_agenda_put(l, c, l->now_us + pause_us);
}

void
load_client_end(struct load *l, struct load_client *c)
{
	if (c->fd != -1 && c->state == CLIENT_REST)
		(void)send(c->fd, "X\0\0\0\4", 5, MSG_NOSIGNAL);
	hang_up(l, c);
	load_agenda_drop(l, c);
	set_state(l, c, CLIENT_OVER);
}

void
load_client_lost(struct load *l, struct load_client *c, const char *why)
{
	if (c->state == CLIENT_CONNECT || c->state == CLIENT_LOGIN) {
		kinds_add(&l->stat.refused, why);
	} else {
		/* an announced end was counted with its ErrorResponse */
		if (!c->fatal)
			kinds_add(&l->stat.lost, why);
		l->stat.lost_clients += !c->was_lost;
		c->was_lost = true;
		c->lost_us = l->now_us;
	}
	if (l->opt.reconnect && !l->stopping)
		go_down(l, c,
		    c->state < CLIENT_REST
			? RETRY_US / 2 + load_random(l, RETRY_US)
			: 0);
	else {
		hang_up(l, c);
		load_agenda_drop(l, c);
		set_state(l, c, CLIENT_OVER);
	}
}

void
load_client_wrong(struct load *l, struct load_client *c, const char *what,
    const char *got, size_t len)
{
	if (l->stat.wrong++ < WRONG_SHOWN) {
		fprintf(stderr,
		    "WRONG ANSWER: client %" PRIu32 " with token %s: %s '",
		    number_of(l, c), c->token, what);
		for (size_t i = 0; i < len; i++)
			fputc(got[i] >= ' ' && got[i] <= '~' ? got[i] : '.',
			    stderr);
		fputs("'\n", stderr);
	}
	load_client_lost(l, c, "after a wrong answer");
}

int
load_client_flush(struct load *l, struct load_client *c)
{
	ssize_t n;

	if (c->out_sent < c->out_len) {
		n = send(c->fd, c->out + c->out_sent,
		    (size_t)(c->out_len - c->out_sent), MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR) {
			load_client_lost(l, c, strerror(errno));
			return -1;
		}
		if (n > 0)
			c->out_sent = (uint16_t)(c->out_sent + n);
	}
	watch(l, c);
	return 0;
}

static void
ask(struct load *l, struct load_client *c)
{
	c->seen = 0;
	c->failed = false;
	load_script_query(c);
	(void)load_client_flush(l, c);
}

static void
begin_transaction(struct load *l, struct load_client *c)
{
	enum load_mode mode = l->opt.mode;

	if (mode == MODE_MIXED)
		mode = (enum load_mode)((c->serial + number_of(l, c)) % 3);
	else if (mode == MODE_IDLE)
		mode = MODE_SIMPLE;
	c->script = (uint8_t)mode;
	c->step = 0;
	c->began_us = l->now_us;
	snprintf(c->token, sizeof(c->token), "%" PRIu32 ".%" PRIu64 ".%" PRIx64,
	    number_of(l, c), c->serial++, l->nonce);
	set_state(l, c, CLIENT_ANSWER);
	ask(l, c);
}

/* Between two transactions: what next? */
static void
rest(struct load *l, struct load_client *c)
{
	uint32_t think_us = l->opt.think_ms * 1000;
	bool has_done = l->opt.count != 0 && c->serial >= l->opt.count;

	if (l->opt.mode == MODE_IDLE && (has_done || l->opt.count == 0)) {
		l->holding += !c->held;
		c->held = true;
	} else if (l->stopping || has_done) {
		load_client_end(l, c);
	} else if (c->fd == -1) {
		go_down(l, c, think_us);
	} else if (think_us > 0) {
		load_agenda_put(
		    l, c, l->now_us + think_us / 2 + load_random(l, think_us));
	} else {
		begin_transaction(l, c);
	}
}

/* A transaction has ended, `well` or with an error. */
static void
end_transaction(struct load *l, struct load_client *c, bool well)
{
	set_state(l, c, CLIENT_REST);
	if (l->opt.connect_each) {
		(void)send(c->fd, "X\0\0\0\4", 5, MSG_NOSIGNAL);
		hang_up(l, c);
		l->now_us = clock_us();
		c->began_us = c->connect_us;
	}
	if (well) {
		l->stat.done++;
		hist_add(&l->stat.latency, l->now_us - c->began_us);
	}
	rest(l, c);
}

void
load_client_logged_in(struct load *l, struct load_client *c)
{
	l->stat.connects++;
	l->stat.connected++;
	if (l->stat.connected > l->stat.simultaneous)
		l->stat.simultaneous = l->stat.connected;
	hist_add(&l->stat.connect, l->now_us - c->connect_us);
	if (c->lost_us != 0) {
		l->stat.reconnects++;
		hist_add(&l->stat.outage, l->now_us - c->lost_us);
		c->lost_us = 0;
	}
	set_state(l, c, CLIENT_REST);
	if (l->opt.connect_each)
		begin_transaction(l, c);
	else
		rest(l, c);
}

void
load_client_ready(struct load *l, struct load_client *c, char status)
{
	if (c->failed && status != 'I') {
		c->step = STEP_ROLLBACK;
		ask(l, c);
	} else if (c->failed || c->step == STEP_ROLLBACK) {
		end_transaction(l, c, false);
	} else {
		c->step++;
		if (load_script_step(c) != NULL)
			ask(l, c);
		else
			end_transaction(l, c, true);
	}
}

static void
on_in(struct load *l, struct load_client *c)
{
	size_t room = sizeof(c->in) - c->in_len;
	ssize_t n;

	n = recv(c->fd, c->in + c->in_len, room, 0);
	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			load_client_lost(l, c, strerror(errno));
		return;
	}
	if (n == 0) {
		load_client_lost(l, c, "closed by the server");
		return;
	}
	c->in_len = (uint16_t)(c->in_len + n);
	if (c->skip > 0) {
		/* the buffer was emptied when the skipping began */
		uint32_t drop = c->skip < c->in_len ? c->skip : c->in_len;

		c->skip -= drop;
		c->in_len = (uint16_t)(c->in_len - drop);
		memmove(c->in, c->in + drop, c->in_len);
	}
	load_answer_take(l, c);
}

static void
on_connected(struct load *l, struct load_client *c)
{
	set_state(l, c, CLIENT_LOGIN);
	load_script_startup(c, &l->opt);
	(void)load_client_flush(l, c);
}

void
load_client_event(struct load *l, struct load_client *c, bool in, bool out)
{
	socklen_t len = sizeof(int);
	int fault = 0;

	if (c->fd == -1)
		return;
	if (c->state == CLIENT_CONNECT) {
		if (!out)
			return;
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &fault, &len) ==
			-1 ||
		    fault != 0)
			load_client_lost(l, c, strerror(fault));
		else
			on_connected(l, c);
		return;
	}
	if (out && c->out_sent < c->out_len && load_client_flush(l, c) == -1)
		return;
	if (in)
		on_in(l, c);
}

static void
connect_now(struct load *l, struct load_client *c)
{
	int one = 1;

	/* a client that found the backlog full has been waiting since then */
	if (c->connect_us == 0)
		c->connect_us = clock_us();
	c->fatal = false;
	set_state(l, c, CLIENT_CONNECT);
	c->fd = socket(l->addr.ss_family, SOCK_STREAM, 0);
	if (c->fd == -1)
		err(1, "socket");
	(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
	/* fails on a Unix socket, which has no such delay */
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (struct sockaddr *)&l->addr, l->addr_len) == 0)
		on_connected(l, c);
	else if (errno == EINPROGRESS)
		watch(l, c);
	else if (errno == EAGAIN) {
		hang_up(l, c);
		set_state(l, c, CLIENT_DOWN);
		load_agenda_put(
		    l, c, l->now_us + FULL_US + load_random(l, FULL_US));
	} else
		load_client_lost(l, c, strerror(errno));
}

void
load_client_due(struct load *l, struct load_client *c)
{
	if (c->state == CLIENT_DOWN)
		connect_now(l, c);
	else
		begin_transaction(l, c);
}

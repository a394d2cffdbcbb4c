/*
 * resolver.c - the resolver process: questions in, answers out.
 *
 * One poll(2) over the channel, the bell, the threads' pipe and the
 * supervisor's life pipe.  What may block does so in the threads of crew.c;
 * this loop never does.  If the process dies, whoever asked asks again.
 *
 * Writes its own row of the proc table and nothing else in the segment.
 */
#include "worker/child.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/log.h"
#include "shm/chan.h"
#include "shm/proc.h"
#include "shm/segment.h"
#include "worker/resolver/authquery.h"
#include "worker/resolver/dns.h"
#include "worker/resolver/prove.h"

enum { ALIVE_MS = 500 }; /* half of what is asked for */

struct resolver {
	struct chan *chan;
	uint32_t me;
	int life;
	bool is_over;     /* the channel has closed, or the supervisor died */
	struct conf *own; /* of a snapshot: ours to free */
};

static struct resolver *the_one; /* for answers that come by themselves */

static void
reply(struct resolver *r, const struct dns_answer *a)
{
	struct msg m = { .type = MSG_RESOLVED, .proc = (uint16_t)a->proc };

	m.id = a->id;
	m.status = a->status;
	if (a->status == DNS_WELL) {
		m.len = sizeof(a->addrs);
		memcpy(m.text, &a->addrs, sizeof(a->addrs));
	} else {
		m.len = (uint32_t)strlen(a->why);
		memcpy(m.text, a->why, m.len);
	}
	if (chan_send(r->chan, &m, -1) == -1)
		log_warn(NULL, "answer to process %u is lost: %s",
		    (unsigned)a->proc, strerror(errno));
}

static void
on_question(struct resolver *r, const struct msg *m)
{
	struct dns_answer no = { .proc = m->proc,
		.id = m->id,
		.status = DNS_FAILED,
		.why = "too many questions" };
	char host[DNS_HOST];

	/* a name with a zero byte would be looked up as another one */
	if (m->len == 0 || m->len >= sizeof(host) ||
	    memchr(m->text, '\0', m->len)) {
		(void)compat_strlcpy(no.why, "not a name", sizeof(no.why));
		reply(r, &no);
		return;
	}
	memcpy(host, m->text, m->len);
	host[m->len] = '\0';
	if (dns_ask(m->proc, m->id, host) == -1)
		reply(r, &no);
}

static void
pass_answer(const struct msg *m)
{
	if (chan_send(the_one->chan, m, -1) == -1)
		log_warn(NULL, "answer to process %u is lost: %s",
		    (unsigned)m->proc, strerror(errno));
}

static void
on_conf(struct resolver *r, const struct msg *m, int fd)
{
	struct conf *c = conf_restore(fd);

	if (c == NULL) {
		log_error(NULL, "configuration %llu cannot be read",
		    (unsigned long long)m->arg);
		return;
	}
	authquery_conf(c);
	log_setup(c);
	conf_free(r->own);
	r->own = c;
	atomic_store(&proc_at(r->me)->conf_number, m->arg);
}

static void
on_message(struct resolver *r, const struct msg *m, int fd)
{
	switch (m->type) {
	case MSG_RESOLVE:
		on_question(r, m);
		break;
	case MSG_SECRET:
		authquery_ask(m, clock_now_ms());
		break;
	case MSG_PROVE:
		prove_ask(m, clock_now_ms());
		break;
	case MSG_PROVE_END:
		prove_end(m);
		break;
	case MSG_CONF:
		on_conf(r, m, fd);
		break;
	case MSG_LOG_REOPEN:
		(void)log_reopen();
		break;
	default:
		break;
	}
}

static void
read_channel(struct resolver *r)
{
	for (;;) {
		struct msg m;
		int fd = -1;
		bool truncated = false;
		enum result rc = chan_recv(r->chan, &m, &fd, &truncated);

		if (rc == FAIL)
			r->is_over = true;
		if (rc != DONE)
			return;
		on_message(r, &m, fd);
		/* it may have been a password */
		compat_bzero(&m, sizeof(m));
		if (fd != -1)
			close(fd);
	}
}

static void
send_answers(struct resolver *r)
{
	uint64_t now_ms = clock_now_ms();
	struct dns_answer a;

	while (dns_take(now_ms, &a))
		if (a.proc == r->me)
			authquery_on_name(&a, now_ms);
		else
			reply(r, &a);
}

static int
sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void
one_turn(struct resolver *r)
{
	enum { CHANNEL, BELL, THREADS, LIFE, PROVE, N = PROVE + PROVE_FDS };
	struct pollfd p[N + AUTHQUERY_ALL] = {
		[CHANNEL] = { .fd = r->chan->fd, .events = POLLIN },
		[BELL] = { .fd = bell_fd(r->me), .events = POLLIN },
		[THREADS] = { .fd = dns_fd(), .events = POLLIN },
		[LIFE] = { .fd = r->life, .events = POLLIN },
	};
	uint64_t now_ms = clock_now_ms();
	int ms = sooner(ALIVE_MS, dns_wait_ms(now_ms));
	uint32_t n = authquery_poll(p + N);

	if (chan_is_waiting(r->chan))
		p[CHANNEL].events |= POLLOUT;
	ms = sooner(ms, authquery_wait_ms(now_ms));
	ms = sooner(ms, prove_wait_ms(now_ms));
	prove_poll(p + PROVE);
	if (poll(p, N + n, ms) == -1)
		return; /* EINTR: the next turn */
	authquery_run(p + N, n, clock_now_ms());
	if (p[BELL].revents)
		bell_clear(r->me);
	if (p[THREADS].revents)
		dns_clear();
	if (p[CHANNEL].revents)
		read_channel(r);
	/* nobody writes there: it can only have ended */
	if (p[LIFE].revents)
		r->is_over = true;
	send_answers(r);
	prove_run(p + PROVE, clock_now_ms());
	if (p[CHANNEL].revents & POLLOUT)
		(void)chan_flush(r->chan);
}

int
resolver_main(struct child_start *start)
{
	struct resolver r = {
		.chan = &start->chan, .me = start->me, .life = start->life
	};
	uint64_t alive_ms = 0;
	struct err e;

	compat_title("resolver");
	if (dns_open(dns_lookup, DNS_LIMIT_MS, &e) == -1 ||
	    prove_open(pass_answer, &e) == -1) {
		log_error(NULL, "resolver: %s", e.log);
		return 1;
	}
	the_one = &r;
	authquery_open(r.me, start->conf, pass_answer);
	atomic_store(&proc_at(r.me)->conf_number, start->conf_number);
	atomic_store(&proc_at(r.me)->state, PROC_RUNNING);
	while (!r.is_over && atomic_load(&seg->stopping) != SEG_NOW) {
		uint64_t now_ms = clock_now_ms();

		if (now_ms - alive_ms >= ALIVE_MS) {
			proc_alive(r.me);
			alive_ms = now_ms;
		}
		one_turn(&r);
	}
	authquery_close();
	conf_free(r.own);
	return 0;
}

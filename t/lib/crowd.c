/*
 * crowd.c - many guests, each a process.
 */
#include "t/lib/crowd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/deed.h"
#include "t/lib/spawn.h"
#include "t/lib/suite.h"

static uint64_t
seed_of(void)
{
	const char *s = getenv("SOAK_SEED");

	if (s && *s)
		return strtoull(s, NULL, 10);
	return (uint64_t)now_ms() % 1000000 * 1000 + (uint64_t)getpid() % 1000;
}

/* Neighbouring numbers far apart. */
static uint64_t
scatter(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) | 1;
}

struct crowd *
crowd_new(int n, const char *off)
{
	const char *clients = getenv("SOAK_CLIENTS");
	struct crowd *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	if (clients && *clients)
		n = atoi(clients);
	ck_assert_int_gt(n, 0);
	ck_assert_int_le(n, GUESTS_MAX);
	c->n = n;
	c->off = off;
	c->seed = seed_of();
	c->seen = mmap(NULL, sizeof(*c->seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(c->seen != MAP_FAILED);
	deed_choose(off);
	deed_set_base(pg_ask(pg, "%s", deed_settings()));
	return c;
}

/* From its login to its leave, again and again. */
static void
live(struct guest *g)
{
	if (setjmp(g->lost) != 0)
		nap();
	while (!g->seen->is_over) {
		g->life++;
		if (!guest_connect(g)) {
			nap();
			continue;
		}
		deed_begin(g);
		g->seen->lives++;
		g->seen->by_tls += g->tls != NULL;
		g->seen->to_tls += strcmp(g->db, "app_tls") == 0;
		for (unsigned i = 5 + guest_draw(g, 200);
		     i > 0 && !g->seen->is_over; i--)
			deed_run(g);
		guest_leave(g);
	}
}

static pid_t
come(struct crowd *c, int id)
{
	struct guest *g;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid > 0)
		return pid;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	g = calloc(1, sizeof(*g));
	if (!g)
		_exit(2);
	g->id = id;
	g->port = c->port;
	g->seen = c->seen;
	g->seed = scatter(c->seed + (uint64_t)id);
	live(g);
	_exit(0);
}

void
crowd_start(struct crowd *c, int port)
{
	c->port = port;
	for (int i = 0; i < c->n; i++)
		c->pid[i] = come(c, i);
}

long
crowd_good(const struct crowd *c)
{
	long n = 0;

	for (int i = 0; i < CROWD_KINDS; i++)
		n += c->seen->good[i];
	return n;
}

const char *
crowd_line(const struct crowd *c, int64_t from_ms)
{
	const struct crowd_seen *s = c->seen;

	return text("%lld s: %ld deeds, %ld wrong, %ld notifications, %ld "
		    "logins (%ld by TLS, %ld to TLS), %ld refused, "
		    "%ld dropped, %ld vanished, %ld cancels",
	    (long long)(now_ms() - from_ms) / 1000, crowd_good(c), s->wrong,
	    s->notified, s->lives, s->by_tls, s->to_tls, s->refused, s->dropped,
	    s->vanished, s->cancelled);
}

void
crowd_stop(struct crowd *c, int ms)
{
	int64_t end = now_ms() + ms;

	c->seen->is_over = true;
	for (int i = 0; i < c->n; i++) {
		int64_t left = end - now_ms();
		int st = spawn_wait(c->pid[i], left > 0 ? (int)left : 0);

		ck_assert_msg(st != -1, "seed %llu: guest %d hangs: %s",
		    (unsigned long long)c->seed, i, c->seen->what);
		ck_assert_msg(st == 0, "seed %llu: guest %d died: %d",
		    (unsigned long long)c->seed, i, st);
	}
}

void
crowd_is_right(const struct crowd *c)
{
	ck_assert_msg(c->seen->wrong == 0, "seed %llu: %s",
	    (unsigned long long)c->seed, c->seen->what);
}

void
crowd_check(const struct crowd *c)
{
	crowd_is_right(c);
	ck_assert(!deed_is_on("tls") || c->seen->by_tls > 0);
	ck_assert(!deed_is_on("servertls") || c->seen->to_tls > 0);
	for (int i = 0; deeds[i].kind; i++)
		ck_assert_msg(!deed_is_due(i) || c->seen->good[i] > 0,
		    "seed %llu: never a %s", (unsigned long long)c->seed,
		    deeds[i].kind);
}

void
crowd_free(struct crowd *c)
{
	munmap(c->seen, sizeof(*c->seen));
	free(c);
}

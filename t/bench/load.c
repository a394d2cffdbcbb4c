/*
 * load.c - the load driver: thousands of verified clients in one process.
 *
 * load --help lists the options.  Prints "NAME VALUE" lines; "ready N"
 * is printed, and flushed, at the moment when all clients stand (logged in
 * and, with --mode idle, with their count done).  Exit code: 1 a wrong answer,
 * 2 usage, 3 a query that was never answered or nothing done at all, 4 any
 * other fault with --strict.
 *
 * One thread; waits only in ready_wait().
 */
#include "t/bench/load.h"

#include "t/bench/address_parse.h"
#include "t/bench/clock_us.h"
#include "t/bench/load_client.h"
#include "t/bench/ready.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS     256
#define SPARE_FDS  32
#define PATIENCE_S 15 /* for the answers still out when the time is over */
#define TEXT_MAX   64 /* of names and the password, so that messages fit */

static volatile sig_atomic_t is_told_to_stop;

static const char usage_text[] =
    "usage: load [options]\n"
    "  --host WHERE      numeric address, or a Unix socket's directory\n"
    "  --port N          (5432)\n"
    "  --user NAME       (postgres)\n"
    "  --password TEXT   for a server that asks for it in plain\n"
    "  --database NAME   (postgres)\n"
    "  --clients N       at once (1)\n"
    "  --mode M          simple, extended, tx, mixed (these three in turn),\n"
    "                    idle (log in, do --count transactions, hold)\n"
    "  --connect-each    a connection for each transaction\n"
    "  --rate N          connects a second at the start (0: all at once)\n"
    "  --think MS        pause between transactions, on average (0)\n"
    "  --seconds S       length of the run (10; 0: until --count is done)\n"
    "  --count N         transactions a client (0: no bound)\n"
    "  --reconnect       after a loss or a refusal\n"
    "  --progress        a line each second on stderr\n"
    "  --strict          any fault makes the exit code non-zero\n";

static const struct option long_options[] = {
	{ "host", required_argument, NULL, 'h' },
	{ "port", required_argument, NULL, 'p' },
	{ "user", required_argument, NULL, 'U' },
	{ "password", required_argument, NULL, 'W' },
	{ "database", required_argument, NULL, 'd' },
	{ "clients", required_argument, NULL, 'c' },
	{ "mode", required_argument, NULL, 'm' },
	{ "connect-each", no_argument, NULL, 'C' },
	{ "rate", required_argument, NULL, 'r' },
	{ "think", required_argument, NULL, 't' },
	{ "seconds", required_argument, NULL, 's' },
	{ "count", required_argument, NULL, 'n' },
	{ "reconnect", no_argument, NULL, 'R' },
	{ "progress", no_argument, NULL, 'P' },
	{ "strict", no_argument, NULL, 'S' },
	{ "help", no_argument, NULL, '?' },
	{ NULL, 0, NULL, 0 },
};

static void
on_signal(int sig)
{
	(void)sig;
	is_told_to_stop = 1;
}

static double
number(const char *text, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0 && v <= max))
		errx(2, "'%s' is not a number from 0 to %.0f", text, max);
	return v;
}

static const char *
name(const char *text)
{
	if (strlen(text) >= TEXT_MAX)
		errx(2, "'%s' is too long", text);
	return text;
}

static enum load_mode
mode(const char *text)
{
	static const char *const names[] = {
		[MODE_SIMPLE] = "simple",
		[MODE_EXTENDED] = "extended",
		[MODE_TX] = "tx",
		[MODE_MIXED] = "mixed",
		[MODE_IDLE] = "idle",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(text, names[i]) == 0)
			return (enum load_mode)i;
	errx(2, "no mode '%s': simple, extended, tx, mixed or idle", text);
}

static void
take_option(struct load_opt *o, int opt)
{
	switch (opt) {
	case 'h':
		o->host = optarg;
		break;
	case 'p':
		o->port = (int)number(optarg, 65535);
		break;
	case 'U':
		o->user = name(optarg);
		break;
	case 'W':
		o->password = name(optarg);
		break;
	case 'd':
		o->database = name(optarg);
		break;
	case 'c':
		o->clients = (uint32_t)number(optarg, 1000000);
		break;
	case 'm':
		o->mode = mode(optarg);
		break;
	case 'C':
		o->connect_each = true;
		break;
	case 'r':
		o->rate = (uint32_t)number(optarg, 1000000);
		break;
	case 't':
		o->think_ms = (uint32_t)number(optarg, 1000000);
		break;
	case 's':
		o->seconds = number(optarg, 1000000);
		break;
	case 'n':
		o->count = (uint64_t)number(optarg, 1e15);
		break;
	case 'R':
		o->reconnect = true;
		break;
	case 'P':
		o->progress = true;
		break;
	case 'S':
		o->strict = true;
		break;
	default:
		fputs(usage_text, stderr);
		exit(2);
	}
}

static void
take_options(struct load_opt *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		take_option(o, opt);
	if (optind < argc || o->clients == 0 ||
	    (o->seconds == 0 && o->count == 0)) {
		fputs(usage_text, stderr);
		exit(2);
	}
	if (o->connect_each && o->mode == MODE_IDLE)
		errx(2, "--connect-each and --mode idle: one or the other");
}

/* Every client needs a descriptor: raise the limit or say what is missing. */
static int
fd_limit(uint32_t clients)
{
	rlim_t need = (rlim_t)clients + SPARE_FDS;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(2, "getrlimit");
	if (rl.rlim_max < need)
		errx(2,
		    "%" PRIu32 " clients need %ju descriptors, and the "
		    "hard limit is %ju",
		    clients, (uintmax_t)need, (uintmax_t)rl.rlim_max);
	if (rl.rlim_cur < need)
		rl.rlim_cur = need;
	if (setrlimit(RLIMIT_NOFILE, &rl) == -1)
		err(2, "setrlimit");
	return (int)need;
}

static void
start(struct load *l)
{
	uint32_t n = l->opt.clients;

	l->addr_len = address_parse(l->opt.host, l->opt.port, &l->addr);
	if (l->addr_len == 0)
		errx(2, "%s is neither a numeric address nor a directory",
		    l->opt.host);
	l->clients = calloc(n, sizeof(*l->clients));
	l->agenda = calloc(n, sizeof(*l->agenda));
	if (l->clients == NULL || l->agenda == NULL ||
	    ready_open(fd_limit(n)) == -1)
		err(2, "start");
	l->now_us = clock_us();
	l->nonce = (uint64_t)l->now_us ^ (uint64_t)getpid() << 40;
	l->random = l->nonce | 1;
	for (uint32_t i = 0; i < n; i++) {
		int64_t wait_us =
		    l->opt.rate == 0 ? 0 : (int64_t)i * 1000000 / l->opt.rate;

		l->clients[i].fd = -1;
		load_agenda_put(l, &l->clients[i], l->now_us + wait_us);
	}
}

static void
show_progress(const struct load *l, int64_t start_us)
{
	static uint64_t last_done;
	static int64_t last_us;
	double s = (double)(l->now_us - (last_us ? last_us : start_us)) / 1e6;

	fprintf(stderr,
	    "%4.0f s: %6" PRIu32 " clients %8.0f tps %6" PRIu64
	    " refused %6" PRIu64 " lost %6" PRIu64 " errors %3" PRIu64
	    " wrong\n",
	    (double)(l->now_us - start_us) / 1e6, l->stat.connected,
	    (double)(l->stat.done - last_done) / s, l->stat.refused.total,
	    l->stat.lost.total, l->stat.errors.total, l->stat.wrong);
	last_done = l->stat.done;
	last_us = l->now_us;
}

/* No more transactions: clients at rest leave, the rest may finish. */
static void
stop(struct load *l)
{
	l->stopping = true;
	for (uint32_t i = 0; i < l->opt.clients; i++)
		if (l->clients[i].state != CLIENT_ANSWER)
			load_client_end(l, &l->clients[i]);
}

static void
take_turn(struct load *l)
{
	struct ready_event ev[EVENTS];
	struct load_client *c;
	int64_t wait_ms = 100;
	int n;

	if (l->agenda_len > 0) {
		int64_t due = l->clients[l->agenda[0]].due_us;

		if (due < l->now_us + wait_ms * 1000)
			wait_ms = due <= l->now_us
			    ? 0
			    : (due - l->now_us + 999) / 1000;
	}
	n = ready_wait(ev, EVENTS, (int)wait_ms);
	if (n == -1)
		err(2, "wait");
	for (int i = 0; i < n; i++) {
		l->now_us = clock_us();
		load_client_event(
		    l, &l->clients[ev[i].tag], ev[i].in, ev[i].out);
	}
	l->now_us = clock_us();
	/* as many as a batch, so that answers are not kept waiting */
	for (int i = 0; i < EVENTS && (c = load_agenda_take(l)) != NULL; i++)
		load_client_due(l, c);
}

static bool
all_stand(const struct load *l)
{
	if (l->opt.mode == MODE_IDLE)
		return l->holding == l->opt.clients;
	return l->stat.connected == l->opt.clients;
}

/* Run to the end; the length of the part that counts, in seconds. */
static double
run(struct load *l)
{
	int64_t start_us = l->now_us, shown_us = start_us;
	int64_t end_us = start_us + (int64_t)(l->opt.seconds * 1e6);
	bool is_ready = false;

	while (!l->stopping && l->over < l->opt.clients) {
		take_turn(l);
		if (!is_ready && all_stand(l)) {
			is_ready = true;
			printf("ready %" PRIu32 "\n", l->opt.clients);
			fflush(stdout);
		}
		if (l->opt.progress && l->now_us - shown_us >= 1000000) {
			show_progress(l, start_us);
			shown_us = l->now_us;
		}
		if (is_told_to_stop ||
		    (l->opt.seconds > 0 && l->now_us >= end_us))
			stop(l);
	}
	end_us = l->now_us;
	while (l->in_flight > 0 &&
	    l->now_us - end_us < (int64_t)PATIENCE_S * 1000000)
		take_turn(l);
	l->stat.unanswered = l->in_flight;
	return (double)(end_us - start_us) / 1e6;
}

static void
report(const struct load_stat *s, double seconds)
{
	printf("seconds %.2f\n", seconds);
	printf("transactions %" PRIu64 "\n", s->done);
	printf("tps %.1f\n", (double)s->done / seconds);
	printf("answers_verified %" PRIu64 "\n", s->queries);
	printf("wrong_answers %" PRIu64 "\n", s->wrong);
	printf("unanswered %" PRIu64 "\n", s->unanswered);
	kinds_print(&s->errors, "error_responses");
	kinds_print(&s->lost, "connections_lost");
	printf("clients_hit %" PRIu64 "\n", s->lost_clients);
	kinds_print(&s->refused, "refused");
	printf("connects %" PRIu64 "\n", s->connects);
	printf("reconnects %" PRIu64 "\n", s->reconnects);
	printf("max_simultaneous %" PRIu32 "\n", s->simultaneous);
	hist_print(&s->latency, "transaction");
	hist_print(&s->connect, "connect");
	hist_print(&s->outage, "outage");
}

int
main(int argc, char **argv)
{
	static struct load l = {
		.opt = { .host = "127.0.0.1",
		    .port = 5432,
		    .user = "postgres",
		    .database = "postgres",
		    .clients = 1,
		    .seconds = 10 },
	};
	const struct load_stat *s = &l.stat;
	double seconds;

	take_options(&l.opt, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	start(&l);
	seconds = run(&l);
	report(s, seconds);
	if (s->wrong > 0)
		return 1;
	if (s->unanswered > 0 || s->connects == 0 ||
	    (l.opt.mode != MODE_IDLE && s->done == 0))
		return 3;
	if (l.opt.strict &&
	    s->errors.total + s->lost.total + s->refused.total > 0)
		return 4;
	return 0;
}

/*
 * main.c - arguments, the order of the start, and the table of process kinds.
 *
 * The order: what can refuse comes first, as root where we are root (sockets,
 * limits, pid file), then the rights are dropped, then the log is opened by
 * the user who will have to open it again, then everybody is forked.  Until
 * then faults go to standard error, also for a daemon; the one that ends the
 * start goes to the log as well.
 *
 * The only file that names the entry points of the children.
 */
#include <sys/resource.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <openssl/crypto.h>

#include "conf/compat.h"
#include "conf/log.h"
#include "conf/version.h"
#include "master/daemon.h"
#include "master/listen.h"
#include "master/pidfile.h"
#include "master/reload.h"
#include "master/sizes.h"
#include "master/supervisor.h"
#include "shm/crash.h"
#include "worker/child.h"
#include "worker/io/loop.h"

static const struct child_kind kinds[] = {
	[PROC_WORKER] = { "worker", worker_main },
	[PROC_RESOLVER] = { "resolver", resolver_main },
	[PROC_MONITOR] = { "monitor", NULL }, /* not part of this release */
};

struct arguments {
	struct candidate_source source;
	bool is_daemon;
	bool is_quiet;
	bool is_reboot;
	bool is_check;
};

static const char usage[] =
    "Usage: pooler [OPTION]... [-c] CONFIG_FILE\n"
    "A connection pooler for PostgreSQL.\n"
    "\n"
    "  -c, --config FILE   the configuration (pgbouncer.ini will do)\n"
    "  -t, --check         check the configuration and exit\n"
    "  -d, --daemon        go to the background\n"
    "  -u, --user NAME     become this user (when started by root)\n"
    "  -q, --quiet         write no log lines to standard error\n"
    "  -v, --verbose       log more; twice: still more\n"
    "  -R, --reboot        deprecated, without effect\n"
    "  -V, --version       show the version and exit\n"
    "  -h, --help          show this and exit\n";

static void
print_version(FILE *out)
{
	int pq = PQlibVersion();

	fprintf(out,
	    "pooler %s\n"
	    "event loop: %s\n"
	    "libpq: %d.%d\n"
	    "tls: %s\n"
	    "ldap: %s\n"
	    "pam: %s\n",
	    POOLER_VERSION, loop_name(), pq / 10000, pq % 10000,
	    OpenSSL_version(OPENSSL_VERSION), VERSION_HAS_LDAP ? "yes" : "no",
	    VERSION_HAS_PAM ? "yes" : "no");
}

static _Noreturn void
refuse_usage(const char *why)
{
	if (why != NULL)
		fprintf(stderr, "pooler: %s\n", why);
	fprintf(stderr, "Try \"pooler --help\".\n");
	exit(1);
}

static const struct option longs[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 't' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "user", required_argument, NULL, 'u' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "reboot", no_argument, NULL, 'R' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
#ifdef CRASH_POINTS /* the build for crash tests alone has this option */
	{ "crash-points", no_argument, NULL, 1 },
#endif
	{ NULL, 0, NULL, 0 },
};

static void
parse_arguments(int argc, char **argv, struct arguments *a)
{
	int c;

	while (
	    (c = getopt_long(argc, argv, "c:dhqRtu:vV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->source.path = optarg;
			break;
		case 'd':
			a->is_daemon = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'q':
			a->is_quiet = true;
			break;
		case 'R':
			a->is_reboot = true;
			break;
		case 't':
			a->is_check = true;
			break;
		case 'u':
			a->source.user = optarg;
			break;
		case 'v':
			a->source.verbose++;
			break;
		case 'V':
			print_version(stdout);
			exit(0);
#ifdef CRASH_POINTS
		case 1:
			crash_list();
			exit(0);
#endif
		default:
			refuse_usage(NULL);
		}
	}
	if (a->source.path == NULL && optind < argc)
		a->source.path = argv[optind++];
	if (optind < argc)
		refuse_usage("more than one configuration file specified");
	if (a->source.path == NULL)
		refuse_usage("no configuration file specified");
}

/*
 * What fails is for the log, too: whoever starts us may not show our standard
 * error.  The log is opened by the user who would have opened it.
 */
static void
open_log(const struct conf *c, const struct daemon_user *user)
{
	if (daemon_user_become(user, NULL) == 0)
		(void)log_setup(c);
}

/*
 * Start-up has failed: leave nothing behind that the next one trips over.
 * `user`: whom to become for the log; NULL: the log is as it can be.
 */
static _Noreturn void
die(const struct conf *c, const struct daemon_user *user, const struct err *e)
{
	const char *text = e->log[0] != '\0' ? e->log : e->say;

	listen_close();
	if (c->pidfile[0] != '\0')
		pidfile_remove(c->pidfile);
	if (user != NULL)
		open_log(c, user);
	fatal("%s", text);
}

static struct conf *
load(const struct arguments *a, struct conf_files *files)
{
	struct conf_faults faults;
	struct conf *c;

	conf_faults_init(&faults);
	c = candidate_read(&a->source, files, &faults);
	conf_faults_log(&faults);
	if (c == NULL && !a->is_check)
		fatal("configuration %s: %zu faults", a->source.path,
		    faults.faults);
	conf_faults_free(&faults);
	return c;
}

static int
check_only(const struct arguments *a)
{
	struct conf_files files;
	struct conf *c = load(a, &files);

	conf_files_free(&files);
	if (c == NULL)
		return 1;
	conf_free(c);
	printf("configuration %s is valid\n", a->source.path);
	return 0;
}

/* The user to become, or a refusal. */
static void
find_user(const struct conf *c, struct daemon_user *u)
{
	struct err e;

	if (daemon_user_find(c->user, u, &e) == -1)
		fatal("%s", e.log);
	if (geteuid() == 0 && (u->name[0] == '\0' || u->uid == 0))
		fatal("pooler should not run as root: "
		      "set \"user\", or give -u");
}

/* What the kernel lets each process have. */
struct limits {
	uint64_t soft, hard;
};

/* Size the segment, and see that the kernel lets us have what it takes. */
static void
find_sizes(const struct conf *c, const struct daemon_user *user,
    struct sizes *s, struct limits *l)
{
	struct rlimit r = { 0 };
	struct err e;

	(void)getrlimit(RLIMIT_NOFILE, &r);
	sizes_of(c, r.rlim_max == RLIM_INFINITY ? UINT64_MAX : r.rlim_max, s);
	/* clients' numbers end below those kept for backends, which may have
	   low ones too: with twice the need nobody is turned away early */
	if (daemon_descriptors(s->descriptors, 2 * s->descriptors, &l->soft,
		&l->hard, &e) == -1) {
		open_log(c, user);
		fatal("%s; or lower max_client_conn (%d), workers (%d) or the "
		      "pool sizes (%" PRIu32 " server connections)",
		    e.log, c->max_client_conn, c->workers, s->min_slots);
	}
}

/* Everything that is to be done with the rights that we were started with. */
static void
settle(const struct arguments *a, const struct conf *c,
    const struct daemon_user *user)
{
	struct err e;
	uid_t owner;

	owner = geteuid() == 0 ? user->uid : (uid_t)-1;
	if (a->is_daemon &&
	    (c->pidfile[0] == '\0' || (c->logfile[0] == '\0' && !c->syslog)))
		fatal("a daemon needs a pidfile, and a logfile or syslog");
	if ((c->pidfile[0] != '\0' && pidfile_check(c->pidfile, &e) == -1) ||
	    listen_open(c, owner, &e) == -1 ||
	    (a->is_daemon && daemon_detach(&e) == -1) ||
	    (c->pidfile[0] != '\0' &&
		pidfile_write(c->pidfile, owner, &e) == -1) ||
	    daemon_user_become(user, &e) == -1)
		die(c, user, &e);
	if (log_setup(c) == -1) {
		err_set(&e, "58P01", "log is not writable",
		    "the log cannot be opened");
		die(c, NULL, &e);
	}
	log_quiet(a->is_quiet);
}

int
main(int argc, char **argv)
{
	struct arguments a = { .is_daemon = false };
	struct supervisor_start start = { .kinds = kinds };
	struct daemon_user user;
	struct conf_files files;
	struct limits limits;
	struct sizes sizes;
	struct conf *c;
	char *pidfile;
	struct err e;

	daemon_streams();
	compat_title_init(argc, &argv);
	parse_arguments(argc, argv, &a);
	log_verbose(a.source.verbose);
	if (a.is_check)
		return check_only(&a);
	c = load(&a, &files);
	if (a.is_reboot)
		log_error(NULL,
		    "-R (take over from a running pooler) is "
		    "deprecated and does nothing");
	find_user(c, &user);
	find_sizes(c, &user, &sizes, &limits);
	settle(&a, c, &user);
	/* reloads replace `c`, but not this */
	pidfile = strdup(c->pidfile);
	if (pidfile == NULL)
		fatal("out of memory");
	start.source = &a.source;
	start.conf = c;
	start.files = &files;
	start.sizes = &sizes.segment;
	conf_warn_later(c);
	log_info(NULL,
	    "kernel file descriptor limit: %" PRIu64 " (hard: %" PRIu64
	    "); max_client_conn: %d, max expected fd use: %" PRIu64,
	    limits.soft, limits.hard, c->max_client_conn, sizes.descriptors);
	listen_log();
	if (supervisor_open(&start, &e) == -1)
		die(c, NULL, &e);
	log_info(NULL, "process up: pooler %s, %s, %s, %d workers",
	    POOLER_VERSION, loop_name(), OpenSSL_version(OPENSSL_VERSION),
	    c->workers);
	daemon_ready();
	supervisor_run();
	supervisor_close();
	if (pidfile[0] != '\0')
		pidfile_remove(pidfile);
	log_info(NULL, "pooler has ended");
	free(pidfile);
	return 0;
}

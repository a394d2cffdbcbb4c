#include "master/signal.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static const struct {
	int signo;
	unsigned flag;
} signals[] = {
	{ SIGCHLD, SIGNAL_CHILD },
	{ SIGHUP, SIGNAL_HUP },
	{ SIGTERM, SIGNAL_TERM },
	{ SIGINT, SIGNAL_INT },
	{ SIGQUIT, SIGNAL_QUIT },
	{ SIGUSR1, SIGNAL_USR1 },
	{ SIGUSR2, SIGNAL_USR2 },
};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

/* One flag each, since a handler must not read, change and write a word that
 * another handler also writes. */
static volatile sig_atomic_t came[SIGNALS];
static sigset_t waiting_mask; /* what was blocked before signal_start() */

static void
on_signal(int signo)
{
	for (size_t i = 0; i < SIGNALS; i++) {
		if (signals[i].signo == signo)
			came[i] = 1;
	}
}

static void
handle(int signo, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	sigfillset(&sa.sa_mask);
	/* cannot fail: the number and the address are ours */
	(void)sigaction(signo, &sa, NULL);
}

void
signal_start(void)
{
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(&block, signals[i].signo);
	(void)sigprocmask(SIG_BLOCK, &block, &waiting_mask);
	/* whoever started us may have blocked them: we would never hear */
	for (size_t i = 0; i < SIGNALS; i++)
		sigdelset(&waiting_mask, signals[i].signo);
	handle(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SIGNALS; i++)
		handle(signals[i].signo, on_signal);
}

unsigned
signal_take(void)
{
	unsigned flags = 0;

	for (size_t i = 0; i < SIGNALS; i++) {
		if (came[i]) {
			came[i] = 0;
			flags |= signals[i].flag;
		}
	}
	return flags;
}

int
signal_wait(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec ts = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = (long)(timeout_ms % 1000) * 1000000,
	};

	return ppoll(fds, n, timeout_ms < 0 ? NULL : &ts, &waiting_mask);
}

void
signal_child(void)
{
	for (size_t i = 0; i < SIGNALS; i++) {
		handle(signals[i].signo,
		    signals[i].signo == SIGCHLD ? SIG_DFL : SIG_IGN);
	}
	(void)sigprocmask(SIG_SETMASK, &waiting_mask, NULL);
}

/*
 * spawn.h - the processes of a test: started as an ordinary user, watched,
 * and never left behind.
 *
 * PostgreSQL and the pooler refuse to run as root, so a test that root starts
 * runs them as `postgres` or `nobody`.  All that they write lies in one
 * directory of the test program, removed at its end (kept, and its name told,
 * if a test failed).  A child gets a parent-death signal where the system has
 * one; Check kills what is left of a test's process group.
 *
 * Errors end the test.  May block, but never without a limit.
 */
#ifndef T_LIB_SPAWN_H
#define T_LIB_SPAWN_H

#include <check.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spawn {
	const char *out;  /* file that stdout and stderr are added to */
	const char *in;   /* file for stdin, NULL for none */
	const char **env; /* more of the form "NAME=value", NULL at the end */
	int death_signal; /* what it gets when its parent dies; 0: SIGKILL */
	bool same_user;   /* stay what we are, root even */
};

int64_t now_ms(void);

/* How long to wait for what takes `ms` at most: as many times longer as Check
 * is told to be patient (CK_TIMEOUT_MULTIPLIER), under sanitizers, say, and
 * some seconds more, because a busy machine may stand still for so long.  0 is
 * no time at all. */
int64_t patience(int ms);
void nap(void);

/* Wait for `cond`, but not longer than `ms`, with patience(). */
#define UNTIL(ms, cond)                                                    \
	do {                                                               \
		int64_t end_ = now_ms() + patience(ms);                    \
		while (!(cond)) {                                          \
			ck_assert_msg(now_ms() < end_, "not in %d ms: %s", \
			    (int)(ms), #cond);                             \
			nap();                                             \
		}                                                          \
	} while (0)

/* printf into one of a few static buffers: good until 32 calls later. */
const char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The program's directory; made at the first call. */
const char *spawn_dir(void);
/* A new directory under it that the ordinary user may write to. */
const char *spawn_subdir(const char *name);
void spawn_own(const char *path);
/* At the program's end; `keep` leaves the directory and tells its name. */
void spawn_clean(bool keep);

/* A TCP port that nobody listens on, outside the range of outgoing ones. */
int spawn_port(void);
bool have_ipv6(void);

pid_t spawn(const struct spawn *s, const char *const *argv);
/* Wait for its end: waitpid's status, or -1 if it still runs after `ms`. */
int spawn_wait(pid_t pid, int ms);
/* Run to the end and give the exit code; signals and time-outs fail. */
int spawn_run(const struct spawn *s, const char *const *argv);
bool is_alive(pid_t pid);
/* Children of `pid`; returns how many, at most `max` of them stored. */
int spawn_kids(pid_t pid, pid_t *kids, int max);
/* Memory that is its own, in kB: of shared pages only those it touched. */
long spawn_rss_kb(pid_t pid);

/* The whole file as a string, "" if there is none; to be freed. */
char *slurp(const char *path);
void spew(const char *path, const char *content);
bool file_has(const char *path, const char *needle);
int file_count(const char *path, const char *needle);

#endif

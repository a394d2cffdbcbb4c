/*
 * log.h - what happened, for the operator.
 *
 * A line goes to standard error, to a file, to syslog, or to all three:
 *
 *   2026-01-31 12:00:00.123 UTC [4711] LOG C-0x1f03: app/web@10.0.0.7:51324
 *   closing because: ... (all on one line)
 *
 * The form is PgBouncer's, since tools parse it.  A line is one write(2) to a
 * descriptor in append mode, so that the lines of many processes never mix,
 * and it never waits: what the reader does not take is dropped and counted,
 * and the next line that gets through to it is preceded by the count.  Control
 * bytes are escaped: nobody writes a line of his own through a user name.
 *
 * ERROR: someone must act.  WARNING: a session was lost.  LOG: the life of a
 * process, a client, a server.  DEBUG: states.  NOISE: single queries.
 * Never a password, key, verifier or parameter value.
 *
 * The state is each process's own, inherited over fork().  log_at() may be
 * called by any thread, the rest by the only one.  SIGPIPE must be ignored.
 */
#ifndef CONF_LOG_H
#define CONF_LOG_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>
#include "conf/err.h"

struct conf;

enum log_level {
	LOG_AT_NOISE,
	LOG_AT_DEBUG,
	LOG_AT_LOG,
	LOG_AT_WARNING,
	LOG_AT_ERROR,
	LOG_AT_FATAL
};

/* Whom a line is about: "C-0x1f03: app/web@10.0.0.7:51324". */
struct log_who {
	char text[112];
};

void log_who_set(struct log_who *who, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Write one line; `who` may be NULL.  errno is left alone. */
void log_at(enum log_level level, const struct log_who *who, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* Would a line of this level be written at all? */
bool log_is_on(enum log_level level);

#define log_error(who, ...) log_at(LOG_AT_ERROR, (who), __VA_ARGS__)
#define log_warn(who, ...)  log_at(LOG_AT_WARNING, (who), __VA_ARGS__)
#define log_info(who, ...)  log_at(LOG_AT_LOG, (who), __VA_ARGS__)
#define log_debug(who, ...)                                       \
	do {                                                      \
		if (log_is_on(LOG_AT_DEBUG))                      \
			log_at(LOG_AT_DEBUG, (who), __VA_ARGS__); \
	} while (0)
#define log_noise(who, ...)                                       \
	do {                                                      \
		if (log_is_on(LOG_AT_NOISE))                      \
			log_at(LOG_AT_NOISE, (who), __VA_ARGS__); \
	} while (0)

/* Start-up only: write a FATAL line and exit(1). */
_Noreturn void
fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Nothing to standard error from now on (-q, a daemon), which is let go; or
 * again.
 */
void log_quiet(bool quiet);

/* The level by itself, before there is a configuration: -v given n times. */
void log_verbose(int n);

/*
 * Take `logfile`, `syslog`, `syslog_ident`, `syslog_facility` and `verbose`.
 * Before the first call lines go to standard error at level LOG.  A file that
 * cannot be opened is -1 (and a line at level ERROR in what is left); the
 * former file then stays in use.
 */
int log_setup(const struct conf *conf);

/* Open the file again under its name, after it was renamed.  As above. */
int log_reopen(void);

/* Could it be a logfile?  Makes the file where it is missing. */
int log_try(const char *path, struct err *e);

/* Lines that were lost since the last one that said so, in all places. */
uint64_t log_lost(void);

/* Is this a syslog facility's name? */
bool log_is_facility(const char *name);

/* Another socket than the system's for syslog, from the next log_setup(). */
void log_syslog_path(const char *path);

#endif

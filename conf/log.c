#include "conf/log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/settings.h"
#include "conf/value.h"

/* a pipe takes a line as a whole if it is no longer than its PIPE_BUF */
#define LINE_MAX_BYTES  2048
#define SYSLOG_RETRY_US 1000000

/* How a descriptor is written to without waiting. */
enum target_how {
	TARGET_FILE,   /* write(2): a disk file, or O_NONBLOCK is set */
	TARGET_SOCKET, /* send(2) that may refuse */
	TARGET_POLL    /* ask poll(2) first */
};

struct target {
	int fd; /* -1: none */
	enum target_how how;
};

/* Where lines go. */
enum sink { SINK_ERR, SINK_FILE, SINK_SYSLOG, SINKS };

static struct {
	enum log_level least;
	bool is_quiet;
	bool is_set_up;
	struct target err;
	struct target file;
	char path[PATH_MAX]; /* of file */
	bool use_syslog;
	int syslog_fd;
	int facility;
	char ident[64];
	const char *syslog_path;
	uint64_t syslog_again_us; /* no attempt before this */
	_Atomic uint64_t lost[SINKS];
} lg = {
	.least = LOG_AT_LOG,
	.err = { .fd = STDERR_FILENO, .how = TARGET_POLL },
	.file = { .fd = -1 },
	.syslog_fd = -1,
	.facility = LOG_DAEMON,
	.ident = "pooler",
	.syslog_path = _PATH_LOG,
};

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_AT_NOISE] = { "NOISE", LOG_DEBUG },
	[LOG_AT_DEBUG] = { "DEBUG", LOG_DEBUG },
	[LOG_AT_LOG] = { "LOG", LOG_INFO },
	[LOG_AT_WARNING] = { "WARNING", LOG_WARNING },
	[LOG_AT_ERROR] = { "ERROR", LOG_ERR },
	[LOG_AT_FATAL] = { "FATAL", LOG_CRIT },
};

static const struct value_choice facilities[] = { { "auth", LOG_AUTH },
	{ "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON },
	{ "daemon", LOG_DAEMON }, { "ftp", LOG_FTP }, { "lpr", LOG_LPR },
	{ "mail", LOG_MAIL }, { "news", LOG_NEWS }, { "syslog", LOG_SYSLOG },
	{ "user", LOG_USER }, { "uucp", LOG_UUCP }, { "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 }, { NULL, 0 } };

bool
log_is_facility(const char *name)
{
	int unused;

	return value_choice(name, facilities, &unused) == 0;
}

void
log_who_set(struct log_who *who, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(who->text, sizeof(who->text), fmt, ap);
	va_end(ap);
}

bool
log_is_on(enum log_level level)
{
	return level >= lg.least;
}

/*
 * Copy with control bytes made visible.  Whatever does not fit is cut, but
 * never in the middle of an escape.
 */
static size_t
escape(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;

		if (c >= 0x20 && c != 0x7f) {
			if (size - n < 2)
				break;
			to[n++] = *from;
		} else {
			if (size - n < 5)
				break;
			n += (size_t)snprintf(to + n, size - n,
			    c == '\n'       ? "\\n"
				: c == '\t' ? "\\t"
					    : "\\x%02x",
			    c);
		}
	}
	to[n] = '\0';
	return n;
}

/* One line, whole, at once, or not at all. */
static bool
put(const struct target *t, const char *line, size_t len)
{
	struct pollfd p = { .fd = t->fd, .events = POLLOUT };
	ssize_t n;

	if (t->how == TARGET_SOCKET)
		n = send(t->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else if (t->how == TARGET_POLL && poll(&p, 1, 0) != 1)
		n = -1;
	else
		n = write(t->fd, line, len);
	return n == (ssize_t)len;
}

/*
 * syslog(3) waits for its daemon, so the datagram is sent from here.  A lost
 * daemon is looked for once a second.  Called with the lock held.
 */
static bool
send_syslog(const char *line, size_t len)
{
	uint64_t now_us = clock_now_us();

	if (lg.syslog_fd == -1) {
		if (now_us < lg.syslog_again_us)
			return false;
		lg.syslog_again_us = now_us + SYSLOG_RETRY_US;
		lg.syslog_fd = compat_syslog_open(lg.syslog_path);
		if (lg.syslog_fd == -1)
			return false;
	}
	if (compat_syslog_send(lg.syslog_fd, line, len) == 0)
		return true;
	if (errno != EAGAIN && errno != ENOBUFS) {
		/* the daemon was restarted: its old socket is nobody's */
		(void)close(lg.syslog_fd);
		lg.syslog_fd = -1;
	}
	return false;
}

static bool
put_syslog(enum log_level level, const char *text)
{
	/* helper threads log too; nothing under the lock waits */
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char line[LINE_MAX_BYTES], day[32];
	time_t now = (time_t)(clock_wall_us() / 1000000);
	struct tm tm = { 0 };
	bool ok;
	int len;

	(void)localtime_r(&now, &tm);
	if (strftime(day, sizeof(day), "%b %e %H:%M:%S", &tm) == 0)
		day[0] = '\0';
	len = snprintf(line, sizeof(line), "<%d>%s %s[%ld]: %s %s",
	    lg.facility | levels[level].priority, day, lg.ident, (long)getpid(),
	    levels[level].name, text);
	if (len >= (int)sizeof(line))
		len = (int)sizeof(line) - 1;
	(void)pthread_mutex_lock(&lock);
	ok = send_syslog(line, (size_t)len);
	(void)pthread_mutex_unlock(&lock);
	return ok;
}

static bool
put_line(const struct target *t, enum log_level level, const char *text)
{
	char line[LINE_MAX_BYTES], when[CLOCK_TEXT];
	int n = snprintf(line, sizeof(line), "%s [%ld] %s %s",
	    clock_text(when, clock_wall_us(), 1), (long)getpid(),
	    levels[level].name, text);
	size_t len =
	    (size_t)n < sizeof(line) - 1 ? (size_t)n : sizeof(line) - 2;

	line[len++] = '\n';
	return put(t, line, len);
}

static bool
put_to(enum sink sink, enum log_level level, const char *text)
{
	switch (sink) {
	case SINK_ERR:
		return lg.is_quiet || lg.err.fd == -1 ||
		    put_line(&lg.err, level, text);
	case SINK_FILE:
		return lg.file.fd == -1 || put_line(&lg.file, level, text);
	case SINK_SYSLOG:
		return !lg.use_syslog || put_syslog(level, text);
	case SINKS:
		break;
	}
	return true;
}

/*
 * Each has a count of its own: what one of them misses is no hole in another.
 * The word for what is missing comes before the first line that gets through.
 */
static void
put_all(enum log_level level, const char *text)
{
	for (enum sink s = 0; s < SINKS; s++) {
		uint64_t lost = atomic_exchange(&lg.lost[s], 0);
		char told[64];

		if (lost > 0) {
			snprintf(told, sizeof(told), "%llu log lines were lost",
			    (unsigned long long)lost);
			if (put_to(s, LOG_AT_WARNING, told))
				lost = 0;
		}
		if (!put_to(s, level, text))
			lost++;
		if (lost > 0)
			atomic_fetch_add(&lg.lost[s], lost);
	}
}

static void
log_va(enum log_level level, const struct log_who *who, const char *fmt,
    va_list ap)
{
	char raw[LINE_MAX_BYTES - 256], text[LINE_MAX_BYTES - 128];
	int saved = errno;
	size_t n = 0;

	if (who != NULL && who->text[0] != '\0') {
		n = escape(text, sizeof(text) - 1, who->text);
		text[n++] = ' ';
	}
	vsnprintf(raw, sizeof(raw), fmt, ap);
	(void)escape(text + n, sizeof(text) - n, raw);
	put_all(level, text);
	errno = saved;
}

void
log_at(enum log_level level, const struct log_who *who, const char *fmt, ...)
{
	va_list ap;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	log_va(level, who, fmt, ap);
	va_end(ap);
}

_Noreturn void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(LOG_AT_FATAL, NULL, fmt, ap);
	va_end(ap);
	exit(1);
}

/* --- where lines go ----------------------------------------------------- */

void
log_quiet(bool quiet)
{
	lg.is_quiet = quiet;
	if (!quiet)
		return;
	/* who waits for the end of our standard error must see it */
	if (lg.err.fd > STDERR_FILENO)
		(void)close(lg.err.fd);
	lg.err = (struct target){ .fd = STDERR_FILENO, .how = TARGET_POLL };
	lg.is_set_up = false;
}

void
log_verbose(int n)
{
	lg.least = n <= 0 ? LOG_AT_LOG : n == 1 ? LOG_AT_DEBUG : LOG_AT_NOISE;
}

uint64_t
log_lost(void)
{
	uint64_t lost = 0;

	for (int s = 0; s < SINKS; s++)
		lost += atomic_load(&lg.lost[s]);
	return lost;
}

void
log_syslog_path(const char *path)
{
	lg.syslog_path = path;
}

/*
 * Standard error is other people's: a terminal, a pipe, a service manager's
 * socket.  O_NONBLOCK set on it would hit all who share it.
 */
static void
open_stderr(void)
{
	struct stat st;
	int fd;

	lg.is_set_up = true;
	if (fstat(STDERR_FILENO, &st) == -1) {
		lg.err.fd = -1;
	} else if (S_ISSOCK(st.st_mode)) {
		lg.err.how = TARGET_SOCKET;
	} else if (S_ISREG(st.st_mode)) {
		lg.err.how = TARGET_FILE;
	} else if ((fd = compat_reopen_nonblock(STDERR_FILENO)) != -1) {
		lg.err.fd = fd;
		lg.err.how = TARGET_FILE;
	}
}

static int
open_file(const char *path)
{
	return open(path,
	    O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    0644);
}

int
log_try(const char *path, struct err *e)
{
	int fd = -1;

	if (strlen(path) >= sizeof(lg.path))
		errno = ENAMETOOLONG;
	else
		fd = open_file(path);
	if (fd == -1)
		return err_set(e, "58P01", "the logfile cannot be opened",
		    "cannot open logfile \"%s\": %s", path, strerror(errno));
	(void)close(fd);
	return 0;
}

int
log_reopen(void)
{
	int fd;

	if (lg.path[0] == '\0')
		return 0;
	fd = open_file(lg.path);
	if (fd == -1) {
		log_error(NULL, "cannot open logfile \"%s\": %s", lg.path,
		    strerror(errno));
		return -1;
	}
	if (lg.file.fd != -1)
		(void)close(lg.file.fd);
	lg.file.fd = fd;
	return 0;
}

/* Make `path` the log's file; the former one stays where that fails. */
static int
set_file(const char *path)
{
	char was[PATH_MAX];

	(void)compat_strlcpy(was, lg.path, sizeof(was));
	if (compat_strlcpy(lg.path, path, sizeof(lg.path)) >= sizeof(lg.path)) {
		errno = ENAMETOOLONG;
		log_error(NULL, "the name of the logfile is too long");
	} else if (path[0] == '\0') {
		if (lg.file.fd != -1)
			(void)close(lg.file.fd);
		lg.file.fd = -1;
		return 0;
	} else if (log_reopen() == 0) {
		return 0;
	}
	(void)compat_strlcpy(lg.path, was, sizeof(lg.path));
	return -1;
}

int
log_setup(const struct conf *conf)
{
	if (!lg.is_set_up && !lg.is_quiet)
		open_stderr();
	log_verbose(conf->verbose);
	(void)compat_strlcpy(lg.ident, conf->syslog_ident, sizeof(lg.ident));
	/* a name that is none was refused when the configuration was loaded */
	(void)value_choice(conf->syslog_facility, facilities, &lg.facility);
	if (lg.syslog_fd != -1)
		(void)close(lg.syslog_fd);
	lg.syslog_fd = -1;
	lg.syslog_again_us = 0;
	lg.use_syslog = conf->syslog != 0;
	return set_file(conf->logfile);
}

#include "conf/compat.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#if defined(__linux__) || defined(__FreeBSD__)
#include <sys/mman.h>
#endif
#if defined(__OpenBSD__)
#include <syslog.h>
#endif

size_t
compat_strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size > 0) {
		size_t n = len < size ? len : size - 1;

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}

void
compat_bzero(void *p, size_t n)
{
	if (n == 0)
		return;
#if defined(__NetBSD__)
	(void)explicit_memset(p, 0, n);
#else
	explicit_bzero(p, n);
#endif
}

bool
compat_memeq_ct(const void *a, const void *b, size_t n)
{
	/* volatile: no early end, however clever the compiler */
	const volatile unsigned char *x = a, *y = b;
	unsigned char diff = 0;

	for (size_t i = 0; i < n; i++)
		diff = (unsigned char)(diff | (x[i] ^ y[i]));
	return diff == 0;
}

int
compat_cloexec_nonblock(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	return fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1 ? -1 : 0;
}

int
compat_accept(int fd, struct sockaddr *sa, socklen_t *len)
{
	return accept4(fd, sa, len, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int
compat_pipe(int fd[2])
{
	return pipe2(fd, O_CLOEXEC | O_NONBLOCK);
}

int
compat_socketpair(int domain, int type, int fd[2])
{
	return socketpair(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd);
}

/* It is of no use: -1, and errno stays what it was. */
static int
closed(int fd)
{
	int saved = errno;

	(void)close(fd);
	errno = saved;
	return -1;
}

int
compat_memfd(const char *name)
{
#if defined(__linux__) || defined(__FreeBSD__)
	return memfd_create(name, MFD_CLOEXEC);
#else
	char path[] = "/tmp/pooler.XXXXXXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	(void)name;
	if (fd == -1)
		return -1;
	if (unlink(path) == -1)
		return closed(fd);
	return fd;
#endif
}

int
compat_reopen_nonblock(int fd)
{
#if defined(__linux__)
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(
	    path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
#else
	/* /dev/fd duplicates there: the flag would be everybody's */
	(void)fd;
	errno = ENOTSUP;
	return -1;
#endif
}

int
compat_getpeereid(int fd, uid_t *uid, gid_t *gid)
{
#if defined(__linux__)
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	/* a socket of another family answers with nobody */
	if (len != sizeof(cred) || cred.pid == 0) {
		errno = EOPNOTSUPP;
		return -1;
	}
	*uid = cred.uid;
	*gid = cred.gid;
	return 0;
#else
	return getpeereid(fd, uid, gid);
#endif
}

int
compat_user_name(uid_t uid, char *name, size_t size)
{
	struct passwd pw, *found = NULL;
	char buf[16 * 1024];

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) != 0 ||
	    found == NULL)
		return -1;
	return compat_strlcpy(name, pw.pw_name, size) < size ? 0 : -1;
}

pid_t
compat_peer_pid(int fd)
{
#if defined(__linux__)
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return 0;
	return len == sizeof(cred) ? cred.pid : 0;
#elif defined(__OpenBSD__)
	struct sockpeercred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return 0;
	return cred.pid;
#elif defined(__NetBSD__)
	struct unpcbid cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, 0, LOCAL_PEEREID, &cred, &len) == -1)
		return 0;
	return cred.unp_pid;
#else
	(void)fd;
	return 0;
#endif
}

int
compat_syslog_open(const char *path)
{
#if defined(__OpenBSD__)
	(void)path; /* syslog is a system call there */
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
#else
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (compat_strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		return closed(fd);
	return fd;
#endif
}

int
compat_syslog_send(int fd, const char *line, size_t len)
{
#if defined(__OpenBSD__)
	(void)fd;
	return sendsyslog(line, len, 0);
#else
	return send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -1 : 0;
#endif
}

int
compat_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 4096 ? 4096 : (int)n;
}

/* --- the process's title ------------------------------------------------ */

#if defined(__linux__)

#define TITLE_PREFIX "pooler: "

extern char **environ;

static char *title_area; /* argv[0] to the end of the environment's strings */
static size_t title_size;
/* argv's copy: main() may forget it, and a leak checker then complains; only
 * what is volatile is really kept */
static char **volatile title_args;

/* The end of the strings that lie one behind the other from `end` on. */
static char *
title_extend(char *end, char **strings)
{
	for (; *strings != NULL; strings++)
		if (*strings == end)
			end += strlen(end) + 1;
	return end;
}

/*
 * A copy of `strings` and of all that they point to, in one block: setenv(3)
 * forgets a string that it replaces.  NULL: no memory.
 */
static char **
title_copy(char **strings)
{
	size_t n = 0, size = sizeof(*strings);
	char **copy, *at;

	for (; strings[n] != NULL; n++)
		size += sizeof(*strings) + strlen(strings[n]) + 1;
	copy = malloc(size);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + n + 1);
	for (size_t i = 0; i < n; i++) {
		copy[i] = at;
		at = stpcpy(at, strings[i]) + 1;
	}
	copy[n] = NULL;
	return copy;
}

void
compat_title_init(int argc, char ***argv)
{
	char **args, **env, *start, *end;

	if (argc < 1 || (*argv)[0] == NULL || title_area != NULL)
		return;
	args = title_copy(*argv);
	env = title_copy(environ);
	if (args == NULL || env == NULL) {
		free(args);
		free(env);
		return;
	}
	start = (*argv)[0];
	end = title_extend(start, *argv);
	end = title_extend(end, environ);
	title_area = start;
	title_size = (size_t)(end - start);
	*argv = title_args = args;
	environ = env;
}

void
compat_title(const char *fmt, ...)
{
	char text[256] = TITLE_PREFIX;
	size_t len = sizeof(TITLE_PREFIX) - 1;
	va_list ap;

	if (title_area == NULL || title_size < 2)
		return;
	va_start(ap, fmt);
	vsnprintf(text + len, sizeof(text) - len, fmt, ap);
	va_end(ap);
	memset(title_area, 0, title_size);
	(void)compat_strlcpy(title_area, text, title_size);
}

#else

void
compat_title_init(int argc, char ***argv)
{
	(void)argc;
	(void)argv;
}

void
compat_title(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* it begins with the program's name; a leading - in the format would
	 * leave that out, but OpenBSD would show the - */
	setproctitle("%s", text);
}

#endif

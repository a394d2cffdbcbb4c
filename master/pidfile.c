#include "master/pidfile.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/value.h"

enum { PIDFILE_TEXT = 32 };

/* The number that stands in `path`: 0 for none.  -1 with errno. */
static int
pidfile_read(const char *path, pid_t *pid)
{
	char text[PIDFILE_TEXT];
	int64_t n;
	ssize_t len;
	int fd, saved;

	*pid = 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	len = read(fd, text, sizeof(text) - 1);
	saved = errno;
	close(fd);
	if (len == -1) {
		errno = saved;
		return -1;
	}
	text[len] = '\0';
	text[strcspn(text, " \t\r\n")] = '\0';
	if (value_int(text, 1, INT32_MAX, &n) == 0)
		*pid = (pid_t)n;
	return 0;
}

int
pidfile_check(const char *path, struct err *e)
{
	pid_t pid;

	if (pidfile_read(path, &pid) == -1)
		return err_set(e, "58P01", "pid file is not usable",
		    "pid file %s: %s", path, strerror(errno));
	if (pid == 0 || pid == getpid())
		return 0;
	/* EPERM: it lives, and belongs to somebody else */
	if (kill(pid, 0) == 0 || errno == EPERM)
		return err_set(e, "55006", "another instance is running",
		    "pid file %s names pid %ld, which is running: "
		    "another instance?",
		    path, (long)pid);
	return 0;
}

/*
 * A file of our own.  In a directory that the later user may write to, a link
 * can lie in its place: root must not empty and give away what it leads to.
 */
static int
make_file(const char *path, bool is_given_away)
{
	enum { FLAGS = O_WRONLY | O_NOFOLLOW | O_CLOEXEC };
	int fd;

	(void)unlink(path);
	fd = open(path, FLAGS | O_CREAT | O_EXCL, 0644);
	/* the file may be ours in a directory that is not */
	if (fd == -1 && errno == EEXIST && !is_given_away)
		fd = open(path, FLAGS | O_TRUNC);
	return fd;
}

int
pidfile_write(const char *path, uid_t owner, struct err *e)
{
	char text[PIDFILE_TEXT];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int fd = make_file(path, owner != (uid_t)-1);

	if (fd == -1)
		return err_set(e, "58P01", "pid file is not writable",
		    "pid file %s: %s", path, strerror(errno));
	if (write(fd, text, (size_t)len) != len ||
	    (owner != (uid_t)-1 && fchown(fd, owner, (gid_t)-1) == -1)) {
		err_set(e, "58P01", "pid file is not writable",
		    "pid file %s: %s", path, strerror(errno));
		close(fd);
		(void)unlink(path);
		return -1;
	}
	close(fd);
	return 0;
}

void
pidfile_remove(const char *path)
{
	pid_t pid;

	if (pidfile_read(path, &pid) == 0 && pid == getpid() &&
	    unlink(path) == -1)
		(void)truncate(path, 0);
}

#include "master/daemon.h"

#include <sys/resource.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/log.h"

static int ready_fd = -1; /* write end; the waiting process has the other */

void
daemon_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

int
daemon_user_find(const char *name, struct daemon_user *u, struct err *e)
{
	struct passwd *pw;

	*u = (struct daemon_user){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	if (name[0] == '\0')
		return 0;
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return err_set(e, "42704", "user is not known to the system",
		    "user \"%s\": %s", name,
		    errno == 0 ? "no such user" : strerror(errno));
	if (compat_strlcpy(u->name, name, sizeof(u->name)) >= sizeof(u->name))
		return err_set(e, "42622", "user name is too long",
		    "user \"%s\": name is too long", name);
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	return 0;
}

int
daemon_user_become(const struct daemon_user *u, struct err *e)
{
	if (u->name[0] == '\0' || (u->uid == getuid() && geteuid() == getuid()))
		return 0;
	if (geteuid() != 0)
		return err_set(e, "42501", "cannot change the user",
		    "user \"%s\": only root can become another user", u->name);
	if (initgroups(u->name, u->gid) == -1 || setgid(u->gid) == -1 ||
	    setuid(u->uid) == -1)
		return err_set(e, "42501", "cannot change the user",
		    "user \"%s\": %s", u->name, strerror(errno));
	if (getuid() != u->uid || geteuid() != u->uid || getgid() != u->gid ||
	    getegid() != u->gid)
		return err_set(e, "42501", "cannot change the user",
		    "user \"%s\": the change did not take hold", u->name);
	if (u->uid != 0 && setuid(0) != -1)
		return err_set(e, "42501", "cannot change the user",
		    "user \"%s\": root's rights can be had back", u->name);
	return 0;
}

/* The process that was started: exit as the one in the background says. */
static _Noreturn void
await_ready(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n == -1 && errno == EINTR);
	/* _exit: what the other one has inherited is not ours to flush */
	_exit(n == 1 ? 0 : 1);
}

int
daemon_detach(struct err *e)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) == -1)
		return err_set(e, "53000", "cannot go to the background",
		    "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == -1) {
		close(ends[0]);
		close(ends[1]);
		return err_set(e, "53000", "cannot go to the background",
		    "fork: %s", strerror(errno));
	}
	if (pid > 0) {
		close(ends[1]);
		await_ready(ends[0]);
	}
	close(ends[0]);
	ready_fd = ends[1];
	(void)fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
	(void)setsid(); /* cannot fail: a new process leads no group */
	return 0;
}

/* Who waits for the end of our standard streams must see it. */
static void
leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	log_quiet(true);
	if (null == -1)
		return;
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null, fd);
	if (null > 2)
		close(null);
}

void
daemon_ready(void)
{
	if (ready_fd == -1)
		return;
	leave_terminal();
	/* the waiting process may have been killed; that changes nothing */
	(void)!write(ready_fd, "", 1);
	close(ready_fd);
	ready_fd = -1;
}

void
daemon_child(void)
{
	if (ready_fd == -1)
		return;
	leave_terminal();
	close(ready_fd);
	ready_fd = -1;
}

static uint64_t
shown(rlim_t r)
{
	return r == RLIM_INFINITY ? UINT64_MAX : (uint64_t)r;
}

/*
 * What the kernel has made of it counts: the BSDs cut a limit down to the
 * system's own maximum and call that a success.
 */
static void
set_limit(struct rlimit *r, rlim_t soft, rlim_t hard)
{
	struct rlimit more = { .rlim_cur = soft, .rlim_max = hard };

	(void)setrlimit(RLIMIT_NOFILE, &more);
	(void)getrlimit(RLIMIT_NOFILE, r);
}

int
daemon_descriptors(
    uint64_t need, uint64_t want, uint64_t *soft, uint64_t *hard, struct err *e)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == -1)
		return err_set(e, "53000", "cannot read the descriptor limit",
		    "getrlimit: %s", strerror(errno));
	/* the hard limit is root's to raise */
	if (shown(r.rlim_max) < need)
		set_limit(&r, (rlim_t)need, (rlim_t)need);
	if (shown(r.rlim_cur) < want)
		set_limit(&r,
		    shown(r.rlim_max) < want ? r.rlim_max : (rlim_t)want,
		    r.rlim_max);
	*soft = shown(r.rlim_cur);
	*hard = shown(r.rlim_max);
	if (*soft < need)
		return err_set(e, "53000", "too few descriptors",
		    "%" PRIu64 " file descriptors are needed, the hard limit "
		    "is %" PRIu64 ": raise it (ulimit -Hn, LimitNOFILE=)",
		    need, *hard);
	return 0;
}

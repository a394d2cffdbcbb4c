/*
 * spawn.c - start, watch and end the processes of a test.
 */
#include "t/lib/spawn.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

extern char **environ;

enum { ARGS_MAX = 31, STALL_MS = 6000 };

static char dir[256];

int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
patience(int ms)
{
	const char *times = getenv("CK_TIMEOUT_MULTIPLIER");
	long n = times != NULL ? strtol(times, NULL, 10) : 1;

	return ms > 0 ? (int64_t)ms * (n > 1 ? n : 1) + STALL_MS : 0;
}

void
nap(void)
{
	poll(NULL, 0, 5);
}

const char *
text(const char *fmt, ...)
{
	static char ring[32][4096];
	static unsigned next;
	char *buf = ring[next++ % 32];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(ring[0]), fmt, ap);
	va_end(ap);
	ck_assert_int_lt(n, (int)sizeof(ring[0]));
	return buf;
}

/* Who runs the servers: ourselves, or somebody harmless if we are root. */
static const struct passwd *
harmless(void)
{
	static const char *const names[] = { "postgres", "_postgresql",
		"nobody" };
	const struct passwd *pw = NULL;

	if (getuid() != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !pw; i++)
		pw = getpwnam(names[i]);
	ck_assert_msg(pw != NULL, "root needs a user to run servers as");
	return pw;
}

void
spawn_own(const char *path)
{
	const struct passwd *pw = harmless();

	if (pw)
		ck_assert_int_eq(chown(path, pw->pw_uid, pw->pw_gid), 0);
}

const char *
spawn_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s/pooler-t.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_msg(mkdtemp(dir) != NULL, "%s: %s", dir, strerror(errno));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	spawn_own(dir);
	return dir;
}

const char *
spawn_subdir(const char *name)
{
	const char *path = text("%s/%s", spawn_dir(), name);

	ck_assert_msg(mkdir(path, 0755) == 0, "%s: %s", path, strerror(errno));
	spawn_own(path);
	return path;
}

void
spawn_clean(bool keep)
{
	pid_t pid;

	if (!*dir)
		return;
	if (keep) {
		fprintf(stderr, "logs are kept in %s\n", dir);
	} else if ((pid = fork()) == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(127);
	} else if (pid > 0) {
		waitpid(pid, NULL, 0);
	}
	*dir = '\0';
}

static bool
bindable(int port, const char *addr)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	bool v6 = strchr(addr, ':') != NULL;
	int fd, on = 1, rc;

	a4.sin_port = a6.sin6_port = htons((uint16_t)port);
	inet_pton(AF_INET, addr, &a4.sin_addr);
	inet_pton(AF_INET6, addr, &a6.sin6_addr);
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (fd == -1)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rc = v6 ? bind(fd, (struct sockaddr *)&a6, sizeof(a6))
		: bind(fd, (struct sockaddr *)&a4, sizeof(a4));
	if (rc == 0)
		rc = listen(fd, 1);
	close(fd);
	return rc == 0;
}

bool
have_ipv6(void)
{
	return bindable(0, "::1");
}

int
spawn_port(void)
{
	static unsigned step;

	for (int i = 0; i < 1000; i++) {
		unsigned mix = (unsigned)getpid() * 7919u +
		    (unsigned)time(NULL) * 104729u + ++step * 257u;
		int port = 10000 + (int)(mix % 20000u);

		if (bindable(port, "127.0.0.1") &&
		    (!have_ipv6() || bindable(port, "::1")))
			return port;
	}
	ck_abort_msg("no free port");
	return -1;
}

static void
redirect(const struct spawn *s)
{
	int in = open(s->in ? s->in : "/dev/null", O_RDONLY);
	int out = open(
	    s->out ? s->out : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0644);

	if (in == -1 || out == -1)
		_exit(126);
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	for (int fd = 3; fd < 256; fd++)
		close(fd);
}

static void
become(const struct spawn *s, const struct passwd *pw)
{
	if (pw &&
	    (setgroups(0, NULL) == -1 || setgid(pw->pw_gid) == -1 ||
		setuid(pw->pw_uid) == -1))
		_exit(126);
#ifdef __linux__
	/* after setuid(2), which clears it */
	prctl(PR_SET_PDEATHSIG, s->death_signal ? s->death_signal : SIGKILL);
#endif
	for (const char **e = s->env; e && *e; e++)
		putenv(strdup(*e));
}

pid_t
spawn(const struct spawn *s, const char *const *argv)
{
	const struct passwd *pw = s->same_user ? NULL : harmless();
	char *args[ARGS_MAX + 1];
	pid_t pid;
	int n = 0;

	/* execvp() does not write to its arguments, though its type says so */
	for (; argv[n]; n++) {
		ck_assert_int_lt(n, ARGS_MAX);
		args[n] = strdup(argv[n]);
	}
	ck_assert_int_gt(n, 0);
	args[n] = NULL;
	/* made here, so that whoever runs the test may read it */
	if (s->out)
		close(open(s->out, O_WRONLY | O_CREAT | O_APPEND, 0644));
	if (s->out && pw)
		spawn_own(s->out);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		redirect(s);
		become(s, pw);
		if (chdir("/") == -1)
			_exit(126);
		execvp(args[0], args);
		dprintf(2, "%s: %s\n", args[0], strerror(errno));
		_exit(127);
	}
	while (n > 0)
		free(args[--n]);
	return pid;
}

int
spawn_wait(pid_t pid, int ms)
{
	int64_t end = now_ms() + patience(ms);
	int status;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) != pid) {
		ck_assert_msg(got == 0 || errno == EINTR, "waitpid %d: %s",
		    (int)pid, strerror(errno));
		if (now_ms() > end)
			return -1;
		nap();
	}
	return status;
}

int
spawn_run(const struct spawn *s, const char *const *argv)
{
	pid_t pid = spawn(s, argv);
	int status = spawn_wait(pid, 60000);

	if (status == -1)
		kill(pid, SIGKILL);
	ck_assert_msg(status != -1, "%s does not end", argv[0]);
	ck_assert_msg(WIFEXITED(status), "%s died of signal %d", argv[0],
	    WTERMSIG(status));
	return WEXITSTATUS(status);
}

bool
is_alive(pid_t pid)
{
	return kill(pid, 0) == 0 || errno == EPERM;
}

/*
 * Call `fn` with pid, parent and resident kB of every process: from /proc,
 * which a bare container has too, or from ps(1).
 */
#ifdef __linux__
static void
each_process(void (*fn)(pid_t, pid_t, long, void *), void *arg)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		char *line, *p, state;
		int ppid;

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		line = slurp(text("/proc/%.20s/stat", e->d_name));
		/* a title may hold spaces and brackets: begin at the last */
		p = strrchr(line, ')');
		if (p && sscanf(p + 1, " %c %d", &state, &ppid) == 2 &&
		    state != 'Z')
			fn((pid_t)atoi(e->d_name), ppid, 0, arg);
		free(line);
	}
	closedir(d);
}
#else
static void
each_process(void (*fn)(pid_t, pid_t, long, void *), void *arg)
{
	FILE *f = popen("ps -A -o pid= -o ppid= -o rss=", "r");
	int pid, ppid;
	long kb;

	ck_assert_ptr_nonnull(f);
	while (fscanf(f, "%d %d %ld", &pid, &ppid, &kb) == 3)
		fn(pid, ppid, kb, arg);
	pclose(f);
}
#endif

struct hunt {
	pid_t pid;
	pid_t *kids;
	int n, max;
	long kb;
};

static void
on_process(pid_t pid, pid_t ppid, long kb, void *arg)
{
	struct hunt *h = arg;

	if (pid == h->pid)
		h->kb = kb;
	if (ppid != h->pid)
		return;
	if (h->n < h->max)
		h->kids[h->n] = pid;
	h->n++;
}

int
spawn_kids(pid_t pid, pid_t *kids, int max)
{
	struct hunt h = { .pid = pid, .kids = kids, .max = max };

	each_process(on_process, &h);
	return h.n;
}

long
spawn_rss_kb(pid_t pid)
{
	struct hunt h = { .pid = pid };
#ifdef __linux__
	char *s = slurp(text("/proc/%d/status", (int)pid));
	const char *at = strstr(s, "VmRSS:");

	h.kb = at ? strtol(at + 6, NULL, 10) : 0;
	free(s);
#else
	each_process(on_process, &h);
#endif
	return h.kb;
}

char *
slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t cap = 65536, len = 0, n;
	char *buf = malloc(cap + 1), *more;

	ck_assert_ptr_nonnull(buf);
	while (f && (n = fread(buf + len, 1, cap - len, f)) > 0) {
		len += n;
		if (cap - len < 4096) {
			cap *= 2;
			more = realloc(buf, cap + 1);
			ck_assert_ptr_nonnull(more);
			buf = more;
		}
	}
	if (f)
		fclose(f);
	buf[len] = '\0';
	return buf;
}

void
spew(const char *path, const char *content)
{
	FILE *f = fopen(path, "w");

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	ck_assert_int_ge(fputs(content, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	spawn_own(path);
}

int
file_count(const char *path, const char *needle)
{
	char *s = slurp(path), *at = s;
	int n = 0;

	while ((at = strstr(at, needle)) != NULL) {
		at += strlen(needle);
		n++;
	}
	free(s);
	return n;
}

bool
file_has(const char *path, const char *needle)
{
	return file_count(path, needle) > 0;
}

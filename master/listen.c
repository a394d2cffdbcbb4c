#include "master/listen.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/log.h"
#include "conf/value.h"

enum {
	LISTEN_WORD = 256,  /* bytes of a name in listen_addr */
	LISTEN_TEXT = 128,  /* bytes of an address for people */
	LISTEN_DEFER_S = 45 /* a connection without a byte waits this long */
};

static int fds[LISTEN_MAX];
static char names[LISTEN_MAX][LISTEN_TEXT]; /* of fds, for people */
static uint32_t nfds;
static char absent[LISTEN_MAX][LISTEN_TEXT]; /* not this machine's */
static uint32_t nabsent;
static int unix_fd = -1; /* one of fds, or -1 */
static char unix_path[sizeof(((struct sockaddr_un *)0)->sun_path)];

/* --- addresses --- */

static int
add(struct listen_addr *out, size_t max, size_t *count,
    const struct sockaddr *sa, socklen_t len, struct err *e)
{
	for (size_t i = 0; i < *count; i++) {
		if (out[i].len == len && memcmp(&out[i].sa, sa, len) == 0)
			return 0;
	}
	if (*count == max || len > sizeof(out->sa))
		return err_set(e, "54000", "too many addresses",
		    "listen_addr: more than %zu addresses", max);
	memcpy(&out[*count].sa, sa, len);
	out[(*count)++].len = len;
	return 0;
}

static int
add_word(const char *word, int port, struct listen_addr *out, size_t max,
    size_t *count, struct err *e)
{
	bool any = strcmp(word, "*") == 0;
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *list;
	char service[16];
	int err, result = 0;

	snprintf(service, sizeof(service), "%d", port);
	err = getaddrinfo(any ? NULL : word, service, &hints, &list);
	if (err != 0)
		return err_set(e, "22023", "bad listen_addr",
		    "listen_addr \"%s\": %s", word,
		    err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err));
	for (struct addrinfo *ai = list; ai != NULL && result == 0;
	     ai = ai->ai_next) {
		if (ai->ai_family == AF_INET || ai->ai_family == AF_INET6)
			result = add(
			    out, max, count, ai->ai_addr, ai->ai_addrlen, e);
	}
	freeaddrinfo(list);
	return result;
}

int
listen_parse(const char *list, int port, struct listen_addr *out, size_t max,
    size_t *count, struct err *e)
{
	const char *word;
	size_t len;

	*count = 0;
	while ((word = value_word(&list, &len)) != NULL) {
		char text[LISTEN_WORD];

		if (len >= sizeof(text))
			return err_set(e, "22023", "bad listen_addr",
			    "listen_addr: a name is longer than %zu bytes",
			    sizeof(text) - 1);
		memcpy(text, word, len);
		text[len] = '\0';
		if (add_word(text, port, out, max, count, e) == -1)
			return -1;
	}
	return 0;
}

static const char *
addr_text(const struct listen_addr *a, char text[LISTEN_TEXT])
{
	char host[64], port[16];

	if (getnameinfo((const struct sockaddr *)&a->sa, a->len, host,
		sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return "?";
	snprintf(text, LISTEN_TEXT,
	    a->sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return text;
}

/* --- sockets --- */

static int
keep(int fd, const struct conf *c, const char *name, struct err *e)
{
	if (nfds == LISTEN_MAX || compat_cloexec_nonblock(fd) == -1 ||
	    listen(fd, c->listen_backlog) == -1) {
		err_set(e, "55000", "cannot listen", "listen on %s: %s", name,
		    nfds == LISTEN_MAX ? "too many" : strerror(errno));
		close(fd);
		return -1;
	}
	compat_strlcpy(names[nfds], name, sizeof(names[nfds]));
	fds[nfds++] = fd;
	return 0;
}

/*
 * No wake-up before a client has said something.  An option that one system
 * has and the others lack is asked for by its own name: a layer of its own
 * would say no more.
 */
static void
defer_accept(int fd)
{
#ifdef TCP_DEFER_ACCEPT
	int seconds = LISTEN_DEFER_S;

	/* without it we are woken a little earlier, no more */
	(void)setsockopt(
	    fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
#else
	(void)fd;
#endif
}

static int
set_options(int fd, int family, const struct conf *c)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		return -1;
	/* "*" opens one socket for each family: each keeps to its own */
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
		return -1;
	if (c->so_reuseport &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)
		return -1;
	if (c->tcp_defer_accept)
		defer_accept(fd);
	return 0;
}

/* "every address" of its family? */
static bool
is_any(const struct listen_addr *a)
{
	const struct sockaddr_in *in = (const void *)&a->sa;
	const struct sockaddr_in6 *in6 = (const void *)&a->sa;

	return a->sa.ss_family == AF_INET6
	    ? IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr)
	    : in->sin_addr.s_addr == htonl(INADDR_ANY);
}

/* Is it in "every address" that the list has, too, as in "*, 127.0.0.1"? */
static bool
is_covered(const struct listen_addr *a, const struct listen_addr *v, size_t n)
{
	for (size_t i = 0; i < n && !is_any(a); i++) {
		if (v[i].sa.ss_family == a->sa.ss_family && is_any(&v[i]))
			return true;
	}
	return false;
}

/* DONE; WAIT: this machine has no such address, which e says; FAIL. */
static enum result
open_tcp(const struct listen_addr *a, const struct conf *c, struct err *e)
{
	char text[LISTEN_TEXT];
	const char *name = addr_text(a, text);
	int family = a->sa.ss_family;
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd == -1 || set_options(fd, family, c) == -1 ||
	    bind(fd, (const struct sockaddr *)&a->sa, a->len) == -1) {
		int saved = errno;

		if (fd != -1)
			close(fd);
		err_set(e, "55000", "cannot listen", "listen on %s: %s", name,
		    strerror(saved));
		return saved == EADDRNOTAVAIL || saved == EAFNOSUPPORT ? WAIT
								       : FAIL;
	}
	return keep(fd, c, name, e) == 0 ? DONE : FAIL;
}

/*
 * An address that the machine does not have now (a virtual one, which is at
 * its twin) is told and done without; but one at least must be had.
 */
static int
open_all(
    const struct listen_addr *v, size_t n, const struct conf *c, struct err *e)
{
	bool is_one = n == 0;
	char text[LISTEN_TEXT];

	for (size_t i = 0; i < n; i++) {
		enum result r;

		if (is_covered(&v[i], v, n))
			continue;
		r = open_tcp(&v[i], c, e);
		if (r == FAIL)
			return -1;
		is_one = is_one || r == DONE;
		/* "*" asks for no family in particular */
		if (r == WAIT && !is_any(&v[i]))
			compat_strlcpy(absent[nabsent++],
			    addr_text(&v[i], text), LISTEN_TEXT);
	}
	return is_one ? 0 : -1;
}

/* Does anybody answer at this address?  1, 0, or -1 with errno. */
static int
is_answered(const struct sockaddr_un *un, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int result, saved;

	if (fd == -1)
		return -1;
	/* a full backlog must not make us wait */
	(void)compat_cloexec_nonblock(fd);
	result = connect(fd, (const struct sockaddr *)un, len);
	saved = errno;
	close(fd);
	if (result == 0 || saved == EAGAIN || saved == EINPROGRESS)
		return 1;
	if (saved == ECONNREFUSED || saved == ENOENT)
		return 0;
	errno = saved;
	return -1;
}

/* Make room for our socket's file. */
static int
clear_stale(const struct sockaddr_un *un, socklen_t len, struct err *e)
{
	struct stat st;

	if (lstat(un->sun_path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		return err_set(e, "58P01", "cannot use unix_socket_dir",
		    "unix socket %s: %s", un->sun_path, strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "58P01", "cannot use unix_socket_dir",
		    "unix socket %s: a file that is no socket is in the way",
		    un->sun_path);
	switch (is_answered(un, len)) {
	case 1:
		return err_set(e, "55006", "another instance is running",
		    "unix socket %s is in use, cannot continue", un->sun_path);
	case 0:
		if (unlink(un->sun_path) == 0 || errno == ENOENT)
			return 0;
		break;
	}
	return err_set(e, "58P01", "cannot use unix_socket_dir",
	    "unix socket %s: %s", un->sun_path, strerror(errno));
}

/*
 * bind(2) with the file's mode from the start.  A later chmod(2) would go by
 * the name, in which the directory's owner may have put a link meanwhile: as
 * root we would open up what it leads to.
 */
static int
bind_unix(int fd, const struct sockaddr_un *un, socklen_t len, int mode)
{
	mode_t was = umask(~(mode_t)mode & 0777);
	int result = bind(fd, (const struct sockaddr *)un, len);
	int saved = errno;

	(void)umask(was);
	errno = saved;
	return result;
}

/* Group and owner of the file, before anyone can connect. */
static int
set_rights(const char *path, const struct conf *c, uid_t owner, struct err *e)
{
	gid_t gid = (gid_t)-1;

	if (c->unix_socket_group[0] != '\0') {
		struct group *gr = getgrnam(c->unix_socket_group);

		if (gr == NULL)
			return err_set(e, "42704", "group is not known",
			    "unix_socket_group \"%s\": no such group",
			    c->unix_socket_group);
		gid = gr->gr_gid;
	}
	if ((owner != (uid_t)-1 || gid != (gid_t)-1) &&
	    lchown(path, owner, gid) == -1)
		return err_set(e, "42501", "cannot use unix_socket_dir",
		    "chown unix socket %s: %s", path, strerror(errno));
	return 0;
}

static int
open_unix(const struct conf *c, uid_t owner, struct err *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	bool is_abstract = c->unix_socket_dir[0] == '@';
	char name[sizeof(un.sun_path) + 8];
	int n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%d",
	    c->unix_socket_dir, c->listen_port);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    (size_t)n + (is_abstract ? 0 : 1));
	int fd;

	if (n < 0 || (size_t)n >= sizeof(un.sun_path))
		return err_set(e, "22023", "unix_socket_dir is too long",
		    "unix_socket_dir %s: path is longer than %zu bytes",
		    c->unix_socket_dir, sizeof(un.sun_path) - 1);
	snprintf(name, sizeof(name), "unix:%s", un.sun_path);
	if (is_abstract)
		un.sun_path[0] = '\0';
	else if (clear_stale(&un, len, e) == -1)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd == -1 || bind_unix(fd, &un, len, c->unix_socket_mode) == -1) {
		err_set(e, "58P01", "cannot use unix_socket_dir", "bind %s: %s",
		    name, strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (!is_abstract) {
		compat_strlcpy(unix_path, un.sun_path, sizeof(unix_path));
		if (set_rights(un.sun_path, c, owner, e) == -1) {
			close(fd);
			return -1;
		}
	}
	if (keep(fd, c, name, e) == -1)
		return -1;
	unix_fd = fd;
	return 0;
}

int
listen_open(const struct conf *c, uid_t owner, struct err *e)
{
	struct listen_addr addrs[LISTEN_MAX - 1];
	size_t count;

	if (listen_parse(c->listen_addr, c->listen_port, addrs, LISTEN_MAX - 1,
		&count, e) == -1)
		return -1;
	if (c->unix_socket_dir[0] != '\0' && open_unix(c, owner, e) == -1)
		goto fail;
	if (open_all(addrs, count, c, e) == -1)
		goto fail;
	if (nfds == 0) {
		err_set(e, "55000", "nothing to listen on",
		    "nothing to listen on: neither listen_addr nor "
		    "unix_socket_dir leads to a socket");
		goto fail;
	}
	return 0;
fail:
	listen_close();
	return -1;
}

void
listen_log(void)
{
	for (uint32_t i = 0; i < nfds; i++)
		log_info(NULL, "listening on %s", names[i]);
	for (uint32_t i = 0; i < nabsent; i++)
		log_warn(NULL,
		    "not listening on %s: this machine has no such address",
		    absent[i]);
}

int *
listen_fds(uint32_t *count)
{
	*count = nfds;
	return fds;
}

void
listen_stop(void)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < nfds; i++) {
		if (fds[i] == unix_fd) {
			fds[kept++] = fds[i];
			continue;
		}
		(void)shutdown(fds[i], SHUT_RDWR);
		close(fds[i]);
	}
	nfds = kept;
}

void
listen_child(void)
{
	for (uint32_t i = 0; i < nfds; i++)
		close(fds[i]);
	nfds = nabsent = 0;
	unix_fd = -1;
}

void
listen_close(void)
{
	listen_child();
	if (unix_path[0] != '\0')
		(void)unlink(unix_path);
	unix_path[0] = '\0';
}

/*
 * compat.h - what some systems lack, or do in another way.
 *
 * The one place in conf/ with an #ifdef for a system.  Everything here looks
 * the same on Linux, FreeBSD, OpenBSD and NetBSD.
 *
 * Keeps no data but the title's area, which the process that owns it writes.
 * Nothing here blocks.
 */
#ifndef CONF_COMPAT_H
#define CONF_COMPAT_H

#include <sys/types.h>
#include <sys/socket.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Copy at most `size - 1` bytes of `src` and end them with a NUL.  Returns
 * strlen(src): a result >= size says that it was cut.
 */
size_t compat_strlcpy(char *dst, const char *src, size_t size);

/* Wipe a secret; the compiler does not leave it out.  `n` may be 0. */
void compat_bzero(void *p, size_t n);

/* Equal?  Takes the same time wherever the first difference is. */
bool compat_memeq_ct(const void *a, const void *b, size_t n);

/* Close-on-exec and non-blocking.  0, or -1 with errno. */
int compat_cloexec_nonblock(int fd);

/* As accept(2), pipe(2) and socketpair(2); both flags are set on the result. */
int compat_accept(int fd, struct sockaddr *sa, socklen_t *len);
int compat_pipe(int fd[2]);
int compat_socketpair(int domain, int type, int fd[2]);

/*
 * A descriptor to bytes that have no name in any directory, close-on-exec,
 * or -1 with errno.  `name` is for the eye of who reads /proc.
 */
int compat_memfd(const char *name);

/*
 * Another descriptor for the pipe, terminal or file behind `fd` whose
 * O_NONBLOCK is its own: setting the flag on `fd` itself would change it for
 * every process that has inherited it.  -1 where that is impossible.
 */
int compat_reopen_nonblock(int fd);

/* Who is at the other end of a Unix socket.  0, or -1 with errno. */
int compat_getpeereid(int fd, uid_t *uid, gid_t *gid);

/*
 * The name of a user of this system, as its databases of users have it now;
 * -1 where there is none, or it has no room.
 */
int compat_user_name(uid_t uid, char *name, size_t size);

/* The process at the other end of a Unix socket; 0 when unknown. */
pid_t compat_peer_pid(int fd);

/* Send one datagram to the system's log; -1 with errno where it is refused. */
int compat_syslog_open(const char *path);
int compat_syslog_send(int fd, const char *line, size_t len);

/* CPUs that are on line; at least 1. */
int compat_cpus(void);

/*
 * The process's title, as ps(1) shows it.  compat_title_init() is called once,
 * first thing in main() and before any thread: on Linux it takes the area of
 * argv and environ, moves what was there, and lets *argv point to the copy.
 * Without it compat_title() does nothing.
 */
void compat_title_init(int argc, char ***argv);
void compat_title(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif

/*
 * event.h - as much of kqueue(2) as loop_kqueue.c uses, on top of poll(2), so
 * that the file is compiled and its logic run where there is no kqueue:
 *
 *   gmake unit-loop LOOP=kqueue CPPFLAGS=-It/shim OUT=build/kqueue
 *
 * It follows the BSDs' manual pages: one knote for each (descriptor, filter),
 * an EV_ADD of one that exists changes it, a closed descriptor loses its
 * knotes, EV_EOF comes whatever the low-water mark.  One queue a process.
 * For tests only; nothing of it is in the program that is installed.
 */
#ifndef T_SHIM_SYS_EVENT_H
#define T_SHIM_SYS_EVENT_H

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum { EVFILT_READ = -1, EVFILT_WRITE = -2 };
enum { EV_ADD = 1, EV_DELETE = 2, EV_ERROR = 0x4000, EV_EOF = 0x8000 };
enum { NOTE_LOWAT = 1, KNOTES_MAX = 4096 };

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned fflags;
	int64_t data;
	void *udata;
};

#define EV_SET(ev, id, filt, fl, ffl, dat, ud)   \
	(*(ev) = (struct kevent){ .ident = (id), \
	     .filter = (short)(filt),            \
	     .flags = (unsigned short)(fl),      \
	     .fflags = (ffl),                    \
	     .data = (dat),                      \
	     .udata = (ud) })

struct knote {
	struct kevent ev;
	ino_t file; /* tells a number that was closed and came back */
};

static struct knote knotes[KNOTES_MAX];
static int nknotes;

static inline int
kqueue(void)
{
	nknotes = 0;
	return open("/dev/null", O_RDONLY);
}

static inline int
knote_change(const struct kevent *ev)
{
	struct stat st;
	int i = 0;

	if (fstat((int)ev->ident, &st) == -1) {
		errno = EBADF;
		return -1;
	}
	while (i < nknotes &&
	    (knotes[i].ev.ident != ev->ident ||
		knotes[i].ev.filter != ev->filter))
		i++;
	if (i < nknotes && knotes[i].file != st.st_ino) {
		knotes[i] = knotes[--nknotes];
		i = nknotes;
	}
	if (ev->flags & EV_DELETE) {
		if (i == nknotes) {
			errno = ENOENT;
			return -1;
		}
		knotes[i] = knotes[--nknotes];
		return 0;
	}
	if (i == KNOTES_MAX) {
		errno = ENOMEM;
		return -1;
	}
	knotes[i] = (struct knote){ .ev = *ev, .file = st.st_ino };
	nknotes += i == nknotes;
	return 0;
}

/* What a knote asks poll(2) for; a low-water mark is never reached. */
static inline short
knote_asks(const struct knote *k)
{
	if (k->ev.filter == EVFILT_READ)
		return POLLIN | POLLRDHUP;
	return k->ev.fflags & NOTE_LOWAT ? 0 : POLLOUT;
}

static inline struct kevent
knote_event(const struct knote *k, short got)
{
	struct kevent ev = k->ev;
	bool is_over = got & (POLLHUP | POLLERR);

	if (ev.filter == EVFILT_READ)
		is_over = is_over || (got & POLLRDHUP);
	ev.flags = is_over ? EV_EOF : 0;
	ev.fflags = got & POLLERR ? ECONNRESET : 0;
	return ev;
}

static inline int
kevent(int kq, const struct kevent *changes, int nchanges,
    struct kevent *events, int nevents, const struct timespec *limit)
{
	static struct pollfd p[KNOTES_MAX];
	static int first;
	struct stat st;
	int n = 0;

	(void)kq;
	for (int i = 0; i < nchanges; i++)
		if (knote_change(&changes[i]) == -1)
			return -1;
	if (nevents == 0)
		return 0;
	for (int i = 0; i < nknotes; i++)
		if (fstat((int)knotes[i].ev.ident, &st) == -1 ||
		    st.st_ino != knotes[i].file)
			knotes[i--] = knotes[--nknotes];
	for (int i = 0; i < nknotes; i++)
		p[i] = (struct pollfd){ .fd = (int)knotes[i].ev.ident,
			.events = knote_asks(&knotes[i]) };
	if (ppoll(p, (nfds_t)nknotes, limit, NULL) == -1)
		return -1;
	/* who was told goes to the end, as in the kernel's queue */
	for (int k = 0; k < nknotes && n < nevents; k++) {
		int i = (first + k) % nknotes;

		if (p[i].revents)
			events[n++] = knote_event(&knotes[i], p[i].revents);
		if (n == nevents)
			first = i + 1;
	}
	return n;
}

#endif

/*
 * daemon.h - become the service: another user, the background, enough
 * descriptors.
 *
 * Used at start only.  daemon_detach() blocks the process that was started
 * until the one in the background is ready or has failed; nothing else waits.
 */
#ifndef MASTER_DAEMON_H
#define MASTER_DAEMON_H

#include <sys/types.h>
#include <stdint.h>

#include "conf/err.h"

/*
 * First thing in main(): let the numbers of the standard streams be taken,
 * by /dev/null where we were started without them.  A socket that got one of
 * these would be closed by a daemon, and the log would write into it.
 */
void daemon_streams(void);

/* Whom to become. */
struct daemon_user {
	char name[64]; /* "": stay who we are */
	uid_t uid;     /* (uid_t)-1: as above */
	gid_t gid;
};

/* Look up `name`; "" fills in nobody. */
int daemon_user_find(const char *name, struct daemon_user *u, struct err *e);

/*
 * Become `u`, for good, with its groups and none of ours; then see whether
 * the way back is closed.  A process that is not root can only become what it
 * is, which is no fault.
 */
int daemon_user_become(const struct daemon_user *u, struct err *e);

/*
 * Go to the background.  Returns in the new process, 0, or -1 in the old one.
 * The old one waits, and exits with 0 after daemon_ready(), or with 1 when
 * the new one is gone before that: whoever starts us learns of a bad start.
 */
int daemon_detach(struct err *e);

/* Started: standard streams to /dev/null, let the waiting process exit.
 * Does nothing without a daemon_detach(). */
void daemon_ready(void);

/* In a child that was forked before that: leave the terminal, too. */
void daemon_child(void);

/*
 * Allow this process and its children `need` descriptors, and `want` of them
 * where that costs nothing: raise the soft limit, and the hard one to the
 * need where we may.  *soft and *hard say what holds then.  -1: the hard limit
 * is below the need.
 */
int daemon_descriptors(uint64_t need, uint64_t want, uint64_t *soft,
    uint64_t *hard, struct err *e);

#endif

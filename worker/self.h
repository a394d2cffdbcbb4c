/*
 * self.h - what this worker is: its number, configuration, channel, scratch.
 *
 * One per process, filled by worker_main() before the loop runs.  The scratch
 * buffer is where every socket is read into: what a callback finds in it is
 * used up before the callback returns, and nothing that it calls reads into
 * it again.
 */
#ifndef WORKER_SELF_H
#define WORKER_SELF_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "shm/chan.h"

enum {
	SELF_SCRATCH = 128 * 1024, /* bytes read at once */
	SELF_HOLD = 16 * 1024,     /* of them, room in front for what was held
	                              back from the read before */
};

struct self {
	uint32_t me;             /* process number */
	const struct conf *conf; /* replaced as a whole, never changed */
	uint64_t conf_number;
	struct chan chan; /* to the supervisor */
	uint8_t *scratch; /* SELF_SCRATCH bytes */
	int fd_limit;     /* descriptors from here on are backends' */
};

extern struct self self;

/* Send to the supervisor; as chan_send(). */
int self_send(const struct msg *m, int fd);

#endif

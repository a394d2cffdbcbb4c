#include "worker/self.h"

struct self self;

int
self_send(const struct msg *m, int fd)
{
	return chan_send(&self.chan, m, fd);
}

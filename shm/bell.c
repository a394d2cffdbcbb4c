#include "shm/chan.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "shm/proc.h"
#include "shm/segment.h"

enum {
	BELLS = SEG_MAX_WORKERS + 2,
	CLEAR_READS = 20, /* empties the largest pipe there is by default */
};

static struct {
	int read_fd, write_fd;
} bells[BELLS];
static uint32_t nbells;

int
bell_make(uint32_t n, struct err *e)
{
	int fd[2];

	if (n > BELLS)
		return err_set(e, "53000", "too many processes",
		    "%u bells asked for, at most %d", (unsigned)n, (int)BELLS);
	for (nbells = 0; nbells < n; nbells++) {
		if (compat_pipe(fd) == -1) {
			err_set(e, "53000", "out of descriptors", "pipe: %s",
			    strerror(errno));
			bell_drop();
			return -1;
		}
		bells[nbells].read_fd = fd[0];
		bells[nbells].write_fd = fd[1];
	}
	return 0;
}

void
bell_drop(void)
{
	while (nbells > 0) {
		nbells--;
		(void)close(bells[nbells].read_fd);
		(void)close(bells[nbells].write_fd);
	}
}

int
bell_fd(uint32_t me)
{
	return me < nbells ? bells[me].read_fd : -1;
}

void
bell_ring(uint32_t n)
{
	/* a full pipe is a bell that rings already */
	if (n < nbells && write(bells[n].write_fd, "", 1) == -1)
		return;
}

void
bell_wake(uint32_t n)
{
	const struct proc *p = proc_at(n);

	if (p != NULL && atomic_load(&p->sleeping) != 0)
		bell_ring(n);
}

void
bell_clear(uint32_t me)
{
	char bytes[4096];

	for (int i = 0; me < nbells && i < CLEAR_READS; i++)
		if (read(bells[me].read_fd, bytes, sizeof(bytes)) <
		    (ssize_t)sizeof(bytes))
			return;
}

void
bell_ring_all(void)
{
	for (uint32_t i = 0; i < nbells; i++)
		bell_ring(i);
}

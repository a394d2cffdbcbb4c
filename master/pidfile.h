/*
 * pidfile.h - one pooler for one pid file.
 *
 * A file that names a living process refuses the start; one that a dead
 * process left, or that holds no number, is overwritten.
 *
 * Used at start and end only; may wait for a disk.
 */
#ifndef MASTER_PIDFILE_H
#define MASTER_PIDFILE_H

#include <sys/types.h>

#include "conf/err.h"

/* Is `path` free to be taken?  0, or -1 when its process lives or the file
 * cannot be read. */
int pidfile_check(const char *path, struct err *e);

/* Write our own number; the file then belongs to `owner` ((uid_t)-1: to
 * whoever we are). */
int pidfile_write(const char *path, uid_t owner, struct err *e);

/* Remove it if it is ours.  What cannot be removed is emptied, so that no
 * later process of that number is taken for us. */
void pidfile_remove(const char *path);

#endif

/*
 * tune.h - socket options, set once when a connection begins.
 *
 * They belong to all duplicates of a descriptor, in every process, and are
 * never changed later.
 */
#ifndef WORKER_IO_TUNE_H
#define WORKER_IO_TUNE_H

#include <stdbool.h>

struct conf;

/*
 * Take `fd`, a stream socket of family `family`: no delay, keepalive, buffer
 * sizes and TCP_USER_TIMEOUT as configured.  What the system refuses is left
 * as it is.
 */
void tune_socket(int fd, int family, const struct conf *conf);

#endif

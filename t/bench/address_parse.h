/*
 * address_parse.h - from "where" and a port to a socket address.
 *
 * Blocks for nothing but what getaddrinfo(3) does with a literal address.
 */
#ifndef BENCH_ADDRESS_PARSE_H
#define BENCH_ADDRESS_PARSE_H

#include <sys/socket.h>

/*
 * `where` is a numeric IPv4 or IPv6 address, or the directory of a PostgreSQL
 * Unix socket if it begins with a slash.  The address's length, or 0 if it
 * cannot be had.
 */
socklen_t
address_parse(const char *where, int port, struct sockaddr_storage *out);

#endif

/*
 * netaddr.h - addresses of hosts, and ranges of them.
 *
 * An address is its bytes in network order; a range is an address and a mask
 * of any form, as pg_hba.conf has them.  A range of one family never has an
 * address of the other.  Names are not looked up here.
 *
 * Pure.
 */
#ifndef CONF_NETADDR_H
#define CONF_NETADDR_H

#include <stdbool.h>
#include <stdint.h>

struct netaddr {
	uint8_t family; /* 4 or 6; 0: none, such as a Unix socket's */
	uint8_t bytes[16];
};

struct netrange {
	struct netaddr addr;
	uint8_t mask[16];
};

/* 10.0.0.1 or fe80::1, in full; -1 where it is neither. */
int netaddr_parse(const char *text, struct netaddr *out);

/* As text; "[local]" where there is none. */
enum { NETADDR_TEXT = 46 };
const char *netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT]);

/* 10.0.0.0/8; -1 where it is none. */
int netrange_parse(const char *text, struct netrange *out);

/* 10.0.0.0 and 255.0.0.0; -1 where one is none, or they do not fit. */
int netrange_masked(const char *addr, const char *mask, struct netrange *out);

/* One host alone. */
struct netrange netrange_host(const struct netaddr *a);

bool netrange_has(const struct netrange *r, const struct netaddr *a);

#endif

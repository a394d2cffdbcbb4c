/*
 * address_parse.c - see address_parse.h.  Never a name look-up: a benchmark
 * that waits for DNS measures DNS.
 */
#include "t/bench/address_parse.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

socklen_t
address_parse(const char *where, int port, struct sockaddr_storage *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct addrinfo *res;
	char service[16];
	socklen_t len;
	int n;

	memset(out, 0, sizeof(*out));
	if (where[0] == '/') {
		n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%d",
		    where, port);
		if (n < 0 || (size_t)n >= sizeof(un.sun_path))
			return 0;
		memcpy(out, &un, sizeof(un));
		return sizeof(un);
	}
	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(where, service, &hints, &res) != 0)
		return 0;
	len = res->ai_addrlen;
	memcpy(out, res->ai_addr, len);
	freeaddrinfo(res);
	return len;
}

#include "worker/backend/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

bool
target_unix(
    const char *host, int port, const char *default_dir, struct slot_addr *addr)
{
	struct sockaddr_un un;
	const char *dir = host[0] == '\0' ? default_dir : host;
	int n;

	_Static_assert(sizeof(un) <= sizeof(addr->sa), "an address fits");
	addr->len = 0;
	if (dir[0] != '/' && dir[0] != '@')
		return false;
	memset(&un, 0, sizeof(un));
	un.sun_family = AF_UNIX;
	if (dir[0] == '@') {
		n = snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1,
		    "%s/.s.PGSQL.%d", dir + 1, port);
		if (n < 0 || (size_t)n >= sizeof(un.sun_path) - 1)
			return true;
		addr->len = (uint32_t)(offsetof(struct sockaddr_un, sun_path) +
		    1 + (size_t)n);
	} else {
		n = snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%d",
		    dir, port);
		if (n < 0 || (size_t)n >= sizeof(un.sun_path))
			return true;
		addr->len = sizeof(un);
	}
	memcpy(addr->sa, &un, sizeof(un));
	return true;
}

bool
target_inet(
    const struct msg_addrs *a, uint32_t i, int port, struct slot_addr *addr)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	if (i >= a->n || i >= MSG_ADDRS)
		return false;
	if (a->a[i].family == 4) {
		memset(&in4, 0, sizeof(in4));
		in4.sin_family = AF_INET;
		in4.sin_port = htons((uint16_t)port);
		memcpy(&in4.sin_addr, a->a[i].addr, 4);
		memcpy(addr->sa, &in4, sizeof(in4));
		addr->len = sizeof(in4);
		return true;
	}
	memset(&in6, 0, sizeof(in6));
	in6.sin6_family = AF_INET6;
	in6.sin6_port = htons((uint16_t)port);
	in6.sin6_scope_id = a->a[i].scope;
	memcpy(&in6.sin6_addr, a->a[i].addr, 16);
	memcpy(addr->sa, &in6, sizeof(in6));
	addr->len = sizeof(in6);
	return true;
}

void
target_parts(const struct slot_addr *addr, char *host, size_t size, int *port)
{
	struct sockaddr_storage ss;
	const struct sockaddr_in *in4 = (const void *)&ss;
	const struct sockaddr_in6 *in6 = (const void *)&ss;
	const struct sockaddr_un *un = (const void *)&ss;
	const char *dot;

	memset(&ss, 0, sizeof(ss));
	_Static_assert(sizeof(addr->sa) <= sizeof(ss), "an address fits");
	if (addr->len <= sizeof(addr->sa))
		memcpy(&ss, addr->sa, addr->len);
	*port = 0;
	snprintf(host, size, "unknown");
	if (addr->len == 0)
		return;
	switch (ss.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in4->sin_addr, host, (socklen_t)size);
		*port = ntohs(in4->sin_port);
		return;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, host, (socklen_t)size);
		*port = ntohs(in6->sin6_port);
		return;
	case AF_UNIX:
		snprintf(host, size, "unix");
		dot = strrchr(
		    un->sun_path[0] ? un->sun_path : un->sun_path + 1, '.');
		*port = dot == NULL ? 0 : atoi(dot + 1);
		return;
	}
}

void
target_text(const struct slot_addr *addr, char out[TARGET_TEXT])
{
	char host[INET6_ADDRSTRLEN];
	int port;

	target_parts(addr, host, sizeof(host), &port);
	if (strchr(host, ':') != NULL)
		snprintf(out, TARGET_TEXT, "[%s]:%d", host, port);
	else
		snprintf(out, TARGET_TEXT, "%s:%d", host, port);
}

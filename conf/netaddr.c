#include "conf/netaddr.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>
#include "conf/compat.h"

static unsigned
bytes_of(uint8_t family)
{
	return family == 4 ? 4 : family == 6 ? 16 : 0;
}

int
netaddr_parse(const char *text, struct netaddr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, text, out->bytes) == 1)
		out->family = 6;
	return out->family == 0 ? -1 : 0;
}

const char *
netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT])
{
	int af = a->family == 4 ? AF_INET : AF_INET6;

	if (a->family == 0 ||
	    inet_ntop(af, a->bytes, out, NETADDR_TEXT) == NULL)
		(void)compat_strlcpy(out, "[local]", NETADDR_TEXT);
	return out;
}

/* Digits alone, at most `max`; -1 where it is not that. */
static int
take_bits(const char *text, int max)
{
	int n = 0;

	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
		if (n > max)
			return -1;
	}
	return n;
}

int
netrange_parse(const char *text, struct netrange *out)
{
	const char *slash = strchr(text, '/');
	char addr[NETADDR_TEXT];
	int bits;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(addr))
		return -1;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	memset(out, 0, sizeof(*out));
	if (netaddr_parse(addr, &out->addr) == -1)
		return -1;
	bits = take_bits(slash + 1, (int)bytes_of(out->addr.family) * 8);
	if (bits == -1)
		return -1;
	for (int i = 0; i < bits; i++)
		out->mask[i / 8] |= (uint8_t)(0x80 >> (i % 8));
	return 0;
}

int
netrange_masked(const char *addr, const char *mask, struct netrange *out)
{
	struct netaddr m;

	memset(out, 0, sizeof(*out));
	if (netaddr_parse(addr, &out->addr) == -1 ||
	    netaddr_parse(mask, &m) == -1 || m.family != out->addr.family)
		return -1;
	memcpy(out->mask, m.bytes, sizeof(out->mask));
	return 0;
}

struct netrange
netrange_host(const struct netaddr *a)
{
	struct netrange r = { .addr = *a };

	memset(r.mask, 0xff, sizeof(r.mask));
	return r;
}

bool
netrange_has(const struct netrange *r, const struct netaddr *a)
{
	unsigned n = bytes_of(a->family);

	if (n == 0 || a->family != r->addr.family)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (((a->bytes[i] ^ r->addr.bytes[i]) & r->mask[i]) != 0)
			return false;
	return true;
}

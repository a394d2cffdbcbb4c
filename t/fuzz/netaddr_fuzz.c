/* netaddr_fuzz.c - addresses and ranges; a space divides it from a mask. */
#include "conf/netaddr.h"

#include "t/fuzz/fuzz.h"

static void
check_addr(const char *text)
{
	struct netaddr a, again;
	char out[NETADDR_TEXT];

	if (netaddr_parse(text, &a) == -1)
		return;
	MUST(a.family == 4 || a.family == 6);
	MUST(netaddr_text(&a, out) == out);
	MUST_END(out);
	MUST(netaddr_parse(out, &again) == 0);
	MUST(again.family == a.family);
	MUST(memcmp(again.bytes, a.bytes, a.family == 4 ? 4 : 16) == 0);
}

static void
check_range(const struct netrange *r)
{
	struct netrange host = netrange_host(&r->addr);
	size_t n = r->addr.family == 4 ? 4 : 16;
	struct netaddr other = r->addr;

	MUST(r->addr.family == 4 || r->addr.family == 6);
	MUST(netrange_has(r, &r->addr) && netrange_has(&host, &r->addr));
	for (size_t i = 0; i < n; i++) {
		other.bytes[i] ^= 1;
		MUST(netrange_has(r, &other) == ((r->mask[i] & 1) == 0));
		MUST(!netrange_has(&host, &other));
		other.bytes[i] ^= 1;
	}
	other.family = other.family == 4 ? 6 : 4;
	MUST(!netrange_has(r, &other));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *mask;
	struct netrange r;

	check_addr(text);
	if (netrange_parse(text, &r) == 0)
		check_range(&r);
	mask = strchr(text, ' ');
	if (mask != NULL) {
		*mask++ = '\0';
		if (netrange_masked(text, mask, &r) == 0)
			check_range(&r);
	}
	free(text);
	return 0;
}

/* netaddr_test.c - addresses and ranges: what is one, and what is within. */
#include "conf/netaddr.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const struct {
	const char *range, *addr;
	int has; /* -1: no range */
} cases[] = {
	{ "10.0.0.0/8", "10.255.0.1", 1 },
	{ "10.0.0.0/8", "11.0.0.1", 0 },
	{ "10.1.2.3/8", "10.9.9.9", 1 }, /* what is beyond does not count */
	{ "10.0.0.1/32", "10.0.0.1", 1 },
	{ "10.0.0.1/32", "10.0.0.2", 0 },
	{ "0.0.0.0/0", "255.255.255.255", 1 },
	{ "0.0.0.0/0", "::1", 0 },
	{ "::/0", "::1", 1 },
	{ "::/0", "127.0.0.1", 0 },
	{ "128.0.0.0/1", "127.255.255.255", 0 },
	{ "128.0.0.0/1", "128.0.0.0", 1 },
	{ "192.168.4.0/22", "192.168.7.255", 1 },
	{ "192.168.4.0/22", "192.168.8.0", 0 },
	{ "::1/128", "::1", 1 },
	{ "::1/128", "::2", 0 },
	{ "fe80::/10", "febf::1", 1 },
	{ "fe80::/10", "fec0::1", 0 },
	{ "2001:db8::/33", "2001:db8:7fff::", 1 },
	{ "2001:db8::/33", "2001:db8:8000::", 0 },
	{ "::ffff:10.0.0.0/104", "::ffff:10.1.1.1", 1 },
	{ "::ffff:10.0.0.0/104", "10.1.1.1", 0 },
	{ "", "::1", -1 },
	{ "/", "::1", -1 },
	{ "/8", "::1", -1 },
	{ "10.0.0.0", "::1", -1 },
	{ "10.0.0.0/", "::1", -1 },
	{ "10.0.0.0/33", "::1", -1 },
	{ "10.0.0.0/-1", "::1", -1 },
	{ "10.0.0.0/+8", "::1", -1 },
	{ "10.0.0.0/ 8", "::1", -1 },
	{ "10.0.0.0/8 ", "::1", -1 },
	{ "10.0.0.0/8x", "::1", -1 },
	{ "10.0.0.0/0x8", "::1", -1 },
	{ "10.0.0.0/8/8", "::1", -1 },
	{ "10.0.0.0/99999999999999999999", "::1", -1 },
	{ "10.0.0.0/255.0.0.0", "::1", -1 },
	{ "10.0.0/8", "::1", -1 },
	{ "10/8", "::1", -1 },
	{ "10.0.0.256/8", "::1", -1 },
	{ "10.0.0.0.0/8", "::1", -1 },
	{ " 10.0.0.0/8", "::1", -1 },
	{ "::1/129", "::1", -1 },
	{ ":::1/8", "::1", -1 },
	{ "fe80::1%lo/64", "::1", -1 },
	{ "localhost/8", "::1", -1 },
	{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8", "::1",
	    -1 },
};

START_TEST(ranges)
{
	struct netrange r;
	struct netaddr a;

	ck_assert_int_eq(netaddr_parse(cases[_i].addr, &a), 0);
	if (cases[_i].has == -1) {
		ck_assert_msg(netrange_parse(cases[_i].range, &r) == -1,
		    "%s was taken", cases[_i].range);
		return;
	}
	ck_assert_int_eq(netrange_parse(cases[_i].range, &r), 0);
	ck_assert_msg(netrange_has(&r, &a) == (cases[_i].has == 1), "%s %s",
	    cases[_i].range, cases[_i].addr);
}
END_TEST

static const struct {
	const char *addr, *mask, *other;
	int has;
} masks[] = {
	{ "10.0.0.0", "255.0.0.0", "10.1.1.1", 1 },
	{ "10.0.0.0", "255.0.0.0", "11.1.1.1", 0 },
	{ "10.0.0.5", "255.255.255.255", "10.0.0.5", 1 },
	{ "10.0.0.5", "0.0.0.0", "99.0.0.5", 1 },
	{ "10.0.0.5", "255.0.0.255", "10.7.7.5", 1 }, /* with a gap */
	{ "10.0.0.5", "255.0.0.255", "10.7.7.6", 0 },
	{ "fe80::", "ffc0::", "feb0::1", 1 },
	{ "fe80::", "ffc0::", "ff00::1", 0 },
	{ "10.0.0.0", "ffc0::", "10.0.0.0", -1 },
	{ "fe80::", "255.0.0.0", "fe80::", -1 },
	{ "10.0.0.0", "8", "10.0.0.0", -1 },
	{ "10.0.0.0", "", "10.0.0.0", -1 },
	{ "10.0.0.0", "md5", "10.0.0.0", -1 },
	{ "host", "255.0.0.0", "10.0.0.0", -1 },
};

START_TEST(masked)
{
	struct netrange r;
	struct netaddr a;
	int rc = netrange_masked(masks[_i].addr, masks[_i].mask, &r);

	ck_assert_int_eq(rc, masks[_i].has == -1 ? -1 : 0);
	if (rc == -1)
		return;
	ck_assert_int_eq(netaddr_parse(masks[_i].other, &a), 0);
	ck_assert_int_eq(netrange_has(&r, &a), masks[_i].has);
}
END_TEST

START_TEST(hosts)
{
	struct netaddr a, b, none = { 0 };
	struct netrange r;
	char text[NETADDR_TEXT];

	ck_assert_int_eq(netaddr_parse("10.0.0.1", &a), 0);
	ck_assert_int_eq(netaddr_parse("10.0.0.2", &b), 0);
	r = netrange_host(&a);
	ck_assert(netrange_has(&r, &a));
	ck_assert(!netrange_has(&r, &b));
	/* who has no address is in no range */
	ck_assert(!netrange_has(&r, &none));
	r = netrange_host(&none);
	ck_assert(!netrange_has(&r, &none));
	ck_assert_str_eq(netaddr_text(&a, text), "10.0.0.1");
	ck_assert_int_eq(netaddr_parse("fe80:0::1", &a), 0);
	ck_assert_str_eq(netaddr_text(&a, text), "fe80::1");
	ck_assert_str_eq(netaddr_text(&none, text), "[local]");
	ck_assert_int_eq(netaddr_parse("", &a), -1);
	ck_assert_int_eq(netaddr_parse("10.0.0.1 ", &a), -1);
	ck_assert_int_eq(a.family, 0);
}
END_TEST

/* No address is that long, wherever its / is. */
START_TEST(endless)
{
	char text[4096];
	struct netrange r;

	memset(text, '1', sizeof(text));
	strcpy(text + sizeof(text) - 3, "/8");
	ck_assert_int_eq(netrange_parse(text, &r), -1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("netaddr");
	TCase *tc = tcase_create("netaddr");

	tcase_add_loop_test(tc, ranges, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_loop_test(tc, masked, 0, sizeof(masks) / sizeof(*masks));
	tcase_add_test(tc, hosts);
	tcase_add_test(tc, endless);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

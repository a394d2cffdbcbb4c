/* frame_test.c - message headers at every length; a wire that overflows. */
#include "worker/proto/frame.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const struct {
	uint8_t p[5];
	size_t avail;
	uint32_t max;
	enum result want;
	uint32_t body;
} head[] = {
	{ "", 0, 100, WAIT, 0 }, { "Q\0\0\0\4", 1, 100, WAIT, 0 },
	{ "Q\0\0\0\4", 4, 100, WAIT, 0 }, { "Q\0\0\0\4", 5, 100, DONE, 0 },
	{ "Q\0\0\0\4", 5, 0, DONE, 0 }, { "Q\0\0\0\5", 5, 0, FAIL, 0 },
	{ "Q\0\0\0\x68", 5, 100, DONE, 100 },
	{ "Q\0\0\0\x69", 5, 100, FAIL, 0 }, { "Q\0\0\0\3", 5, 100, FAIL, 0 },
	{ "Q\0\0\0\0", 5, 100, FAIL, 0 },
	{ "Q\0\1\2\3", 5, FRAME_MAX, DONE, 0x101ff },
	{ "Q\x3f\xff\xff\xff", 5, FRAME_MAX, DONE, 0x3ffffffb },
	{ "Q\x40\0\0\3", 5, FRAME_MAX, DONE, 0x3fffffff },
	{ "Q\x40\0\0\4", 5, FRAME_MAX, FAIL, 0 },
	{ "Q\x7f\xff\xff\xff", 5, FRAME_MAX, FAIL, 0 },
	{ "Q\x80\0\0\0", 5, FRAME_MAX, FAIL, 0 },
	{ "Q\xff\xff\xff\xff", 5, FRAME_MAX, FAIL, 0 },
	{ "Q\xff\xff\xff\xff", 5, UINT32_MAX, DONE, 0xfffffffb },
	{ "Q\xff", 2, 100, FAIL, 0 }, /* seen in the first byte */
};

START_TEST(test_head)
{
	struct frame f = { 0 };
	uint8_t *p = malloc(head[_i].avail + 1);

	/* a block of its own size: reading beyond it is seen */
	memcpy(p + 1, head[_i].p, head[_i].avail);
	ck_assert_int_eq(frame_parse(p + 1, head[_i].avail, head[_i].max, &f),
	    head[_i].want);
	if (head[_i].want == DONE) {
		ck_assert_int_eq(f.type, 'Q');
		ck_assert_uint_eq(f.body, head[_i].body);
	}
	free(p);
}
END_TEST

static void
write_two(struct wire *w)
{
	wire_begin(w, 'X');
	wire_byte(w, 7);
	wire_int16(w, 0x1234);
	wire_int32(w, 0xdeadbeef);
	wire_end(w);
	wire_begin(w, 0);
	wire_int64(w, 0x0102030405060708);
	wire_str(w, "hi");
	wire_bytes(w, "\1", 1);
	wire_text(w, "\2");
	wire_text(w, "");
	wire_bytes(w, NULL, 0);
	wire_end(w);
}

START_TEST(test_wire)
{
	static const uint8_t want[] = "X\0\0\0\x0b\7\x12\x34\xde\xad\xbe\xef"
				      "\0\0\0\x11\1\2\3\4\5\6\7\10hi\0\1\2";
	uint8_t out[64];
	struct wire w;

	wire_init(&w, out, sizeof(out));
	write_two(&w);
	ck_assert(!w.full);
	ck_assert_uint_eq(w.len, sizeof(want) - 1);
	ck_assert_mem_eq(out, want, w.len);
}
END_TEST

/* At any capacity: whole messages or none, and never a byte too far. */
START_TEST(test_overflow)
{
	for (size_t cap = 0; cap <= 29; cap++) {
		uint8_t *out = malloc(cap + 1);
		struct wire w;

		wire_init(&w, out + 1, cap);
		write_two(&w);
		ck_assert_int_eq(w.full, cap < 29);
		ck_assert_uint_eq(w.len, cap < 12 ? 0 : cap < 29 ? 12 : 29);
		write_two(&w);
		ck_assert(w.full);
		ck_assert_uint_eq(w.len, cap < 12 ? 0 : cap < 29 ? 12 : 29);
		free(out);
	}
}
END_TEST

START_TEST(test_huge)
{
	uint8_t out[16];
	struct wire w;

	for (size_t n = SIZE_MAX; n > SIZE_MAX - 8; n--) {
		wire_init(&w, out, sizeof(out));
		wire_begin(&w, 'Q');
		wire_bytes(&w, out, n);
		ck_assert(w.full);
		ck_assert_uint_eq(w.len, 0);
	}
}
END_TEST

START_TEST(test_requests)
{
	int known = 0;

	for (int type = 0; type < 256; type++)
		known += frame_is_request((uint8_t)type);
	ck_assert_int_eq(known, 13);
	ck_assert(frame_is_request('Q'));
	ck_assert(frame_is_request('X'));
	ck_assert(!frame_is_request('p'));
	ck_assert(!frame_is_request('\0'));
}
END_TEST

START_TEST(test_integers)
{
	uint8_t p[5] = { 0 };

	for (uint32_t v = 1; v != 0; v <<= 1) {
		frame_put32(p + 1, v);
		ck_assert_uint_eq(frame_get32(p + 1), v);
		frame_put16(p + 1, (uint16_t)v);
		ck_assert_uint_eq(frame_get16(p + 1), (uint16_t)v);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("frame");
	TCase *tc = tcase_create("frame");

	tcase_add_loop_test(tc, test_head, 0, sizeof(head) / sizeof(*head));
	tcase_add_test(tc, test_wire);
	tcase_add_test(tc, test_overflow);
	tcase_add_test(tc, test_huge);
	tcase_add_test(tc, test_requests);
	tcase_add_test(tc, test_integers);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

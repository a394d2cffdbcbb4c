/* channel_test.c - what a server is told of a channel, and when one goes. */
#include "worker/client/channel.h"

#include <check.h>
#include <stdlib.h>

#include "t/unit/run.h"

START_TEST(by_name)
{
	struct channel *first = NULL, *a, *b;

	ck_assert_ptr_null(channel_find(first, "a"));
	a = channel_new(&first, "a");
	b = channel_new(&first, "A");
	ck_assert_ptr_eq(channel_find(first, "a"), a);
	ck_assert_ptr_eq(channel_find(first, "A"), b);
	ck_assert_ptr_null(channel_find(first, ""));
	channel_sweep(&first);
	ck_assert_ptr_null(first);
}
END_TEST

START_TEST(kept)
{
	struct channel *first = NULL, *heard, *asked, *eared;
	struct ear ear = { .state = EAR_TUNED };

	channel_new(&first, "1");
	heard = channel_new(&first, "heard");
	heard->is_heard = true;
	channel_new(&first, "2");
	asked = channel_new(&first, "asked");
	asked->asked = CHANNEL_LISTEN;
	eared = channel_new(&first, "eared");
	eared->ears = &ear;
	channel_new(&first, "3");
	channel_sweep(&first);
	ck_assert_ptr_eq(first, eared);
	ck_assert_ptr_eq(eared->next, asked);
	ck_assert_ptr_eq(asked->next, heard);
	ck_assert_ptr_null(heard->next);
	heard->is_heard = false;
	asked->asked = CHANNEL_QUIET;
	eared->ears = NULL;
	channel_sweep(&first);
	ck_assert_ptr_null(first);
}
END_TEST

START_TEST(to_ask)
{
	struct ear second = { .state = EAR_NEW };
	struct ear ear = { .state = EAR_TUNED, .next = &second };
	struct channel ch = { .name = "c" };

	ck_assert_int_eq(channel_to_ask(&ch), CHANNEL_QUIET);
	ch.is_heard = true;
	ck_assert_int_eq(channel_to_ask(&ch), CHANNEL_UNLISTEN);
	ch.ears = &ear;
	ck_assert_int_eq(channel_to_ask(&ch), CHANNEL_LISTEN);
	channel_turn(&ch, EAR_NEW, EAR_ASKED);
	ck_assert_int_eq(second.state, EAR_ASKED);
	ck_assert_int_eq(ear.state, EAR_TUNED);
	ck_assert_int_eq(channel_to_ask(&ch), CHANNEL_QUIET);
}
END_TEST

/* A name is anything: what quotes it must not end it. */
START_TEST(quoted)
{
	struct channel ch = { .name = "a\"; DROP", .asked = CHANNEL_LISTEN };
	char out[128] = "";
	struct wire w;

	wire_init(&w, out, sizeof(out) - 1);
	channel_put(&w, &ch);
	ch.asked = CHANNEL_UNLISTEN;
	channel_put(&w, &ch);
	ck_assert(!w.full);
	ck_assert_str_eq(
	    out, "LISTEN \"a\"\"; DROP\";UNLISTEN \"a\"\"; DROP\";");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = tcase_create("channel");

	tcase_add_test(tc, by_name);
	tcase_add_test(tc, kept);
	tcase_add_test(tc, to_ask);
	tcase_add_test(tc, quoted);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

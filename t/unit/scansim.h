/*
 * scansim.h - for tests: a backend that was asked things, and a server's bytes
 * for it, in pieces of any length.  No socket: scan_run() gets them as
 * backend_recv() would bring them.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_SCANSIM_H
#define T_UNIT_SCANSIM_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"
#include "worker/backend/params.h"
#include "worker/backend/scan.h"

enum { ROOM = 64 * 1024 };

static uint8_t said[ROOM], passed[ROOM];
static size_t nsaid, npassed;
static struct backend b;
static struct scan sum; /* of all calls since start() */

/* A backend that has got `asked`, one type byte a message. */
static inline void
start(const char *asked)
{
	struct slot_info info = { .id = 1 };
	struct params_edit e;

	if (seg == NULL)
		fresh_segment(1, 4, 2);
	params_init("");
	params_edit_init(&e);
	params_edit_set(&e, params_find("TimeZone"), "UTC");
	memcpy(info.params, e.text, e.len);
	info.params_len = e.len;
	slot_info_write(2, &info);
	atomic_store(&slot_at(2)->flags, 0);
	buf_fini(&b.in);
	track_fini(&b.track);
	memset(&b, 0, sizeof(b));
	b.slot = 2;
	track_init(&b.track, 'I');
	for (; *asked != '\0'; asked++)
		ck_assert_int_eq(track_client(&b.track, (uint8_t)*asked), 0);
	nsaid = npassed = 0;
	memset(&sum, 0, sizeof(sum));
}

static inline void
say(char type, const void *body, size_t len)
{
	ck_assert_uint_le(FRAME_HEAD + len, sizeof(said) - nsaid);
	said[nsaid] = (uint8_t)type;
	frame_put32(said + nsaid + 1, (uint32_t)len + 4);
	memcpy(said + nsaid + FRAME_HEAD, body, len);
	nsaid += FRAME_HEAD + len;
}

/* As backend_recv() brings it: behind what was held back. */
static inline int
feed(const uint8_t *p, size_t len)
{
	static uint8_t both[2 * ROOM];
	size_t held = buf_len(&b.in);
	uint8_t *exact;
	struct scan sc;
	int rc;

	if (held > 0)
		memcpy(both, b.in.p + b.in.from, held);
	memcpy(both + held, p, len);
	buf_fini(&b.in);
	/* of its own length, so that a sanitizer sees a byte too far */
	exact = malloc(SCAN_ROOM + held + len);
	memcpy(exact + SCAN_ROOM, both, held + len);
	rc = scan_run(&b, exact + SCAN_ROOM, held + len, &sc);
	if (rc == 0) {
		ck_assert(sc.from >= exact);
		ck_assert(sc.from + sc.pass + buf_len(&b.in) <=
		    exact + SCAN_ROOM + held + len);
		memcpy(passed + npassed, sc.from, sc.pass);
		npassed += sc.pass;
		sum.readies += sc.readies;
		sum.idles += sc.idles;
		sum.has_params |= sc.has_params;
		if (sc.has_error && !sum.has_error)
			sum.error = sc.error;
		sum.has_error |= sc.has_error;
		sum.has_own_failed |= sc.has_own_failed;
		sum.tags |= sc.tags;
		sum.is_inside = sc.is_inside;
	}
	free(exact);
	return rc;
}

static inline void
feed_torn(size_t step)
{
	for (size_t at = 0; at < nsaid; at += step)
		ck_assert_int_eq(
		    feed(said + at, nsaid - at < step ? nsaid - at : step), 0);
}

/* In pieces of `step`: every byte is passed on once, in order. */
static inline void
feed_all(size_t step)
{
	feed_torn(step);
	ck_assert_uint_eq(npassed, nsaid);
	ck_assert_mem_eq(passed, said, nsaid);
}

static inline const char *
zone(void)
{
	const struct slot_info *i = slot_info_mine(2);

	return params_value(i->params, i->params_len, params_find("TimeZone"));
}

static inline void
say_conversation(void)
{
	char row[3000];

	memset(row, 'Z', sizeof(row)); /* looks like ReadyForQuery inside */
	say('T', row, 40);
	say('D', row, sizeof(row));
	say('D', "", 0);
	say('C', "SELECT 2", 9);
	say('S', "TimeZone\0Europe/Rome", 21);
	say('Z', "I", 1);
	say('N', "SNOTICE\0Mx\0", 12);
	say('E', "SERROR\0VERROR\0C22012\0Mdivision by zero\0", 40);
	say('Z', "I", 1);
	say('C', "BEGIN", 6);
	say('Z', "T", 1);
}

static char told[64]; /* what the books were told, a letter each */
static size_t ntold;
static struct shape heard; /* with the last of them */

static inline void
on_books(struct lessee *l, struct backend *with, enum books what)
{
	(void)l;
	ck_assert_ptr_eq(with, &b);
	ck_assert_uint_lt(ntold, sizeof(told) - 1);
	told[ntold++] = "DLGPX"[what];
	told[ntold] = '\0';
	heard = b.shape;
}

static struct lessee user = { .on_books = on_books };

/*
 * What goes to the server, a letter each: the client's as they are, p is its
 * Parse for the books; 1 to 5 are ours: Parse, Close, Parse that changes no
 * books, Bind, Execute; 6 and 7 answers of ours: ParseComplete, CloseComplete;
 * 8 a Sync of ours; a a step of ours in place of a message of the client's;
 * d its Describe for the books, b one of ours.
 */
static inline void
ask(const char *s)
{
	struct track *t = &b.track;

	ntold = 0;
	told[0] = '\0';
	b.user = &user;
	for (; *s != '\0'; s++) {
		if (*s == 'p')
			ck_assert_int_eq(track_parse(t), 0);
		else if (*s >= '1' && *s <= '5')
			ck_assert_int_eq(
			    track_own(t, (uint8_t) "PCpBE"[*s - '1']), 0);
		else if (*s == '8')
			ck_assert_int_eq(track_own(t, 'S'), 0);
		else if (*s == 'a' || *s == 'b')
			ck_assert_int_eq(
			    track_own(t, *s == 'a' ? 'a' : 'D'), 0);
		else if (*s == 'd')
			ck_assert_int_eq(track_describe(t), 0);
		else if (*s >= '6' && *s <= '7')
			ck_assert_int_eq(
			    track_fake(t, *s == '6' ? '1' : '3'), 0);
		else
			ck_assert_int_eq(track_client(t, (uint8_t)*s), 0);
	}
}

/* One message of the server for each letter; Z has its status behind it. */
static inline void
answer(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == 'E')
			say('E', "SERROR\0VERROR\0C42601\0Moops\0", 28);
		else if (*s == 'C')
			say('C', "SELECT 1", 9);
		else if (*s == 'N')
			say('N', "SNOTICE\0Mx\0", 12);
		else if (*s == 'Z')
			say('Z', ++s, 1);
		else
			say(*s, "body", *s == 'D' ? 4 : 0);
	}
}

#endif

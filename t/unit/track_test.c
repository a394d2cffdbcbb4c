/*
 * track_test.c - is "clean" said exactly when the backend owes nothing?
 *
 * First conversations by hand, then random ones against a simulation of
 * PostgreSQL's message loop.
 */
#include "worker/proto/track.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/pgsim.h"
#include "t/unit/run.h"

#define ERR_BODY   "SERROR\0VERROR\0C42601\0Moops\0"
#define FATAL_BODY "SFATAL\0VFATAL\0C57P01\0Mbye\0"

static enum result
say(struct track *t, char type, char status)
{
	uint8_t z = (uint8_t)status;

	if (type == 'Z')
		return track_server(t, 'Z', &z, 1);
	if (type == 'E')
		return track_server(
		    t, 'E', (const uint8_t *)ERR_BODY, sizeof(ERR_BODY));
	if (type == '*')
		return track_server(
		    t, 'E', (const uint8_t *)FATAL_BODY, sizeof(FATAL_BODY));
	if (type == '?')
		return track_server(t, 'E', NULL, 0);
	return track_server(t, (uint8_t)type, NULL, 0);
}

/*
 * A conversation: after '>' what the client sends, after '<' what the server
 * sends (Z with its status, E an ERROR, * a FATAL, ? an error with no fields,
 * ! before what must be refused), after '=' what must be true then: c clean,
 * b busy, s spent, l lost, i copy-in, o copy-out, d dying, k stray CopyData is
 * dropped, K it is not, a digit: that many ReadyForQuery are owed.
 */
static const struct {
	const char *name, *script;
} conversation[] = {
	{ "idle", "=c0k" },
	{ "simple query", ">Q =b1K <TDDCZI =c0k" },
	{ "empty query", ">Q <IZI =c" },
	{ "several statements", ">Q <TDCCTDCZI =c" },
	{ "simple error", ">Q <E =b <ZI =c" },
	{ "error in the second statement", ">Q <CEZI =c" },
	{ "transaction", ">Q <CZT =b >Q <EZE =b >Q <CZI =c" },
	{ "pipelined queries", ">QQQ =3 <CZI =b2 <CZI =b1 <CZI =c" },
	{ "async messages", "<NSA =c >Q <NTSDACNZI =c" },
	{ "extended", ">PBDES =b1 <12TD =b <DCZI =c" },
	{ "describe statement", ">PDS <1tTZI =c >DS <tnZI =c" },
	{ "describe portal", ">PBDS <12nZI =c" },
	{ "close", ">CS <3ZI =c" },
	{ "no sync yet", ">PBE =b0 <12C =b >S =b1 <ZI =c" },
	{ "flush", ">PDH =b0 <1tn =b >BES <2CZI =c" },
	{ "flush alone", ">H =c" },
	{ "portal suspended", ">PBE <12Ds =b >ES <DCZI =c" },
	{ "pipelined batches", ">PBESBES =2 <12CZI =b1 <2CZI =c" },
	{ "two executes", ">PBEBES <12C2CZI =c" },
	{ "error in parse", ">PBES <E =b1 <ZI =c" },
	{ "error in bind", ">PBES <1EZI =c" },
	{ "error in execute", ">PBES <12DEZI =c" },
	{ "error at sync", ">PBES <12CEZI =c" },
	{ "error, two batches", ">PBESPBES <EZI =b1 <12CZI =c" },
	{ "error before sync is sent", ">P <E =b0 >BE =b0 >S =1 <ZI =c" },
	{ "a query is skipped, too", ">PQ =1 <E =b0 >Q =0 >S =1 <ZI =c" },
	{ "a query after a step", ">PQ <1CZI =c" },
	{ "a query's error after a step", ">PQ <1EZI =c" },
	{ "a call is skipped, too", ">PFS =2 <E =b1 <ZI =c" },
	{ "function call", ">F =b1 <VZI =c >F <EZI =c" },
	{ "sync alone", ">SSS =3 <ZIZIZI =c" },
	{ "sync in a transaction", ">S <ZT =b >S <ZI =c" },
	{ "copy in", ">Q <G =ibK1 >dddc =b <CZI =ck" },
	{ "copy in, sent blindly", ">Qddc <G =b <CZI =c" },
	{ "copy in, given up", ">Q <G >ddf <EZI =c" },
	{ "copy in, error, more data", ">Q <G >dd <E =bK <ZI =ck >ddc =c" },
	{ "copy in, end is under way", ">Q <G >dc <EZI =c" },
	{ "copy in fails, end before Z", ">Q <G >d <E >dc =b <ZI =c0" },
	{ "no copy, but data was sent", ">Qddc <EZI =c" },
	{ "two copies in a query", ">Q <G >dc <CG =i >dc <CCZI =c" },
	{ "two copies, blindly", ">QdcdcQ <GCGCZI =b1 <CZI =c" },
	{ "second copy fails", ">Qdcdc <GCEZI =c" },
	{ "extended copy", ">PBE <12G =i >dc =b0 <C =b >S <ZI =c" },
	{ "libpq's copy", ">PBES <12G =ib0 >ddcS =b1 <CZI =c" },
	{ "libpq's copy, blindly", ">PBESddcS =2 <12G =b1 <CZI =c" },
	{ "libpq's copy that is none", ">PBES <12EZI =c >ddcS <ZI =c" },
	{ "flush and sync in copy", ">Q <G >HSHSdc <CZI =c" },
	{ "extended copy fails", ">PBE <12G >d <E =b >dcS =b1 <ZI =c" },
	{ "extended copy fails at its end", ">PBE <12G >dcS <EZI =c" },
	{ "libpq's copy fails", ">PBES <12G >d <E =b >dcS =b1 <ZI =s" },
	{ "and both syncs are answered", ">PBES <12G >d <EZI >dcS =b <ZI =c" },
	{ "and the second comes late", ">PBES <12G >dcS <EZI =s <ZI =c" },
	{ "doubt, and then a proof", ">PBES <12G >dcS <EZE =b >Q <CZI =c" },
	{ "an error is a proof, too",
	    ">PBES <12G >dcS <EZE >Q <EZE =b >Q <CZI =c" },
	{ "early sync only", ">PBES <12G >dc <C =b0 >S <ZI =c" },
	{ "doubt, and more is sent", ">PBES <12G >dcS <E >Q =bl <ZICZI =bl" },
	{ "doubt, and more was sent", ">PBESdcSQ <12GE =bl <ZIZI =bl" },
	{ "doubt, and a batch is sent", ">PBES <12G >d <E >P =bl" },
	{ "a query in copy", ">Q <G >Q <E =bl <ZI =bl" },
	{ "a batch in a batch's copy", ">PBE <12G >PS =b1 <EZI =c" },
	{ "two executes, the first a copy", ">PBEES <12G >dcS <!C" },
	{ "copy out", ">Q <Hd =ob <dc =b <CZI =c" },
	{ "copy out, extended", ">PBES <12Hddc =1 <CZI =c" },
	{ "copy out fails", ">Q <HdEZI =c" },
	{ "fatal", ">Q <* =db" },
	{ "fatal while idle", "<* =db" },
	{ "terminate", ">X =db" },
	{ "nobody is owed this", "<!ZI" },
	{ "one too many", ">S <ZI!ZI" },
	{ "error while idle", "<!E" },
	{ "error with no fields while idle", "<!?" },
	{ "error with no fields", ">Q <?ZI =c" },
	{ "ready too early", ">PS <!ZI" },
	{ "ready in copy", ">Q <G!ZI" },
	{ "complete in copy", ">Q <G!C" },
	{ "copy in copy", ">Q <G!G" },
	{ "copy for nothing", ">S <!G" },
	{ "copy out for nothing", ">P <!H" },
	{ "copy both", ">Q <!W" },
	{ "bad status", ">Q <C!ZX" },
	{ "step for nothing", "<!1" },
	{ "step in a query", ">Q <!1" },
	{ "row for nothing", "<!D" },
	{ "complete for nothing", ">P <!C" },
	{ "suspended query", ">Q <!s" },
	{ "call for nothing", ">Q <!V" },
	{ "data for nothing", ">Q <!d" },
	{ "login when logged in", "<!R" },
	{ "unknown", ">Q <!x" },
};

static void
expect(const struct track *t, char what, const char *name)
{
	switch (what) {
	case 'c':
		ck_assert_msg(track_is_clean(t), "%s: not clean", name);
		break;
	case 'b':
		ck_assert_msg(!track_is_clean(t) && !track_is_spent(t),
		    "%s: not busy", name);
		break;
	case 's':
		ck_assert_msg(!track_is_clean(t) && track_is_spent(t),
		    "%s: not spent", name);
		break;
	case 'l':
		ck_assert_msg(t->doubt == TRACK_LOST, "%s: not lost", name);
		break;
	case 'i':
		ck_assert_msg(track_is_copy_in(t), "%s: no copy in", name);
		break;
	case 'o':
		ck_assert_msg(track_is_copy_out(t), "%s: no copy out", name);
		break;
	case 'd':
		ck_assert_msg(track_is_dying(t), "%s: not dying", name);
		break;
	case 'k':
	case 'K':
		ck_assert_msg(track_is_stray(t, 'd') == (what == 'k') &&
			track_is_stray(t, 'c') == (what == 'k') &&
			track_is_stray(t, 'f') == (what == 'k') &&
			!track_is_stray(t, 'Q'),
		    "%s: stray", name);
		break;
	default:
		ck_assert_msg(track_owes(t) == (uint32_t)(what - '0'),
		    "%s: owes %u", name, (unsigned)track_owes(t));
	}
}

START_TEST(test_conversation)
{
	const char *name = conversation[_i].name;
	enum result want = DONE;
	struct track t;
	char mode = 0;

	track_init(&t, 'I');
	for (const char *s = conversation[_i].script; *s != '\0'; s++) {
		if (strchr("<>= ", *s) != NULL) {
			mode = *s == ' ' ? mode : *s;
		} else if (mode == '>') {
			ck_assert_int_eq(track_client(&t, (uint8_t)*s), 0);
		} else if (mode == '=') {
			expect(&t, *s, name);
		} else if (*s == '!') {
			want = FAIL;
		} else {
			ck_assert_msg(
			    say(&t, *s, s[1]) == want, "%s: at %s", name, s);
			s += *s == 'Z';
			want = DONE;
		}
	}
	track_fini(&t);
}
END_TEST

START_TEST(test_login)
{
	struct track t;

	track_init(&t, 0);
	ck_assert(!track_is_clean(&t));
	ck_assert_int_eq(track_tx_status(&t), 0);
	for (const char *s = "RSSKN"; *s != '\0'; s++)
		ck_assert_int_eq(say(&t, *s, 0), DONE);
	ck_assert_int_eq(say(&t, 'Z', 'I'), DONE);
	ck_assert(track_is_clean(&t));
	ck_assert_int_eq(track_tx_status(&t), 'I');
	ck_assert_int_eq(say(&t, 'Z', 'I'), FAIL);
	ck_assert_int_eq(track_server(&t, 'Z', NULL, 0), FAIL);
	ck_assert_int_eq(track_client(&t, 'p'), -1);
	ck_assert_int_eq(track_client(&t, 0), -1);
	track_fini(&t);
}
END_TEST

START_TEST(test_deep_pipeline)
{
	struct track t;

	track_init(&t, 'I');
	for (int i = 0; i < 1000; i++)
		for (const char *s = "PBDES"; *s != '\0'; s++)
			ck_assert_int_eq(track_client(&t, (uint8_t)*s), 0);
	for (uint32_t i = 1000; i > 0; i--) {
		ck_assert_uint_eq(track_owes(&t), i);
		ck_assert(!track_is_clean(&t));
		for (const char *s = "12TDC"; *s != '\0'; s++)
			ck_assert_int_eq(say(&t, *s, 0), DONE);
		ck_assert(!track_is_clean(&t));
		ck_assert_int_eq(say(&t, 'Z', 'I'), DONE);
	}
	ck_assert(track_is_clean(&t));
	ck_assert_ptr_null(t.queue.heap);
	track_fini(&t);
}
END_TEST

START_TEST(test_bound)
{
	struct track t;
	uint32_t n = 0;

	track_init(&t, 'I');
	while (track_client(&t, n % 2 == 0 ? 'Q' : 'S') == 0)
		HOLDS(++n <= TOKENS_MAX);
	ck_assert_uint_eq(n, TOKENS_MAX);
	ck_assert_uint_eq(track_owes(&t), n);
	while (n-- > 0)
		HOLDS(say(&t, 'Z', 'I') == DONE);
	ck_assert(track_is_clean(&t));
	track_fini(&t);
}
END_TEST

/* --- against a simulated server ------------------------------------------ */

static void
compare(const struct sim *s, const struct track *t)
{
	bool owes = sim_owes(s, "dcfH", "N") || s->tx != 'I';

	if (s->dead)
		HOLDS(!track_is_clean(t) || s->out_len > 0);
	else if (t->doubt == TRACK_SURE)
		HOLDS(track_is_clean(t) == !owes);
	else
		HOLDS(!track_is_clean(t) && s->tore);
	if (track_is_spent(t) && !s->dead)
		HOLDS(!sim_owes(s, "SdcfH", "NZ"));
}

static void
client_sends(struct sim *s, struct track *t, char type)
{
	if (track_is_stray(t, (uint8_t)type)) {
		/* nothing is under way that could still become a COPY */
		HOLDS(!s->copy &&
		    (s->skip ||
			!has_more(
			    s->in + s->in_head, s->in_len, "PBDCSFHdcf")));
		return;
	}
	HOLDS(track_client(t, (uint8_t)type) == 0);
	s->in[s->in_head + s->in_len++] = type;
}

static void
server_says(struct sim *s, struct track *t)
{
	char type = s->out[s->out_head], status = s->status[s->out_head];

	s->out_head++;
	s->out_len--;
	HOLDS(say(t, type, status) == DONE);
}

enum manner {
	TIDY,   /* ends each COPY that there may be before its Sync */
	POLITE, /* sends a Sync too early, as libpq does, then waits */
	WILD    /* anything at any time */
};

/* What the client sends next; "" if it waits. */
static const char *
next_words(const struct track *t, enum manner manner)
{
	static const char *const tidily[] = { "QdcddcdfS", "PBEdcS", "S",
		"PBDEddfPBEdcHS", "BEcBEcS", "F", "PDH", "S", "CS" };
	static const char *const politely[] = { "PBESdddcS", "PBDESdddcS",
		"PBESfS", "Qdddc", "S", "CS" };
	static const char wildly[] = "PBDCEEESSSSQQFHddddcccf";
	static char one[2];

	if (manner == TIDY)
		return tidily[chance(9)];
	if (manner == POLITE)
		return track_owes(t) == 0 ? politely[chance(6)] : "";
	one[0] = wildly[chance(sizeof(wildly) - 1)];
	return one;
}

/* One thing happens somewhere. */
static void
sim_event(struct sim *s, struct track *t, const char **rest, enum manner manner)
{
	switch (chance(3)) {
	case 0:
		if (**rest == '\0')
			*rest = next_words(t, manner);
		if (**rest != '\0')
			client_sends(s, t, *(*rest)++);
		break;
	case 1:
		if (s->in_len > 0 && !s->dead)
			sim_take(s);
		break;
	default:
		if (s->out_len > 0)
			server_says(s, t);
	}
	compare(s, t);
}

/* Let everything arrive; what is in doubt then stays so. */
static void
drain(struct sim *s, struct track *t)
{
	for (;;) {
		if (s->in_len > 0 && !s->dead)
			sim_take(s);
		else if (s->out_len > 0)
			server_says(s, t);
		else
			break;
		compare(s, t);
	}
	HOLDS(s->dead == track_is_dying(t));
	if (t->doubt == TRACK_DOUBT && !s->dead && s->tx == 'I' &&
	    !sim_owes(s, "dcfH", ""))
		HOLDS(track_is_spent(t));
}

/* How many conversations ended how: by enum track_doubt. */
static void
simulate(enum manner manner, int rounds, int events, int counts[3])
{
	static struct sim s;
	struct track t;

	for (int i = 0; i < rounds; i++) {
		const char *rest = "";

		memset(&s, 0, sizeof(s));
		s.tx = 'I';
		s.modern = chance(2) == 0;
		track_init(&t, 'I');
		for (int j = 0; j < events && !s.dead; j++) {
			sim_event(&s, &t, &rest, manner);
			if (manner == POLITE && track_is_spent(&t))
				break;
		}
		drain(&s, &t);
		counts[t.doubt]++;
		track_fini(&t);
	}
}

START_TEST(test_simulated_tidy)
{
	int counts[3] = { 0 };

	seed = 20260131;
	simulate(TIDY, 2000, 400, counts);
	ck_assert_int_eq(counts[TRACK_SURE], 2000);
}
END_TEST

START_TEST(test_simulated_polite)
{
	int counts[3] = { 0 };

	seed = 815;
	simulate(POLITE, 4000, 200, counts);
	/* doubt comes often and passes or ends it; few get lost */
	ck_assert_int_gt(counts[TRACK_DOUBT], 300);
	ck_assert_int_lt(counts[TRACK_LOST], 400);
}
END_TEST

START_TEST(test_simulated_wild)
{
	int counts[3] = { 0 };

	seed = 4711;
	simulate(WILD, 30000, 30, counts);
	simulate(WILD, 1000, 400, counts);
	/* the run has seen all three, and mostly knows where it is */
	ck_assert_int_gt(counts[TRACK_DOUBT], 20);
	ck_assert_int_gt(counts[TRACK_LOST], 100);
	ck_assert_int_gt(counts[TRACK_SURE], 20000);
}
END_TEST

/* A mad server: any bytes at all; nothing but FAIL may come of it. */
START_TEST(test_noise)
{
	struct track t;

	seed = 99;
	for (int i = 0; i < 20000; i++) {
		track_init(&t, chance(2) == 0 ? 'I' : 0);
		for (int j = 0; j < 60; j++) {
			uint8_t body[16];

			for (size_t k = 0; k < sizeof(body); k++)
				body[k] = (uint8_t)chance(256);
			if (chance(2) == 0)
				track_client(&t, (uint8_t)chance(128));
			else if (track_server(&t, (uint8_t)chance(128), body,
				     chance(17)) == FAIL &&
			    chance(4) == 0)
				break;
		}
		track_fini(&t);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("track");
	TCase *tc = tcase_create("track");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_conversation, 0,
	    sizeof(conversation) / sizeof(*conversation));
	tcase_add_test(tc, test_login);
	tcase_add_test(tc, test_deep_pipeline);
	tcase_add_test(tc, test_bound);
	tcase_add_test(tc, test_simulated_tidy);
	tcase_add_test(tc, test_simulated_polite);
	tcase_add_test(tc, test_simulated_wild);
	tcase_add_test(tc, test_noise);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

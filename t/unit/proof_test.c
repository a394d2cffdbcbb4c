/*
 * proof_test.c - who asks for names learns none by the work that is done: an
 * unknown user, or one whose secret takes no work, costs what others cost.
 *
 * Counted are the iterations, and the turns that an answer takes; no clock.
 */
#include "worker/client/proof.h"

#include "t/unit/clientsim.h"
#include "worker/derive.h"
#include "worker/proto/scram.h"

#define VERIFIER                                        \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"  \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:" \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define MD5 "md5a3556571e93b0d20722ba62be61e8c2d"

static bool is_slow; /* the client, before its last message */

enum { ROUNDS = 4096, WORK = ROUNDS - 1 /* the first is no slice's */ };

static const char mixed[] = "\"plain\" \"secret\"\n\"plain2\" \"secret\"\n"
			    "\"verifier\" \"" VERIFIER "\"\n"
			    "\"md5\" \"" MD5 "\"\n\"empty\" \"\"\n";
static const char *const all[] = { "plain", "verifier", "md5", "empty",
	"nobody" };

static void
set_up(const char *auth_type, const char *users)
{
	char ini[256];

	snprintf(ini, sizeof(ini),
	    "auth_type = %s\nauth_file = users\n"
	    "admin_users = plain, verifier\n",
	    auth_type);
	sim_set_up(1, ini, users);
}

/* It is readable, and the turn ends. */
static void
poke(struct sim *s)
{
	sim_poke(s);
	while (gate_turn())
		continue;
}

static void
say(struct sim *s, const char *mechanism, const void *p, size_t len)
{
	uint8_t bytes[2048];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'p');
	if (mechanism != NULL) {
		wire_str(&w, mechanism);
		wire_int32(&w, (uint32_t)len);
	}
	wire_bytes(&w, p, len);
	wire_end(&w);
	ck_assert(!w.full);
	sim_send(s, bytes, w.len);
	poke(s);
}

/* What it is asked for: the code of an authentication request. */
static int
asked(struct sim *s)
{
	ck_assert_int_eq(sim_look(s), 'R');
	return (int)frame_get32(s->bytes + FRAME_HEAD);
}

static void
begin(struct sim *s, const char *user)
{
	sim_open(s);
	ck_assert_ptr_nonnull(s->c);
	sim_start(s, user, "pgbouncer");
	poke(s);
}

/* SCRAM up to and with the client's last message; `tail` is added to it. */
static void
scram(struct sim *s, const char *user, const char *password, const char *tail)
{
	static const uint8_t random[SCRAM_NONCE] = "no secret here";
	struct scram_client sc;
	struct scram_keys k;
	char last[SCRAM_OUT_MAX + 64];
	struct err e;

	begin(s, user);
	ck_assert_int_eq(asked(s), 10);
	sim_take(s);
	scram_client_init(&sc, NULL, true, random);
	ck_assert_ptr_nonnull(
	    scram_client_choose(&sc, SCRAM_OFFER_PLAIN, NULL));
	say(s, SCRAM_MECHANISM, sc.out, sc.out_len);
	ck_assert_int_eq(asked(s), 11);
	ck_assert_int_eq(scram_client_run(&sc, s->bytes + FRAME_HEAD + 4,
			     sim_body(s) - 4, &e),
	    WAIT);
	sim_take(s);
	ck_assert_uint_eq(sc.keys.iterations, ROUNDS);
	ck_assert_int_eq(scram_keys_derive(&k, password, sc.keys.salt,
			     sc.keys.salt_len, sc.keys.iterations),
	    0);
	ck_assert_int_eq(scram_client_rekey(&sc, &k, &e), WAIT);
	snprintf(last, sizeof(last), "%.*s%s", (int)sc.out_len, sc.out, tail);
	while (is_slow && derive_turn())
		continue;
	say(s, NULL, last, strlen(last));
	scram_client_fini(&sc);
}

static void
password(struct sim *s, const char *user, const char *word)
{
	begin(s, user);
	ck_assert_int_eq(asked(s), 3);
	sim_take(s);
	say(s, NULL, word, strlen(word) + 1);
}

/* Turns until the answer is there; returns the work that was done. */
static uint64_t
finish(struct sim *s, const char *why)
{
	uint64_t before = derive_work();
	bool is_more = true;

	while (sim_look(s) == 0) {
		ck_assert_msg(is_more, "%s: no answer, and nothing to do",
		    why ? why : "");
		is_more = derive_turn();
	}
	if (why != NULL) {
		ck_assert_msg(sim_is_told(s, why), "expected %s", why);
		ck_assert_int_eq(sim_look(s), 'E');
		sim_take(s);
		ck_assert(sim_is_closed(s));
	}
	close(s->fd);
	/* what goes on after the answer would tell, too */
	ck_assert(!derive_turn());
	return derive_work() - before;
}

static const char *
wrong(const char *user)
{
	static char text[128];

	snprintf(text, sizeof(text),
	    "password authentication failed for user \"%s\"", user);
	return text;
}

/* The first attempt for a name costs a derivation, the others nothing. */
START_TEST(scram_costs_the_same)
{
	struct sim s;

	set_up("scram-sha-256", mixed);
	for (int i = 0; i < 5; i++) {
		scram(&s, all[i], "wrong", "");
		ck_assert_msg(sim_look(&s) == 0, "%s: at once", all[i]);
		ck_assert_uint_eq(finish(&s, wrong(all[i])), WORK);
		for (int j = 0; j < 2; j++) {
			scram(&s, all[i], "wrong", "");
			ck_assert_uint_eq(finish(&s, wrong(all[i])), 0);
		}
	}
}
END_TEST

/* What is no SCRAM is refused no sooner, and in the same words. */
START_TEST(malformed_costs_the_same)
{
	struct sim s;
	char told[256] = "";

	set_up("scram-sha-256", mixed);
	for (int i = 0; i < 5; i++) {
		scram(&s, all[i], "wrong", "\x01,");
		ck_assert_msg(sim_look(&s) == 0, "%s: at once", all[i]);
		while (sim_look(&s) == 0)
			ck_assert(derive_turn() || sim_look(&s) != 0);
		ck_assert_int_eq(sim_look(&s), 'E');
		if (i == 0)
			memcpy(told, s.bytes, sim_body(&s));
		ck_assert_mem_eq(told, s.bytes, sim_body(&s));
		close(s.fd);
	}
	ck_assert_uint_eq(derive_work(), 5 * (uint64_t)WORK);
}
END_TEST

/* Those who ask for one name at a time share the work, whatever name it is. */
START_TEST(scram_is_shared_alike)
{
	struct sim s[2];

	set_up("scram-sha-256", mixed);
	for (int i = 0; i < 5; i++) {
		scram(&s[0], all[i], "wrong", "");
		scram(&s[1], all[i], "other", "");
		ck_assert_uint_eq(finish(&s[0], wrong(all[i])), WORK);
		ck_assert_uint_eq(finish(&s[1], wrong(all[i])), 0);
	}
}
END_TEST

/* Who is right and needs no keys waits for none. */
START_TEST(right_waits_for_nothing)
{
	struct sim s;

	set_up("scram-sha-256", mixed);
	scram(&s, "verifier", "pencil", "");
	ck_assert_int_eq(asked(&s), 12);
	ck_assert_int_eq(s.c->state, CLIENT_CONSOLE);
	ck_assert_uint_eq(finish(&s, NULL), 0);
	scram(&s, "plain", "secret", "");
	ck_assert_int_eq(sim_look(&s), 0);
	ck_assert_uint_eq(finish(&s, NULL), WORK);
	ck_assert_int_eq(s.c->state, CLIENT_CONSOLE);
}
END_TEST

/* The keys are there before the client's last word. */
START_TEST(slow_clients)
{
	static const char *const right[] = { "plain", "secret", "verifier",
		"pencil" };
	struct sim s;

	set_up("scram-sha-256", mixed);
	is_slow = true;
	for (int i = 0; i < 5; i++) {
		uint64_t before = derive_work();

		scram(&s, all[i], "wrong", "");
		ck_assert_uint_eq(derive_work() - before, WORK);
		ck_assert_uint_eq(finish(&s, wrong(all[i])), 0);
	}
	derive_fini();
	for (int i = 0; i < 4; i += 2) {
		scram(&s, right[i], right[i + 1], "");
		ck_assert_int_eq(s.c->state, CLIENT_CONSOLE);
		ck_assert_uint_eq(finish(&s, NULL), 0);
	}
	/* not even by the secret that stands for none */
	scram(&s, "nobody", "nobody", "");
	ck_assert_uint_eq(finish(&s, wrong("nobody")), 0);
}
END_TEST

/* Where nobody costs anything, nobody does. */
START_TEST(verifiers_alone)
{
	static const char *const who[] = { "verifier", "nobody" };
	struct sim s;

	set_up("md5", "\"verifier\" \"" VERIFIER "\"\n");
	for (int i = 0; i < 2; i++) {
		scram(&s, who[i], "wrong", "");
		ck_assert_uint_eq(finish(&s, wrong(who[i])), 0);
	}
}
END_TEST

/* The first message says how long it is: no more, no less, and not -1. */
START_TEST(torn_first_message)
{
	static const int wrong_by[] = { 1, -1, -100 };
	static const char first[] = "n,,n=,r=abcdefghijkl";
	uint8_t bytes[256];

	set_up("scram-sha-256", mixed);
	for (int i = 0; i < 3; i++) {
		struct wire w;
		struct sim s;

		begin(&s, "verifier");
		ck_assert_int_eq(asked(&s), 10);
		sim_take(&s);
		wire_init(&w, bytes, sizeof(bytes));
		wire_begin(&w, 'p');
		wire_str(&w, SCRAM_MECHANISM);
		wire_int32(
		    &w, (uint32_t)((int)sizeof(first) - 1 + wrong_by[i]));
		wire_bytes(&w, first, sizeof(first) - 1);
		wire_end(&w);
		sim_send(&s, bytes, w.len);
		poke(&s);
		ck_assert(sim_is_told(&s, "malformed SASLInitialResponse"));
		close(s.fd);
	}
}
END_TEST

/* Unknown users are asked for what others are: md5, but not among verifiers. */
START_TEST(md5_is_asked_of_all)
{
	static const char *const who[] = { "plain", "md5", "empty", "nobody" };
	struct sim s;

	set_up("md5", mixed);
	for (int i = 0; i < 4; i++) {
		begin(&s, who[i]);
		ck_assert_int_eq(asked(&s), 5);
		sim_take(&s);
		say(&s, NULL, MD5, sizeof(MD5));
		ck_assert_uint_eq(finish(&s, wrong(who[i])), 0);
	}
}
END_TEST

/* A wrong password costs what it does against a verifier, each time. */
START_TEST(plain_costs_the_same)
{
	struct sim s;

	set_up("plain", mixed);
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 2; j++) {
			password(&s, all[i], "wrong");
			ck_assert_msg(sim_look(&s) == 0, "%s: at once", all[i]);
			ck_assert_uint_eq(finish(&s, wrong(all[i])), WORK);
		}
	password(&s, "plain", "secret");
	ck_assert_int_eq(s.c->state, CLIENT_CONSOLE);
	ck_assert_uint_eq(finish(&s, NULL), 0);
	password(&s, "verifier", "pencil");
	ck_assert_uint_eq(finish(&s, NULL), WORK);
	ck_assert_int_eq(s.c->state, CLIENT_CONSOLE);
}
END_TEST

/* A password ends the message, and the message ends with it. */
START_TEST(torn_password)
{
	static const struct {
		const char *bytes;
		size_t len;
	} torn[] = { { "secret", 6 }, { "secret\0x", 8 }, { "", 0 } };
	struct sim s;

	set_up("plain", mixed);
	for (int i = 0; i < 3; i++) {
		begin(&s, "plain");
		ck_assert_int_eq(asked(&s), 3);
		sim_take(&s);
		say(&s, NULL, torn[i].bytes, torn[i].len);
		ck_assert(sim_is_told(&s, "invalid password packet"));
		close(s.fd);
	}
}
END_TEST

START_TEST(plain_without_verifiers)
{
	static const char *const who[] = { "plain", "nobody" };
	struct sim s;

	set_up("plain", "\"plain\" \"secret\"\n");
	for (int i = 0; i < 2; i++) {
		password(&s, who[i], "wrong");
		ck_assert_uint_eq(finish(&s, wrong(who[i])), 0);
	}
}
END_TEST

/* Who leaves takes his work with him: nothing is told to nobody. */
START_TEST(leaves_while_it_waits)
{
	struct sim s;

	set_up("scram-sha-256", mixed);
	for (int i = 0; i < 5; i++) {
		scram(&s, all[i], "wrong", "");
		client_close(s.c, NULL);
		ck_assert(!derive_turn());
		close(s.fd);
	}
	ck_assert_uint_eq(derive_work(), 0);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(scram_costs_the_same),
		TEST(malformed_costs_the_same),
		TEST(scram_is_shared_alike),
		TEST(right_waits_for_nothing),
		TEST(slow_clients),
		TEST(torn_first_message),
		TEST(verifiers_alone),
		TEST(md5_is_asked_of_all),
		TEST(plain_costs_the_same),
		TEST(torn_password),
		TEST(plain_without_verifiers),
		TEST(leaves_while_it_waits),
		NO_MORE_TESTS,
	};

	return run_tests("proof", tests, 20);
}

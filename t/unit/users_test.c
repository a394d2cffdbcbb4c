/* users_test.c - the user file: its grammar, its secrets, its faults. */
#include "conf/users.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

/* A verifier with a 16 byte salt of 0..15, and keys of 'A'.. and 'a'.. */
#define SALT   "AAECAwQFBgcICQoLDA0ODw=="
#define STORED "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2A="
#define SERVER "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4A="
#define SCRAM  "SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER

static struct conf_faults faults;

static struct users *
load_len(const char *bytes, size_t len)
{
	/* an exact block, so that a byte too far is seen */
	char *exact = malloc(len == 0 ? 1 : len);
	struct users *u;

	memcpy(exact, bytes, len);
	conf_faults_free(&faults);
	u = users_new(exact, len, "users", &faults);
	free(exact);
	return u;
}

static struct users *
load(const char *text)
{
	return load_len(text, strlen(text));
}

START_TEST(grammar)
{
	struct users *u = load("\"one\" \"secret\"\n"
			       "; \"no\" \"body\"\n"
			       "\n   \n"
			       "  \"two\"\t\"a \"\"b\"\"\" \"more\" words\r\n"
			       "\"q\"\"q\"\"\" \"x\"\n"
			       "\"tight\"\"\"\"\"  \"y\"\n"
			       "\"adjacent\" and noise \"z\"\n"
			       "\"last\" \"\"");

	ck_assert_msg(u != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	ck_assert_uint_eq(users_count(u), 6);
	ck_assert_str_eq(users_find(u, "one")->secret, "secret");
	ck_assert_str_eq(users_find(u, "one")->name, "one");
	ck_assert_str_eq(users_find(u, "two")->secret, "a \"b\"");
	ck_assert_str_eq(users_find(u, "q\"q\"")->secret, "x");
	ck_assert_str_eq(users_find(u, "tight\"\"")->secret, "y");
	ck_assert_str_eq(users_find(u, "adjacent")->secret, "z");
	ck_assert_str_eq(users_find(u, "last")->secret, "");
	ck_assert_int_eq(users_find(u, "last")->kind, USER_NONE);
	ck_assert(users_has(u, USER_PLAIN));
	ck_assert(users_has(u, USER_NONE));
	ck_assert(!users_has(u, USER_MD5));
	ck_assert(!users_has(u, USER_SCRAM));
	ck_assert(!users_has(NULL, USER_PLAIN));
	ck_assert_ptr_null(users_find(u, "no"));
	ck_assert_ptr_null(users_find(u, ""));
	ck_assert_ptr_null(users_find(u, "ONE"));
	users_free(u);
}
END_TEST

START_TEST(empty_file)
{
	struct users *u = load("");

	ck_assert_ptr_nonnull(u);
	ck_assert_uint_eq(users_count(u), 0);
	ck_assert_ptr_null(users_find(u, "x"));
	ck_assert_ptr_null(users_at(u, 0));
	users_free(u);
	users_free(NULL);
	ck_assert_ptr_null(users_find(NULL, "x"));
	ck_assert_uint_eq(users_count(NULL), 0);
}
END_TEST

START_TEST(last_wins)
{
	struct users *u = load("\"a\" \"1\"\n\"b\" \"2\"\n\"a\" \"3\"\n");

	ck_assert_uint_eq(users_count(u), 2);
	ck_assert_str_eq(users_find(u, "a")->secret, "3");
	users_free(u);
}
END_TEST

START_TEST(kinds)
{
	struct users *u =
	    load("\"p\" \"word\"\n"
		 "\"m\" \"md50123456789abcdefabcdef0123456789\"\n"
		 "\"m31\" \"md50123456789abcdefabcdef012345678\"\n"
		 "\"m33\" \"md50123456789abcdefabcdef01234567890\"\n"
		 "\"mx\" \"md5x123456789abcdefabcdef0123456789\"\n"
		 "\"mu\" \"md50123456789abcdefABCDEF0123456789\"\n"
		 "\"s\" \"" SCRAM "\"\n"
		 "\"torn\" \"SCRAM-SHA-256$4096:" SALT "$" STORED "\"\n");
	const struct user *s;

	ck_assert_ptr_nonnull(u);
	ck_assert_int_eq(users_find(u, "p")->kind, USER_PLAIN);
	ck_assert_ptr_null(users_find(u, "p")->scram);
	ck_assert_int_eq(users_find(u, "m")->kind, USER_MD5);
	ck_assert_int_eq(users_find(u, "m31")->kind, USER_PLAIN);
	ck_assert_int_eq(users_find(u, "m33")->kind, USER_PLAIN);
	ck_assert_int_eq(users_find(u, "mx")->kind, USER_PLAIN);
	ck_assert_int_eq(users_find(u, "mu")->kind, USER_PLAIN);
	s = users_find(u, "s");
	ck_assert_int_eq(s->kind, USER_SCRAM);
	ck_assert_uint_eq(s->scram->iterations, 4096);
	ck_assert_uint_eq(s->scram->salt_len, 16);
	for (unsigned i = 0; i < 16; i++)
		ck_assert_uint_eq(s->scram->salt[i], i);
	for (unsigned i = 0; i < USERS_KEY; i++) {
		ck_assert_uint_eq(s->scram->stored_key[i], 'A' + i);
		ck_assert_uint_eq(s->scram->server_key[i], 'a' + i);
	}
	/* half a verifier is nobody's password */
	ck_assert_int_eq(users_find(u, "torn")->kind, USER_NONE);
	ck_assert_uint_eq(faults.count, 1);
	ck_assert(faults.v[0].is_warning);
	ck_assert_uint_eq(faults.v[0].line, 8);
	ck_assert_ptr_null(strstr(faults.v[0].text, SALT));
	users_free(u);
}
END_TEST

START_TEST(bad_scram)
{
	static const char *const bad[] = { "", "SCRAM-SHA-256",
		"SCRAM-SHA-256$", "SCRAM-SHA-256$:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$0:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$-1:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$ 1:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$0x10:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$010:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$99999999999:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$4294967296:" SALT "$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:" SALT "$:" SERVER,
		"SCRAM-SHA-256$4096:" SALT "$" STORED ":",
		"SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER "=",
		"SCRAM-SHA-256$4096:" SALT "$" STORED ":" SERVER "AAAA",
		"SCRAM-SHA-256$4096:AAA$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:A=AA$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:A===$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096: AA=$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:AA-_$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:AAB=$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:AB==$" STORED ":" SERVER,
		"SCRAM-SHA-256$4096:" SALT "$AAAA:" SERVER,
		"scram-sha-256$4096:" SALT "$" STORED ":" SERVER };
	char big[1000] = "SCRAM-SHA-256$1:";
	struct user_scram out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(
		    users_parse_scram(bad[i], &out) == -1, "%s", bad[i]);
	ck_assert_int_eq(users_parse_scram(SCRAM, &out), 0);
	/* a salt of 128 bytes fits, one of 129 does not */
	for (int i = 0; i < 42; i++)
		strcat(big, "AAAA");
	strcat(big, "AAA=$" STORED ":" SERVER);
	ck_assert_int_eq(users_parse_scram(big, &out), 0);
	ck_assert_uint_eq(out.salt_len, 128);
	big[strcspn(big, "=")] = 'A';
	ck_assert_int_eq(users_parse_scram(big, &out), -1);
}
END_TEST

START_TEST(every_prefix_of_scram)
{
	struct user_scram out;

	for (size_t n = 0; n < strlen(SCRAM); n++) {
		char *cut = strndup(SCRAM, n);

		ck_assert_int_eq(users_parse_scram(cut, &out), -1);
		free(cut);
	}
}
END_TEST

START_TEST(all_faults_at_once)
{
	static const char text[] = "\"ok\" \"x\"\n"
				   "no quotes\n"
				   "\"open\n"
				   "\"only\"\n"
				   "\"a\" \"open\n"
				   "\"a\" \"open\"\"\n"
				   "\"\" \"nameless\"\n"
				   "\"nul\0\" \"x\"\n"
				   "\"ok2\" \"x\"\n";
	char longer[400];

	ck_assert_ptr_null(load_len(text, sizeof(text) - 1));
	ck_assert_uint_eq(faults.faults, 6);
	ck_assert_str_eq(text_faults(&faults),
	    "users:2: broken user file: no \" before the user name\n"
	    "users:3: broken user file: no \" behind the user name\n"
	    "users:4: broken user file: no \" before the password\n"
	    "users:5: broken user file: no \" behind the password\n"
	    "users:6: broken user file: no \" behind the password\n"
	    "w users:7: an entry without a name is ignored\n"
	    "users:8: a NUL byte in the line\n");

	snprintf(longer, sizeof(longer), "\"%0127d\" \"x\"", 7);
	users_free(load(longer));
	ck_assert_uint_eq(faults.faults, 0);
	snprintf(longer, sizeof(longer), "\"%0128d\" \"x\"", 7);
	ck_assert_ptr_null(load(longer));
	ck_assert_uint_eq(faults.faults, 1);
}
END_TEST

START_TEST(long_secrets)
{
	size_t len = USERS_SECRET_MAX + 16;
	char *text = malloc(len);
	struct users *u;

	memset(text, 'x', len);
	memcpy(text, "\"u\" \"", 5);
	text[5 + USERS_SECRET_MAX] = '"';
	u = load_len(text, 6 + USERS_SECRET_MAX);
	ck_assert_ptr_nonnull(u);
	ck_assert_uint_eq(strlen(users_find(u, "u")->secret), USERS_SECRET_MAX);
	users_free(u);
	text[5 + USERS_SECRET_MAX] = 'x';
	text[6 + USERS_SECRET_MAX] = '"';
	ck_assert_ptr_null(load_len(text, 7 + USERS_SECRET_MAX));
	free(text);
}
END_TEST

START_TEST(many)
{
	size_t size = 20000 * 40, n = 0;
	char *text = malloc(size), name[32];
	struct users *u;

	for (int i = 0; i < 20000; i++)
		n += (size_t)snprintf(
		    text + n, size - n, "\"user%d\" \"secret%d\"\n", i, i);
	u = load_len(text, n);
	ck_assert_uint_eq(users_count(u), 20000);
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		ck_assert_int_eq(atoi(users_find(u, name)->secret + 6), i);
		ck_assert_str_eq(users_at(u, (size_t)i)->name, name);
	}
	ck_assert_ptr_null(users_find(u, "user20000"));
	ck_assert_ptr_null(users_at(u, 20000));
	users_free(u);
	free(text);
}
END_TEST

/* Cut anywhere, or with any byte changed, it ends well and stays inside. */
START_TEST(hostile)
{
	static const char text[] =
	    "\"a\" \"x\"\n\"b\"\"c\" \"" SCRAM "\"\n; c\n\"d\" \"md5\"\n";
	char copy[sizeof(text)];

	for (size_t n = 0; n < sizeof(text); n++)
		users_free(load_len(text, n));
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		static const char bytes[] = "\"\n\0;$:=\377 ";

		for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = bytes[k];
			users_free(load_len(copy, sizeof(text) - 1));
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("users");
	TCase *tc = tcase_create("users");

	suite_add_tcase(s, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, grammar);
	tcase_add_test(tc, empty_file);
	tcase_add_test(tc, last_wins);
	tcase_add_test(tc, kinds);
	tcase_add_test(tc, bad_scram);
	tcase_add_test(tc, every_prefix_of_scram);
	tcase_add_test(tc, all_faults_at_once);
	tcase_add_test(tc, long_secrets);
	tcase_add_test(tc, many);
	tcase_add_test(tc, hostile);
	return run_suite(s);
}

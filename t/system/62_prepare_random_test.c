/*
 * 62_prepare_random_test.c - whatever order statements are prepared, used and
 * closed in, with errors anywhere, through the pooler or not: the answers are
 * the same.  Others use the same statements on the same backends meanwhile.
 */
#include "t/system/prepare.h"

enum { NAMES = 6, TEXTS = 9, AHEAD = 40 };

static const char *const texts[TEXTS] = { "SELECT $1::text", "SELECT 1",
	"SELECT 'two' AS b, 2 AS a", "SELECT nothing_like_it", "SELEC",
	"SELECT 1 / $1::int", "VALUES (3)", "ROLLBACK", "COMMIT" };
static const char *const queries[] = { "SELECT 1", "BEGIN", "COMMIT",
	"ROLLBACK", "SELECT 1/0", "", "DEALLOCATE ALL", "DISCARD ALL",
	"BEGIN; SELECT 1/0" };

static uint32_t seed;

static uint32_t
any(uint32_t n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

/* --- the same to both ------------------------------------------------------- */

struct pair {
	struct wire *w[2]; /* PostgreSQL itself, the pooler */
	int owed;          /* ReadyForQuery that is to come */
	char said[8192];   /* what was sent since the last look */
};

static void
note(struct pair *p, const char *what)
{
	size_t n = strlen(p->said);

	snprintf(p->said + n, sizeof(p->said) - n, "%s ", what);
}

static void
one_message(struct pair *p)
{
	const char *name = text("n%d", (int)any(NAMES));
	const char *query = texts[any(TEXTS)];
	uint32_t what = any(12);

	for (int i = 0; i < 2; i++) {
		struct wire *w = p->w[i];

		switch (what) {
		case 0:
		case 1:
		case 2:
			parse(w, name, query);
			break;
		case 3:
		case 4:
		case 5:
			run(w, name, NULL);
			break;
		case 6:
			run(w, name, "7");
			break;
		case 7:
			describe(w, name);
			break;
		case 8:
			close_it(w, name);
			break;
		case 9:
			parse(w, "", query);
			run(w, "", NULL);
			break;
		case 10:
			wire_put(w, 'H', "");
			break;
		default:
			wire_put(w, 'E', "si", "", 0);
			break;
		}
	}
	note(p,
	    what < 3 ? text("P(%s,%s)", name, query)
		     : text("%d(%s)", (int)what, name));
}

static void
one_batch(struct pair *p)
{
	uint32_t n = any(6);
	const char *query = queries[any(sizeof(queries) / sizeof(*queries))];

	if (any(5) == 0) {
		for (int i = 0; i < 2; i++)
			wire_query(p->w[i], query);
		note(p, text("Q(%s)", query));
	} else {
		while (n-- > 0)
			one_message(p);
		for (int i = 0; i < 2; i++)
			sync_it(p->w[i]);
		note(p, "S");
	}
	p->owed++;
}

/* The next message that counts. */
static char
next(struct wire *w)
{
	char type;

	do
		type = wire_recv(w, WIRE_MS);
	while (type == 'S' || type == 'N');
	return type;
}

static const char *
field_of(const struct wire *w, char f)
{
	const char *value = wire_field(w, f);

	return value == NULL ? "" : value;
}

/*
 * One statement may have several names: which of them an error means is the
 * server's secret.  And what a failed transaction's backend lacks cannot be
 * prepared there, so that this is the first thing to be wrong.
 */
static bool
is_same_error(const struct wire *a, const struct wire *b)
{
	const char *m = field_of(a, 'M'), *o = field_of(b, 'M');
	size_t n = strlen(m);

	if (strcmp(field_of(b, 'C'), "25P02") == 0)
		return true;
	if (strcmp(field_of(a, 'C'), field_of(b, 'C')) != 0 || strlen(o) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((i < 2 || strncmp(m + i - 2, "\"n", 2) != 0) &&
		    m[i] != o[i])
			return false;
	return true;
}

static void
compare(struct pair *p)
{
	while (p->owed > 0) {
		struct wire *a = p->w[0], *b = p->w[1];
		char type = next(a), other = next(b);

		ck_assert_msg(type == other, "%c, but %c (%s) after %s", type,
		    other, other == 'E' ? wire_field(b, 'M') : "", p->said);
		if (type == 'E') {
			ck_assert_msg(is_same_error(a, b),
			    "%s, but %s after %s", field_of(a, 'M'),
			    field_of(b, 'M'), p->said);
		} else {
			ck_assert_msg(a->len == b->len &&
				memcmp(a->body, b->body, a->len) == 0,
			    "body of %c after %s", type, p->said);
		}
		p->owed -= type == 'Z';
	}
	p->said[0] = '\0';
}

/* --- others ------------------------------------------------------------------- */

static void
disturb(struct wire *w)
{
	parse(w, "", "SELECT 'not yours'");
	parse(w, text("o%d", (int)any(4)), texts[any(3)]);
	sync_it(w);
	run(w, text("o%d", (int)any(4)), NULL);
	close_it(w, text("o%d", (int)any(4)));
	sync_it(w);
	while (next(w) != 'Z')
		;
	while (next(w) != 'Z')
		;
}

static void
compare_all(const char *setting, int rounds)
{
	struct pooler *p =
	    pooler_with(text("default_pool_size = 2\n%s", setting));
	struct wire *other[2] = { wire_to(p), wire_to(p) };
	struct pair pair = { 0 };

	pair.w[0] = wire_open("127.0.0.1", pg->port);
	wire_login(pair.w[0], "app", "app");
	pair.w[1] = wire_to(p);
	for (int i = 0; i < rounds; i++) {
		uint32_t n = any(3) == 0 ? any(AHEAD) : 1;

		while (n-- > 0)
			one_batch(&pair);
		compare(&pair);
		if (any(2) == 0)
			disturb(other[any(2)]);
	}
	wire_free(pair.w[0]);
	wire_free(pair.w[1]);
	wire_free(other[0]);
	wire_free(other[1]);
	pooler_stop(p);
}

START_TEST(as_without_us)
{
	seed = 7;
	compare_all("", 600);
}
END_TEST

START_TEST(with_little_room)
{
	seed = 77;
	compare_all("max_prepared_statements = 2", 600);
}
END_TEST

START_TEST(one_worker)
{
	seed = 777;
	compare_all("workers = 1\nmax_prepared_statements = 1", 600);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepare_random");
	TCase *tc = suite_case(s, "prepare_random", 60);

	tcase_add_test(tc, as_without_us);
	tcase_add_test(tc, with_little_room);
	tcase_add_test(tc, one_worker);
	return suite_run(s, SUITE_PG);
}

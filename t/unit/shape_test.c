/* shape_test.c - what a Describe was answered, whole, torn and hostile. */
#include "worker/proto/shape.h"

#include <check.h>
#include <string.h>

#include "t/unit/run.h"
#include "worker/proto/frame.h"

enum { ROOM = 4096 };

struct answer {
	struct wire w;
	uint8_t bytes[ROOM];
	size_t cut; /* where the second message begins */
};

struct column {
	const char *name;
	uint32_t table, attribute, type, size, mod, format;
};

static const struct column plain[] = {
	{ "id", 16384, 1, 23, 4, UINT32_MAX, 0 },
	{ "name", 16384, 2, 1043, 65535, 104, 0 },
};

static void
params(struct answer *a, int n, const uint32_t *types)
{
	wire_int16(&a->w, (uint16_t)n);
	for (int i = 0; i < n; i++)
		wire_int32(&a->w, types[i]);
	a->cut = a->w.len;
}

static void
columns(struct answer *a, int n, const struct column *c)
{
	wire_int16(&a->w, (uint16_t)n);
	for (int i = 0; i < n; i++) {
		wire_str(&a->w, c[i].name);
		wire_int32(&a->w, c[i].table);
		wire_int16(&a->w, (uint16_t)c[i].attribute);
		wire_int32(&a->w, c[i].type);
		wire_int16(&a->w, (uint16_t)c[i].size);
		wire_int32(&a->w, c[i].mod);
		wire_int16(&a->w, (uint16_t)c[i].format);
	}
}

static struct answer *
begin(void)
{
	static struct answer a;

	wire_init(&a.w, a.bytes, sizeof(a.bytes));
	a.cut = 0;
	return &a;
}

/* A body, in pieces of `step`, each in memory of its own. */
static void
feed(struct shape_reader *r, uint8_t type, const uint8_t *p, size_t len,
    size_t step)
{
	shape_begin(r, type);
	while (len > 0) {
		size_t n = len < step ? len : step;
		uint8_t *copy = malloc(n);

		memcpy(copy, p, n);
		shape_feed(r, copy, n);
		free(copy);
		p += n;
		len -= n;
	}
}

static struct shape
read_in(const struct answer *a, char last, size_t step)
{
	struct shape_reader r;

	shape_init(&r);
	if (a->cut > 0)
		feed(&r, 't', a->bytes, a->cut, step);
	feed(&r, (uint8_t)last, a->bytes + a->cut, a->w.len - a->cut, step);
	return shape_end(&r);
}

static struct shape
read_all(const struct answer *a, char last)
{
	struct shape whole = read_in(a, last, ROOM);

	ck_assert(!a->w.full);
	for (size_t step = 1; step < 12; step++) {
		struct shape s = read_in(a, last, step);

		ck_assert_uint_eq(s.rows, whole.rows);
		ck_assert_uint_eq(s.params, whole.params);
	}
	return whole;
}

static struct shape
of_columns(int n, const struct column *c)
{
	struct answer *a = begin();

	columns(a, n, c);
	return read_all(a, 'T');
}

static struct shape
of_params(int n, const uint32_t *types)
{
	struct answer *a = begin();

	params(a, n, types);
	return read_all(a, 'n');
}

/* What a reader goes by makes a difference, and nothing else does. */
START_TEST(test_columns)
{
	struct shape is = of_columns(2, plain);

	ck_assert_uint_ne(is.rows, 0);
	ck_assert_uint_eq(is.params, 0);
	ck_assert_uint_eq(of_columns(2, plain).rows, is.rows);
	ck_assert_uint_ne(of_columns(1, plain).rows, is.rows);
	ck_assert_uint_ne(of_columns(0, plain).rows, 0);
	for (int what = 0; what < 14; what++) {
		struct column c[2];
		struct column *at = &c[what % 2];
		bool is_same;

		memcpy(c, plain, sizeof(c));
		at->name = what / 2 == 0 ? "other" : at->name;
		at->type += what / 2 == 1;
		at->mod += what / 2 == 2;
		at->table += what / 2 == 3;
		at->attribute += what / 2 == 4;
		at->size += what / 2 == 5;
		at->format += what / 2 == 6;
		is_same = of_columns(2, c).rows == is.rows;
		ck_assert_msg(is_same == (what / 2 > 2), "%d", what);
	}
}
END_TEST

START_TEST(test_params)
{
	static const uint32_t types[] = { 23, 25, 25 }, others[] = { 25, 23 };
	struct shape is = of_params(2, types), none = of_params(0, NULL);

	ck_assert_uint_ne(is.rows, 0);
	ck_assert_uint_ne(is.params, 0);
	ck_assert_uint_ne(none.params, 0);
	ck_assert_uint_ne(none.params, is.params);
	ck_assert_uint_ne(of_params(2, others).params, is.params);
	ck_assert_uint_ne(of_params(3, types).params, is.params);
	ck_assert_uint_eq(of_params(3, types).rows, is.rows);
	ck_assert_uint_ne(of_columns(0, plain).rows, is.rows);
}
END_TEST

/* One answer tells nothing of the next. */
START_TEST(test_again)
{
	static const uint32_t types[] = { 23 };
	struct answer *a = begin();
	struct shape_reader r;
	struct shape s, first;

	params(a, 1, types);
	columns(a, 2, plain);
	first = read_all(a, 'T');
	ck_assert_uint_ne(first.params, 0);
	ck_assert_uint_eq(first.rows, of_columns(2, plain).rows);
	shape_init(&r);
	shape_begin(&r, 't');
	shape_feed(&r, (const uint8_t *)"\0", 2);
	s = shape_end(&r);
	ck_assert_uint_eq(s.rows | s.params, 0);
	/* refused between its two messages */
	shape_begin(&r, 't');
	shape_feed(&r, (const uint8_t *)"\0", 2);
	shape_begin(&r, 't');
	shape_feed(&r, (const uint8_t *)"\0", 1);
	shape_begin(&r, 'n');
	s = shape_end(&r);
	ck_assert_uint_ne(s.rows, 0);
	ck_assert_uint_eq(s.params, 0);
	shape_begin(&r, 'n');
	s = shape_end(&r);
	ck_assert_uint_ne(s.rows, 0);
	ck_assert_uint_eq(s.params, 0);
}
END_TEST

/* Cut off anywhere, or with more behind: it is not known. */
START_TEST(test_broken)
{
	static const uint32_t types[] = { 23, 25 };
	struct answer *a = begin();
	size_t len;

	columns(a, 2, plain);
	len = a->w.len;
	for (a->w.len = 0; a->w.len < len; a->w.len++)
		ck_assert_uint_eq(read_all(a, 'T').rows, 0);
	a->w.len = len + 1;
	ck_assert_uint_eq(read_all(a, 'T').rows, 0);
	a->w.len = 1;
	ck_assert_uint_eq(read_all(a, 'n').rows, 0);
	a = begin();
	params(a, 2, types);
	for (len = a->cut; a->cut > 0; a->cut--) {
		a->w.len = a->cut;
		ck_assert_int_eq(read_all(a, 'n').params != 0, a->cut == len);
	}
	/* more columns than there can be */
	a = begin();
	wire_int16(&a->w, 0xffff);
	while (!a->w.full)
		wire_byte(&a->w, 0);
	a->w.full = false;
	ck_assert_uint_eq(read_all(a, 'T').rows, 0);
}
END_TEST

START_TEST(test_fits)
{
	const struct shape told = { 1, 0 }, all = { 1, 2 };

	ck_assert(shape_fits(told, all));
	ck_assert(shape_fits(all, all));
	ck_assert(!shape_fits(all, told));
	ck_assert(!shape_fits(told, (struct shape){ 3, 0 }));
	ck_assert(!shape_fits(all, (struct shape){ 1, 3 }));
	ck_assert(shape_is_known(told, told));
	ck_assert(!shape_is_known(all, told));
	ck_assert(!shape_is_known(told, (struct shape){ 0, 2 }));
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(test_columns),
		TEST(test_params),
		TEST(test_again),
		TEST(test_broken),
		TEST(test_fits),
		NO_MORE_TESTS,
	};

	return run_tests("shape", tests, 30);
}

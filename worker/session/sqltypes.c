#include "worker/session/sqltypes.h"

#include <stdbool.h>
#include <string.h>

#include "worker/proto/sqllex.h"

enum { SPELLED = 64 }; /* bytes of a type's name with its NUL */

static const struct type {
	const char *name;
	uint32_t one, many; /* itself; an array of it */
} types[] = {
	{ "bigint", 20, 1016 },
	{ "bit", 1560, 1561 },
	{ "bit varying", 1562, 1563 },
	{ "bool", 16, 1000 },
	{ "boolean", 16, 1000 },
	{ "box", 603, 1020 },
	{ "bpchar", 1042, 1014 },
	{ "bytea", 17, 1001 },
	{ "char", 1042, 1014 },
	{ "char varying", 1043, 1015 },
	{ "character", 1042, 1014 },
	{ "character varying", 1043, 1015 },
	{ "cidr", 650, 651 },
	{ "circle", 718, 719 },
	{ "date", 1082, 1182 },
	{ "daterange", 3912, 3913 },
	{ "dec", 1700, 1231 },
	{ "decimal", 1700, 1231 },
	{ "double precision", 701, 1022 },
	{ "float4", 700, 1021 },
	{ "float8", 701, 1022 },
	{ "inet", 869, 1041 },
	{ "int", 23, 1007 },
	{ "int2", 21, 1005 },
	{ "int4", 23, 1007 },
	{ "int4range", 3904, 3905 },
	{ "int8", 20, 1016 },
	{ "int8range", 3926, 3927 },
	{ "integer", 23, 1007 },
	{ "interval", 1186, 1187 },
	{ "json", 114, 199 },
	{ "jsonb", 3802, 3807 },
	{ "jsonpath", 4072, 4073 },
	{ "line", 628, 629 },
	{ "lseg", 601, 1018 },
	{ "macaddr", 829, 1040 },
	{ "macaddr8", 774, 775 },
	{ "money", 790, 791 },
	{ "name", 19, 1003 },
	{ "numeric", 1700, 1231 },
	{ "numrange", 3906, 3907 },
	{ "oid", 26, 1028 },
	{ "path", 602, 1019 },
	{ "point", 600, 1017 },
	{ "polygon", 604, 1027 },
	{ "real", 700, 1021 },
	{ "regclass", 2205, 2210 },
	{ "regproc", 24, 1008 },
	{ "regtype", 2206, 2211 },
	{ "smallint", 21, 1005 },
	{ "text", 25, 1009 },
	{ "time", 1083, 1183 },
	{ "time with time zone", 1266, 1270 },
	{ "time without time zone", 1083, 1183 },
	{ "timestamp", 1114, 1115 },
	{ "timestamp with time zone", 1184, 1185 },
	{ "timestamp without time zone", 1114, 1115 },
	{ "timestamptz", 1184, 1185 },
	{ "timetz", 1266, 1270 },
	{ "tsquery", 3615, 3645 },
	{ "tsrange", 3908, 3909 },
	{ "tstzrange", 3910, 3911 },
	{ "tsvector", 3614, 3643 },
	{ "uuid", 2950, 2951 },
	{ "varbit", 1562, 1563 },
	{ "varchar", 1043, 1015 },
	{ "xml", 142, 143 },
};

/* One type of the list, while it is read. */
struct spelling {
	char name[SPELLED];
	size_t len;
	bool is_array;
	bool is_bad;
};

static void
add_word(struct spelling *s, const struct sqllex_token *t)
{
	char word[SQLLEX_NAME];
	int len = sqllex_name(t, word);

	/* nothing but ARRAY may stand behind a [] */
	if (t->type != SQLLEX_IDENT || len == -1 || s->is_array) {
		s->is_bad = true;
		return;
	}
	if (strcmp(word, "array") == 0 && s->len > 0) {
		s->is_array = true;
		return;
	}
	if (len + 2 > SPELLED - (int)s->len) {
		s->is_bad = true;
		return;
	}
	if (s->len > 0)
		s->name[s->len++] = ' ';
	memcpy(s->name + s->len, word, (size_t)len + 1);
	s->len += (size_t)len;
}

/* A length or a precision: numbers up to `)`; of float they choose the type. */
static void
skip_modifier(struct sqllex *l, struct spelling *s)
{
	struct sqllex_token t;

	if (s->len == 0 || s->is_array)
		s->is_bad = true;
	while (sqllex_next(l, &t) == SQLLEX_NUMBER || sqllex_is_self(&t, ','))
		;
	if (!sqllex_is_self(&t, ')'))
		s->is_bad = true;
}

static void
skip_bounds(struct sqllex *l, struct spelling *s)
{
	struct sqllex_token t;

	if (sqllex_next(l, &t) == SQLLEX_NUMBER)
		sqllex_next(l, &t);
	if (s->len == 0 || !sqllex_is_self(&t, ']'))
		s->is_bad = true;
	s->is_array = true;
}

/* 0: it is not known. */
static uint32_t
number_of(const struct spelling *s)
{
	if (s->is_bad)
		return 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].name, s->name) == 0)
			return s->is_array ? types[i].many : types[i].one;
	return 0;
}

int
sqltypes_read(
    const char *text, size_t len, unsigned flags, uint32_t to[SQLTYPES_MAX])
{
	struct spelling s = { .len = 0 };
	struct sqllex_token t;
	struct sqllex l;
	int n = 0;

	sqllex_init(&l, text, len, flags);
	for (;;) {
		bool is_end = sqllex_next(&l, &t) == SQLLEX_END;

		if (is_end || sqllex_is_self(&t, ',')) {
			if (n == SQLTYPES_MAX || (to[n] = number_of(&s)) == 0)
				return -1;
			n++;
			if (is_end)
				return n;
			s = (struct spelling){ .len = 0 };
		} else if (sqllex_is_self(&t, '(')) {
			skip_modifier(&l, &s);
		} else if (sqllex_is_self(&t, '[')) {
			skip_bounds(&l, &s);
		} else {
			add_word(&s, &t);
		}
	}
}

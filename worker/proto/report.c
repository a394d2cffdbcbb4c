/* report.c - what a server says: errors both ways, and the other answers. */
#include "worker/proto/report.h"

#include <stdio.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/proto/field.h"

void
report_cut(char *to, size_t size, const char *from)
{
	size_t n = compat_strlcpy(to, from, size);

	if (n < size)
		return;
	n = size - 1;
	while (n > 0 && ((uint8_t)from[n] & 0xc0) == 0x80)
		n--;
	to[n] = '\0';
}

int
report_parse(const uint8_t *body, size_t len, struct report *out)
{
	bool untranslated = false;
	struct field f;

	memset(out, 0, sizeof(*out));
	field_init(&f, body, len);
	for (;;) {
		uint8_t what = field_byte(&f);
		const char *text = what != 0 ? field_str(&f) : "";

		if (what == 0 || f.bad)
			break;
		if (what == 'V' || (what == 'S' && !untranslated))
			report_cut(out->severity, sizeof(out->severity), text);
		else if (what == 'C')
			report_cut(out->sqlstate, sizeof(out->sqlstate), text);
		else if (what == 'M')
			report_cut(out->message, sizeof(out->message), text);
		untranslated = untranslated || what == 'V';
	}
	return field_is_done(&f) ? 0 : -1;
}

bool
report_is_fatal(const struct report *r)
{
	return strcmp(r->severity, "FATAL") == 0 ||
	    strcmp(r->severity, "PANIC") == 0;
}

static void
report_field(struct wire *w, uint8_t what, const char *text)
{
	wire_byte(w, what);
	wire_str(w, text);
}

static void
report_build(struct wire *w, uint8_t type, const char *severity,
    const char *sqlstate, const char *message)
{
	wire_begin(w, type);
	report_field(w, 'S', severity);
	report_field(w, 'V', severity);
	report_field(w, 'C', sqlstate);
	report_field(w, 'M', message);
	wire_byte(w, 0);
	wire_end(w);
}

void
report_error(struct wire *w, const char *severity, const char *sqlstate,
    const char *message)
{
	report_build(w, 'E', severity, sqlstate, message);
}

void
report_notice(struct wire *w, const char *severity, const char *sqlstate,
    const char *message)
{
	report_build(w, 'N', severity, sqlstate, message);
}

void
report_fatal(struct wire *w, const struct err *e)
{
	report_build(w, 'E', "FATAL", e->sqlstate, e->say);
}

/* An Authentication message: its code, then data. */
static void
report_auth(struct wire *w, uint32_t code, const void *data, size_t len)
{
	wire_begin(w, 'R');
	wire_int32(w, code);
	wire_bytes(w, data, len);
	wire_end(w);
}

void
report_auth_ok(struct wire *w)
{
	report_auth(w, 0, NULL, 0);
}

void
report_auth_cleartext(struct wire *w)
{
	report_auth(w, 3, NULL, 0);
}

void
report_auth_md5(struct wire *w, const uint8_t salt[4])
{
	report_auth(w, 5, salt, 4);
}

void
report_auth_sasl(
    struct wire *w, const char *const *mechanisms, size_t n_mechanisms)
{
	wire_begin(w, 'R');
	wire_int32(w, 10);
	for (size_t i = 0; i < n_mechanisms; i++)
		wire_str(w, mechanisms[i]);
	wire_byte(w, 0);
	wire_end(w);
}

void
report_auth_sasl_continue(struct wire *w, const void *data, size_t len)
{
	report_auth(w, 11, data, len);
}

void
report_auth_sasl_final(struct wire *w, const void *data, size_t len)
{
	report_auth(w, 12, data, len);
}

void
report_parameter(struct wire *w, const char *name, const char *value)
{
	wire_begin(w, 'S');
	wire_str(w, name);
	wire_str(w, value);
	wire_end(w);
}

void
report_key(struct wire *w, int32_t pid, const uint8_t *key, size_t key_len)
{
	wire_begin(w, 'K');
	wire_int32(w, (uint32_t)pid);
	wire_bytes(w, key, key_len);
	wire_end(w);
}

void
report_ready(struct wire *w, char status)
{
	wire_begin(w, 'Z');
	wire_byte(w, (uint8_t)status);
	wire_end(w);
}

void
report_complete(struct wire *w, const char *tag)
{
	wire_begin(w, 'C');
	wire_str(w, tag);
	wire_end(w);
}

void
report_empty(struct wire *w)
{
	wire_begin(w, 'I');
	wire_end(w);
}

/* pg_type.typlen: -1 is "as long as it is". */
static uint16_t
type_size(enum report_oid type)
{
	if (type == REPORT_INT8)
		return 8;
	return type == REPORT_INT4 ? 4 : (uint16_t)-1;
}

void
report_columns(struct wire *w, const struct report_column *column, size_t n)
{
	wire_begin(w, 'T');
	wire_int16(w, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		wire_str(w, column[i].name);
		wire_int32(w, 0); /* of no table, */
		wire_int16(w, 0); /* and no column of one */
		wire_int32(w, (uint32_t)column[i].type);
		wire_int16(w, type_size(column[i].type));
		wire_int32(w, (uint32_t)-1); /* no type modifier */
		wire_int16(w, 0);            /* text format */
	}
	wire_end(w);
}

void
report_row_begin(struct wire *w, size_t n)
{
	wire_begin(w, 'D');
	wire_int16(w, (uint16_t)n);
}

void
report_cell(struct wire *w, const char *text)
{
	if (text == NULL) {
		wire_int32(w, (uint32_t)-1);
		return;
	}
	wire_int32(w, (uint32_t)strlen(text));
	wire_bytes(w, text, strlen(text));
}

void
report_cell_int(struct wire *w, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	report_cell(w, text);
}

void
report_row_end(struct wire *w)
{
	wire_end(w);
}

/* say.c - commands of our own.  No data. */
#include "worker/proto/say.h"

#include <string.h>

void
say_query(struct wire *w, const char *sql)
{
	wire_begin(w, 'Q');
	wire_str(w, sql);
	wire_end(w);
}

void
say_command(struct wire *w, const char *sql)
{
	wire_begin(w, 'P');
	wire_str(w, "");
	wire_str(w, sql);
	wire_int16(w, 0); /* types */
	wire_end(w);
	wire_begin(w, 'B');
	wire_str(w, "");
	wire_str(w, "");
	wire_int16(w, 0); /* formats of parameters */
	wire_int16(w, 0); /* parameters */
	wire_int16(w, 0); /* formats of results */
	wire_end(w);
	say_execute(w);
}

void
say_execute(struct wire *w)
{
	wire_begin(w, 'E');
	wire_str(w, "");
	wire_int32(w, 0); /* all rows */
	wire_end(w);
}

void
say_constant(struct wire *w, const char *s)
{
	if (strchr(s, '\\') != NULL)
		wire_text(w, " E");
	wire_byte(w, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			wire_byte(w, (uint8_t)*s);
		wire_byte(w, (uint8_t)*s);
	}
	wire_byte(w, '\'');
}

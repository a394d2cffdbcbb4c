#include "conf/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *e, const char *sqlstate, const char *say,
    const char *logfmt, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", sqlstate);
	snprintf(e->say, sizeof(e->say), "%s", say);
	e->log[0] = '\0';
	if (logfmt != NULL) {
		va_start(ap, logfmt);
		vsnprintf(e->log, sizeof(e->log), logfmt, ap);
		va_end(ap);
	}
	return -1;
}

void
err_clear(struct err *e)
{
	memset(e, 0, sizeof(*e));
}

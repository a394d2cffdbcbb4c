#include "conf/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/log.h"

void
conf_faults_init(struct conf_faults *f)
{
	memset(f, 0, sizeof(*f));
}

void
conf_faults_free(struct conf_faults *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->v[i].file);
	free(f->v);
	conf_faults_init(f);
}

/*
 * Doubles the array at each power of two, so that it needs no size of its
 * own.  Without memory the text is lost but a fault still counts: what is
 * wrong is refused, whatever can be said about it.
 */
static void
add(struct conf_faults *f, bool is_warning, const char *file, unsigned line,
    const char *fmt, va_list ap)
{
	struct conf_fault *v = f->v, *new;

	if (!is_warning)
		f->faults++;
	if (f->count >= CONF_FAULTS_MAX)
		return;
	if ((f->count & (f->count - 1)) == 0) {
		v = realloc(v, (f->count == 0 ? 1 : f->count * 2) * sizeof(*v));
		if (v == NULL)
			return;
		f->v = v;
	}
	new = &v[f->count];
	new->file = strdup(file == NULL ? "" : file);
	if (new->file == NULL)
		return;
	new->line = line;
	new->is_warning = is_warning;
	vsnprintf(new->text, sizeof(new->text), fmt, ap);
	f->count++;
}

void
conf_faults_add(struct conf_faults *f, const char *file, unsigned line,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, false, file, line, fmt, ap);
	va_end(ap);
}

void
conf_faults_warn(struct conf_faults *f, const char *file, unsigned line,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, true, file, line, fmt, ap);
	va_end(ap);
}

void
conf_faults_log(const struct conf_faults *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct conf_fault *v = &f->v[i];
		enum log_level level =
		    v->is_warning ? LOG_AT_WARNING : LOG_AT_ERROR;

		if (v->file[0] == '\0')
			log_at(level, NULL, "%s", v->text);
		else if (v->line == 0)
			log_at(level, NULL, "%s: %s", v->file, v->text);
		else
			log_at(level, NULL, "%s:%u: %s", v->file, v->line,
			    v->text);
	}
	if (f->count == CONF_FAULTS_MAX || f->faults > f->count)
		log_error(NULL, "there are more faults than are told here");
}

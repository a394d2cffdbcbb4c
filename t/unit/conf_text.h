/*
 * conf_text.h - for tests: a configuration's files without a disk.
 */
#ifndef T_UNIT_CONF_TEXT_H
#define T_UNIT_CONF_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf/faults.h"
#include "conf/files.h"

/* One more file of `len` bytes. */
static inline void
text_add_len(
    struct conf_files *files, const char *name, const char *bytes, size_t len)
{
	struct conf_file *f;

	files->v = realloc(files->v, (files->count + 1) * sizeof(*files->v));
	f = &files->v[files->count++];
	f->name = strdup(name);
	f->len = len;
	f->bytes = malloc(len + 1);
	memcpy(f->bytes, bytes, len);
	f->bytes[len] = '\0';
	files->bytes += len;
}

static inline void
text_add(struct conf_files *files, const char *name, const char *bytes)
{
	text_add_len(files, name, bytes, strlen(bytes));
}

/* All that is told, as "FILE:LINE: TEXT\n", warnings with a "w " before. */
static inline const char *
text_faults(const struct conf_faults *f)
{
	static char all[65536];
	size_t n = 0;

	all[0] = '\0';
	for (size_t i = 0; i < f->count && n < sizeof(all) - 400; i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s:%u: %s\n",
		    f->v[i].is_warning ? "w " : "", f->v[i].file, f->v[i].line,
		    f->v[i].text);
	return all;
}

#endif

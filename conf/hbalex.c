#include "conf/hbalex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"

/* The whole run: what is counted over all files. */
struct run {
	const struct hbalex *l;
	size_t count; /* of tokens and lines */
	size_t files;
	bool is_over; /* too many, or no memory: said once, then no more */
};

/* One file being read. */
struct reader {
	struct run *run;
	struct lex_text text;
	size_t pos;
	unsigned next; /* number of the line at `pos` */
	unsigned line; /* where the joined line began */
	int depth;
	char *buf; /* the joined line, with its NUL */
	size_t size, len;
	bool has_nul;
};

/* Grows; its items are copied to the arena when it is whole. */
struct list {
	void *v;
	size_t n, room;
};

static void read_file(struct run *run, enum hbalex_what what, const char *name,
    const struct reader *from);

/* --- faults and memory -------------------------------------------------- */

static void
fault(const struct reader *r, const char *text, const char *what)
{
	if (r->run->l->faults != NULL)
		conf_faults_add(r->run->l->faults, r->text.name, r->line,
		    "%s%.150s%s", text, what == NULL ? "" : what,
		    what == NULL ? "" : "\"");
}

static void
give_up(const struct reader *r, const char *text)
{
	if (!r->run->is_over)
		fault(r, text, NULL);
	r->run->is_over = true;
}

static bool
count_one(const struct reader *r)
{
	if (++r->run->count > HBALEX_MAX)
		give_up(r, "too many lines and names, repeats counted");
	return !r->run->is_over;
}

static void *
list_add(struct list *s, size_t size, const struct reader *r)
{
	size_t room = s->room == 0 ? 8 : s->room * 2;
	void *v;

	if (s->n == s->room) {
		v = realloc(s->v, room * size);
		if (v == NULL) {
			give_up(r, "out of memory");
			return NULL;
		}
		s->v = v;
		s->room = room;
	}
	return (char *)s->v + size * s->n++;
}

/* A copy of the list in the arena. */
static const void *
list_keep(const struct list *s, size_t size, const struct reader *r)
{
	void *copy = arena_alloc(r->run->l->arena, s->n * size + 1);

	if (copy == NULL) {
		give_up(r, "out of memory");
		return NULL;
	}
	if (s->n > 0)
		memcpy(copy, s->v, s->n * size);
	return copy;
}

/* --- lines -------------------------------------------------------------- */

/* Append to the joined line; its NUL has room. */
static bool
append(struct reader *r, const char *p, size_t n)
{
	size_t need = r->len + n + 1, size = r->size * 2;
	char *buf;

	if (need > r->size) {
		size = size < need ? need : size;
		buf = calloc(1, size);
		if (buf == NULL) {
			give_up(r, "out of memory");
			return false;
		}
		if (r->buf != NULL) {
			memcpy(buf, r->buf, r->len);
			compat_bzero(r->buf, r->size);
			free(r->buf);
		}
		r->buf = buf;
		r->size = size;
	}
	if (n > 0)
		memcpy(r->buf + r->len, p, n);
	r->len += n;
	r->buf[r->len] = '\0';
	return true;
}

/*
 * The next line, joined; false at the file's end.  A backslash that was left
 * by an earlier line does not join what follows an empty one.
 */
static bool
next_line(struct reader *r)
{
	size_t joined = 0;

	if (r->pos >= r->text.len || !count_one(r))
		return false;
	r->line = r->next;
	r->len = 0;
	r->has_nul = false;
	while (r->pos < r->text.len) {
		const char *p = r->text.bytes + r->pos;
		const char *end = memchr(p, '\n', r->text.len - r->pos);
		size_t n =
		    end == NULL ? r->text.len - r->pos : (size_t)(end - p);

		r->pos += n + (end != NULL);
		r->next++;
		while (n > 0 && p[n - 1] == '\r')
			n--;
		if (memchr(p, '\0', n) != NULL)
			r->has_nul = true;
		if (!append(r, p, n))
			return false;
		if (r->len == joined || r->buf[r->len - 1] != '\\')
			break;
		r->buf[--r->len] = '\0';
		joined = r->len;
	}
	return true;
}

/* --- tokens ------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * The next token at *at, which moves on, cut out of the line itself; *comma: a
 * comma ended it, so its field goes on.  1: there is one; 0: the line is at
 * its end; -1 with the fault told.
 */
static int
take_token(
    const struct reader *r, char **at, struct hbalex_token *t, bool *comma)
{
	char *p = *at, *out;
	bool in_quote = false, had_quote = false;

	*comma = false;
	while (is_blank(*p) || *p == ',')
		p++;
	t->is_quoted = *p == '"';
	t->text = out = p;
	for (; *p != '\0' && (in_quote || !is_blank(*p)); p++) {
		if (!in_quote && *p == '#') {
			p += strlen(p);
			break;
		}
		if (!in_quote && *p == ',') {
			*comma = true;
			break;
		}
		if (*p != '"') {
			*out++ = *p;
		} else if (in_quote && p[1] == '"') {
			*out++ = *p++;
		} else {
			in_quote = !in_quote;
			had_quote = true;
		}
	}
	if (in_quote) {
		fault(r, "a quote is not closed", NULL);
		return -1;
	}
	/* `out` may be `p`: look behind it before the NUL is put there */
	*at = *p == '\0' ? p : p + 1;
	if (out == t->text && !had_quote)
		return 0;
	*out = '\0';
	return 1;
}

static int take_field(
    const struct reader *r, char **at, struct list *tokens, bool *is_there);

/* "name", as it is called in the file that `r` reads. */
static char *
path_of(const struct reader *r, const char *name)
{
	const char *slash = strrchr(r->text.name, '/');
	size_t dir = slash == NULL ? 0 : (size_t)(slash - r->text.name) + 1;
	size_t len = strlen(name);
	char *path;

	if (name[0] == '/')
		dir = 0;
	path = arena_alloc(r->run->l->arena, dir + len + 1);
	if (path == NULL) {
		give_up(r, "out of memory");
		return NULL;
	}
	memcpy(path, r->text.name, dir);
	memcpy(path + dir, name, len);
	return path;
}

/* Begin to read a file; false with the fault told, at `from`. */
static bool
reader_open(struct reader *r, struct run *run, enum hbalex_what what,
    const char *path, const struct reader *from)
{
	const struct reader top = {
		.run = run,
		.text = { .name = path },
	};

	*r = (struct reader){ .run = run, .next = 1 };
	r->depth = from == NULL ? 0 : from->depth + 1;
	if (r->depth > HBALEX_DEPTH) {
		fault(from, "too many files include one another: \"", path);
		return false;
	}
	if (++run->files > HBALEX_FILES) {
		give_up(from, "too many files, repeats counted");
		return false;
	}
	if (!run->l->find(run->l->arg, what, path, &r->text)) {
		if (from == NULL)
			fault(&top,
			    "cannot be read: does it exist, and may this "
			    "user read it?",
			    NULL);
		else
			fault(from, "cannot read \"", path);
		return false;
	}
	/* its own name lives no longer than the caller's bytes */
	r->text.name = path;
	return true;
}

static void
reader_close(struct reader *r)
{
	if (r->buf != NULL)
		compat_bzero(r->buf, r->size);
	free(r->buf);
}

/* All tokens of an @file. */
static int
expand(const struct reader *from, const char *name, struct list *tokens)
{
	char *path = path_of(from, name), *at;
	struct reader r;
	bool is_there;
	int rc = 0;

	if (path == NULL ||
	    !reader_open(&r, from->run, HBALEX_FILE, path, from))
		return -1;
	while (rc == 0 && next_line(&r)) {
		if (r.has_nul) {
			fault(&r, "a NUL byte in the line", NULL);
			rc = -1;
		}
		at = r.buf;
		do {
			if (rc == 0)
				rc = take_field(&r, &at, tokens, &is_there);
		} while (rc == 0 && is_there);
	}
	reader_close(&r);
	return from->run->is_over ? -1 : rc;
}

/* Add the tokens of the next field; *is_there: there was one. */
static int
take_field(
    const struct reader *r, char **at, struct list *tokens, bool *is_there)
{
	struct hbalex_token t, *new;
	bool comma = true;
	int rc;

	*is_there = false;
	while (comma) {
		rc = take_token(r, at, &t, &comma);
		if (rc != 1)
			return rc;
		*is_there = true;
		if (!count_one(r))
			return -1;
		if (!t.is_quoted && t.text[0] == '@' && t.text[1] != '\0') {
			if (expand(r, t.text + 1, tokens) == -1)
				return -1;
			continue;
		}
		t.text = arena_strdup(r->run->l->arena, t.text);
		new = list_add(tokens, sizeof(t), r);
		if (t.text == NULL || new == NULL) {
			give_up(r, "out of memory");
			return -1;
		}
		*new = t;
	}
	return 0;
}

/* --- lines of fields ---------------------------------------------------- */

/* The names that a directory's listing has, each as a file. */
static void
read_dir(const struct reader *from, const char *dir)
{
	struct reader list;
	char *name, *path;

	if (!reader_open(&list, from->run, HBALEX_DIR, dir, from))
		return;
	while (next_line(&list)) {
		size_t n = strlen(dir) + 1 + list.len + 1;

		path = arena_alloc(from->run->l->arena, n);
		if (path == NULL) {
			give_up(from, "out of memory");
			break;
		}
		name = compat_strlcpy(path, dir, n) + path;
		*name++ = '/';
		memcpy(name, list.buf, list.len);
		read_file(from->run, HBALEX_FILE, path, from);
	}
	reader_close(&list);
}

/* Is the line an include?  Then what it includes has been read. */
static bool
is_include(const struct reader *r, const struct hbalex_line *line)
{
	static const char *const word[] = { "include", "include_if_exists",
		"include_dir" };
	static const enum hbalex_what what[] = { HBALEX_FILE, HBALEX_MAYBE,
		HBALEX_DIR };
	const struct hbalex_token *t = line->f[0].v;
	char *path;

	if (line->f[0].n != 1 || t->is_quoted)
		return false;
	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++) {
		if (strcmp(t->text, word[i]) != 0)
			continue;
		if (line->n != 2 || line->f[1].n != 1 ||
		    line->f[1].v[0].text[0] == '\0')
			fault(r, "an include has one name behind it", NULL);
		else if ((path = path_of(r, line->f[1].v[0].text)) == NULL)
			return true;
		else if (what[i] == HBALEX_DIR)
			read_dir(r, path);
		else
			read_file(r->run, what[i], path, r);
		return true;
	}
	return false;
}

/* The joined line as fields; -1 with the fault told. */
static int
split(const struct reader *r, struct hbalex_line *line)
{
	struct list fields = { 0 };
	char *at = r->buf;
	bool is_there = true;
	int rc = 0;

	while (rc == 0 && is_there) {
		struct list tokens = { 0 };
		struct hbalex_field *f;

		rc = take_field(r, &at, &tokens, &is_there);
		if (rc == 0 && is_there) {
			f = list_add(&fields, sizeof(*f), r);
			if (f != NULL) {
				f->n = tokens.n;
				f->v = list_keep(
				    &tokens, sizeof(struct hbalex_token), r);
			}
			rc = r->run->is_over ? -1 : 0;
		}
		free(tokens.v);
	}
	line->n = fields.n;
	line->f = list_keep(&fields, sizeof(struct hbalex_field), r);
	free(fields.v);
	return line->f == NULL ? -1 : rc;
}

static void
read_file(struct run *run, enum hbalex_what what, const char *path,
    const struct reader *from)
{
	struct reader r;
	struct hbalex_line line;

	if (!reader_open(&r, run, what, path, from))
		return;
	while (next_line(&r)) {
		if (r.has_nul) {
			fault(&r, "a NUL byte in the line", NULL);
			continue;
		}
		line.file = path;
		line.line = r.line;
		if (split(&r, &line) == -1 || line.n == 0)
			continue;
		if (!is_include(&r, &line))
			run->l->take(run->l->arg, &line);
	}
	reader_close(&r);
}

void
hbalex_run(const struct hbalex *l, const char *name)
{
	struct run run = { .l = l };
	char *path = arena_strdup(l->arena, name);

	if (path != NULL)
		read_file(&run, HBALEX_FILE, path, NULL);
	else if (l->faults != NULL)
		conf_faults_add(l->faults, NULL, 0, "out of memory");
}

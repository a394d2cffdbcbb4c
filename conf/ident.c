#include "conf/ident.h"

#include <stdlib.h>
#include <string.h>
#include "conf/hbalex.h"
#include "conf/pattern.h"
#include "conf/rulefiles.h"

struct row {
	const char *map;
	struct pattern system_user;
	struct pattern user;
	const char *slot; /* in user's text: its \1; NULL: none */
	bool is_all;
};

struct ident {
	struct row *v;
	size_t n, room;
	struct arena arena;
};

/* While it is being loaded. */
struct loading {
	struct ident *t;
	const struct conf_files *files;
	struct conf_faults *faults;
};

/* --- load --------------------------------------------------------------- */

static struct row *
add_row(struct ident *t)
{
	size_t room = t->room == 0 ? 16 : t->room * 2;
	struct row *v;

	if (t->n == t->room) {
		v = realloc(t->v, room * sizeof(*v));
		if (v == NULL)
			return NULL;
		t->v = v;
		t->room = room;
	}
	t->v[t->n] = (struct row){ 0 };
	return &t->v[t->n++];
}

/* What is wrong with the fields' number or their tokens; NULL: nothing. */
static const char *
check_fields(const struct hbalex_line *line)
{
	const struct hbalex_token *user;

	if (line->n != 3)
		return "a line is a map, a system user and a database user";
	for (size_t i = 0; i < line->n; i++)
		if (line->f[i].n != 1)
			return "a field has one value here";
	user = &line->f[2].v[0];
	if (!user->is_quoted && user->text[0] == '+')
		return "+group is not supported";
	return NULL;
}

/* -1 with the fault told; the row's patterns are then freed with it. */
static int
fill_row(
    const struct loading *l, struct row *row, const struct hbalex_line *line)
{
	const struct hbalex_token *user = &line->f[2].v[0];
	char why[192];

	row->map = line->f[0].v[0].text;
	if (pattern_init(&row->system_user, line->f[1].v[0].text, why) == -1 ||
	    pattern_init(&row->user, user->text, why) == -1) {
		conf_faults_add(l->faults, line->file, line->line, "%s", why);
		return -1;
	}
	row->is_all = !user->is_quoted && strcmp(user->text, "all") == 0;
	if (row->user.re == NULL)
		row->slot = strstr(user->text, "\\1");
	if (row->slot == NULL || pattern_groups(&row->system_user) > 0)
		return 0;
	conf_faults_add(l->faults, line->file, line->line,
	    "\\1 without a (group) in the system user's regular expression");
	return -1;
}

static void
on_line(void *arg, const struct hbalex_line *line)
{
	const struct loading *l = arg;
	const char *why = check_fields(line);
	struct row *row;

	if (why != NULL) {
		conf_faults_add(l->faults, line->file, line->line, "%s", why);
		return;
	}
	row = add_row(l->t);
	if (row == NULL)
		conf_faults_add(
		    l->faults, line->file, line->line, "out of memory");
	else
		(void)fill_row(l, row, line);
}

static bool
find(void *arg, enum hbalex_what what, const char *name, struct lex_text *text)
{
	const struct loading *l = arg;

	return rulefiles_find(l->files, what, name, text);
}

struct ident *
ident_new(const struct conf_files *files, const char *name,
    struct conf_faults *faults)
{
	struct loading l = { .files = files, .faults = faults };
	size_t before = faults->faults;
	struct hbalex lex = {
		.faults = faults, .find = find, .take = on_line, .arg = &l
	};

	l.t = calloc(1, sizeof(*l.t));
	if (l.t == NULL) {
		conf_faults_add(faults, name, 0, "out of memory");
		return NULL;
	}
	arena_init(&l.t->arena);
	lex.arena = &l.t->arena;
	hbalex_run(&lex, name);
	if (faults->faults == before)
		return l.t;
	ident_free(l.t);
	return NULL;
}

void
ident_free(struct ident *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++) {
		pattern_fini(&t->v[i].system_user);
		pattern_fini(&t->v[i].user);
	}
	free(t->v);
	arena_fini(&t->arena);
	free(t);
}

/* --- ask ---------------------------------------------------------------- */

bool
ident_has(const struct ident *t, const char *map)
{
	for (size_t i = 0; t != NULL && i < t->n; i++)
		if (strcmp(t->v[i].map, map) == 0)
			return true;
	return false;
}

/* Is `user` the row's text with `len` bytes of `taken` for its \1? */
static bool
is_filled(
    const struct row *row, const char *taken, size_t len, const char *user)
{
	size_t before = (size_t)(row->slot - row->user.text);

	return strncmp(user, row->user.text, before) == 0 &&
	    strncmp(user + before, taken, len) == 0 &&
	    strcmp(user + before + len, row->slot + 2) == 0;
}

bool
ident_allows(const struct ident *t, const char *map, const char *system_user,
    const char *user)
{
	long from;
	size_t len;

	if (map == NULL)
		return strcmp(system_user, user) == 0;
	for (size_t i = 0; t != NULL && i < t->n; i++) {
		const struct row *row = &t->v[i];

		if (strcmp(row->map, map) != 0 ||
		    !pattern_capture(
			&row->system_user, system_user, &from, &len))
			continue;
		if (row->is_all)
			return true;
		if (row->slot == NULL && pattern_has(&row->user, user))
			return true;
		if (row->slot != NULL && from >= 0 &&
		    is_filled(row, system_user + from, len, user))
			return true;
	}
	return false;
}

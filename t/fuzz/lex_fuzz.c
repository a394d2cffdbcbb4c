/*
 * lex_fuzz.c - INI files that include one another, and the pairs of an entry.
 *
 * Form feeds divide the input into the files "0", "1", ...; the first is read.
 */
#include "conf/lex.h"

#include "t/fuzz/fuzz.h"

enum { FILES = 4 };

static const char *const names[FILES] = { "0", "1", "2", "3" };

struct files {
	struct lex_text text[FILES];
};

static bool
find(void *arg, const char *name, struct lex_text *text)
{
	const struct files *all = arg;

	for (size_t i = 0; i < FILES; i++) {
		if (strcmp(name, names[i]) != 0 || all->text[i].name == NULL)
			continue;
		*text = all->text[i];
		return true;
	}
	return false;
}

static unsigned
lines_of(const struct files *all, const char *name)
{
	unsigned n = 1;

	for (size_t i = 0; i < FILES; i++)
		for (size_t j = 0; name == names[i] && j < all->text[i].len;
		     j++)
			n += all->text[i].bytes[j] == '\n';
	return n;
}

/* Pairs, cut out of a copy of the value; they overlap nothing. */
static void
check_pairs(const char *value)
{
	size_t len = strlen(value);
	char *copy = fuzz_text(value, len), *text = copy, *key, *val;
	const char *last = copy;

	while (lex_pair(&text, &key, &val) == 1) {
		MUST(key >= last && *key != '\0');
		MUST(strpbrk(key, "= \t\n") == NULL);
		MUST(val > key + strlen(key));
		MUST(val + strlen(val) <= text && text <= copy + len);
		last = text;
	}
	free(copy);
}

static void
check_event(const struct files *all, const struct lex_event *ev)
{
	MUST(ev->section != NULL && strlen(ev->section) < LEX_SECTION_MAX);
	MUST(ev->line >= 1 && ev->line <= lines_of(all, ev->file));
	switch (ev->kind) {
	case LEX_SECTION:
		MUST(strchr(ev->section, '\n') == NULL);
		break;
	case LEX_PAIR:
		MUST(*ev->key != '\0' && strchr(ev->value, '\n') == NULL);
		check_pairs(ev->value);
		break;
	case LEX_FAULT:
		MUST(*ev->value != '\0');
		break;
	case LEX_END:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct files all = { 0 };
	struct lex_event ev;
	struct lex lex;

	for (size_t i = 0; i < FILES && (i == 0 || size > 0); i++) {
		const uint8_t *part;
		size_t len = fuzz_part(&data, &size, '\f', &part);

		all.text[i].name = names[i];
		all.text[i].bytes = fuzz_copy(part, len);
		all.text[i].len = len;
	}
	lex_init(&lex, &all.text[0], find, &all);
	for (lex_next(&lex, &ev); ev.kind != LEX_END; lex_next(&lex, &ev))
		check_event(&all, &ev);
	lex_next(&lex, &ev);
	MUST(ev.kind == LEX_END);
	lex_fini(&lex);
	for (size_t i = 0; i < FILES; i++)
		free((void *)(uintptr_t)all.text[i].bytes);
	return 0;
}

#include "worker/backend/intern.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS = 512 };

static struct interned *chains[CHAINS];

/*
 * FNV-1a, without a key: whoever makes texts collide walks through the chain
 * of his own, and is limited to the sets of his own connections.
 */
static uint32_t
hash_of(const char *text, uint32_t len)
{
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)text[i]) * 16777619u;
	return h;
}

struct interned *
intern_take(const char *text, uint32_t len)
{
	uint32_t hash = hash_of(text, len);
	struct interned **chain = &chains[hash % CHAINS], *s;

	for (s = *chain; s != NULL; s = s->next)
		if (s->hash == hash && s->len == len &&
		    memcmp(s->text, text, len) == 0)
			return intern_share(s);
	s = malloc(sizeof(*s) + len);
	if (s == NULL)
		return NULL;
	s->next = *chain;
	s->refs = 1;
	s->hash = hash;
	s->len = len;
	memcpy(s->text, text, len);
	*chain = s;
	return s;
}

struct interned *
intern_share(struct interned *s)
{
	if (s != NULL)
		s->refs++;
	return s;
}

void
intern_drop(struct interned *s)
{
	struct interned **at;

	if (s == NULL || --s->refs > 0)
		return;
	at = &chains[s->hash % CHAINS];
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	free(s);
}

void
intern_fini(void)
{
	for (int i = 0; i < CHAINS; i++)
		while (chains[i] != NULL) {
			struct interned *s = chains[i];

			chains[i] = s->next;
			free(s);
		}
}

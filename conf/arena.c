#include "conf/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "conf/compat.h"

#define CHUNK_BYTES 4096

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) unsigned char bytes[];
};

void
arena_init(struct arena *a)
{
	a->head = NULL;
}

void
arena_fini(struct arena *a)
{
	struct arena_chunk *c, *next;

	for (c = a->head; c != NULL; c = next) {
		next = c->next;
		compat_bzero(c->bytes, c->used);
		free(c);
	}
	a->head = NULL;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->head;
	const size_t align = _Alignof(max_align_t);
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + align - 1) / align * align;
	if (c == NULL || n > c->size - c->used) {
		size_t size = n > CHUNK_BYTES ? n : CHUNK_BYTES;

		c = calloc(1, sizeof(*c) + size);
		if (c == NULL)
			return NULL;
		c->size = size;
		c->next = a->head;
		a->head = c;
	}
	p = c->bytes + c->used;
	c->used += n;
	return p;
}

char *
arena_memdup(struct arena *a, const void *p, size_t n)
{
	char *copy;

	if (n == SIZE_MAX || (copy = arena_alloc(a, n + 1)) == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_memdup(a, s, strlen(s));
}

/*
 * fuzz.h - what the fuzz targets share.
 *
 * A target is one file, t/fuzz/FILE_fuzz.c, with LLVMFuzzerTestOneInput(): it
 * gives any bytes to the parser FILE and says with MUST() what has to hold.
 * libFuzzer calls it (`make fuzz`), or driver.c for the corpus (`make check`).
 *
 * A target reads nothing but its input: the same bytes, the same run.
 */
#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(3): it holds in every build. */
#define MUST(cond)                                                       \
	do {                                                             \
		if (!(cond)) {                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #cond);                            \
			abort();                                         \
		}                                                        \
	} while (0)

/* Bytes on the heap, no longer than they are: a sanitizer sees one too far. */
static inline void *
fuzz_copy(const void *p, size_t len)
{
	void *copy = malloc(len > 0 ? len : 1);

	MUST(copy != NULL);
	if (len > 0)
		memcpy(copy, p, len);
	return copy;
}

/* The same as a string: up to the first NUL in it. */
static inline char *
fuzz_text(const void *p, size_t len)
{
	char *copy = malloc(len + 1);

	MUST(copy != NULL);
	if (len > 0)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

/* The next byte of the input, cut off it; 0 when there is none. */
static inline uint8_t
fuzz_byte(const uint8_t **p, size_t *left)
{
	if (*left == 0)
		return 0;
	--*left;
	return *(*p)++;
}

/* A part of the input up to `end`, cut off it with `end`; its length. */
static inline size_t
fuzz_part(const uint8_t **p, size_t *left, uint8_t end, const uint8_t **part)
{
	const uint8_t *stop = *left > 0 ? memchr(*p, end, *left) : NULL;
	size_t len = stop == NULL ? *left : (size_t)(stop - *p);

	*part = *p;
	*p += len + (stop != NULL);
	*left -= len + (stop != NULL);
	return len;
}

/* A string that ends within its array. */
#define MUST_END(array) MUST(memchr((array), '\0', sizeof(array)) != NULL)

#endif

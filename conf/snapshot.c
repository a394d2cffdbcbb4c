/*
 * snapshot.c - a struct conf_files as bytes in a descriptor, and back.
 *
 *   "pooler snapshot 1\n"  files:u32 pins:u32
 *   each file: name bytes      each pin: how:u32 key value
 *
 * A string is its length, u32, and its bytes; numbers are in host order: the
 * reader is a child of the writer.  Whoever reads believes no length: each is
 * compared with what is left.
 */
#include "conf/files.h"

#include <sys/stat.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/compat.h"

static const char magic[] = "pooler snapshot 1\n";
static const char say[] = "the configuration cannot be handed on";

#define MAGIC_LEN (sizeof(magic) - 1)
/* names and pins beside the files' bytes; far more than they need */
#define SNAPSHOT_MAX (CONF_FILES_MAX_BYTES + ((size_t)16 << 20))

/* Bytes being put together, or taken apart. */
struct snap {
	char *p;
	size_t left;
};

/* --- write -------------------------------------------------------------- */

static void
put(struct snap *s, const void *p, size_t n)
{
	if (n > 0)
		memcpy(s->p, p, n);
	s->p += n;
	s->left -= n;
}

static void
put_u32(struct snap *s, size_t n)
{
	uint32_t v = (uint32_t)n;

	put(s, &v, sizeof(v));
}

static void
put_str(struct snap *s, const char *p, size_t len)
{
	put_u32(s, len);
	put(s, p, len);
}

static size_t
snap_size(const struct conf_files *files)
{
	size_t n = MAGIC_LEN + 2 * sizeof(uint32_t);

	for (size_t i = 0; i < files->count; i++)
		n += 2 * sizeof(uint32_t) + strlen(files->v[i].name) +
		    files->v[i].len;
	for (size_t i = 0; i < files->n_pins; i++)
		n += 3 * sizeof(uint32_t) + strlen(files->pins[i].key) +
		    strlen(files->pins[i].value);
	return n;
}

static void
snap_fill(const struct conf_files *files, struct snap *s)
{
	put(s, magic, MAGIC_LEN);
	put_u32(s, files->count);
	put_u32(s, files->n_pins);
	for (size_t i = 0; i < files->count; i++) {
		const struct conf_file *f = &files->v[i];

		put_str(s, f->name, strlen(f->name));
		put_str(s, f->bytes, f->len);
	}
	for (size_t i = 0; i < files->n_pins; i++) {
		const struct conf_pin *p = &files->pins[i];

		put_u32(s, (size_t)p->how);
		put_str(s, p->key, strlen(p->key));
		put_str(s, p->value, strlen(p->value));
	}
}

static int
write_all(int fd, const char *p, size_t len)
{
	size_t n = 0;

	while (n < len) {
		ssize_t put_n = pwrite(fd, p + n, len - n, (off_t)n);

		if (put_n == -1 && errno == EINTR)
			continue;
		if (put_n == -1)
			return -1;
		n += (size_t)put_n;
	}
	return ftruncate(fd, (off_t)len);
}

int
conf_files_save(const struct conf_files *files, int fd, struct err *e)
{
	size_t size = snap_size(files);
	struct snap s = { .left = size };
	char *bytes;
	int rc = 0;

	if (size > SNAPSHOT_MAX)
		return err_set(e, "F0000", say, "the snapshot is too large");
	bytes = malloc(size);
	if (bytes == NULL)
		return err_set(e, "53200", say, "snapshot: out of memory");
	s.p = bytes;
	snap_fill(files, &s);
	if (write_all(fd, bytes, size) == -1)
		rc = err_set(e, "58030", say, "cannot write a snapshot: %s",
		    strerror(errno));
	compat_bzero(bytes, size);
	free(bytes);
	return rc;
}

/* --- read --------------------------------------------------------------- */

static int
get_u32(struct snap *s, uint32_t *out)
{
	if (sizeof(*out) > s->left)
		return -1;
	memcpy(out, s->p, sizeof(*out));
	s->p += sizeof(*out);
	s->left -= sizeof(*out);
	return 0;
}

/* A copy with a NUL behind it; `is_text` refuses one with a NUL inside. */
static char *
get_str(struct snap *s, int is_text, size_t *len)
{
	uint32_t n;
	char *copy;

	if (get_u32(s, &n) == -1 || n > s->left)
		return NULL;
	if (is_text && memchr(s->p, '\0', n) != NULL)
		return NULL;
	copy = malloc((size_t)n + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, s->p, n);
	copy[n] = '\0';
	s->p += n;
	s->left -= n;
	*len = n;
	return copy;
}

static int
get_file(struct conf_files *files, struct snap *s)
{
	struct conf_file *f = &files->v[files->count];
	size_t unused;

	f->name = get_str(s, 1, &unused);
	if (f->name == NULL)
		return -1;
	f->bytes = get_str(s, 0, &f->len);
	if (f->bytes == NULL) {
		free(f->name);
		return -1;
	}
	files->count++;
	files->bytes += f->len;
	return files->bytes > CONF_FILES_MAX_BYTES ? -1 : 0;
}

static int
get_pin(struct conf_files *files, struct snap *s)
{
	struct conf_pin *p = &files->pins[files->n_pins];
	size_t unused;
	uint32_t how;

	if (get_u32(s, &how) == -1 || how > CONF_PIN_KEEP)
		return -1;
	p->how = (enum conf_pin_how)how;
	p->key = get_str(s, 1, &unused);
	if (p->key == NULL)
		return -1;
	p->value = get_str(s, 1, &unused);
	if (p->value == NULL) {
		free(p->key);
		return -1;
	}
	files->n_pins++;
	return 0;
}

static int
snap_parse(struct conf_files *files, struct snap *s)
{
	uint32_t n_files, n_pins;

	if (MAGIC_LEN > s->left || memcmp(s->p, magic, MAGIC_LEN) != 0)
		return -1;
	s->p += MAGIC_LEN;
	s->left -= MAGIC_LEN;
	if (get_u32(s, &n_files) == -1 || get_u32(s, &n_pins) == -1 ||
	    n_files > CONF_FILES_MAX || n_pins > CONF_FILES_MAX)
		return -1;
	/* calloc(0) may be NULL: one more than there are */
	files->v = calloc((size_t)n_files + 1, sizeof(*files->v));
	files->pins = calloc((size_t)n_pins + 1, sizeof(*files->pins));
	if (files->v == NULL || files->pins == NULL)
		return -1;
	while (files->count < n_files)
		if (get_file(files, s) == -1)
			return -1;
	while (files->n_pins < n_pins)
		if (get_pin(files, s) == -1)
			return -1;
	return s->left == 0 ? 0 : -1;
}

static int
read_all(int fd, char *p, size_t len)
{
	size_t n = 0;

	while (n < len) {
		ssize_t got = pread(fd, p + n, len - n, (off_t)n);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		n += (size_t)got;
	}
	return 0;
}

int
conf_files_restore(struct conf_files *files, int fd, struct err *e)
{
	struct snap s;
	struct stat st;
	char *bytes;
	size_t size;
	int rc = 0;

	conf_files_init(files);
	if (fstat(fd, &st) == -1)
		return err_set(
		    e, "58030", say, "snapshot: %s", strerror(errno));
	if (st.st_size < 0 || (uintmax_t)st.st_size > SNAPSHOT_MAX)
		return err_set(e, "F0000", say, "the snapshot is too large");
	size = (size_t)st.st_size;
	bytes = malloc(size + 1);
	if (bytes == NULL)
		return err_set(e, "53200", say, "snapshot: out of memory");
	s.p = bytes;
	s.left = size;
	if (read_all(fd, bytes, size) == -1 || snap_parse(files, &s) == -1) {
		conf_files_free(files);
		rc = err_set(e, "F0000", say, "the snapshot is torn");
	}
	compat_bzero(bytes, size);
	free(bytes);
	return rc;
}

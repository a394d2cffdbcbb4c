#include "conf/files.h"

#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/compat.h"
#include "conf/lex.h"
#include "conf/rulefiles.h"

#define STATE          "F0000" /* config_file_error */
#define NAME_MAX_BYTES 4096

static const char say[] = "the configuration cannot be read";

void
conf_files_init(struct conf_files *files)
{
	memset(files, 0, sizeof(*files));
}

static void
wipe(char *s, size_t len)
{
	if (s != NULL)
		compat_bzero(s, len);
	free(s);
}

void
conf_files_free(struct conf_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		free(files->v[i].name);
		wipe(files->v[i].bytes, files->v[i].len);
	}
	for (size_t i = 0; i < files->n_pins; i++) {
		free(files->pins[i].key);
		wipe(files->pins[i].value, strlen(files->pins[i].value));
	}
	free(files->v);
	free(files->pins);
	conf_files_init(files);
}

const struct conf_file *
conf_files_find(const struct conf_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->v[i].name, name) == 0)
			return &files->v[i];
	return NULL;
}

bool
conf_files_text(
    const struct conf_files *files, const char *name, struct lex_text *text)
{
	const struct conf_file *f = conf_files_find(files, name);

	if (f == NULL)
		return false;
	text->name = f->name;
	text->bytes = f->bytes;
	text->len = f->len;
	return true;
}

/*
 * One more file, with `len` bytes of room; NULL with `e` filled where there
 * are too many files, bytes or neither memory for them.
 */
static struct conf_file *
add_file(struct conf_files *files, const char *name, size_t len, struct err *e)
{
	struct conf_file *v, f = { .len = len };

	if (files->count == CONF_FILES_MAX) {
		err_set(e, STATE, say, "%s: too many files", name);
		return NULL;
	}
	if (len > CONF_FILES_MAX_BYTES - files->bytes) {
		err_set(e, STATE, say,
		    "%s: the configuration is larger than %zu MB", name,
		    CONF_FILES_MAX_BYTES >> 20);
		return NULL;
	}
	v = realloc(files->v, (files->count + 1) * sizeof(*v));
	if (v != NULL)
		files->v = v;
	f.name = strdup(name);
	f.bytes = malloc(len + 1);
	if (v == NULL || f.name == NULL || f.bytes == NULL) {
		free(f.name);
		free(f.bytes);
		err_set(e, "53200", say, "%s: out of memory", name);
		return NULL;
	}
	f.bytes[len] = '\0';
	files->v[files->count] = f;
	files->bytes += len;
	return &files->v[files->count++];
}

/* Take back the last one. */
static void
drop_file(struct conf_files *files)
{
	struct conf_file *f = &files->v[--files->count];

	files->bytes -= f->len;
	free(f->name);
	wipe(f->bytes, f->len);
}

/* Read up to `len` bytes from `off` on; how many there were, or -1. */
static ssize_t
read_at(int fd, char *to, size_t len, off_t off)
{
	size_t n = 0;

	while (n < len) {
		ssize_t got = pread(fd, to + n, len - n, off + (off_t)n);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int
read_fd(struct conf_files *files, const char *path, int fd, struct err *e)
{
	struct conf_file *f;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return err_set(e, STATE, say, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, STATE, say, "%s: not a regular file", path);
	if (st.st_size < 0 || (uintmax_t)st.st_size > CONF_FILES_MAX_BYTES)
		return err_set(e, STATE, say, "%s: too large", path);
	f = add_file(files, path, (size_t)st.st_size, e);
	if (f == NULL)
		return -1;
	n = read_at(fd, f->bytes, f->len, 0);
	if (n != (ssize_t)f->len) {
		/* cut while we looked: its writer is not done */
		err_set(e, STATE, say, "%s: %s", path,
		    n == -1 ? strerror(errno) : "changed while it was read");
		drop_file(files);
		return -1;
	}
	return 0;
}

int
conf_files_add(struct conf_files *files, const char *path, struct err *e)
{
	int fd, rc;

	if (conf_files_find(files, path) != NULL)
		return 0;
	if (strlen(path) >= NAME_MAX_BYTES)
		return err_set(e, STATE, say, "a file's name is too long");
	/* non-blocking: a FIFO of that name must not hold us up */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return err_set(e, STATE, say, "%s: %s", path, strerror(errno));
	rc = read_fd(files, path, fd, e);
	(void)close(fd);
	return rc;
}

static bool
find_on_disk(void *arg, const char *name, struct lex_text *text)
{
	struct conf_files *files = arg;
	const struct conf_file *f;

	if (conf_files_add(files, name, NULL) == -1)
		return false;
	f = conf_files_find(files, name);
	text->name = f->name;
	text->bytes = f->bytes;
	text->len = f->len;
	return true;
}

/* Settings of [pgbouncer] that name a file whose bytes count. */
static const char *const naming[] = { "auth_file", "client_tls_key_file",
	"client_tls_cert_file", "client_tls_ca_file", "server_tls_key_file",
	"server_tls_cert_file", "server_tls_ca_file" };

/* Those that name a file which may name others. */
static const char *const naming_rules[] = { "auth_hba_file",
	"auth_ident_file" };

/* The last file that `key` names in the files, or in a pin; "" for none. */
static void
find_named(struct conf_files *files, const char *key, char *path, size_t size)
{
	const struct conf_file *main_file = &files->v[0];
	struct lex_text text = { .name = main_file->name,
		.bytes = main_file->bytes,
		.len = main_file->len };
	struct lex_event ev;
	struct lex l;
	bool is_ours, is_pinned = false;

	path[0] = '\0';
	for (size_t i = 0; i < files->n_pins; i++) {
		const struct conf_pin *p = &files->pins[i];

		if (strcmp(p->key, key) == 0) {
			(void)compat_strlcpy(path, p->value, size);
			is_pinned = is_pinned || p->how != CONF_PIN_UNSET;
		}
	}
	lex_init(&l, &text, find_on_disk, files);
	do {
		lex_next(&l, &ev);
		is_ours = strcmp(ev.section, "pgbouncer") == 0 ||
		    strcmp(ev.section, "pooler") == 0;
		if (ev.kind == LEX_PAIR && is_ours && !is_pinned &&
		    strcmp(ev.key, key) == 0)
			(void)compat_strlcpy(path, ev.value, size);
	} while (ev.kind != LEX_END);
	lex_fini(&l);
}

int
conf_files_read(struct conf_files *files, const char *path, struct err *e)
{
	if (files->count != 0)
		return err_set(e, STATE, say, "files are read twice");
	if (conf_files_add(files, path, e) == -1)
		return -1;
	conf_files_read_named(files);
	return 0;
}

void
conf_files_read_named(struct conf_files *files)
{
	char path[NAME_MAX_BYTES];

	for (size_t i = 0; i < sizeof(naming) / sizeof(*naming); i++) {
		find_named(files, naming[i], path, sizeof(path));
		if (path[0] != '\0')
			(void)conf_files_add(files, path, NULL);
	}
	for (size_t i = 0; i < sizeof(naming_rules) / sizeof(*naming_rules);
	     i++) {
		find_named(files, naming_rules[i], path, sizeof(path));
		if (path[0] != '\0')
			rulefiles_read(files, path);
	}
}

/* --- what is to be read anew -------------------------------------------- */

struct marks {
	const struct conf_files *files;
	bool drop[CONF_FILES_MAX]; /* by index */
};

static bool
is_rules(const char *key)
{
	for (size_t i = 0; i < sizeof(naming_rules) / sizeof(*naming_rules);
	     i++)
		if (strcmp(key, naming_rules[i]) == 0)
			return true;
	return false;
}

/* Is what `name` names to be read anew when `key` changes? */
static bool
is_kin(const char *key, const char *name)
{
	static const char *const sides[] = { "client_tls", "server_tls" };

	for (size_t i = 0; i < sizeof(sides) / sizeof(*sides); i++)
		if (strncmp(key, sides[i], strlen(sides[i])) == 0)
			return strncmp(name, sides[i], strlen(sides[i])) == 0;
	return strcmp(key, name) == 0;
}

/* The main file and its includes are never dropped. */
static bool
find_and_keep(void *arg, const char *name, struct lex_text *text)
{
	struct marks *m = arg;
	const struct conf_file *f = conf_files_find(m->files, name);

	if (f == NULL)
		return false;
	m->drop[f - m->files->v] = false;
	text->name = f->name;
	text->bytes = f->bytes;
	text->len = f->len;
	return true;
}

static void
keep_main(struct marks *m)
{
	struct lex_text text;
	struct lex_event ev;
	struct lex l;

	if (!find_and_keep(m, m->files->v[0].name, &text))
		return;
	lex_init(&l, &text, find_and_keep, m);
	do
		lex_next(&l, &ev);
	while (ev.kind != LEX_END);
	lex_fini(&l);
}

/* Were we root when we read it, and may not any more? */
static bool
is_refused(const char *path)
{
	return access(path, R_OK) == -1 && (errno == EACCES || errno == EPERM);
}

/* Mark what is to be read anew, as the settings name it now. */
static void
mark_kin(struct conf_files *files, const char *key, struct marks *m)
{
	bool all = is_rules(key);
	char path[NAME_MAX_BYTES];
	const struct conf_file *f;

	m->files = files;
	/* a rule file is known by being no other */
	for (size_t i = 0; i < files->count; i++)
		m->drop[i] = all;
	for (size_t i = 0; i < sizeof(naming) / sizeof(*naming); i++) {
		if (!all && !is_kin(key, naming[i]))
			continue;
		find_named(files, naming[i], path, sizeof(path));
		f = conf_files_find(files, path);
		if (f != NULL)
			m->drop[f - files->v] = !all;
	}
	keep_main(m);
}

/*
 * Drop what was named or is.  How many are kept all the same: they are needed
 * and nobody could read them again.
 */
static size_t
drop_marked(
    struct conf_files *files, const struct marks *was, const struct marks *is)
{
	size_t kept = 0, refused = 0;

	for (size_t i = 0; i < files->count; i++) {
		struct conf_file *f = &files->v[i];
		bool is_needed = is->drop[i] && is_refused(f->name);

		refused += is_needed;
		if (is_needed || (!was->drop[i] && !is->drop[i])) {
			files->v[kept++] = *f;
			continue;
		}
		files->bytes -= f->len;
		free(f->name);
		wipe(f->bytes, f->len);
	}
	files->count = kept;
	return refused;
}

int
conf_files_set(struct conf_files *files, const char *key, const char *value,
    size_t *refused, struct err *e)
{
	struct marks was, is;

	*refused = 0;
	if (files->count == 0)
		return err_set(e, STATE, say, "there are no files");
	mark_kin(files, key, &was);
	if (conf_files_pin(files, CONF_PIN_SET, key, value, e) == -1)
		return -1;
	mark_kin(files, key, &is);
	*refused = drop_marked(files, &was, &is);
	conf_files_read_named(files);
	return 0;
}

int
conf_files_put(struct conf_files *files, const char *name, const char *bytes,
    size_t len, struct err *e)
{
	struct conf_file *f = add_file(files, name, len, e);

	if (f == NULL)
		return -1;
	if (len > 0)
		memcpy(f->bytes, bytes, len);
	return 0;
}

bool
conf_files_keep(
    struct conf_files *files, const char *path, const char *bytes, size_t len)
{
	struct conf_file *f;

	if (conf_files_find(files, path) != NULL || !is_refused(path))
		return false;
	f = add_file(files, path, len, NULL);
	if (f == NULL)
		return false;
	memcpy(f->bytes, bytes, len);
	return true;
}

int
conf_files_pin(struct conf_files *files, enum conf_pin_how how, const char *key,
    const char *value, struct err *e)
{
	struct conf_pin *pins, *p = NULL;
	char *copy = strdup(value);

	if (copy == NULL)
		goto no_memory;
	for (size_t i = 0; i < files->n_pins; i++)
		if (files->pins[i].how == how &&
		    strcmp(files->pins[i].key, key) == 0)
			p = &files->pins[i];
	if (p != NULL) {
		wipe(p->value, strlen(p->value));
		p->value = copy;
		return 0;
	}
	if (files->n_pins == CONF_FILES_MAX) {
		free(copy);
		return err_set(e, STATE, say, "too many pinned settings");
	}
	pins = realloc(files->pins, (files->n_pins + 1) * sizeof(*pins));
	if (pins == NULL)
		goto no_memory;
	files->pins = pins;
	p = &pins[files->n_pins];
	p->how = how;
	p->value = copy;
	p->key = strdup(key);
	if (p->key == NULL)
		goto no_memory;
	files->n_pins++;
	return 0;

no_memory:
	free(copy);
	return err_set(e, "53200", say, "out of memory");
}

#include "master/candidate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/keys.h"
#include "conf/log.h"

/* --- reading -------------------------------------------------------------- */

static int
pin(struct conf_files *files, const char *path,
    const struct candidate_source *s, struct err *e)
{
	char verbose[16];

	snprintf(verbose, sizeof(verbose), "%d", s->verbose);
	if (conf_files_pin(files, CONF_PIN_SET, "conffile", path, e) == -1 ||
	    (s->user != NULL &&
		conf_files_pin(files, CONF_PIN_SET, "user", s->user, e) ==
		    -1) ||
	    (s->verbose > 0 &&
		conf_files_pin(files, CONF_PIN_SET, "verbose", verbose, e) ==
		    -1))
		return -1;
	return 0;
}

/* As candidate_read(); `was` is what runs, or NULL at start. */
static struct conf *
read_after(const struct conf *was, const struct candidate_source *s,
    struct conf_files *files, struct conf_faults *faults)
{
	/* SET may have named another file */
	const char *path = was == NULL ? s->path : was->conffile;
	struct err e;

	conf_files_init(files);
	if (conf_files_read(files, path, &e) == -1 ||
	    pin(files, path, s, &e) == -1) {
		conf_faults_add(
		    faults, path, 0, "%s", e.log[0] != '\0' ? e.log : e.say);
		return NULL;
	}
	return was == NULL ? conf_load(files, faults)
			   : conf_reload(was, files, faults);
}

struct conf *
candidate_read(const struct candidate_source *s, struct conf_files *files,
    struct conf_faults *faults)
{
	return read_after(NULL, s, files, faults);
}

int
candidate_snapshot(const struct conf_files *files, struct candidate_why *why)
{
	struct err e;
	int fd = compat_memfd("pooler-conf");

	why->status = MSG_DONE_REFUSED;
	if (fd == -1) {
		snprintf(why->text, sizeof(why->text),
		    "no file for the snapshot: %s", strerror(errno));
	} else if (conf_files_save(files, fd, &e) == -1) {
		snprintf(why->text, sizeof(why->text), "%s", e.log);
		close(fd);
		fd = -1;
	}
	if (fd == -1)
		log_error(NULL, "%s", why->text);
	return fd;
}

/* The first fault, as the console shows it. */
static void
first_fault(const struct conf_faults *f, struct candidate_why *why)
{
	const size_t size = sizeof(why->text);

	snprintf(why->text, size, "the configuration is not valid");
	for (size_t i = 0; i < f->count; i++) {
		const struct conf_fault *v = &f->v[i];

		if (v->is_warning)
			continue;
		if (v->file[0] == '\0')
			snprintf(why->text, size, "%s", v->text);
		else if (v->line == 0)
			snprintf(why->text, size, "%s: %s", v->file, v->text);
		else
			snprintf(why->text, size, "%s:%u: %s", v->file, v->line,
			    v->text);
		return;
	}
}

/* `conf` with its snapshot; it is freed where there is none. */
static int
finish(struct conf *conf, const struct conf_files *files, struct candidate *out,
    struct candidate_why *why)
{
	out->conf = conf;
	out->fd = candidate_snapshot(files, why);
	if (out->fd != -1)
		return 0;
	conf_free(conf);
	return -1;
}

/* --- SET ------------------------------------------------------------------ */

enum { HALVES = 2 };

/* Of one side's TLS: what is given for its certificate and its key. */
struct pair {
	const char *const key[HALVES];
	char value[HALVES][MSG_SET_VALUE];
	bool is_held[HALVES];
};

static struct pair pairs[] = {
	{ .key = { "client_tls_cert_file", "client_tls_key_file" } },
	{ .key = { "server_tls_cert_file", "server_tls_key_file" } },
};

/* The pair that `key` is the half `*half` of; NULL: it is none. */
static struct pair *
pair_of(const char *key, int *half)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		for (*half = 0; *half < HALVES; ++*half)
			if (strcmp(pairs[i].key[*half], key) == 0)
				return &pairs[i];
	return NULL;
}

static void
forget(struct pair *p)
{
	memset(p->is_held, 0, sizeof(p->is_held));
}

void
candidate_fini(void)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		forget(&pairs[i]);
}

/* `set`, and what is held back for it; returns how many. */
static size_t
gather(const struct conf_setting *set, struct conf_setting v[HALVES])
{
	int half;
	const struct pair *p = pair_of(set->key, &half);
	int other = HALVES - 1 - half;

	v[0] = *set;
	if (p == NULL || !p->is_held[other])
		return 1;
	v[1] = (struct conf_setting){ p->key[other], p->value[other] };
	return 2;
}

/* Nothing is wrong but that the other half is missing: keep this one. */
static bool
hold(const struct conf_setting *set, const struct conf_faults *f,
    struct candidate_why *why)
{
	int half;
	struct pair *p = pair_of(set->key, &half);
	size_t n;

	if (p == NULL || f->faults == 0 || f->faults != f->halves ||
	    strlen(set->value) >= sizeof(p->value[half]))
		return false;
	(void)compat_strlcpy(
	    p->value[half], set->value, sizeof(p->value[half]));
	p->is_held[half] = true;
	first_fault(f, why);
	n = strlen(why->text);
	snprintf(why->text + n, sizeof(why->text) - n,
	    "; the pair in force stays until %s fits",
	    p->key[HALVES - 1 - half]);
	why->status = MSG_DONE_WELL;
	log_info(NULL, "SET %s: %s", set->key, why->text);
	return true;
}

static void
log_refusal(const struct conf_setting *set, const struct conf_faults *f)
{
	for (size_t i = 0; i < f->count; i++)
		log_warn(NULL, "SET %s: %s", set->key, f->v[i].text);
}

static struct conf *
load(int fd, const struct conf_setting *set, struct conf_files *files,
    struct conf_faults *faults, struct candidate_why *why)
{
	struct conf_setting v[HALVES];
	size_t n = gather(set, v);
	struct conf *fresh;
	struct err e;

	why->status = MSG_DONE_VALUE;
	if (conf_files_restore(files, fd, &e) == -1) {
		/* the value is not to blame */
		why->status = MSG_DONE_REFUSED;
		conf_faults_add(faults, NULL, 0, "%s", e.log);
		return NULL;
	}
	fresh = conf_set(files, v, n, faults);
	/* a reload goes on with the former log; here is somebody to be told */
	if (fresh != NULL && strcmp(set->key, "logfile") == 0 &&
	    fresh->logfile[0] != '\0' && log_try(fresh->logfile, &e) == -1) {
		conf_faults_add(faults, NULL, 0, "%s", e.log);
		conf_free(fresh);
		fresh = NULL;
	}
	return fresh;
}

int
candidate_set(int fd, const struct conf_setting *set, struct candidate *out,
    struct candidate_why *why)
{
	struct conf_faults faults;
	struct conf_files files;
	struct pair *p;
	struct conf *fresh;
	int half, rc = -1;

	conf_faults_init(&faults);
	fresh = load(fd, set, &files, &faults, why);
	if (fresh != NULL) {
		rc = finish(fresh, &files, out, why);
		p = pair_of(set->key, &half);
		if (rc == 0 && p != NULL)
			forget(p);
	} else if (!hold(set, &faults, why)) {
		first_fault(&faults, why);
		log_refusal(set, &faults);
	}
	conf_files_free(&files);
	conf_faults_free(&faults);
	return rc;
}

/* --- reload --------------------------------------------------------------- */

int
candidate_reload(const struct candidate_source *source,
    const struct conf *running, struct candidate *out,
    struct candidate_why *why)
{
	struct conf_faults faults;
	struct conf_files files;
	struct conf *fresh;
	int rc = -1;

	why->status = MSG_DONE_REFUSED;
	conf_faults_init(&faults);
	fresh = read_after(running, source, &files, &faults);
	conf_faults_log(&faults);
	if (fresh == NULL)
		first_fault(&faults, why);
	else
		rc = finish(fresh, &files, out, why);
	if (rc == 0)
		candidate_fini();
	conf_files_free(&files);
	conf_faults_free(&faults);
	return rc;
}

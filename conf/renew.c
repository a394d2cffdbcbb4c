/*
 * renew.c - a configuration that takes another one's place: after a reload
 * of all files, or with one setting changed (SET).
 *
 * Both leave the running one as it is and say in pins what the files do not,
 * so that whoever loads their snapshot builds the same.
 */
#include "conf/conf.h"

#include <string.h>
#include "conf/compat.h"
#include "conf/keys.h"

/*
 * Root read these; the user that we have become may not.  What they held then
 * is what they hold for us.
 */
static void
keep_tls_files(const struct conf *running, struct conf_files *files,
    struct conf_faults *faults)
{
	const struct {
		const char *path;
		const struct conf_bytes *b;
	} v[] = { { running->client_tls_key_file, &running->client_tls_key },
		{ running->client_tls_cert_file, &running->client_tls_cert },
		{ running->client_tls_ca_file, &running->client_tls_ca },
		{ running->server_tls_key_file, &running->server_tls_key },
		{ running->server_tls_cert_file, &running->server_tls_cert },
		{ running->server_tls_ca_file, &running->server_tls_ca } };

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++)
		if (v[i].b->p != NULL &&
		    conf_files_keep(files, v[i].path, v[i].b->p, v[i].b->len))
			conf_faults_warn(faults, v[i].path, 0,
			    "this user may not read it; what it held at start "
			    "stays in force");
}

struct conf *
conf_reload(const struct conf *running, struct conf_files *files,
    struct conf_faults *faults)
{
	struct err e = { .log = "" };
	char buf[32];

	for (size_t i = 0; i < keys_n_global; i++) {
		const struct conf_key *key = &keys_global[i];
		const char *value = keys_show(key, running, buf);
		int rc = 0;

		if (value == NULL)
			value = "";
		if (key->when == KEY_START)
			rc = conf_files_pin(
			    files, CONF_PIN_KEEP, key->name, value, &e);
		else if (key->dflt == NULL)
			rc = conf_files_pin(
			    files, CONF_PIN_UNSET, key->name, value, &e);
		if (rc == -1) {
			conf_faults_add(faults, NULL, 0, "%s", e.log);
			return NULL;
		}
	}
	conf_files_read_named(files);
	keep_tls_files(running, files, faults);
	return conf_load(files, faults);
}

/* --- SET ---------------------------------------------------------------- */

/* A line of the file cannot hold these either; a rule made of it must not. */
static bool
is_one_line(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

/* May it be set while we run? */
static bool
is_settable(const struct conf_setting *s, struct conf_faults *faults)
{
	const struct conf_key *key = keys_find(KEY_GLOBAL, s->key);

	if (key == NULL)
		conf_faults_add(
		    faults, NULL, 0, "unknown setting: %.63s", s->key);
	else if (key->when == KEY_START)
		conf_faults_add(
		    faults, NULL, 0, "%s: a change needs a restart", s->key);
	else if (!is_one_line(s->value))
		conf_faults_add(faults, NULL, 0,
		    "%s: a value has no control characters", s->key);
	else
		return true;
	return false;
}

struct conf *
conf_set(struct conf_files *files, const struct conf_setting *v, size_t n,
    struct conf_faults *faults)
{
	struct err e = { .log = "" };
	size_t refused;

	for (size_t i = 0; i < n; i++) {
		if (!is_settable(&v[i], faults))
			return NULL;
		if (conf_files_set(files, v[i].key, v[i].value, &refused, &e) ==
		    -1) {
			conf_faults_add(faults, NULL, 0, "%s", e.log);
			return NULL;
		}
		if (refused > 0)
			conf_faults_warn(faults, NULL, 0,
			    "%s: this user may not read %zu of the files; what "
			    "they held at start stays in force",
			    v[i].key, refused);
	}
	return conf_load(files, faults);
}

#include "conf/entry.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "conf/compat.h"
#include "conf/keys.h"
#include "conf/lex.h"
#include "conf/users.h"

/* Being built: the keys that are libpq's, as a string for libpq. */
struct conninfo {
	char *text;
	size_t len;
	size_t size;
};

/* Always -1. */
static int
fault(const struct entry_at *at, const char *what, const char *name,
    const char *text)
{
	conf_faults_add(at->faults, at->file, at->line, "%s \"%.63s\": %s",
	    what, name, text);
	return -1;
}

static bool
is_libpq(const struct conf_key *key)
{
	static const char *const names[] = { "dbname", "host", "port", "user",
		"password", "client_encoding", "application_name" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i], key->name) == 0)
			return true;
	return false;
}

/* The room is made for the worst; without the last quote libpq refuses. */
static void
conninfo_byte(struct conninfo *c, char byte)
{
	if (c->size - c->len < 2)
		return;
	c->text[c->len++] = byte;
	c->text[c->len] = '\0';
}

/* key='value' with libpq's escapes. */
static void
conninfo_add(struct conninfo *c, const char *key, const char *value)
{
	for (; *key != '\0'; key++)
		conninfo_byte(c, *key);
	conninfo_byte(c, '=');
	conninfo_byte(c, '\'');
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			conninfo_byte(c, '\\');
		conninfo_byte(c, *value);
	}
	conninfo_byte(c, '\'');
	conninfo_byte(c, ' ');
}

/* One key of an entry.  `c` is NULL where there is none for libpq. */
static int
set(const struct entry_at *at, enum key_scope scope, void *base,
    const char *key_name, const char *value, struct conninfo *c)
{
	const struct conf_key *key = keys_find(scope, key_name);
	char why[192];

	if (key == NULL) {
		conf_faults_add(at->faults, at->file, at->line,
		    "unrecognized connection parameter: %.63s", key_name);
		return -1;
	}
	if (c != NULL && is_libpq(key)) {
		conninfo_add(c, key->name, value);
		return 0;
	}
	if (keys_set(key, base, value, at->arena, why) == 0)
		return 0;
	conf_faults_add(at->faults, at->file, at->line, "%s", why);
	return -1;
}

/* key=value key=value ..., each to its field or to `c`. */
static int
set_pairs(const struct entry_at *at, enum key_scope scope, void *base,
    char *text, struct conninfo *c)
{
	char *key, *value;
	int more, rc = 0;

	while ((more = lex_pair(&text, &key, &value)) == 1)
		if (set(at, scope, base, key, value, c) == -1)
			rc = -1;
	if (more == -1) {
		conf_faults_add(at->faults, at->file, at->line,
		    "syntax error: key=value pairs are expected, and a quoted "
		    "value ends with a '");
		rc = -1;
	}
	return rc;
}

/* --- URIs --------------------------------------------------------------- */

static bool
is_uri(const char *text)
{
	return strncmp(text, "postgres://", 11) == 0 ||
	    strncmp(text, "postgresql://", 13) == 0;
}

/* Undo %XX in place; -1 for a bad one, and for %00. */
static int
percent_decode(char *s)
{
	char *out = s;

	for (; *s != '\0'; s++) {
		unsigned c;

		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		if (!isxdigit((unsigned char)s[1]) ||
		    !isxdigit((unsigned char)s[2]) ||
		    sscanf(s + 1, "%2x", &c) != 1 || c == 0)
			return -1;
		*out++ = (char)c;
		s += 2;
	}
	*out = '\0';
	return 0;
}

/*
 * Where a URI's parameters begin: behind its user and password, which may
 * have a ? of their own.
 */
static char *
uri_query(char *uri)
{
	char *start = strstr(uri, "://") + 3;
	char *p = start + strcspn(start, "@/");

	return strchr(*p == '@' ? p : start, '?');
}

/*
 * Take the pooler's keys out of a URI's parameters; libpq would refuse them.
 * What stays is moved together in place.
 */
static int
uri_strip(const struct entry_at *at, char *uri, struct conf_db *db)
{
	char *next = uri_query(uri), *out, *value;
	char sep = '?';
	int rc = 0;

	if (next == NULL)
		return 0;
	out = next++;
	for (char *p = next; p != NULL; p = next) {
		const struct conf_key *key;
		size_t len = strcspn(p, "&");

		next = p[len] == '&' ? p + len + 1 : NULL;
		p[len] = '\0';
		value = strchr(p, '=');
		if (value != NULL)
			*value = '\0';
		key = keys_find(KEY_DB, p);
		if (value == NULL || key == NULL || is_libpq(key)) {
			if (value != NULL)
				*value = '=';
			*out++ = sep;
			memmove(out, p, len);
			out += len;
			sep = '&';
		} else if (percent_decode(++value) == -1) {
			rc = fault(
			    at, "parameter", p, "a % without its two digits");
		} else if (set(at, KEY_DB, db, p, value, NULL) == -1) {
			rc = -1;
		}
	}
	*out = '\0';
	return rc;
}

/* --- [databases] -------------------------------------------------------- */

static int
take_option(
    const struct entry_at *at, const PQconninfoOption *o, struct conf_db *db)
{
	const char *value = o->val;

	if (strcmp(o->keyword, "password") == 0)
		db->has_password = 1;
	if (strcmp(o->keyword, "port") == 0) {
		if (value[0] == '\0')
			return 0;
		if (strchr(value, ',') != NULL)
			return fault(at, "database", db->name,
			    "all its hosts have the same port");
	}
	return set(at, KEY_DB, db, o->keyword, value, NULL);
}

/* Let libpq parse, and take what it found. */
static int
take_conninfo(const struct entry_at *at, const char *text, struct conf_db *db)
{
	char *message = NULL;
	PQconninfoOption *opts = PQconninfoParse(text, &message);
	int rc = 0;

	if (opts == NULL) {
		/* libpq's sentence may repeat the password */
		fault(
		    at, "database", db->name, "not a valid connection string");
		PQfreemem(message);
		return -1;
	}
	for (PQconninfoOption *o = opts; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		if (take_option(at, o, db) == -1)
			rc = -1;
		compat_bzero(o->val, strlen(o->val));
	}
	PQconninfoFree(opts);
	return rc;
}

static int
take_db(const struct entry_at *at, char *text, struct conf_db *db)
{
	/* a byte becomes two at most, and no pair grows by more than that */
	struct conninfo c = { .size = strlen(text) * 2 + 1 };
	char *uri = NULL;
	int rc = 0;

	c.text = arena_alloc(at->arena, c.size);
	if (c.text == NULL)
		return fault(at, "database", db->name, "out of memory");
	if (is_uri(text)) {
		uri = text;
		text += strcspn(text, " \t");
		if (*text != '\0')
			*text++ = '\0';
		rc = uri_strip(at, uri, db);
	}
	if (set_pairs(at, KEY_DB, db, text, &c) == -1)
		rc = -1;
	if (uri != NULL && take_conninfo(at, uri, db) == -1)
		rc = -1;
	/* pairs behind a URI go before what it says */
	if (c.len > 0 && take_conninfo(at, c.text, db) == -1)
		rc = -1;
	return rc;
}

int
entry_db(const struct entry_at *at, const char *name, const char *value,
    struct conf_db *out)
{
	char *text = arena_strdup(at->arena, value);

	memset(out, 0, sizeof(*out));
	keys_default(KEY_DB, out);
	out->file = at->file;
	out->line = at->line;
	out->name = arena_strdup(at->arena, name);
	if (text == NULL || out->name == NULL)
		return fault(at, "database", name, "out of memory");
	if (strlen(name) > CONF_DBNAME_MAX)
		return fault(at, "database", name, "the name is too long");
	if (strcmp(name, "pgbouncer") == 0)
		return fault(at, "database", name, "the name is the console's");
	if (take_db(at, text, out) == -1)
		return -1;
	if (strlen(out->user) > USERS_NAME_MAX)
		return fault(
		    at, "database", name, "the user's name is too long");
	if (out->dbname[0] == '\0' && strcmp(name, "*") != 0)
		out->dbname = out->name;
	return 0;
}

/* --- [users], [peers] --------------------------------------------------- */

int
entry_user(const struct entry_at *at, const char *name, const char *value,
    struct conf_user *out)
{
	char *text = arena_strdup(at->arena, value);

	memset(out, 0, sizeof(*out));
	keys_default(KEY_USER, out);
	out->file = at->file;
	out->line = at->line;
	out->name = arena_strdup(at->arena, name);
	if (text == NULL || out->name == NULL)
		return fault(at, "user", name, "out of memory");
	if (strlen(name) > USERS_NAME_MAX)
		return fault(at, "user", name, "the name is too long");
	return set_pairs(at, KEY_USER, out, text, NULL);
}

int
entry_peer(const struct entry_at *at, const char *name, const char *value,
    struct conf_peer *out)
{
	char *text = arena_strdup(at->arena, value);
	int64_t id;

	memset(out, 0, sizeof(*out));
	keys_default(KEY_PEER, out);
	if (text == NULL)
		return fault(at, "peer", name, "out of memory");
	if (value_int(name, 1, CONF_PEER_ID_MAX, &id) == -1)
		return fault(
		    at, "peer", name, "its id is a number from 1 to 16383");
	out->id = (int)id;
	if (set_pairs(at, KEY_PEER, out, text, NULL) == -1)
		return -1;
	if (out->host[0] == '\0')
		return fault(at, "peer", name, "it has no host");
	return 0;
}

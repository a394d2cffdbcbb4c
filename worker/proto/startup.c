/* startup.c - the packets that come before any type byte, both ways. */
#include "worker/proto/startup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/compat.h"
#include "worker/proto/field.h"

#define CODE_PROTOCOL3 0x00030000u
#define CODE_CANCEL    80877102u
#define CODE_SSL       80877103u
#define CODE_GSSENC    80877104u

static int
bad_length(struct err *e, uint32_t len)
{
	return err_set(e, "08P01", "invalid length of startup packet",
	    "invalid length of startup packet: %u", (unsigned)len);
}

static int
parse_cancel(struct field *f, struct startup *out, struct err *e)
{
	out->kind = STARTUP_CANCEL;
	out->pid = field_int32(f);
	out->key_len = f->left;
	out->key = field_bytes(f, f->left);
	if (f->bad || out->key_len < STARTUP_KEY_MIN ||
	    out->key_len > STARTUP_KEY_MAX)
		return err_set(e, "08P01", "invalid cancel request",
		    "invalid length of a cancel request: %zu", out->size);
	return 0;
}

bool
startup_next(
    const struct startup *s, size_t *pos, const char **name, const char **value)
{
	struct field f;

	if (*pos >= s->params_len)
		return false;
	field_init(&f, s->params + *pos, s->params_len - *pos);
	*name = field_str(&f);
	*value = field_str(&f);
	if (f.bad)
		return false;
	*pos = s->params_len - f.left;
	return true;
}

/* Pairs to the empty name, which must be the packet's last byte. */
static int
find_pairs(struct field *f, struct startup *out, struct err *e)
{
	out->params = f->p;
	out->params_len = f->left > 0 ? f->left - 1 : 0;
	for (;;) {
		const char *name = field_str(f);

		if (f->bad || *name == '\0')
			break;
		field_str(f);
	}
	if (!field_is_done(f))
		return err_set(e, "08P01",
		    "invalid startup packet layout: "
		    "expected terminator as last byte",
		    "invalid startup packet layout");
	return 0;
}

static int
check_names(const struct startup *s, struct err *e)
{
	if (s->user == NULL || *s->user == '\0')
		return err_set(e, "28000",
		    "no PostgreSQL user name specified in startup packet",
		    "startup packet without a user name");
	if (strlen(s->user) > STARTUP_USER_MAX)
		return err_set(e, "08P01", "user name is too long",
		    "user name of %zu bytes", strlen(s->user));
	if (strlen(s->database) > STARTUP_DATABASE_MAX)
		return err_set(e, "08P01", "database name is too long",
		    "database name of %zu bytes", strlen(s->database));
	return 0;
}

/* Does `value` begin `word`, with at least `min` letters of it? */
static bool
is_short_for(const char *value, const char *word, size_t min)
{
	size_t n = strlen(value);

	return n >= min && n <= strlen(word) &&
	    strncasecmp(value, word, n) == 0;
}

/* As PostgreSQL reads it: "database", or a boolean. */
static int
parse_replication(
    const char *value, enum startup_replication *out, struct err *e)
{
	char say[sizeof(e->say)];

	if (strcmp(value, "database") == 0)
		*out = STARTUP_LOGICAL;
	else if (is_short_for(value, "true", 1) ||
	    is_short_for(value, "yes", 1) || is_short_for(value, "on", 2) ||
	    strcmp(value, "1") == 0)
		*out = STARTUP_PHYSICAL;
	else if (is_short_for(value, "false", 1) ||
	    is_short_for(value, "no", 1) || is_short_for(value, "off", 2) ||
	    strcmp(value, "0") == 0)
		*out = STARTUP_NORMAL;
	else {
		snprintf(say, sizeof(say),
		    "invalid value for parameter \"replication\": \"%s\"",
		    value);
		return err_set(e, "22023", say, "%s", say);
	}
	return 0;
}

static int
parse_session(struct field *f, struct startup *out, struct err *e)
{
	const char *name, *value, *replication = NULL;
	size_t pos = 0;

	out->kind = STARTUP_SESSION;
	if (find_pairs(f, out, e) == -1)
		return -1;
	while (startup_next(out, &pos, &name, &value)) {
		if (strcmp(name, "user") == 0)
			out->user = value;
		else if (strcmp(name, "database") == 0)
			out->database = value;
		else if (strcmp(name, "options") == 0)
			out->options = value;
		else if (strcmp(name, "replication") == 0)
			replication = value;
		else if (strncmp(name, "_pq_.", 5) == 0)
			out->pq_options++;
	}
	if (out->database == NULL || *out->database == '\0')
		out->database = out->user;
	if (replication != NULL &&
	    parse_replication(replication, &out->replication, e) == -1)
		return -1;
	return check_names(out, e);
}

static int
parse_body(struct field *f, struct startup *out, struct err *e)
{
	uint32_t code = (uint32_t)field_int32(f);
	char say[sizeof(e->say)];

	if (code == CODE_CANCEL)
		return parse_cancel(f, out, e);
	if (code == CODE_SSL || code == CODE_GSSENC) {
		out->kind = code == CODE_SSL ? STARTUP_SSL : STARTUP_GSSENC;
		if (field_is_done(f))
			return 0;
		return bad_length(e, (uint32_t)out->size);
	}
	if (code >> 16 == CODE_PROTOCOL3 >> 16) {
		out->minor = (uint16_t)code;
		return parse_session(f, out, e);
	}
	snprintf(say, sizeof(say),
	    "unsupported frontend protocol %u.%u: server supports 3.0 to 3.%u",
	    (unsigned)(code >> 16), (unsigned)(code & 0xffff),
	    (unsigned)STARTUP_MINOR);
	return err_set(e, "0A000", say, "%s", say);
}

enum result
startup_parse(
    const uint8_t *p, size_t avail, struct startup *out, struct err *e)
{
	struct field f;
	uint32_t len;

	memset(out, 0, sizeof(*out));
	if (avail < 4)
		return WAIT;
	len = frame_get32(p);
	if (len < STARTUP_MIN || len > STARTUP_MAX) {
		bad_length(e, len);
		return FAIL;
	}
	if (avail < len)
		return WAIT;
	out->size = len;
	field_init(&f, p + 4, len - 4);
	return parse_body(&f, out, e) == -1 ? FAIL : DONE;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Copy the next word, unescaped, to `word`; the rest of the string, or NULL
 * when there is no word or it does not fit.
 */
static const char *
next_word(const char *s, char *word, size_t size)
{
	size_t n = 0;

	while (is_space(*s))
		s++;
	if (*s == '\0')
		return NULL;
	for (; *s != '\0' && !is_space(*s); s++) {
		if (*s == '\\' && *++s == '\0')
			break;
		if (n + 1 >= size)
			return NULL;
		word[n++] = *s;
	}
	word[n] = '\0';
	return s;
}

/* Split "name=value" in place; NULL if it is none. */
static char *
split_setting(char *setting)
{
	char *eq = strchr(setting, '=');

	if (eq == NULL || eq == setting)
		return NULL;
	*eq = '\0';
	for (char *c = setting; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
	return eq + 1;
}

/* One setting into `word`, as name=value; the rest, or NULL if malformed. */
static const char *
next_setting(const char *s, char *word, size_t size)
{
	if ((s = next_word(s, word, size)) == NULL)
		return NULL;
	if (strcmp(word, "-c") == 0)
		return next_word(s, word, size);
	if (strncmp(word, "-c", 2) != 0 && strncmp(word, "--", 2) != 0)
		return NULL;
	memmove(word, word + 2, strlen(word + 2) + 1);
	return s;
}

int
startup_options(const char *options,
    int (*on)(void *arg, const char *name, const char *value, struct err *e),
    void *arg, struct err *e)
{
	char word[STARTUP_MAX];
	char *value;

	for (;;) {
		while (is_space(*options))
			options++;
		if (*options == '\0')
			return 0;
		options = next_setting(options, word, sizeof(word));
		if (options == NULL || (value = split_setting(word)) == NULL)
			return err_set(e, "08P01",
			    "unsupported options startup parameter: only '-c "
			    "config=val' and '--config=val' are allowed",
			    "unsupported options startup parameter");
		if (on(arg, word, value, e) == -1)
			return -1;
	}
}

int
startup_refuse(struct err *e, const char *name, bool in_options)
{
	char say[sizeof(e->say)];

	snprintf(say, sizeof(say), "unsupported startup parameter%s: %s",
	    in_options ? " in options" : "", name);
	return err_set(e, "08P01", say, "%s", say);
}

uint16_t
startup_minor(const struct startup *s)
{
	if (s->minor > STARTUP_MINOR)
		return STARTUP_MINOR;
	return s->minor == 1 ? 0 : s->minor;
}

bool
startup_is_newer(const struct startup *s)
{
	return s->minor != startup_minor(s) || s->pq_options > 0;
}

void
startup_negotiate(struct wire *w, const struct startup *s)
{
	const char *name, *value;
	size_t pos = 0;

	wire_begin(w, 'v');
	wire_int32(w, CODE_PROTOCOL3 | startup_minor(s));
	wire_int32(w, s->pq_options);
	while (startup_next(s, &pos, &name, &value))
		if (strncmp(name, "_pq_.", 5) == 0)
			wire_str(w, name);
	wire_end(w);
}

static void
begin_session(struct wire *w, uint16_t minor, const char *user,
    const char *database, const struct startup_pair *more, size_t n_more)
{
	wire_begin(w, 0);
	wire_int32(w, CODE_PROTOCOL3 | minor);
	wire_str(w, "user");
	wire_str(w, user);
	wire_str(w, "database");
	wire_str(w, database);
	for (size_t i = 0; i < n_more; i++) {
		wire_str(w, more[i].name);
		wire_str(w, more[i].value);
	}
}

static void
end_session(struct wire *w)
{
	wire_byte(w, 0);
	wire_end(w);
}

void
startup_build(struct wire *w, uint16_t minor, const char *user,
    const char *database, const struct startup_pair *more, size_t n_more)
{
	begin_session(w, minor, user, database, more, n_more);
	end_session(w);
}

/* What a client may say that is not about the connection itself. */
static bool
is_setting(const char *name)
{
	return strcmp(name, "user") != 0 && strcmp(name, "database") != 0 &&
	    strcmp(name, "replication") != 0 && strncmp(name, "_pq_.", 5) != 0;
}

void
startup_build_own(struct wire *w, uint16_t minor, const char *user,
    const char *database, enum startup_replication kind,
    const struct startup_pair *more, size_t n_more, const uint8_t *params,
    size_t params_len)
{
	const struct startup s = { .params = params, .params_len = params_len };
	const char *name, *value;
	size_t pos = 0;

	begin_session(w, minor, user, database, more, n_more);
	while (startup_next(&s, &pos, &name, &value))
		if (is_setting(name)) {
			wire_str(w, name);
			wire_str(w, value);
		}
	if (kind != STARTUP_NORMAL) {
		wire_str(w, "replication");
		wire_str(w, kind == STARTUP_LOGICAL ? "database" : "true");
	}
	end_session(w);
}

int
startup_negotiated(
    const uint8_t *body, size_t len, uint16_t minor, struct err *e)
{
	struct field f;
	uint32_t version, options;

	field_init(&f, body, len);
	version = (uint32_t)field_int32(&f);
	options = (uint32_t)field_int32(&f);
	if (!field_is_done(&f))
		return err_set(e, "08P01", "server login failed",
		    "malformed NegotiateProtocolVersion");
	if (version >> 16 != CODE_PROTOCOL3 >> 16 ||
	    (version & 0xffff) >= minor || options != 0)
		return err_set(e, "08P01", "server login failed",
		    "server wants protocol %u.%u and knows not %u options: "
		    "it was asked for 3.%u",
		    (unsigned)(version >> 16), (unsigned)(version & 0xffff),
		    (unsigned)options, (unsigned)minor);
	return 0;
}

void
startup_build_ssl(struct wire *w)
{
	wire_begin(w, 0);
	wire_int32(w, CODE_SSL);
	wire_end(w);
}

void
startup_build_cancel(
    struct wire *w, int32_t pid, const uint8_t *key, size_t key_len)
{
	wire_begin(w, 0);
	wire_int32(w, CODE_CANCEL);
	wire_int32(w, (uint32_t)pid);
	wire_bytes(w, key, key_len);
	wire_end(w);
}

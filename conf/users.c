#include "conf/users.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "conf/arena.h"
#include "conf/compat.h"
#include "conf/value.h"

#define SCRAM_PREFIX "SCRAM-SHA-256$"
#define B64_MAX      256 /* characters; more than a salt of the longest */

struct users {
	struct user *v;
	size_t count, room;
	uint32_t *table; /* index + 1 into v, or 0; open addressing */
	size_t mask;     /* its size, a power of two, minus 1 */
	unsigned kinds;  /* that anybody has, a bit each */
	struct arena arena;
};

/* --- secrets ------------------------------------------------------------ */

/*
 * Strict base64 of `len` characters into at most `size` bytes; how many, or
 * -1.  OpenSSL's decoder passes over space and counts padding as zero bytes,
 * so the text is checked first.
 */
static int
base64(const char *text, size_t len, uint8_t *out, size_t size)
{
	unsigned char raw[B64_MAX / 4 * 3];
	size_t pad = 0, n;
	int rc = -1;

	if (len == 0 || len > B64_MAX || len % 4 != 0)
		return -1;
	while (pad < 2 && text[len - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < len - pad; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '+' &&
		    text[i] != '/')
			return -1;
	n = len / 4 * 3 - pad;
	/* one text for each value: no bits behind the last byte */
	if (n <= size &&
	    EVP_DecodeBlock(raw, (const unsigned char *)text, (int)len) ==
		(int)(len / 4 * 3) &&
	    (pad == 0 || raw[n] == 0)) {
		memcpy(out, raw, n);
		rc = (int)n;
	}
	compat_bzero(raw, sizeof(raw));
	return rc;
}

int
users_parse_scram(const char *secret, struct user_scram *out)
{
	const char *iter, *salt, *stored, *server;
	char digits[12];
	int64_t n;
	int len;

	if (strncmp(secret, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) != 0)
		return -1;
	iter = secret + strlen(SCRAM_PREFIX);
	if ((salt = strchr(iter, ':')) == NULL ||
	    (stored = strchr(salt, '$')) == NULL ||
	    (server = strchr(stored, ':')) == NULL)
		return -1;
	if ((size_t)(salt - iter) >= sizeof(digits) || iter[0] == '0')
		return -1;
	memcpy(digits, iter, (size_t)(salt - iter));
	digits[salt - iter] = '\0';
	if (!isdigit((unsigned char)digits[0]) ||
	    value_int(digits, 1, INT32_MAX, &n) == -1)
		return -1;
	salt++;
	stored++;
	server++;
	len = base64(
	    salt, (size_t)(stored - 1 - salt), out->salt, sizeof(out->salt));
	if (len < 1 ||
	    base64(stored, (size_t)(server - 1 - stored), out->stored_key,
		USERS_KEY) != USERS_KEY ||
	    base64(server, strlen(server), out->server_key, USERS_KEY) !=
		USERS_KEY)
		return -1;
	out->iterations = (uint32_t)n;
	out->salt_len = (uint32_t)len;
	return 0;
}

enum user_kind
users_kind(const char *secret)
{
	struct user_scram scram;
	int rc;

	if (secret[0] == '\0')
		return USER_NONE;
	if (strncmp(secret, SCRAM_PREFIX, strlen(SCRAM_PREFIX)) == 0) {
		rc = users_parse_scram(secret, &scram);
		compat_bzero(&scram, sizeof(scram));
		return rc == 0 ? USER_SCRAM : USER_NONE;
	}
	if (strncmp(secret, "md5", 3) != 0)
		return USER_PLAIN;
	/* as in PostgreSQL: in capitals it is somebody's password */
	return strlen(secret) == 35 &&
		strspn(secret + 3, "0123456789abcdef") == 32
	    ? USER_MD5
	    : USER_PLAIN;
}

/* --- the table ---------------------------------------------------------- */

/* FNV-1a; the names are the operator's, nobody floods it. */
static size_t
hash(const char *s)
{
	uint64_t h = 14695981039346656037U;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211U;
	return (size_t)(h ^ h >> 32);
}

/* The name's place in the table, or the free one where it would be. */
static uint32_t *
place(const struct users *u, const char *name)
{
	size_t i = hash(name) & u->mask;

	while (
	    u->table[i] != 0 && strcmp(u->v[u->table[i] - 1].name, name) != 0)
		i = (i + 1) & u->mask;
	return &u->table[i];
}

/* Room for one more: twice of both, and the table never more than half full. */
static bool
grow(struct users *u)
{
	size_t room = u->room == 0 ? 16 : u->room * 2;
	struct user *v;
	uint32_t *table;

	if (u->count < u->room)
		return true;
	v = realloc(u->v, room * sizeof(*v));
	if (v == NULL)
		return false;
	u->v = v;
	table = calloc(room * 2, sizeof(*table));
	if (table == NULL)
		return false;
	free(u->table);
	u->table = table;
	u->room = room;
	u->mask = room * 2 - 1;
	for (size_t i = 0; i < u->count; i++)
		*place(u, u->v[i].name) = (uint32_t)i + 1;
	return true;
}

static bool
add(struct users *u, const struct user *user)
{
	uint32_t *at;

	if (!grow(u))
		return false;
	at = place(u, user->name);
	if (*at == 0)
		*at = (uint32_t)++u->count;
	u->v[*at - 1] = *user;
	u->kinds |= 1u << user->kind;
	return true;
}

const struct user *
users_find(const struct users *u, const char *name)
{
	uint32_t at;

	if (u == NULL || u->count == 0)
		return NULL;
	at = *place(u, name);
	return at == 0 ? NULL : &u->v[at - 1];
}

bool
users_has(const struct users *u, enum user_kind kind)
{
	return u != NULL && (u->kinds & 1u << kind) != 0;
}

size_t
users_count(const struct users *u)
{
	return u == NULL ? 0 : u->count;
}

const struct user *
users_at(const struct users *u, size_t i)
{
	return u == NULL || i >= u->count ? NULL : &u->v[i];
}

void
users_free(struct users *u)
{
	if (u == NULL)
		return;
	arena_fini(&u->arena);
	free(u->v);
	free(u->table);
	free(u);
}

/* --- the file ----------------------------------------------------------- */

/* One line; what is read of it is cut off its front. */
struct line {
	const char *p;
	size_t len;
	const char *file;
	unsigned number;
	struct conf_faults *faults;
};

static void
skip_to_quote(struct line *l)
{
	while (l->len > 0 && l->p[0] != '"') {
		l->p++;
		l->len--;
	}
}

/* A "word" with its "" undone, in `u`'s arena; NULL with the fault told. */
static char *
take_word(struct users *u, struct line *l, const char *what, size_t max)
{
	size_t i, n = 0;
	bool closed = false;
	char *word;

	if (l->len == 0 || l->p[0] != '"') {
		conf_faults_add(l->faults, l->file, l->number,
		    "broken user file: no \" before the %s", what);
		return NULL;
	}
	word = arena_alloc(&u->arena, l->len);
	if (word == NULL) {
		conf_faults_add(l->faults, l->file, l->number, "out of memory");
		return NULL;
	}
	for (i = 1; i < l->len && !closed; i++) {
		if (l->p[i] == '"') {
			/* a second quote stands for one */
			closed = l->len - i < 2 || l->p[i + 1] != '"';
			if (closed)
				continue;
			i++;
		}
		word[n++] = l->p[i];
	}
	if (!closed) {
		conf_faults_add(l->faults, l->file, l->number,
		    "broken user file: no \" behind the %s", what);
		return NULL;
	}
	if (n > max) {
		conf_faults_add(l->faults, l->file, l->number,
		    "the %s is longer than %zu bytes", what, max);
		return NULL;
	}
	l->p += i;
	l->len -= i;
	return word;
}

/* "name" "secret" rest: -1 with the fault told. */
static int
take_user(struct users *u, struct line *l)
{
	struct user user = { 0 };
	struct user_scram *scram;

	user.name = take_word(u, l, "user name", USERS_NAME_MAX);
	if (user.name == NULL)
		return -1;
	skip_to_quote(l);
	user.secret = take_word(u, l, "password", USERS_SECRET_MAX);
	if (user.secret == NULL)
		return -1;
	if (user.name[0] == '\0') {
		conf_faults_warn(l->faults, l->file, l->number,
		    "an entry without a name is ignored");
		return 0;
	}
	user.kind = users_kind(user.secret);
	if (user.kind == USER_NONE && user.secret[0] != '\0')
		conf_faults_warn(l->faults, l->file, l->number,
		    "the SCRAM verifier of \"%s\" is malformed: nobody can "
		    "log in with it",
		    user.name);
	if (user.kind == USER_SCRAM) {
		scram = arena_alloc(&u->arena, sizeof(*scram));
		if (scram == NULL)
			goto no_memory;
		(void)users_parse_scram(user.secret, scram);
		user.scram = scram;
	}
	if (add(u, &user))
		return 0;
no_memory:
	conf_faults_add(l->faults, l->file, l->number, "out of memory");
	return -1;
}

/* The line at the front of `text`, which is cut off; space is, too. */
static void
take_line(struct line *l, const char **text, size_t *left)
{
	const char *end = memchr(*text, '\n', *left);
	size_t n = end == NULL ? *left : (size_t)(end - *text);

	l->p = *text;
	l->len = n;
	l->number++;
	n += end != NULL;
	*text += n;
	*left -= n;
	while (l->len > 0 && isspace((unsigned char)l->p[0])) {
		l->p++;
		l->len--;
	}
}

struct users *
users_new(
    const char *bytes, size_t len, const char *file, struct conf_faults *faults)
{
	struct users *u = calloc(1, sizeof(*u));
	struct line l = { .file = file, .faults = faults };
	bool failed = false;

	if (u == NULL) {
		conf_faults_add(faults, file, 0, "out of memory");
		return NULL;
	}
	arena_init(&u->arena);
	while (len > 0) {
		take_line(&l, &bytes, &len);
		if (l.len == 0 || l.p[0] == ';')
			continue;
		if (memchr(l.p, '\0', l.len) != NULL) {
			conf_faults_add(
			    faults, file, l.number, "a NUL byte in the line");
			failed = true;
		} else if (take_user(u, &l) == -1) {
			failed = true;
		}
	}
	if (!failed)
		return u;
	users_free(u);
	return NULL;
}

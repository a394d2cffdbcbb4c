/*
 * users.h - the user file: who exists, and how each proves it.
 *
 *   "name" "secret" anything
 *   ; comment
 *
 * A secret is plain text, md5 + 32 hex digits, or a SCRAM-SHA-256 verifier.
 * Once loaded it is const, until it is freed as a whole and wiped.
 */
#ifndef CONF_USERS_H
#define CONF_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/faults.h"

#define USERS_NAME_MAX   127
#define USERS_SECRET_MAX 65530
#define USERS_SALT_MAX   128
#define USERS_KEY        32 /* bytes of a SCRAM-SHA-256 key */

enum user_kind {
	USER_NONE, /* nobody can log in: empty, or a torn verifier */
	USER_PLAIN,
	USER_MD5,
	USER_SCRAM
};

struct user_scram {
	uint32_t iterations;
	uint32_t salt_len;
	uint8_t salt[USERS_SALT_MAX];
	uint8_t stored_key[USERS_KEY];
	uint8_t server_key[USERS_KEY];
};

struct user {
	const char *name;
	const char *secret; /* as in the file; never NULL */
	enum user_kind kind;
	const struct user_scram *scram; /* NULL unless USER_SCRAM */
};

struct users;

/*
 * Parse `len` bytes.  NULL when there was a fault; a name that stands there
 * twice has its last secret.  `file` is for the faults' texts.
 */
struct users *users_new(const char *bytes, size_t len, const char *file,
    struct conf_faults *faults);
void users_free(struct users *u); /* wipes; NULL is allowed */

/*
 * By name, through a hash; NULL: unknown.  `u` may be NULL: it knows nobody.
 */
const struct user *users_find(const struct users *u, const char *name);

/* Is there anybody with a secret of this kind? */
bool users_has(const struct users *u, enum user_kind kind);

/* All of them, by index, in no order that means anything. */
size_t users_count(const struct users *u);
const struct user *users_at(const struct users *u, size_t i);

/*
 * Pure: the parts of "SCRAM-SHA-256$iterations:salt$stored:server"; -1 where
 * it is not one.
 */
int users_parse_scram(const char *secret, struct user_scram *out);

/* What a secret is, by its look. */
enum user_kind users_kind(const char *secret);

#endif

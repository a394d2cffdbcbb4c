/*
 * digest.h - md5 and plain text passwords, and base64.
 *
 * A secret, as it stands in auth_file, is a password in plain text or
 * "md5" and 32 hex digits of md5(password user).  What the client sends is
 * compared in constant time; what was derived on the way is wiped.
 *
 * Where libcrypto refuses MD5 (FIPS mode), the md5 functions fail: nobody
 * gets in by it.
 *
 * Pure.  Never blocks or logs; libcrypto may allocate.
 */
#ifndef WORKER_PROTO_DIGEST_H
#define WORKER_PROTO_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_MD5_SIZE 36 /* "md5", 32 hex digits, NUL */

/* Is this "md5" and 32 lower-case hex digits? */
bool digest_is_md5(const char *secret);

/* From the password to the stored secret.  -1: libcrypto refuses MD5. */
int digest_md5_secret(
    const char *password, const char *user, char out[DIGEST_MD5_SIZE]);

/* What a client answers to AuthenticationMD5Password; plain or md5 secret. */
int digest_md5_answer(const char *secret, const char *user,
    const uint8_t salt[4], char out[DIGEST_MD5_SIZE]);

/* Is `answer` right?  false also for an empty secret. */
bool digest_md5_check(const char *secret, const char *user,
    const uint8_t salt[4], const char *answer);

/* Is `password`, sent in clear, the one of this plain or md5 secret? */
bool
digest_plain_check(const char *secret, const char *user, const char *password);

/* Length without the NUL that encode adds; -1 if `cap` is too small. */
#define DIGEST_BASE64_SIZE(n) (((n) + 2) / 3 * 4 + 1)
int digest_base64_encode(const uint8_t *in, size_t len, char *out, size_t cap);

/* Bytes written; -1 if not strict, padded base64, or if `cap` is too small. */
int digest_base64_decode(const char *in, size_t len, uint8_t *out, size_t cap);

#endif

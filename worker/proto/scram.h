/*
 * scram.h - SCRAM-SHA-256 (RFC 5802, RFC 7677), as server and as client.
 *
 * The keys are apart from the conversation: struct scram_keys comes from a
 * password, from a verifier of auth_file, or out of a finished conversation,
 * and is the caller's to keep.  Deriving it from a password is the one slow
 * step (PBKDF2): a caller that keeps the keys pays for it once.
 *
 * Pass-through: a client that logs in against a verifier proves itself with
 * its ClientKey, which the server role then holds.  With it the client role
 * can log in to a server that has the same verifier, with no password known.
 *
 * Both peers are hostile: every message is bounded, and what is not understood
 * fails.  A failed login says the same whatever was wrong.  Channel binding is
 * not offered: 'n' and 'y' are taken, 'p=' is refused.
 *
 *   server role:   FIRST -> FINAL -> DONE        any -> FAILED
 *   client role:   FIRST -> FINAL -> DONE        any -> FAILED
 *
 * where the state is the peer's message that is waited for.
 *
 * Pure: random bytes come from the caller.  Never logs; libcrypto may
 * allocate; scram_keys_derive() takes some 0.5 us for each iteration.
 */
#ifndef WORKER_PROTO_SCRAM_H
#define WORKER_PROTO_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"

#define SCRAM_MECHANISM      "SCRAM-SHA-256"
#define SCRAM_KEY            32
#define SCRAM_NONCE          18 /* random bytes that a role needs */
#define SCRAM_NONCE_TEXT     25 /* the same in base64, with a NUL */
#define SCRAM_SALT           16 /* bytes of a salt of our own making */
#define SCRAM_SALT_MAX       64
#define SCRAM_ITERATIONS     4096   /* of a verifier of our own making */
#define SCRAM_ITERATIONS_MAX 100000 /* more would hold up the event loop */
#define SCRAM_IN_MAX         1024   /* longest message taken from a peer */
#define SCRAM_OUT_MAX        1280   /* longest message of our own */

struct scram_keys {
	uint8_t client[SCRAM_KEY]; /* ClientKey, if has_client */
	uint8_t stored[SCRAM_KEY]; /* StoredKey */
	uint8_t server[SCRAM_KEY]; /* ServerKey */
	uint8_t salt[SCRAM_SALT_MAX];
	uint32_t iterations; /* 0: no keys here */
	uint8_t salt_len;
	bool has_client; /* a verifier alone cannot log in anywhere */
};

/* From a password: slow.  -1: out of bounds, or libcrypto failed. */
int scram_keys_derive(struct scram_keys *k, const char *password,
    const uint8_t *salt, size_t salt_len, uint32_t iterations);

/* From SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.  -1: it is not. */
int scram_keys_parse(struct scram_keys *k, const char *verifier);

/* Does it parse as one? */
bool scram_is_verifier(const char *secret);

/*
 * For a user who is not there: keys that nobody can prove, with a salt that is
 * the same for this name each time, drawn from `secret`.
 */
int scram_keys_mock(struct scram_keys *k, const uint8_t *secret,
    size_t secret_len, const char *user);

void scram_keys_wipe(struct scram_keys *k);

enum scram_state { SCRAM_FIRST, SCRAM_FINAL, SCRAM_DONE, SCRAM_FAILED };

struct scram_server {
	enum scram_state state;
	struct scram_keys keys;    /* after DONE with the client's ClientKey */
	bool doomed;               /* mock: fails at the end in any case */
	char gs2;                  /* 'n' or 'y', which c= must repeat */
	char nonce[SCRAM_OUT_MAX]; /* both parts, as client-final must say */
	char auth[2 * SCRAM_OUT_MAX + SCRAM_IN_MAX]; /* AuthMessage so far */
	char out[SCRAM_OUT_MAX]; /* to send after WAIT and DONE */
	size_t out_len;
};

/* `random` are SCRAM_NONCE bytes from a secure source. */
void scram_server_init(struct scram_server *s, const struct scram_keys *k,
    bool doomed, const uint8_t random[SCRAM_NONCE]);

/*
 * Take the client's next message.  WAIT: send `out` as SASLContinue.  DONE:
 * send `out` as SASLFinal; the client is who it says, and keys.client holds
 * its key.  FAIL: 28P01, or 08P01 for what is not SCRAM.
 */
enum result scram_server_run(
    struct scram_server *s, const void *in, size_t len, struct err *e);

void scram_server_fini(struct scram_server *s); /* wipes */

struct scram_client {
	enum scram_state state;
	const char *password;   /* the caller's, or NULL */
	struct scram_keys keys; /* after DONE those that worked: to be kept */
	char nonce[SCRAM_NONCE_TEXT];
	char auth[2 * SCRAM_OUT_MAX + SCRAM_IN_MAX];
	char out[SCRAM_OUT_MAX];
	size_t out_len;
};

/*
 * Give a password, or keys with their ClientKey, or both: keys that do not fit
 * the salt and iterations of this server are replaced by derived ones if there
 * is a password, and fail if there is none.  `password` stays the caller's and
 * must live until the end.  `out` then holds the first message, for
 * SASLInitialResponse.
 */
void scram_client_init(struct scram_client *c, const char *password,
    const struct scram_keys *k, const uint8_t random[SCRAM_NONCE]);

/*
 * Take the server's next message.  WAIT: send `out` as SASLResponse.  DONE:
 * the server has proved that it knows the verifier.  FAIL: 08P01 or 28P01.
 */
enum result scram_client_run(
    struct scram_client *c, const void *in, size_t len, struct err *e);

void scram_client_fini(struct scram_client *c); /* wipes */

#endif

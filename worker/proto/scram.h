/*
 * scram.h - SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677), in both roles.
 *
 * The keys are apart from the conversation: struct scram_keys comes from a
 * password, from a verifier of auth_file, or out of a finished conversation,
 * and is the caller's to keep.  Deriving it from a password is the one slow
 * step (PBKDF2): struct scram_derive does it in pieces of the caller's choice.
 *
 * Pass-through: a client that logs in against a verifier proves itself with
 * its ClientKey, which the server role then holds.  With it the client role
 * can log in to a server that has the same verifier, with no password known.
 *
 * Channel binding is tls-server-end-point (RFC 5929): both ends of a TLS
 * connection name the server's certificate, so nobody stands in between.  The
 * first letter of a conversation says what the client makes of it:
 *
 *   p   it is bound: SCRAM-SHA-256-PLUS
 *   y   the client could, and believes that the server cannot: where the
 *       server has offered it, somebody has taken the offer away
 *   n   the client cannot, or does not want to
 *
 * Both peers are hostile: every message is bounded, and what is not understood
 * fails.  A failed login says the same whatever was wrong.
 *
 *   server role:   FIRST -> FINAL -> DONE             any -> FAILED
 *   client role:   FIRST [-> KEYS] -> FINAL -> DONE   any -> FAILED
 *
 * where FIRST and FINAL are the peer's messages that are waited for, and KEYS
 * waits for the caller's derivation.
 *
 * Pure: random bytes come from the caller.  Never logs; libcrypto may
 * allocate.
 */
#ifndef WORKER_PROTO_SCRAM_H
#define WORKER_PROTO_SCRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/err.h"

#define SCRAM_MECHANISM      "SCRAM-SHA-256"
#define SCRAM_PLUS           "SCRAM-SHA-256-PLUS"
#define SCRAM_KEY            32
#define SCRAM_NONCE          18 /* random bytes that a role needs */
#define SCRAM_NONCE_TEXT     25 /* the same in base64, with a NUL */
#define SCRAM_SALT           16 /* bytes of a salt of our own making */
#define SCRAM_SALT_MAX       128
#define SCRAM_ITERATIONS     4096 /* of a verifier of our own making */
#define SCRAM_ITERATIONS_MAX INT_MAX
#define SCRAM_BINDING_MAX    64   /* the longest hash of a certificate */
#define SCRAM_IN_MAX         1024 /* longest message taken from a peer */
#define SCRAM_OUT_MAX        1280 /* longest message of our own */

struct scram_keys {
	uint8_t client[SCRAM_KEY]; /* ClientKey, if has_client */
	uint8_t stored[SCRAM_KEY]; /* StoredKey */
	uint8_t server[SCRAM_KEY]; /* ServerKey */
	uint8_t salt[SCRAM_SALT_MAX];
	uint32_t iterations; /* 0: no keys here */
	uint8_t salt_len;
	bool has_client; /* a verifier alone cannot log in anywhere */
};

/*
 * From a password, in pieces.  Begin (-1: out of bounds, or libcrypto failed),
 * then run some iterations at a time, each some 0.4 us: DONE, and `keys` are
 * there; WAIT, there is more; FAIL.
 */
struct evp_md_ctx_st;
struct scram_derive {
	struct scram_keys keys;
	struct evp_md_ctx_st *inner, *outer, *work; /* HMAC, keyed once */
	uint8_t last[SCRAM_KEY], sum[SCRAM_KEY];
	uint32_t done; /* of keys.iterations */
};

int scram_derive_begin(struct scram_derive *d, const char *password,
    const uint8_t *salt, size_t salt_len, uint32_t iterations);
enum result scram_derive_run(struct scram_derive *d, uint32_t iterations);
void scram_derive_fini(struct scram_derive *d); /* wipes */

/* All of it at once; -1: as above. */
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

/* Are these of the same salt and iterations: one password, one key? */
bool scram_keys_fit(const struct scram_keys *a, const struct scram_keys *b);

/* What a certificate is known by; len 0: none. */
struct scram_binding {
	size_t len;
	uint8_t bytes[SCRAM_BINDING_MAX];
};

enum scram_state {
	SCRAM_FIRST,
	SCRAM_KEYS,
	SCRAM_FINAL,
	SCRAM_DONE,
	SCRAM_FAILED
};

/* --- the server's role --------------------------------------------------- */

struct scram_server {
	enum scram_state state;
	struct scram_keys keys; /* after DONE with the client's ClientKey */
	struct scram_binding binding; /* len 0: PLUS is not offered */
	bool doomed;                  /* mock: fails at the end in any case */
	bool is_plus;                 /* the client has chosen PLUS */
	char gs2;                     /* its first letter, 'n', 'y' or 'p' */
	char nonce[SCRAM_OUT_MAX];    /* both parts, as client-final must say */
	char auth[2 * SCRAM_OUT_MAX + SCRAM_IN_MAX]; /* AuthMessage so far */
	char out[SCRAM_OUT_MAX]; /* to send after WAIT and DONE */
	size_t out_len;
};

/*
 * `random` are SCRAM_NONCE bytes from a secure source.  `binding` NULL: no
 * TLS.  Offer SCRAM_MECHANISM, and before it SCRAM_PLUS if binding->len > 0.
 */
void scram_server_init(struct scram_server *s, const struct scram_keys *k,
    bool doomed, const struct scram_binding *binding,
    const uint8_t random[SCRAM_NONCE]);

/* What the client has chosen; -1: it was not offered (08P01). */
int scram_server_choose(
    struct scram_server *s, const char *mechanism, struct err *e);

/*
 * Others of the same salt and iterations, which took their time: before the
 * client's last message is run.
 */
void scram_server_rekey(struct scram_server *s, const struct scram_keys *k);

/*
 * Take the client's next message.  WAIT: send `out` as SASLContinue.  DONE:
 * send `out` as SASLFinal; the client is who it says, and keys.client holds
 * its key.  FAIL: 28P01 for a wrong proof; 08P01, 0A000 or 28000, as
 * PostgreSQL, for what is not SCRAM as we speak it.
 */
enum result scram_server_run(
    struct scram_server *s, const void *in, size_t len, struct err *e);

void scram_server_fini(struct scram_server *s); /* wipes */

/* --- the client's role --------------------------------------------------- */

/* What a server offers. */
enum { SCRAM_OFFER_PLAIN = 1, SCRAM_OFFER_PLUS = 2 };

struct scram_client {
	enum scram_state state;
	struct scram_keys
	    keys; /* in KEYS: what is wanted; after DONE: worked */
	struct scram_binding binding;
	bool can_derive;                 /* there is a password */
	char nonce[SCRAM_NONCE_TEXT];    /* ours */
	char server_nonce[SCRAM_IN_MAX]; /* both parts */
	char gs2[40];                    /* "n,," and the like */
	char auth[2 * SCRAM_OUT_MAX + SCRAM_IN_MAX];
	char out[SCRAM_OUT_MAX];
	size_t out_len;
};

/*
 * `k` are keys with their ClientKey, or NULL.  Those that do not fit the salt
 * and iterations of this server are wanted anew if `can_derive`, and fail
 * otherwise.
 */
void scram_client_init(struct scram_client *c, const struct scram_keys *k,
    bool can_derive, const uint8_t random[SCRAM_NONCE]);

/*
 * Choose from what is offered; `binding` NULL: no TLS.  The mechanism's name,
 * and `out` holds the first message, for SASLInitialResponse; or NULL: there
 * is none that both can.
 */
const char *scram_client_choose(struct scram_client *c, unsigned offered,
    const struct scram_binding *binding);

/*
 * Take the server's next message.  WAIT: send `out` as SASLResponse; but in
 * KEYS, derive from c->keys.salt and .iterations first, and give that to
 * scram_client_rekey().  DONE: the server has proved that it knows the
 * verifier.  FAIL: 08P01 or 28P01.
 */
enum result scram_client_run(
    struct scram_client *c, const void *in, size_t len, struct err *e);

/* In KEYS: WAIT: send `out`.  FAIL: these are not what was wanted. */
enum result scram_client_rekey(
    struct scram_client *c, const struct scram_keys *k, struct err *e);

void scram_client_fini(struct scram_client *c); /* wipes */

#endif

/*
 * scram_impl.h - what the files behind scram.h share.  For these alone.
 */
#ifndef WORKER_PROTO_SCRAM_IMPL_H
#define WORKER_PROTO_SCRAM_IMPL_H

#include "worker/proto/digest.h"
#include "worker/proto/scram.h"

#define SCRAM_GS2_PLUS     "p=tls-server-end-point,,"
#define SCRAM_GS2_MAX      (sizeof(SCRAM_GS2_PLUS) + SCRAM_BINDING_MAX)
#define SCRAM_BINDING_TEXT DIGEST_BASE64_SIZE(SCRAM_GS2_MAX)

/* 08P01; -1. */
int scram_malformed(struct err *e, const char *what);

/* A message as a string; -1 if too long or with a NUL inside. */
int scram_take(
    char text[SCRAM_IN_MAX + 1], const void *in, size_t len, struct err *e);

/*
 * Cut the attribute `name` off the front of *s: its value, ended with a NUL in
 * place of the comma.  NULL if something else stands there.
 */
char *scram_attribute(char **s, char name);

/* Are all that are left attributes?  Those that we do not know are ignored. */
bool scram_is_extensions(const char *s);

bool scram_is_nonce(const char *s);

/* Append to a string in a buffer of `size`; -1 if it does not fit. */
int scram_append(char *to, size_t size, const char *text);

int scram_sign(
    const uint8_t key[SCRAM_KEY], const char *auth, uint8_t out[SCRAM_KEY]);

/* What c= must say: the gs2 header and, for PLUS, what binds the channel. */
int scram_binding_text(const char *gs2, const struct scram_binding *b,
    char out[SCRAM_BINDING_TEXT]);

#endif

/*
 * saslprep.h - the bytes of a password that SCRAM's PBKDF2 takes.
 *
 * SASLprep (RFC 4013, a profile of RFC 3454) maps, normalises to NFKC and
 * refuses some characters.  It is applied as PostgreSQL does it, on both
 * sides of a login, since a verifier made there must fit here:
 *
 *   - a password that is not UTF-8, or that SASLprep refuses, is taken as it
 *     was given;
 *   - what is refused is looked for after the mapping and before the
 *     normalisation (the RFC says after it).
 *
 * Pure, but for the memory of its result.
 */
#ifndef WORKER_PROTO_SASLPREP_H
#define WORKER_PROTO_SASLPREP_H

#include <stddef.h>

/*
 * The prepared bytes, ended with a NUL; or a copy of `password` where SASLprep
 * does not apply.  NULL: no memory.  To be given to saslprep_free().
 */
char *saslprep_new(const char *password);

void saslprep_free(char *prepared); /* wipes; NULL is allowed */

#endif

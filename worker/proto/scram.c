/* scram.c - what both roles of SCRAM need to read and to sign. */
#include "worker/proto/scram_impl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "conf/compat.h"

int
scram_malformed(struct err *e, const char *what)
{
	(void)err_set(e, "08P01", "malformed SCRAM message",
	    "malformed SCRAM message: %s", what);
	return -1;
}

int
scram_take(
    char text[SCRAM_IN_MAX + 1], const void *in, size_t len, struct err *e)
{
	if (len > SCRAM_IN_MAX || (len > 0 && memchr(in, '\0', len) != NULL))
		return scram_malformed(e, "too long, or with a NUL");
	if (len > 0)
		memcpy(text, in, len);
	text[len] = '\0';
	return 0;
}

char *
scram_attribute(char **s, char name)
{
	char *value, *comma;

	if ((*s)[0] != name || (*s)[1] != '=')
		return NULL;
	value = *s + 2;
	comma = strchr(value, ',');
	if (comma != NULL)
		*comma++ = '\0';
	*s = comma != NULL ? comma : value + strlen(value);
	return value;
}

bool
scram_is_extensions(const char *s)
{
	for (; *s != '\0'; s += *s == ',') {
		char upper = (char)(*s & ~0x20);

		if (upper < 'A' || upper > 'Z' || s[1] != '=')
			return false;
		s += strcspn(s, ",");
	}
	return true;
}

bool
scram_is_nonce(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s < 0x21 || *s > 0x7e)
			return false;
	return true;
}

int
scram_append(char *to, size_t size, const char *text)
{
	size_t len = strlen(to);

	return compat_strlcpy(to + len, text, size - len) < size - len ? 0 : -1;
}

int
scram_sign(
    const uint8_t key[SCRAM_KEY], const char *auth, uint8_t out[SCRAM_KEY])
{
	unsigned n = SCRAM_KEY;

	if (HMAC(EVP_sha256(), key, SCRAM_KEY, (const uint8_t *)auth,
		strlen(auth), out, &n) == NULL)
		return -1;
	return 0;
}

int
scram_binding_text(const char *gs2, const struct scram_binding *b,
    char out[SCRAM_BINDING_TEXT])
{
	uint8_t bytes[SCRAM_GS2_MAX];
	size_t len = strlen(gs2), more = gs2[0] == 'p' ? b->len : 0;

	if (len > sizeof(bytes) || more > sizeof(bytes) - len)
		return -1;
	memcpy(bytes, gs2, len);
	memcpy(bytes + len, b->bytes, more);
	return digest_base64_encode(
		   bytes, len + more, out, SCRAM_BINDING_TEXT) == -1
	    ? -1
	    : 0;
}

/* digest.c - md5 and plain text passwords, and base64. */
#include "worker/proto/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "conf/compat.h"

#define MD5_RAW 16

bool
digest_is_md5(const char *secret)
{
	return strncmp(secret, "md5", 3) == 0 &&
	    strlen(secret) == DIGEST_MD5_SIZE - 1 &&
	    strspn(secret + 3, "0123456789abcdef") == 2 * MD5_RAW;
}

/* "md5" and the hex digits of md5(a b). */
static int
md5_text(const void *a, size_t a_len, const void *b, size_t b_len,
    char out[DIGEST_MD5_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t raw[EVP_MAX_MD_SIZE] = { 0 };
	int rc = -1;

	memset(out, 0, DIGEST_MD5_SIZE);
	if (ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, a, a_len) == 1 &&
	    EVP_DigestUpdate(ctx, b, b_len) == 1 &&
	    EVP_DigestFinal_ex(ctx, raw, NULL) == 1) {
		memcpy(out, "md5", 3);
		for (int i = 0; i < MD5_RAW; i++) {
			out[3 + 2 * i] = hex[raw[i] >> 4];
			out[4 + 2 * i] = hex[raw[i] & 15];
		}
		rc = 0;
	}
	EVP_MD_CTX_free(ctx);
	compat_bzero(raw, sizeof(raw));
	return rc;
}

int
digest_md5_secret(
    const char *password, const char *user, char out[DIGEST_MD5_SIZE])
{
	return md5_text(password, strlen(password), user, strlen(user), out);
}

int
digest_md5_answer(const char *secret, const char *user, const uint8_t salt[4],
    char out[DIGEST_MD5_SIZE])
{
	char own[DIGEST_MD5_SIZE];
	int rc = 0;

	if (digest_is_md5(secret))
		memcpy(own, secret, sizeof(own));
	else
		rc = digest_md5_secret(secret, user, own);
	if (rc == 0)
		rc = md5_text(own + 3, strlen(own + 3), salt, 4, out);
	compat_bzero(own, sizeof(own));
	return rc;
}

bool
digest_md5_check(const char *secret, const char *user, const uint8_t salt[4],
    const char *answer)
{
	char want[DIGEST_MD5_SIZE];
	bool ok;

	if (*secret == '\0' || strlen(answer) != DIGEST_MD5_SIZE - 1 ||
	    digest_md5_answer(secret, user, salt, want) == -1)
		return false;
	ok = compat_memeq_ct(want, answer, sizeof(want));
	compat_bzero(want, sizeof(want));
	return ok;
}

bool
digest_plain_check(const char *secret, const char *user, const char *password)
{
	char own[DIGEST_MD5_SIZE];
	size_t len = strlen(secret);
	bool ok;

	if (len == 0)
		return false;
	if (!digest_is_md5(secret))
		return strlen(password) == len &&
		    compat_memeq_ct(secret, password, len);
	if (digest_md5_secret(password, user, own) == -1)
		return false;
	ok = compat_memeq_ct(secret, own, sizeof(own));
	compat_bzero(own, sizeof(own));
	return ok;
}

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
digest_base64_encode(const uint8_t *in, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	/* len is compared first: DIGEST_BASE64_SIZE() may wrap */
	if (len > cap || DIGEST_BASE64_SIZE(len) > cap)
		return -1;
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)in[i] << 16;

		if (have > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (have > 2)
			v |= in[i + 2];
		out[n++] = base64[v >> 18];
		out[n++] = base64[v >> 12 & 63];
		out[n++] = have > 1 ? base64[v >> 6 & 63] : '=';
		out[n++] = have > 2 ? base64[v & 63] : '=';
	}
	out[n] = '\0';
	return (int)n;
}

static int
base64_value(char c)
{
	const char *at = c != '\0' ? strchr(base64, c) : NULL;

	return at != NULL ? (int)(at - base64) : -1;
}

int
digest_base64_decode(const char *in, size_t len, uint8_t *out, size_t cap)
{
	size_t n = 0;

	if (len % 4 != 0)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		size_t have = 3;
		uint32_t v = 0;

		if (len - i == 4 && in[i + 3] == '=')
			have = in[i + 2] == '=' ? 1 : 2;
		for (size_t j = 0; j < 4; j++) {
			int d = j <= have ? base64_value(in[i + j]) : 0;

			if (d == -1)
				return -1;
			v = v << 6 | (uint32_t)d;
		}
		/* bits beyond the last byte must be zero: one text, one value */
		if ((have < 3 && (v & 0xff) != 0) ||
		    (have < 2 && (v & 0xffff) != 0) || have > cap - n)
			return -1;
		for (size_t j = 0; j < have; j++)
			out[n++] = (uint8_t)(v >> (16 - 8 * j));
	}
	return (int)n;
}

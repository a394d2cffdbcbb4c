/*
 * digest_fuzz.c - base64, md5 and plain secrets, and what answers them.
 *
 * A NUL divides the input: a secret, and what a client sends.
 */
#include "worker/proto/digest.h"

#include "conf/users.h"
#include "t/fuzz/fuzz.h"

/* Strict: what decodes is what the same bytes encode to. */
static void
check_base64(const char *text, size_t len)
{
	size_t cap = len / 4 * 3 + 3;
	uint8_t *bytes = malloc(cap);
	char *again = malloc(len + 8);
	int n;

	MUST(bytes != NULL && again != NULL);
	n = digest_base64_decode(text, len, bytes, cap);
	if (n != -1) {
		MUST((size_t)n <= len / 4 * 3);
		MUST(digest_base64_encode(bytes, (size_t)n, again, len + 8) ==
		    (int)len);
		MUST(memcmp(again, text, len) == 0 && again[len] == '\0');
		MUST(n == 0 ||
		    digest_base64_decode(text, len, bytes, (size_t)n - 1) ==
			-1);
		MUST(digest_base64_encode(bytes, (size_t)n, again, len) == -1);
	}
	free(bytes);
	free(again);
}

static void
check_encode(const uint8_t *p, size_t len)
{
	size_t size = DIGEST_BASE64_SIZE(len);
	char *text = malloc(size);
	uint8_t *bytes = malloc(len + 1);
	int n;

	MUST(text != NULL && bytes != NULL);
	n = digest_base64_encode(p, len, text, size);
	MUST(n >= 0 && (size_t)n == size - 1 && text[n] == '\0');
	MUST(digest_base64_decode(text, (size_t)n, bytes, len) == (int)len);
	MUST(len == 0 || memcmp(bytes, p, len) == 0);
	free(text);
	free(bytes);
}

static void
check_md5(const char *secret, const char *sent)
{
	static const uint8_t salt[4] = { 1, 0, 255, 3 };
	char answer[DIGEST_MD5_SIZE], stored[DIGEST_MD5_SIZE];

	MUST(digest_is_md5(secret) == (users_kind(secret) == USER_MD5));
	if (digest_md5_answer(secret, "app", salt, answer) == 0) {
		MUST(strlen(answer) == DIGEST_MD5_SIZE - 1);
		MUST(digest_md5_check(secret, "app", salt, answer) ==
		    (*secret != '\0'));
		MUST(!digest_md5_check(secret, "app", salt, sent) ||
		    strcmp(sent, answer) == 0);
	}
	if (digest_is_md5(secret) ||
	    digest_md5_secret(secret, "app", stored) == -1)
		return;
	/* a password and what is stored of it are one and the same */
	MUST(digest_is_md5(stored));
	MUST(digest_plain_check(stored, "app", secret));
	MUST(digest_plain_check(secret, "app", sent) ==
	    (*secret != '\0' && strcmp(secret, sent) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *part, *rest = data;
	size_t left = size, len = fuzz_part(&rest, &left, '\0', &part);
	char *secret = fuzz_text(part, len), *sent = fuzz_text(rest, left);

	check_base64((const char *)data, size);
	check_encode(data, size);
	check_md5(secret, sent);
	free(secret);
	free(sent);
	return 0;
}

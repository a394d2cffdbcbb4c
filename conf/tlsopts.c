/*
 * tlsopts.c - versions, ciphers and key exchange, from text into a context.
 */
#include "conf/tlsconf_impl.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "conf/compat.h"
#include "conf/value.h"

/* --- versions --------------------------------------------------------------- */

struct version {
	const char *name;
	int number;
	uint64_t off; /* the option that leaves it out */
};

static const struct version versions[] = {
	{ "tlsv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "tlsv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "tlsv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "tlsv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

enum { VERSIONS = 4, ALL_VERSIONS = 0xf, SECURE_VERSIONS = 0xc };

_Static_assert(sizeof(versions) / sizeof(*versions) == VERSIONS, "a bit each");

static bool
is_word(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(word, name, len) == 0;
}

/* The versions that one word means, a bit each; 0: none of that name. */
static unsigned
versions_of(const char *word, size_t len)
{
	if (is_word(word, len, "all") || is_word(word, len, "legacy") ||
	    is_word(word, len, "tlsv1"))
		return ALL_VERSIONS;
	if (is_word(word, len, "secure") || is_word(word, len, "default"))
		return SECURE_VERSIONS;
	for (unsigned i = 0; i < VERSIONS; i++)
		if (is_word(word, len, versions[i].name))
			return 1U << i;
	return 0;
}

/* "all, !tlsv1.0": each word adds, or takes away from what is there. */
static unsigned
parse_versions(struct tlsconf_side *s)
{
	const char *list = s->protocols, *word;
	unsigned set = 0, bits;
	size_t len;

	while ((word = value_word(&list, &len)) != NULL) {
		bool is_not = word[0] == '!';

		bits = versions_of(word + is_not, len - is_not);
		if (bits == 0) {
			tlsconf_tell(s, "protocols",
			    "\"%.*s\" is none of all, secure, legacy, tlsv1.0, "
			    "tlsv1.1, tlsv1.2, tlsv1.3",
			    (int)(len < 40 ? len : 40), word);
			return 0;
		}
		if (is_not && set == 0)
			set = ALL_VERSIONS;
		set = is_not ? set & ~bits : set | bits;
	}
	if (set == 0)
		tlsconf_tell(s, "protocols", "no TLS version is left");
	return set;
}

static void
set_versions(struct tlsconf_side *s, SSL_CTX *x)
{
	unsigned set = parse_versions(s);
	int lowest = 0, highest = 0;

	for (unsigned i = 0; i < VERSIONS; i++) {
		if ((set & 1U << i) == 0) {
			(void)SSL_CTX_set_options(x, versions[i].off);
			continue;
		}
		/* whatever the system's settings leave out */
		(void)SSL_CTX_clear_options(x, versions[i].off);
		highest = versions[i].number;
		if (lowest == 0)
			lowest = highest;
	}
	if (set != 0 &&
	    (SSL_CTX_set_min_proto_version(x, lowest) != 1 ||
		SSL_CTX_set_max_proto_version(x, highest) != 1))
		tlsconf_tell(
		    s, "protocols", "the TLS library refuses these versions");
}

/* --- ciphers, key exchange -------------------------------------------------- */

/* What is left to the system's settings; "" is not set. */
static bool
is_default(const char *value)
{
	static const char *const names[] = { "", "default", "secure", "fast",
		"normal" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcasecmp(value, names[i]) == 0)
			return true;
	return false;
}

static void
set_ciphers(struct tlsconf_side *s, SSL_CTX *x)
{
	/* without a curve there is no exchange over one */
	bool is_curved = strcasecmp(s->ecdhcurve, "none") != 0;
	const char *base = is_default(s->ciphers) ? "DEFAULT"
	    : strcasecmp(s->ciphers, "all") == 0  ? "ALL:!aNULL:!eNULL"
						  : s->ciphers;
	char list[1024];
	int n = snprintf(list, sizeof(list), "%s%s", base,
	    is_curved ? "" : ":!kECDHE:!kECDHEPSK");

	if ((!is_default(s->ciphers) || !is_curved) &&
	    ((size_t)n >= sizeof(list) ||
		SSL_CTX_set_cipher_list(x, list) != 1))
		tlsconf_tell(
		    s, "ciphers", "the TLS library knows no such cipher");
	if (s->tls13_ciphers[0] != '\0' &&
	    SSL_CTX_set_ciphersuites(x, s->tls13_ciphers) != 1)
		tlsconf_tell(s, "13_ciphers",
		    "the TLS library does not know all these cipher suites");
	ERR_clear_error();
}

static void
set_exchange(struct tlsconf_side *s, SSL_CTX *x)
{
	static const struct value_choice groups[] = { { "", 1 }, { "none", 0 },
		{ "auto", 1 }, { "legacy", 2 }, { NULL, 0 } };
	const char *curve = s->ecdhcurve;
	char list[256]; /* OpenSSL's macro casts const away */
	int dh = 0;

	if (!is_default(curve) && strcasecmp(curve, "auto") != 0 &&
	    strcasecmp(curve, "none") != 0 &&
	    (compat_strlcpy(list, curve, sizeof(list)) >= sizeof(list) ||
		SSL_CTX_set1_groups_list(x, list) != 1))
		tlsconf_tell(s, "ecdhcurve",
		    "it is none, auto, or a curve that the TLS library knows");
	if (value_choice(s->dheparams, groups, &dh) == -1)
		tlsconf_tell(s, "dheparams", "it is none, auto or legacy");
	/* 2 is what OpenSSL calls the groups of 1024 bits */
	else if (s->which == TLS_CLIENTS && dh != 0)
		(void)SSL_CTX_set_dh_auto(x, dh);
	ERR_clear_error();
}

void
tlsconf_set_options(struct tlsconf_side *s, SSL_CTX *x)
{
	set_versions(s, x);
	set_ciphers(s, x);
	set_exchange(s, x);
}

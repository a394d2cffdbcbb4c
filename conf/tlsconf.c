#include "conf/tlsconf.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "conf/tlsconf_impl.h"

#define KEY_MAX 32 /* longest name of a setting */

static void
side_of(const struct conf *c, enum tls_side which, struct tlsconf_side *s)
{
	if (which == TLS_CLIENTS)
		*s = (struct tlsconf_side){ .prefix = "client_tls_",
			.sslmode = c->client_tls_sslmode,
			.key_file = c->client_tls_key_file,
			.cert_file = c->client_tls_cert_file,
			.ca_file = c->client_tls_ca_file,
			.key = c->client_tls_key,
			.cert = c->client_tls_cert,
			.ca = c->client_tls_ca,
			.protocols = c->client_tls_protocols,
			.ciphers = c->client_tls_ciphers,
			.tls13_ciphers = c->client_tls13_ciphers,
			.ecdhcurve = c->client_tls_ecdhcurve,
			.dheparams = c->client_tls_dheparams };
	else
		*s = (struct tlsconf_side){ .prefix = "server_tls_",
			.sslmode = c->server_tls_sslmode,
			.key_file = c->server_tls_key_file,
			.cert_file = c->server_tls_cert_file,
			.ca_file = c->server_tls_ca_file,
			.key = c->server_tls_key,
			.cert = c->server_tls_cert,
			.ca = c->server_tls_ca,
			.protocols = c->server_tls_protocols,
			.ciphers = c->server_tls_ciphers,
			.tls13_ciphers = c->server_tls13_ciphers,
			.ecdhcurve = "",
			.dheparams = "" };
	s->which = which;
}

void
tlsconf_tell(struct tlsconf_side *s, const char *name, const char *fmt, ...)
{
	char key[KEY_MAX], why[192];
	va_list ap;

	/* client_tls13_ciphers is spelt without the underscore */
	snprintf(key, sizeof(key), "%.*s%s",
	    (int)strlen(s->prefix) - (strncmp(name, "13", 2) == 0), s->prefix,
	    name);
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	s->ear->tell(s->ear->arg, key, why);
	s->is_bad = true;
}

const char *
tlsconf_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return reason == NULL ? "no reason is given" : reason;
}

SSL_CTX *
tlsconf_build(
    const struct conf *c, enum tls_side which, const struct tlsconf_ear *ear)
{
	struct tlsconf_side s;
	SSL_CTX *x;

	side_of(c, which, &s);
	s.ear = ear;
	if (s.sslmode == SSLMODE_DISABLE)
		return NULL;
	ERR_clear_error();
	x = SSL_CTX_new(
	    which == TLS_CLIENTS ? TLS_server_method() : TLS_client_method());
	if (x == NULL) {
		tlsconf_tell(
		    &s, "sslmode", "the TLS library: %s", tlsconf_reason());
		return NULL;
	}
	/* first these: they may lower what certificates must satisfy */
	tlsconf_set_options(&s, x);
	tlsconf_set_files(&s, x);
	if (!s.is_bad)
		return x;
	SSL_CTX_free(x);
	return NULL;
}

/* The bytes of the file that `name` names, or a fault. */
static void
load_file(struct tlsconf_side *s, const char *name, const char *file,
    const struct conf_files *files, struct conf_bytes *out, struct arena *a)
{
	const struct conf_file *f = conf_files_find(files, file);

	if (file[0] == '\0')
		return;
	if (f == NULL) {
		tlsconf_tell(s, name,
		    "\"%.100s\" cannot be read: does it exist, and may this "
		    "user read it?",
		    file);
		return;
	}
	out->p = arena_memdup(a, f->bytes, f->len);
	out->len = f->len;
	if (out->p == NULL)
		tlsconf_tell(s, name, "out of memory");
}

static void
load_side(struct conf *c, enum tls_side which, const struct conf_files *files,
    const struct tlsconf_ear *ear)
{
	bool is_client = which == TLS_CLIENTS;
	struct tlsconf_side s;
	SSL_CTX *x;

	side_of(c, which, &s);
	s.ear = ear;
	if (s.sslmode == SSLMODE_DISABLE)
		return;
	load_file(&s, "key_file", s.key_file, files,
	    is_client ? &c->client_tls_key : &c->server_tls_key, &c->arena);
	load_file(&s, "cert_file", s.cert_file, files,
	    is_client ? &c->client_tls_cert : &c->server_tls_cert, &c->arena);
	load_file(&s, "ca_file", s.ca_file, files,
	    is_client ? &c->client_tls_ca : &c->server_tls_ca, &c->arena);
	x = tlsconf_build(c, which, ear);
	SSL_CTX_free(x);
}

void
tlsconf_load(struct conf *c, const struct conf_files *files,
    const struct tlsconf_ear *ear)
{
	load_side(c, TLS_CLIENTS, files, ear);
	load_side(c, TLS_SERVERS, files, ear);
}

static bool
add(EVP_MD_CTX *md, const void *p, size_t len)
{
	uint64_t n = len;

	return EVP_DigestUpdate(md, &n, sizeof(n)) == 1 &&
	    (len == 0 || EVP_DigestUpdate(md, p, len) == 1);
}

int
tlsconf_digest(
    const struct conf *c, enum tls_side which, uint8_t out[TLSCONF_DIGEST])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	struct tlsconf_side s;
	bool is_ok;

	side_of(c, which, &s);
	is_ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
	    add(md, &s.which, sizeof(s.which)) &&
	    add(md, &s.sslmode, sizeof(s.sslmode)) &&
	    add(md, s.key.p, s.key.len) && add(md, s.cert.p, s.cert.len) &&
	    add(md, s.ca.p, s.ca.len) &&
	    add(md, s.protocols, strlen(s.protocols)) &&
	    add(md, s.ciphers, strlen(s.ciphers)) &&
	    add(md, s.tls13_ciphers, strlen(s.tls13_ciphers)) &&
	    add(md, s.ecdhcurve, strlen(s.ecdhcurve)) &&
	    add(md, s.dheparams, strlen(s.dheparams)) &&
	    EVP_DigestFinal_ex(md, out, NULL) == 1;
	EVP_MD_CTX_free(md);
	return is_ok ? 0 : -1;
}

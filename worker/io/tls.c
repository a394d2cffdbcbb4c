#include "worker/io/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "worker/io/loop.h"
#include "worker/io/tls_impl.h"

enum { RECORD = 16384 }; /* bytes of data in the largest one */

/* What TLS itself says, which comes last; what made it say so comes before. */
static const char *
reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(code);

	ERR_clear_error();
	return text == NULL ? "no reason is given" : text;
}

/* --- begin and end ----------------------------------------------------------- */

static struct tls *
tls_new(struct tls_ctx *x, int fd, bool is_direct, struct err *e)
{
	struct tls *t = calloc(1, sizeof(*t));

	ERR_clear_error();
	if (t != NULL)
		t->ssl = SSL_new(x->ssl);
	if (t == NULL || t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
		err_set(e, "53200", "out of memory", "TLS: %s", reason());
		if (t != NULL)
			SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	t->ctx = tls_ctx_ref(x);
	t->is_direct = is_direct;
	return t;
}

struct tls *
tls_accept(struct tls_ctx *x, int fd, bool is_direct, struct err *e)
{
	struct tls *t = tls_new(x, fd, is_direct, e);

	if (t == NULL)
		return NULL;
	SSL_set_accept_state(t->ssl);
	t->run_wants = LOOP_READ;
	return t;
}

/* Whom the certificate must be for, and which server is meant. */
static bool
set_host(struct tls *t, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	struct in6_addr addr; /* of either family */
	char name[256];       /* OpenSSL wants one that it could change */
	bool is_address = inet_pton(AF_INET, host, &addr) == 1 ||
	    inet_pton(AF_INET6, host, &addr) == 1;

	if (compat_strlcpy(name, host, sizeof(name)) >= sizeof(name))
		return false;
	if (!is_address && name[0] != '\0' &&
	    SSL_set_tlsext_host_name(t->ssl, name) != 1)
		return false;
	if (t->ctx->sslmode != SSLMODE_VERIFY_FULL)
		return true;
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
	return host[0] != '\0' &&
	    X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

struct tls *
tls_connect(
    struct tls_ctx *x, int fd, const char *host, bool is_direct, struct err *e)
{
	struct tls *t = tls_new(x, fd, is_direct, e);

	if (t == NULL)
		return NULL;
	SSL_set_connect_state(t->ssl);
	t->run_wants = LOOP_WRITE;
	/* this one returns 0 when all is well */
	if (set_host(t, host) &&
	    (!is_direct ||
		SSL_set_alpn_protos(
		    t->ssl, (const uint8_t *)TLS_ALPN, TLS_ALPN_LEN) == 0))
		return t;
	err_set(e, "08006", "TLS to the server failed",
	    "TLS: no certificate can be for the host \"%.100s\"", host);
	tls_close(t);
	return NULL;
}

static void
free_held(struct tls *t)
{
	if (t->held.p != NULL)
		compat_bzero(t->held.p, t->held.len);
	free(t->held.p);
	t->held.p = NULL;
}

void
tls_close(struct tls *t)
{
	if (t == NULL)
		return;
	ERR_clear_error();
	if (t->is_agreed && t->broken == 0)
		(void)SSL_shutdown(t->ssl);
	tls_drop(t);
}

void
tls_drop(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	ERR_clear_error();
	tls_ctx_unref(t->ctx);
	free_held(t);
	free(t);
}

/* --- handshake --------------------------------------------------------------- */

/* It failed: `how` is what SSL_get_error() said, `error` the errno. */
static enum result
fail(struct tls *t, int how, int error, struct err *e)
{
	bool is_client = t->ctx->side == TLS_CLIENTS;
	const char *why, *detail = "";

	if (how == SSL_ERROR_SSL &&
	    ERR_GET_REASON(ERR_peek_last_error()) ==
		SSL_R_CERTIFICATE_VERIFY_FAILED)
		detail = X509_verify_cert_error_string(
		    SSL_get_verify_result(t->ssl));
	if (how == SSL_ERROR_SSL)
		why = reason();
	else if (how == SSL_ERROR_SYSCALL && error != 0)
		why = strerror(error);
	else
		why = "the peer closed the connection";
	err_set(e, is_client ? "08P01" : "08006",
	    is_client ? "TLS handshake failed" : "TLS to the server failed",
	    "TLS handshake: %s%s%s", why, detail[0] == '\0' ? "" : ": ",
	    detail);
	return FAIL;
}

/* Direct TLS is for us only if both sides say "postgresql". */
static bool
is_ours(const struct tls *t)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	return len == TLS_ALPN_LEN - 1 && memcmp(name, &TLS_ALPN[1], len) == 0;
}

enum result
tls_run(struct tls *t, struct err *e)
{
	int rc, how, error;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(t->ssl);
	error = errno;
	how = SSL_get_error(t->ssl, rc);
	t->run_wants = how == SSL_ERROR_WANT_WRITE ? LOOP_WRITE : LOOP_READ;
	if (how == SSL_ERROR_WANT_READ || how == SSL_ERROR_WANT_WRITE)
		return WAIT;
	if (how != SSL_ERROR_NONE)
		return fail(t, how, error, e);
	if (t->is_direct && !is_ours(t)) {
		bool is_client = t->ctx->side == TLS_CLIENTS;

		err_set(e, is_client ? "08P01" : "08006",
		    is_client ? "direct TLS needs ALPN"
			      : "TLS to the server failed",
		    "TLS handshake: the peer did not agree on the protocol "
		    "\"postgresql\" by ALPN");
		return FAIL;
	}
	t->is_agreed = true;
	return DONE;
}

unsigned
tls_wants(const struct tls *t)
{
	if (!t->is_agreed)
		return t->run_wants;
	return (unsigned)t->recv_wants | t->send_wants;
}

/* --- data -------------------------------------------------------------------- */

/*
 * A call took nothing.  `nature` is what it waits for of itself; `wants` gets
 * what else.  0: the peer's end; -1 with errno.
 */
static int
took_nothing(struct tls *t, int rc, int error, unsigned nature, uint8_t *wants)
{
	int how = SSL_get_error(t->ssl, rc);
	unsigned want = how == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE;

	switch (how) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		*wants = (uint8_t)(want & ~nature);
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		if (error == 0)
			return 0; /* how older libraries see an end of file */
		t->broken = error;
		break;
	default:
		t->broken = EPROTO;
		t->fault = reason();
	}
	errno = t->broken;
	return -1;
}

ssize_t
tls_recv(struct tls *t, void *p, size_t len)
{
	int rc, error;

	assert(t->is_agreed);
	if (t->broken != 0) {
		errno = t->broken;
		return -1;
	}
	ERR_clear_error();
	errno = 0;
	rc = SSL_read(t->ssl, p, len > INT_MAX ? INT_MAX : (int)len);
	error = errno;
	t->recv_wants = 0;
	return rc > 0 ? rc
		      : took_nothing(t, rc, error, LOOP_READ, &t->recv_wants);
}

/* One record, or what is left of it; as send(2). */
static ssize_t
write_one(struct tls *t, const void *p, size_t len)
{
	int rc, error;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write(t->ssl, p, (int)len);
	error = errno;
	t->send_wants = 0;
	if (rc > 0)
		return rc;
	if (took_nothing(t, rc, error, LOOP_WRITE, &t->send_wants) == 0) {
		t->broken = EPIPE;
		errno = EPIPE;
	}
	return -1;
}

/*
 * Bring what is held on its way; 0, or -1 with errno.  When a part of it is
 * sent, the rest is free to come again with what its owner offers.
 */
static int
send_held(struct tls *t)
{
	ssize_t n;

	if (t->held.p == NULL)
		return 0;
	n = write_one(t, t->held.p, t->held.len);
	if (n == -1)
		return -1;
	t->held.ahead = (size_t)n;
	free_held(t);
	return 0;
}

/* A write of these bytes is blocked: they must be there for the next try. */
static int
hold(struct tls *t, const void *p, size_t len)
{
	t->held.p = malloc(len);
	if (t->held.p == NULL) {
		t->broken = ENOMEM;
		errno = ENOMEM;
		return -1;
	}
	memcpy(t->held.p, p, len);
	t->held.len = len;
	errno = EAGAIN;
	return -1;
}

/* As much of `p` as was sent ahead is taken without sending it again. */
static size_t
take_ahead(struct tls *t, size_t len)
{
	size_t n = t->held.ahead < len ? t->held.ahead : len;

	t->held.ahead -= n;
	return n;
}

ssize_t
tls_send(struct tls *t, const void *p, size_t len)
{
	const uint8_t *from = p;
	size_t done;
	int rc;

	assert(t->is_agreed);
	if (t->broken != 0) {
		errno = t->broken;
		return -1;
	}
	rc = send_held(t);
	done = take_ahead(t, len);
	while (rc == 0 && done < len) {
		size_t one = len - done < RECORD ? len - done : RECORD;
		ssize_t n = write_one(t, from + done, one);

		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			rc = hold(t, from + done, one);
		else
			rc = -1;
	}
	return done > 0 || rc == 0 ? (ssize_t)done : -1;
}

const char *
tls_fault(const struct tls *t)
{
	return t->fault;
}

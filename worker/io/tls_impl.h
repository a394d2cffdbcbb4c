/*
 * tls_impl.h - what tls.c, tlsctx.c and tlspeer.c share; private to them.
 */
#ifndef WORKER_IO_TLS_IMPL_H
#define WORKER_IO_TLS_IMPL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "conf/tlsconf.h"
#include "worker/io/tls.h"

/*
 * Older libraries lack these, and lose little: kernel TLS, the curve's name
 * in SHOW CLIENTS, and the end of file that is no error (tls.c knows the
 * other sign of it).  All are macros where they exist.
 */
#ifndef SSL_OP_ENABLE_KTLS
#define SSL_OP_ENABLE_KTLS 0
#endif
#ifndef SSL_OP_IGNORE_UNEXPECTED_EOF
#define SSL_OP_IGNORE_UNEXPECTED_EOF 0
#endif
#ifndef SSL_get_negotiated_group
#define SSL_get_negotiated_group(ssl) ((void)(ssl), NID_undef)
#endif
#ifndef BIO_get_ktls_send
#define BIO_get_ktls_send(bio) ((void)(bio), 0)
#define BIO_get_ktls_recv(bio) ((void)(bio), 0)
#endif

/* The application protocol, as ALPN writes a list of one. */
#define TLS_ALPN     "\012postgresql"
#define TLS_ALPN_LEN (sizeof(TLS_ALPN) - 1)

struct tls_ctx {
	SSL_CTX *ssl;
	enum tls_side side;
	int sslmode;   /* enum sslmode */
	unsigned refs; /* its holder's, and one for each connection */
	uint8_t digest[TLSCONF_DIGEST];
};

struct tls {
	SSL *ssl;
	struct tls_ctx *ctx; /* a reference */
	bool is_direct;
	bool is_agreed;     /* the handshake is over */
	uint8_t run_wants;  /* LOOP_READ or LOOP_WRITE; so are the next */
	uint8_t recv_wants; /* only what is against the call's nature */
	uint8_t send_wants;
	const char *fault; /* OpenSSL's reason for EPROTO, or NULL */
	int broken;        /* errno of what ended it; 0: nothing has */
	struct {
		/* OpenSSL insists on seeing the bytes of a blocked write
		 * again.  Whoever calls us may come with fewer: so they are
		 * kept, while it is blocked. */
		uint8_t *p; /* NULL: nothing is blocked */
		size_t len;
		size_t ahead; /* sent, but not yet offered again */
	} held;
};

struct tls_ctx *tls_ctx_ref(struct tls_ctx *x);

#endif

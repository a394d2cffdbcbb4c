#include "worker/backend/servertls.h"

#include "conf/log.h"
#include "worker/self.h"

static struct tls_ctx *context; /* NULL: servers are not asked for TLS */

void
servertls_conf(void)
{
	struct err e;

	if (tls_ctx_renew(&context, TLS_SERVERS, self.conf, NULL, &e) ==
	    TLS_REFUSED)
		log_error(NULL, "TLS to servers stays as it was: %s", e.log);
}

void
servertls_fini(void)
{
	tls_ctx_unref(context);
	context = NULL;
}

bool
servertls_is_on(void)
{
	return context != NULL;
}

bool
servertls_is_direct(void)
{
	return self.conf->server_tls_negotiation == NEGOTIATION_DIRECT;
}

struct tls *
servertls_connect(int fd, const char *host, struct err *e)
{
	return tls_connect(context, fd, host, servertls_is_direct(), e);
}

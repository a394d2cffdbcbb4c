#include "worker/resolver/pamauth.h"

#include <sys/types.h>
#include <sys/socket.h>

#include <netdb.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"

enum { HOST = 256 };

static void
drop_replies(struct pam_response *r, int n)
{
	for (int i = 0; i < n; i++) {
		if (r[i].resp != NULL)
			compat_bzero(r[i].resp, strlen(r[i].resp));
		free(r[i].resp);
	}
	free(r);
}

/* One answer; NULL where there is none to give. */
static int
reply_to(const struct pamauth *p, int style, char **out)
{
	switch (style) {
	case PAM_PROMPT_ECHO_OFF:
		*out = strdup(p->password);
		return *out != NULL ? PAM_SUCCESS : PAM_BUF_ERR;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO:
		return PAM_SUCCESS;
	default:
		return PAM_CONV_ERR;
	}
}

/*
 * Modules own what they get; they free it.  Some that only want to say
 * something have no place for an answer.
 */
static int
converse(
    int n, const struct pam_message **v, struct pam_response **out, void *arg)
{
	struct pam_response *r;
	int rc = PAM_SUCCESS;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	r = calloc((size_t)n, sizeof(*r));
	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n && rc == PAM_SUCCESS; i++)
		rc = reply_to(arg, v[i]->msg_style, &r[i].resp);
	if (rc != PAM_SUCCESS || out == NULL)
		drop_replies(r, n);
	else
		*out = r;
	return rc;
}

/* The client's name, by its address; or the address. */
static void
name_of(const struct pamauth *p, char host[HOST])
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *at = NULL;

	(void)compat_strlcpy(
	    host, p->from[0] == '\0' ? "[local]" : p->from, HOST);
	if (!p->is_by_name || p->from[0] == '\0' ||
	    getaddrinfo(p->from, NULL, &hints, &at) != 0)
		return;
	if (getnameinfo(at->ai_addr, at->ai_addrlen, host, HOST, NULL, 0,
		NI_NAMEREQD) != 0)
		(void)compat_strlcpy(host, p->from, HOST);
	freeaddrinfo(at);
}

static int
ask(const struct pamauth *p, pam_handle_t *h, const char **step)
{
	char host[HOST];
	int rc;

	name_of(p, host);
	*step = "PAM_RHOST";
	rc = pam_set_item(h, PAM_RHOST, host);
	if (rc != PAM_SUCCESS)
		return rc;
	*step = "authentication";
	rc = pam_authenticate(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (rc != PAM_SUCCESS)
		return rc;
	*step = "account";
	return pam_acct_mgmt(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
}

static enum prove_result
judge(int rc)
{
	switch (rc) {
	case PAM_SUCCESS:
		return PROVE_RIGHT;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_PERM_DENIED:
		return PROVE_WRONG;
	default:
		return PROVE_BROKEN;
	}
}

enum prove_result
pamauth_check(const struct pamauth *p, char why[PROVE_WHY])
{
	const struct pam_conv conv = { .conv = converse,
		.appdata_ptr = (void *)(uintptr_t)p };
	const char *step = "start";
	pam_handle_t *h = NULL;
	int rc;

	if (p->password[0] == '\0') {
		(void)compat_strlcpy(why, "an empty password", PROVE_WHY);
		return PROVE_WRONG;
	}
	rc = pam_start(
	    p->service == NULL ? "pgbouncer" : p->service, p->user, &conv, &h);
	if (rc == PAM_SUCCESS)
		rc = ask(p, h, &step);
	snprintf(why, PROVE_WHY, "%s: %.100s", step, pam_strerror(h, rc));
	if (h != NULL)
		(void)pam_end(h, rc);
	return judge(rc);
}

#include "worker/client/outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/ldapconf.h"
#include "worker/askpass.h"
#include "worker/io/outer.h"
#include "worker/proto/field.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum { OUT_MAX = 64, MARGIN_MS = 500, NO_LIMIT_MS = 60000 };

struct outside {
	struct client *client;
	struct greet *greet;
	struct askpass ask;
	size_t password; /* where in the question's text it begins */
};

_Static_assert(
    (STARTUP_USER_MAX + 1) + NETADDR_TEXT + LDAPCONF_TEXT + OUTSIDE_PASSWORD <=
	MSG_TEXT,
    "a question fits a message");

void
outside_drop(struct greet *g)
{
	struct outside *o = g->outside;

	if (o == NULL)
		return;
	g->outside = NULL;
	askpass_fini(&o->ask);
	free(o);
}

bool
outside_is_busy(const struct greet *g)
{
	return g->outside != NULL && g->outside->ask.is_asked;
}

static enum result
failed(const struct greet *g, struct err *e)
{
	char say[sizeof(e->say)];

	snprintf(say, sizeof(say),
	    "%s authentication failed for user \"%.64s\"",
	    g->wanted == HBA_PAM ? "PAM" : "LDAP", g->user);
	(void)err_set(e, "28000", say, "%s", say);
	return FAIL;
}

/* --- asking --------------------------------------------------------------- */

/* In figures; "" of a Unix socket. */
static void
address_of(const struct client *c, char out[NETADDR_TEXT])
{
	struct clientrow_info i;
	struct netaddr a = { 0 };

	out[0] = '\0';
	if (c->is_unix || !clientrow_info_look(c->row, &i) ||
	    (i.peer.family != 4 && i.peer.family != 6))
		return;
	a.family = (uint8_t)i.peer.family;
	memcpy(a.bytes, i.peer.addr, a.family == 4 ? 4 : 16);
	(void)netaddr_text(&a, out);
}

/* All of the question but the password. */
static int
prepare(struct outside *o, const struct hba_rule *rule)
{
	char from[NETADDR_TEXT];

	askpass_init(&o->ask,
	    o->greet->wanted == HBA_PAM ? MSG_PROVE_PAM : MSG_PROVE_LDAP);
	address_of(o->client, from);
	if (askpass_add(&o->ask, o->greet->user) == -1 ||
	    askpass_add(&o->ask, from) == -1)
		return -1;
	for (size_t i = 0; rule != NULL && i < rule->n_options; i++)
		if (askpass_add(&o->ask, rule->options[i].name) == -1 ||
		    askpass_add(&o->ask, rule->options[i].value) == -1)
			return -1;
	o->password = o->ask.question.len;
	return 0;
}

enum result
outside_ask(struct client *c, struct greet *g, const struct hba_rule *rule,
    struct err *e)
{
	uint8_t bytes[OUT_MAX];
	struct wire w;

	outside_drop(g);
	g->outside = calloc(1, sizeof(*g->outside));
	if (g->outside == NULL)
		return err_set(e, "53200", "out of memory", "out of memory"),
		       FAIL;
	g->outside->client = c;
	g->outside->greet = g;
	if (prepare(g->outside, rule) == -1)
		return err_set(e, "28000", "login failed",
			   "the options of a rule are too long"),
		       FAIL;
	wire_init(&w, bytes, sizeof(bytes));
	report_auth_cleartext(&w);
	client_set_state(c, CLIENT_AUTH);
	/* a broken connection has closed the client: nothing more to say */
	(void)client_send_wire(c, &w);
	return WAIT;
}

/* --- the answer ----------------------------------------------------------- */

static void
on_answer(struct askpass *a, enum msg_proved what)
{
	struct outside *o = OUTER_OF(a, struct outside, ask);
	struct client *c = o->client;
	enum result r = FAIL;
	struct err e;

	if (what == MSG_PROVED_BUSY)
		(void)err_set(&e, "53300", "too many logins at once",
		    "too many logins at once");
	else if (what != MSG_PROVED_RIGHT)
		(void)failed(o->greet, &e);
	else if (secret_type(&o->greet->secret,
		     (const char *)a->question.text + o->password, &e) == 0)
		r = DONE; /* and servers may ask for it */
	outside_drop(o->greet);
	greet_checked(c, r, &e);
}

/* Below what the client's login may take. */
static uint64_t
limit_ms(const struct client *c)
{
	int64_t all_ms = self.conf->client_login_timeout_ms;
	int64_t gone_ms = (int64_t)((loop_now_us - c->since_us) / 1000);

	if (all_ms == 0)
		return NO_LIMIT_MS;
	return all_ms - gone_ms > 2 * MARGIN_MS
	    ? (uint64_t)(all_ms - gone_ms - MARGIN_MS)
	    : MARGIN_MS;
}

enum result
outside_check(struct greet *g, const uint8_t *body, size_t len, struct err *e)
{
	struct outside *o = g->outside;
	const char *said;
	struct field f;

	field_init(&f, body, len);
	said = field_str(&f);
	if (!field_is_done(&f))
		return err_set(e, "08P01", "invalid password packet",
			   "invalid password packet"),
		       FAIL;
	if (said[0] == '\0')
		return err_set(e, "28P01", "empty password returned by client",
			   "empty password returned by client"),
		       FAIL;
	if (strlen(said) >= OUTSIDE_PASSWORD)
		return err_set(e, "28P01", "password is too long",
			   "password is too long"),
		       FAIL;
	if (askpass_add(&o->ask, said) == -1)
		return failed(g, e);
	if (askpass(&o->ask, limit_ms(o->client), on_answer) == -1)
		return err_set(e, "53200", "out of memory", "out of memory"),
		       FAIL;
	return WAIT;
}

#include "worker/client/secret.h"

#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "worker/client/greet.h"
#include "worker/io/outer.h"
#include "worker/self.h"

static unsigned kinds_asked; /* that auth_query has said, a bit each */

/* There is such a user, and this is the secret. */
static int
take(struct secret *s, const char *text, enum user_kind kind, struct err *e)
{
	s->is_known = true;
	if (kind == USER_NONE)
		return 0;
	s->text = strdup(text);
	if (s->text == NULL)
		return err_set(e, "53200", "out of memory", "out of memory");
	s->kind = kind;
	return 0;
}

static int
learn(struct secret *s, const char *text, struct err *e)
{
	enum user_kind kind = users_kind(text);

	kinds_asked |= 1u << kind;
	return take(s, text, kind, e);
}

static void
on_answer(struct asksecret *a, const struct asksecret_answer *got)
{
	struct secret *s = OUTER_OF(a, struct secret, ask);
	struct err e;

	if (got->status != ASK_WELL)
		auth_found(s->client, &got->err);
	else if (got->is_known && learn(s, got->secret, &e) == -1)
		auth_found(s->client, &e);
	else
		auth_found(s->client, NULL);
}

enum result
secret_find(struct client *c, struct greet *g, struct err *e)
{
	const struct user *u = users_find(self.conf->users, g->user);
	struct secret *s = &g->secret;
	struct conf_asking as;
	enum result r;

	secret_fini(s);
	if (u != NULL)
		return take(s, u->secret, u->kind, e) == -1 ? FAIL : DONE;
	if (!conf_asking(self.conf, g->database, &as))
		return DONE;
	s->is_asked = true;
	s->client = c;
	r = asksecret(&s->ask, g->database, g->user, on_answer, e);
	if (r == WAIT)
		client_set_state(c, CLIENT_AUTH);
	return r;
}

bool
secret_is_usual(enum user_kind kind)
{
	return users_has(self.conf->users, kind) ||
	    (kinds_asked & 1u << kind) != 0;
}

bool
secret_is_asked_for(const struct secret *s)
{
	return s->ask.link.next != NULL;
}

static void
drop(char *text)
{
	if (text != NULL)
		compat_bzero(text, strlen(text));
	free(text);
}

int
secret_type(struct secret *s, const char *password, struct err *e)
{
	drop(s->typed);
	s->typed = strdup(password);
	return s->typed != NULL
	    ? 0
	    : err_set(e, "53200", "out of memory", "out of memory");
}

const char *
secret_for_server(const struct secret *s)
{
	if (s->typed != NULL)
		return s->typed;
	return s->is_asked && (s->kind == USER_PLAIN || s->kind == USER_MD5)
	    ? s->text
	    : NULL;
}

void
secret_fini(struct secret *s)
{
	asksecret_cancel(&s->ask);
	drop(s->text);
	drop(s->typed);
	*s = (struct secret){ .kind = USER_NONE };
}

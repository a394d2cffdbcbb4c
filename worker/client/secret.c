#include "worker/client/secret.h"

#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "worker/client/greet.h"
#include "worker/self.h"

enum result
secret_find(struct client *c, struct greet *g, struct err *e)
{
	const struct user *u = users_find(self.conf->users, g->user);
	struct secret *s = &g->secret;

	(void)c;
	secret_fini(s);
	if (u == NULL)
		return DONE;
	s->is_known = true;
	if (u->kind == USER_NONE)
		return DONE;
	s->text = strdup(u->secret);
	if (s->text == NULL)
		return err_set(e, "53200", "out of memory", "out of memory"),
		       FAIL;
	s->kind = u->kind;
	return DONE;
}

void
secret_fini(struct secret *s)
{
	if (s->text != NULL)
		compat_bzero(s->text, strlen(s->text));
	free(s->text);
	*s = (struct secret){ .kind = USER_NONE };
}

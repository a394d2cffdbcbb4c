/* loginstart.c - the first message to a server: who comes, with what settings. */
#include "worker/backend/login_impl.h"

#include "conf/conf.h"
#include "worker/backend/dedicate.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

enum { OUT_MAX = STARTUP_MAX + 4096 };

enum result
loginmsg_start(struct login *l)
{
	const struct lend *lend = l->b->lend;
	const struct conf_db *db = lend->db;
	const char *name = db->dbname[0] ? db->dbname : pool_db_name(lend->row);
	const struct dedicate *own = l->b->own ? l->b->own->own : NULL;
	struct startup_pair more[4];
	uint8_t bytes[OUT_MAX];
	struct wire w;
	size_t n = 0;
	const struct startup_pair all[] = {
		{ "client_encoding", db->client_encoding },
		{ "datestyle", db->datestyle },
		{ "timezone", db->timezone },
		{ "application_name", db->application_name },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i].value[0] != '\0')
			more[n++] = all[i];
	wire_init(&w, bytes, sizeof(bytes));
	l->minor = (uint16_t)self.conf->server_protocol;
	if (own == NULL)
		startup_build(&w, l->minor, lend->user, name, more, n);
	else
		startup_build_own(&w, l->minor, lend->user, name, own->kind,
		    more, n, own->params, own->params_len);
	l->state = LOGIN_AUTH;
	return loginmsg_send(l, &w);
}

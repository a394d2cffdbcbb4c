#include "worker/resolver/authplace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/keys.h"
#include "conf/users.h"
#include "worker/resolver/authquery.h"

static struct authplace *places;
static uint32_t nplaces, nconns;

struct authplace *
authplace_first(void)
{
	return places;
}

const char *
authplace_name(const struct authplace *p)
{
	return p->texts[AUTHCONN_DBNAME];
}

/* --- places -------------------------------------------------------------- */

/* What libpq can log in with: it takes no hash and no verifier. */
static const char *
password_of(const struct conf *c, const char *name)
{
	const struct user *u = users_find(c->users, name);

	return u != NULL && u->kind == USER_PLAIN ? u->secret : "";
}

static void
describe(const struct conf *c, const struct conf_asking *as, char port[16],
    const char *texts[AUTHCONN_TEXTS])
{
	const struct conf_db *db = as->db;

	snprintf(port, 16, "%d", db->port);
	texts[AUTHCONN_HOSTS] = db->host;
	texts[AUTHCONN_DIR] = c->unix_socket_dir;
	texts[AUTHCONN_PORT] = port;
	texts[AUTHCONN_DBNAME] = db->dbname[0] ? db->dbname : as->name;
	texts[AUTHCONN_AS] = as->user;
	texts[AUTHCONN_PASSWORD] = password_of(c, as->user);
	texts[AUTHCONN_SSLMODE] =
	    value_choice_name(keys_sslmode, c->server_tls_sslmode);
	texts[AUTHCONN_CA_FILE] = c->server_tls_ca_file;
	texts[AUTHCONN_CERT_FILE] = c->server_tls_cert_file;
	texts[AUTHCONN_KEY_FILE] = c->server_tls_key_file;
}

void
authplace_free(struct authplace *p)
{
	char *password = p->texts[AUTHCONN_PASSWORD];
	struct authplace **at = &places;

	while (p->conns != NULL)
		authplace_drop(p, p->conns);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	nplaces--;
	if (password != NULL)
		compat_bzero(password, strlen(password));
	for (int i = 0; i < AUTHCONN_TEXTS; i++)
		free(p->texts[i]);
	free(p);
}

void
authplace_tidy(uint64_t now_ms)
{
	struct authplace *p, *next;

	for (p = places; p != NULL; p = next) {
		next = p->next;
		if (p->lookups == NULL && p->conns == NULL &&
		    (p->is_obsolete || p->down_ms <= now_ms))
			authplace_free(p);
	}
}

static struct authplace *
make(const char *const texts[AUTHCONN_TEXTS])
{
	struct authplace *p = NULL;

	if (nplaces < AUTHQUERY_PLACES)
		p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->next = places;
	places = p;
	nplaces++;
	for (int i = 0; i < AUTHCONN_TEXTS; i++) {
		p->texts[i] = strdup(texts[i]);
		if (p->texts[i] == NULL) {
			authplace_free(p);
			return NULL;
		}
	}
	return p;
}

static bool
is_same(const struct authplace *p, const char *const texts[AUTHCONN_TEXTS])
{
	if (p->is_obsolete)
		return false;
	for (int i = 0; i < AUTHCONN_TEXTS; i++)
		if (strcmp(p->texts[i], texts[i]) != 0)
			return false;
	return true;
}

struct authplace *
authplace_for(const struct conf *c, const struct conf_asking *as)
{
	const char *texts[AUTHCONN_TEXTS];
	struct authplace *p = places;
	char port[16];

	describe(c, as, port, texts);
	while (p != NULL && !is_same(p, texts))
		p = p->next;
	return p != NULL ? p : make(texts);
}

struct lookup *
authplace_queued(const struct authplace *p)
{
	struct lookup *l = p->lookups;

	while (l != NULL && l->conn != NULL)
		l = l->next;
	return l;
}

/* --- connections ----------------------------------------------------------- */

uint32_t
authplace_count(const struct authplace *p, bool is_ready)
{
	uint32_t n = 0;

	for (const struct authconn *c = p->conns; c != NULL; c = c->next)
		n += c->was_ready == is_ready;
	return n;
}

uint32_t
authplace_conns(void)
{
	return nconns;
}

void
authplace_drop(struct authplace *p, struct authconn *c)
{
	struct authconn **at = &p->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	p->nconns--;
	nconns--;
	authconn_close(c);
	free(c);
}

static bool
make_room(void)
{
	struct authconn *oldest = NULL;
	struct authplace *of = NULL;

	for (struct authplace *p = places; p != NULL; p = p->next)
		for (struct authconn *c = p->conns; c != NULL; c = c->next)
			if (c->state == AUTHCONN_IDLE &&
			    (oldest == NULL || c->due_ms < oldest->due_ms)) {
				oldest = c;
				of = p;
			}
	if (oldest != NULL)
		authplace_drop(of, oldest);
	return oldest != NULL;
}

struct authconn *
authplace_connect(struct authplace *p)
{
	struct authconn *c;

	if (nconns >= AUTHQUERY_ALL && !make_room())
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->texts = p->texts;
	c->first = p->turn;
	c->next = p->conns;
	p->conns = c;
	p->nconns++;
	nconns++;
	return c;
}

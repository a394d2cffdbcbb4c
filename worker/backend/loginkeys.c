/*
 * loginkeys.c - what clients have proved to have, for logins at servers.
 *
 * SCRAM keys stand in the pool's row, where every worker finds them and those
 * who come after it (shm/poolkeys.h).  Secrets stay with the worker that its
 * clients have told them.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/conf.h"
#include "conf/users.h"
#include "worker/backend/lend.h"
#include "worker/backend/login.h"
#include "worker/self.h"

_Static_assert(POOL_KEY == SCRAM_KEY && USERS_KEY == SCRAM_KEY &&
	POOL_SALT == SCRAM_SALT_MAX,
    "keys and salts of one length");

/*
 * The verifier that is all there is; NULL: there is a secret, or nothing, or
 * nobody is asked for a proof and so nobody brings keys.
 */
static const struct user_scram *
only_verifier(const struct lend *lend)
{
	const struct user *u = users_find(self.conf->users, lend->user);
	int auth = self.conf->auth_type;

	if (auth == AUTH_ANY || auth == AUTH_TRUST)
		return NULL;
	if (lend->is_forced || lend->db == NULL || lend->db->has_password)
		return NULL;
	return u == NULL ? NULL : u->scram;
}

/*
 * What auth_file does not know is proved by what auth_query says, or by what
 * LDAP or PAM does.
 */
static bool
is_asked(const struct lend *lend)
{
	int auth = self.conf->auth_type;
	struct conf_asking as;

	return self.conf->auth_type != AUTH_ANY && !lend->is_forced &&
	    lend->db != NULL && !lend->db->has_password &&
	    users_find(self.conf->users, lend->user) == NULL &&
	    (auth == AUTH_LDAP || auth == AUTH_PAM ||
		conf_asking(self.conf, pool_db_name(lend->row), &as));
}

bool
login_needs_keys(const struct lend *lend)
{
	return only_verifier(lend) != NULL || is_asked(lend);
}

bool
login_keys(const struct lend *lend, struct scram_keys *out)
{
	const struct user_scram *v = only_verifier(lend);
	struct pool_keys k;

	memset(out, 0, sizeof(*out));
	/* those of a verifier that has been replaced are of no use */
	if (pool_keys_look(lend->row, &k) &&
	    (v == NULL || memcmp(k.stored, v->stored_key, SCRAM_KEY) == 0)) {
		memcpy(out->client, k.client, SCRAM_KEY);
		memcpy(out->stored, k.stored, SCRAM_KEY);
		memcpy(out->server, k.server, SCRAM_KEY);
		memcpy(out->salt, k.salt, k.salt_len);
		out->salt_len = (uint8_t)k.salt_len;
		out->iterations = k.iterations;
		out->has_client = true;
	}
	compat_bzero(&k, sizeof(k));
	return out->has_client;
}

uint32_t
login_mark(const struct scram_keys *k)
{
	uint32_t mark;

	memcpy(&mark, k->stored, sizeof(mark));
	return mark == 0 ? 1 : mark;
}

const char *
login_secret(const struct lend *lend)
{
	const struct user *u = users_find(self.conf->users, lend->user);

	/* what clients bring is newer than all but a plain text in auth_file,
	 * and does where that is a hash or a verifier */
	if (lend->db != NULL && lend->db->has_password)
		return lend->db->password;
	if (lend->secret != NULL && (u == NULL || u->kind != USER_PLAIN))
		return lend->secret;
	return u == NULL || u->secret == NULL ? "" : u->secret;
}

bool
login_can_answer(const struct lend *lend, const struct pool_failure *f)
{
	enum user_kind kind = users_kind(login_secret(lend));
	struct scram_keys k;
	bool can = false;

	switch ((enum pool_told)f->told) {
	case POOL_NO_PASSWORD:
		return kind == USER_PLAIN;
	case POOL_NO_MD5:
		return kind == USER_PLAIN || kind == USER_MD5;
	case POOL_NO_KEYS:
		can = kind == USER_PLAIN ||
		    (login_keys(lend, &k) && login_mark(&k) != f->mark);
		scram_keys_wipe(&k);
		return can;
	default:
		return false;
	}
}

bool
login_has_keys(const struct lend *lend)
{
	struct scram_keys k;
	bool has = lend->secret != NULL;

	if (!has && login_needs_keys(lend)) {
		has = login_keys(lend, &k);
		scram_keys_wipe(&k);
	}
	return has;
}

void
login_keep_keys(const struct lend *lend, const struct scram_keys *k)
{
	struct pool_keys row = { .iterations = k->iterations,
		.salt_len = k->salt_len };

	memcpy(row.client, k->client, SCRAM_KEY);
	memcpy(row.stored, k->stored, SCRAM_KEY);
	memcpy(row.server, k->server, SCRAM_KEY);
	memcpy(row.salt, k->salt, k->salt_len);
	pool_keys_write(lend->row, self.me, &row);
	compat_bzero(&row, sizeof(row));
}

void
login_keep_secret(struct lend *lend, const char *secret)
{
	char *copy = NULL;

	if (secret != NULL && lend->secret != NULL &&
	    strcmp(lend->secret, secret) == 0)
		return;
	/* no memory: then there is none, and a later login brings it */
	if (secret != NULL)
		copy = strdup(secret);
	if (lend->secret != NULL)
		compat_bzero(lend->secret, strlen(lend->secret));
	free(lend->secret);
	lend->secret = copy;
}

/*
 * loginmsg.c - what is said in a login: startup, authentication, parameters.
 *
 * The server is not trusted: every length is checked, every field may be
 * missing, and what it does not have to say here ends the login.
 */
#include "worker/backend/login_impl.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "conf/compat.h"
#include "conf/users.h"
#include "worker/backend/lend.h"
#include "worker/backend/login.h"
#include "worker/io/outer.h"
#include "worker/io/tls.h"
#include "worker/proto/digest.h"
#include "worker/proto/field.h"
#include "worker/proto/report.h"
#include "worker/proto/say.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

enum { OUT_MAX = 4096, MESSAGE_MAX = SELF_HOLD - FRAME_HEAD };

enum result
loginmsg_send(struct login *l, const struct wire *w)
{
	if (w->full)
		return err_set(&l->err, "08P01", "login message is too long",
			   "login message is too long"),
		       FAIL;
	if (backend_send(l->b, w->p, w->len) == -1)
		return err_set(&l->err, "08006", "server connection was lost",
			   "write: %s", strerror(errno)),
		       FAIL;
	return WAIT;
}

/* A copy, since the configuration may be replaced before the login is over. */
static const char *
secret_of(struct login *l)
{
	if (l->secret == NULL)
		l->secret = strdup(login_secret(l->b->lend));
	return l->secret == NULL ? "" : l->secret;
}

/* To ask again would be in vain: whoever waits is told. */
static enum result
no_answer(struct login *l, enum pool_told told, const char *method)
{
	l->told = told;
	return err_set(&l->err, "08P01",
		   told == POOL_NO_ANSWER
		       ? "server login failed: its method is not supported"
		       : "server login failed: wrong password type",
		   "server asks for %s, and there is nothing here that can "
		   "answer it",
		   method),
	       FAIL;
}

static enum result
send_password(struct login *l, const char *password)
{
	uint8_t bytes[OUT_MAX];
	struct wire w;
	enum result r;

	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'p');
	wire_str(&w, password);
	wire_end(&w);
	r = loginmsg_send(l, &w);
	compat_bzero(bytes, sizeof(bytes));
	return r;
}

static enum result
on_cleartext(struct login *l)
{
	const char *secret = secret_of(l);

	if (users_kind(secret) != USER_PLAIN)
		return no_answer(l, POOL_NO_PASSWORD, "a password");
	return send_password(l, secret);
}

static enum result
on_md5(struct login *l, struct field *f)
{
	const uint8_t *salt = field_bytes(f, 4);
	const char *secret = secret_of(l);
	char answer[DIGEST_MD5_SIZE];
	enum user_kind kind = users_kind(secret);

	if (salt == NULL)
		return err_set(&l->err, "08P01", "server login failed",
			   "malformed md5 request"),
		       FAIL;
	if ((kind != USER_PLAIN && kind != USER_MD5) ||
	    digest_md5_answer(secret, l->b->lend->user, salt, answer) == -1)
		return no_answer(l, POOL_NO_MD5, "md5");
	return send_password(l, answer);
}

/* What the conversation has to say; `mechanism` with its first words. */
static enum result
send_sasl(struct login *l, const char *mechanism)
{
	uint8_t bytes[OUT_MAX];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'p');
	if (mechanism != NULL) {
		wire_str(&w, mechanism);
		wire_int32(&w, (uint32_t)l->scram.out_len);
	}
	wire_bytes(&w, l->scram.out, l->scram.out_len);
	wire_end(&w);
	return loginmsg_send(l, &w);
}

/* What binds SCRAM to the server's TLS connection; length 0: there is none. */
static void
bind_to(const struct login *l, struct scram_binding *b)
{
	const struct tls *tls = l->b->tls;

	b->len = tls == NULL ? 0 : tls_server_end_point(tls, b->bytes);
}

static unsigned
offers(struct field *f)
{
	unsigned offered = 0;

	for (;;) {
		const char *name = field_str(f);

		if (f->bad || *name == '\0')
			return offered;
		if (strcmp(name, SCRAM_MECHANISM) == 0)
			offered |= SCRAM_OFFER_PLAIN;
		else if (strcmp(name, SCRAM_PLUS) == 0)
			offered |= SCRAM_OFFER_PLUS;
	}
}

static enum result
on_sasl(struct login *l, struct field *f)
{
	bool is_plain = users_kind(secret_of(l)) == USER_PLAIN;
	struct scram_binding binding;
	uint8_t random[SCRAM_NONCE];
	struct scram_keys keys;
	const char *mechanism;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(&l->err, "58000", "server login failed",
			   "no random bytes"),
		       FAIL;
	if (!is_plain && !login_keys(l->b->lend, &keys))
		return no_answer(l, POOL_NO_KEYS, SCRAM_MECHANISM);
	l->mark = is_plain ? 0 : login_mark(&keys);
	bind_to(l, &binding);
	scram_client_init(&l->scram, is_plain ? NULL : &keys, is_plain, random);
	l->has_scram = true;
	if (!is_plain)
		scram_keys_wipe(&keys);
	mechanism = scram_client_choose(&l->scram, offers(f), &binding);
	if (mechanism == NULL)
		return no_answer(l, POOL_NO_ANSWER, "another SASL mechanism");
	l->state = LOGIN_SASL;
	return send_sasl(l, mechanism);
}

static enum result
use_keys(struct login *l, const struct scram_keys *k)
{
	if (k == NULL)
		return err_set(&l->err, "58000", "server login failed",
			   "keys cannot be derived"),
		       FAIL;
	if (scram_client_rekey(&l->scram, k, &l->err) == FAIL)
		return FAIL;
	return send_sasl(l, NULL);
}

static void
on_derived(struct derive *d, const struct scram_keys *k)
{
	struct login *l = OUTER_OF(d, struct login, derive);

	if (use_keys(l, k) == FAIL)
		login_fail(l);
}

/* The conversation waits for keys of the server's salt. */
static enum result
want_keys(struct login *l)
{
	struct scram_keys k = l->scram.keys;
	enum result r;

	l->derive.on_keys = on_derived;
	r = derive_start(&l->derive, secret_of(l), &k);
	if (r != WAIT)
		r = use_keys(l, r == DONE ? &k : NULL);
	scram_keys_wipe(&k);
	return r;
}

static enum result
on_sasl_data(struct login *l, struct field *f, bool is_final)
{
	enum result r;
	bool is_first;

	if (l->state != LOGIN_SASL)
		return err_set(&l->err, "08P01", "server login failed",
			   "server is out of step in SASL"),
		       FAIL;
	is_first = l->scram.state == SCRAM_FIRST;
	r = scram_client_run(&l->scram, f->p, f->left, &l->err);
	if (r == FAIL && is_first && strcmp(l->err.sqlstate, "28P01") == 0)
		return no_answer(
		    l, POOL_NO_KEYS, "keys of another salt, or more rounds");
	if (r == FAIL || (r == DONE && is_final))
		return r == FAIL ? FAIL : WAIT;
	if (r == WAIT && !is_final)
		return l->scram.state == SCRAM_KEYS ? want_keys(l)
						    : send_sasl(l, NULL);
	return err_set(&l->err, "08P01", "server login failed",
		   "server is out of step in SASL"),
	       FAIL;
}

static enum result
on_auth(struct login *l, const uint8_t *body, size_t len)
{
	struct field f;
	int32_t code;

	field_init(&f, body, len);
	code = field_int32(&f);
	if (f.bad || l->state > LOGIN_SASL)
		code = -1;
	switch (code) {
	case 0:
		/* a server that skips its own proof is not the one we know */
		if (l->has_scram && l->scram.state != SCRAM_DONE)
			break;
		l->state = LOGIN_PARAMS;
		return WAIT;
	case 3:
		return on_cleartext(l);
	case 5:
		return on_md5(l, &f);
	case 10:
		if (l->has_scram)
			break;
		return on_sasl(l, &f);
	case 11:
		return on_sasl_data(l, &f, false);
	case 12:
		return on_sasl_data(l, &f, true);
	case 2:
	case 6:
	case 7:
	case 9:
		return no_answer(l, POOL_NO_ANSWER, "GSSAPI or the like");
	}
	return err_set(&l->err, "08P01", "server login failed",
		   "unexpected authentication request %d", (int)code),
	       FAIL;
}

/* An older server than we asked for.  What it speaks we do not mind: a key of
 * either length is kept as it is. */
static enum result
on_negotiate(struct login *l, const uint8_t *body, size_t len)
{
	if (startup_negotiated(body, len, l->minor, &l->err) == -1)
		return FAIL;
	l->minor = PROTOCOL_3_0;
	return WAIT;
}

/* The last word on a parameter counts: connect_query may have changed it. */
static void
forget_parameter(struct pool_greeting *g, const char *name)
{
	const char *old, *value;
	uint32_t from = 0, pos = 0;

	while (pool_greeting_next(g, &pos, &old, &value)) {
		if (strcmp(old, name) == 0) {
			memmove(g->text + from, g->text + pos, g->len - pos);
			g->len -= pos - from;
			g->nparams--;
			return;
		}
		from = pos;
	}
}

static enum result
on_parameter(struct login *l, const uint8_t *body, size_t len)
{
	struct pool_greeting *g = &l->greeting;
	struct field f;
	const char *name, *value;
	size_t need;
	int i;

	field_init(&f, body, len);
	name = field_str(&f);
	value = field_str(&f);
	if (f.bad)
		return err_set(&l->err, "08P01", "server login failed",
			   "malformed ParameterStatus"),
		       FAIL;
	forget_parameter(g, name);
	need = strlen(name) + strlen(value) + 2;
	i = params_find(name);
	if (need > sizeof(g->text) - g->len ||
	    (i != -1 && !params_edit_set(&l->params, i, value)))
		return err_set(&l->err, "08P01", "server login failed",
			   "server reports more parameters than there is room "
			   "for"),
		       FAIL;
	memcpy(g->text + g->len, name, strlen(name) + 1);
	g->len += (uint32_t)strlen(name) + 1;
	memcpy(g->text + g->len, value, strlen(value) + 1);
	g->len += (uint32_t)strlen(value) + 1;
	g->nparams++;
	return WAIT;
}

static enum result
on_key(struct login *l, const uint8_t *body, size_t len)
{
	struct field f;

	field_init(&f, body, len);
	l->pid = field_int32(&f);
	if (f.bad || f.left < STARTUP_KEY_MIN || f.left > SLOT_KEY)
		return err_set(&l->err, "08P01", "server login failed",
			   "malformed BackendKeyData"),
		       FAIL;
	memcpy(l->info.key, f.p, f.left);
	l->info.key_len = (uint32_t)f.left;
	return WAIT;
}

static enum result
on_error(struct login *l, const uint8_t *body, size_t len)
{
	struct report r;

	(void)report_parse(body, len, &r);
	l->told = POOL_TOLD;
	return err_set(&l->err, r.sqlstate[0] ? r.sqlstate : "08P01",
		   r.message[0] ? r.message : "server login failed", "%s: %s",
		   r.severity[0] ? r.severity : "server", r.message),
	       FAIL;
}

static enum result
on_ready(struct login *l)
{
	const char *query = l->b->lend->db->connect_query;
	uint8_t bytes[OUT_MAX];
	struct wire w;

	/* a walsender of the whole server has no SQL */
	if (l->state == LOGIN_QUERY || query[0] == '\0' || l->b->own != NULL)
		return DONE;
	wire_init(&w, bytes, sizeof(bytes));
	say_query(&w, query);
	l->state = LOGIN_QUERY;
	return loginmsg_send(l, &w);
}

static enum result
on_message(struct login *l, uint8_t type, const uint8_t *body, size_t len)
{
	bool is_in = l->state >= LOGIN_PARAMS;

	switch (type) {
	case 'R':
		return on_auth(l, body, len);
	case 'E':
		return on_error(l, body, len);
	case 'N':
		return WAIT;
	case 'v':
		if (l->state == LOGIN_AUTH)
			return on_negotiate(l, body, len);
		break;
	case 'S':
		if (is_in)
			return on_parameter(l, body, len);
		break;
	case 'K':
		if (is_in)
			return on_key(l, body, len);
		break;
	case 'Z':
		if (is_in && len == 1 && body[0] == 'I')
			return on_ready(l);
		break;
	default: /* the answer to connect_query */
		if (l->state == LOGIN_QUERY && type != 0 &&
		    strchr("TDCIn", type) != NULL)
			return WAIT;
		break;
	}
	return err_set(&l->err, "08P01", "server login failed",
		   "unexpected message 0x%02x in login", type),
	       FAIL;
}

/* All whole messages in hand. */
enum result
loginmsg_run(struct login *l)
{
	struct backend *b = l->b;
	uint8_t *p;
	size_t left;
	ssize_t n = backend_recv(b, &p, &left);

	if (n == -1 && buf_is_later(errno))
		return WAIT;
	if (n <= 0)
		return err_set(&l->err, "08006", "server connection was lost",
			   "%s",
			   n == 0 ? "server closed the connection in login"
				  : strerror(errno)),
		       FAIL;
	while (left > 0) {
		struct frame f;
		enum result r = frame_parse(p, left, MESSAGE_MAX, &f);

		if (r == DONE && left - FRAME_HEAD < f.body)
			r = WAIT;
		if (r == WAIT && backend_hold(b, p, left) == -1)
			r = FAIL;
		if (r == FAIL)
			return err_set(&l->err, "08P01", "server login failed",
				   "malformed message in login"),
			       FAIL;
		if (r == WAIT)
			return WAIT;
		r = on_message(l, f.type, p + FRAME_HEAD, f.body);
		p += FRAME_HEAD + f.body;
		left -= FRAME_HEAD + f.body;
		if (r == DONE && left > 0)
			return err_set(&l->err, "08P01", "server login failed",
				   "bytes after the end of login"),
			       FAIL;
		if (r != WAIT)
			return r;
	}
	return WAIT;
}

void
loginmsg_fini(struct login *l)
{
	derive_cancel(&l->derive);
	if (l->has_scram)
		scram_client_fini(&l->scram);
	if (l->secret != NULL) {
		compat_bzero(l->secret, strlen(l->secret));
		free(l->secret);
		l->secret = NULL;
	}
}

#include "worker/backend/login.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/users.h"
#include "shm/crash.h"
#include "worker/ask.h"
#include "worker/backend/depart.h"
#include "worker/backend/lend.h"
#include "worker/backend/open.h"
#include "worker/backend/params.h"
#include "worker/backend/target.h"
#include "worker/io/tune.h"
#include "worker/proto/digest.h"
#include "worker/proto/field.h"
#include "worker/proto/report.h"
#include "worker/proto/scram.h"
#include "worker/proto/startup.h"
#include "worker/self.h"

enum login_state {
	LOGIN_HOST,
	LOGIN_CONNECT,
	LOGIN_AUTH,
	LOGIN_SASL,
	LOGIN_PARAMS,
	LOGIN_QUERY,
};

enum { OUT_MAX = 4096, MESSAGE_MAX = SELF_HOLD - FRAME_HEAD };

struct login {
	enum login_state state;
	struct backend *b;
	struct deadline deadline;
	struct ask ask;
	bool is_asking;
	uint32_t tried;   /* entries of the host list, this one included */
	uint32_t address; /* of this entry's, the one being tried */
	bool is_told;     /* the server has said why in an ErrorResponse */
	bool has_scram;
	struct scram_client scram;
	struct slot_info info;
	int32_t pid;
	struct params_edit params;
	struct pool_greeting greeting;
	struct err err;
};

static enum result try_entry(struct login *l);
static enum result try_connect(struct login *l);

/* --- the end ---------------------------------------------------------------- */

void
login_drop(struct backend *b)
{
	struct login *l = b->login;

	if (l == NULL)
		return;
	b->login = NULL;
	ask_cancel(&l->ask);
	deadline_clear(&l->deadline);
	if (l->has_scram)
		scram_client_fini(&l->scram);
	compat_bzero(l, sizeof(*l));
	free(l);
}

static void
fail(struct login *l)
{
	struct err e = l->err;

	open_failed(l->b, &e, l->is_told); /* frees l */
}

static void
on_deadline(struct deadline *d)
{
	struct login *l = (struct login *)(void *)((char *)d -
	    offsetof(struct login, deadline));

	err_set(&l->err, "08006", "server login has timed out",
	    "server_connect_timeout");
	fail(l);
}

/* The text that clients are welcomed with, if it is another than before. */
static void
publish_greeting(struct login *l)
{
	struct pool *row = l->b->lend->row;
	struct pool_greeting old;

	l->greeting.number = 1;
	if (pool_greeting_look(row, &old)) {
		if (old.number != 0 && old.len == l->greeting.len &&
		    memcmp(old.text, l->greeting.text, old.len) == 0)
			return;
		l->greeting.number = old.number + 1;
	}
	pool_greeting_write(row, &l->greeting);
}

static void
succeed(struct login *l)
{
	struct backend *b = l->b;
	struct slot *s = slot_at(b->slot);
	socklen_t len = sizeof(l->info.local.sa);
	struct log_who who;
	char text[TARGET_TEXT];

	if (getsockname(b->watch.fd, (struct sockaddr *)l->info.local.sa,
		&len) == 0 && len <= sizeof(l->info.local.sa))
		l->info.local.len = len;
	memcpy(l->info.params, l->params.text, l->params.len);
	l->info.params_len = l->params.len;
	slot_info_write(b->slot, &l->info);
	atomic_store(&s->backend_pid, l->pid);
	CRASH_POINT("login.greeting");
	publish_greeting(l);
	if (l->has_scram && l->scram.state == SCRAM_DONE)
		b->lend->keys = l->scram.keys;
	if (self.conf->log_connections) {
		backend_who(b, &who);
		target_text(&l->info.local, text);
		log_info(&who, "new connection to server (from %s)", text);
	}
	login_drop(b);
	backend_logged_in(b);
}

/* --- messages ------------------------------------------------------------------ */

static enum result
send_wire(struct login *l, const struct wire *w)
{
	if (w->full)
		return err_set(&l->err, "08P01", "login message is too long",
		    "login message is too long"), FAIL;
	if (backend_send(l->b, w->p, w->len) == -1)
		return err_set(&l->err, "08006",
		    "server connection was lost", "write: %s",
		    strerror(errno)), FAIL;
	return WAIT;
}

/* The secret for this server: plain, md5 or SCRAM; "" when there is none. */
static const char *
secret_of(const struct login *l)
{
	const struct lend *lend = l->b->lend;
	const struct user *u;

	if (lend->db->has_password)
		return lend->db->password;
	u = users_find(self.conf->users, lend->user);
	return u == NULL ? "" : u->secret;
}

static enum result
no_secret(struct login *l, const char *method)
{
	return err_set(&l->err, "08P01", "server login failed",
	    "server asks for %s, and there is no secret that can answer it",
	    method), FAIL;
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
	r = send_wire(l, &w);
	compat_bzero(bytes, sizeof(bytes));
	return r;
}

static enum result
on_cleartext(struct login *l)
{
	const char *secret = secret_of(l);

	if (users_kind(secret) != USER_PLAIN)
		return no_secret(l, "a password");
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
		    "malformed md5 request"), FAIL;
	if ((kind != USER_PLAIN && kind != USER_MD5) ||
	    digest_md5_answer(secret, l->b->lend->user, salt, answer) == -1)
		return no_secret(l, "md5");
	return send_password(l, answer);
}

static enum result
send_sasl(struct login *l, bool is_first)
{
	uint8_t bytes[OUT_MAX];
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'p');
	if (is_first) {
		wire_str(&w, SCRAM_MECHANISM);
		wire_int32(&w, (uint32_t)l->scram.out_len);
	}
	wire_bytes(&w, l->scram.out, l->scram.out_len);
	wire_end(&w);
	return send_wire(l, &w);
}

static enum result
on_sasl(struct login *l, struct field *f)
{
	const struct scram_keys *keys = &l->b->lend->keys;
	const char *secret = secret_of(l);
	bool is_offered = false, is_plain = users_kind(secret) == USER_PLAIN;
	uint8_t random[SCRAM_NONCE];

	for (;;) {
		const char *name = field_str(f);

		if (f->bad || *name == '\0')
			break;
		is_offered |= strcmp(name, SCRAM_MECHANISM) == 0;
	}
	if (!is_offered)
		return err_set(&l->err, "08P01", "server login failed",
		    "server offers no mechanism that is known here"), FAIL;
	if (!is_plain && (keys->iterations == 0 || !keys->has_client))
		return no_secret(l, SCRAM_MECHANISM);
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(&l->err, "58000", "server login failed",
		    "no random bytes"), FAIL;
	scram_client_init(&l->scram, is_plain ? secret : NULL,
	    keys->iterations != 0 ? keys : NULL, random);
	l->has_scram = true;
	l->state = LOGIN_SASL;
	return send_sasl(l, true);
}

static enum result
on_sasl_data(struct login *l, struct field *f, bool is_final)
{
	if (l->state != LOGIN_SASL)
		return err_set(&l->err, "08P01", "server login failed",
		    "server is out of step in SASL"), FAIL;
	switch (scram_client_run(&l->scram, f->p, f->left, &l->err)) {
	case FAIL:
		return FAIL;
	case WAIT:
		if (is_final)
			break;
		return send_sasl(l, false);
	case DONE:
		if (!is_final)
			break;
		return WAIT;
	}
	return err_set(&l->err, "08P01", "server login failed",
	    "server is out of step in SASL"), FAIL;
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
		return l->has_scram ? no_secret(l, "SASL twice") :
		                      on_sasl(l, &f);
	case 11:
		return on_sasl_data(l, &f, false);
	case 12:
		return on_sasl_data(l, &f, true);
	}
	return err_set(&l->err, "08P01", "server login failed",
	    "unexpected authentication request %d", (int)code), FAIL;
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
		    "malformed ParameterStatus"), FAIL;
	need = strlen(name) + strlen(value) + 2;
	i = params_find(name);
	if (need > sizeof(g->text) - g->len ||
	    (i != -1 && !params_edit_set(&l->params, i, value)))
		return err_set(&l->err, "08P01", "server login failed",
		    "server reports more parameters than there is room for"),
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
	if (f.bad || f.left > SLOT_KEY)
		return err_set(&l->err, "08P01", "server login failed",
		    "malformed BackendKeyData"), FAIL;
	memcpy(l->info.key, f.p, f.left);
	l->info.key_len = (uint32_t)f.left;
	return WAIT;
}

static enum result
on_error(struct login *l, const uint8_t *body, size_t len)
{
	struct report r;

	(void)report_parse(body, len, &r);
	l->is_told = true;
	return err_set(&l->err, r.sqlstate[0] ? r.sqlstate : "08P01",
	    r.message[0] ? r.message : "server login failed", "%s: %s",
	    r.severity[0] ? r.severity : "server", r.message), FAIL;
}

static enum result
on_ready(struct login *l)
{
	const char *query = l->b->lend->db->connect_query;
	uint8_t bytes[OUT_MAX];
	struct wire w;

	if (l->state == LOGIN_QUERY || query[0] == '\0')
		return DONE;
	wire_init(&w, bytes, sizeof(bytes));
	wire_begin(&w, 'Q');
	wire_str(&w, query);
	wire_end(&w);
	l->state = LOGIN_QUERY;
	return send_wire(l, &w);
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
	case 'v':
		return WAIT;
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
		if (l->state == LOGIN_QUERY && strchr("TDCIn", type) != NULL)
			return WAIT;
		break;
	}
	return err_set(&l->err, "08P01", "server login failed",
	    "unexpected message 0x%02x in login", type), FAIL;
}

/* All whole messages in hand. */
static enum result
on_bytes(struct login *l)
{
	struct backend *b = l->b;
	uint8_t *p;
	size_t left;
	ssize_t n = backend_recv(b, &p, &left);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return WAIT;
	if (n <= 0)
		return err_set(&l->err, "08006", "server connection was lost",
		    "%s", n == 0 ? "server closed the connection in login" :
		                   strerror(errno)), FAIL;
	while (left > 0) {
		struct frame f;
		enum result r = frame_parse(p, left, MESSAGE_MAX, &f);

		if (r == DONE && left - FRAME_HEAD < f.body)
			r = WAIT;
		if (r == WAIT && backend_hold(b, p, left) == -1)
			r = FAIL;
		if (r == FAIL)
			return err_set(&l->err, "08P01",
			    "server login failed",
			    "malformed message in login"), FAIL;
		if (r == WAIT)
			return WAIT;
		r = on_message(l, f.type, p + FRAME_HEAD, f.body);
		p += FRAME_HEAD + f.body;
		left -= FRAME_HEAD + f.body;
		if (r == DONE && left > 0)
			return err_set(&l->err, "08P01",
			    "server login failed",
			    "bytes after the end of login"), FAIL;
		if (r != WAIT)
			return r;
	}
	return WAIT;
}

/* --- connecting ------------------------------------------------------------------- */

static enum result
send_startup(struct login *l)
{
	const struct lend *lend = l->b->lend;
	const struct conf_db *db = lend->db;
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
	startup_build(&w, lend->user,
	    db->dbname[0] ? db->dbname : pool_db_name(lend->row), more, n);
	l->state = LOGIN_AUTH;
	return send_wire(l, &w);
}

static void
close_socket(struct login *l)
{
	struct backend *b = l->b;

	depart_tell(b, MSG_FD_GONE, -1);
	loop_remove(&b->watch);
	close(b->watch.fd);
	b->watch.fd = -1;
	have_set(self.me, b->slot, 0);
	buf_fini(&b->in);
	buf_fini(&b->out);
}

/* This address did not do: the next one, if there is one. */
static enum result
next_address(struct login *l)
{
	const struct lend *lend = l->b->lend;

	if (l->b->watch.fd != -1)
		close_socket(l);
	l->address++;
	if (l->ask.status == ASK_WELL && l->address < l->ask.addrs.n)
		return try_connect(l);
	if (l->tried >= target_count(lend->db->host))
		return FAIL;
	l->b->lend->next_host++;
	return try_entry(l);
}

static enum result
unreachable(struct login *l, int error)
{
	char text[TARGET_TEXT];

	target_text(&l->info.addr, text);
	err_set(&l->err, "08006", "server is not reachable",
	    "connect to %s: %s", text, strerror(error));
	return next_address(l);
}

static enum result
connect_to(struct login *l)
{
	struct backend *b = l->b;
	struct sockaddr_storage ss;
	int fd;

	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, l->info.addr.sa, l->info.addr.len);
	l->state = LOGIN_CONNECT;
	fd = socket(ss.ss_family, SOCK_STREAM, 0);
	if (fd == -1 || compat_cloexec_nonblock(fd) == -1) {
		err_set(&l->err, "53000", "server is not reachable",
		    "socket: %s", strerror(errno));
		if (fd != -1)
			close(fd);
		return FAIL;
	}
	tune_socket(fd, ss.ss_family, self.conf);
	watch_init(&b->watch, fd, b->watch.on_event);
	have_set(self.me, b->slot, b->gen);
	slot_info_write(b->slot, &l->info);
	CRASH_POINT("login.socket");
	/* the supervisor has it before there can be a backend behind it */
	if (depart_tell(b, MSG_FD_STORE, fd) == -1) {
		err_set(&l->err, "53000", "server is not reachable",
		    "channel to the supervisor is full");
		return FAIL;
	}
	CRASH_POINT("login.stored");
	if (connect(fd, (struct sockaddr *)&ss, l->info.addr.len) == -1 &&
	    errno != EINPROGRESS)
		return unreachable(l, errno);
	if (loop_want(&b->watch, LOOP_WRITE) == -1)
		return err_set(&l->err, "53000", "server is not reachable",
		    "event loop: %s", strerror(errno)), FAIL;
	return WAIT;
}

static enum result
try_connect(struct login *l)
{
	if (!target_inet(&l->ask.addrs, l->address, l->b->lend->db->port,
		&l->info.addr))
		return next_address(l);
	return connect_to(l);
}

static void
on_answer(struct ask *a)
{
	struct login *l = (struct login *)(void *)((char *)a -
	    offsetof(struct login, ask));
	enum result r;

	if (a->status == ASK_WELL) {
		r = try_connect(l);
	} else {
		l->err = a->err;
		r = next_address(l);
	}
	if (r == FAIL)
		fail(l);
}

/* The entry of the host list whose turn it is. */
static enum result
try_entry(struct login *l)
{
	struct lend *lend = l->b->lend;
	const struct conf_db *db = lend->db;
	uint32_t n = target_count(db->host);
	char host[TARGET_HOST];

	l->tried++;
	l->address = 0;
	l->ask.status = ASK_NONE;
	l->state = LOGIN_HOST;
	if (!target_entry(db->host, lend->next_host % n, host))
		return next_address(l);
	if (target_unix(host, db->port, self.conf->unix_socket_dir,
		&l->info.addr)) {
		if (l->info.addr.len > 0)
			return connect_to(l);
		err_set(&l->err, "08006", "server is not reachable",
		    "path of the Unix socket is too long");
		return next_address(l);
	}
	switch (ask_host(&l->ask, host, db->port, on_answer)) {
	case DONE:
		return try_connect(l);
	case WAIT:
		return WAIT;
	case FAIL:
		break;
	}
	l->err = l->ask.err;
	return next_address(l);
}

static enum result
on_connected(struct login *l)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->b->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) ==
	    -1)
		error = errno;
	if (error != 0)
		return unreachable(l, error);
	if (loop_want(&l->b->watch, LOOP_READ) == -1)
		return err_set(&l->err, "53000", "server is not reachable",
		    "event loop: %s", strerror(errno)), FAIL;
	return send_startup(l);
}

void
login_start(struct backend *b)
{
	struct login *l = calloc(1, sizeof(*l));
	struct err e;

	if (l == NULL) {
		err_set(&e, "53200", "out of memory", "out of memory");
		open_failed(b, &e, false);
		return;
	}
	b->login = l;
	l->b = b;
	l->info = *backend_info(b);
	params_edit_init(&l->params);
	deadline_init(&l->deadline, on_deadline);
	if (b->lend->db->load_balance_hosts == LOAD_ROUND_ROBIN)
		b->lend->next_host++;
	if (self.conf->server_connect_timeout_ms > 0)
		deadline_set(&l->deadline, loop_now_us +
		    (uint64_t)self.conf->server_connect_timeout_ms * 1000);
	if (try_entry(l) == FAIL)
		fail(l);
}

void
login_on_event(struct backend *b, unsigned events)
{
	struct login *l = b->login;
	enum result r = WAIT;

	if (l->state == LOGIN_CONNECT) {
		r = on_connected(l);
	} else {
		if (events & LOOP_WRITE && backend_is_full(b)) {
			ssize_t left = buf_flush(&b->out, b->watch.fd);

			if (left == 0)
				loop_want(&b->watch, LOOP_READ);
		}
		if (events & (LOOP_READ | LOOP_HANGUP))
			r = on_bytes(l);
	}
	if (r == DONE)
		succeed(l);
	else if (r == FAIL)
		fail(l);
}

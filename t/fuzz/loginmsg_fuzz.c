/*
 * loginmsg_fuzz.c - a server that says anything while we log in.
 *
 * The first byte chooses what secret there is and whether a query is run at
 * connect; the rest is what the server says.  It is fed a message at a time
 * and byte by byte, which must come to the same, and at once.
 *
 * Random bytes are not, here, so that a whole SCRAM login can stand in the
 * corpus.
 */
#include "worker/backend/login_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/users.h"
#include "t/fuzz/fuzz.h"
#include "worker/backend/lend.h"
#include "worker/self.h"

enum secret { NONE, PLAIN, MD5, KEYS };

enum {
	QUERY = 4, /* in the first byte */
	BYTES_MAX = 1500,
	ITERATIONS_MAX = 5000 /* of a derivation that is waited for */
};

#define VERIFIER                                        \
	"SCRAM-SHA-256$4096:c2l4dGVlbiBieXRlcy4uLg==$"  \
	"zZN4K3+5VVneFPc4tlmIr4XUHcFWX3x9HtLQNWZbUZw=:" \
	"c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M="

/* Before libcrypto's own. */
int
RAND_bytes(unsigned char *buf, int num)
{
	memset(buf, 'r', (size_t)num);
	return 1;
}

static struct conf conf;
static struct conf_db db;
static struct pool row;
static struct lend lend;

struct outcome {
	enum result rc;
	enum login_state state;
	int32_t pid;
	struct slot_info info;
	struct params_edit params;
	struct pool_greeting greeting;
	struct err err;
	size_t sent; /* bytes to the server */
};

static void
set_up(void)
{
	static uint8_t scratch[SELF_SCRATCH];

	if (self.scratch != NULL)
		return;
	self.scratch = scratch;
	self.conf = &conf;
	params_init("");
	lend.db = &db;
	lend.row = &row;
	strcpy(lend.user, "app");
	db.name = db.dbname = "shop";
	db.client_encoding = db.datestyle = db.timezone = "";
	db.application_name = "";
}

/* What the pool's clients have proved to have. */
static void
set_keys(void)
{
	struct pool_keys k = { .iterations = 4096, .salt_len = 16 };

	memset(k.client, 'c', sizeof(k.client));
	memset(k.server, 's', sizeof(k.server));
	memcpy(k.salt, "sixteen bytes...", 16);
	MUST(EVP_Digest(k.client, sizeof(k.client), k.stored, NULL,
		 EVP_sha256(), NULL) == 1);
	pool_keys_write(&row, 0, &k);
}

static void
choose(uint8_t how)
{
	static const char *const file[] = { "\"other\" \"x\"",
		"\"app\" \"secret\"",
		"\"app\" \"md50123456789abcdef0123456789abcdef\"",
		"\"app\" \"" VERIFIER "\"" };
	const char *text = file[how & 3];
	struct conf_faults faults;

	conf_faults_init(&faults);
	users_free(conf.users);
	conf.users = users_new(text, strlen(text), "users", &faults);
	MUST(conf.users != NULL && faults.count == 0);
	conf_faults_free(&faults);
	conf.auth_type = AUTH_SCRAM;
	memset(&row, 0, sizeof(row));
	if ((how & 3) == KEYS)
		set_keys();
	db.connect_query = how & QUERY ? "select 1" : "";
}

/* What we have said, taken from the socket. */
static size_t
drain(int fd)
{
	uint8_t bytes[8192];
	size_t sum = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		sum += (size_t)n;
	return sum;
}

/* false: more iterations than this target waits for. */
static bool
derive(struct login *l)
{
	while (l->derive.job != NULL) {
		if (l->scram.keys.iterations > ITERATIONS_MAX)
			return false;
		(void)derive_turn();
	}
	return true;
}

static void
check(const struct login *l, enum result rc)
{
	const char *name, *value;
	uint32_t pos = 0, n = 0;

	MUST(l->info.key_len <= sizeof(l->info.key));
	MUST(l->params.len <= sizeof(l->params.text));
	MUST(l->greeting.len <= sizeof(l->greeting.text));
	while (pool_greeting_next(&l->greeting, &pos, &name, &value))
		n++;
	MUST(n == l->greeting.nparams && pos == l->greeting.len);
	/* a server that has not proved itself does not get us in */
	if (l->has_scram && l->state > LOGIN_SASL)
		MUST(l->scram.state == SCRAM_DONE);
	if (rc == FAIL) {
		MUST(strlen(l->err.sqlstate) <= 5 && l->err.say[0] != '\0');
		MUST_END(l->err.say);
		MUST_END(l->err.log);
	}
	if (rc == DONE)
		MUST(l->state >= LOGIN_PARAMS);
}

/* The bytes that are said at once: to the end of the message. */
static size_t
piece(const uint8_t *p, size_t left, size_t step)
{
	struct frame f;

	if (step > 0)
		return left < step ? left : step;
	if (frame_parse(p, left, FRAME_MAX, &f) != DONE ||
	    left - FRAME_HEAD < f.body)
		return left;
	return FRAME_HEAD + f.body;
}

/* In pieces of `step`; 0: of a message. */
static void
run(const uint8_t *said, size_t size, size_t step, struct outcome *o)
{
	struct backend b = { .lend = &lend };
	struct login l = { .b = &b };
	int fd[2];

	memset(o, 0, sizeof(*o));
	MUST(compat_socketpair(AF_UNIX, SOCK_STREAM, fd) == 0);
	b.watch.fd = fd[0];
	params_edit_init(&l.params);
	o->rc = loginmsg_start(&l);
	MUST(o->rc == WAIT);
	while (size > 0 && o->rc == WAIT && derive(&l)) {
		size_t n = piece(said, size, step);

		o->sent += drain(fd[1]);
		/* no more than is read at once */
		n = n < 65536 ? n : 65536;
		MUST(send(fd[1], said, n, 0) == (ssize_t)n);
		o->rc = loginmsg_run(&l);
		check(&l, o->rc);
		said += n;
		size -= n;
	}
	o->sent += drain(fd[1]);
	o->state = l.state;
	o->pid = l.pid;
	o->info = l.info;
	o->params = l.params;
	o->greeting = l.greeting;
	o->err = l.err;
	derive_cancel(&l.derive);
	loginmsg_fini(&l);
	buf_fini(&b.in);
	buf_fini(&b.out);
	(void)close(fd[0]);
	(void)close(fd[1]);
}

/* A bad length is seen in its first bytes: then less of it has come. */
static void
check_same(const struct outcome *x, const struct outcome *y)
{
	MUST(x->rc == y->rc && x->state == y->state);
	MUST(x->pid == y->pid && x->sent == y->sent);
	MUST(x->info.key_len == y->info.key_len);
	MUST(memcmp(x->info.key, y->info.key, x->info.key_len) == 0);
	MUST(x->params.len == y->params.len);
	MUST(memcmp(x->params.text, y->params.text, x->params.len) == 0);
	MUST(x->greeting.len == y->greeting.len);
	MUST(memcmp(x->greeting.text, y->greeting.text, x->greeting.len) == 0);
	MUST(strcmp(x->err.say, y->err.say) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t how = fuzz_byte(&data, &size);
	struct outcome whole, pieces;

	set_up();
	choose(how);
	run(data, size, 0, &whole);
	run(data, size, size > 0 ? size : 1, &pieces);
	if (size > BYTES_MAX)
		return 0;
	run(data, size, 1, &pieces);
	check_same(&whole, &pieces);
	return 0;
}

/* startup_fuzz.c - the packet that anybody may send first. */
#include "worker/proto/startup.h"

#include "t/fuzz/fuzz.h"

static int
on_option(void *arg, const char *name, const char *value, struct err *e)
{
	size_t *left = arg;

	(void)e;
	MUST(*name != '\0' && strchr(name, '-') == NULL);
	/* with a dash or two and the equals sign it stood in the text */
	MUST(strlen(name) + 1 + strlen(value) <= *left);
	*left -= strlen(name) + 1 + strlen(value);
	return 0;
}

static void
check_options(const char *options)
{
	size_t left = strlen(options);
	struct err e;

	if (startup_options(options, on_option, &left, &e) == -1)
		MUST(strcmp(e.sqlstate, "08P01") == 0);
}

/* Build what was parsed, and parse that. */
static void
check_again(const struct startup *s)
{
	uint8_t bytes[2 * STARTUP_MAX];
	struct startup_pair more = { "options", s->options };
	struct startup again;
	struct wire w;
	struct err e;

	wire_init(&w, bytes, sizeof(bytes));
	if (s->kind == STARTUP_SSL)
		startup_build_ssl(&w);
	else if (s->kind == STARTUP_CANCEL)
		startup_build_cancel(&w, s->pid, s->key, s->key_len);
	else if (s->kind == STARTUP_SESSION)
		startup_build(&w, s->minor, s->user, s->database, &more,
		    s->options != NULL);
	else
		return;
	MUST(!w.full);
	/* two names and options may not fit where "user" alone has done */
	if (w.len > STARTUP_MAX)
		return;
	MUST(startup_parse(w.p, w.len, &again, &e) == DONE);
	MUST(again.kind == s->kind && again.size == w.len);
	if (s->kind == STARTUP_CANCEL)
		MUST(again.pid == s->pid && again.key_len == s->key_len &&
		    memcmp(again.key, s->key, s->key_len) == 0);
	if (s->kind != STARTUP_SESSION)
		return;
	MUST(again.minor == s->minor);
	MUST(strcmp(again.user, s->user) == 0);
	MUST(strcmp(again.database, s->database) == 0);
	MUST((again.options == NULL) == (s->options == NULL));
	if (s->options != NULL)
		MUST(strcmp(again.options, s->options) == 0);
}

static void
check_session(const struct startup *s)
{
	uint8_t answer[STARTUP_MAX];
	const char *name, *value;
	size_t pos = 0, before = 0, n = 0;
	struct wire w;
	struct err e;

	MUST(*s->user != '\0' && strlen(s->user) <= STARTUP_USER_MAX);
	MUST(strlen(s->database) <= STARTUP_DATABASE_MAX);
	while (startup_next(s, &pos, &name, &value)) {
		MUST(pos > before && pos <= s->params_len);
		n += strncmp(name, "_pq_.", 5) == 0;
		before = pos;
		MUST(startup_refuse(&e, name, true) == -1);
		MUST_END(e.say);
	}
	MUST(pos == s->params_len);
	MUST(n == s->pq_options);
	MUST(startup_minor(s) <= s->minor);
	MUST(startup_minor(s) <= STARTUP_MINOR);
	MUST(s->replication <= STARTUP_PHYSICAL);
	wire_init(&w, answer, sizeof(answer));
	startup_negotiate(&w, s);
	MUST(!w.full && w.len <= sizeof(answer));
	if (s->options != NULL)
		check_options(s->options);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct startup s, early;
	enum result rc;
	struct err e;

	memset(&e, 0, sizeof(e));
	/* the same bytes as what a server may answer */
	MUST(startup_negotiated(data, size, 0, &e) == -1);
	if (startup_negotiated(data, size, 2, &e) == 0)
		MUST(size == 8 && data[3] < 2);
	rc = startup_parse(data, size, &s, &e);
	if (rc == FAIL) {
		MUST(strlen(e.sqlstate) == 5 && e.say[0] != '\0');
		MUST_END(e.say);
		MUST_END(e.log);
	}
	if (rc != DONE)
		return 0;
	MUST(s.size >= STARTUP_MIN && s.size <= size);
	MUST(s.size <= STARTUP_MAX);
	/* not before its last byte, and nothing behind it counts */
	for (size_t i = 0; i < s.size; i++)
		MUST(startup_parse(data, i, &early, &e) == WAIT);
	MUST(startup_parse(data, s.size, &early, &e) == DONE);
	MUST(early.kind == s.kind && early.size == s.size);
	MUST(early.user == s.user && early.params_len == s.params_len);
	if (s.kind == STARTUP_CANCEL)
		MUST(s.key_len >= STARTUP_KEY_MIN &&
		    s.key_len <= STARTUP_KEY_MAX &&
		    s.key + s.key_len == data + s.size);
	if (s.kind == STARTUP_SESSION)
		check_session(&s);
	check_again(&s);
	return 0;
}

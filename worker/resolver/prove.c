/*
 * prove.c - questions about passwords, each a job.
 *
 * A job's question does not change once it is a crew's; its result is written
 * by its thread alone, and read when it is ready.
 */
#include "worker/resolver/prove.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/clock.h"
#include "conf/compat.h"
#include "conf/hba.h"
#include "conf/log.h"
#include "worker/resolver/crew.h"
#include "worker/resolver/ldapauth.h"
#include "worker/resolver/pamauth.h"

enum {
	STACK = 1024 * 1024, /* modules of PAM are other people's */
	IDLE = 2,
	OPTIONS = 16,
	PROVE_NAME = 256,
	EARLY_MS = 200, /* before it is late, LDAP says what has hung */
};

struct task {
	struct job job;
	uint32_t proc;
	uint64_t id;
	enum msg_prove by;
	uid_t uid;             /* of a peer, ... */
	char name[PROVE_NAME]; /* ... and the name of that user */
	struct ldapconf ldap;
	struct pamauth pam; /* user, password and address of LDAP, too */
	enum prove_result result;
	char why[PROVE_WHY];
	char text[MSG_TEXT + 1]; /* of the question: all point there */
};

static void work(struct job *j);
static void drop(struct job *j);

#define CREW                                                      \
	{                                                         \
		.work = work, .drop = drop, .stack = STACK,       \
		.most_threads = PROVE_THREADS, .most_idle = IDLE, \
		.most_jobs = PROVE_QUESTIONS                      \
	}

static struct crew crews[PROVE_FDS] = { CREW, CREW, CREW };
static void (*deliver)(const struct msg *m);

static struct task *
task_of(struct job *j)
{
	return (struct task *)(void *)((char *)j - offsetof(struct task, job));
}

/* --- jobs ----------------------------------------------------------------- */

/* In a thread. */
static void
work(struct job *j)
{
	struct task *t = task_of(j);

	if (t->by == MSG_PROVE_PAM)
		t->result = pamauth_check(&t->pam, t->why);
	else if (t->by == MSG_PROVE_PEER)
		t->result =
		    compat_user_name(t->uid, t->name, sizeof(t->name)) == 0
		    ? PROVE_RIGHT
		    : PROVE_WRONG;
	else
		t->result = ldapauth_check(&t->ldap, t->pam.user,
		    t->pam.password, j->due_ms - EARLY_MS, t->why);
}

static void
drop(struct job *j)
{
	struct task *t = task_of(j);

	compat_bzero(t, sizeof(*t));
	free(t);
}

/* --- answers -------------------------------------------------------------- */

static void
reply(uint32_t proc, uint64_t id, enum msg_proved status, const char *name)
{
	struct msg m = { .type = MSG_PROVED,
		.proc = (uint16_t)proc,
		.id = id,
		.status = status };

	m.len = (uint32_t)strlen(name);
	memcpy(m.text, name, m.len);
	deliver(&m);
}

static const char *
method_of(enum msg_prove by)
{
	static const char *const names[] = { "LDAP", "PAM", "peer" };

	return names[by];
}

/* A wrong password is the client's log line; what is broken is ours. */
static void
answer(struct task *t, bool is_late)
{
	if (is_late)
		log_warn(NULL, "%s: user \"%s\": timed out", method_of(t->by),
		    t->pam.user);
	else if (t->result == PROVE_BROKEN)
		log_warn(NULL, "%s: user \"%s\": %s", method_of(t->by),
		    t->pam.user, t->why);
	else if (t->result == PROVE_WRONG)
		log_debug(NULL, "%s: user \"%s\": %s", method_of(t->by),
		    t->pam.user, t->why);
	reply(t->proc, t->id,
	    !is_late && t->result == PROVE_RIGHT ? MSG_PROVED_RIGHT
						 : MSG_PROVED_WRONG,
	    is_late ? "" : t->name);
}

void
prove_poll(struct pollfd *p)
{
	for (int i = 0; i < PROVE_FDS; i++)
		p[i] = (struct pollfd){ .fd = crews[i].fd, .events = POLLIN };
}

void
prove_run(const struct pollfd *p, uint64_t now_ms)
{
	struct job *j;
	bool is_late;

	for (int i = 0; i < PROVE_FDS; i++) {
		if (p[i].revents != 0)
			crew_clear(&crews[i]);
		while ((j = crew_take(&crews[i], now_ms, &is_late)) != NULL) {
			answer(task_of(j), is_late);
			crew_drop(&crews[i], j);
		}
	}
}

int
prove_wait_ms(uint64_t now_ms)
{
	int ms = -1;

	for (int i = 0; i < PROVE_FDS; i++) {
		int next = crew_wait_ms(&crews[i], now_ms);

		if (ms < 0 || (next >= 0 && next < ms))
			ms = next;
	}
	return ms;
}

/* --- questions ------------------------------------------------------------ */

/* The next text of the question; NULL: there is none, or no end of it. */
static const char *
next_text(const struct task *t, size_t len, size_t *pos)
{
	const char *at = t->text + *pos;
	const char *nul = *pos < len ? memchr(at, '\0', len - *pos) : NULL;

	if (nul == NULL)
		return NULL;
	*pos += (size_t)(nul - at) + 1;
	return at;
}

/*
 * NULL, or what is wrong with the question: the user, where he is, the names
 * and values of options, the password.
 */
static const char *
parse(struct task *t, const struct msg *m)
{
	static char why[LDAPCONF_WHY];
	const char *texts[3 + 2 * OPTIONS];
	struct hba_option v[OPTIONS];
	size_t pos = 0, n = 0, n_options = 0;

	memcpy(t->text, m->text, m->len);
	while (pos < m->len) {
		if (n == sizeof(texts) / sizeof(*texts))
			return "a question with too many texts";
		texts[n] = next_text(t, m->len, &pos);
		if (texts[n++] == NULL)
			return "a question that is torn";
	}
	if (n < 3 || n % 2 == 0)
		return "a question without its texts";
	t->pam.user = texts[0];
	t->pam.from = texts[1];
	t->pam.password = texts[n - 1];
	for (size_t i = 2; i + 1 < n; i += 2) {
		v[n_options].name = texts[i];
		v[n_options++].value = texts[i + 1];
		if (strcmp(texts[i], "pamservice") == 0)
			t->pam.service = texts[i + 1];
		if (strcmp(texts[i], "pam_use_hostname") == 0)
			t->pam.is_by_name = strcmp(texts[i + 1], "1") == 0;
	}
	if (t->by == MSG_PROVE_PEER)
		t->uid = (uid_t)strtoul(t->pam.from, NULL, 10);
	if (t->by == MSG_PROVE_LDAP &&
	    ldapconf_fill(&t->ldap, v, n_options, why) == -1)
		return why;
	return NULL;
}

static struct job *
find(const struct crew *c, uint32_t proc, uint64_t id)
{
	for (struct job *j = crew_first(c); j != NULL; j = j->next)
		if (task_of(j)->proc == proc && task_of(j)->id == id)
			return j;
	return NULL;
}

void
prove_ask(const struct msg *m, uint64_t now_ms)
{
	static const uint64_t limits_ms[] = { PROVE_LDAP_MS, PROVE_PAM_MS,
		PROVE_PEER_MS };
	enum msg_prove by =
	    m->status < MSG_PROVES ? (enum msg_prove)m->status : MSG_PROVE_LDAP;
	uint64_t limit_ms = limits_ms[by];
	struct crew *c = &crews[by];
	const char *why = "out of memory";
	struct task *t;

	if (find(c, m->proc, m->id) != NULL)
		return;
	t = calloc(1, sizeof(*t));
	if (t != NULL) {
		t->proc = m->proc;
		t->id = m->id;
		t->by = by;
		t->job.due_ms =
		    now_ms + (m->arg < limit_ms ? m->arg : limit_ms);
		why = parse(t, m);
	}
	if (why == NULL && crew_add(c, &t->job) == 0)
		return;
	if (t != NULL)
		drop(&t->job);
	log_warn(NULL, "%s: %s", method_of(by),
	    why == NULL ? "too many logins at once" : why);
	reply(m->proc, m->id, MSG_PROVED_BUSY, "");
}

void
prove_end(const struct msg *m)
{
	for (int i = 0; i < PROVE_FDS; i++) {
		struct job *j = find(&crews[i], m->proc, m->id);

		if (j != NULL)
			crew_cancel(&crews[i], j);
	}
}

int
prove_open(void (*to)(const struct msg *m), struct err *e)
{
	deliver = to;
	ldapauth_open();
	for (int i = 0; i < PROVE_FDS; i++)
		if (crew_open(&crews[i], e) == -1)
			return -1;
	return 0;
}

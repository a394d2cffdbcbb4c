#include "master/reload.h"

#include <sys/types.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/keys.h"
#include "conf/log.h"
#include "conf/tlsconf.h"
#include "master/children.h"
#include "master/sizes.h"
#include "shm/poolconf.h"
#include "shm/segment.h"

enum { RELOAD_ANSWERS = 64 };

/* Who asked for a change. */
struct asked {
	uint32_t asker; /* a worker, or PROC_NOBODY */
	uint32_t set_len;
	uint64_t id;
	uint8_t set[MSG_SET_KEY + MSG_SET_VALUE]; /* the text of MSG_SET */
};

/* Somebody waits to hear that all workers act on configuration `number`. */
struct answer {
	struct asked by;
	pid_t pid; /* of the asker: its replacement has asked nothing */
	uint64_t number;
	uint64_t until_ms;
};

static struct candidate_source source;
static struct conf *running;
static uint64_t number;   /* of `running` */
static struct conf *next; /* checked, not yet published; or NULL */
static int next_fd = -1;  /* its snapshot */
static bool is_reloading; /* in `next` is what a reload has read */
static int shot_fd = -1;  /* the snapshot of `running`; -1: there is none */
static struct answer answers[RELOAD_ANSWERS];
static uint32_t nanswers;

const struct conf *
reload_conf(void)
{
	return running;
}

uint64_t
reload_number(void)
{
	return number;
}

/* --- the segment's rows --- */

/* The entry that speaks of a database, by name or as "*". */
static const struct conf_db *
entry_of(const struct conf *c, const char *name)
{
	const struct conf_db *db = conf_db_find(c, name);

	return db != NULL ? db : conf_db_auto(c);
}

/* Every database of `c` has its row; false: the lock was busy. */
static bool
define_dbs(const struct conf *c)
{
	for (size_t i = 0; i < c->n_dbs; i++) {
		const struct conf_db *db = &c->dbs[i];
		bool busy = false;

		if (strcmp(db->name, "*") == 0)
			continue;
		if (db_define(PROC_SUPERVISOR, db->name, poolconf_db_max(c, db),
			&busy) != POOL_NONE)
			continue;
		if (busy)
			return false;
		log_error(NULL,
		    "no room for database \"%s\": "
		    "a restart makes some",
		    db->name);
	}
	return true;
}

static void
undefine_dbs(const struct conf *c)
{
	for (uint32_t i = 0; i < seg->ndbs; i++) {
		struct party *row = db_at(i);

		if ((atomic_load(&row->gen) & 1) == 0 ||
		    atomic_load(&row->defined) == 0 ||
		    conf_db_find(c, row->name) != NULL)
			continue;
		atomic_store(&row->defined, 0);
		log_info(NULL, "database \"%s\" removed", row->name);
	}
}

/* Servers are reached by other means now: other keys, or TLS at all. */
static bool
is_tls_changed(const struct conf *was, const struct conf *is)
{
	uint8_t a[TLSCONF_DIGEST], b[TLSCONF_DIGEST];

	if (was->server_tls_negotiation != is->server_tls_negotiation)
		return true;
	return tlsconf_digest(was, TLS_SERVERS, a) == -1 ||
	    tlsconf_digest(is, TLS_SERVERS, b) == -1 ||
	    memcmp(a, b, sizeof(a)) != 0;
}

static void
refresh_pools(const struct conf *was, const struct conf *is)
{
	uint32_t used = atomic_load(&seg->pools_used);
	bool is_other_tls = is_tls_changed(was, is);

	for (uint32_t i = 0; i < used && i < seg->npools; i++) {
		struct pool *p = pool_at(i);
		const struct conf_db *before, *now;
		struct pool_limits limits;

		if (p == NULL || atomic_load(&p->gen) == 0)
			continue;
		before = entry_of(was, pool_db_name(p));
		now = entry_of(is, pool_db_name(p));
		if (now != NULL) {
			poolconf_limits(is, now, pool_user_name(p),
			    atomic_load(&p->forced) != 0, &limits);
			pool_refresh(i, &limits);
		}
		if (now == NULL || before == NULL || is_other_tls ||
		    conf_db_is_moved(before, now))
			pool_obsolete(i);
	}
}

/* --- publishing --- */

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
forget_next(void)
{
	conf_free(next);
	next = NULL;
	close_fd(&next_fd);
}

/* The segment and the descriptor limit were sized once, at start. */
static void
warn_of_size(const struct conf *c)
{
	struct sizes s;

	sizes_of(c, UINT64_MAX, &s);
	if (s.min_slots > seg->nslots ||
	    (uint32_t)c->max_client_conn > seg->nclients)
		log_warn(NULL,
		    "room was made for %u server and %u client "
		    "connections at start: more need a restart",
		    seg->nslots, seg->nclients);
}

/* Put `next` into effect; false: a lock was busy, call again. */
static bool
publish(void)
{
	struct msg conf = { .type = MSG_CONF, .arg = number + 1 };
	struct msg reopen = { .type = MSG_LOG_REOPEN };

	if (!define_dbs(next))
		return false;
	undefine_dbs(next);
	/* the number before the epochs: who opens by an older configuration has
	 * then read an older epoch, too (limits.c) */
	number++;
	atomic_store(&seg->conf_number, number);
	refresh_pools(running, next);
	children_send_all(&conf, next_fd);
	close_fd(&shot_fd);
	shot_fd = next_fd;
	next_fd = -1;
	conf_free(running);
	running = next;
	next = NULL;
	forget_next();
	/* a name that cannot be opened is in the log that stays */
	if (log_setup(running) == 0)
		(void)log_reopen();
	children_send_all(&reopen, -1);
	bell_ring_all();
	warn_of_size(running);
	log_info(NULL, is_reloading ? "reload done" : "SET done");
	is_reloading = false;
	return true;
}

void
reload_start(const struct candidate_source *s, struct conf *first,
    struct conf_files *files)
{
	struct candidate_why why;

	source = *s;
	running = first;
	number = 1;
	/* nobody else runs yet: the lock is free */
	(void)define_dbs(first);
	atomic_store(&seg->conf_number, number);
	shot_fd = candidate_snapshot(files, &why);
	conf_files_free(files);
}

void
reload_fini(void)
{
	forget_next();
	candidate_fini();
	close_fd(&shot_fd);
	conf_free(running);
	running = NULL;
	nanswers = 0;
}

void
reload_child(void)
{
	close_fd(&next_fd);
	close_fd(&shot_fd);
}

void
reload_check(void)
{
	struct msg conf = { .type = MSG_CONF, .arg = number };

	if (shot_fd == -1 || number == 1)
		return;
	for (uint32_t n = 0; n < seg->nprocs; n++)
		if (children_pid(n) != 0 &&
		    atomic_load(&proc_at(n)->conf_number) < number)
			(void)children_send(n, &conf, shot_fd);
}

/* --- answers --- */

/* To SET a text is what the client is to know, if all is well. */
static void
answer(const struct asked *by, enum msg_done status, const char *text)
{
	struct msg m = { .type = MSG_DONE,
		.proc = (uint16_t)by->asker,
		.id = by->id,
		.status = status };
	size_t len = text == NULL ? 0 : strlen(text);

	if (by->asker == PROC_NOBODY)
		return;
	if (status == MSG_DONE_WELL) {
		m.len = by->set_len;
		memcpy(m.text, by->set, by->set_len);
	}
	if (len > sizeof(m.text) - m.len)
		len = sizeof(m.text) - m.len;
	if (len > 0)
		memcpy(m.text + m.len, text, len);
	m.len += (uint32_t)len;
	(void)children_send(by->asker, &m, -1);
}

static void
answer_later(const struct asked *by, uint64_t now_ms)
{
	struct answer *a = &answers[nanswers];

	if (by->asker == PROC_NOBODY)
		return;
	if (nanswers == RELOAD_ANSWERS) {
		answer(by, MSG_DONE_REFUSED, "too many reloads at once");
		return;
	}
	a->by = *by;
	a->pid = children_pid(by->asker);
	a->number = number + 1;
	a->until_ms = now_ms + RELOAD_ANSWER_MS;
	nanswers++;
}

/* The configuration that the slowest living child acts on. */
static uint64_t
reached(void)
{
	uint64_t least = number;

	for (uint32_t c = 0; c < seg->nprocs; c++) {
		uint64_t n = atomic_load(&proc_at(c)->conf_number);

		if (children_pid(c) != 0 && n < least)
			least = n;
	}
	return least;
}

static void
run_answers(uint64_t now_ms)
{
	uint64_t least = nanswers == 0 ? 0 : reached();
	uint32_t kept = 0;

	for (uint32_t i = 0; i < nanswers; i++) {
		struct answer a = answers[i];

		if (a.pid != children_pid(a.by.asker))
			continue;
		if (a.number <= least)
			answer(&a.by, MSG_DONE_WELL, NULL);
		else if (now_ms >= a.until_ms)
			answer(&a.by, MSG_DONE_REFUSED,
			    "a worker does not act on "
			    "the new configuration yet");
		else
			answers[kept++] = a;
	}
	nanswers = kept;
}

/* --- the request --- */

/* What a further change begins with: it must not undo one that waits. */
static const struct conf *
base(void)
{
	return next != NULL ? next : running;
}

static void
put_next(const struct candidate *c, bool is_reload)
{
	forget_next();
	next = c->conf;
	next_fd = c->fd;
	is_reloading = is_reloading || is_reload;
}

void
reload_now(uint32_t asker, uint64_t id, uint64_t now_ms)
{
	struct asked by = { .asker = asker, .id = id };
	struct candidate fresh;
	struct candidate_why why;

	log_info(NULL, "reload: reading %s", base()->conffile);
	if (candidate_reload(&source, base(), &fresh, &why) == -1) {
		log_error(NULL,
		    "reload failed: "
		    "the running configuration stays");
		answer(&by, why.status, why.text);
		return;
	}
	put_next(&fresh, true);
	answer_later(&by, now_ms);
	(void)reload_run(now_ms);
}

/* The two texts of MSG_SET; false: they are not whole. */
static bool
is_set(const struct msg *m, struct conf_setting *out)
{
	const char *text = (const char *)m->text;
	const char *end = memchr(text, '\0', m->len);

	if (m->len > MSG_SET_KEY + MSG_SET_VALUE || end == NULL)
		return false;
	out->key = text;
	out->value = end + 1;
	return memchr(out->value, '\0', m->len - (size_t)(out->value - text)) ==
	    text + m->len - 1;
}

/* May it be set?  If not, `why` says what the client is told. */
static bool
is_settable(const struct conf_setting *set, struct candidate_why *why)
{
	const struct conf_key *key = keys_find(KEY_GLOBAL, set->key);

	if (key == NULL) {
		why->status = MSG_DONE_UNKNOWN;
		snprintf(why->text, sizeof(why->text), "unknown setting \"%s\"",
		    set->key);
	} else if (key->when == KEY_START) {
		why->status = MSG_DONE_WELL;
		snprintf(why->text, sizeof(why->text),
		    "%s: a change needs a restart; SET is ignored", set->key);
	} else {
		return true;
	}
	log_info(NULL, "%s", why->text);
	return false;
}

void
reload_set(uint32_t asker, const struct msg *m, uint64_t now_ms)
{
	struct asked by = { .asker = asker, .id = m->id };
	struct candidate_why why = { .status = MSG_DONE_REFUSED,
		.text = "SET is torn" };
	struct conf_setting set;
	struct candidate fresh;

	if (!is_set(m, &set)) {
		answer(&by, why.status, why.text);
		return;
	}
	by.set_len = m->len;
	memcpy(by.set, m->text, m->len);
	if (!is_settable(&set, &why) ||
	    candidate_set(
		next != NULL ? next_fd : shot_fd, &set, &fresh, &why) == -1) {
		answer(&by, why.status, why.text);
		return;
	}
	put_next(&fresh, false);
	answer_later(&by, now_ms);
	(void)reload_run(now_ms);
}

bool
reload_run(uint64_t now_ms)
{
	if (next != NULL && !publish())
		return true;
	run_answers(now_ms);
	return nanswers > 0;
}

#include "master/reload.h"

#include <sys/types.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/compat.h"
#include "conf/log.h"
#include "conf/tlsconf.h"
#include "master/children.h"
#include "master/sizes.h"
#include "shm/poolconf.h"
#include "shm/segment.h"

enum { RELOAD_ANSWERS = 64 };

/* Somebody waits to hear that all workers act on configuration `number`. */
struct answer {
	uint32_t asker;
	pid_t pid; /* of the asker: its replacement has asked nothing */
	uint64_t id;
	uint64_t number;
	uint64_t until_ms;
};

static struct reload_source source;
static struct conf *running;
static uint64_t number;   /* of `running` */
static struct conf *next; /* checked, not yet published; or NULL */
static int next_fd = -1;  /* its snapshot */
static int shot_fd = -1;  /* the snapshot of `running`; -1: as at start */
static struct answer answers[RELOAD_ANSWERS];
static uint32_t nanswers;

static int
pin(struct conf_files *files, const struct reload_source *s, struct err *e)
{
	char verbose[16];

	snprintf(verbose, sizeof(verbose), "%d", s->verbose);
	if (conf_files_pin(files, CONF_PIN_SET, "conffile", s->path, e) == -1 ||
	    (s->user != NULL &&
		conf_files_pin(files, CONF_PIN_SET, "user", s->user, e) ==
		    -1) ||
	    (s->verbose > 0 &&
		conf_files_pin(files, CONF_PIN_SET, "verbose", verbose, e) ==
		    -1))
		return -1;
	return 0;
}

/* As reload_read(); `was` is what runs, or NULL at start. */
static struct conf *
read_after(const struct conf *was, const struct reload_source *s,
    struct conf_files *files, struct conf_faults *faults)
{
	struct err e;

	conf_files_init(files);
	if (conf_files_read(files, s->path, &e) == -1 ||
	    pin(files, s, &e) == -1) {
		conf_faults_add(
		    faults, s->path, 0, "%s", e.log[0] != '\0' ? e.log : e.say);
		return NULL;
	}
	return was == NULL ? conf_load(files, faults)
			   : conf_reload(was, files, faults);
}

struct conf *
reload_read(const struct reload_source *s, struct conf_files *files,
    struct conf_faults *faults)
{
	return read_after(NULL, s, files, faults);
}

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
	log_info(NULL, "reload done");
	return true;
}

void
reload_start(const struct reload_source *s, struct conf *first)
{
	source = *s;
	running = first;
	number = 1;
	/* nobody else runs yet: the lock is free */
	(void)define_dbs(first);
	atomic_store(&seg->conf_number, number);
}

void
reload_fini(void)
{
	forget_next();
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

	if (shot_fd == -1)
		return;
	for (uint32_t n = 0; n < seg->nprocs; n++)
		if (children_pid(n) != 0 &&
		    atomic_load(&proc_at(n)->conf_number) < number)
			(void)children_send(n, &conf, shot_fd);
}

/* --- answers --- */

static void
answer(uint32_t asker, uint64_t id, const char *fault)
{
	struct msg m = { .type = MSG_DONE, .proc = (uint16_t)asker, .id = id };
	size_t len = fault == NULL ? 0 : strlen(fault);

	if (asker == PROC_NOBODY)
		return;
	if (len > sizeof(m.text))
		len = sizeof(m.text);
	if (len > 0)
		memcpy(m.text, fault, len);
	m.len = (uint32_t)len;
	m.status = m.arg = fault != NULL;
	(void)children_send(asker, &m, -1);
}

static void
answer_later(uint32_t asker, uint64_t id, uint64_t now_ms)
{
	if (asker == PROC_NOBODY)
		return;
	if (nanswers == RELOAD_ANSWERS) {
		answer(asker, id, "too many reloads at once");
		return;
	}
	answers[nanswers++] = (struct answer){
		.asker = asker,
		.pid = children_pid(asker),
		.id = id,
		.number = number + 1,
		.until_ms = now_ms + RELOAD_ANSWER_MS,
	};
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

		if (a.pid != children_pid(a.asker))
			continue;
		if (a.number <= least)
			answer(a.asker, a.id, NULL);
		else if (now_ms >= a.until_ms)
			answer(a.asker, a.id,
			    "a worker does not act on "
			    "the new configuration yet");
		else
			answers[kept++] = a;
	}
	nanswers = kept;
}

/* --- the request --- */

/* The first fault, as the console shows it. */
static void
first_fault(const struct conf_faults *f, char text[MSG_TEXT])
{
	snprintf(text, MSG_TEXT, "the configuration is not valid");
	for (size_t i = 0; i < f->count; i++) {
		const struct conf_fault *v = &f->v[i];

		if (v->is_warning)
			continue;
		if (v->line == 0)
			snprintf(text, MSG_TEXT, "%s: %s", v->file, v->text);
		else
			snprintf(text, MSG_TEXT, "%s:%u: %s", v->file, v->line,
			    v->text);
		return;
	}
}

/* The snapshot of `files`, or -1 with `why`. */
static int
snapshot(const struct conf_files *files, char why[MSG_TEXT])
{
	struct err e;
	int fd = compat_memfd("pooler-conf");

	if (fd == -1) {
		snprintf(why, MSG_TEXT, "no file for the snapshot: %s",
		    strerror(errno));
	} else if (conf_files_save(files, fd, &e) == -1) {
		snprintf(why, MSG_TEXT, "%s", e.log);
		close(fd);
		fd = -1;
	}
	if (fd == -1)
		log_error(NULL, "%s", why);
	return fd;
}

/* Read and check; then `next` and its snapshot are there, or -1 with `why`. */
static int
prepare(char why[MSG_TEXT])
{
	struct conf_faults faults;
	struct conf_files files;
	struct conf *fresh;
	int fd = -1;

	conf_faults_init(&faults);
	fresh = read_after(running, &source, &files, &faults);
	conf_faults_log(&faults);
	if (fresh == NULL)
		first_fault(&faults, why);
	else
		fd = snapshot(&files, why);
	conf_files_free(&files);
	conf_faults_free(&faults);
	if (fd == -1) {
		conf_free(fresh);
		return -1;
	}
	forget_next();
	next = fresh;
	next_fd = fd;
	return 0;
}

void
reload_now(uint32_t asker, uint64_t id, uint64_t now_ms)
{
	char why[MSG_TEXT];

	log_info(NULL, "reload: reading %s", source.path);
	if (prepare(why) == -1) {
		log_error(NULL,
		    "reload failed: "
		    "the running configuration stays");
		answer(asker, id, why);
		return;
	}
	answer_later(asker, id, now_ms);
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

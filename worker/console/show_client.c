/*
 * show_client.c - SHOW CLIENTS and SHOW SERVERS.
 *
 * A row is read between two looks at its generation: what has another client
 * or another backend by then is left out.
 *
 * Data: none.  Never blocks.
 */
#include "worker/console/show.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf/clock.h"
#include "shm/pool.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "shm/stmts.h"
#include "worker/backend/target.h"
#include "worker/client/pin.h"
#include "worker/self.h"

enum { PTR = 24, HOST = 128 };

static const struct report_column columns[] = {
	{ "type", REPORT_TEXT }, { "user", REPORT_TEXT },
	{ "database", REPORT_TEXT }, { "replication", REPORT_TEXT },
	{ "state", REPORT_TEXT }, { "addr", REPORT_TEXT },
	{ "port", REPORT_INT4 }, { "local_addr", REPORT_TEXT },
	{ "local_port", REPORT_INT4 }, { "connect_time", REPORT_TEXT },
	{ "request_time", REPORT_TEXT }, { "wait", REPORT_INT4 },
	{ "wait_us", REPORT_INT4 }, { "close_needed", REPORT_INT4 },
	{ "ptr", REPORT_TEXT }, { "link", REPORT_TEXT },
	{ "remote_pid", REPORT_INT4 }, { "tls", REPORT_TEXT },
	{ "application_name", REPORT_TEXT },
	{ "prepared_statements", REPORT_INT4 }, { "id", REPORT_INT4 },
	{ "pinned", REPORT_TEXT }, /* ours */
};

static const char *const states[] = {
	[SHOW_NOT] = NULL,
	[SHOW_CL_ACTIVE] = "active",
	[SHOW_CL_WAITING] = "waiting",
	[SHOW_CL_CANCEL] = "active_cancel_req",
	[SHOW_SV_ACTIVE] = "active",
	[SHOW_SV_LISTEN] = "listening",
	[SHOW_SV_HELD] = "being_canceled",
	[SHOW_SV_IDLE] = "idle",
	[SHOW_SV_LOGIN] = "login",
	[SHOW_SV_CLOSING] = "closing",
};

/* What both kinds of row have. */
struct line {
	const char *type, *state;
	const char *replication;
	char user[POOL_NAME], database[POOL_NAME];
	char addr[HOST], local_addr[HOST];
	int port, local_port;
	uint64_t connect_wall_us; /* 0: not known */
	uint64_t request_us, wait_us;
	bool is_obsolete;
	uint64_t id, link; /* link 0: none */
	int32_t remote_pid;
	const char *app_name;
	const char *tls; /* "": plain */
	uint32_t stmts;
	char pinned[PIN_TEXT];
};

/* --- states --------------------------------------------------------------- */

enum show_kind
show_client_kind(const struct clientrow *r)
{
	switch (atomic_load(&r->state)) {
	case CLIENTROW_IDLE:
	case CLIENTROW_ACTIVE:
		return SHOW_CL_ACTIVE;
	case CLIENTROW_WAITING:
		return SHOW_CL_WAITING;
	case CLIENTROW_CANCEL:
		return SHOW_CL_CANCEL;
	case CLIENTROW_LOGIN:
		/* it has proved itself, and waits for the pool's first server */
		return atomic_load(&r->pool) == POOL_NONE ? SHOW_NOT
							  : SHOW_CL_WAITING;
	}
	return SHOW_NOT;
}

enum show_kind
show_server_kind(const struct slot *s, uint64_t word)
{
	bool is_lent = atomic_load(&s->client) != 0;

	switch (slot_state(word)) {
	case SLOT_LOGIN:
		return SHOW_SV_LOGIN;
	case SLOT_ACTIVE:
		if (atomic_load(&s->flags) & SLOT_LISTENS)
			return SHOW_SV_LISTEN;
		return !is_lent && atomic_load(&s->cancels) > 0
		    ? SHOW_SV_HELD
		    : SHOW_SV_ACTIVE;
	case SLOT_GRANTED:
		/* nobody's, until it is taken */
		return is_lent ? SHOW_SV_ACTIVE : SHOW_SV_IDLE;
	case SLOT_IDLE:
		return SHOW_SV_IDLE;
	case SLOT_CLOSING:
		return SHOW_SV_CLOSING;
	case SLOT_FREE:
	case SLOT_RESERVED:
		break;
	}
	return SHOW_NOT;
}

static const char *
replication_name(bool is_logical, bool is_physical)
{
	return is_logical ? "logical" : is_physical ? "physical" : "none";
}

/* --- lines ---------------------------------------------------------------- */

static void
put_ptr(struct show *s, uint64_t id)
{
	char text[PTR] = "";

	/* as log lines call it */
	if (id != 0)
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)id);
	show_text(s, text);
}

static void
put_time(struct show *s, uint64_t wall_us)
{
	char text[CLOCK_TEXT];

	show_text(s, wall_us == 0 ? "" : clock_text(text, wall_us, 0));
}

static void
put_line(struct show *s, const struct line *l)
{
	show_row(s);
	show_text(s, l->type);
	show_text(s, l->user);
	show_text(s, l->database);
	show_text(s, l->replication);
	show_text(s, l->state);
	show_text(s, l->addr);
	show_int(s, (uint64_t)l->port);
	show_text(s, l->local_addr);
	show_int(s, (uint64_t)l->local_port);
	put_time(s, l->connect_wall_us);
	put_time(s, l->request_us == 0 ? 0 : clock_wall_of_us(l->request_us));
	show_int(s, l->wait_us / 1000000);
	show_int(s, l->wait_us % 1000000);
	show_int(s, l->is_obsolete);
	put_ptr(s, l->id);
	put_ptr(s, l->link);
	show_int(s, l->remote_pid > 0 ? (uint64_t)l->remote_pid : 0);
	show_text(s, l->tls);
	show_text(s, l->app_name);
	show_int(s, l->stmts);
	show_int(s, l->id);
	show_text(s, l->pinned);
	show_end(s);
}

/* --- clients -------------------------------------------------------------- */

static void
inet_text(uint8_t family, const uint8_t *addr, uint16_t port, char text[HOST],
    int *port_out)
{
	text[0] = '\0';
	*port_out = port;
	if (family == 1) {
		snprintf(text, HOST, "unix");
		*port_out = self.conf->listen_port;
	} else if (family == 4 || family == 6) {
		(void)inet_ntop(
		    family == 4 ? AF_INET : AF_INET6, addr, text, HOST);
	}
}

/* The id of the backend in slot `idx`; 0: it has gone. */
static uint64_t
id_of_slot(uint32_t idx)
{
	struct slot_info info;

	return slot_info_look(idx, &info) ? info.id : 0;
}

static bool
read_client(
    const struct clientrow *r, struct line *l, struct clientrow_info *info)
{
	uint32_t pool = atomic_load(&r->pool), slot = atomic_load(&r->slot);
	const struct pool *p = pool == POOL_NONE ? NULL : pool_at(pool);
	uint32_t flags = atomic_load(&r->flags);
	uint64_t now_us = clock_now_us();
	enum show_kind kind;

	info->user[sizeof(info->user) - 1] = '\0';
	info->app_name[sizeof(info->app_name) - 1] = '\0';
	info->tls[sizeof(info->tls) - 1] = '\0';
	kind = show_client_kind(r);
	if (kind == SHOW_NOT)
		return false;
	l->state = states[kind];
	l->replication = replication_name(
	    flags & CLIENTROW_LOGICAL, flags & CLIENTROW_PHYSICAL);
	show_copy(l->database, sizeof(l->database),
	    p == NULL ? SHOW_CONSOLE : pool_db_name(p));
	show_copy(l->user, sizeof(l->user), info->user);
	inet_text(info->peer.family, info->peer.addr, info->peer.port, l->addr,
	    &l->port);
	inet_text(info->local.family, info->local.addr, info->local.port,
	    l->local_addr, &l->local_port);
	l->connect_wall_us = info->connect_wall_us;
	l->request_us = atomic_load(&r->request_us);
	if (kind == SHOW_CL_WAITING && now_us > l->request_us)
		l->wait_us = now_us - l->request_us;
	l->id = info->id;
	l->link = slot == 0 ? 0 : id_of_slot(slot - 1);
	l->remote_pid = info->remote_pid;
	l->app_name = info->app_name;
	l->tls = info->tls;
	l->stmts = atomic_load(&r->stmts);
	(void)pin_text(pin_of_row(atomic_load(&r->flags)), l->pinned);
	return true;
}

static void
put_client(struct show *s, uint32_t idx)
{
	const struct clientrow *r = clientrow_at(idx);
	struct line l = { .type = "C" };
	struct clientrow_info info;
	uint32_t gen;

	if (r == NULL)
		return;
	gen = atomic_load(&r->gen);
	if ((gen & 1) == 0 || !clientrow_info_look(idx, &info) ||
	    !read_client(r, &l, &info) || atomic_load(&r->gen) != gen)
		return;
	put_line(s, &l);
}

void
show_clients(struct show *s)
{
	SHOW_COLUMNS(s, columns);
	for (uint32_t w = 0; w < seg->nworkers; w++) {
		uint32_t first = clientrow_first(w), n = clientrow_high(w);

		for (uint32_t i = 0; i < n; i++)
			put_client(s, first + i);
	}
}

/* --- servers -------------------------------------------------------------- */

static uint64_t
id_of_client(uint64_t link)
{
	struct clientrow_info info;

	if (link == 0 || link > UINT32_MAX ||
	    !clientrow_info_look((uint32_t)link - 1, &info))
		return 0;
	return info.id;
}

static void
read_server(
    const struct slot *slot, const struct slot_info *info, struct line *l)
{
	const struct pool *p = pool_at(atomic_load(&slot->pool));
	uint32_t flags = atomic_load(&slot->flags);

	l->replication =
	    replication_name(flags & SLOT_LOGICAL, flags & SLOT_PHYSICAL);
	if (p != NULL) {
		show_copy(l->database, sizeof(l->database), pool_db_name(p));
		show_copy(l->user, sizeof(l->user), pool_user_name(p));
		l->is_obsolete =
		    atomic_load(&slot->epoch) != atomic_load(&p->epoch) ||
		    (atomic_load(&slot->flags) & SLOT_DIRTY) != 0;
		if (atomic_load(&slot->flags) & SLOT_KEPT)
			show_copy(l->pinned, sizeof(l->pinned), "yes");
	}
	target_parts(&info->addr, l->addr, sizeof(l->addr), &l->port);
	target_parts(
	    &info->local, l->local_addr, sizeof(l->local_addr), &l->local_port);
	l->connect_wall_us = info->connect_wall_us;
	l->request_us = atomic_load(&slot->since_us);
	l->id = info->id;
	l->link = id_of_client(atomic_load(&slot->client));
	l->remote_pid = atomic_load(&slot->backend_pid);
	l->app_name = info->app_name;
	l->tls = info->tls;
}

static void
put_server(struct show *s, uint32_t idx)
{
	const struct slot *slot = slot_at(idx);
	struct line l = { .type = "S" };
	struct slot_info info;
	uint64_t word;

	if (slot == NULL)
		return;
	word = slot_look(slot);
	l.state = states[show_server_kind(slot, word)];
	if (l.state == NULL || !slot_info_look(idx, &info))
		return;
	info.app_name[sizeof(info.app_name) - 1] = '\0';
	info.tls[sizeof(info.tls) - 1] = '\0';
	read_server(slot, &info, &l);
	l.stmts = stmts_count(idx);
	/* lent to another meanwhile is still there: only the backend counts */
	if (slot_gen(slot_look(slot)) == slot_gen(word))
		put_line(s, &l);
}

void
show_servers(struct show *s)
{
	uint32_t used = atomic_load(&seg->slots_used);

	SHOW_COLUMNS(s, columns);
	for (uint32_t i = 0; i < used && i < seg->nslots; i++)
		put_server(s, i);
}

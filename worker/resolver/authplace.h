/*
 * authplace.h - where auth_query asks: places, their connections, who waits.
 *
 * What a place is stands in authquery.h; this is the table of them.  A place
 * stays while somebody waits there, while it has a connection, and while its
 * last failure is to be remembered.  For authquery.c alone.
 */
#ifndef WORKER_RESOLVER_AUTHPLACE_H
#define WORKER_RESOLVER_AUTHPLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "worker/resolver/authconn.h"

struct asker {
	struct asker *next;
	uint32_t proc;
	uint64_t id;
};

struct lookup {
	struct lookup *next; /* of its place, oldest first */
	struct asker *askers;
	struct authconn *conn; /* RUNNING there; NULL: QUEUED */
	uint64_t due_ms;       /* in the order of the list */
	uint32_t tries;
	char *query;
	char user[AUTHCONN_USER];
};

struct authplace {
	struct authplace *next;
	struct lookup *lookups;
	struct authconn *conns;
	uint32_t nconns;
	uint32_t turn;    /* where in the host list the next one begins */
	uint64_t down_ms; /* no new connection before; 0: none has failed */
	bool is_missing;  /* the last failure: there is no such database */
	bool is_obsolete; /* of an older configuration */
	char *texts[AUTHCONN_TEXTS];
};

/* The newest place; ->next is the one before it. */
struct authplace *authplace_first(void);

/* The place that the settings speak of, made when missing; NULL: no room. */
struct authplace *
authplace_for(const struct conf *c, const struct conf_asking *as);

/* Free those that need not stay. */
void authplace_tidy(uint64_t now_ms);
/* Without look-ups; its connections are closed. */
void authplace_free(struct authplace *p); /* wipes */

/* The database as its server calls it, for the log. */
const char *authplace_name(const struct authplace *p);

/* The oldest look-up that no connection runs; NULL: none. */
struct lookup *authplace_queued(const struct authplace *p);

/* Connections of the place that have been IDLE once, or have not yet been. */
uint32_t authplace_count(const struct authplace *p, bool is_ready);

/*
 * Another connection, not yet opened.  When there are too many of all places,
 * the one that has been idle for longest makes room.  NULL: no room.
 */
struct authconn *authplace_connect(struct authplace *p);
void authplace_drop(struct authplace *p, struct authconn *c); /* wipes */

/* Connections of all places. */
uint32_t authplace_conns(void);

#endif

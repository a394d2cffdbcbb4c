/*
 * deed.h - what the guests of a crowd do: one function a kind.
 *
 * A deed leaves the connection where it found it (idle, or in the block that
 * it runs in), and the guest's books true.  Each kind can be switched off.
 */
#ifndef T_LIB_DEED_H
#define T_LIB_DEED_H

#include <stdbool.h>
#include <stddef.h>

#include "t/lib/guest.h"

enum deed_flag {
	DEED_BLOCK = 1, /* also in a transaction: it raises no error */
	DEED_HOLDS =
	    2, /* keeps the backend for a while, runs others meanwhile */
	DEED_CLEANS = 4, /* takes away what a holding deed has made */
	DEED_NOTHING = 8 /* a switch only: not a deed of its own */
};

struct deed {
	const char *kind;
	void (*run)(struct guest *g);
	unsigned weight, flags;
};

/* By number, up to the one without a name. */
extern const struct deed deeds[];

/* Choose who is on: all but those `off` by the test, or those of the
 * environment's SOAK_ONLY; without SOAK_OFF's. */
void deed_choose(const char *off);
bool deed_is_on(const char *kind);
/* Whether the kind numbered `i` is one that must have been done. */
bool deed_is_due(int i);
/* A query for all settings in one value; what it says for a new session. */
const char *deed_settings(void);
void deed_set_base(const char *values);

/* One of those that are on. */
void deed_run(struct guest *g);
/* A connection is new: the books are empty. */
void deed_begin(struct guest *g);
/* A notification has come; guest_recv() has it. */
void deed_notified(struct guest *g);
/* The session is as new. */
void deed_forget_stmts(struct guest *g);
void deed_forget_channels(struct guest *g);
/* A startup packet with settings of its own; what it told is in g->told. */
size_t deed_startup(struct guest *g, char *out, size_t room);
/* They hold from the login on. */
void deed_told(struct guest *g);
void deed_forget_settings(struct guest *g, bool with_role);

/* deed_stmt.c */
void deed_stmt(struct guest *g);
void deed_pipeline(struct guest *g);
/* An EXECUTE, or DEALLOCATE, of what the protocol has prepared. */
void deed_stmt_by_sql(struct guest *g);
void deed_flush(struct guest *g);
void deed_portal(struct guest *g);
/* deed_sql.c */
void deed_sql(struct guest *g);
void deed_dealloc(struct guest *g);
void deed_cross(struct guest *g);
void deed_discard(struct guest *g);
/* deed_set.c */
void deed_set(struct guest *g);
void deed_local(struct guest *g);
void deed_undone(struct guest *g);
void deed_reset(struct guest *g);
void deed_hidden(struct guest *g);
void deed_again(struct guest *g);
void deed_piped(struct guest *g);
void deed_look(struct guest *g);
/* deed_listen.c */
void deed_listen(struct guest *g);
void deed_notify(struct guest *g);
/* deed_hold.c */
void deed_temp(struct guest *g);
void deed_lock(struct guest *g);
void deed_cursor(struct guest *g);
/* deed_copy.c */
void deed_copy_in(struct guest *g);
void deed_copy_out(struct guest *g);
void deed_copy_fails(struct guest *g);

#endif

/*
 * guest.h - one client of a crowd: a connection byte by byte that may vanish
 * at any moment, and the books of what its session must look like.
 *
 * A guest is a process of its own, so what it does is written straight on: a
 * deed sends, waits and compares.  Who loses its connection, or is doomed to
 * leave after some bytes, jumps back to where it connects again (guest_live()
 * in crowd.c) and its books are empty.  An answer that is not what PostgreSQL
 * itself would say is `wrong`: it is noted with the last that the guest said,
 * and ends the crowd.
 *
 * Its bytes go over TLS in some of its lives, if the other side has that, and
 * in some it comes to another database of the pooler's, `app_tls`, which is the
 * same one at the server.
 */
#ifndef T_LIB_GUEST_H
#define T_LIB_GUEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GUEST_WAIT_MS 60000 /* longer than any answer may take */

enum {
	GUEST_STMTS = 6,    /* names of prepared statements, "" the first */
	GUEST_SQL = 4,      /* names that PREPARE gives */
	GUEST_SETTINGS = 9, /* deed_set.c's */
	GUEST_CHANNELS = 5,
	GUEST_LOCKS = 7,
	GUESTS_MAX = 128,
	GUEST_TOKEN = 48
};

struct crowd_seen;
struct ssl_st;

/* A prepared statement: how its answer follows from its parameter. */
struct guest_stmt {
	bool is_there;
	int kind;
	char mark[48];
};

/* What came for all that was sent, up to the ReadyForQuery. */
struct guest_answer {
	char types[512];  /* of the messages, parameters and notices aside */
	char value[768];  /* first column of the first row */
	char last[768];   /* and of the last one */
	int rows, copied; /* DataRows, CopyDatas */
	size_t width;     /* bytes of the longest row */
	char tag[64];     /* of the last CommandComplete */
	char code[8];     /* SQLSTATE of the first error, "" for none */
	char error[160];
};

struct guest {
	int id, fd;
	struct ssl_st *tls; /* NULL: plain */
	int port;
	const char *db;
	int doing; /* its deed's number */
	uint64_t seed;
	uint32_t life;   /* how often it has connected */
	uint64_t serial; /* of tokens */
	long doom;       /* bytes that it still sends; -1: no end is set */
	char tx;         /* of the last ReadyForQuery */
	bool in_block;   /* in a transaction that may not fail */
	bool is_holding; /* in a deed that holds its backend */
	const char *end; /* SQLSTATE with which it may be sent away; NULL */
	jmp_buf lost;    /* where it goes when its connection is gone */
	struct crowd_seen *seen;
	uint32_t key[2];

	char *in;
	size_t have, used, room;
	char type;
	const char *body;
	size_t len;
	char out[262144];
	size_t out_len;
	struct guest_answer a;

	/* what its session must look like */
	struct guest_stmt stmt[GUEST_STMTS], sql[GUEST_SQL];
	char told[GUEST_SETTINGS][128]; /* at its login; "": not */
	char base[GUEST_SETTINGS][128], set[GUEST_SETTINGS][128];
	char at_begin[GUEST_SETTINGS][128];
	bool has_setter[3]; /* statements that SET, and were prepared */
	bool has_ear[GUEST_CHANNELS], has_end[GUEST_CHANNELS];
	bool listens[GUEST_CHANNELS];
	uint64_t since[GUEST_CHANNELS][GUESTS_MAX];
	uint64_t heard[GUEST_CHANNELS][GUESTS_MAX];
	uint32_t said[GUEST_CHANNELS];
};

/* Below `below`, from the guest's own seed. */
unsigned guest_draw(struct guest *g, unsigned below);
/* A new token: nobody else's, ever. */
const char *guest_token(struct guest *g);
/* One that is needed for longer than text() keeps it. */
void guest_token_to(struct guest *g, char t[GUEST_TOKEN]);

/* Connect and log in; false if nobody takes it. */
bool guest_connect(struct guest *g);
/* The end of a connection, in one of several ways; does not return. */
_Noreturn void guest_vanish(struct guest *g);
/* It was sent away, as it had to be; does not return. */
_Noreturn void guest_depart(struct guest *g);
/* A polite end; returns. */
void guest_leave(struct guest *g);
/* A wrong answer; does not return. */
_Noreturn void guest_wrong(struct guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The other side has ended it: wrong, unless workers are killed. */
_Noreturn void guest_lose(struct guest *g, const char *how);
/* A line for who wants to know how it came to that. */
void guest_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * guest_io.c.  A new socket; TLS over it, if both want it: false if it is lost
 * meanwhile.  None of them waits but with guest_await(), which gives what of
 * poll's `events` is there, 0 for nothing in GUEST_WAIT_MS.  guest_read() and
 * guest_write(): bytes, 0 for none now, -1 when it is gone, as `why` says.
 */
bool guest_dial(struct guest *g);
bool guest_shake(struct guest *g);
short guest_await(struct guest *g, short events);
ssize_t guest_read(struct guest *g, void *to, size_t room, const char **why);
ssize_t
guest_write(struct guest *g, const void *from, size_t len, const char **why);
void guest_hang_up(struct guest *g);

/* Queue a message, as wire_make(); it goes with guest_send(). */
void guest_put(struct guest *g, char type, const char *form, ...);
void guest_send(struct guest *g);
/* The next message but notices, parameters and notifications. */
char guest_recv(struct guest *g);
/* The same, or a notification, which has been noted. */
char guest_next(struct guest *g);
/* The next notification, while nothing else is due. */
void guest_hear(struct guest *g);
/* Send, and take everything up to `readies` ReadyForQuery into g->a. */
void guest_answers(struct guest *g, int readies);
/* Send, and take up to and including a message of `type`. */
void guest_until(struct guest *g, char type);
/* A simple query, to its end; good or not is the caller's to say. */
void guest_query(struct guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, which must succeed. */
void guest_do(struct guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same through an extended query. */
void guest_extended(struct guest *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * The same by a statement of this name, which is prepared first if it is not;
 * `param` may be NULL.
 */
void guest_named(struct guest *g, bool *is_there, const char *name,
    const char *sql, const char *param);
/* The answer must be this value, this error, these types. */
void guest_is(struct guest *g, const char *value);
void guest_fails(struct guest *g, const char *code);
void guest_types(struct guest *g, const char *types);

#endif

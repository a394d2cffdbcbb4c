/*
 * load.h - the load driver as a whole: options, clients, the agenda.
 *
 * Thousands of PostgreSQL clients in one thread.  Every query carries a token
 * that exists once; an answer is right if it is exactly that token, once, in
 * exactly the messages that the query must cause.  Anything else is a wrong
 * answer, the one result that no load excuses.
 *
 * The wire protocol is written here a second time on purpose: a driver that
 * shared the pooler's parser would share its mistakes.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "t/bench/load_stat.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum load_mode {
	MODE_SIMPLE,   /* Query */
	MODE_EXTENDED, /* Parse, Bind, Describe, Execute, Sync */
	MODE_TX,       /* BEGIN, select, COMMIT */
	MODE_MIXED,    /* these three in turn */
	MODE_IDLE      /* log in, run --count transactions, hold */
};

struct load_opt {
	const char *host;
	int port;
	const char *user;
	const char *password; /* NULL: none */
	const char *database;
	uint32_t clients;
	enum load_mode mode;
	bool connect_each; /* a connection for each transaction */
	bool reconnect;    /* after a loss, and after a refusal */
	bool progress;     /* a line each second, on stderr */
	bool strict;       /* any fault makes the exit code non-zero */
	uint32_t rate;     /* connects a second at the start; 0: at once */
	uint32_t think_ms; /* pause between transactions, on average */
	double seconds;    /* 0: until every client has done its count */
	uint64_t count;    /* transactions a client; 0: no bound */
};

/*
 * A client is on the agenda while it waits for a moment (DOWN, REST), in the
 * poll set while it waits for its server, and in neither when it is OVER.
 */
enum client_state {
	CLIENT_DOWN,    /* for the moment to connect */
	CLIENT_CONNECT, /* for connect(2) to end */
	CLIENT_LOGIN,   /* for ReadyForQuery after the startup message */
	CLIENT_REST,    /* for the moment of its next transaction */
	CLIENT_ANSWER,  /* for the answer to its query */
	CLIENT_OVER     /* for nothing: done, or refused for good */
};

struct load_client {
	int fd; /* -1: none */
	uint8_t state;
	uint8_t script;    /* enum load_mode of this transaction */
	uint8_t step;      /* which query of the script */
	uint8_t seen;      /* how many messages of the answer have come */
	bool failed;       /* this query got an ErrorResponse */
	bool fatal;        /* the server said that it will close */
	bool held;         /* counts in load.holding */
	bool was_lost;     /* counts in stat.lost_clients */
	uint16_t in_len;   /* bytes in `in` */
	uint16_t out_len;  /* bytes in `out` */
	uint16_t out_sent; /* of these, taken by the kernel */
	uint32_t skip;     /* bytes of a large message still to throw away */
	uint32_t agenda;   /* its place there plus one; 0: none */
	uint64_t serial;   /* transactions begun */
	int64_t due_us;    /* when on the agenda */
	int64_t connect_us;
	int64_t began_us;
	int64_t lost_us; /* 0: not lost since the last login */
	char token[40];
	char out[320];
	char in[640];
};

struct load {
	struct load_opt opt;
	struct load_stat stat;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct load_client *clients;
	uint32_t *agenda; /* a heap of client numbers, the next due first */
	uint32_t agenda_len;
	uint32_t in_flight; /* clients in ANSWER */
	uint32_t over;      /* clients in OVER */
	uint32_t holding;   /* idle clients that have done their count */
	int64_t now_us;
	uint64_t nonce; /* makes this run's tokens differ from all others' */
	uint64_t random;
	bool stopping; /* finish what is in flight, begin nothing */
};

/* A number from 0 to n - 1. */
uint32_t load_random(struct load *l, uint32_t n);

/* Put `c` on the agenda, or move it there. */
void load_agenda_put(struct load *l, struct load_client *c, int64_t due_us);

/* Take the first client off if it is due by l->now_us; NULL if none is. */
struct load_client *load_agenda_take(struct load *l);

/* Take `c` off, if it is on. */
void load_agenda_drop(struct load *l, struct load_client *c);

#endif

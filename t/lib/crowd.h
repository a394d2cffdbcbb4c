/*
 * crowd.h - many guests at once, each a process; what they have seen of each
 * other; and the score.
 *
 * One seed makes the choices of all: a guest draws from its own share of it.
 * The same seed makes every guest do the same things in the same order as long
 * as it gets the same answers; when they do it is up to the scheduler.
 *
 * From the environment:
 *   SOAK_SEED   the seed; without it, one is made up
 *   SOAK_OFF    kinds of deeds not to be done, by name: "listen temp"
 *   SOAK_ONLY   kinds of deeds to be done, and no others; also those that
 *               the test leaves out
 *   SOAK_CLIENTS  how many guests
 * The kinds stand in deed.c's table, and with them what else can be switched off:
 * vanishing, TLS, and what ops.h does.
 */
#ifndef T_LIB_CROWD_H
#define T_LIB_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "t/lib/guest.h"

#define CROWD_KINDS 48

/* Shared by all guests and the test. */
struct crowd_seen {
	_Atomic bool is_over;     /* begin nothing new */
	_Atomic bool may_lose;    /* connections end: who killed, knows */
	_Atomic bool resets_told; /* RESET takes away what the login told */
	_Atomic long good[CROWD_KINDS], wrong;
	_Atomic long dropped, refused, vanished, cancelled, lives, sent_away;
	_Atomic long notified;       /* notifications that came */
	_Atomic long by_tls, to_tls; /* lives over TLS, and at app_tls */
	_Atomic uint32_t guests_in;  /* logged in at the moment */
	/* the last that a guest began to say, and has said, on a channel:
	 * life << 32 | number */
	_Atomic uint64_t begun[GUEST_CHANNELS][GUESTS_MAX];
	_Atomic uint64_t said[GUEST_CHANNELS][GUESTS_MAX];
	_Atomic int holder[GUEST_LOCKS]; /* guest + 1 */
	_Atomic int is_told;             /* `what` is being written */
	char what[8192];                 /* the first wrong answer */
};

struct crowd {
	int n, port;
	uint64_t seed;
	const char *off; /* by the test: names of kinds */
	pid_t pid[GUESTS_MAX];
	struct crowd_seen *seen;
};

/* `off` names kinds that the test leaves out. */
struct crowd *crowd_new(int n, const char *off);
/* Let them in at a port of 127.0.0.1. */
void crowd_start(struct crowd *c, int port);
/* A line about what has been done since `from_ms`. */
const char *crowd_line(const struct crowd *c, int64_t from_ms);
long crowd_good(const struct crowd *c);
/* All leave; a guest that hangs, or has died, fails the test. */
void crowd_stop(struct crowd *c, int ms);
/* No answer was wrong. */
void crowd_is_right(const struct crowd *c);
/* ... and each kind was done that is switched on. */
void crowd_check(const struct crowd *c);
void crowd_free(struct crowd *c);

#endif

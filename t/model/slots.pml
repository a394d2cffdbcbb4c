/*
 * slots.pml - the slot protocol of the registry, as a model for SPIN.
 *
 * Workers share backends through one word per slot; a supervisor holds a
 * duplicate of every descriptor and repairs what a dead worker left.  A worker
 * may be killed between any two steps.  README.md beside this file says what is
 * checked, in which sizes, and what is left out; run.sh runs all of it.
 *
 * Each rule is marked [Rn] where it is kept, and README.md names the function
 * of the program that keeps it.  -DF_name takes one rule away: SPIN must then
 * find an error.
 *
 * Memory is sequentially consistent.  Reading a word and swapping it is one
 * step (a failed swap is a guard that is false); so are a private and a shared
 * action side by side, because nobody can see between them.
 */

/* sizes */
#ifndef NW
#define NW 2		/* workers: 2, 3 */
#endif
#ifndef NS
#define NS 1		/* places, and the limit that all pools share: 1, 2 */
#endif
#ifndef NPOOL
#define NPOOL 1		/* pools: 1, 2 */
#endif
#ifndef LIMIT
#define LIMIT NS	/* the limit of each pool */
#endif
#ifndef QLEN
#define QLEN 1		/* messages that fit into a channel, each way */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef RETIRES
#define RETIRES 1	/* backends that end after use, or fail to log in */
#endif
#ifndef GIVEUPS
#define GIVEUPS 0	/* clients that stop waiting */
#endif
#ifndef TODO0
#define TODO0 1		/* transactions that worker 0 starts, and so on */
#endif
#ifndef TODO1
#define TODO1 1
#endif
#ifndef TODO2
#define TODO2 1
#endif
#ifndef NCL
#define NCL 1		/* clients at once per worker */
#endif

#define S NW		/* the supervisor's number */
#define NONE 7		/* no process */
#define B(x) (1 << (x))

/* states of a slot */
#define FREE 0
#define LOGIN 1
#define ACTIVE 2
#define IDLE 3
#define GRANTED 4
#define RESERVED 5
#define CLOSING 6

/* what a channel carries, in one byte */
#define FD 0		/* up: a descriptor; down: always one */
#define SHARE 1		/* up: its login went well, pass it on */
#define GONE 2		/* up: its backend's end was seen, close it */
#define MSG(t, x, y) ((((y) * NS + (x)) << 2) | (t))
#define M_TYPE(m) ((m) & 3)
#define M_SLOT(m) (((m) >> 2) % NS)
#define M_GEN(m) (((m) >> 2) / NS)

/* the shared segment */
byte st[NS], own[NS], gen[NS];	/* one word per slot */
#if NPOOL > 1
byte pool[NS];			/* moves with the counters */
byte total;			/* the counter over all pools; its limit is NS */
#define POOL(x) pool[x]
#else
#define POOL(x) 0
#endif
byte cnt[NPOOL];		/* a pool's counter */
byte lk;			/* the limits lock: 0, or its holder + 1 */
byte login[NPOOL];		/* a login in progress: 0, or its owner + 1 */
bit waiting[NW * NPOOL];
byte grant[NW * NPOOL];		/* 0, or {slot, generation} */
byte have[NW * NS];		/* the generation that a process says it holds */
bit sleeping[NW];
bit gone[NW];			/* reaped, and not yet replaced */
bit rescan[NW];			/* the count of repairs is not what it saw */

#define WP(w, p) ((w) * NPOOL + (p))
#define HAVE(w, x) have[(w) * NS + (x)]
#define GRANT(x, y) ((y) * NS + (x))

/* the kernel */
chan up[NW] = [QLEN] of { byte };
chan dn[NW] = [QLEN] of { byte };
byte fd[(NW + 1) * NS];		/* the generation of the open descriptor, 0 none */
bit bell[NW];
bit crashed[NW];		/* the kill is on its way */
bit down[NW];			/* the process has ended and was not replaced */
bit dead[NW];			/* and never will be (NORESTART) */
#define FDG(w, x) fd[(w) * NS + (x)]

/* the world outside, and what only the checker knows */
byte want[NW * NPOOL];		/* clients that wait */
byte todo[NW];
byte ncrash = CRASHES, nretire = RETIRES, ngiveup = GIVEUPS;
bit frozen;			/* FREEZE: no client gives its backend back */
bit stopped[NW];		/* STOP: a worker that no longer runs */
byte usr[NS];			/* who talks on the backend, + 1 */
bit be[NS];			/* a Postgres process exists for this place */

/* lists that depend on the sizes */
#if NS == 1
#define SLOTS(f) f(0)
#define ANY_SLOT(f) (f(0))
#define PICK_SLOT(f) s = 0
#define BACKENDS (be[0])
#define COUNT(p) ((st[0] != FREE && POOL(0) == p))
#else
#define SLOTS(f) f(0); f(1)
#define ANY_SLOT(f) (f(0) || f(1))
#define PICK_SLOT(f) if :: f(0) -> s = 0 :: f(1) -> s = 1 fi
#define BACKENDS (be[0] + be[1])
#define COUNT(p) ((st[0] != FREE && POOL(0) == p) + \
	(st[1] != FREE && POOL(1) == p))
#endif
#if NW == 2
#define WORKERS(f) f(0); f(1)
#define OTHERS(f) f((1 - me))
#define ANY_OTHER(f) f((1 - me))
#define PICK_OTHER(f) v = 1 - me
#define ANY_WORKER(f) (f(0) || f(1))
#else
#define WORKERS(f) f(0); f(1); f(2)
#define OTHERS(f) f(((me + 1) % NW)); f(((me + 2) % NW))
#define ANY_OTHER(f) (f(((me + 1) % NW)) || f(((me + 2) % NW)))
#define PICK_OTHER(f) if :: f(((me + 1) % NW)) -> v = (me + 1) % NW \
	:: f(((me + 2) % NW)) -> v = (me + 2) % NW fi
#define ANY_WORKER(f) (f(0) || f(1) || f(2))
#endif

#define IS(x, state, w, y) (st[x] == state && own[x] == (w) && gen[x] == (y))
#define SET(x, state, w) st[x] = state; own[x] = w

/* ---- what a waiter is told ------------------------------------------- */

/* [R6] There may be room: ring who waits and sleeps. */
inline ring_one(w) {
	atomic {
		if
#if NPOOL > 1
		:: (waiting[WP(w, 0)] || waiting[WP(w, 1)]) && sleeping[w] ->
#else
		:: waiting[WP(w, 0)] && sleeping[w] ->
#endif
			bell[w] = 1
		:: else
		fi
	}
}

#define RING_WAITERS OTHERS(ring_one); look = 1

#if NPOOL > 1
inline ring_other_pools(w) {
	atomic {
		if
		:: waiting[WP(w, 1 - POOL(s))] -> bell[w] = 1
		:: else
		fi
	}
}
#endif

/* The lock names its holder.  The program tries, and tries again at its next
 * turn, which does not sleep; waiting here is the same. */
#ifdef F_NO_LOCK
#define TAKE skip
#define DROP skip
#else
#define TAKE atomic { lk == 0 -> lk = me + 1 }
#define DROP lk = 0
#endif

/* ---- grants ---------------------------------------------------------- */

/* [R4] who may be granted slot s, generation g: waits, holds the descriptor,
 * and has no untaken grant */
#ifdef F_NO_CAP
#define NO_GRANT(w, p) true
#else
#define NO_GRANT(w, p) (grant[WP(w, p)] == 0)
#endif
#define ELIGIBLE(w) (waiting[WP(w, POOL(s))] && HAVE(w, s) == g && \
	NO_GRANT(w, POOL(s)) && !gone[w])

/* s is GRANTED(v) or RESERVED(v): tell v.  fl = 1: it has to come back. */
inline tell() {
	atomic {
		if
		:: NO_GRANT(v, POOL(s)) -> grant[WP(v, POOL(s))] = GRANT(s, g)
		:: else -> fl = 1
		fi
	};
	if
	:: !fl ->
#ifndef F_NO_GONE
		/* [R7] it may have been reaped before it could be told */
		fl = gone[v];
		atomic {
			if
			:: fl && grant[WP(v, POOL(s))] == GRANT(s, g) ->
				grant[WP(v, POOL(s))] = 0
			:: else
			fi
		};
#endif
		/* [R5] the word, then the flag; the grantee does it in reverse */
#ifndef F_NO_BELL
		atomic {
			if
			:: !fl && sleeping[v] -> bell[v] = 1
			:: else
			fi
		}
#else
		skip
#endif
	:: else
	fi
}

/* s is IDLE, or GRANTED(v) if v is not NONE: look for waiters until it is idle
 * with none, or theirs, or somebody else's */
inline offer() {
	do
	:: v == NONE ->
		/* one reads the words of all, then swaps [R3] */
		atomic {
			if
			:: ANY_OTHER(ELIGIBLE) -> PICK_OTHER(ELIGIBLE)
			:: else -> break
			fi
		};
#ifdef F_WORD_FIRST
		atomic {
			if
			:: grant[WP(v, POOL(s))] == 0 ->
				grant[WP(v, POOL(s))] = GRANT(s, g)
			:: else -> v = NONE; break
			fi
		};
		atomic {
			if
			:: st[s] == IDLE && gen[s] == g -> SET(s, GRANTED, v)
			:: else
			fi;
			if
			:: sleeping[v] -> bell[v] = 1
			:: else
			fi;
			v = NONE; break
		}
#else
		atomic {
			if
			:: st[s] == IDLE && gen[s] == g -> SET(s, GRANTED, v)
			:: else -> v = NONE; break
			fi
		}
#endif
	:: v != NONE ->
		tell();
		if
		:: atomic { fl && IS(s, GRANTED, v, g) ->
			SET(s, IDLE, NONE); fl = 0; v = NONE }
		:: else -> atomic { fl = 0; v = NONE; break }
		fi
	od;
#if NPOOL > 1
	/* [R19] an idle backend makes room for other pools under a full limit */
#ifndef F_NO_RING_POOLS
	OTHERS(ring_other_pools);
	if
	:: want[WP(me, 1 - POOL(s))] > 0 -> look = 1
	:: else
	fi;
#endif
#endif
	atomic { s = 0; g = 0 }
}

/* ---- places ---------------------------------------------------------- */

/* [R10] FREE and the counter under the lock; then the waiters */
inline lower(x) {
#if NPOOL > 1
	total = total - 1;
#endif
	cnt[POOL(x)] = cnt[POOL(x)] - 1
}

/* s is RESERVED(w), generation g, and of no use there */
inline unreserve(w) {
	TAKE;
	atomic {
		if
		:: IS(s, RESERVED, w, g) ->
			assert(!be[s]);
			SET(s, FREE, NONE); fl = 1
		:: else -> fl = 0
		fi
	};
	if
	:: fl -> lower(s)
	:: else
	fi;
	DROP;
#ifndef F_NO_RING_BACK
	RING_WAITERS;
#endif
	atomic { s = 0; g = 0; fl = 0 }
}

#if NPOOL > 1
/* under the lock, the place of s may become one of pool p */
#define ROOM_IN(p) (POOL(s) == p || cnt[p] < LIMIT)
#else
#define ROOM_IN(p) true
#endif
#define WAITS(w, p) (waiting[WP(w, p)] && NO_GRANT(w, p) && !gone[w] && \
	ROOM_IN(p))

/* [R11] s, of generation g, is CLOSING(me), and its end of file was read */
inline end_seen() {
	TAKE;
	atomic {
		if
		:: WAITS(0, 0) -> v = 0
		:: WAITS(1, 0) -> v = 1
#if NW == 3
		:: WAITS(2, 0) -> v = 2
#endif
#if NPOOL > 1
		:: WAITS(0, 1) -> v = 0; q = 1
		:: WAITS(1, 1) -> v = 1; q = 1
#endif
		:: else -> v = NONE
		fi;
		assert(IS(s, CLOSING, me, g) && !be[s]);
		if
		:: v == NONE -> SET(s, FREE, NONE)
		:: else ->
			SET(s, RESERVED, v); gen[s] = g + 1; g = gen[s]
		fi
	};
#if NPOOL > 1
	if
	:: v != NONE && pool[s] != q ->
		cnt[pool[s]] = cnt[pool[s]] - 1;
		cnt[q] = cnt[q] + 1;
		pool[s] = q
	:: else
	fi;
	q = 0;
#endif
	if
	:: v == NONE ->
#ifdef F_RING_EARLY
		RING_WAITERS;
#endif
		lower(s);
		DROP;
#if !defined(F_NO_RING_FREE) && !defined(F_RING_EARLY)
		RING_WAITERS;
#endif
		atomic { s = 0; g = 0 }
	:: else ->
		DROP;
		tell();
		if
		:: fl -> unreserve(v)
		:: else -> atomic {
			if
			:: v == me -> look = 1
			:: else
			fi;
			s = 0; g = 0 }
		fi
	fi;
	v = NONE
}

/* s has just become LOGIN(me): a socket; the supervisor gets it before it is
 * connected [R13], at once or when there is room in the channel */
inline start_login() {
	atomic {
		g = gen[s]; lg = s + 1;
#ifdef F_CONNECT_FIRST
		FDG(me, s) = g; HAVE(me, s) = g; be[s] = 1; unsent = 1;
#else
		if
		:: len(up[me]) < QLEN ->
			up[me]!MSG(FD, s, g);
			FDG(me, s) = g; HAVE(me, s) = g; be[s] = 1
		:: else -> unsent = 1
		fi;
#endif
		assert(BACKENDS <= NS);
		s = 0; g = 0
	}
}

#if NPOOL > 1
#define ROOM(p) (cnt[p] < LIMIT && total < NS)
#else
#define ROOM(p) (cnt[p] < LIMIT)
#endif

/* [R10] a login of one's own, if there is room */
inline open(p) {
	atomic {
		if
		:: login[p] == 0 -> login[p] = me + 1; fl = 1
		:: else
		fi
	};
	if
	:: fl ->
		TAKE;
		atomic {
			if
			:: ROOM(p) ->
#if NS > 1
				if
				:: st[0] == FREE -> s = 0
				:: else -> s = 1
				fi;
#endif
				assert(st[s] == FREE && !be[s]);
				SET(s, LOGIN, me); gen[s] = gen[s] + 1;
#if NPOOL > 1
				pool[s] = p
#endif
			:: else -> fl = 0
			fi
		};
		if
		:: fl ->
			atomic { fl = 0; cnt[p] = cnt[p] + 1 };
#if NPOOL > 1
			total = total + 1;
#endif
			DROP;
			start_login()
		:: else ->
			DROP;
			login[p] = 0;
			/* no own look: the lock said that there is no room */
			OTHERS(ring_one)
		fi
	:: else
	fi
}

/* ---- a worker's turn ------------------------------------------------- */

/* [R1] a swap only with the descriptor of the generation that it swaps */
#if defined(F_ANY_FD)
#define CACHED(x) (FDG(me, x) != 0)
#elif defined(F_ANY_CACHE)
#define CACHED(x) true
#else
#define CACHED(x) (FDG(me, x) == gen[x])
#endif
#define CLAIMABLE(x, p) (st[x] == IDLE && POOL(x) == p && CACHED(x))

inline take(x, p) {
	assert(usr[x] == 0 && FDG(me, x) == gen[x] && be[x]);
	SET(x, ACTIVE, me);
	usr[x] = me + 1;
	want[WP(me, p)] = want[WP(me, p)] - 1
}

inline publish(p) {
	if
	:: waiting[WP(me, p)] != (want[WP(me, p)] > 0) ->
		waiting[WP(me, p)] = (want[WP(me, p)] > 0)
	:: else
	fi
}

/* s is GRANTED(me) or RESERVED(me), generation g: take it or give it back */
inline settle(p) {
	if
	:: atomic { IS(s, GRANTED, me, g) && want[WP(me, p)] > 0 &&
	    FDG(me, s) == g -> take(s, p); s = 0; g = 0 }
#ifndef F_KEEP_GRANT
	:: atomic { IS(s, GRANTED, me, g) && !(want[WP(me, p)] > 0 &&
	    FDG(me, s) == g) -> SET(s, IDLE, NONE) };
		offer()		/* [R9] released like any other */
#endif
	:: atomic { IS(s, RESERVED, me, g) && want[WP(me, p)] > 0 &&
	    login[p] == 0 -> login[p] = me + 1 };
		/* [R12] the place is counted already */
		atomic {
			if
			:: IS(s, RESERVED, me, g) -> SET(s, LOGIN, me)
			:: else -> fl = 1
			fi
		};
		if
		:: !fl -> start_login()
		:: else ->
			atomic { fl = 0; login[p] = 0; s = 0; g = 0 };
			RING_WAITERS
		fi
	:: IS(s, RESERVED, me, g) && !(want[WP(me, p)] > 0 && login[p] == 0) ->
		unreserve(me)
	:: else -> atomic { s = 0; g = 0 }
	fi
}

/* [R8] the grant word: take what it names or forget it, then clear it; only
 * then look at idle slots, for releasers passed over who had a grant */
inline take_grant(p) {
	atomic { s = grant[WP(me, p)] % NS; g = grant[WP(me, p)] / NS };
	settle(p);
	grant[WP(me, p)] = 0
}

/* [R2] the waiter is published: what is there for it? */
inline claim(x, p) {
	if
	:: atomic { want[WP(me, p)] > 0 && CLAIMABLE(x, p) -> take(x, p) }
	:: else
	fi
}

#define OPENS(p) (want[WP(me, p)] > 0 && lg == 0 && login[p] == 0 && ROOM(p))

/* [R2] a waiter was published: look for an idle slot, then for room */
inline seek_idle(p) {
	claim(0, p);
#if NS > 1
	claim(1, p);
#endif
}

inline seek_room(p) {
	if
#ifdef F_ROOM_EARLY
	:: early && OPENS(p) -> early = 0; open(p)
#else
	:: OPENS(p) -> open(p)
#endif
#if NPOOL > 1
	/* [R19] held back by the limit that the pools share: an idle backend
	 * of another pool is claimed and closed, its place kept */
	:: atomic { want[WP(me, p)] > 0 && cnt[p] < LIMIT && total >= NS &&
	    st[0] == IDLE && POOL(0) != p && FDG(me, 0) == gen[0] ->
		SET(0, CLOSING, me); clo = clo | B(0) }
#endif
	:: else
	fi;
	publish(p)
}

#ifdef F_GRANT_UNSEEN
#define GRANT_SEEN(p) (grant[WP(me, p)] != 0 && (wide || want[WP(me, p)] > 0))
#else
#define GRANT_SEEN(p) (grant[WP(me, p)] != 0)
#endif

inline serve(p) {
	if
	:: GRANT_SEEN(p) ->
		take_grant(p);
#ifndef F_NO_LOOK_CLEAR
		look = 1
#endif
	:: else
	fi;
	if
	:: want[WP(me, p)] > 0 || waiting[WP(me, p)] ->
		if
		:: wide -> seek_idle(p)
		:: else
		fi;
		seek_room(p)
	:: else
	fi
}

/* [R18] the count of repairs has changed: a granter may have died between the
 * slot's word and the grant word, so look at the slots */
inline find_grant(x) {
	if
	:: atomic { (st[x] == GRANTED || st[x] == RESERVED) && own[x] == me ->
		s = x; g = gen[x] };
		settle(POOL(s))
	:: else
	fi
}

/* once a turn, before sleeping; wide: after a bell or a descriptor */
inline look_around() {
	atomic { wide = look; look = 0 };
	if
	:: wide && rescan[me] ->
		rescan[me] = 0;
#ifndef F_NO_FIND
		SLOTS(find_grant)
#endif
	:: else
	fi;
	serve(0);
#if NPOOL > 1
	serve(1);
#endif
#ifdef F_BELL_LATE
	bell[me] = 0;
#endif
	wide = 0
}

/* a descriptor arrives; one that is here already, or too old, is just closed */
inline arrive() {
	atomic {
		s = M_SLOT(m); g = M_GEN(m); m = 0;
		if
		:: g == gen[s] && st[s] != FREE ->
#ifndef F_NO_LOOK_ARRIVE
			look = (FDG(me, s) != g);	/* [R15] */
#endif
			FDG(me, s) = g;
#ifndef F_HAVE_UNSAID
			HAVE(me, s) = g;
#endif
			if
			:: IS(s, CLOSING, me, g) -> clo = clo | B(s)	/* [R16] */
			:: else
			fi
		:: else
		fi;
		s = 0; g = 0
	}
}

/* a client is done with s */
inline release() {
	if
	:: atomic { nretire > 0 -> nretire = nretire - 1;
		SET(s, CLOSING, me); clo = clo | B(s) };
#ifdef F_FREE_EARLY
		clo = clo & ~B(s);
		TAKE; atomic { SET(s, FREE, NONE) }; lower(s); DROP; RING_WAITERS;
#endif
		atomic { s = 0; g = 0 }
	:: atomic { want[WP(me, POOL(s))] > 0 ->
		SET(s, IDLE, NONE); take(s, POOL(s)); s = 0; g = 0 };
		publish(0)
#if NPOOL > 1
		; publish(1)
#endif
	:: atomic { ANY_OTHER(ELIGIBLE) -> PICK_OTHER(ELIGIBLE) };
		atomic { SET(s, GRANTED, v) };
		offer()
#ifdef F_LOOK_BEFORE
	:: want[WP(me, POOL(s))] == 0 && !ANY_OTHER(ELIGIBLE) ->
		atomic { SET(s, IDLE, NONE); s = 0; g = 0 }
#else
	:: atomic { want[WP(me, POOL(s))] == 0 -> SET(s, IDLE, NONE) };
		offer()
#endif
	fi
}

inline login_ends() {
	if
	:: atomic { nretire > 0 -> nretire = nretire - 1;
		SET(s, CLOSING, me); clo = clo | B(s) };
		login[POOL(s)] = 0;
		RING_WAITERS;
		atomic { s = 0; g = 0 }
	:: atomic {
		/* [R14] passed on once, when there is room in the channel */
		if
		:: len(up[me]) < QLEN -> up[me]!MSG(SHARE, s, g)
#ifdef F_NO_SHARE_RETRY
		:: else
#else
		:: else -> shp = shp | B(s)
#endif
		fi };
		login[POOL(s)] = 0;	/* [R6] cleared, then the waiters rung */
#ifndef F_NO_RING_LOGIN
		OTHERS(ring_one);
#endif
		if
		:: atomic { want[WP(me, POOL(s))] > 0 ->
			take(s, POOL(s)); look = 1; s = 0; g = 0 }
		:: atomic { want[WP(me, POOL(s))] == 0 -> SET(s, IDLE, NONE) };
			offer()
		fi
	fi
}

/* [R17] a grant or reservation that lay untaken for too long */
inline take_back() {
	if
	:: atomic { st[s] == GRANTED && own[s] == v && gen[s] == g ->
		SET(s, IDLE, NONE); v = NONE; look = 1 };
#ifdef F_BACK_QUIET
		atomic { look = 0; s = 0; g = 0 }
#else
		offer()
#endif
	:: IS(s, RESERVED, v, g) ->
		unreserve(v); v = NONE
	:: else -> atomic { s = 0; g = 0; v = NONE }
	fi
}

#define DONE(x) (usr[x] == me + 1)
#define ENDED(x) (clo & B(x))
#define UNSHARED(x) (shp & B(x))
#if NPOOL > 1
#define WANTS (want[WP(me, 0)] + want[WP(me, 1)])
#else
#define WANTS want[me]
#endif
#define UNTAKEN(x) ((st[x] == GRANTED || st[x] == RESERVED) && \
	own[x] != me && want[WP(me, POOL(x))] > 0)
#if NPOOL > 1
#define GRANT_ME (grant[WP(me, 0)] != 0 || grant[WP(me, 1)] != 0)
#else
#define GRANT_ME (grant[me] != 0)
#endif

/* the events that poll may report, one a turn */
inline poll() {
	if
#ifdef F_BELL_LATE
	:: atomic { bell[me] -> sleeping[me] = 0; look = 1 }
#else
	:: atomic { bell[me] -> bell[me] = 0; sleeping[me] = 0; look = 1 }
#endif
	:: atomic { len(dn[me]) > 0 -> dn[me]?m; sleeping[me] = 0 };
		arrive()
	:: atomic { !frozen && ANY_SLOT(DONE) -> PICK_SLOT(DONE);
		g = gen[s]; usr[s] = 0; sleeping[me] = 0;
		assert(IS(s, ACTIVE, me, g)) };
		release()
	:: atomic { lg > 0 && !unsent -> s = lg - 1; g = gen[s]; lg = 0;
		sleeping[me] = 0; assert(IS(s, LOGIN, me, g)) };
		login_ends()
	:: atomic { ANY_SLOT(ENDED) -> PICK_SLOT(ENDED);
		g = gen[s]; clo = clo & ~B(s); be[s] = 0; sleeping[me] = 0;
		/* [R14] the supervisor closes its own, or finds out later */
		if
		:: len(up[me]) < QLEN -> up[me]!MSG(GONE, s, g)
		:: else
		fi;
		FDG(me, s) = 0; HAVE(me, s) = 0 };
		end_seen()
	:: atomic { unsent && len(up[me]) < QLEN -> s = lg - 1; g = gen[s];
		unsent = 0; up[me]!MSG(FD, s, g); FDG(me, s) = g;
		HAVE(me, s) = g; be[s] = 1; sleeping[me] = 0; s = 0; g = 0;
		assert(BACKENDS <= NS) }
	:: atomic { ANY_SLOT(UNSHARED) && len(up[me]) < QLEN ->
		PICK_SLOT(UNSHARED); shp = shp & ~B(s);
		if
		:: FDG(me, s) == gen[s] -> up[me]!MSG(SHARE, s, gen[s])
		:: else
		fi;
		s = 0; sleeping[me] = 0 }
	:: atomic { todo[me] > 0 && WANTS < NCL -> todo[me] = todo[me] - 1;
#if NPOOL > 1
		if
		:: want[WP(me, 0)] = want[WP(me, 0)] + 1
		:: want[WP(me, 1)] = want[WP(me, 1)] + 1
		fi;
#else
		want[me] = want[me] + 1;
#endif
#ifdef F_ROOM_EARLY
		early = OPENS(0);
#endif
		sleeping[me] = 0 };
#ifndef F_PUBLISH_LATE
		publish(0);
#if NPOOL > 1
		publish(1);
#endif
#endif
		seek_idle(0);
		seek_room(0)
#if NPOOL > 1
		; seek_idle(1);
		seek_room(1)
#endif
#if GIVEUPS > 0
	:: atomic { ngiveup > 0 && want[WP(me, 0)] > 0 ->
		ngiveup = ngiveup - 1; want[WP(me, 0)] = want[WP(me, 0)] - 1;
		sleeping[me] = 0 };
		publish(0)
#endif
#ifndef NO_TAKE_BACK
	:: atomic { ANY_SLOT(UNTAKEN) -> PICK_SLOT(UNTAKEN);
		g = gen[s]; v = own[s]; sleeping[me] = 0 };
		take_back()
#endif
	fi
}

proctype Worker(byte me) {
	byte s, g, m, lg, clo, shp;
	byte v = NONE;
	bit unsent, look, wide, fl;
#if NPOOL > 1
	bit q;
#endif
#ifdef F_ROOM_EARLY
	bit early;
#endif
again:
	{
		/* [R18] a replacement looks at everything */
		atomic { sleeping[me] = 0; look = rescan[me] };
		do
		::
			/* [R5] the flag, then the look, then sleep */
#ifndef F_SLEEP_LATE
			sleeping[me] = 1;
#endif
			if
			:: look || GRANT_ME || WANTS > 0 -> look_around()
			:: else
			fi;
#ifdef F_SLEEP_LATE
			sleeping[me] = 1;
#endif
			if
			:: look
			:: else -> poll()
			fi
		od
	} unless {
		/* killed: the kernel closes its descriptors */
		atomic {
			crashed[me] || stopped[me];
			s = 0; g = 0; m = 0; lg = 0; clo = 0; shp = 0; v = NONE;
			unsent = 0; look = 0; wide = 0; fl = 0;
#if NPOOL > 1
			q = 0;
#endif
#ifdef F_ROOM_EARLY
			early = 0;
#endif
		};
		d_step {
			crashed[me] -> down[me] = 1;
#define LOSE(x) FDG(me, x) = 0; \
	if :: usr[x] == me + 1 -> usr[x] = 0 :: else fi
			SLOTS(LOSE);
			want[WP(me, 0)] = 0;
#if NPOOL > 1
			want[WP(me, 1)] = 0;
#endif
		}
	};
	!down[me] -> goto again
}

/* ---- the supervisor -------------------------------------------------- */

#define FWD(w, x) (1 << ((w) * NS + (x)))

/* a message from worker w: a descriptor is stored, unless its place has a new
 * generation by now; SHARE makes it go to all others */
inline store(w) {
	atomic {
		up[w]?m;
		s = M_SLOT(m); g = M_GEN(m);
		if
		:: M_TYPE(m) == FD && g == gen[s] && st[s] != FREE ->
			FDG(S, s) = g; shr = shr & ~B(s)
		:: M_TYPE(m) == SHARE && g == FDG(S, s) ->
			shr = shr | B(s);
			fwd = fwd | FWD(0, s) | FWD(1, s)
#if NW == 3
			; fwd = fwd | FWD(2, s)
#endif
		:: M_TYPE(m) == GONE && g == FDG(S, s) ->
			FDG(S, s) = 0; shr = shr & ~B(s)
		:: else
		fi;
		s = 0; g = 0; m = 0
	}
}

#define LACKS(w, x) (!gone[w] && FDG(S, x) == gen[x] && \
	HAVE(w, x) != gen[x] && st[x] != FREE && \
	st[x] != CLOSING)
#define ADOPTS(w, x) (st[x] == CLOSING && own[x] == w && FDG(S, x) == gen[x])

/* [R14] only the supervisor retries */
inline forward(w, x) {
	fwd = fwd & ~FWD(w, x);
	if
	:: (LACKS(w, x) || ADOPTS(w, x)) && len(dn[w]) < QLEN -> dn[w]!MSG(FD, x, gen[x])
	:: else
	fi
}
#ifdef F_NO_RETRY
#define CAN_SEND(w, x) (fwd & FWD(w, x))
#else
#define CAN_SEND(w, x) ((fwd & FWD(w, x)) && len(dn[w]) < QLEN)
#endif

/* a living worker for what the dead k has to close, or none */
inline name_closer(x) {
	SET(x, CLOSING, NONE);
	if
	:: k != 0 && !gone[0] -> own[x] = 0
	:: k != 1 && !gone[1] -> own[x] = 1
#if NW == 3
	:: k != 2 && !gone[2] -> own[x] = 2
#endif
	:: else
	fi;
#ifndef F_NO_ADOPT
	if
	:: own[x] != NONE -> fwd = fwd | FWD(own[x], x)
	:: else
	fi
#endif
}

/* [R21] the dead k's slot words */
inline repair_slot(x) {
	atomic {
		if
		:: own[x] == k && st[x] == GRANTED -> SET(x, IDLE, NONE)
#ifdef F_FREE_ACTIVE
		:: own[x] == k && (st[x] == CLOSING || st[x] == LOGIN) &&
#else
		:: own[x] == k && (st[x] == ACTIVE || st[x] == CLOSING ||
		    st[x] == LOGIN) &&
#endif
		    FDG(S, x) == gen[x] -> name_closer(x)
#ifdef F_HOLDER_CLOSES
		:: own[x] == k && st[x] == CLOSING && FDG(S, x) != gen[x] &&
		    k != 0 && HAVE(0, x) == gen[x] -> own[x] = 0
		:: own[x] == k && st[x] == CLOSING && FDG(S, x) != gen[x] &&
		    k != 1 && HAVE(1, x) == gen[x] -> own[x] = 1
#endif
#ifdef F_RESERVED_IDLE
		:: own[x] == k && st[x] == RESERVED -> SET(x, IDLE, NONE)
#endif
		:: else
		fi;
#ifndef F_NO_RESEND
		/* [R22] its SHARE may have been lost */
		if
		:: st[x] == IDLE && FDG(S, x) == gen[x] -> shr = shr | B(x)
		:: else
		fi
#endif
	}
}

#ifdef F_RESERVED_KEPT
#define PLACE(x) (st[x] == LOGIN || st[x] == CLOSING)
#elif defined(F_FREE_ACTIVE)
#define PLACE(x) (st[x] == LOGIN || st[x] == CLOSING || st[x] == RESERVED || \
	st[x] == ACTIVE)
#else
#define PLACE(x) (st[x] == LOGIN || st[x] == CLOSING || st[x] == RESERVED)
#endif

/* a place without a backend: reserved; not yet connected; its end was seen */
inline repair_free(x) {
	atomic {
		if
		:: own[x] == k && PLACE(x) ->
			assert(!be[x]);
			SET(x, FREE, NONE); n = 1
		:: else
		fi
	};
	if
	:: n -> lower(x); n = 0
	:: else
	fi
}

#ifdef F_NO_RESEND
#define RESEND(w)
#elif NS == 1
#define RESEND(w) if :: !gone[w] -> fwd = fwd | (shr << (w)) :: else fi;
#else
#define RESEND(w) if :: !gone[w] -> fwd = fwd | (shr << ((w) * NS)) :: else fi;
#endif

inline raise(w) {
#ifndef F_NO_RESCAN
	rescan[w] = 1;
#endif
#ifndef F_NO_RING_REPAIR
	bell[w] = 1
#else
	skip
#endif
}

#if NPOOL > 1
#define RECOUNT \
	n = COUNT(0); cnt[0] = n; n = COUNT(1); cnt[1] = n; \
	n = 0; total = cnt[0] + cnt[1]
#else
#define RECOUNT \
	n = (st[0] != FREE); \
	n = COUNT(0); \
	atomic { cnt[0] = n; n = 0 }
#endif

#define WITHDRAW(w) \
	if \
	:: gone[w] -> LEAVE_WAITING(w) LEAVE_GRANT(w) skip \
	:: else \
	fi
#ifdef F_WAITING_LEFT
#define LEAVE_WAITING(w)
#else
#define LEAVE_WAITING(w) waiting[WP(w, 0)] = 0; waiting[WP(w, NPOOL - 1)] = 0;
#endif
#ifdef F_GRANT_LEFT
#define LEAVE_GRANT(w)
#else
#define LEAVE_GRANT(w) grant[WP(w, 0)] = 0; grant[WP(w, NPOOL - 1)] = 0;
#endif

/* all that the reaped k left; may be run again at any time */
inline repair() {
#ifndef F_NO_DRAIN
	do	/* [R20] its channel to the end */
	:: len(up[k]) > 0 -> store(k)
	:: else -> break
	od;
#endif
	atomic {
#ifndef F_HAVE_LEFT
		HAVE(k, 0) = 0; HAVE(k, NS - 1) = 0;
#endif
		sleeping[k] = 0
	};
#ifndef F_LOGIN_LEFT
	atomic {	/* [R24] */
		if
		:: login[0] == k + 1 -> login[0] = 0
		:: else
		fi;
#if NPOOL > 1
		if
		:: login[1] == k + 1 -> login[1] = 0
		:: else
		fi
#endif
	};
#endif
	atomic { WORKERS(WITHDRAW) };
	SLOTS(repair_slot);
	/* [R23] the lock; a dead holder's is taken over, all counted anew,
	 * and only then unlocked; a living holder's defers the rest */
	atomic {
		if
		:: lk == 0 -> lk = S + 1
#ifdef F_BREAK_LOCK
		:: lk != 0 && gone[lk - 1] -> lk = 0; mine = 1
#else
		:: lk != 0 && gone[lk - 1] -> lk = S + 1; mine = 1
#endif
		:: else ->
#ifndef F_DEFER_DROP
			again = again | B(k)
#endif
		fi;
#if defined(F_NO_LOCK) || defined(F_RECOUNT_ALWAYS)
		mine = 1
#endif
	};
	if
	:: mine -> RECOUNT; mine = 0
	:: else
	fi;
	if
#ifdef F_BREAK_LOCK
	:: true ->
#else
	:: lk == S + 1 ->
#endif
		SLOTS(repair_free);
		atomic {
			if
			:: lk == S + 1 -> lk = 0
			:: else
			fi;
			again = again & ~B(k)
		}
	:: else
	fi;
	atomic {	/* [R22] what the living lack, then the count, the bells */
		RESEND(0) RESEND(1)
#if NW == 3
		RESEND(2)
#endif
		fwd = fwd & ~(FWD(k, 0) | FWD(k, NS - 1));
		WORKERS(raise)
	}
}

#ifdef TWICE
/* [R25] every word that repair may touch */
#define ALL(f) f(0, st[0]) f(1, own[0]) f(2, gen[0]) f(3, st[NS - 1]) \
	f(4, own[NS - 1]) f(5, gen[NS - 1]) f(6, cnt[0]) f(7, lk) \
	f(8, login[0]) f(9, waiting[0]) f(10, waiting[1]) f(11, grant[0]) \
	f(12, grant[1]) f(13, have[0]) f(14, have[1]) f(15, have[NS]) \
	f(16, have[2 * NS - 1]) f(17, fwd) f(18, shr) f(19, again) \
	f(20, FDG(S, 0)) f(21, FDG(S, NS - 1))
#define SAVE(i, x) was[i] = x;
#define SAME(i, x) assert(was[i] == x); was[i] = 0;
#endif

/* what the living and the store give to the replacement of k, at the fork */
#define INHERIT(x) \
	if \
	:: shr & B(x) -> FDG(k, x) = FDG(S, x); HAVE(k, x) = FDG(S, x) \
	:: else -> FDG(k, x) = 0 \
	fi

inline give_orphan(x) {
	atomic {
		if
		:: st[x] == CLOSING && own[x] == NONE ->
			own[x] = k; orphan = orphan | FWD(k, x)
		:: else
		fi
	}
}

#define REAP(w) (down[w] && !gone[w])
#define AGAIN(w) ((again & B(w)) && lk == 0)
#define REPLACE(w) (gone[w] && !(again & B(w)) && !dead[w])

#if NW == 2
#define PICK_K(f) if :: f(0) -> k = 0 :: f(1) -> k = 1 fi
#else
#define PICK_K(f) if :: f(0) -> k = 0 :: f(1) -> k = 1 :: f(2) -> k = 2 fi
#endif

proctype Sup() {
	byte s, g, m, k, n, again, fwd, shr, orphan;
	bit mine;
#ifdef TWICE
	byte was[22];
#endif
	do
	:: len(up[0]) > 0 -> store(0)
	:: len(up[1]) > 0 -> store(1)
	:: atomic { CAN_SEND(0, 0) -> forward(0, 0) }
	:: atomic { CAN_SEND(1, 0) -> forward(1, 0) }
#if NS > 1
	:: atomic { CAN_SEND(0, 1) -> forward(0, 1) }
	:: atomic { CAN_SEND(1, 1) -> forward(1, 1) }
#endif
#if NW == 3
	:: len(up[2]) > 0 -> store(2)
	:: atomic { CAN_SEND(2, 0) -> forward(2, 0) }
#endif
	/* gone is published before a slot is looked at [R7] */
	:: atomic { ANY_WORKER(REAP) -> PICK_K(REAP);
#ifndef F_GONE_LATE
		gone[k] = 1
#endif
		};
#ifdef TWICE
		/* [R25] run twice, the second changes nothing */
		atomic {
			repair();
			ALL(SAVE)
			repair();
			ALL(SAME)
			skip
		};
#else
		repair();
#endif
#ifdef F_GONE_LATE
		gone[k] = 1;
#endif
		k = 0
	:: atomic { ANY_WORKER(AGAIN) -> PICK_K(AGAIN) };
		repair();
		k = 0
	:: atomic { ANY_WORKER(REPLACE) -> PICK_K(REPLACE) };
#ifdef NORESTART
		if
		:: dead[k] = 1; k = 0; goto next
		:: skip
		fi;
#endif
#ifndef F_NO_ORPHANS
		SLOTS(give_orphan);	/* [R21] none was alive */
#endif
		d_step {
			do
			:: len(dn[k]) > 0 -> dn[k]?m
			:: else -> break
			od;
			m = 0;
			SLOTS(INHERIT);
			fwd = (fwd & ~(FWD(k, 0) | FWD(k, NS - 1))) | orphan;
			orphan = 0; gone[k] = 0; rescan[k] = 1; crashed[k] = 0; bell[k] = 0;
			down[k] = 0; k = 0
		};
#ifdef NORESTART
next:		skip
#endif
	od
}

#ifdef AIM	/* kill only while a slot is in this state: a smaller search */
#define AIMED (st[0] == AIM)
#else
#define AIMED true
#endif

proctype World() {
	do
	:: atomic { ncrash > 0 && AIMED && !crashed[0] -> ncrash = ncrash - 1;
		crashed[0] = 1 }
	:: atomic { ncrash > 0 && AIMED && !crashed[1] -> ncrash = ncrash - 1;
		crashed[1] = 1 }
#ifdef FREEZE
	:: !frozen -> frozen = 1
#endif
#ifdef STOP
	:: !stopped[1] -> stopped[1] = 1
#endif
	:: atomic { ncrash = 0; break }
	od
}

/* nothing moves any more: what must hold then */
#define ENDS_SLOT(x) \
	assert(st[x] == FREE || st[x] == IDLE || (frozen && st[x] == ACTIVE)); \
	assert(be[x] == (st[x] != FREE)); \
	assert(st[x] == FREE || FDG(S, x) == gen[x])
#define ENDS_HELD(w, x) \
	assert(st[x] == FREE || dead[w] || (FDG(w, x) == gen[x] && \
	    HAVE(w, x) == gen[x]))
#define ENDS_WORKER(w) \
	assert(!down[w] || dead[w]); \
	assert(frozen || dead[w] || todo[w] == 0); \
	assert(frozen || want[WP(w, 0)] + want[WP(w, NPOOL - 1)] == 0); \
	assert(dead[w] || (waiting[WP(w, 0)] == (want[WP(w, 0)] > 0))); \
	assert(!dead[w] || (waiting[WP(w, 0)] == 0 && HAVE(w, 0) == 0)); \
	assert(grant[WP(w, 0)] == 0 && grant[WP(w, NPOOL - 1)] == 0); \
	ENDS_HELD(w, 0); ENDS_HELD(w, NS - 1)
#define WAITING(w) (want[WP(w, 0)] > 0 || want[WP(w, NPOOL - 1)] > 0)

#define HELD_UP(x) ((st[x] == GRANTED || st[x] == RESERVED) && own[x] == 1)

proctype Monitor() {
	timeout ->
#ifdef STOP
	if
	:: stopped[1] ->
		goto stopped_end
	:: else
	fi;
#endif
	SLOTS(ENDS_SLOT);
	WORKERS(ENDS_WORKER);
	assert(cnt[0] == COUNT(0) && cnt[NPOOL - 1] == COUNT(NPOOL - 1));
	assert(lk == 0 && login[0] == 0 && login[NPOOL - 1] == 0);
	/* frozen: who waits does so because there is nothing to have */
	assert(!ANY_WORKER(WAITING) || (cnt[0] >= LIMIT && st[0] != IDLE &&
	    st[NS - 1] != IDLE));
#ifdef STOP
	goto done;
stopped_end:
	/* who does not run keeps one from the others, and no more */
	assert(HELD_UP(0) + (NS > 1 && HELD_UP((NS - 1))) <= 1);
done:	skip
#endif
}

init {
	atomic {
		own[0] = NONE; own[NS - 1] = NONE;
		todo[0] = TODO0; todo[1] = TODO1;
#if NW == 3
		todo[2] = TODO2;
#endif
		run Worker(0);
		run Worker(1);
#if NW == 3
		run Worker(2);
#endif
		run Sup();
		run World();
		run Monitor()
	}
}

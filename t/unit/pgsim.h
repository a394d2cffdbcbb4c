/*
 * pgsim.h - PostgreSQL's message loop, simulated.
 *
 * It takes the client's messages one at a time, in order, as PostgreSQL's
 * main loop and its COPY do, and decides by chance what each of them does.
 * The queues before and behind it are those of a network.  Included by one
 * test program only, so all of it is static.
 */
#ifndef T_UNIT_PGSIM_H
#define T_UNIT_PGSIM_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* ck_assert() makes a system call each time that it holds. */
#define HOLDS(what)                                \
	do {                                       \
		if (!(what))                       \
			ck_abort_msg("%s", #what); \
	} while (0)

#define FIFO 4096

struct sim {
	char in[FIFO], out[FIFO], status[FIFO];
	int in_head, in_len, out_head, out_len;
	char tx;
	bool extended; /* PostgreSQL's doing_extended_query_message */
	bool skip;     /* its ignore_till_sync */
	bool open;     /* a batch without its Sync */
	bool copy;     /* in copy-in */
	bool modern;   /* a message out of place in copy-in is fatal */
	bool dead;
	int left;  /* statements of the query that come after the COPY */
	int early; /* Syncs ignored by this COPY */
	bool tore; /* a COPY failed */
};

static uint32_t seed;

static uint32_t
chance(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

static void
emit(struct sim *s, char type)
{
	if (chance(20) == 0 && type != 'N')
		emit(s, 'N');
	HOLDS(s->out_head + s->out_len < FIFO);
	s->status[s->out_head + s->out_len] = s->tx;
	s->out[s->out_head + s->out_len++] = type;
}

static void
emits(struct sim *s, const char *types)
{
	for (; *types != '\0'; types++)
		emit(s, *types);
}

static void
sim_error(struct sim *s)
{
	s->tore = s->tore || s->copy;
	s->copy = false;
	s->left = 0;
	if (s->tx == 'T')
		s->tx = 'E';
	emit(s, 'E');
	if (s->extended)
		s->skip = true;
	else
		emit(s, 'Z');
}

/* A statement; false: an error, or a COPY that goes on later. */
static bool
sim_statement(struct sim *s)
{
	uint32_t what = chance(8);

	if (what == 7) {
		/* BEGIN, COMMIT or ROLLBACK */
		s->tx = s->tx == 'I' ? 'T' : 'I';
		emits(s, "C");
	} else if (what == 6 || s->tx == 'E') {
		sim_error(s);
		return false;
	} else if (what >= 4) {
		s->copy = true;
		s->early = 0;
		emit(s, 'G');
		if (chance(6) == 0)
			sim_error(s); /* before it has read a message */
		return false;
	} else if (what == 3) {
		emits(s, "Hd");
		if (chance(4) == 0) {
			sim_error(s);
			return false;
		}
		emits(s, "dcC");
	} else {
		emits(s, s->extended ? "DC" : "TDC");
	}
	return true;
}

static void
sim_statements(struct sim *s, int n)
{
	while (n-- > 0) {
		s->left = n;
		if (!sim_statement(s))
			return;
	}
	emit(s, 'Z');
}

static void
sim_copy(struct sim *s, char type)
{
	if (type == 'd' && chance(8) == 0) {
		sim_error(s);
	} else if (type == 'S') {
		s->early++;
	} else if (type == 'c') {
		s->copy = false;
		emit(s, 'C');
		if (!s->extended)
			sim_statements(s, s->left);
	} else if (type == 'f') {
		sim_error(s);
	} else if (type != 'd' && type != 'H') {
		sim_error(s);
		if (s->modern) {
			emit(s, '*');
			s->dead = true;
		}
	}
}

static void
sim_step(struct sim *s, char type)
{
	static const char answers[] = "P1B2C3";

	s->open = true;
	if (chance(12) == 0)
		sim_error(s);
	else if (type == 'E' && chance(6) == 0)
		emits(s, chance(2) == 0 ? "Ds" : "I");
	else if (type == 'E')
		sim_statement(s);
	else if (type == 'D')
		emits(s, chance(2) == 0 ? "tT" : "n");
	else
		emit(s, strchr(answers, type)[1]);
}

/* One message, in place of PostgreSQL's main loop. */
static void
sim_take(struct sim *s)
{
	char type = s->in[s->in_head++];

	s->in_len--;
	if (s->copy) {
		sim_copy(s, type);
		return;
	}
	s->extended = strchr("PBDCEH", type) != NULL;
	if (type == 'S')
		s->skip = false;
	if (s->skip || strchr("dcfH", type) != NULL)
		return;
	if (strchr("PBDCE", type) != NULL) {
		sim_step(s, type);
		return;
	}
	if (chance(10) == 0 && (type != 'S' || s->open)) {
		s->open = false; /* a Sync has to have something to commit */
		sim_error(s);
		return;
	}
	s->open = false;
	if (type == 'Q') {
		uint32_t n = chance(4);

		if (n == 0)
			emit(s, 'I');
		sim_statements(s, (int)n);
	} else {
		emits(s, type == 'F' ? "VZ" : "Z");
	}
}

/* Is anything in this queue, but what is in `ignore`? */
static bool
has_more(const char *queue, int len, const char *ignore)
{
	for (int i = 0; i < len; i++)
		if (strchr(ignore, queue[i]) == NULL)
			return true;
	return false;
}

static bool
sim_owes(const struct sim *s, const char *in_ignore, const char *out_ignore)
{
	return s->copy || s->skip || s->open ||
	    has_more(s->in + s->in_head, s->in_len, in_ignore) ||
	    has_more(s->out + s->out_head, s->out_len, out_ignore);
}

#endif

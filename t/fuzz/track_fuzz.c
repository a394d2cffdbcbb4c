/*
 * track_fuzz.c - a client and a server that send any messages in any order.
 *
 * The input is pairs of bytes: who says it and with what body, and the type.
 * 0x80: the server; then the lowest three bits choose a body.
 */
#include "worker/proto/track.h"

#include "t/fuzz/fuzz.h"

#define FATAL "SFATAL\0VFATAL\0C57P01\0Mgone\0"
#define ERROR "SERROR\0VERROR\0C42601\0Mno\0"

static const struct {
	const char *p;
	size_t len;
} bodies[] = {
	{ "I", 1 },
	{ "T", 1 },
	{ "E", 1 },
	{ "", 0 },
	{ FATAL, sizeof(FATAL) },
	{ ERROR, sizeof(ERROR) },
	{ "x", 1 },
	{ "SFATA", 5 },
};

/* Requests that the server answers with ReadyForQuery, still unanswered. */
static uint32_t outstanding;

static void
check_questions(const struct track *t)
{
	uint8_t status = track_tx_status(t);

	MUST(status == 0 || strchr("ITE", status) != NULL);
	MUST(!(track_is_clean(t) && track_is_spent(t)));
	MUST(!(track_is_copy_in(t) && track_is_copy_out(t)));
	MUST(track_owes(t) <= outstanding);
	if (track_is_clean(t) || track_is_spent(t)) {
		MUST(track_owes(t) == 0 && status == 'I');
		MUST(!track_is_copy_in(t) && !track_is_copy_out(t));
		MUST(!track_is_dying(t));
	}
	/* what it would be to lend it on: something is still to come */
	if (track_is_clean(t))
		MUST(t->queue.len == 0 && t->queue.heap == NULL);
}

static bool
is_known(uint8_t type)
{
	return type != 0 && strchr("QFSEPBDCcfdHX", type) != NULL;
}

static void
client(struct track *t, uint8_t type)
{
	int rc = track_client(t, type);

	MUST(is_known(type) ? rc == 0 : rc == -1);
	if (rc == 0 && (type == 'Q' || type == 'F' || type == 'S'))
		outstanding++;
	if (type == 'X')
		MUST(track_is_dying(t));
	/* what was just asked must be answered first */
	if (type == 'Q' || type == 'F' || type == 'S' || type == 'P')
		MUST(!track_is_clean(t) || t->copy != TRACK_COPY_NONE);
}

/* false: it is no answer to what was sent. */
static bool
server(struct track *t, uint8_t what, uint8_t type)
{
	size_t i = what % (sizeof(bodies) / sizeof(*bodies));
	uint8_t *body = fuzz_copy(bodies[i].p, bodies[i].len);
	enum result rc = track_server(t, type, body, bodies[i].len);

	free(body);
	MUST(rc == DONE || rc == FAIL);
	if (type == 'Z' && rc == DONE)
		MUST(track_tx_status(t) == (uint8_t)bodies[i].p[0]);
	return rc == DONE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct track t;

	outstanding = 0;
	track_init(&t, size > 0 && data[0] & 1 ? 0 : 'I');
	MUST(track_is_clean(&t) == (track_tx_status(&t) == 'I'));
	for (size_t i = 1; i + 1 < size; i += 2) {
		if ((data[i] & 0x80) == 0)
			client(&t, data[i + 1]);
		else if (!server(&t, data[i] & 7, data[i + 1]))
			break;
		check_questions(&t);
	}
	track_fini(&t);
	return 0;
}

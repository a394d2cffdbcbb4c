/*
 * scan_fuzz.c - a server's answers, whole and in pieces.
 *
 * The first line is what the client has sent, a type byte a message; the rest
 * is what the server says.
 */
#include "worker/backend/scan.h"

#include "shm/segment.h"
#include "t/fuzz/fuzz.h"
#include "worker/backend/params.h"

enum {
	SLOT = 1,
	SAME_MAX = 1000 /* an error this short is seen whole in any case */
};

static struct backend b;

/* What has come of a stream. */
struct outcome {
	bool failed;
	size_t passed;
	struct scan sum;
	uint32_t remain;
	size_t held;
	bool is_boundary;
	struct slot_info info;
};

static void
set_up(void)
{
	struct segment_sizes sizes = { .workers = 1,
		.slots = 2,
		.pools = 1,
		.dbs = 1,
		.users = 1,
		.clients = 64 };

	if (seg != NULL)
		return;
	MUST(segment_make(&sizes, NULL) == 0);
	params_init("");
}

static void
begin(const uint8_t *asked, size_t n)
{
	struct slot_info info = { .id = 1 };
	struct params_edit e;

	params_edit_init(&e);
	memcpy(info.params, e.text, e.len);
	info.params_len = e.len;
	slot_info_write(SLOT, &info);
	memset(&b, 0, sizeof(b));
	b.slot = SLOT;
	track_init(&b.track, 'I');
	for (size_t i = 0; i < n; i++)
		(void)track_client(&b.track, asked[i]);
}

static void
add(struct outcome *o, const struct scan *sc)
{
	o->passed += sc->pass;
	o->sum.readies += sc->readies;
	o->sum.idles += sc->idles;
	o->sum.has_params |= sc->has_params;
	if (sc->has_error && !o->sum.has_error)
		o->sum.error = sc->error;
	o->sum.has_error |= sc->has_error;
	MUST(sc->idles <= sc->readies);
}

/* As backend_recv() brings it: behind what was held back. */
static int
feed(const uint8_t *p, size_t len, struct outcome *o)
{
	size_t held = buf_len(&b.in);
	uint8_t *bytes = malloc(held + len);
	struct scan sc;
	int rc;

	MUST(bytes != NULL);
	if (held > 0)
		memcpy(bytes, b.in.p + b.in.from, held);
	memcpy(bytes + held, p, len);
	buf_fini(&b.in);
	rc = scan_run(&b, bytes, held + len, &sc);
	if (rc == 0) {
		MUST(sc.pass <= held + len);
		MUST(buf_len(&b.in) == held + len - sc.pass);
		MUST(buf_len(&b.in) == 0 || b.remain == 0);
		add(o, &sc);
	}
	free(bytes);
	return rc;
}

static void
run(const uint8_t *asked, size_t n, const uint8_t *said, size_t size,
    size_t step, struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	begin(asked, n);
	for (size_t at = 0; at < size && !o->failed; at += step)
		o->failed = feed(said + at, size - at < step ? size - at : step,
				o) == -1;
	o->remain = b.remain;
	o->held = buf_len(&b.in);
	o->is_boundary = scan_is_boundary(&b);
	o->info = *slot_info_mine(SLOT);
	buf_fini(&b.in);
	track_fini(&b.track);
}

static void
check_same(const struct outcome *x, const struct outcome *y)
{
	MUST(x->failed == y->failed);
	if (x->failed)
		return;
	MUST(x->passed == y->passed && x->held == y->held);
	MUST(x->remain == y->remain && x->is_boundary == y->is_boundary);
	MUST(x->sum.readies == y->sum.readies && x->sum.idles == y->sum.idles);
	MUST(x->sum.has_params == y->sum.has_params);
	MUST(x->sum.has_error == y->sum.has_error);
	MUST(strcmp(x->sum.error.sqlstate, y->sum.error.sqlstate) == 0);
	MUST(strcmp(x->sum.error.message, y->sum.error.message) == 0);
	MUST(x->info.params_len == y->info.params_len);
	MUST(memcmp(x->info.params, y->info.params, x->info.params_len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *asked;
	size_t n = fuzz_part(&data, &size, '\n', &asked);
	struct outcome whole, pieces;

	set_up();
	run(asked, n, data, size, size > 0 ? size : 1, &whole);
	MUST(whole.failed || whole.passed + whole.held == size);
	if (size > SAME_MAX)
		return 0;
	run(asked, n, data, size, 1, &pieces);
	check_same(&whole, &pieces);
	run(asked, n, data, size, 7, &pieces);
	check_same(&whole, &pieces);
	return 0;
}

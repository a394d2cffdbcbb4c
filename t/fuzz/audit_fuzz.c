/*
 * audit_fuzz.c - texts of any client put in doubt, answers of any server.
 *
 * The first line is a text, the rest the answer to the question that follows.
 */
#include "worker/session/audit.h"

#include "t/fuzz/fuzz.h"
#include "worker/backend/params.h"
#include "worker/proto/sql.h"
#include "worker/session/fit.h"
#include "worker/session/goback.h"

/* Whole pairs up to the last byte, names in order and in lower case. */
static void
check_set(const struct vars_edit *e)
{
	const char *name, *value, *last = NULL;
	uint32_t pos = 0;

	MUST(e->len <= sizeof(e->text));
	while (vars_next(e->text, e->len, &pos, &name, &value)) {
		MUST(last == NULL || strcmp(last, name) < 0);
		last = name;
	}
	MUST(pos == e->len);
}

/* Each is one SET of one of them, and nothing else, whatever they are. */
static void
check_set_back(const struct vars_edit *e, const char *text, size_t len)
{
	static uint8_t bytes[FIT_MAX];
	const struct goback g = {
		.params = "", .has = "", .vars = e->text, .vars_len = e->len
	};
	struct sql_walk walk;
	struct sql_stmt s;
	struct frame f;
	struct wire w;

	wire_init(&w, bytes, sizeof(bytes));
	goback_build(&w, &g, text, len, 0);
	for (size_t at = 0; at < w.len; at += FRAME_HEAD + f.body) {
		const char *sql = (const char *)bytes + at + FRAME_HEAD + 1;

		MUST(frame_parse(bytes + at, w.len - at, FIT_MAX, &f) == DONE);
		if (f.type != 'P')
			continue;
		sql_walk_init(&walk, sql, strlen(sql), 0);
		MUST(sql_next(&walk, &s) && s.kind == SQL_SET);
		MUST(!sql_next(&walk, &s));
	}
}

/* Whatever the set is, it can be asked for and set, or it is too long. */
static void
check_use(const struct audit *a, const struct vars_edit *e)
{
	static uint8_t bytes[FIT_MAX];
	struct fit f = { .has = { "", 0, "", 0 },
		.want = { "", 0, e->text, e->len } };
	struct wire w;

	wire_init(&w, bytes, AUDIT_QUERY);
	audit_question(&w, a, e->text, e->len);
	MUST(w.full || w.len > FRAME_HEAD);
	wire_init(&w, bytes, sizeof(bytes));
	MUST(fit_build(&w, &f) > 0 || e->len == 0 || w.full);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct audit_answer r;
	struct audit a = { .bits = 0 };
	const uint8_t *line;
	size_t len = fuzz_part(&data, &size, '\n', &line);
	char *text = fuzz_copy(line, len);
	uint8_t *answer;

	params_init("");
	(void)audit_sql(&a, text, len, 0);
	MUST(a.names_len <= sizeof(a.names));
	MUST((a.names_len > 0) == ((a.bits & AUDIT_NAMES) != 0));
	memset(&r, 0, sizeof(r));
	r.asked = &a;
	r.login = "app";
	r.params = "";
	audit_begin(&r, "a.b\0x\0work_mem\0y\0", 17);
	answer = fuzz_copy(data, size);
	(void)audit_read(&r, answer, size);
	free(answer);
	MUST((r.pins & ~(unsigned)AUDIT_PINS) == 0);
	check_set(&r.vars);
	check_use(&a, &r.vars);
	check_set_back(&r.vars, text, len);
	check_set_back(&r.vars, "RESET ALL", 9);
	free(text);
	return 0;
}

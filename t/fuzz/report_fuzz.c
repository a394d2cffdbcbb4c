/* report_fuzz.c - a server's ErrorResponse, torn and malformed. */
#include "worker/proto/report.h"

#include "t/fuzz/fuzz.h"

/* No half of a UTF-8 character at the end of what was whole before. */
static void
check_cut(const char *text)
{
	char small[8];
	size_t n;

	report_cut(small, sizeof(small), text);
	MUST_END(small);
	n = strlen(small);
	MUST(strncmp(small, text, n) == 0);
	MUST(text[n] == '\0' || ((uint8_t)text[n] & 0xc0) != 0x80 || n == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report r, again;
	uint8_t bytes[1024];
	struct wire w;
	char *text;
	int rc = report_parse(data, size, &r);

	MUST(rc == 0 || rc == -1);
	MUST_END(r.severity);
	MUST_END(r.sqlstate);
	MUST_END(r.message);
	if (rc == 0)
		MUST(size > 0 && data[size - 1] == '\0');
	MUST(report_is_fatal(&r) ==
	    (strcmp(r.severity, "FATAL") == 0 ||
		strcmp(r.severity, "PANIC") == 0));

	/* what we say ourselves is read as it was said */
	wire_init(&w, bytes, sizeof(bytes));
	report_error(&w, r.severity, r.sqlstate, r.message);
	MUST(!w.full);
	MUST(report_parse(w.p + FRAME_HEAD, w.len - FRAME_HEAD, &again) == 0);
	MUST(strcmp(r.severity, again.severity) == 0);
	MUST(strcmp(r.sqlstate, again.sqlstate) == 0);
	MUST(strcmp(r.message, again.message) == 0);

	text = fuzz_text(data, size);
	check_cut(text);
	free(text);
	return 0;
}

/* command_fuzz.c - what somebody types into the console. */
#include "worker/console/command.h"

#include "t/fuzz/fuzz.h"

static char *
put_quoted(char *to, const char *text, char quote)
{
	*to++ = quote;
	for (; *text != '\0'; text++) {
		if (*text == quote)
			*to++ = quote;
		*to++ = *text;
	}
	*to++ = quote;
	*to = '\0';
	return to;
}

/* Said again, with everything quoted, it is the same command. */
static void
check_again(const struct command *c)
{
	char text[2 * (COMMAND_WORD + COMMAND_VALUE) + 32], *end = text;
	struct command again;

	end +=
	    snprintf(end, 8, "%s ", c->kind == COMMAND_SHOW ? "SHOW" : "SET");
	end = put_quoted(end, c->arg, '"');
	if (c->kind != COMMAND_SHOW) {
		end += snprintf(end, 8, " TO ");
		end = put_quoted(end, c->value, '\'');
	}
	end += snprintf(end, 8, " ; ");
	MUST(end < text + sizeof(text));
	command_parse(text, &again);
	MUST(again.kind == c->kind && again.is_open == c->is_open);
	MUST(strcmp(again.arg, c->arg) == 0);
	MUST(strcmp(again.value, c->value) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct command c;

	memset(&c, 0xa5, sizeof(c));
	command_parse(text, &c);
	MUST_END(c.arg);
	MUST_END(c.value);
	switch (c.kind) {
	case COMMAND_SHOW:
	case COMMAND_FAKE:
	case COMMAND_SET:
		MUST(c.is_open == (c.kind != COMMAND_SET));
		MUST((c.kind == COMMAND_FAKE) ==
		    (c.kind != COMMAND_SHOW && command_fake(c.arg) != NULL));
		check_again(&c);
		break;
	case COMMAND_INVALID:
		MUST(!c.is_open);
		break;
	case COMMAND_EMPTY:
		break;
	default:
		/* what changes something is never for everybody */
		MUST(!c.is_open);
		break;
	}
	free(text);
	return 0;
}

/*
 * command.h - one command of the console: what it is, and who may give it.
 *
 * A command is a word and at most one argument ("SHOW pools"), or "SET key =
 * value", "SET key TO value"; a value needs quotes unless it is made of what
 * stands in names, numbers, lists and paths.  Words are taken in any case; one semicolon may stand at the end.
 * What is not a whole command of the table is COMMAND_INVALID, and nothing of
 * it is done: so two commands in one text are none.
 *
 * Rights are in the table too, and the default is "no": a command that does
 * not say that everybody may give it needs an admin.
 *
 * Pure.
 */
#ifndef WORKER_CONSOLE_COMMAND_H
#define WORKER_CONSOLE_COMMAND_H

#include <stdbool.h>

enum command_kind {
	COMMAND_INVALID,
	COMMAND_EMPTY,
	COMMAND_SHOW, /* arg: of what */
	COMMAND_FAKE, /* SET of what a driver sets; has no effect */
	COMMAND_SET,  /* arg: the key; value */
	COMMAND_RELOAD,
	COMMAND_SHUTDOWN, /* arg: "" or when */
};

/* bytes of an argument, of a value, with the NUL */
enum { COMMAND_WORD = 128, COMMAND_VALUE = 1024 };

struct command {
	enum command_kind kind;
	bool is_open;           /* everybody may: no admin is needed */
	char arg[COMMAND_WORD]; /* in lower case, unless it was quoted */
	char value[COMMAND_VALUE];
};

void command_parse(const char *text, struct command *out);

/*
 * What drivers set and ask for without being told to: "SHOW datestyle" has
 * this value, always.  NULL: no such name.
 */
const char *command_fake(const char *name);

#endif

/*
 * admin.c - the console: what a client says there, and what is done.
 */
#include "worker/console/admin.h"

#include <stdio.h>
#include <string.h>

#include "conf/log.h"
#include "shm/cancelkey.h"
#include "shm/segment.h"
#include "worker/client/client.h"
#include "worker/console/command.h"
#include "worker/console/show.h"
#include "worker/proto/report.h"
#include "worker/self.h"

enum {
	MESSAGE_MAX = 16 * 1024,
	ANSWER_MAX = 4096,
	ANSWER_TEXT = 1536, /* of what the supervisor says, with its NUL */
	QUOTE_MAX = 256,    /* bytes of a wrong command that come back */
};

_Static_assert((int)COMMAND_WORD <= (int)MSG_SET_KEY &&
	(int)COMMAND_VALUE <= (int)MSG_SET_VALUE,
    "a command fits its message");
_Static_assert(
    (int)MSG_SET_VALUE <= (int)ANSWER_TEXT, "a value comes back whole");

/* As a server of PgBouncer's says it: tools look at the version's tail. */
static const char *const greeting[][2] = {
	{ "server_version", "1.25.2/bouncer" },
	{ "client_encoding", "UTF8" },
	{ "server_encoding", "UTF8" },
	{ "DateStyle", "ISO" },
	{ "TimeZone", "GMT" },
	{ "standard_conforming_strings", "on" },
	{ "is_superuser", "on" },
};

static void resume(struct client *c);

/* --- answers -------------------------------------------------------------- */

struct answer {
	struct wire w;
	uint8_t bytes[ANSWER_MAX];
};

static struct wire *
begin(struct answer *a)
{
	wire_init(&a->w, a->bytes, sizeof(a->bytes));
	return &a->w;
}

static void
send_ready(struct client *c, struct answer *a)
{
	report_ready(&a->w, 'I');
	(void)client_send_wire(c, &a->w);
}

static void
say_complete(struct client *c, const char *tag)
{
	struct answer a;

	report_complete(begin(&a), tag);
	send_ready(c, &a);
}

static void
say_error(struct client *c, const char *sqlstate, const char *text)
{
	struct answer a;

	report_error(begin(&a), "ERROR", sqlstate, text);
	send_ready(c, &a);
}

static void
say_invalid(struct client *c, const char *text)
{
	char say[QUOTE_MAX + 64];

	snprintf(say, sizeof(say), "invalid command '%.*s', use SHOW HELP;",
	    QUOTE_MAX, text);
	say_error(c, "42601", say);
}

static void
welcome(struct client *c, bool is_long_key)
{
	struct cancelkey key;
	struct answer a;

	/* a driver that cancels here is not one that guesses keys */
	cancelkey_give(c->row, is_long_key, &key);
	report_auth_ok(begin(&a));
	for (size_t i = 0; i < sizeof(greeting) / sizeof(*greeting); i++)
		report_parameter(&a.w, greeting[i][0], greeting[i][1]);
	report_key(&a.w, (int32_t)key.pid, key.secret, key.len);
	send_ready(c, &a);
}

/* --- the supervisor ------------------------------------------------------- */

/* Goes along in the question's id, since the answer brings nothing else. */
enum question { ASK_RELOAD, ASK_STOP, ASK_STOP_NOW, ASK_SET, ASK_BITS = 2 };

/* `name`: the command as the log has it. */
static void
ask(struct client *c, enum question what, const char *name,
    const struct msg *question)
{
	struct msg m = *question;
	struct clientrow_info info;
	struct log_who who;

	client_who(c, &who);
	log_info(&who, "%s command issued", name);
	if (!clientrow_info_look(c->row, &info)) {
		say_error(c, "XX000", "this connection has no id");
		return;
	}
	m.id = info.id << ASK_BITS | (uint64_t)what;
	if (self_send(&m, -1) == -1)
		say_error(c, "57P03", "the supervisor cannot be asked");
	else
		c->is_asking = true;
}

static struct client *
asker(uint64_t id)
{
	struct clientrow_info info;

	for (struct client *c = client_first(); c != NULL; c = c->next)
		if (c->state == CLIENT_CONSOLE && c->is_asking &&
		    clientrow_info_look(c->row, &info) && info.id == id)
			return c;
	return NULL;
}

/* What of an answer's text begins at `at`, as a string. */
static void
text_of(const struct msg *m, size_t at, char out[ANSWER_TEXT])
{
	size_t len = m->len <= MSG_TEXT && at < m->len ? m->len - at : 0;

	if (len >= ANSWER_TEXT)
		len = ANSWER_TEXT - 1;
	memcpy(out, m->text + at, len);
	out[len] = '\0';
}

static void
say_fault(struct client *c, const struct msg *m)
{
	static const char *const sqlstates[] = {
		[MSG_DONE_WELL] = "00000",
		[MSG_DONE_REFUSED] = "55000",
		[MSG_DONE_VALUE] = "22023",
		[MSG_DONE_UNKNOWN] = "42704",
	};
	char text[ANSWER_TEXT];

	text_of(m, 0, text);
	say_error(c, sqlstates[m->status < MSG_DONES ? m->status : 1],
	    text[0] != '\0' ? text : "the supervisor refused");
}

/* The setting and its value come back, and perhaps a word about them. */
static void
say_set(struct client *c, const struct msg *m)
{
	char key[ANSWER_TEXT], value[ANSWER_TEXT], notice[ANSWER_TEXT];
	char tag[sizeof("SET =") + MSG_SET_KEY + MSG_SET_VALUE];
	struct answer a;
	size_t at = 0;

	begin(&a);
	text_of(m, at, key);
	at += strlen(key) + 1;
	text_of(m, at, value);
	at += strlen(value) + 1;
	text_of(m, at, notice);
	if (notice[0] != '\0')
		report_notice(&a.w, "WARNING", "01000", notice);
	snprintf(tag, sizeof(tag), "SET %s=%s", key, value);
	report_complete(&a.w, tag);
	send_ready(c, &a);
}

void
admin_on_done(const struct msg *m)
{
	struct client *c = asker(m->id >> ASK_BITS);
	uint64_t what = m->id & ((1 << ASK_BITS) - 1);

	if (c == NULL)
		return; /* it has left meanwhile */
	if (m->status == MSG_DONE_WELL && what == ASK_STOP_NOW)
		return; /* the end of the connection is the answer */
	c->is_asking = false;
	if (m->status != MSG_DONE_WELL)
		say_fault(c, m);
	else if (what == ASK_SET)
		say_set(c, m);
	else
		say_complete(c, what == ASK_RELOAD ? "RELOAD" : "SHUTDOWN");
	if (c->state != CLIENT_CONSOLE)
		return;
	client_rewatch(c);
	resume(c);
}

void
admin_fini(void)
{
	/* all that a console has is its client's */
}

/* --- commands ------------------------------------------------------------- */

static void
do_fake_show(struct client *c, const char *name, const char *value)
{
	struct report_column column = { name, REPORT_TEXT };
	struct answer a;

	report_columns(begin(&a), &column, 1);
	report_row_begin(&a.w, 1);
	report_cell(&a.w, value);
	report_row_end(&a.w);
	report_complete(&a.w, "SHOW");
	send_ready(c, &a);
}

static void
do_show(struct client *c, const char *text, const struct command *cmd)
{
	const char *fake = command_fake(cmd->arg);

	if (fake != NULL)
		do_fake_show(c, cmd->arg, fake);
	else if (!show_table(c, cmd->arg))
		say_invalid(c, text);
}

static void
do_fake_set(struct client *c)
{
	struct answer a;

	report_notice(begin(&a), "NOTICE", "00000", "SET ignored");
	report_complete(&a.w, "SET");
	send_ready(c, &a);
}

static void
do_shutdown(struct client *c, const char *text, const struct command *cmd)
{
	struct msg m = { .type = MSG_SHUTDOWN };

	if (cmd->arg[0] == '\0')
		m.arg = SEG_NOW;
	else if (strcmp(cmd->arg, "wait_for_servers") == 0)
		m.arg = SEG_WAIT_SERVERS;
	else if (strcmp(cmd->arg, "wait_for_clients") == 0)
		m.arg = SEG_WAIT_CLIENTS;
	else {
		say_invalid(c, text);
		return;
	}
	ask(c, m.arg == SEG_NOW ? ASK_STOP_NOW : ASK_STOP, "SHUTDOWN", &m);
}

static void
do_set(struct client *c, const struct command *cmd)
{
	struct msg m = { .type = MSG_SET };
	size_t key = strlen(cmd->arg) + 1, value = strlen(cmd->value) + 1;
	char name[sizeof("SET ") + COMMAND_WORD];

	memcpy(m.text, cmd->arg, key);
	memcpy(m.text + key, cmd->value, value);
	m.len = (uint32_t)(key + value);
	snprintf(name, sizeof(name), "SET %s", cmd->arg);
	ask(c, ASK_SET, name, &m);
}

static void
do_empty(struct client *c)
{
	struct answer a;

	report_empty(begin(&a));
	send_ready(c, &a);
}

static void
do_command(struct client *c, const char *text)
{
	static const struct msg reload = { .type = MSG_RELOAD };
	struct command cmd;

	command_parse(text, &cmd);
	if (cmd.kind != COMMAND_INVALID && !cmd.is_open && !c->is_admin) {
		say_error(c, "42501", "admin access needed");
		return;
	}
	switch (cmd.kind) {
	case COMMAND_INVALID:
		say_invalid(c, text);
		return;
	case COMMAND_EMPTY:
		do_empty(c);
		return;
	case COMMAND_SHOW:
		do_show(c, text, &cmd);
		return;
	case COMMAND_FAKE:
		do_fake_set(c);
		return;
	case COMMAND_SET:
		do_set(c, &cmd);
		return;
	case COMMAND_RELOAD:
		ask(c, ASK_RELOAD, "RELOAD", &reload);
		return;
	case COMMAND_SHUTDOWN:
		do_shutdown(c, text, &cmd);
		return;
	}
}

/* --- messages ------------------------------------------------------------- */

static void
on_message(struct client *c, uint8_t type, const uint8_t *body, size_t len)
{
	switch (type) {
	case 'Q':
		/* a text, its NUL, and nothing more */
		if (memchr(body, '\0', len) == body + len - 1)
			do_command(c, (const char *)body);
		else
			client_fail(c, "08P01", "invalid query message");
		return;
	case 'X':
		client_close(c, NULL);
		return;
	case 'P':
	case 'B':
	case 'D':
	case 'E':
	case 'C':
	case 'H':
	case 'S':
	case 'F':
		client_fail(c, "0A000",
		    "extended query protocol not supported "
		    "by admin console");
		return;
	default:
		client_fail(c, "08P01", "unexpected message in admin console");
	}
}

/* Bytes used; 0: no whole message. */
static size_t
step(struct client *c, const uint8_t *p, size_t len)
{
	struct frame f;

	switch (frame_parse(p, len, MESSAGE_MAX, &f)) {
	case WAIT:
		return 0;
	case FAIL:
		client_fail(c, "08P01", "invalid length of a message");
		return 0;
	case DONE:
		break;
	}
	if (f.body > len - FRAME_HEAD)
		return 0;
	on_message(c, f.type, p + FRAME_HEAD, f.body);
	return FRAME_HEAD + (size_t)f.body;
}

static void
go_on(struct client *c, const uint8_t *p, size_t len)
{
	size_t used;

	while (len > 0 && c->state == CLIENT_CONSOLE && !c->is_asking &&
	    buf_len(&c->out) == 0 && (used = step(c, p, len)) > 0) {
		p += used;
		len -= used;
	}
	if (c->state != CLIENT_CONSOLE)
		return;
	if (len == 0 || client_hold(c, p, len) == 0)
		client_rewatch(c);
}

static void
on_bytes(struct client *c)
{
	uint8_t *p;
	size_t len;

	if (client_recv(c, &p, &len))
		go_on(c, p, len);
}

static void
resume(struct client *c)
{
	client_unhold(c, go_on);
}

void
admin_init(void)
{
	static const struct client_console console = {
		.welcome = welcome,
		.on_bytes = on_bytes,
		.resume = resume,
	};

	client_console = &console;
}

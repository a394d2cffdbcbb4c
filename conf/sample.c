#include "conf/sample.h"

#include <string.h>
#include "conf/keys.h"

#define WIDTH 76

static const char head[] =
    ";; pooler.conf - every setting, with its default.\n"
    ";;\n"
    ";; A line that begins with ; or # is a comment.  The settings below are\n"
    ";; commented out: what they show holds unless you say otherwise.  Times\n"
    ";; are seconds, and may have a fraction.  SIGHUP, or RELOAD in the\n"
    ";; console, reads this file again; (restart) marks what then stays, and\n"
    ";; (not yet) what is read and checked but has no effect so far.\n"
    ";;\n"
    ";;     %include other.conf\n"
    ";;\n"
    ";; reads another file in its place, as named from the directory that\n"
    ";; pooler was started in.\n"
    "\n"
    ";; Databases that clients may connect to.\n"
    ";;\n"
    ";;     name = key=value key=\'a value\' ...\n"
    ";;     name = postgresql://user@host:port/dbname?pool_size=5\n"
    ";;\n"
    ";; * stands for all names that have no line of their own.  The keys:\n"
    ";;\n";

static const char after_databases[] =
    "[databases]\n"
    ";app = host=127.0.0.1 port=5432 dbname=app\n"
    ";reports = host=10.0.0.7,10.0.0.8 dbname=app user=reporter pool_size=5\n"
    ";* = host=/var/run/postgresql\n"
    "\n"
    ";; What differs for single users.  The keys:\n"
    ";;\n";

static const char after_users[] =
    "[users]\n"
    ";batch = pool_mode=session max_user_connections=10\n"
    "\n"
    ";; Other instances behind the same address, by their peer_id "
    "(not yet).\n"
    ";; The keys:\n"
    ";;\n";

static const char after_peers[] =
    "[peers]\n"
    ";1 = host=10.0.0.5\n"
    ";2 = host=10.0.0.6\n"
    "\n"
    ";; Everything else.  [pgbouncer] is the same section.\n"
    "[pooler]\n";

/* `text`, folded, each line behind `lead`; `at` columns are used already. */
static void
fold(FILE *out, const char *lead, const char *text, size_t at)
{
	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (at + 1 + n > WIDTH) {
			fprintf(out, "\n%s", lead);
			at = strlen(lead);
		}
		fprintf(out, " %.*s", (int)n, text);
		at += 1 + n;
		text += n;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static const char *
mark(const struct conf_key *key)
{
	return key->later            ? " (not yet)"
	    : key->when == KEY_START ? " (restart)"
				     : "";
}

/* ";;   name        sentence", for the keys of an entry. */
static void
write_entry_keys(FILE *out, enum key_scope scope)
{
	size_t n;
	const struct conf_key *keys = keys_of(scope, &n);
	char lead[40], text[300];

	snprintf(lead, sizeof(lead), ";;%30s", "");
	for (size_t i = 0; i < n; i++) {
		snprintf(
		    text, sizeof(text), "%s%s", keys[i].doc, mark(&keys[i]));
		fprintf(out, ";;   %-27s", keys[i].name);
		fold(out, lead, text, strlen(lead));
	}
	fputs("\n", out);
}

/* What a choice may be, where its sentence does not say it. */
static void
write_choices(FILE *out, const struct conf_key *key)
{
	fputs(";;", out);
	for (const struct value_choice *c = key->choices; c->name != NULL; c++)
		fprintf(out, "%s%s", c == key->choices ? " One of " : ", ",
		    c->name);
	fputs(".\n", out);
}

static void
write_global(FILE *out)
{
	size_t n;
	const struct conf_key *keys = keys_of(KEY_GLOBAL, &n);
	char text[300];

	for (size_t i = 0; i < n; i++) {
		const struct conf_key *key = &keys[i];
		const char *dflt;

		if (key->group != NULL)
			fprintf(out, "\n;;;\n;;; %s\n;;;\n", key->group);
		snprintf(text, sizeof(text), "%s%s", key->doc, mark(key));
		fputs("\n;;", out);
		fold(out, ";;", text, 2);
		if (key->type == KEY_CHOICE)
			write_choices(out, key);
		dflt = key->dflt != NULL   ? key->dflt
		    : key->type == KEY_STR ? ""
					   : "0";
		fprintf(out, ";%s =%s%s\n", key->name,
		    dflt[0] == '\0' ? "" : " ", dflt);
	}
}

int
sample_write(FILE *out)
{
	fputs(head, out);
	write_entry_keys(out, KEY_DB);
	fputs(after_databases, out);
	write_entry_keys(out, KEY_USER);
	fputs(after_users, out);
	write_entry_keys(out, KEY_PEER);
	fputs(after_peers, out);
	write_global(out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}

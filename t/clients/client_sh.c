/*
 * client_sh.c - CLIENTS, client.sh, and the pooler afterwards.
 */
#include "t/clients/client_sh.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "t/lib/spawn.h"
#include "t/lib/sql.h"

bool
client_sh_has_word(const char *all, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = all; at && (at = strstr(at, word)); at += len)
		if ((at == all || at[-1] == ' ') &&
		    (at[len] == '\0' || at[len] == ' '))
			return true;
	return false;
}

bool
client_sh_is_chosen(const char *driver)
{
	return client_sh_has_word(getenv("CLIENTS"), driver);
}

int
client_sh_run(const char *what, const char *driver, const char **env,
    const char *out, int ms)
{
	const char *client = getenv("CLIENT_SH");
	pid_t pid;
	int status;

	ck_assert_msg(
	    client != NULL, "CLIENT_SH is not set: make check-clients");
	pid =
	    spawn(&(struct spawn){ .out = out, .env = env, .same_user = true },
		(const char *const[]){ "sh", client, what, driver, NULL });
	status = spawn_wait(pid, ms);
	if (status == -1)
		kill(pid, SIGKILL);
	if (status == -1 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

void
client_sh_look_behind(const struct pooler *p, PGconn *c)
{
	UNTIL(5000,
	    pooler_show(c, "LISTS", "list", "used_clients", "items") <= 1);
	PQfinish(c);
	ck_assert(!file_has(p->log, " died"));
}

/*
 * client_sh.h - what the tests of other people's drivers share: which drivers
 * are chosen, client.sh, and what is left behind.
 *
 *   CLIENTS     the drivers to run, by client.sh's names
 *   CLIENT_SH   where client.sh is
 */
#ifndef T_CLIENTS_CLIENT_SH_H
#define T_CLIENTS_CLIENT_SH_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "t/lib/pooler.h"

/* Is `word` one of the words of `all`, which may be NULL? */
bool client_sh_has_word(const char *all, const char *word);
/* Is it one of CLIENTS? */
bool client_sh_is_chosen(const char *driver);

/*
 * `client.sh what driver` with these settings more, and none of whoever runs
 * this; what it says is added to the file `out`.  Its exit code, or -1: it did
 * not end in `ms`, and was killed.
 */
int client_sh_run(const char *what, const char *driver, const char **env,
    const char *out, int ms);

/* Through the console `c`, which is closed: nobody is left, no worker died. */
void client_sh_look_behind(const struct pooler *p, PGconn *c);

#endif

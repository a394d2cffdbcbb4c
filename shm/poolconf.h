/*
 * poolconf.h - a pool's row as the configuration wants it.
 *
 * Who makes a row and who refreshes it after a reload must not differ in what
 * they write: both ask here.  Pure.
 */
#ifndef SHM_POOLCONF_H
#define SHM_POOLCONF_H

#include <stdbool.h>

#include "conf/conf.h"
#include "shm/pool.h"

/* `user` is the name at the server; `forced`: the entry's own (conf.h). */
void poolconf_limits(const struct conf *c, const struct conf_db *db,
    const char *user, bool forced, struct pool_limits *out);

/* A database's own limit, as db_define() takes it. */
uint32_t poolconf_db_max(const struct conf *c, const struct conf_db *db);

#endif

/*
 * reload.h - check new settings, publish them, say when all act on them.
 *
 * The files are read once, by candidate.c; what every process parses is a
 * snapshot of these bytes.  SET is a reload of one setting.  A configuration with a fault changes nothing.  A good one is
 * published in this order: limits and switches in the segment's rows, then
 * the number, then the snapshot to every child.  Whoever asked is answered
 * when every living worker's row shows the number.
 *
 * Written by the supervisor alone.  Reads disk files; otherwise never blocks:
 * what finds a lock busy is done at the next turn.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "master/candidate.h"
#include "shm/msg.h"

enum {
	RELOAD_POLL_MS = 5,      /* how often to look whether all are there */
	RELOAD_ANSWER_MS = 5000, /* after that the answer is a failure */
};

/* Publish the first configuration, which is then this module's.  Its `files`
 * become a snapshot, and are freed. */
void reload_start(const struct candidate_source *source, struct conf *first,
    struct conf_files *files);
void reload_fini(void);

/* What is in effect, and its number. */
const struct conf *reload_conf(void);
uint64_t reload_number(void);

/* Read everything anew.  Worker `asker` (or PROC_NOBODY) is answered to its
 * question `id`. */
void reload_now(uint32_t asker, uint64_t id, uint64_t now_ms);

/*
 * Change one setting on top of what runs: `m` is the MSG_SET of worker
 * `asker`, which is answered as with a reload.
 */
void reload_set(uint32_t asker, const struct msg *m, uint64_t now_ms);

/* Go on with what is unfinished; true while anything is. */
bool reload_run(uint64_t now_ms);

/* In a child: close what is not for it. */
void reload_child(void);

/*
 * Once a second: send the configuration again to workers that do not act on
 * it, whose message or descriptor was lost.  They take it twice without harm.
 */
void reload_check(void);

#endif

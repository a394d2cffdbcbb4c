/*
 * candidate.h - a configuration that may take the running one's place.
 *
 * It is read and checked as a whole, and comes with the snapshot of its files
 * that every process parses.  There are three ways to one: at start and at a
 * reload all files are read; SET takes the files of what runs, as its snapshot
 * has them, and changes one setting.  What SET has changed is a pin in the
 * snapshot, and so a reload, which begins with the files, drops it.
 *
 * A certificate and its key change by two SETs, and between them there is no
 * pair.  So the first half is held back until the other comes: what runs stays
 * whole, and the client is told.
 *
 * Written by the supervisor alone.  Reads disk files; otherwise never blocks.
 */
#ifndef MASTER_CANDIDATE_H
#define MASTER_CANDIDATE_H

#include "conf/conf.h"
#include "shm/msg.h"

/* Where the configuration comes from, and what the command line adds. */
struct candidate_source {
	const char *path;
	const char *user; /* -u, or NULL */
	int verbose;      /* how many -v */
};

struct candidate {
	struct conf *conf;
	int fd; /* the snapshot */
};

/* Why there is none, for whoever asked. */
struct candidate_why {
	enum msg_done status;
	char text[MSG_TEXT];
};

/* At start: NULL with at least one fault told. */
struct conf *candidate_read(const struct candidate_source *source,
    struct conf_files *files, struct conf_faults *faults);

/* A descriptor with the bytes of `files`; -1 with `why`, which is logged. */
int
candidate_snapshot(const struct conf_files *files, struct candidate_why *why);

/* All files anew, in place of `running`; 0, or -1 with `why`. */
int candidate_reload(const struct candidate_source *source,
    const struct conf *running, struct candidate *out,
    struct candidate_why *why);

/*
 * `set` on top of the snapshot `fd`; 0, or -1 with `why`.  When it is held
 * back as the half of a pair, `why` has MSG_DONE_WELL and says so.
 */
int candidate_set(int fd, const struct conf_setting *set, struct candidate *out,
    struct candidate_why *why);

/* Forget what is held back. */
void candidate_fini(void);

#endif

/*
 * msg.h - every message between the supervisor and its children.
 *
 * The supervisor is the centre of a star: what one child tells another goes
 * through it.  A message names a slot or a client row by index + generation;
 * a stale name is a normal event and the message is dropped.
 */
#ifndef SHM_MSG_H
#define SHM_MSG_H

#include <stdint.h>

enum msg_type {
	MSG_NONE,

	/* worker -> supervisor */
	MSG_FD_STORE = 1, /* +fd: a socket about to connect; keep a duplicate */
	MSG_FD_SHARE,     /* slot is logged in: give it to the other workers */
	MSG_FD_GONE,      /* slot's backend has gone: close all duplicates */
	MSG_CANCEL,   /* +fd: the requester; to the worker of a client row */
	MSG_RELOAD,   /* by a console client; answered by MSG_DONE */
	MSG_SHUTDOWN, /* arg: enum segment_stopping; answered by MSG_DONE */
	MSG_SET,      /* text: a setting, its value; answered by MSG_DONE */

	/* supervisor -> worker */
	MSG_FD = 32,  /* +fd: the descriptor of a shared slot */
	MSG_FD_DROP,  /* close your duplicate of slot, generation */
	MSG_FD_ADOPT, /* +fd: slot is CLOSING(you): cancel, close, read */
	MSG_CONF,     /* +fd: snapshot number `arg` of the configuration */
	MSG_DONE,     /* status: enum msg_done; to MSG_SET, well: its text, and
			 perhaps what the client is to know */

	/* worker -> supervisor -> resolver, and back */
	MSG_RESOLVE = 64, /* text: a host name; arg: port */
	MSG_RESOLVED,     /* the addresses, or a failure */
	MSG_SECRET,       /* text: a database, NUL, a user: his secret? */
	MSG_SECRET_IS,    /* status: enum msg_secret; what it says */
	MSG_PROVE,     /* status: enum msg_prove; arg: time it may take, ms */
	MSG_PROVE_END, /* nobody waits for the answer to `id` any more */
	MSG_PROVED,    /* status: enum msg_proved */

	/* supervisor -> child */
	MSG_LOG_REOPEN = 96,
};

enum { MSG_TEXT = 4096, MSG_ADDRS = 8 };

/*
 * One shape for all: what a type does not use is 0.  `len` is the number of
 * bytes of `text` in use; only those are sent.
 */
struct msg {
	uint16_t type;
	uint16_t proc; /* the child that asked, or is to be told */
	uint32_t idx;  /* slot or client row */
	uint64_t gen;  /* its generation */
	uint64_t id;   /* the asker's own number for its question */
	uint64_t arg;
	uint32_t len;
	uint32_t status; /* answers: 0 is well */
	uint8_t text[MSG_TEXT];
};

/* Of MSG_SET; with the NUL that each has behind it. */
enum { MSG_SET_KEY = 128, MSG_SET_VALUE = 1024 };

/* What became of MSG_RELOAD, MSG_SHUTDOWN, MSG_SET; if not well, `text` says
 * why. */
enum msg_done {
	MSG_DONE_WELL,
	MSG_DONE_REFUSED, /* not now, or not as things are */
	MSG_DONE_VALUE,   /* that value will not do */
	MSG_DONE_UNKNOWN, /* there is no such setting */
	MSG_DONES
};

/* What an answer to MSG_SECRET says. */
enum msg_secret {
	MSG_SECRET_FOUND,   /* text: the secret; "": the user has none */
	MSG_SECRET_NOBODY,  /* the question has reached nobody: ask again */
	MSG_SECRET_UNKNOWN, /* there is no such user */
	MSG_SECRET_FAILED,  /* text: SQLSTATE, NUL, what the client is told */
};

/*
 * Who is to check a password.  `text`: the user, the client's address in
 * figures ("": a Unix socket), name and value of each option of the rule, the
 * password; all with a NUL behind them.
 */
enum msg_prove {
	MSG_PROVE_LDAP,
	MSG_PROVE_PAM,
	MSG_PROVE_PEER, /* in place of the address: the number of a user of
			 * this system; there is no password, and
			 * `text` of the answer is that user's name */
	MSG_PROVES
};

enum msg_proved {
	MSG_PROVED_RIGHT,
	MSG_PROVED_NOBODY, /* the question has reached nobody: ask again */
	MSG_PROVED_WRONG,
	MSG_PROVED_BUSY, /* there are too many */
};

/* What `text` holds in MSG_RESOLVED when status is 0. */
struct msg_addrs {
	uint32_t n;
	uint32_t pad;
	struct {
		uint32_t family; /* 4 or 6 */
		uint32_t scope;
		uint8_t addr[16];
	} a[MSG_ADDRS];
};

_Static_assert(sizeof(struct msg_addrs) <= MSG_TEXT, "fits a message");

#endif

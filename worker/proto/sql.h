/*
 * sql.h - which statements a text holds, and what they do to the session.
 *
 * The text of a Query or a Parse is cut into statements, and each is told by
 * its first words; what matters below them (a temporary table, a function
 * that changes the session) is told by its tokens wherever it stands.  Nothing
 * is said of what a function, a DO block or a trigger does inside.
 *
 * It errs on one side: what cannot be told for certain is SQL_UNSURE, "may do
 * anything".  A text that the server's parser refuses may be called anything,
 * since then the server runs nothing of it.
 *
 *     struct sql_walk w;
 *     struct sql_stmt s;
 *
 *     if (!sql_is_plain(text, len)) {
 *         sql_walk_init(&w, text, len, flags);
 *         while (sql_next(&w, &s))
 *             switch (s.kind) { ... }
 *     }
 *
 * Pure: no memory of its own, no allocation, never blocks.  Everything points
 * into the caller's text.
 */
#ifndef WORKER_PROTO_SQL_H
#define WORKER_PROTO_SQL_H

#include <stdint.h>

#include "worker/proto/sqllex.h"

enum sql_kind {
	SQL_PLAIN,   /* nothing of what stands below; the flags still count */
	SQL_UNSURE,  /* may do anything; where no token could be told for
	               certain it reaches to the end of the text */
	SQL_TX,      /* sub: SQL_TX_*; name: of a savepoint, "" otherwise */
	SQL_SET,     /* sub: SQL_SET_*; settings: sql_setting(); arg: value */
	SQL_RESET,   /* sub: SQL_ALL or SQL_ONE; settings: sql_setting() */
	SQL_DISCARD, /* sub: SQL_ALL, SQL_PLANS, SQL_SEQUENCES, SQL_TEMP */
	SQL_PREPARE, /* name; arg: types, inside ( ); body: behind AS.  The
	                flags are those of its statement: EXECUTE does it */
	SQL_EXECUTE, /* name; arg: parameters, inside ( ); also in EXPLAIN
	                and in CREATE TABLE ... AS */
	SQL_DEALLOCATE, /* sub: SQL_ALL or SQL_ONE with name */
	SQL_LISTEN,     /* name */
	SQL_UNLISTEN,   /* sub: SQL_ALL (*) or SQL_ONE with name */
	SQL_NOTIFY,     /* name; arg: the payload's constant */
	SQL_DECLARE,    /* name; SQL_F_HOLD */
	SQL_CLOSE,      /* of a cursor; sub: SQL_ALL or SQL_ONE with name */
	SQL_LOAD,
	SQL_DO,
	SQL_CALL
};

enum sql_sub {
	SQL_NONE,
	SQL_ONE, /* `name` says which */
	SQL_ALL,
	SQL_PLANS,
	SQL_SEQUENCES,
	SQL_TEMP,
	SQL_TX_BEGIN,    /* START TRANSACTION too */
	SQL_TX_COMMIT,   /* END too */
	SQL_TX_ROLLBACK, /* ABORT too */
	SQL_TX_SAVEPOINT,
	SQL_TX_RELEASE,
	SQL_TX_ROLLBACK_TO,
	SQL_TX_PREPARE, /* PREPARE TRANSACTION: it ends the transaction */
	SQL_TX_COMMIT_PREPARED,
	SQL_TX_ROLLBACK_PREPARED,
	SQL_SET_VALUE,
	SQL_SET_DEFAULT, /* as RESET does */
	SQL_SET_CURRENT  /* FROM CURRENT */
};

enum sql_flag {
	SQL_F_LOCAL = 1 << 0, /* SET LOCAL, and SET of what lasts no longer than
	                         a transaction (transaction_isolation, ...) */
	SQL_F_HOLD = 1 << 1,  /* DECLARE ... WITH HOLD */
	SQL_F_CHAIN = 1 << 2, /* COMMIT or ROLLBACK AND CHAIN */
	/* told by tokens, in a statement of any kind */
	SQL_F_TEMP = 1 << 3, /* makes something temporary, or names pg_temp. */
	SQL_F_ON_COMMIT_DROP = 1 << 4, /* ON COMMIT DROP; with SQL_F_TEMP */
	SQL_F_SET_CONFIG = 1 << 5,     /* see sql_config_next() */
	SQL_F_LOCK = 1 << 6,     /* takes an advisory lock of the session */
	SQL_F_UNLOCK = 1 << 7,   /* gives one back, or all of them */
	SQL_F_SEQUENCE = 1 << 8, /* currval(), lastval() */
	SQL_F_SESSION = 1 << 9,  /* other functions that leave something in the
	                            session: dblink, temporary replication
	                            slots, replication origins */
	SQL_F_MAKES_TEMP = 1 << 10 /* says so; with SQL_F_TEMP */
};

/* A setting's name, which may have dots, with its NUL. */
enum { SQL_NAME = 256 };

struct sql_span {
	const char *p; /* NULL: there is none */
	size_t len;
};

struct sql_stmt {
	enum sql_kind kind;
	enum sql_sub sub;
	unsigned flags;        /* SQL_F_* */
	struct sql_span text;  /* first to last token, without the semicolon */
	struct sql_span where; /* the name as it is written, to put another */
	struct sql_span arg;   /* see the kind; first to last token */
	struct sql_span body;  /* SQL_PREPARE: the statement behind AS */
	char name[SQL_NAME];   /* its value (sqllex_name); "" when none; of a
	                          setting always in lower case */
	uint8_t tx_modes;      /* for sql_setting() */
};

struct sql_walk {
	struct sqllex lex; /* stands behind the last statement told */
	bool is_exact;
};

/* `flags`: SQLLEX_*. */
void
sql_walk_init(struct sql_walk *w, const char *text, size_t len, unsigned flags);

/*
 * The next statement; empty ones are passed over.  false: there is none, and
 * `out` is not written.  After an SQL_UNSURE that reaches to the end, false.
 */
bool sql_next(struct sql_walk *w, struct sql_stmt *out);

/*
 * The i-th setting that an SQL_SET or SQL_RESET touches, in lower case; NULL
 * behind the last, and for RESET ALL.  One, but for
 *     SET SESSION AUTHORIZATION     session_authorization, role
 *     SET SESSION CHARACTERISTICS   default_transaction_isolation,
 *                                   default_transaction_read_only,
 *                                   default_transaction_deferrable
 * TIME ZONE is timezone, NAMES client_encoding, SCHEMA search_path, XML OPTION
 * xmloption.  SET TRANSACTION and SET CONSTRAINTS are SQL_PLAIN.
 */
const char *sql_setting(const struct sql_stmt *s, unsigned i);

enum sql_local { SQL_LOCAL_NO, SQL_LOCAL_YES, SQL_LOCAL_UNKNOWN };

/* A call of set_config(name, value, is_local). */
struct sql_config {
	char name[SQL_NAME]; /* in lower case; "": not a constant */
	enum sql_local local;
	struct sql_span value; /* the second argument, if it is a constant */
};

/*
 * The calls in a statement with SQL_F_SET_CONFIG, one by one: `pos` is NULL
 * before the first, and is moved.  `w` is the walk that gave `s`.
 */
bool sql_config_next(const struct sql_walk *w, const struct sql_stmt *s,
    const char **pos, struct sql_config *out);

/*
 * In one cheap pass: does the text surely hold one statement at most, SQL_PLAIN
 * or SQL_TX_BEGIN, _COMMIT or _ROLLBACK, with no flags?  false says nothing.
 * It holds whatever the encoding and standard_conforming_strings are.  (What
 * the lexer calls unterminated may be plain: the server refuses it.)
 */
bool sql_is_plain(const char *text, size_t len);

#endif

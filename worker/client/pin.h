/*
 * pin.h - who keeps a backend because the session itself is needed, and why.
 *
 * Temporary tables, advisory locks, cursors WITH HOLD and the like cannot be
 * taken from one backend to another.  A client that has one keeps its backend
 * until the server says that it is gone (audit.h).  `pin_timeout` bounds how
 * long it may be idle with it; SHOW CLIENTS tells the reason; a pool none of
 * whose backends can be had is told in the log and to those who wait in vain.
 *
 * The reasons are bits of enum audit_bit, AUDIT_PINS.  Never blocks.
 */
#ifndef WORKER_CLIENT_PIN_H
#define WORKER_CLIENT_PIN_H

#include <stddef.h>
#include <stdint.h>

struct client;

enum { PIN_TEXT = 96 };

/* "temporary table, advisory lock"; "" for none.  Returns `to`. */
const char *pin_text(unsigned pins, char to[PIN_TEXT]);

/*
 * The reasons that a text tells beforehand: what it makes stays when it has
 * been run, unless its own transaction ends it.  `flags` are sqllex.h's.  What
 * a function does, or a view, only the server can tell.
 */
unsigned pin_told(const char *text, size_t len, unsigned flags);

/* Note why (0: no more) in the client's row and in its backend's slot. */
void pin_note(struct client *c, unsigned pins);

/* The reasons that a client's row tells. */
unsigned pin_of_row(uint32_t flags);

#endif

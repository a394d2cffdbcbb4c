#include "shm/crash.h"

#include <stdio.h>

/* Every point there is; t/unit/crash_test.c compares it with the sources. */
static const char *const points[] = {
	"backend.claim",
	"backend.claimed",
	"backend.learn",
	"backend.logged_in",
	"cancel.begun",
	"cancel.over",
	"clean.discard",
	"clean.over",
	"clean.start",
	"client.close",
	"client.open",
	"clientrow.freed",
	"clientrow.info",
	"clientrow.taken",
	"dedicate.ready",
	"dedicate.takes",
	"dedicate.waits",
	"depart.closing",
	"depart.gone",
	"depart.reserved",
	"depart.unreserved",
	"grant.cleared",
	"grant.offer.after",
	"grant.offer.before",
	"handover.granted",
	"handover.idle",
	"handover.offered",
	"handover.seen",
	"handover.taken",
	"interrupt.detached",
	"lend.enqueued",
	"lend.login_ended",
	"limits.close.done",
	"limits.close.filled",
	"limits.close.freed",
	"limits.close.locked",
	"limits.close.lowered",
	"limits.close.reserved",
	"limits.free.moved",
	"limits.lower.half",
	"limits.open.done",
	"limits.open.filled",
	"limits.open.locked",
	"limits.open.moved",
	"limits.raise.half",
	"limits.take.moved",
	"listen.begun",
	"listen.lent",
	"listen.over",
	"login.greeting",
	"login.socket",
	"login.stored",
	"open.failed",
	"open.login_taken",
	"pool.failure.written",
	"pool.greeting.written",
	"pool.join.found",
	"pool.join.joined",
	"pool.keys.locked",
	"pool.keys.written",
	"pool.login.drop",
	"pool.make.filled",
	"pool.make.parties",
	"pool.party.filled",
	"pool.reclaim.freed",
	"queue.published",
	"relay.done",
	"replicate.in",
	"session.ask",
	"session.fitted",
	"slot.info.write",
	"slot.move.after",
	"slot.move.before",
	"want.lent",
	"welcome.in",
};

void
crash_list(void)
{
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		puts(points[i]);
}

#ifdef CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/segment.h"

static struct {
	char name[64];
	unsigned long countdown; /* 0: not armed */
	bool is_anyone;          /* not one process: the first that comes by */
} armed;

/* "name:countdown[:process]" */
void
crash_arm(uint32_t me)
{
	const char *env = getenv("POOLER_CRASH");
	const char *colon = env == NULL ? NULL : strchr(env, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - env);
	char *end;

	armed.countdown = 0;
	if (len == 0 || len >= sizeof(armed.name))
		return;
	memcpy(armed.name, env, len);
	armed.name[len] = '\0';
	armed.countdown = strtoul(colon + 1, &end, 10);
	armed.is_anyone = *end != ':';
	if (!armed.is_anyone && strtoul(end + 1, NULL, 10) != me)
		armed.countdown = 0;
}

void
crash_disarm(void)
{
	armed.countdown = 0;
	(void)unsetenv("POOLER_CRASH");
}

void
crash_point(const char *name)
{
	if (armed.countdown == 0 || strcmp(name, armed.name) != 0)
		return;
	if (--armed.countdown > 0)
		return;
	/* one alone: a test looks at what that left */
	if (armed.is_anyone && seg != NULL &&
	    atomic_exchange(&seg->crashed, 1) != 0)
		return;
	(void)kill(getpid(), SIGKILL);
}

#else

void
crash_arm(uint32_t me)
{
	(void)me;
}

void
crash_disarm(void)
{
}

#endif

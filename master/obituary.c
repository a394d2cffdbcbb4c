#include "master/obituary.h"

#include <sys/wait.h>
#include <inttypes.h>
#include <stdio.h>

#include "conf/log.h"
#include "shm/check.h"
#include "shm/proc.h"

void
obituary_log(const struct obituary *o)
{
	char how[32], then[48];

	if (o->is_stopping && WIFEXITED(o->status) &&
	    WEXITSTATUS(o->status) == 0) {
		log_debug(
		    NULL, "%s (pid %ld) has ended", o->name, (long)o->pid);
		return;
	}
	if (WIFSIGNALED(o->status))
		snprintf(how, sizeof(how), "signal %d", WTERMSIG(o->status));
	else
		snprintf(
		    how, sizeof(how), "exit code %d", WEXITSTATUS(o->status));
	if (o->is_stopping)
		snprintf(then, sizeof(then), "not restarted");
	else if (o->wait_ms == 0)
		snprintf(then, sizeof(then), "restarted");
	else
		snprintf(then, sizeof(then), "restart in %" PRIu32 " ms",
		    o->wait_ms);
	log_warn(NULL, "%s (pid %ld) died: %s; %s, clients lost: %" PRIu32,
	    o->name, (long)o->pid, how, then, o->clients);
}

void
obituary_check(void)
{
#ifdef CRASH_POINTS /* it looks at every slot: too dear for a service */
	char why[256];

	switch (check_segment(PROC_SUPERVISOR, false, why, sizeof(why))) {
	case 0:
		log_info(NULL, "segment: ok");
		break;
	case -1:
		log_error(NULL, "segment: BROKEN: %s", why);
		break;
	}
#endif
}

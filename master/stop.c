#include "master/stop.h"

#include <signal.h>

#include "conf/log.h"
#include "master/children.h"
#include "master/listen.h"

static uint64_t kill_ms = UINT64_MAX; /* when those that remain are killed */
static bool is_helpers_turn;

bool
stop_is_asked(void)
{
	return atomic_load(&seg->stopping) != SEG_RUNNING;
}

void
stop_ask(enum segment_stopping how, uint64_t now_ms)
{
	static const char *const texts[] = {
		[SEG_WAIT_SERVERS] = "when servers are released",
		[SEG_WAIT_CLIENTS] = "when the last client has left",
		[SEG_NOW] = "at once",
	};

	if (how == SEG_RUNNING || atomic_load(&seg->stopping) == SEG_NOW)
		return;
	if (stop_is_asked())
		how = SEG_NOW;
	log_info(NULL, "shutting down %s", texts[how]);
	children_stop();
	/* the word first: who finds a listener dead then knows why */
	atomic_store(&seg->stopping, how);
	listen_stop();
	bell_ring_all();
	if (how == SEG_NOW && kill_ms == UINT64_MAX)
		kill_ms = now_ms + STOP_HARD_MS;
}

uint64_t
stop_due_ms(void)
{
	return kill_ms;
}

bool
stop_run(uint64_t now_ms)
{
	if (!stop_is_asked())
		return false;
	if (children_alive(false) == 0)
		return true;
	if (!is_helpers_turn && children_alive(true) == 0) {
		is_helpers_turn = true;
		atomic_store(&seg->stopping, SEG_NOW);
		children_end_helpers();
		kill_ms = now_ms + STOP_HELPERS_MS;
	}
	if (now_ms >= kill_ms) {
		log_warn(NULL, "killing %u processes that have not ended",
		    children_alive(false));
		children_kill(SIGKILL);
		kill_ms = now_ms + STOP_HARD_MS;
	}
	return false;
}

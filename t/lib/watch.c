/*
 * watch.c - count backends from aside.
 */
#include "t/lib/watch.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/lib/spawn.h"

struct watch
watch_start(struct pg *server, const char *where)
{
	struct watch w = { 0 };

	w.seen = mmap(NULL, sizeof(*w.seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(w.seen != MAP_FAILED);
	w.pid = fork();
	ck_assert_int_ne(w.pid, -1);
	while (w.pid == 0) {
		int n = pg_backends(server, where);

		if (n > w.seen->most)
			w.seen->most = n;
		w.seen->looks++;
		poll(NULL, 0, 1);
	}
	UNTIL(10000, w.seen->looks > 0);
	return w;
}

int
watch_stop(struct watch *w)
{
	int most = w->seen->most;

	ck_assert_msg(kill(w->pid, 0) == 0, "the watcher has died");
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	munmap(w->seen, sizeof(*w->seen));
	return most;
}

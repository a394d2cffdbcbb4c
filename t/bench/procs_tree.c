/*
 * procs_tree.c - see procs_tree.h.  Pure.
 */
#include "t/bench/procs_tree.h"

#include <stdbool.h>

static bool
is_in(const pid_t *pids, int n, pid_t pid)
{
	for (int i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

int
procs_tree_pick(const struct procs_pair *all, int all_n, pid_t parent, int deep,
    pid_t *pids, int max)
{
	int n = 0, before;

	if (deep && max > 0)
		pids[n++] = parent;
	/* a generation a round, until a round finds nobody new */
	do {
		before = n;
		for (int i = 0; i < all_n && n < max; i++) {
			bool is_child = all[i].parent == parent ||
			    (deep && is_in(pids, n, all[i].parent));

			if (is_child && !is_in(pids, n, all[i].pid))
				pids[n++] = all[i].pid;
		}
	} while (deep && n > before);
	return n;
}

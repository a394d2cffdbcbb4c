#include "shm/poolkeys.h"

#include <string.h>

#include "conf/compat.h"
#include "shm/crash.h"
#include "shm/pool.h"
#include "shm/seqcopy.h"
#include "shm/trylock.h"

void
pool_keys_write(struct pool *p, uint32_t me, const struct pool_keys *k)
{
	struct pool_keys old;
	bool is_same =
	    pool_keys_look(p, &old) && memcmp(&old, k, sizeof(old)) == 0;

	compat_bzero(&old, sizeof(old));
	if (is_same || !trylock_take(&p->keys_lock, me))
		return;
	/* The old keys, or none, and a lock that repair frees. */
	CRASH_POINT("pool.keys.locked");
	seqcopy_write(&p->keys_seq, p->keys, k, sizeof(*k));
	/* Whole keys and a lock that repair frees. */
	CRASH_POINT("pool.keys.written");
	trylock_drop(&p->keys_lock, me);
}

bool
pool_keys_look(const struct pool *p, struct pool_keys *out)
{
	if (seqcopy_read(&p->keys_seq, p->keys, out, sizeof(*out)) &&
	    out->iterations != 0 && out->salt_len <= sizeof(out->salt))
		return true;
	compat_bzero(out, sizeof(*out));
	return false;
}

void
pool_keys_forget(struct pool *p)
{
	static const struct pool_keys none;

	seqcopy_write(&p->keys_seq, p->keys, &none, sizeof(none));
}

/* Torn keys are no use to anybody; whole ones are as good as any. */
void
pool_keys_mend(struct pool *p, uint32_t dead)
{
	if (atomic_load(&p->keys_lock) != dead + 1)
		return;
	if (atomic_load(&p->keys_seq) & 1)
		pool_keys_forget(p);
	trylock_drop(&p->keys_lock, dead);
}

#!/bin/sh
# killer.sh - kill a worker of the pooler again and again, and watch the limit.
#
# killer.sh SECONDS EVERY LIMIT
#
# Every EVERY seconds one worker that SHOW WORKERS names, picked at random,
# gets SIGKILL.  All the while PostgreSQL counts the application's backends,
# a hundred times a second.  Prints "kills N", "clients N" (those that the
# killed workers had), "most_backends N" and "samples N"; exit code 1 if the
# limit was exceeded or if nobody could be killed.
#
# From its caller, by the environment: what lib.sh's worker_clients and pg_sql need
# (pg_bin, work, pg_port, peer_port).
set -u
. "$(dirname "$0")/lib.sh"

seconds=$1
every=$2
limit=$3
: "${pg_bin:?}" "${work:?}" "${pg_port:?}" "${peer_port:?}"

# Time is kept by the watcher, which is PostgreSQL's one statement.
watch_backends "$seconds" >"$work/watch.out" &
watcher=$!
trap 'kill $watcher 2>/dev/null' EXIT
trap 'exit 143' TERM
kills=0
clients=0
while is_alive "$watcher"; do
	sleep "$every"
	is_alive "$watcher" || break
	victim=$(worker_clients | awk -v seed="$$$kills" '
	    $1 > 1 { line[++n] = $0 }
	    END { srand(seed); if (n) print line[int(rand() * n) + 1] }')
	[ -n "$victim" ] || continue
	if kill -9 "${victim% *}" 2>/dev/null; then
		kills=$((kills + 1))
		clients=$((clients + ${victim#* }))
	fi
done
wait "$watcher"
trap - EXIT
most=$(awk '{ print $2 }' "$work/watch.out")
samples=$(awk '{ print $4 }' "$work/watch.out")
echo "kills $kills"
echo "clients $clients"
echo "most_backends ${most:-unknown}"
echo "samples ${samples:-0}"
[ "$kills" -gt 0 ] || die "nobody was killed"
[ "${most:-999999}" -le "$limit" ] ||
    die "$most backends, and the limit is $limit"

#!/bin/sh
# hold.sh - a minute of verified load while workers die: `make hold`.
#
# 200 clients, simple, extended and BEGIN/COMMIT in turn, every answer checked
# against its own token, on 20 backends, with 1, 2 and 8 workers; every second
# a worker is killed.  Holds if no answer is wrong, none is missing, no client
# of another worker loses its connection, and PostgreSQL never has more backends
# of ours than the limit.
#
#   WORKERS="1 2 8"  SECONDS_EACH=60  CLIENTS=200  LIMIT=20  EVERY=1  THINK=5
set -u
. "$(dirname "$0")/lib.sh"

WORKERS=${WORKERS:-1 2 8}
SECONDS_EACH=${SECONDS_EACH:-60}
CLIENTS=${CLIENTS:-200}
LIMIT=${LIMIT:-20}
EVERY=${EVERY:-1}
THINK=${THINK:-5}
bad=0

hold() { # workers
	start_peer "pooler$1" "$LIMIT"
	load_exec --mode mixed --clients "$CLIENTS" --seconds "$SECONDS_EACH" \
	    --think "$THINK" --reconnect >"$work/load.out" \
	    2>"$work/load.err" &
	driver=$!
	pids="$pids $driver"
	sh "$here/killer.sh" "$((SECONDS_EACH - 2))" "$EVERY" "$LIMIT" \
	    >"$work/killer.out" &
	killer=$!
	pids="$pids $killer"
	wait "$killer"
	killer_rc=$?
	wait "$driver"
	load_rc=$?
	pids=
	after=$(settle)
	stop_peer
	cat "$work/load.err" >&2
	row "$1"
	# between the look and the kill one client may have come
	theirs=$(($(field "$work/killer.out" clients) + \
	    $(field "$work/killer.out" kills)))
	lost=$(field "$work/load.out" connections_lost)
	if [ $load_rc != 0 ] || [ $killer_rc != 0 ] ||
	    [ "$lost" -gt "$theirs" ] || [ "$after" -gt "$LIMIT" ]; then
		bad=$((bad + 1))
		say "with $1 workers: load's exit code $load_rc," \
		    "killer's $killer_rc; $lost connections lost of the" \
		    "$theirs on killed workers; $after backends afterwards"
		cat "$work/load.out" >&2
		tail -n 30 "$work/peer.log" >&2
	fi
}

# Backends that are there when all is quiet again.
settle() {
	sleep 0.5
	backends
}

row() { # workers
	printf '%7s %6s %12s %6s %9s %7s %7s %7s %7s %10s %10s\n' "$1" \
	    "$(field "$work/killer.out" kills)" \
	    "$(field "$work/load.out" answers_verified)" \
	    "$(field "$work/load.out" wrong_answers)" \
	    "$(field "$work/load.out" unanswered)" \
	    "$(field "$work/killer.out" clients)" \
	    "$(field "$work/load.out" connections_lost)" \
	    "$(field "$work/load.out" error_responses)" \
	    "$(field "$work/load.out" refused)" \
	    "$(field "$work/killer.out" most_backends)/$LIMIT" \
	    "$(ms "$(field "$work/load.out" outage_p99_us)")"
}

[ -x "$POOLER_BIN" ] || die "$POOLER_BIN is missing: make all"
begin
start_postgres 100
copy_programs
export pg_bin work pg_port peer_port TRANSPORT
say "$CLIENTS clients on $LIMIT backends, $SECONDS_EACH s each, a worker" \
    "killed every $EVERY s"
printf '%7s %6s %12s %6s %9s %7s %7s %7s %7s %10s %10s\n' workers kills \
    verified wrong no-answer theirs lost errors refused backends outage99
for n in $WORKERS; do
	hold "$n"
done
[ $bad = 0 ]

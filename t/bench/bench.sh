#!/bin/sh
# bench.sh - what pooling costs: `make bench`.
#
# The same PostgreSQL behind each peer in turn, the same load before it.  All
# peers of a case run one after the other within a round, so that a noisy
# machine is noisy for all of them; the figures are medians over the rounds.
# README.md beside this file says how to read the tables.
#
#   ROUNDS=3          rounds
#   SECONDS_EACH=6    length of one run; its first second does not count
#   CASES="..."       s1 s16 s64 s1000 x1 x16 x64 x1000 p64 tpcb64 conn16 mb4
#                     idle (any number of clients)
#   PEERS="..."       direct forwarder forwarder2 pgbouncer pooler1 pooler2
#                     (any forwarderN, poolerN; pgbouncerN with tcp)
#   TRANSPORT=unix    or tcp: between the clients and the peer
#   IDLE=5000         clients of the case idle
#   OUT=DIR           where raw.tsv is written (build/bench)
set -u
. "$(dirname "$0")/lib.sh"

ROUNDS=${ROUNDS:-3}
SECONDS_EACH=${SECONDS_EACH:-6}
CASES=${CASES:-s1 s16 s64 s1000 x1 x16 x64 x1000 p64 tpcb64 conn16 mb4 idle}
PEERS=${PEERS:-direct forwarder forwarder2 pgbouncer pooler1 pooler2}
TRANSPORT=${TRANSPORT:-unix}
IDLE=${IDLE:-5000}
OUT=${OUT:-$root/build/bench}
pool_size=20
failures=

pgbench_args() { # case
	case $1 in
	s1) echo "-S -c 1 -j 1" ;;
	s*) echo "-S -c ${1#s} -j 2" ;;
	p1) echo "-S -M prepared -c 1 -j 1" ;;
	p*) echo "-S -M prepared -c ${1#p} -j 2" ;;
	x1) echo "-S -M extended -c 1 -j 1" ;;
	x*) echo "-S -M extended -c ${1#x} -j 2" ;;
	tpcb*) echo "-b tpcb-like -c ${1#tpcb} -j 2" ;;
	conn*) echo "-C -f $work/tiny.sql -c ${1#conn} -j 2" ;;
	mb*) echo "-f $work/mb.sql -c ${1#mb} -j 2" ;;
	*) die "no case '$1'" ;;
	esac
}

run_pgbench() { # case
	# shellcheck disable=SC2046 # the arguments are words
	"$pg_bin/pgbench" -n $(pgbench_args "$1") -T "$SECONDS_EACH" -P 1 \
	    -h "$(peer_host)" -p "$peer_port" -U app app 2>&1 |
	    "$BENCH_BIN/cost" --beside "$peer_pid"
}

# Bytes that one more idle client takes, after it has made one query.
run_idle() {
	load --clients "$pool_size" --seconds 1 >/dev/null
	before=$(mem_kb)
	load_exec --mode idle --count 1 --clients "$IDLE" --rate 5000 \
	    --seconds 90 --strict >"$work/idle.out" 2>&1 &
	driver=$!
	tries=900
	until grep -q '^ready' "$work/idle.out"; do
		tries=$((tries - 1))
		if [ $tries = 0 ] || ! is_alive "$driver"; then
			tail -n 20 "$work/idle.out" >&2
			kill "$driver" 2>/dev/null
			return 1
		fi
		sleep 0.1
	done
	sleep 1
	after=$(mem_kb)
	kill -TERM "$driver"
	wait "$driver"
	echo "tps 0 latency_ms 0 cpu_us 0 mem_kb $after bytes" \
	    "$(((after - before) * 1024 / IDLE))"
}

# Does this PgBouncer know prepared statements in transaction mode (1.21)?
has_prepared() {
	"$pgbouncer" --version | awk 'NR == 1 { split($2, v, "."); \
	    exit !(v[1] > 1 || v[2] >= 21) }'
}

mem_kb() { "$BENCH_BIN/cost" "$peer_pid" | awk '{ print $4 }'; }

run_cell() { # round case peer
	case $2/$3 in
	idle/direct | idle/forwarder*) return ;;
	p[0-9]*/pgbouncer*) has_prepared || return ;;
	esac
	start_peer "$3" "$pool_size"
	if [ "$2" = idle ]; then
		result=$(run_idle)
	else
		result=$(run_pgbench "$2")
	fi || failures="$failures $2/$3"
	stop_peer
	say "  $3: ${result:-failed}"
	[ -z "$result" ] || echo "$1 $2 $3 $result" >>"$raw"
}

prepare() {
	begin
	mkdir -p "$OUT" || exit 1
	raw=$OUT/raw.tsv
	: >"$raw"
	# each peer has what it needs before the first run, not after the tenth
	case $PEERS in
	*pgbouncer*) pgbouncer=$(find_pgbouncer) || exit 1 ;;
	esac
	case $PEERS in
	*pooler*) [ -x "$POOLER_BIN" ] || die "$POOLER_BIN: make all" ;;
	esac
	start_postgres 1100
	copy_programs
	say "filling pgbench's tables"
	"$pg_bin/pgbench" -i -s 10 --unlogged-tables -q -h "$work" \
	    -p "$pg_port" -U app app >"$work/init.log" 2>&1 ||
	    die "pgbench -i failed: $(tail -n 3 "$work/init.log")"
	echo "select 1;" >"$work/tiny.sql"
	echo "select repeat('x', 1048576);" >"$work/mb.sql"
}

header() {
	echo "PostgreSQL: $("$pg_bin/postgres" --version)"
	[ -z "${pgbouncer:-}" ] || "$pgbouncer" --version | head -n 1
	echo "Machine: $(uname -srm), $(getconf _NPROCESSORS_ONLN) CPUs"
	echo "$ROUNDS rounds of $SECONDS_EACH s, $pool_size backends," \
	    "clients over $TRANSPORT, transaction mode"
}

prepare
for round in $(seq 1 "$ROUNDS"); do
	for case in $CASES; do
		say "round $round of $ROUNDS, $case"
		for p in $PEERS; do
			run_cell "$round" "$case" "$p"
		done
	done
done
header >"$OUT/header.txt"
{
	cat "$OUT/header.txt"
	awk -v peers="$PEERS" -v cases="$CASES" -v idle="$IDLE" \
	    -f "$here/table.awk" "$raw"
} | tee "$OUT/table.txt"
[ -z "$failures" ] || die "failed:$failures"

#!/bin/sh
# demo.sh - why there is a pooler: `make demo`.
#
# A private PostgreSQL with max_connections = 100, the pooler in front of it,
# and four looks at what that changes.  Every number is measured here and now.
# KEEP=1 leaves both running and says how to connect.
set -u
. "$(dirname "$0")/lib.sh"

pool_size=50
crowd=10000
cpus=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
workers=$([ "$cpus" -ge 2 ] && echo "$cpus" || echo 2)
pooler=${PEER:-pooler$workers}
broken=
notes=

note() { # a line for the table at the end: what, straight, pooled
	notes="$notes$(printf '%-34s %18s %18s' "$1" "$2" "$3")
"
}

expect() { # text number: it must be 0
	[ "$2" = 0 ] || broken="$broken; $1: $2"
}

sum() { # field: over what the app workers printed
	cat "$work"/app.*.out | awk -v name="$1" '$1 == name { n += $2 }
	    END { print n + 0 }'
}

# 40 application workers, each a process with 20 connections of its own.
run_app_workers() {
	rm -f "$work"/app.*.out
	jobs=
	for i in $(seq 1 40); do
		load_exec --clients 20 --mode mixed --think 100 --seconds 4 \
		    >"$work/app.$i.out" 2>&1 &
		jobs="$jobs $!"
	done
	pids="$pids $jobs"
	watch_backends 3 >"$work/watch.out"
	for j in $jobs; do
		wait "$j"
	done
	pids=
	most=$(awk '{ print $2 }' "$work/watch.out")
}

look_a() {
	say "(a) 40 app workers with 20 connections each, straight at PostgreSQL"
	use_direct
	run_app_workers
	refused_straight=$(sum refused)
	say "    refused: $refused_straight of 800, on $most backends"
	straight=$most
	say "    the same through the pooler"
	use_pooler
	run_app_workers
	say "    refused: $(sum refused) of 800, on $most backends"
	expect "refused through the pooler" "$(sum refused)"
	expect "wrong answers" "$(sum wrong_answers)"
	note "(a) refused of 800 connections" "$refused_straight" \
	    "$(sum refused)"
	note "    most backends of PostgreSQL" "$straight" "$most"
}

look_b() {
	say "(b) connect, one query, close; again and again"
	use_direct
	load --clients 4 --connect-each --seconds 4 >"$work/straight.out" 2>&1
	use_pooler
	load --clients 4 --connect-each --seconds 4 >"$work/pooled.out" 2>&1
	for p in 50 99; do
		note "(b) connect + query + close, p$p" \
		    "$(ms "$(field "$work/straight.out" transaction_p${p}_us)")" \
		    "$(ms "$(field "$work/pooled.out" transaction_p${p}_us)")"
	done
	say "    p50 $(ms "$(field "$work/straight.out" transaction_p50_us)")" \
	    "straight," \
	    "$(ms "$(field "$work/pooled.out" transaction_p50_us)") pooled"
	expect "wrong answers" "$(field "$work/pooled.out" wrong_answers)"
}

pooler_mem_kb() { "$BENCH_BIN/cost" "$peer_pid" | awk '{ print $4 }'; }

look_c() {
	[ "$max_clients" -ge "$((crowd + 500))" ] || {
		crowd=$((max_clients - 500))
		say "    (this machine's descriptor limit allows $crowd clients)"
	}
	say "(c) $crowd clients at once on $pool_size backends"
	before=$(pooler_mem_kb)
	load_exec --clients "$crowd" --rate 4000 --mode mixed --think 4000 \
	    --seconds 14 --progress >"$work/crowd.out" 2>"$work/crowd.err" &
	driver=$!
	pids="$pids $driver"
	watch_backends 13 >"$work/watch.out" &
	watcher=$!
	tries=130
	sleep 0.1
	until grep -q '^ready' "$work/crowd.out"; do
		tries=$((tries - 1))
		{ [ $tries -gt 0 ] && is_alive "$driver"; } || break
		sleep 0.1
	done
	sleep 2
	after=$(pooler_mem_kb)
	wait "$driver"
	wait "$watcher"
	pids=
	sed 's/^/    /' "$work/crowd.err" >&2
	crowd_errors=$(awk '/^(wrong_answers|unanswered|refused|error_responses|connections_lost) / { n += $2 } END { print n + 0 }' "$work/crowd.out")
	expect "errors of $crowd clients" "$crowd_errors"
	expect "clients missing of $crowd" \
	    "$((crowd - $(field "$work/crowd.out" max_simultaneous)))"
	note "(c) clients at once" "" \
	    "$(field "$work/crowd.out" max_simultaneous)"
	note "    on how many backends" "" "$(awk '{ print $2 }' "$work/watch.out")"
	note "    answers verified" "" \
	    "$(field "$work/crowd.out" answers_verified)"
	note "    errors" "" "$crowd_errors"
	note "    pooler's memory per client" "" \
	    "$(((after - before) * 1024 / crowd)) B"
}

app_pids() {
	pg_sql "select pid from pg_stat_activity where usename = 'app' $1
	    order by 1"
}

look_d() {
	say "(d) SIGKILL for a worker under load"
	if [ -z "$(worker_pids)" ]; then
		say "    left out: no SHOW WORKERS here"
		return
	fi
	load_exec --clients 200 --mode mixed --think 200 --seconds 8 \
	    --reconnect >"$work/crash.out" 2>"$work/crash.err" &
	driver=$!
	pids="$pids $driver"
	watch_backends 7 >"$work/watch.out" &
	watcher=$!
	sleep 3
	victim=$(worker_clients | head -n 1)
	# idle for a while: not one that a client has between two queries
	app_pids "and state = 'idle' and
	    state_change < now() - interval '200 ms'" >"$work/idle.before"
	"$BENCH_BIN/replace" "$peer_pid" "${victim% *}" >"$work/replace.out"
	sleep 1
	app_pids "" >"$work/idle.after"
	wait "$driver"
	wait "$watcher"
	pids=
	cat "$work/crash.err" >&2
	lost=$(field "$work/crash.out" connections_lost)
	theirs=${victim#* }
	others=$([ "$lost" -gt "$theirs" ] && echo $((lost - theirs)) || echo 0)
	sort "$work/idle.after" >"$work/idle.after.s"
	kept_idle=$(sort "$work/idle.before" |
	    comm -12 - "$work/idle.after.s" | awk 'END { print NR }')
	most=$(awk '{ print $2 }' "$work/watch.out")
	expect "clients of other workers hit" "$others"
	expect "wrong answers" "$(field "$work/crash.out" wrong_answers)"
	[ "$most" -le "$pool_size" ] || broken="$broken; $most backends"
	note "(d) clients of the killed worker" "" "$theirs"
	note "    connections lost: theirs" "" "$((lost - others))"
	note "    connections lost: others'" "" "$others"
	note "    worker replaced after" "" \
	    "$(awk '{ print $2 }' "$work/replace.out") ms"
	note "    its clients back after, p50" "" \
	    "$(ms "$(field "$work/crash.out" outage_p50_us)")"
	note "    idle backends kept" "" \
	    "$kept_idle of $(awk 'END { print NR }' "$work/idle.before")"
	note "    most backends, limit $pool_size" "" "$most"
}

# Both stand all the time; only where the load goes changes.
use_direct() { peer_port=$pg_port; }
use_pooler() { peer_port=$pooler_port; }

say "starting PostgreSQL and the pooler"
begin
start_postgres 100
copy_programs
start_peer "$pooler" "$pool_size"
pooler_port=$peer_port
look_a
look_b
look_c
look_d

printf '\n%-34s %18s %18s\n%s\n' "" "straight" "through the pooler" "$notes"
if [ -n "${KEEP:-}" ]; then
	kept=1
	cat <<-EOF
		Still running:
		  psql -h 127.0.0.1 -p $pooler_port -U app app       through the pooler
		  psql -h 127.0.0.1 -p $pooler_port -U app pooler    its console: SHOW WORKERS;
		  psql -h 127.0.0.1 -p $pg_port -U app app       straight at PostgreSQL
		To end it:
		  kill -QUIT $peer_pid; kill -INT $pg_pid; sleep 2; rm -rf $work
	EOF
fi
[ -z "$broken" ] || die "not as promised${broken}"

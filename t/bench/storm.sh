#!/bin/sh
# storm.sh - logins: who is in keeps working, and what one costs: `make storm`.
#
# First: the latency of CLIENTS clients that work at a steady pace, alone, and
# while LOGINS others log in at once over TLS with SCRAM-SHA-256.  Then: CPU of
# the pooler's processes for a login of each kind.  The pooler and PgBouncer in
# turn, ROUNDS times, on the same PostgreSQL; medians.  README.md beside this
# file says how to read the tables.
#
#   ROUNDS=3            rounds
#   CLIENTS=20          that are in already
#   THINK=10            ms between two transactions of each
#   LOGINS=1000         in the storm
#   SECONDS_ALONE=3     without the storm
#   COST_LOGINS=400     for each figure of the second table
#   PEERS="..."         pooler2 pgbouncer
#   OUT=DIR             where storm.txt and storm.tsv are written (build/bench)
set -u
. "$(dirname "$0")/lib.sh"

ROUNDS=${ROUNDS:-3}
CLIENTS=${CLIENTS:-20}
THINK=${THINK:-10}
LOGINS=${LOGINS:-1000}
SECONDS_ALONE=${SECONDS_ALONE:-3}
COST_LOGINS=${COST_LOGINS:-400}
PEERS=${PEERS:-pooler2 pgbouncer}
OUT=${OUT:-$root/build/bench}
failures=

# As lib.sh's, with TLS, and by user: app needs no password, storm SCRAM.
write_conf() { # pool_size workers
	cat <<-EOF
		[databases]
		app = host=$peer_to port=$pg_port dbname=app user=app
		[pgbouncer]
		logfile = $work/peer.log
		pidfile = $work/peer.pid
		listen_addr = 127.0.0.1
		listen_port = $peer_port
		unix_socket_dir = $work
		auth_type = hba
		auth_hba_file = $work/hba.conf
		auth_file = $work/users.txt
		admin_users = app
		pool_mode = transaction
		max_client_conn = 5000
		default_pool_size = $1
		log_connections = 0
		log_disconnections = 0
		listen_backlog = 4096
		client_tls_sslmode = allow
		client_tls_key_file = $work/server.key
		client_tls_cert_file = $work/server.crt
	EOF
	[ -z "$2" ] || echo "workers = $2"
}

make_files() {
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
	    -keyout "$work/server.key" -out "$work/server.crt" \
	    >"$work/openssl.log" 2>&1 ||
	    die "openssl: $(tail -n 3 "$work/openssl.log")"
	[ "$(id -u)" != 0 ] || chown "$run_user" "$work/server.key"
	cat >"$work/hba.conf" <<-EOF
		host all storm 127.0.0.1/32 scram-sha-256
		host all all 127.0.0.1/32 trust
	EOF
	printf '"app" ""\n"storm" "%s"\n' \
	    "$("$BENCH_BIN/storm" --verifier secret 16)" >"$work/users.txt"
	chmod a+r "$work/hba.conf" "$work/users.txt"
}

logins() { # count at_once user sslmode
	"$BENCH_BIN/storm" "$1" "$2" "host=localhost hostaddr=127.0.0.1 \
	    port=$peer_port dbname=app user=$3 password=secret sslmode=$4 \
	    gssencmode=disable connect_timeout=30"
}

# --- latency ------------------------------------------------------------------

work_alone() {
	load --clients "$CLIENTS" --think "$THINK" --strict \
	    --seconds "$SECONDS_ALONE" >"$work/alone.out"
}

work_in_storm() {
	: >"$work/during.out"
	load_exec --clients "$CLIENTS" --think "$THINK" --seconds 120 --strict \
	    >"$work/during.out" &
	driver=$!
	pids=$driver
	tries=200
	until grep -q '^ready' "$work/during.out"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
	logins "$LOGINS" "$LOGINS" storm require >"$work/storm.out"
	storm_rc=$?
	kill -TERM "$driver"
	wait "$driver" && [ $storm_rc = 0 ]
	rc=$?
	pids=
	return $rc
}

measure_latency() {
	work_alone && work_in_storm || return 1
	echo "latency $peer $(field "$work/alone.out" transaction_p50_us)" \
	    "$(field "$work/alone.out" transaction_p99_us)" \
	    "$(field "$work/during.out" transaction_p50_us)" \
	    "$(field "$work/during.out" transaction_p99_us)" \
	    "$(field "$work/during.out" transaction_max_us)" \
	    "$(field "$work/storm.out" seconds)" \
	    "$(field "$work/storm.out" login_p99_us)" >>"$raw"
}

# --- cost ---------------------------------------------------------------------

cpu_us() { "$BENCH_BIN/cost" "$peer_pid" | awk '{ print $2 }'; }

# CPU of the peer for each login of a run.
cost_of() { # name command...
	name=$1
	shift
	before=$(cpu_us)
	"$@" >"$work/cost.out" || return 1
	after=$(cpu_us)
	echo "cost $peer $name $(((after - before) / \
	    $(field "$work/cost.out" logins)))" >>"$raw"
}

resume() { "$BENCH_BIN/resume" "$COST_LOGINS" "$peer_port" app app "$@"; }

measure_cost() {
	# the cheap ones more often: Linux accounts hundredths of a second
	cost_of plain logins $((COST_LOGINS * 5)) 8 app disable &&
	    cost_of scram logins $((COST_LOGINS * 5)) 8 storm disable &&
	    cost_of tls resume fresh &&
	    cost_of tls+scram logins "$COST_LOGINS" 8 storm require &&
	    cost_of resumed resume || return 1
	echo "resumed $peer $(field "$work/cost.out" resumed)" \
	    "$COST_LOGINS" >>"$raw"
}

# --- tables -------------------------------------------------------------------

tables() {
	awk -v peers="$PEERS" '
	function add(key, v) { list[key] = list[key] " " v }
	function median(key,    n, a, i, j, t) {
		n = split(list[key], a, " ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) {
				t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
			}
		return n == 0 ? "-" : n % 2 ? a[(n + 1) / 2] \
		    : (a[n / 2] + a[n / 2 + 1]) / 2
	}
	function ms(key) { return sprintf("%.1f", median(key) / 1000) }
	$1 == "latency" {
		for (i = 3; i <= NF; i++)
			add($2 " " i, $i)
		add($2 " x", $6 / $4)
	}
	$1 == "cost" { add($2 " " $3, $4) }
	$1 == "resumed" { resumed[$2] = $3 " of " $4 }
	END {
		n = split(peers, peer, " ")
		m = split("plain scram tls tls+scram resumed", kind, " ")
		printf "%-10s %9s %9s %9s %9s %9s %8s %9s %10s\n", "ms", \
		    "alone p50", "p99", "storm p50", "p99", "max", "p99 x", \
		    "storm s", "login p99"
		for (i = 1; i <= n; i++) {
			p = peer[i]
			printf "%-10s %9s %9s %9s %9s %9s %8.1f %9s %10s\n", \
			    p, ms(p " 3"), ms(p " 4"), ms(p " 5"), \
			    ms(p " 6"), ms(p " 7"), median(p " x"), \
			    median(p " 8"), ms(p " 9")
		}
		printf "\n%-10s", "CPU us"
		for (j = 1; j <= m; j++)
			printf " %9s", kind[j]
		print "   resumed"
		for (i = 1; i <= n; i++) {
			printf "%-10s", peer[i]
			for (j = 1; j <= m; j++)
				printf " %9s", median(peer[i] " " kind[j])
			print "   " resumed[peer[i]]
		}
	}' "$raw"
}

begin
for tool in storm resume; do
	[ -x "$BENCH_BIN/$tool" ] ||
	    die "$BENCH_BIN/$tool is missing: make bench-programs"
done
mkdir -p "$OUT" || exit 1
raw=$OUT/storm.tsv
: >"$raw"
start_postgres 100
copy_programs
make_files
for round in $(seq 1 "$ROUNDS"); do
	for p in $PEERS; do
		say "round $round of $ROUNDS: $p"
		start_peer "$p" 20
		measure_latency || failures="$failures latency/$p"
		measure_cost || failures="$failures cost/$p"
		stop_peer
	done
done
{
	echo "Machine: $(uname -srm), $(getconf _NPROCESSORS_ONLN) CPUs"
	echo "$CLIENTS clients, $THINK ms between transactions;" \
	    "$LOGINS logins at once; medians of $ROUNDS rounds"
	tables
} | tee "$OUT/storm.txt"
[ -z "$failures" ] || die "failed:$failures"

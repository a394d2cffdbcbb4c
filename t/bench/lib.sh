# lib.sh - what the scripts of t/bench share; sourced, not run.
#
# A private PostgreSQL and the poolers in front of it, in a temporary folder,
# on loopback.  None of them may run as root, so a caller who is root lends
# them to an unprivileged user.  Whatever is started is remembered by its
# process id, and ended by it, however the script ends.
#
# Reads: POOLER_BIN, BENCH_BIN (the folder of load and the others), KEEP.

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
POOLER_BIN=${POOLER_BIN:-$root/build/pooler}
BENCH_BIN=${BENCH_BIN:-$root/build/t/bench}

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# --- who and where ------------------------------------------------------------

pick_user() {
	[ "$(id -u)" = 0 ] || { id -un; return; }
	for u in postgres _postgresql pgsql nobody; do
		id "$u" >/dev/null 2>&1 && { echo "$u"; return; }
	done
	die "there is no unprivileged user to run PostgreSQL as"
}

# Become $run_user and a command; in the background the job's id is its own.
become() {
	if [ "$(id -u)" != 0 ]; then
		exec "$@"
	elif command -v setpriv >/dev/null 2>&1; then
		exec setpriv --reuid="$run_user" --regid="$(id -g "$run_user")" \
		    --clear-groups env HOME="$work" "$@"
	elif command -v runuser >/dev/null 2>&1; then
		exec runuser -u "$run_user" -- env HOME="$work" "$@"
	else
		# su takes one string: quote each word
		line=
		for word do
			line="$line '$(printf %s "$word" |
			    sed "s/'/'\\\\''/g")'"
		done
		exec su -m "$run_user" -c "exec $line"
	fi
}

as_user() { (become "$@"); }

# A service has a session of its own; Linux shares the CPU by sessions, and in
# ours it would have to share with the load.
alone() { command -v setsid || :; }

# The folder of initdb, postgres, psql and pgbench.
find_pg_bin() {
	for d in "${PG_BIN:-}" "$(pg_config --bindir 2>/dev/null)" \
	    $(ls -d /usr/lib/postgresql/*/bin /usr/lib64/pgsql/bin \
		/usr/pgsql-*/bin /usr/local/bin /usr/pkg/bin 2>/dev/null |
		sort -r); do
		[ -x "$d/initdb" ] && { echo "$d"; return; }
	done
	die "no PostgreSQL server found: make deps"
}

begin() {
	run_user=$(pick_user) || exit 1
	pg_bin=$(find_pg_bin) || exit 1
	for tool in load forwarder cost replace; do
		[ -x "$BENCH_BIN/$tool" ] ||
		    die "$BENCH_BIN/$tool is missing: make bench-programs"
	done
	# a soft limit that stops at 1,024 would stop the clients, too
	hard=$(ulimit -H -n)
	ulimit -n "$hard" 2>/dev/null || ulimit -n 65536 2>/dev/null || true
	# what a pooler can promise its clients, with room for its backends
	max_clients=15000
	hard=$(ulimit -n)
	[ "$hard" = unlimited ] || [ "$hard" -ge 16000 ] ||
	    max_clients=$((hard - hard / 8 - 200))
	work=$(mktemp -d "${TMPDIR:-/tmp}/pooler.XXXXXX") || exit 1
	chmod 755 "$work"
	[ "$(id -u)" != 0 ] || chown "$run_user" "$work"
	pids=
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

finish() {
	rc=$?
	trap - EXIT
	[ -z "${kept:-}" ] || exit "$rc"
	for p in $pids; do
		kill "$p" 2>/dev/null
	done
	stop_peer
	stop_postgres
	wait
	[ -n "${KEEP_FILES:-}" ] && say "files are in $work" || rm -rf "$work"
	exit "$rc"
}

is_alive() { kill -0 "$1" 2>/dev/null; }

# Wait until a process of ours has gone; SIGKILL after `seconds`.
await_end() { # pid seconds
	tries=$(($2 * 20))
	while is_alive "$1"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { kill -9 "$1" 2>/dev/null; break; }
		sleep 0.05
	done
}

free_port() { # first
	p=$1
	while "$BENCH_BIN/load" --port "$p" --seconds 0.2 2>/dev/null |
	    grep -q '^refused 0$\|^refused\[[^C]'; do
		p=$((p + 1))
	done
	echo "$p"
}

# --- PostgreSQL ---------------------------------------------------------------

start_postgres() { # max_connections
	pg_port=$(free_port 14320)
	as_user "$pg_bin/initdb" -D "$work/data" -U postgres -A trust \
	    --no-sync -E UTF8 --no-locale >"$work/initdb.log" 2>&1 ||
	    { cat "$work/initdb.log" >&2; die "initdb failed"; }
	as_user sh -c 'cat >>"$1"' sh "$work/data/postgresql.conf" <<-EOF
		port = $pg_port
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$work'
		max_connections = $1
		shared_buffers = 256MB
		fsync = off
		synchronous_commit = off
		full_page_writes = off
		autovacuum = off
		max_wal_size = 4GB
		jit = off
		logging_collector = off
		log_min_messages = fatal
		log_checkpoints = off
	EOF
	as_user "$pg_bin/pg_ctl" -D "$work/data" -l "$work/postgres.log" \
	    -w -t 60 start >/dev/null ||
	    { cat "$work/postgres.log" >&2; die "PostgreSQL did not start"; }
	pg_pid=$(as_user head -n 1 "$work/data/postmaster.pid")
	pg_sql "create role app login" >/dev/null
	pg_sql "create database app owner app" >/dev/null
}

stop_postgres() {
	[ -n "${pg_pid:-}" ] || return 0
	as_user "$pg_bin/pg_ctl" -D "$work/data" -w -t 20 -m immediate stop \
	    >/dev/null 2>&1
	pg_pid=
}

# One statement, straight at PostgreSQL, as its superuser.
pg_sql() {
	"$pg_bin/psql" -X -q -A -t -h "$work" -p "$pg_port" -U postgres \
	    -d "${2:-postgres}" -c "$1"
}

# The application's backends right now.
backends() {
	pg_sql "select count(*) from pg_stat_activity where usename = 'app'"
}

# Every 10 ms for `seconds`: the most backends that the application had.
# PostgreSQL itself looks, so that nothing between two samples escapes.
watch_backends() { # seconds
	pg_sql "do \$\$
		declare most int := 0; n int; samples int := 0;
			ends timestamptz := clock_timestamp() + interval '$1 s';
		begin
			while clock_timestamp() < ends loop
				perform pg_stat_clear_snapshot();
				select count(*) into n from pg_stat_activity
					where usename = 'app';
				most := greatest(most, n);
				samples := samples + 1;
				perform pg_sleep(0.01);
			end loop;
			raise notice 'most % samples %', most, samples;
		end \$\$" 2>&1 | sed -n 's/^NOTICE: *//p'
}

# --- peers: what stands in front of PostgreSQL -----------------------------------

# A configuration that PgBouncer and the pooler both read.
write_conf() { # pool_size workers
	cat <<-EOF
		[databases]
		app = host=$peer_to port=$pg_port dbname=app
		[pgbouncer]
		logfile = $work/peer.log
		pidfile = $work/peer.pid
		listen_addr = 127.0.0.1
		listen_port = $peer_port
		unix_socket_dir = $work
		auth_type = trust
		auth_file = $work/users.txt
		admin_users = app
		pool_mode = transaction
		max_client_conn = $max_clients
		default_pool_size = $1
		log_connections = 0
		log_disconnections = 0
		listen_backlog = 4096
	EOF
	[ -z "$2" ] || echo "workers = $2"
}

# peer_port: where clients connect (TCP on 127.0.0.1, Unix socket in $work);
# peer_pid: the process whose family is measured, 0 for none.
start_peer() { # direct|forwarder[N]|pgbouncer[N]|poolerN pool_size
	peer=$1
	peer_pid=0
	peer_job=
	peer_port=$pg_port
	peer_to=${PEER_TO:-$work}
	[ "$peer" != direct ] || return 0
	peer_port=$(free_port 16320)
	case $peer in
	forwarder*)
		where=127.0.0.1
		[ "${TRANSPORT:-tcp}" = tcp ] || where=$work
		# shellcheck disable=SC2046 # a program or nothing
		become $(alone) "$peer_bin/forwarder" "$where" "$peer_port" \
		    "$peer_to" "$pg_port" "${peer#forwarder}" \
		    >"$work/peer.out" 2>&1 &
		peer_job=$!
		peer_pid=$peer_job ;;
	pgbouncer)
		start_pooler "$(find_pgbouncer)" "$2" "" ;;
	pgbouncer*)
		start_pgbouncers "$(find_pgbouncer)" "$2" "${peer#pgbouncer}" ;;
	pooler*)
		start_pooler "$peer_bin/pooler" "$2" "${peer#pooler}" ;;
	*)
		die "no peer '$peer'" ;;
	esac
	await_peer
}

find_pgbouncer() {
	PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/pkg/bin \
	    command -v pgbouncer || die "pgbouncer is missing: make bench-deps"
}

# The unprivileged user may not be able to reach the checkout.
copy_programs() {
	peer_bin=$work/bin
	mkdir -p "$peer_bin"
	cp "$BENCH_BIN/forwarder" "$peer_bin/"
	[ ! -x "$POOLER_BIN" ] || cp "$POOLER_BIN" "$peer_bin/pooler"
	printf '"app" ""\n' >"$work/users.txt"
	chmod -R a+rX "$peer_bin" "$work/users.txt"
}

start_pooler() { # program pool_size workers
	[ -n "$1" ] && [ -x "$1" ] || die "no pooler to run: make all"
	write_conf "$2" "$3" >"$work/peer.ini"
	chmod 644 "$work/peer.ini"
	rm -f "$work/peer.pid"
	# shellcheck disable=SC2046 # a program or nothing
	become $(alone) "$1" "$work/peer.ini" >"$work/peer.out" 2>&1 &
	peer_job=$!
	tries=200
	while ! [ -s "$work/peer.pid" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || {
			tail -n 20 "$work/peer.out" "$work/peer.log" >&2
			die "$peer did not start"
		}
		sleep 0.05
	done
	peer_pid=$(cat "$work/peer.pid")
}

# Several on one port, as its users run it on several cores: each has its part
# of the backends, and the kernel deals out the clients.
start_pgbouncers() { # program pool_size processes
	[ "${TRANSPORT:-tcp}" = tcp ] ||
	    die "$peer: several share a TCP port only: TRANSPORT=tcp"
	confs=
	for i in $(seq 1 "$3"); do
		confs="$confs $work/peer$i.ini"
		rm -f "$work/peer$i.pid"
		{
			write_conf $(($2 / $3)) ""
			echo "so_reuseport = 1"
			echo "unix_socket_dir ="
			echo "logfile = $work/peer$i.log"
			echo "pidfile = $work/peer$i.pid"
		} >"$work/peer$i.ini"
		chmod 644 "$work/peer$i.ini"
	done
	# shellcheck disable=SC2016,SC2046,SC2086 # for the shell in between
	become $(alone) sh -c '
		trap "kill \$pids" TERM INT
		for conf; do
			"$0" -q "$conf" &
			pids="$pids $!"
		done
		wait
		wait' "$1" $confs >"$work/peer.out" 2>&1 &
	peer_job=$!
	peer_pid=$peer_job
	for i in $(seq 1 "$3"); do
		tries=100
		until [ -s "$work/peer$i.pid" ]; do
			tries=$((tries - 1))
			[ $tries -gt 0 ] || {
				tail -n 20 "$work/peer$i.log" >&2
				die "$peer: process $i did not start"
			}
			sleep 0.05
		done
	done
}

await_peer() {
	tries=100
	until "$BENCH_BIN/load" --host "$(peer_host)" --port "$peer_port" \
	    --user app --database app --seconds 0 --count 1 >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || {
			tail -n 20 "$work"/peer.[ol]* >&2
			die "$peer does not answer"
		}
		sleep 0.05
	done
}

peer_host() {
	if [ "${TRANSPORT:-tcp}" = tcp ]; then
		echo 127.0.0.1
	else
		echo "$work"
	fi
}

stop_peer() {
	# one that never wrote its id is known by its job alone
	[ "${peer_pid:-0}" != 0 ] || peer_pid=${peer_job:-0}
	[ "$peer_pid" != 0 ] || return 0
	case $peer in
	pooler*) kill -QUIT "$peer_pid" 2>/dev/null ;;
	*) kill -TERM "$peer_pid" 2>/dev/null ;;
	esac
	await_end "$peer_pid" 5
	peer_pid=0
	peer_job=
}

# The load driver at the peer of now; load_exec is for the background, where
# the job's id has to be the driver's own.
load() { (load_exec "$@"); }

load_exec() {
	exec "$BENCH_BIN/load" --host "$(peer_host)" --port "$peer_port" \
	    --user app --database app "$@"
}

# Process ids of the workers, by the console; a line each.
worker_pids() { worker_column pid; }

# "pid clients" of each worker.
worker_clients() { worker_column pid clients; }

# Columns of SHOW WORKERS by their names, whatever else it shows.
worker_column() { # name...
	PGCONNECT_TIMEOUT=3 "$pg_bin/psql" -X -q -A -F '|' -P footer=off -h 127.0.0.1 \
	    -p "$peer_port" -U app -d pooler -c "show workers" \
	    2>/dev/null | awk -F '|' -v names="$*" '
	NR == 1 {
		for (i = 1; i <= NF; i++)
			at[$i] = i
		n = split(names, name, " ")
		next
	}
	{
		line = ""
		for (i = 1; i <= n; i++)
			line = line (i > 1 ? " " : "") $(at[name[i]])
		print line
	}'
}

# One value out of the load driver's report.
field() { # file name
	awk -v name="$2" '$1 == name { print $2; found = 1 }
	    END { if (!found) print 0 }' "$1"
}

# From microseconds to a readable time.
ms() { awk -v us="$1" 'BEGIN { printf "%.1f ms", us / 1000 }'; }

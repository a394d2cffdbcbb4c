#!/bin/sh
# talk_psql.sh - psql's conversation: libpq as people use it by hand.
set -u
psql=${TALK_PSQL:-psql}
dir=$(mktemp -d) || exit 1
pids=
# what still runs was started here
trap 'for p in $pids; do kill "$p" 2>/dev/null; done; rm -rf "$dir"' EXIT
serial=0

fail() { echo "$*"; exit 1; }
ok() { echo "ok $1"; }

# A string that nobody else sends.
token() { serial=$((serial + 1)); token=$1-$$-$serial-$(date +%s); }

sql() { "$psql" -X -q -A -t -w -v ON_ERROR_STOP=1 "$@"; }

equal() { # got want
	[ "$1" = "$2" ] || fail "'$1' is not '$2'"
}

fails() { # sqlstate sql
	sql -v VERBOSITY=verbose -c "$2" >"$dir/out" 2>&1 && fail "no error: $2"
	grep -q "ERROR:  $1:" "$dir/out" || fail "$(cat "$dir/out")"
}

equal "$(sql -c 'SELECT 1')" 1
ok connect

equal "$(sql -c 'SELECT 6 * 7')" 42
equal "$(sql -c 'SELECT current_user')" "$PGUSER"
ok simple

# psql fills in what is between the colon and the quotes
odd="it's odd: \\ \$1"
equal "$(echo "SELECT :'v'" | sql -v v="$odd")" "$odd"
equal "$(printf 'SELECT 1 AS a, 2 AS b \\gset\nSELECT :a + :b;\n' | sql)" 3
ok parameter

token row
equal "$(sql <<SQL
BEGIN;
INSERT INTO kept VALUES ('$token');
SELECT count(*) FROM kept WHERE token = '$token';
ROLLBACK;
SELECT count(*) FROM kept WHERE token = '$token';
BEGIN;
INSERT INTO kept VALUES ('$token');
COMMIT;
SELECT count(*) FROM kept WHERE token = '$token';
SQL
)" "1
0
1"
ok transaction

sql -c "SELECT repeat('x', 1023) || i % 10
    FROM generate_series(1, 5000) i" >"$dir/large" || fail "$(cat "$dir/large")"
equal "$(awk 'length($0) == 1024 && /^x+[0-9]$/ &&
    substr($0, 1024) == NR % 10 { n++ } END { print NR, n }' "$dir/large")" \
    "5000 5000"
ok large

fails 22012 "SELECT 1/0"
equal "$(printf 'SELECT 1/0;\nSELECT 2;\n' | sql -v ON_ERROR_STOP=0 2>/dev/null)" 2
equal "$(printf 'BEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;\nSELECT 3;\n' |
    sql -v ON_ERROR_STOP=0 2>/dev/null)" 3
ok error

token copy
awk -v t="$token" 'BEGIN { for (i = 0; i < 10000; i++) print t "-" i }' >"$dir/in"
sql -c "\\copy kept from '$dir/in'" || fail "copy in"
sql -c "\\copy (SELECT token FROM kept WHERE token LIKE '$token-%') to '$dir/back'" ||
    fail "copy out"
cmp "$dir/in" "$dir/back" || fail "the copy differs"
ok copy

# An interrupt makes psql send a cancel request.
token sleep
printf 'SELECT pg_sleep(30) /* %s */;\nSELECT 4;\n' "$token" >"$dir/sleep"
"$psql" -X -q -A -t -w -v VERBOSITY=verbose -f "$dir/sleep" \
    >"$dir/out" 2>&1 &
sleeper=$!
pids=$sleeper
tries=0
until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
    AND pid <> pg_backend_pid() AND query LIKE '%$token%'")" = 1 ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 200 ] || fail "the query does not run"
done
kill -INT "$sleeper"
wait "$sleeper"
pids=
grep -q 'ERROR:  57014:' "$dir/out" || fail "$(cat "$dir/out")"
ok cancel

for n in $(seq 1 20); do
	for i in $(seq 1 10); do
		echo "SELECT 'crowd$n.$i-$$';"
	done >"$dir/crowd.$n"
	sql -f "$dir/crowd.$n" >"$dir/crowd.$n.out" 2>&1 &
	pids="$pids $!"
done
for p in $pids; do
	wait "$p" || fail "one of many: $(cat "$dir"/crowd.*.out | grep -v ^crowd)"
done
pids=
for n in $(seq 1 20); do
	sed "s/^SELECT '//; s/';\$//" "$dir/crowd.$n" |
	    cmp - "$dir/crowd.$n.out" || fail "another's answers"
done
ok parallel

refused() { # why NAME=VALUE
	env "$2" "$psql" -X -w -c 'SELECT 1' >"$dir/out" 2>&1 && fail "let in"
	grep -q "$1" "$dir/out" || fail "$(cat "$dir/out")"
}

if [ "$TALK_AUTH" = trust ]; then
	refused "does not exist" PGUSER=nobody
else
	refused "password authentication failed" PGPASSWORD=wrong
	refused "password authentication failed" PGUSER=nobody
fi
ok password

if [ "$PGSSLMODE" != disable ]; then
	refused certificate "PGSSLROOTCERT=$TALK_OTHER_CA"
	ok stranger
	if [ "$TALK_AUTH" = scram-sha-256 ]; then
		equal "$(PGCHANNELBINDING=require sql -c 'SELECT 6')" 6
		ok bound
	fi
fi
equal "$(sql -c 'SELECT 5')" 5
ok close

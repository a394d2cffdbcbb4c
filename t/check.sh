#!/bin/sh
# check.sh - the steps of `make check`; the last line is the sum.
#
# A step that fails does not stop the others.  "N passed, N failed" counts
# Check's own checks over all programs; a step that fails without having
# reported a failed check (a build, a crash) counts as one.
#
# From make: MAKE, OUT, DRIVERS, CALLERS_CC, POLL_SYSTEMS, KQUEUE_SYSTEMS; SAN
# and the caller's flags travel in MAKEFLAGS.
set -u
cd "$(dirname "$0")/.." || exit 2
log=$OUT/check.log
mkdir -p "$OUT" && : >"$log" || exit 2
passed=0
failed=0

# "passed failed" of what Check printed into a file.
tally() {
	awk '/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/ {
		gsub(/[^0-9]+/, " ")
		bad += $3 + $4
		good += $2 - $3 - $4
	}
	END { print good + 0, bad + 0 }' "$1"
}

step() { # title command...
	title=$1
	shift
	printf '\n== %s\n' "$title"
	part=$OUT/check.part
	{ "$@" 2>&1; echo $? >"$OUT/check.rc"; } | tee "$part"
	cat "$part" >>"$log"
	rc=$(cat "$OUT/check.rc")
	# shellcheck disable=SC2046 # two numbers
	set -- $(tally "$part")
	passed=$((passed + $1))
	failed=$((failed + $2))
	if [ "$rc" != 0 ]; then
		echo "== FAILED: $title"
		[ "$2" -gt 0 ] || failed=$((failed + 1))
	fi
	return "$rc"
}

compilers() {
	{
		[ -z "$CALLERS_CC" ] || printf '%s\n' "$CALLERS_CC"
		for c in gcc egcc clang; do
			command -v "$c" >/dev/null 2>&1 && echo "$c"
		done
	} | awk '!seen[$0]++'
}

make_with() { # compiler, then arguments of make
	cc=$1
	shift
	"$MAKE" --no-print-directory CC="$cc" WERROR=-Werror \
	    OUT="$OUT/$(basename "${cc%% *}")" "$@"
}

# Nothing but what went wrong: a build that goes well says little.
build() { # compiler
	make_with "$1" -s programs
}

# Of check-clients as much as takes a minute, with what is installed.
drivers() { # compiler
	export TALK_ONLY="scram-sha-256  tls  transaction"
	make_with "$1" -s DRIVERS="$DRIVERS" CLIENTS=installed \
	    PLACE=transaction check-clients
}

step "layers" sh t/layers.sh

first=
last=
old_ifs=$IFS
IFS='
'
for cc in $(compilers); do
	IFS=$old_ifs
	step "build with $cc, warnings are errors" build "$cc"
	first=${first:-$cc}
	last=$cc
done
IFS=$old_ifs
[ "$first" != "$last" ] ||
    step "a second compiler" sh -c 'echo "gcc or clang is missing"; exit 1'

step "unit tests ($first)" make_with "$first" -s unit
step "corpora of the fuzzers ($first)" make_with "$first" -s corpus
step "crash points of the segment ($first)" \
    make_with "$first" -s CRASH=1 unit-crash unit-repair unit-repair_death
step "system tests ($first)" make_with "$first" -s system
step "other people's drivers ($first)" drivers "$first"
[ -z "$POLL_SYSTEMS" ] ||
    step "with poll ($last)" make_with "$last" -s LOOP=poll \
	SYSTEMS="$POLL_SYSTEMS" \
	unit-loop unit-loop_drained unit-loop_turn unit-accept system
[ -z "$KQUEUE_SYSTEMS" ] ||
    step "with kqueue's stand-in ($last)" make_with "$last" -s LOOP=kqueue \
	CPPFLAGS="-It/shim ${CPPFLAGS:-}" SYSTEMS="$KQUEUE_SYSTEMS" \
	unit-loop unit-loop_drained unit-loop_turn unit-accept system

if [ $passed = 0 ]; then
	echo "no check has passed"
	failed=$((failed + 1))
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]

#!/bin/sh
#
# run.sh - check the model of the slot protocol (slots.pml) with SPIN.
#
#   run.sh            every configuration, exhaustively; then every fault
#   run.sh base       the configurations alone
#   run.sh faults     the faults alone
#   run.sh long       larger configurations, half an hour
#   run.sh one DEFS   one configuration, e.g. run.sh one -DNS=2 -DCRASHES=0
#
# A configuration passes when SPIN has seen all its states and found no error;
# a search that ran out of depth or memory does not pass.  A fault takes one
# rule away, and passes when SPIN finds an error, in a small configuration that
# shows it.
#
# Output goes to build/model.  MEMLIM is the most memory in MiB.

set -u

here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/../../build}/model
MEMLIM=${MEMLIM:-5000}
failed=0
nchecked=0
passed=

mkdir -p "$out" || exit 1
command -v spin >/dev/null || {
	echo "model: spin is not installed (make model-deps)" >&2
	exit 1
}

# search DEFS OPT: run one search, built with -OOPT (a fault is often found
# before the compiler is done); sets errors, states, seconds, whole
search() {
	rm -f "$out"/pan* "$out"/*.trail "$out/log"
	# shellcheck disable=SC2086
	(cd "$out" && spin -a $1 "$here/slots.pml" >spin.log 2>&1 &&
	    ${CC:-cc} "-O$2" -w -DSAFETY -DCOLLAPSE -DVECTORSZ=1024 \
		-DMEMLIM="$MEMLIM" -o pan pan.c) || {
		cat "$out/spin.log" >&2
		echo "model: cannot build with $1" >&2
		exit 1
	}
	start=$(date +%s)
	(cd "$out" && ./pan -m300000 -w24 -n -E >log 2>&1)
	seconds=$(($(date +%s) - start))
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$out/log")
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$out/log")
	mem=$(sed -n 's/^ *\([0-9]*\).*total actual memory.*/\1/p' "$out/log")
	whole=yes
	if grep -q -e 'Search not completed' -e 'max search depth too small' \
	    -e 'out of memory' -e 'error: ' "$out/log"; then
		whole=no
	fi
}

# base DEFS: must hold, in all states
base() {
	case "$passed" in
	*"<$1>"*) return ;;
	esac
	search "$1" 2
	nchecked=$((nchecked + 1))
	passed="$passed<$1>"
	if [ "$errors" = 0 ] && [ $whole = yes ]; then
		verdict=holds
	else
		verdict=FAILS
		failed=$((failed + 1))
		cp "$out/log" "$out/failed.$nchecked.log"
	fi
	printf '%-6s %10s states %5s MB %4s s  %s\n' \
	    $verdict "${states:-?}" "${mem:-?}" "$seconds" "$1"
}

# fault NAME DEFS: without this rule an error must be found
fault() {
	search "-DF_$1 $2" 1
	nchecked=$((nchecked + 1))
	if [ "${errors:-0}" -gt 0 ] 2>/dev/null; then
		verdict=caught
		why=$(sed -n 's/^pan:1: //p' "$out/log" | cut -c1-60)
	else
		verdict=MISSED
		why=
		failed=$((failed + 1))
	fi
	printf '%-6s %-14s %3s s  %s\n' $verdict "$1" "$seconds" "$2"
}

# What must hold.  A few minutes in all.
bases() {
	base "-DTODO1=0"
	base "-DRETIRES=0"
	base "-DCRASHES=0"
	base "-DCRASHES=2 -DRETIRES=0"
	base "-DCRASHES=2 -DRETIRES=0 -DTWICE"
	base "-DRETIRES=0 -DNORESTART"
	base "-DTODO0=2 -DCRASHES=0 -DRETIRES=0"
	base "-DGIVEUPS=1 -DCRASHES=0"
	base "-DNS=2 -DCRASHES=0 -DRETIRES=0"
	base "-DNS=2 -DCRASHES=0 -DRETIRES=0 -DFREEZE"
	base "-DNPOOL=2 -DRETIRES=0"
	base "-DNPOOL=2 -DCRASHES=0 -DRETIRES=0 -DGIVEUPS=1"
}

# The larger ones: half an hour, 6 GB.
long() {
	base ""
	base "-DNS=2 -DRETIRES=0"
	base "-DNS=2 -DNCL=2 -DTODO0=2 -DCRASHES=0 -DRETIRES=0 -DSTOP -DNO_TAKE_BACK"
	base "-DTODO0=2 -DCRASHES=0"
	base "-DNW=3 -DCRASHES=0 -DRETIRES=0 -DNO_TAKE_BACK"
}

# Each takes one rule away.
faults() {
	calm="-DCRASHES=0 -DRETIRES=0"
	fault ANY_CACHE "$calm"
	fault ANY_FD "-DTODO0=2 -DCRASHES=0"
	fault PUBLISH_LATE "$calm"
	fault ROOM_EARLY "-DCRASHES=0"
	fault LOOK_BEFORE "$calm"
	fault SLEEP_LATE "$calm"
	fault BELL_LATE "-DCRASHES=0"
	fault NO_BELL "$calm"
	fault NO_LOOK_ARRIVE "$calm"
	fault HAVE_UNSAID "$calm"
	fault NO_SHARE_RETRY "-DTODO1=0 -DCRASHES=0"
	fault NO_RETRY "-DNS=2 -DTODO0=2 -DTODO1=0 -DNCL=2 $calm"
	fault WORD_FIRST "$calm"
	fault NO_LOOK_CLEAR "-DTODO0=2 $calm"
	fault BACK_QUIET "-DTODO0=2 $calm"
	fault KEEP_GRANT "-DGIVEUPS=1 $calm"
	fault GRANT_UNSEEN "-DGIVEUPS=1 $calm"
	fault NO_CAP "-DNS=2 -DNCL=2 -DTODO0=2 $calm -DNO_TAKE_BACK -DSTOP"
	fault NO_RING_FREE "-DCRASHES=0"
	fault RING_EARLY "-DCRASHES=0"
	fault NO_RING_BACK "-DNPOOL=2 -DCRASHES=0 -DGIVEUPS=1"
	fault NO_RING_LOGIN "-DNS=2 $calm -DFREEZE"
	fault NO_RING_POOLS "-DNPOOL=2 $calm"
	fault FREE_EARLY "-DCRASHES=0"
	fault NO_LOCK "-DAIM=LOGIN -DNO_TAKE_BACK"
	fault RECOUNT_ALWAYS "-DAIM=LOGIN -DNO_TAKE_BACK"
	fault BREAK_LOCK "-DAIM=LOGIN -DNO_TAKE_BACK"
	fault DEFER_DROP "-DAIM=RESERVED -DNO_TAKE_BACK -DNORESTART"
	fault CONNECT_FIRST "-DRETIRES=0"
	fault NO_DRAIN "-DRETIRES=0"
	fault NO_RESEND "-DTODO1=0"
	fault NO_GONE "-DRETIRES=0 -DNORESTART"
	fault GONE_LATE "-DRETIRES=0"
	fault NO_FIND "-DRETIRES=0"
	fault NO_RESCAN "-DRETIRES=0"
	fault NO_RING_REPAIR "-DRETIRES=0"
	fault LOGIN_LEFT "-DRETIRES=0"
	fault WAITING_LEFT "-DRETIRES=0 -DNORESTART"
	fault GRANT_LEFT "-DRETIRES=0 -DNORESTART"
	fault HAVE_LEFT "-DRETIRES=0 -DNORESTART"
	fault FREE_ACTIVE "-DRETIRES=0"
	fault NO_ADOPT "-DRETIRES=0"
	fault HOLDER_CLOSES "-DTODO1=0"
	fault NO_ORPHANS "-DCRASHES=2 -DRETIRES=0"
	fault RESERVED_IDLE "-DAIM=RESERVED -DNO_TAKE_BACK"
	fault RESERVED_KEPT "-DAIM=RESERVED -DNO_TAKE_BACK -DNORESTART"
}

mode=${1:-all}
case $mode in
all)    bases; faults ;;
base)   bases ;;
long)   long ;;
faults) faults ;;
one)    shift; base "$*" ;;
*)      echo "usage: run.sh [base | faults | long | one DEFS]" >&2; exit 2 ;;
esac
echo "model: $nchecked searches, $failed failed"
[ $failed = 0 ]

#!/bin/sh
# run.sh - run the drivers that there are, name those that there are not.
#
# CLIENTS says which to run; without it all of them have to be installed, and
# if it is "installed", one that is not, or is too old, is left out.
# WHAT is "talk" (the conversations), "app" (the applications) or both.
# From make: DRIVERS, POOLER_BIN, and the programs made of talk_test.c,
# app_test.c and app_libpq.c: TALK_BIN, APP_BIN, APP_LIBPQ.
set -u
here=$(cd "$(dirname "$0")" && pwd)
CLIENT_SH=$here/client.sh
wanted=${CLIENTS:-$(sh "$CLIENT_SH" list)}
how=probe
[ "$wanted" != installed ] || {
	how=ready
	wanted=$(sh "$CLIENT_SH" list)
}
talkers=$(sh "$CLIENT_SH" talkers)
there=
missing=

for d in $wanted; do
	sh "$CLIENT_SH" "$how" "$d"
	case $? in
	0) there="$there${there:+ }$d" ;;
	1) missing="$missing $d" ;;
	*) exit 2 ;;
	esac
done
# The words of the first list that are in the second one.
both() { # list list
	for word in $1; do
		case " $2 " in
		*" $word "*) printf '%s ' "$word" ;;
		esac
	done
}

rc=0
export CLIENTS CLIENT_SH APP_LIBPQ
for what in ${WHAT:-talk app}; do
	case $what in
	talk) bin=$TALK_BIN CLIENTS=$(both "$there" "$talkers") ;;
	# psql and psycopg2 have no application of their own
	*) bin=$APP_BIN CLIENTS=$(both "$there" \
	    "$(sh "$CLIENT_SH" list | sed 's/psql psycopg2 //')") ;;
	esac
	[ -z "$CLIENTS" ] || "$bin" || rc=1
done
if [ "$how" = ready ]; then
	[ -z "$missing" ] ||
		echo "left out, since missing or too old:$missing" \
		    "(\`make deps-clients\`)"
	exit $rc
fi
for d in $missing; do
	printf '%-13s  missing\n' "$d"
	rc=1
done
[ -z "$missing" ] ||
	echo "clients: \`make deps-clients\`, or choose with CLIENTS=" >&2
exit $rc

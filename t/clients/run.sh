#!/bin/sh
# run.sh - run the drivers that there are, name those that there are not.
#
# CLIENTS says which to run; without it all of them have to be installed.
# From make: OUT, TALK_BIN (the program made of talk_test.c), POOLER_BIN.
set -u
here=$(cd "$(dirname "$0")" && pwd)
CLIENT_SH=$here/client.sh
wanted=${CLIENTS:-$(sh "$CLIENT_SH" list)}
there=
missing=

for d in $wanted; do
	sh "$CLIENT_SH" probe "$d"
	case $? in
	0) there="$there${there:+ }$d" ;;
	1) missing="$missing $d" ;;
	*) exit 2 ;;
	esac
done
rc=0
if [ -n "$there" ]; then
	CLIENTS=$there CLIENT_SH=$CLIENT_SH "$TALK_BIN" || rc=1
fi
for d in $missing; do
	printf '%-13s  missing\n' "$d"
	rc=1
done
[ -z "$missing" ] ||
	echo "clients: \`make deps-clients\`, or choose with CLIENTS=" >&2
exit $rc

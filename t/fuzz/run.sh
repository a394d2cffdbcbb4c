#!/bin/sh
# run.sh - run fuzz targets one after the other: `make fuzz`.
#
#   run.sh FILE...
#
# New inputs go to OUT/corpus/FILE and are begun with the next time.  An input
# that crashes, leaks or takes too long is a failure and stays in OUT/found;
# once that is mended, it belongs into t/fuzz/corpus/FILE.
#
# From make: BIN, OUT, SECONDS_EACH.
set -u
cd "$(dirname "$0")/../.." || exit 2
mkdir -p "$OUT/found" || exit 2
failed=

# The last "#N DONE cov: N ft: N ... exec/s: N" of libFuzzer, in few words.
summary() { # log
	awk '$2 == "DONE" {
		for (i = 3; i < NF; i++)
			v[$i] = $(i + 1)
		printf "%s runs, %s branches\n", substr($1, 2), v["cov:"]
	}' "$1"
}

for f in "$@"; do
	new=$OUT/corpus/$f
	log=$OUT/$f.log
	mkdir -p "$new" || exit 2
	dict=
	[ ! -f "t/fuzz/$f.dict" ] || dict=-dict=t/fuzz/$f.dict
	printf '%-12s ' "$f"
	# a leak is looked for behind each input, a hang after 10 s
	if "$BIN/${f}_fuzz" -max_total_time="$SECONDS_EACH" -timeout=10 \
	    -rss_limit_mb=2048 -artifact_prefix="$OUT/found/$f-" \
	    ${dict:+"$dict"} "$new" "t/fuzz/corpus/$f" >"$log" 2>&1; then
		summary "$log"
	else
		failed="$failed $f"
		echo "FAILED; $log ends:"
		tail -n 40 "$log"
	fi
done
[ -z "$failed" ] || { echo "fuzz: failed:$failed; see $OUT/found" >&2; exit 1; }

#!/bin/sh
# layers.sh - no include runs up: `make layers`.
#
#   conf <- shm <- worker <- master, and within worker/ what is drawn below.
#
# Also: a .c file includes its own header first (FILE.h, or FILE_impl.h where
# several files share FILE's inside), paths start at the root, no
# two .c files share a name, and only master/main.c names the entry points of
# the kinds of process.  Prints each fault with file and line; exit code 1 if
# there is any.
#
#   sh t/layers.sh [ROOT]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2

files=$(find conf shm worker master t -name '*.[ch]' | LC_ALL=C sort)
[ -n "$files" ] || { echo "layers: no source file found" >&2; exit 2; }

# shellcheck disable=SC2086 # no file of ours has a space in its name
awk '
function fault(what)
{
	printf "%s:%d: %s\n", FILENAME, FNR, what
	faults++
}

# May a file of folder `d` include a header of folder `h`?
function may(d, h)
{
	if (d == h)
		return 1
	if (d ~ /^t\//)
		return 1
	return (d, h) in allowed
}

function allow(d, list,    n, i, h)
{
	n = split(list, h, " ")
	for (i = 1; i <= n; i++)
		allowed[d, h[i]] = 1
	known[d] = 1
}

function bare(path)
{
	sub(/\.[ch]$/, "", path)
	return path
}

function folder(path)
{
	if (bare(path) in apart)
		return apart[bare(path)]
	sub(/\/[^\/]*$/, "", path)
	return path
}

BEGIN {
	allow("conf", "")
	allow("shm", "conf")
	allow("worker/io", "conf shm")
	allow("worker/proto", "conf")
	allow("worker/ground",
	    "conf shm worker/io worker/proto worker/child")
	allow("worker/backend", "conf shm worker/io worker/proto worker/ground")
	allow("worker/session",
	    "conf shm worker/proto worker/ground worker/backend")
	allow("worker/client", "conf shm worker/io worker/proto " \
	    "worker/ground worker/backend worker/session")
	allow("worker/console", "conf shm worker/io worker/proto " \
	    "worker/ground worker/backend worker/session worker/client")
	allow("worker/child", "conf shm")
	allow("worker/resolver", "conf shm worker/child")
	allow("worker/monitor", "conf shm worker/io worker/child")
	allow("worker", "conf shm worker/io worker/proto worker/ground " \
	    "worker/backend worker/client worker/console worker/child")
	allow("master", "conf shm worker/child")
	allow("master/main.c", "conf shm master worker/child worker/io " \
	    "worker worker/resolver worker/monitor")
	# files that stand apart from their folder: what backend/ and client/
	# find under them in worker/, what the supervisor hands a child at its
	# birth, and the table of process kinds
	apart["worker/ask"] = apart["worker/self"] = "worker/ground"
	apart["worker/asksecret"] = apart["worker/derive"] = "worker/ground"
	apart["worker/askpass"] = "worker/ground"
	apart["worker/child"] = "worker/child"
	apart["master/main"] = "master/main.c"
	entry["worker_main"] = "worker/worker"
	entry["resolver_main"] = "worker/resolver/resolver"
	entry["monitor_main"] = "worker/monitor/monitor"
}

FNR == 1 {
	stem = bare(FILENAME)
	dir = folder(FILENAME)
	if (dir !~ /^t\// && !(dir in known))
		fault("a folder that layers.sh does not know")
	includes = 0
	own = stem ".h"
	if (FILENAME !~ /\.c$/ || (getline line < own) < 0)
		own = ""
	else
		close(own)
	in_comment = 0
	if (FILENAME ~ /\.c$/) {
		base = FILENAME
		sub(/.*\//, "", base)
		if (base in seen)
			fault("another file has this name: " seen[base])
		seen[base] = FILENAME
	}
}

/^[ \t]*#[ \t]*include[ \t]/ {
	includes++
	header = $0
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", header)
	if (own != "" && includes == 1 && header != "\"" own "\"" &&
	    header != "\"" stem "_impl.h\"")
		fault("its own header, " own ", comes first")
	if (header !~ /^"/)
		next
	header = substr(header, 2)
	sub(/".*$/, "", header)
	if ((getline line < header) < 0) {
		fault("no such file from the root: " header)
		next
	}
	close(header)
	if (!may(dir, folder(header)))
		fault(dir " may not include " header)
	next
}

# Entry points, outside comments and outside their own files.
{
	code = $0
	gsub(/\/\*.*\*\//, "", code)
	if (in_comment) {
		if (code !~ /\*\//)
			next
		sub(/^.*\*\//, "", code)
		in_comment = 0
	}
	if (code ~ /\/\*/) {
		sub(/\/\*.*$/, "", code)
		in_comment = 1
	}
	for (name in entry)
		if (code ~ ("(^|[^A-Za-z0-9_])" name "([^A-Za-z0-9_]|$)") &&
		    stem != entry[name] && stem != "worker/child" &&
		    FILENAME != "master/main.c" &&
		    FILENAME !~ /^t\//)
			fault("only master/main.c names " name)
}

END {
	if (faults > 0) {
		printf "layers: %d fault%s\n", faults, (faults > 1 ? "s" : "")
		exit 1
	}
	printf "layers: no include runs up\n"
}
' $files

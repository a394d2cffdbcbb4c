#!/bin/sh
# client.sh - find and run one driver's conversation.
#
# client.sh list            the drivers that there are
# client.sh probe DRIVER    is it installed?  (exit code)
# client.sh tool NAME       is java or javac there?
# client.sh fetch DRIVER    get it from its language's registry, where the
#                           system has no package that can be installed
# client.sh talk DRIVER     its conversation; README.md says with what
#
# What it builds or fetches is in $OUT/clients (build/clients).  PYTHON, NODE,
# JAVA and JAVAC name other programs than the first that is found.
set -u
here=$(cd "$(dirname "$0")" && pwd)
OUT=${OUT:-$here/../../build}
made=$OUT/clients
drivers="psql psycopg2 psycopg asyncpg node-postgres jdbc"

is_there() { command -v "$1" >/dev/null 2>&1; }

# A system may have several Pythons, and the driver in one of them.
python_with() { # module
	for python in ${PYTHON:-/usr/bin/python3 python3 \
	    /usr/local/bin/python3.[0-9]* /usr/pkg/bin/python3.[0-9]*}; do
		"$python" -c "import $1" >/dev/null 2>&1 && return
	done
	return 1
}

# Debian's modules are where another node than Debian's does not look.
node_with() { # module
	node=${NODE:-$(command -v node || command -v nodejs)}
	NODE_PATH=$made/node_modules:/usr/share/nodejs:/usr/lib/nodejs
	NODE_PATH=$NODE_PATH:/usr/local/lib/node_modules
	export NODE_PATH
	[ -n "$node" ] && "$node" -e "require('$1')" >/dev/null 2>&1
}

# On the BSDs a JDK has a folder of its own.
jdk_tool() { # java|javac
	for tool in "$1" /usr/local/openjdk*/bin/"$1" /usr/local/jdk-*/bin/"$1" \
	    /usr/pkg/java/*/bin/"$1"; do
		is_there "$tool" && return
	done
	return 1
}

jdbc_with_compiler() {
	jar=
	for j in /usr/share/java/postgresql.jar \
	    /usr/local/share/java/classes/postgresql.jar \
	    /usr/local/share/java/postgresql*.jar \
	    /usr/pkg/share/java/postgresql*.jar \
	    /usr/pkg/lib/java/postgresql*.jar; do
		[ -r "$j" ] && jar=$j && break
	done
	[ -n "$jar" ] || return 1
	jdk_tool "${JAVAC:-javac}" && javac=$tool &&
	    jdk_tool "${JAVA:-java}" && java=$tool
}

psql_with_server() {
	for psql in psql "${PG_BINDIR:-/nowhere}/psql" \
	    /usr/lib/postgresql/*/bin/psql /usr/local/bin/psql \
	    /usr/pkg/bin/psql; do
		is_there "$psql" && return
	done
	return 1
}

probe() { # driver
	case $1 in
	psql) psql_with_server ;;
	psycopg2 | psycopg | asyncpg) python_with "$1" ;;
	node-postgres) node_with pg ;;
	jdbc) jdbc_with_compiler ;;
	*) echo "client.sh: no driver '$1': $drivers" >&2; exit 2 ;;
	esac
}

fetch() { # driver
	case $1 in
	node-postgres)
		mkdir -p "$made" && cd "$made" && npm install --silent \
		    --no-audit --no-fund --prefix . pg ;;
	*) echo "client.sh: $1 comes from the system's packages" >&2
		return 1 ;;
	esac
}

compile_jdbc() {
	class=$made/TalkJdbc.class
	source=$here/TalkJdbc.java
	if [ -e "$class" ] && [ -z "$(find "$source" -newer "$class")" ]; then
		return
	fi
	mkdir -p "$made" && "$javac" -d "$made" -cp "$jar" "$source"
}

talk() { # driver
	probe "$1" || { echo "missing: $1"; exit 77; }
	PYTHONDONTWRITEBYTECODE=1
	export PYTHONDONTWRITEBYTECODE
	case $1 in
	psql) TALK_PSQL=$psql exec sh "$here/talk_psql.sh" ;;
	asyncpg) exec "$python" "$here/talk_asyncpg.py" ;;
	psycopg*) exec "$python" "$here/talk_dbapi.py" "$1" ;;
	node-postgres) exec "$node" "$here/talk_pg.js" ;;
	jdbc)
		compile_jdbc || exit 1
		exec "$java" -cp "$made:$jar" TalkJdbc ;;
	esac
}

case ${1:-}:${2:-} in
list:) echo "$drivers" ;;
tool:?*) jdk_tool "$2" ;;
probe:?*) probe "$2" || exit 1 ;;
fetch:?* | talk:?*) "$1" "$2" ;;
*) echo "usage: client.sh list | probe|fetch|talk DRIVER | tool NAME" >&2; exit 2 ;;
esac

#!/bin/sh
# client.sh - find and run one driver's conversation.
#
# client.sh list            the drivers that there are
# client.sh talkers         those of them that have a conversation
# client.sh probe DRIVER    is it installed?  (exit code)
# client.sh ready DRIVER    new enough, and all that its application needs?
# client.sh tool NAME       is java or javac there?
# client.sh fetch DRIVER    get it from its language's registry, where the
#                           system has no package that can be installed
# client.sh talk DRIVER     its conversation; README.md says with what
# client.sh app DRIVER      an application over it; README.md, again
# client.sh async DRIVER    another one, in the driver's asynchronous way
# client.sh suite DRIVER    what the driver's own tests look for
#
# What it builds or fetches is in $DRIVERS (build/clients).  PYTHON, NODE, JAVA
# and JAVAC name other programs than the first that is found.
set -u
here=$(cd "$(dirname "$0")" && pwd)
made=${DRIVERS:-$here/../../build/clients}
talkers="psql psycopg2 psycopg asyncpg node-postgres jdbc"
drivers="$talkers libpq postgres.js php ruby perl"

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
	# a driver's own deprecations are not ours to hear
	NODE_NO_WARNINGS=1
	export NODE_PATH NODE_NO_WARNINGS
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

# The first of these jars that there is.
find_jar() { # jar...
	for jar do
		[ -r "$jar" ] && return
	done
	return 1
}

# HikariCP and what it stands on, for the application.
jars_for_app() {
	app_jars=$jar
	for name in HikariCP slf4j-api slf4j-nop; do
		find_jar /usr/share/java/$name.jar \
		    /usr/local/share/java/classes/$name.jar || return 1
		app_jars=$app_jars:$jar
	done
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

php_with_pdo() {
	php=${PHP:-php}
	is_there "$php" && [ "$("$php" -r 'echo extension_loaded("pdo_pgsql") &&
	    extension_loaded("pgsql");')" = 1 ]
}

probe() { # driver
	case $1 in
	psql) psql_with_server ;;
	psycopg2 | psycopg | asyncpg) python_with "$1" ;;
	psycopg_pool) python_with "$1" ;;
	node-postgres) node_with pg ;;
	node-modules) node_with pg-cursor && node_with pg-copy-streams ;;
	postgres.js) node_with postgres ;;
	jdbc) jdbc_with_compiler ;;
	hikari) jdbc_with_compiler && jars_for_app ;;
	libpq) [ -z "${APP_LIBPQ:-}" ] || [ -x "$APP_LIBPQ" ] ;;
	php) php_with_pdo ;;
	ruby) is_there "${RUBY:-ruby}" && "${RUBY:-ruby}" -e 'require "pg"' 2>/dev/null ;;
	perl) perl -MDBD::Pg -e 1 2>/dev/null ;;
	*) echo "client.sh: no driver '$1': $drivers" >&2; exit 2 ;;
	esac
}

# A driver of an old release may lack what we use of it.
ready() { # driver
	case $1 in
	psycopg) python_with "psycopg_pool, psycopg; psycopg.Pipeline" ;;
	node-postgres | postgres.js)
		[ -d "$made/node_modules" ] && probe node-modules && probe "$1" ;;
	jdbc) probe hikari ;;
	php) php_with_pdo && "$php" -r 'exit(PHP_MAJOR_VERSION < 8 ? 1 : 0);' ;;
	ruby) probe ruby && "${RUBY:-ruby}" -e 'require "pg"
		exit PG::Connection.method_defined?(:enter_pipeline_mode)' ;;
	*) probe "$1" ;;
	esac
}

# package-lock.json says which releases, and nothing of where they come from.
fetch() { # driver
	case $1 in
	node-postgres | node-modules | postgres.js)
		mkdir -p "$made" &&
		    cp "$here/package.json" "$here/package-lock.json" "$made" &&
		    cd "$made" && npm ci --silent --no-audit --no-fund ;;
	*) echo "client.sh: $1 comes from the system's packages" >&2
		return 1 ;;
	esac
}

compile_java() { # class jars
	class=$made/$1.class
	if [ -e "$class" ] &&
	    [ -z "$(find "$here" -name '*.java' -newer "$class")" ]; then
		return
	fi
	mkdir -p "$made" && "$javac" -d "$made" -cp "$2" \
	    -sourcepath "$here" "$here/$1.java"
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
		compile_java TalkJdbc "$jar" || exit 1
		exec "$java" -cp "$made:$jar" TalkJdbc ;;
	esac
}

# Where there are no threads, a process is one member of the crowd, which has
# half as many then.
crowd() { # command...
	n=0
	pids=
	while [ "$((n * 2))" -lt "${APP_CROWD:-24}" ]; do
		APP_MEMBER=$n "$@" &
		pids="$pids $!"
		n=$((n + 1))
	done
	rc=0
	for p in $pids; do
		wait "$p" || rc=1
	done
	exit $rc
}

app() { # driver
	probe "$1" || { echo "missing: $1"; exit 77; }
	PYTHONDONTWRITEBYTECODE=1
	export PYTHONDONTWRITEBYTECODE
	case $1 in
	libpq) exec "$APP_LIBPQ" ;;
	asyncpg) exec "$python" "$here/app_asyncpg.py" ;;
	psycopg) exec "$python" "$here/app_psycopg.py" ;;
	node-postgres) exec "$node" "$here/app_pg.js" ;;
	postgres.js) exec "$node" "$here/app_postgres.js" ;;
	jdbc)
		jars_for_app || { echo "missing: HikariCP"; exit 77; }
		compile_java AppJdbc "$app_jars" || exit 1
		exec "$java" -cp "$made:$app_jars" AppJdbc ;;
	php) crowd "$php" "$here/app_php.php" ;;
	ruby) exec "${RUBY:-ruby}" "$here/app_ruby.rb" ;;
	perl) crowd perl "$here/app_perl.pl" ;;
	*) echo "missing: an application over $1"; exit 77 ;;
	esac
}

async() { # driver
	probe "$1" || { echo "missing: $1"; exit 77; }
	PYTHONDONTWRITEBYTECODE=1 exec "$python" "$here/app_psycopg.py" async
}

suite() { # driver
	probe "$1" || { echo "missing: $1"; exit 77; }
	exec "$node" "$here/suite_pg.js"
}

case ${1:-}:${2:-} in
list:) echo "$drivers" ;;
talkers:) echo "$talkers" ;;
tool:?*) jdk_tool "$2" ;;
probe:?* | ready:?*) "$1" "$2" || exit 1 ;;
fetch:?* | talk:?* | app:?* | async:psycopg | suite:node-postgres) "$1" "$2" ;;
*) echo "usage: client.sh list | talkers |" \
    "probe|ready|fetch|talk|app|async|suite DRIVER | tool NAME" >&2; exit 2 ;;
esac

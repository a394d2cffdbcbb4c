#!/bin/sh
# deps.sh - install what is missing, and nothing else: `make deps`.
#
# deps.sh build    what the build and the tests need
# deps.sh lint     clang-format, clang-tidy, cppcheck
# deps.sh model    spin
# deps.sh fuzz     clang's libFuzzer
# deps.sh bench    PgBouncer, the peer of the benchmarks
# deps.sh clients  other people's drivers, for t/clients
#
# Each need is a question to this machine (is there such a program? does such
# a header compile?) and the package that answers it on each system.  Where all
# answers are yes, nothing happens.  Asks for root by sudo or doas.
set -u

# the caller's compiler, or whichever there is
for c in "${CC:-cc}" cc gcc clang; do
	CC=$c
	command -v "${CC%% *}" >/dev/null 2>&1 && break
done
FUZZ_CC=${FUZZ_CC:-clang}
PATH=$PATH:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin:/usr/pkg/bin
PATH=$PATH:/usr/local/libexec:/usr/pkg/libexec
export PATH

case $(uname -s) in
Linux)   column=1 ;;
FreeBSD) column=2 ;;
OpenBSD) column=3 ;;
NetBSD)  column=4 ;;
*)       column=0 ;;
esac

# what it is for, the question, then packages: Debian FreeBSD OpenBSD NetBSD;
# "-" where the base system has it
needs='
build has:gcc         gcc              gcc               gcc%11                gcc12
build has:clang       clang            -                 -                     clang
build has:pkg-config  pkg-config       pkgconf           -                     pkg-config
build has:git         git              git               git                   git
build libc            libc6-dev        -                 -                     -
build inc:openssl/ssl.h  libssl-dev    -                 -                     -
build inc:libpq-fe.h  libpq-dev        postgresql16-client postgresql-client   postgresql16-client
build inc:check.h     check            check             check                 check
build inc:ldap.h      libldap-dev      openldap26-client openldap-client       openldap-client
build inc:security/pam_appl.h libpam0g-dev -             -                     -
build has:slapd       slapd            openldap26-server openldap-server       openldap-server
build has:ldapadd     ldap-utils       openldap26-client openldap-client       openldap-client
build pam_matrix      libpam-wrapper   -                 -                     -
build pg:initdb       postgresql       postgresql16-server postgresql-server   postgresql16-server
build pg:pgbench      postgresql-contrib postgresql16-client postgresql-contrib postgresql16-client
build pg:psql         postgresql-client postgresql16-client postgresql-client  postgresql16-client
lint  has:clang-format clang-format    llvm              clang-tools-extra     clang-tools-extra
lint  has:clang-tidy  clang-tidy       llvm              clang-tools-extra     clang-tools-extra
lint  has:cppcheck    cppcheck         cppcheck          cppcheck              cppcheck
model has:spin        spin             spin              spin                  spin
fuzz  fuzzer          libclang-rt-N-dev -               -                     -
bench has:pgbouncer   pgbouncer        pgbouncer         pgbouncer             pgbouncer
clients talk:psql     postgresql-client postgresql16-client postgresql-client  postgresql16-client
clients talk:psycopg2 python3-psycopg2 py311-psycopg2    py3-psycopg2          py311-psycopg2
clients talk:psycopg  python3-psycopg  py311-psycopg     py3-psycopg3          py311-psycopg
clients talk:psycopg_pool python3-psycopg-pool py311-psycopg-pool py3-psycopg-pool py311-psycopg-pool
clients talk:asyncpg  python3-asyncpg  py311-asyncpg     py3-asyncpg           py311-asyncpg
clients has:node      nodejs           node              node                  nodejs
clients has:npm       npm              npm               -                     npm
clients talk:node-postgres npm:node-postgres npm:node-postgres npm:node-postgres npm:node-postgres
clients talk:node-modules npm:node-postgres npm:node-postgres npm:node-postgres npm:node-postgres
clients talk:postgres.js npm:node-postgres npm:node-postgres npm:node-postgres npm:node-postgres
clients jdk:javac     default-jdk-headless openjdk17     jdk%17                openjdk17
clients talk:jdbc     libpostgresql-jdbc-java postgresql-jdbc -                postgresql-jdbc
clients talk:hikari   libhikaricp-java -                 -                     -
clients has:php       php-cli          php83             php                   php
clients talk:php      php-pgsql        php83-pdo_pgsql   php-pdo_pgsql         php-pdo_pgsql
clients talk:ruby     ruby-pg          rubygem-pg        ruby-pg               ruby-pg
clients talk:perl     libdbd-pg-perl   p5-DBD-Pg         p5-DBD-Pg             p5-DBD-Pg
'

compiles() { # C text
	flags=
	if command -v pkg-config >/dev/null 2>&1; then
		flags=$(pkg-config --cflags libpq openssl check 2>/dev/null) ||
		    flags=$(for m in libpq openssl check; do
			pkg-config --cflags "$m" 2>/dev/null
		    done)
	fi
	# shellcheck disable=SC2086 # flags are words
	printf '%s\n' "$1" | $CC $flags -I/usr/include/postgresql \
	    -I/usr/local/include -I/usr/pkg/include -x c -fsyntax-only - \
	    >/dev/null 2>&1
}

# Does this clang link with libFuzzer?
has_fuzzer() {
	object=$(mktemp) || return 1
	echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void)
{ return 0; }' | $FUZZ_CC -fsanitize=fuzzer,address,undefined -x c - \
	    -o "$object" >/dev/null 2>&1
	rc=$?
	rm -f "$object"
	return $rc
}

# Are the needs of that driver's test met?
can_talk() { sh "$(dirname "$0")/clients/client.sh" probe "$1"; }

is_met() { # question
	case $1 in
	fuzzer) has_fuzzer ;;
	talk:*) can_talk "${1#talk:}" ;;
	jdk:*) sh "$(dirname "$0")/clients/client.sh" tool "${1#jdk:}" ;;
	has:gcc)
		command -v gcc >/dev/null 2>&1 ||
		    command -v egcc >/dev/null 2>&1 ;;
	has:*) command -v "${1#has:}" >/dev/null 2>&1 ;;
	pam_matrix)
		# one of these suffices; a pattern that matches none stays
		for f in /usr/lib/*/pam_wrapper/pam_matrix.so \
		    /usr/lib*/pam_wrapper/pam_matrix.so; do
			[ -e "$f" ] && return
		done
		[ "$column" != 1 ] ;;
	libc) compiles '#include <stdlib.h>' ;;
	inc:*) compiles "#include <stddef.h>
#include <${1#inc:}>" ;;
	pg:*)
		command -v "${1#pg:}" >/dev/null 2>&1 && return
		# one of these suffices; a pattern that matches none stays
		for f in /usr/lib/postgresql/*/bin/"${1#pg:}" \
		    /usr/pgsql-*/bin/"${1#pg:}"; do
			[ -x "$f" ] && return
		done
		return 1 ;;
	esac
}

# Debian's package of the runtime has clang's own version in its name.
runtime_of() {
	echo "libclang-rt-$($FUZZ_CC -dumpversion | sed 's/[.].*//')-dev"
}

missing() { # what for
	echo "$needs" | while read -r for question packages; do
		[ "$for" = "$1" ] || continue
		is_met "$question" && continue
		[ "$column" != 0 ] || { echo "${question#*:}"; continue; }
		package=$(echo "$packages" | awk -v n="$column" '{ print $n }')
		[ "$package" != libclang-rt-N-dev ] || package=$(runtime_of)
		[ "$package" = - ] || echo "$package"
	done | LC_ALL=C sort -u
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	elif command -v doas >/dev/null 2>&1; then
		doas "$@"
	else
		echo "deps: root is needed for: $*" >&2
		return 1
	fi
}

# A server package starts a service of its own, and wants to at each boot.
# Nobody asked for that here: the tests and benchmarks start their own.
no_service=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/50-pooler-deps.conf
made_service=
made_cluster=

hold_services() {
	if [ ! -e $no_service ]; then
		made_service=1
		as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$no_service &&
		    chmod 755 $no_service" || return 1
	fi
	if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
		made_cluster=1
		as_root sh -c "mkdir -p ${no_cluster%/*} &&
		    echo 'create_main_cluster = false' >$no_cluster" ||
		    return 1
	fi
}

release_services() {
	[ -z "$made_service" ] || as_root rm -f $no_service
	[ -z "$made_cluster" ] || as_root rm -f $no_cluster
	case " $1 " in
	*" pgbouncer "*)
		if command -v systemctl >/dev/null 2>&1; then
			as_root systemctl disable pgbouncer
		elif command -v update-rc.d >/dev/null 2>&1; then
			as_root update-rc.d pgbouncer disable
		fi >/dev/null 2>&1 ;;
	esac
}

install_debian() { # packages
	command -v apt-get >/dev/null 2>&1 || {
		echo "deps: install these with your system's tools, by what" \
		    "Debian calls them: $*" >&2
		return 1
	}
	# what holds services back must not stay, however this ends
	trap 'release_services "$*"; exit 130' INT TERM HUP
	hold_services &&
	    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
	    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		--no-install-recommends install "$@"
	rc=$?
	trap - INT TERM HUP
	release_services "$*"
	return $rc
}

# "npm:DRIVER" is no package of the system's: after those that are.
install_packages() {
	ours=
	for package do
		shift
		case $package in
		npm:*) ours="$ours ${package#npm:}" ;;
		*) set -- "$@" "$package" ;;
		esac
	done
	[ $# = 0 ] || install_system "$@" || return 1
	for driver in $ours; do
		sh "$(dirname "$0")/clients/client.sh" fetch "$driver" ||
		    return 1
	done
}

install_system() {
	case $column in
	1) install_debian "$@" ;;
	2) as_root env ASSUME_ALWAYS_YES=yes pkg install -y "$@" ;;
	3) as_root pkg_add -I "$@" ;;
	4) as_root pkgin -y install "$@" ;;
	*)
		echo "deps: missing, and this system is not known here: $*" >&2
		return 1 ;;
	esac
}

[ $# = 1 ] || { echo "usage: deps.sh build|lint|model|fuzz|bench|clients" >&2; exit 2; }
wanted=$(missing "$1")
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086 # packages are words
set -- "$1" $wanted
what=$1
shift
echo "deps: installing $*" >&2
install_packages "$@" || exit 1
wanted=$(missing "$what")
[ -z "$wanted" ] || { echo "deps: still missing:" $wanted >&2; exit 1; }

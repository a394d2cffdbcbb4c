#!/usr/bin/perl
#
# app_perl.pl - DBD::Pg as an application uses it: what has placeholders is
# prepared by the server.  A process is one member, APP_MEMBER.
#
use strict;
use warnings;
use utf8;
use DBI;
use DBD::Pg qw(:pg_types :async);

my $member = $ENV{APP_MEMBER} // 0;
my $rounds = $ENV{APP_ROUNDS} // 8;
my %only = map { $_ => 1 } split ' ', $ENV{APP_ONLY} // '';
my $serial = 0;
$| = 1;

# A string that nobody else sends.
sub token {
	my ($what) = @_;
	return "$what-$$-" . ++$serial;
}

sub equal {
	my ($got, $want) = @_;
	die sprintf("%s is not %s", $got // 'NULL', $want) if ($got // 'NULL') ne $want;
}

sub dial {
	my ($more, %options) = @_;
	my $dsn = "dbi:Pg:dbname=$ENV{PGDATABASE};host=$ENV{PGHOST};port=$ENV{PGPORT};sslmode=disable";
	return DBI->connect($dsn . ($more // ''), $ENV{PGUSER}, 'none', {
		AutoCommit => 1, RaiseError => 1, PrintError => 0, PrintWarn => 0,
		pg_enable_utf8 => 1, %options });
}

# The first column of the first row.
sub ask {
	my ($c, $sql, @values) = @_;
	my ($value) = $c->selectrow_array($sql, undef, @values);
	return $value;
}

sub same {
	my ($c, $sql, $want, @values) = @_;
	equal(ask($c, $sql, @values), $want);
}

sub fails {
	my ($c, $state, $sql, @values) = @_;
	return equal($c->state, $state) unless eval { $c->do($sql, undef, @values); 1 };
	die "no error: $sql";
}

my @steps = (
	simple => sub {
		my ($c) = @_;
		for (1 .. $rounds) {
			my $mine = token('simple');
			same($c, "SELECT '$mine'", $mine);
		}
	},

	# named dbdpg_p<pid>_<n>, and deallocated when its handle goes
	prepared => sub {
		my ($c, $n) = @_;
		my $s = $c->prepare("SELECT ?::text || ' of $n', ?::int + 1");
		for my $i (1 .. $rounds) {
			my $mine = token("it's \x{20ac}");
			$s->execute($mine, $i);
			my ($text, $number) = $s->fetchrow_array;
			$s->finish;
			equal($text, "$mine of $n");
			equal($number, $i + 1);
			same($c, 'SELECT $1::text', $mine, $mine);
		}
	},

	# before anything is executed
	prepared_now => sub {
		my ($c, $n) = @_;
		my $s = $c->prepare("SELECT ?::text || ' now $n'", { pg_prepare_now => 1 });
		for (1 .. $rounds) {
			my $mine = token('now');
			equal($c->selectrow_array($s, undef, $mine), "$mine now $n");
		}
	},

	many_statements => sub {
		my ($c, $n) = @_;
		my @all = map { $c->prepare("SELECT ?::text || ' $n.$_'") } 0 .. 39;
		for my $round (1, 2) {
			for my $i (0 .. 39) {
				my $mine = token('many');
				equal($c->selectrow_array($all[$i], undef, $mine), "$mine $n.$i");
			}
		}
	},

	unprepared => sub {
		my ($c) = @_;
		local $c->{pg_server_prepare} = 0;
		for (1 .. $rounds) {
			my $mine = token('plain');
			same($c, 'SELECT ?::text', $mine, $mine);
		}
	},

	arrays => sub {
		my ($c) = @_;
		my $back = ask($c, 'SELECT ?::text[]', ['x"y', undef, 'ü']);
		equal(scalar @$back, 3);
		equal($back->[0] . $back->[2], 'x"yü');
		local $c->{pg_expand_array} = 0;
		same($c, 'SELECT ?::int[]', '{1,2}', [1, 2]);
	},

	bytes => sub {
		my ($c) = @_;
		my $s = $c->prepare('SELECT ?::bytea');
		$s->bind_param(1, "\0\xff", { pg_type => PG_BYTEA });
		$s->execute;
		equal($s->fetchrow_arrayref->[0], "\0\xff");
	},

	transaction => sub {
		my ($c) = @_;
		my $mine = token('row');
		my $insert = 'INSERT INTO kept VALUES (?)';
		my $count = 'SELECT count(*) FROM kept WHERE token = ?';
		for (1 .. 4) {
			$c->begin_work;
			$c->do($insert, undef, $mine);
			same($c, $count, 1, $mine);
			$c->rollback;
			same($c, $count, 0, $mine);
		}
		$c->begin_work;
		$c->pg_savepoint('a');
		$c->do($insert, undef, $mine);
		$c->pg_rollback_to('a');
		$c->do($insert, undef, $mine);
		$c->commit;
		same($c, $count, 1, $mine);
	},

	error => sub {
		my ($c) = @_;
		my $divide = 'SELECT 10 / ?::int';
		for (1 .. 4) {
			same($c, $divide, 2, 5);
			fails($c, '22012', $divide, 0);
		}
		fails($c, '42601', 'SELEC ?', 1);
		$c->begin_work;
		fails($c, '22012', $divide, 0);
		fails($c, '25P02', $divide, 1);
		$c->rollback;
		same($c, $divide, 10, 1);
	},

	cursor => sub {
		my ($c) = @_;
		my $mine = token('cursor');
		$c->begin_work;
		$c->do("DECLARE walk CURSOR FOR SELECT ? || '.' || i FROM generate_series(1, 60) i", undef, $mine);
		for my $i (1 .. 60) {
			same($c, 'FETCH walk', "$mine.$i");
		}
		$c->do('CLOSE walk');
		$c->commit;
	},

	copy => sub {
		my ($c) = @_;
		my $mine = token('copy');
		$c->do('COPY kept FROM STDIN');
		$c->pg_putcopydata("$mine-$_\n") for 0 .. 999;
		$c->pg_putcopyend;
		$c->do("COPY (SELECT token FROM kept WHERE token LIKE '$mine-%' ORDER BY length(token), token) TO STDOUT");
		my ($line, $n) = ('', 0);
		equal($line, "$mine-" . $n++ . "\n") while $c->pg_getcopydata($line) >= 0;
		equal($n, 1000);
	},

	large_object => sub {
		my ($c) = @_;
		my ($mine, $back) = (token('object'), '');
		$c->begin_work;
		my $object = $c->pg_lo_creat($c->{pg_INV_WRITE} | $c->{pg_INV_READ});
		my $fd = $c->pg_lo_open($object, $c->{pg_INV_WRITE} | $c->{pg_INV_READ});
		$c->pg_lo_write($fd, $mine, length $mine);
		$c->pg_lo_lseek($fd, 0, 0);
		$c->pg_lo_read($fd, $back, 1000);
		equal($back, $mine);
		$c->pg_lo_unlink($object);
		$c->commit;
	},

	async => sub {
		my ($c) = @_;
		my $mine = token('async');
		my $s = $c->prepare('SELECT ?::text, pg_sleep(0.01)', { pg_async => PG_ASYNC });
		$s->execute($mine);
		select undef, undef, undef, 0.002 until $c->pg_ready;
		$s->pg_result;
		equal($s->fetchrow_arrayref->[0], $mine);
		$s->finish;
	},

	cancel => sub {
		my ($c, $n) = @_;
		return if $n >= 2; # and leave a backend to look from
		my ($mine, $other) = (token('sleep'), dial());
		my $s = $c->prepare("SELECT pg_sleep(30) /* $mine */", { pg_async => PG_ASYNC });
		$s->execute;
		for (my $end = time + 15; !ask($other, "SELECT count(*) FROM pg_stat_activity
		    WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE ?", "%$mine%");) {
			die 'the query does not run' if time > $end;
		}
		$s->pg_cancel;
		$other->disconnect;
		same($c, 'SELECT 4', 4);
	},

	listen => sub {
		my ($c, $n) = @_;
		my $other = dial();
		$c->do("LISTEN room$n");
		for (1 .. 5) {
			my ($mine, $note) = (token('note'));
			ask($other, 'SELECT pg_notify(?, ?)', "room$n", $mine);
			for (my $end = time + 15; !($note = $c->pg_notifies);) {
				die 'no note' if time > $end;
				select undef, undef, undef, 0.002;
			}
			equal($note->[2], $mine);
		}
		$c->do('UNLISTEN *');
		$other->disconnect;
	},

	set => sub {
		my ($c, $n) = @_;
		my ($mine, $place) = (token('set'), 's' . $n % 4);
		$c->do("SET application_name = '$mine'");
		$c->do("SET search_path TO $place");
		for (1 .. $rounds) {
			same($c, 'SHOW application_name', $mine);
			same($c, "SELECT name FROM place WHERE name = ?", $place, $place);
			same($c, 'SHOW search_path', $place);
		}
		$c->do('RESET ALL');
		same($c, 'SHOW application_name', '');
	},

	startup => sub {
		my (undef, $n) = @_;
		my $c = dial(";application_name=start$n;options='-c work_mem=" . (1100 + $n) . "kB'");
		for (1 .. $rounds) {
			same($c, 'SHOW application_name', "start$n");
			same($c, 'SHOW work_mem', (1100 + $n) . 'kB');
		}
		$c->disconnect;
	},

	temporary => sub {
		my ($c) = @_;
		my $mine = token('temp');
		$c->do('CREATE TEMP TABLE basket (v text)');
		$c->do('INSERT INTO basket VALUES (?)', undef, $mine);
		same($c, 'SELECT v FROM basket', $mine);
		$c->do('DROP TABLE basket');
	},

	advisory => sub {
		my ($c, $n) = @_;
		my $key = 4800 + $n;
		ask($c, 'SELECT pg_advisory_lock(?)', $key);
		for (1 .. $rounds) {
			same($c, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
			    AND objid = ?::int AND pid = pg_backend_pid()", 1, $key);
		}
		same($c, 'SELECT pg_advisory_unlock(?)', 1, $key);
	},

	sql_prepare => sub {
		my ($c, $n) = @_;
		local $c->{pg_placeholder_dollaronly} = 1;
		$c->do(qq{PREPARE plan (text) AS SELECT lower(\$1) || ' $n'}, { pg_direct => 1 });
		for (1 .. $rounds) {
			my $mine = token('plan');
			same($c, "EXECUTE plan('$mine')", "$mine $n");
		}
		$c->do('DEALLOCATE plan');
		fails($c, '26000', "EXECUTE plan('x')");
	},

	ping => sub {
		my ($c) = @_;
		equal($c->ping > 0 ? 1 : 0, 1);
		my $mine = token('after');
		same($c, 'SELECT ?::text', $mine, $mine);
	},
);

my @chosen;
while (my ($name, $step) = splice @steps, 0, 2) {
	push @chosen, [$name, $step] if !%only || $only{$name};
}
print 'plan ' . (@chosen + 1) . "\n";
my $c = dial();
print "ok connect\n";
for my $chosen (@chosen) {
	my ($name, $step) = @$chosen;
	if (eval { $step->($c, $member); 1 }) {
		print "ok $name\n";
		next;
	}
	my $why = $@ =~ s/\s+/ /gr;
	print "FAIL $name: " . ($c->state || '-') . " $why\n";
	$c->disconnect;
	$c = dial();
}
$c->disconnect;

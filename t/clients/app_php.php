<?php
/*
 * app_php.php - PDO, and the pgsql functions beside it, as an application in
 * PHP uses them.  PHP has no threads: a process is one member, APP_MEMBER.
 */
declare(strict_types=1);

$member = (int) (getenv('APP_MEMBER') ?: 0);
$rounds = (int) (getenv('APP_ROUNDS') ?: 8);
$only = array_filter(explode(' ', (string) getenv('APP_ONLY')));

/* A string that nobody else sends. */
function token(string $what): string
{
	static $serial = 0;

	return "$what-" . getmypid() . '-' . ++$serial;
}

function check(bool $condition, string $why): void
{
	if (!$condition)
		throw new LogicException($why);
}

function equal(mixed $got, mixed $want): void
{
	check($got === $want, var_export($got, true) . ' is not ' . var_export($want, true));
}

function dsn(string $more = ''): string
{
	return sprintf('pgsql:host=%s;port=%s;dbname=%s;sslmode=disable%s',
		getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'), $more);
}

function connect(array $options = [], string $more = ''): PDO
{
	return new PDO(dsn($more), getenv('PGUSER'), 'none', $options + [
		PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
		PDO::ATTR_STRINGIFY_FETCHES => false]);
}

function ask(PDO $c, string $sql, array $values = []): mixed
{
	$s = $c->prepare($sql);
	$s->execute($values);
	$value = $s->columnCount() ? $s->fetchColumn() : null;
	$s->closeCursor();
	return $value;
}

function same(PDO $c, string $sql, mixed $want, array $values = []): void
{
	equal(ask($c, $sql, $values), $want);
}

function fails(PDO $c, string $state, string $sql, array $values = []): void
{
	try {
		ask($c, $sql, $values);
	} catch (PDOException $e) {
		equal($e->errorInfo[0], $state);
		return;
	}
	throw new LogicException("no error: $sql");
}

$steps = [];

$steps['simple'] = function (PDO $c) use ($rounds) {
	for ($i = 0; $i < $rounds; $i++) {
		$mine = token('simple');
		equal($c->query("SELECT '$mine'")->fetchColumn(), $mine);
	}
	equal($c->exec("DELETE FROM kept WHERE token = 'nobody'"), 0);
};

/* A name and a DEALLOCATE for each: the driver's way. */
$steps['prepared'] = function (PDO $c, int $n) use ($rounds) {
	$s = $c->prepare("SELECT ?::text || ' of $n', ?::int + 1");

	for ($i = 0; $i < $rounds; $i++) {
		$mine = token("it's \u{20ac}");
		$s->execute([$mine, $i]);
		equal($s->fetch(PDO::FETCH_NUM), ["$mine of $n", $i + 1]);
		same($c, 'SELECT :a::text', $mine, ['a' => $mine]);
	}
};

$steps['many_statements'] = function (PDO $c, int $n) {
	$all = [];

	for ($i = 0; $i < 40; $i++)
		$all[] = $c->prepare("SELECT ?::text || ' $n.$i'");
	foreach ([1, 2] as $round)
		foreach ($all as $i => $s) {
			$mine = token('many');
			$s->execute([$mine]);
			equal($s->fetchColumn(), "$mine $n.$i");
		}
};

$steps['emulated'] = function (PDO $unused, int $n) use ($rounds) {
	$c = connect([PDO::ATTR_EMULATE_PREPARES => true]);

	for ($i = 0; $i < $rounds; $i++) {
		$mine = token("it's \\ \u{20ac}");
		same($c, "SELECT ?::text || ' of $n'", "$mine of $n", [$mine]);
	}
	$c->setAttribute(PDO::ATTR_EMULATE_PREPARES, false);
	same($c, 'SELECT ?::int', 5, [5]);
};

/* Parse, Bind and Execute without a name. */
$steps['unnamed'] = function (PDO $unused, int $n) use ($rounds) {
	$c = connect([PDO::PGSQL_ATTR_DISABLE_PREPARES => true]);

	for ($i = 0; $i < $rounds; $i++) {
		$mine = token('unnamed');
		same($c, "SELECT ?::text || ' of $n'", "$mine of $n", [$mine]);
	}
};

$steps['transaction'] = function (PDO $c) {
	$mine = token('row');
	$count = 'SELECT count(*) FROM kept WHERE token = ?';

	for ($i = 0; $i < 4; $i++) {
		$c->beginTransaction();
		ask($c, 'INSERT INTO kept VALUES (?)', [$mine]);
		same($c, $count, 1, [$mine]);
		$c->rollBack();
		same($c, $count, 0, [$mine]);
	}
	$c->beginTransaction();
	check($c->inTransaction(), 'not in a transaction');
	ask($c, 'INSERT INTO kept VALUES (?)', [$mine]);
	$c->commit();
	same($c, $count, 1, [$mine]);
};

$steps['error'] = function (PDO $c) {
	$divide = 'SELECT 10 / ?::int';

	for ($i = 0; $i < 4; $i++) {
		same($c, $divide, 2, [5]);
		fails($c, '22012', $divide, [0]);
	}
	fails($c, '42601', 'SELEC ?', [1]);
	$c->beginTransaction();
	fails($c, '22012', $divide, [0]);
	fails($c, '25P02', $divide, [1]);
	$c->rollBack();
	same($c, $divide, 10, [1]);
};

/* DECLARE SCROLL CURSOR WITH HOLD is how it does this. */
$steps['cursor'] = function (PDO $c) {
	$mine = token('cursor');
	$s = $c->prepare("SELECT ?::text || '.' || i FROM generate_series(1, 30) i",
		[PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);

	$c->beginTransaction();
	$s->execute([$mine]);
	for ($i = 1; $i <= 30; $i++)
		equal($s->fetchColumn(), "$mine.$i");
	equal($s->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_ABS, 7), ["$mine.7"]);
	$s->closeCursor();
	$c->commit();
};

$steps['copy'] = function (PDO $c) {
	$mine = token('copy');
	$lines = array_map(fn ($i) => "$mine-$i\n", range(0, 999));

	check($c->pgsqlCopyFromArray('kept', $lines), 'copy in');
	$back = array_filter($c->pgsqlCopyToArray('kept'),
		fn ($l) => str_starts_with($l, "$mine-"));
	sort($back);
	sort($lines);
	equal($back, $lines);
};

$steps['large_object'] = function (PDO $c) {
	$mine = token('object');

	$c->beginTransaction();
	$oid = $c->pgsqlLOBCreate();
	$stream = $c->pgsqlLOBOpen($oid, 'w');
	fwrite($stream, $mine);
	$stream = null;
	equal(stream_get_contents($c->pgsqlLOBOpen($oid, 'r')), $mine);
	$c->pgsqlLOBUnlink($oid);
	$c->commit();
};

$steps['listen'] = function (PDO $c, int $n) {
	$other = connect();

	$c->exec("LISTEN room$n");
	for ($i = 0; $i < 5; $i++) {
		$mine = token('note');
		ask($other, 'SELECT pg_notify(?, ?)', ["room$n", $mine]);
		$note = $c->pgsqlGetNotify(PDO::FETCH_ASSOC, 15000);
		equal($note['payload'] ?? null, $mine);
	}
	$c->exec('UNLISTEN *');
};

$steps['set'] = function (PDO $c, int $n) use ($rounds) {
	$mine = token('set');

	$c->exec("SET application_name = '$mine'");
	$c->exec('SET search_path TO s' . $n % 4);
	for ($i = 0; $i < $rounds; $i++) {
		same($c, 'SHOW application_name', $mine);
		same($c, 'SELECT name FROM s' . $n % 4 . '.place', 's' . $n % 4);
		same($c, 'SHOW search_path', 's' . $n % 4);
	}
	$c->exec('RESET ALL');
	same($c, 'SHOW application_name', '');
};

$steps['startup'] = function (PDO $unused, int $n) use ($rounds) {
	$c = connect([], ";application_name=start$n;options='-c work_mem=" . (1100 + $n) . "kB'");

	for ($i = 0; $i < $rounds; $i++) {
		same($c, 'SHOW application_name', "start$n");
		same($c, 'SHOW work_mem', (1100 + $n) . 'kB');
	}
};

$steps['temporary'] = function (PDO $c) {
	$mine = token('temp');

	$c->exec('CREATE TEMP TABLE basket (v text)');
	ask($c, 'INSERT INTO basket VALUES (?)', [$mine]);
	same($c, 'SELECT v FROM basket', $mine);
	$c->exec('DROP TABLE basket');
};

$steps['advisory'] = function (PDO $c, int $n) use ($rounds) {
	ask($c, 'SELECT pg_advisory_lock(?)', [4600 + $n]);
	for ($i = 0; $i < $rounds; $i++)
		same($c, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
			AND objid = ?::int AND pid = pg_backend_pid()", 1, [4600 + $n]);
	same($c, 'SELECT pg_advisory_unlock(?)', true, [4600 + $n]);
};

$steps['sql_prepare'] = function (PDO $c, int $n) use ($rounds) {
	$c->exec("PREPARE plan (text) AS SELECT $1 || ' $n'");
	for ($i = 0; $i < $rounds; $i++) {
		$mine = token('plan');
		equal($c->query("EXECUTE plan('$mine')")->fetchColumn(), "$mine $n");
	}
	$c->exec('DEALLOCATE plan');
	fails($c, '26000', "EXECUTE plan('x')");
};

/* The connection outlives its object; its statements' names begin anew. */
$steps['persistent'] = function (PDO $unused, int $n) use ($rounds) {
	for ($i = 0; $i < $rounds; $i++) {
		$c = connect([PDO::ATTR_PERSISTENT => true]);
		$mine = token('persistent');
		same($c, "SELECT ?::text || ' $n.$i'", "$mine $n.$i", [$mine]);
		if ($i > 0)
			same($c, 'SHOW work_mem', (1100 + $n) . 'kB');
		$c->exec("SET work_mem = '" . (1100 + $n) . "kB'");
		$c = null;
	}
};

/* The other extension: named at will, queries without a wait, pconnect. */
$steps['functions'] = function (PDO $unused, int $n) use ($rounds) {
	$where = sprintf('host=%s port=%s dbname=%s user=%s sslmode=disable',
		getenv('PGHOST'), getenv('PGPORT'), getenv('PGDATABASE'), getenv('PGUSER'));

	for ($i = 0; $i < $rounds; $i++) {
		$c = pg_pconnect($where);
		$mine = token('function');
		equal(pg_fetch_result(pg_query_params($c, 'SELECT $1::text', [$mine]), 0, 0), $mine);
		if ($i === 0)
			check((bool) pg_prepare($c, 'mine', "SELECT $1::text || ' of $n'"), 'prepare');
		equal(pg_fetch_result(pg_execute($c, 'mine', [$mine]), 0, 0), "$mine of $n");
		pg_send_query($c, "SELECT '$mine'; SELECT $n");
		equal(pg_fetch_result(pg_get_result($c), 0, 0), $mine);
		equal(pg_fetch_result(pg_get_result($c), 0, 0), (string) $n);
		check(pg_get_result($c) === false, 'a third result');
		pg_close($c);
	}
};

$steps['after'] = function (PDO $c) {
	$mine = token('after');

	same($c, 'SELECT ?::text', $mine, [$mine]);
};

$chosen = array_filter($steps, fn ($name) => !$only || in_array($name, $only, true),
	ARRAY_FILTER_USE_KEY);
echo 'plan ' . (count($chosen) + 1) . "\n";
$c = connect();
echo "ok connect\n";
foreach ($chosen as $name => $step) {
	try {
		$step($c, $member);
		echo "ok $name\n";
	} catch (Throwable $e) {
		$why = preg_replace('/\s+/', ' ', get_class($e) . ' ' . $e->getMessage());
		$where = array_map(fn ($f) => $f['line'] ?? 0, $e->getTrace());
		echo "FAIL $name: $why at {$e->getLine()} " . implode(' ', $where) . "\n";
		$c = null;
		$c = connect();
	}
}

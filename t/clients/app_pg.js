/*
 * app_pg.js - node-postgres as an application uses it: a Client a member, and
 * a Pool that all members share; pg-cursor and pg-copy-streams beside it.
 */
'use strict';

const assert = require('assert');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const pg = require('pg');
const Cursor = require('pg-cursor');
const { from: copyFrom, to: copyTo } = require('pg-copy-streams');
const { run, token, until, ROUNDS } = require('./app_frame.js');

const pool = new pg.Pool({ max: 10 });

async function open(more = {}) {
	const c = new pg.Client(more);

	c.on('error', () => {});
	await c.connect();
	return c;
}

/* The first column of the only row. */
async function ask(c, text, values) {
	const q = typeof text === 'string' ? { text, values } : text;
	const r = await c.query({ rowMode: 'array', ...q });

	assert.strictEqual(r.rows.length, 1);
	return r.rows[0][0];
}

async function same(c, sql, want, values) {
	assert.strictEqual(await ask(c, sql, values), want);
}

const fails = (c, code, sql) => assert.rejects(c.query(sql), { code });

const steps = {
	async simple(c) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('simple');

			await same(c, `SELECT '${mine}'`, mine);
		}
	},

	async parameter(c) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token("it's \\ \u20ac");

			await same(c, 'SELECT $1::text', mine, [mine]);
		}
	},

	async prepared(c) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('prepared');

			await same(c, { name: 'echo', text: 'SELECT $1::text', values: [mine] }, mine);
		}
	},

	/* one name, another statement for each member */
	async same_name(c, n) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('same');

			await same(c, { name: 'mine', values: [mine],
				text: `SELECT $1::text || ' of ${n}'` }, `${mine} of ${n}`);
		}
	},

	/* more of them than a backend may keep */
	async many_names(c, n) {
		for (let round = 0; round < 2; round++)
			for (let i = 0; i < 40; i++) {
				const mine = token('many');

				await same(c, { name: `many${i}`, values: [mine],
					text: `SELECT $1::text || ' ${n}.${i}'` },
				`${mine} ${n}.${i}`);
			}
	},

	async types(c) {
		const when = new Date(1700000000000);
		const r = await c.query({ name: 'types',
			text: 'SELECT $1::int8, $2::float8, $3::bool, $4::timestamptz, ' +
				'$5::jsonb, $6::text[], $7::bytea, $8::text',
			values: ['9007199254740993', 1.5, true, when, { a: [1, null] },
				['x"y', null], Buffer.from([0, 255]), null],
			rowMode: 'array' });

		assert.deepStrictEqual(r.rows[0], ['9007199254740993', 1.5, true, when,
			{ a: [1, null] }, ['x"y', null], Buffer.from([0, 255]), null]);
	},

	async transaction(c) {
		const mine = token('row');
		const count = { name: 'count', values: [mine],
			text: 'SELECT count(*)::int FROM kept WHERE token = $1' };
		const insert = { name: 'insert', values: [mine],
			text: 'INSERT INTO kept VALUES ($1)' };

		await c.query('BEGIN');
		await c.query(insert);
		await same(c, count, 1);
		await c.query('ROLLBACK');
		await same(c, count, 0);
		await c.query('BEGIN');
		await c.query('SAVEPOINT a');
		await c.query(insert);
		await c.query('ROLLBACK TO a');
		await c.query(insert);
		await c.query('COMMIT');
		await same(c, count, 1);
	},

	async error(c) {
		const divide = (by) => ({ name: 'divide', text: 'SELECT 10 / $1::int', values: [by] });

		await same(c, divide(5), 2);
		await assert.rejects(c.query(divide(0)), { code: '22012' });
		await same(c, divide(2), 5);
		await fails(c, '42601', { name: 'broken', text: 'SELEC $1', values: [1] });
		await same(c, { name: 'broken', text: 'SELECT $1::int', values: [1] }, 1);
		await c.query('BEGIN');
		await assert.rejects(c.query(divide(0)), { code: '22012' });
		await assert.rejects(c.query(divide(1)), { code: '25P02' });
		await c.query('ROLLBACK');
		await same(c, divide(1), 10);
	},

	async queued(c) {
		const tokens = Array.from({ length: 30 }, () => token('queued'));

		assert.deepStrictEqual(await Promise.all(tokens.map((t, i) =>
			ask(c, { name: `q${i % 3}`, text: `SELECT $1::text, ${i % 3}`, values: [t] }))),
		tokens);
	},

	async pipelined() {
		const c = await open({ pipeline: true });

		try {
			const tokens = Array.from({ length: 30 }, () => token('piped'));
			const all = tokens.map((t, i) => (i % 10 === 5
				? c.query({ text: 'SELECT 1 / $1::int', values: [0] })
				: ask(c, { name: `p${i % 4}`, text: `SELECT $1::text, ${i % 4}`, values: [t] })));
			const got = await Promise.allSettled(all);

			got.forEach((g, i) => (i % 10 === 5
				? assert.strictEqual(g.reason.code, '22012')
				: assert.strictEqual(g.value, tokens[i])));
		} finally {
			await c.end();
		}
	},

	async cursor(c) {
		const mine = token('cursor');

		for (let round = 0; round < 2; round++) {
			const cursor = c.query(new Cursor(
				"SELECT $1 || '.' || i FROM generate_series(1, 250) i", [mine],
				{ rowMode: 'array' }));
			let n = 0;

			for (;;) {
				const rows = await cursor.read(100);

				if (rows.length === 0)
					break;
				for (const [value] of rows)
					assert.strictEqual(value, `${mine}.${++n}`);
			}
			assert.strictEqual(n, 250);
		}
		const early = c.query(new Cursor('SELECT generate_series(1, 1000)'));

		assert.strictEqual((await early.read(10)).length, 10);
		await early.close();
		await same(c, 'SELECT 7', 7);
	},

	/* a cursor that SQL declares, within a transaction and beyond it */
	async declared(c) {
		const mine = token('declared');

		for (const hold of ['', 'WITH HOLD']) {
			await c.query('BEGIN');
			await c.query(`DECLARE walk CURSOR ${hold} FOR ` +
				`SELECT '${mine}.' || i FROM generate_series(1, 20) i`);
			await same(c, 'FETCH 1 FROM walk', `${mine}.1`);
			if (hold)
				await c.query('COMMIT');
			const r = await c.query('FETCH 19 FROM walk');

			assert.strictEqual(r.rows.length, 19);
			assert.strictEqual(Object.values(r.rows[18])[0], `${mine}.20`);
			await c.query('CLOSE walk');
			if (!hold)
				await c.query('COMMIT');
		}
	},

	async copy(c) {
		const mine = token('copy');
		const lines = Array.from({ length: 2000 }, (_, i) => `${mine}-${i}\n`);
		let back = '';

		await pipeline(Readable.from(lines), c.query(copyFrom('COPY kept FROM STDIN')));
		for await (const chunk of c.query(copyTo(
			`COPY (SELECT token FROM kept WHERE token LIKE '${mine}-%' ` +
			'ORDER BY length(token), token) TO STDOUT')))
			back += chunk;
		assert.strictEqual(back, lines.join(''));
		await assert.rejects(async () => {
			for await (const chunk of c.query(copyTo('COPY nowhere TO STDOUT')))
				assert.fail(chunk);
		}, { code: '42P01' });
		await same(c, 'SELECT 3', 3);
	},

	async listen(c, n) {
		const heard = [];
		const hear = (m) => heard.push(`${m.channel} ${m.payload}`);
		const want = Array.from({ length: 5 }, () => token('note'));

		c.on('notification', hear);
		await c.query(`LISTEN room${n}`);
		await c.query('LISTEN hall');
		for (const payload of want) {
			await pool.query('SELECT pg_notify($1, $2)', [`room${n}`, payload]);
			/* and while it works */
			await same(c, 'SELECT $1::text', payload, [payload]);
		}
		await until(() => heard.filter((h) => h.startsWith(`room${n} `)).length === 5,
			`5 notes, but ${heard.length}`);
		assert.deepStrictEqual(heard.filter((h) => h.startsWith('room')),
			want.map((p) => `room${n} ${p}`));
		await c.query(`NOTIFY hall, '${want[0]}'`);
		await until(() => heard.includes(`hall ${want[0]}`), 'my own note');
		await c.query('UNLISTEN *');
		heard.length = 0;
		await pool.query('SELECT pg_notify($1, $2)', [`room${n}`, 'late']);
		await same(c, 'SELECT 8', 8);
		await same(c, 'SELECT 9', 9);
		assert.deepStrictEqual(heard, []);
		c.off('notification', hear);
	},

	async set(c, n) {
		const mine = `app ${n} of ${token('set')}`;

		await c.query(`SET application_name = '${mine}'`);
		await c.query(`SET search_path TO s${n % 4}, "odd, ""name""", public`);
		await c.query("SELECT set_config('app.me', $1, false)", [mine]);
		for (let i = 0; i < ROUNDS; i++) {
			await same(c, 'SHOW application_name', mine);
			await same(c, 'SELECT name FROM place', `s${n % 4}`);
			await same(c, "SELECT current_setting('app.me')", mine);
		}
		await c.query('RESET search_path');
		await fails(c, '42P01', 'SELECT name FROM place');
		await c.query('RESET ALL');
		await same(c, 'SHOW application_name', '');
		await same(c, "SELECT coalesce(current_setting('app.me', true), '')", '');
	},

	/* what others set is never seen */
	async unset(c) {
		for (let i = 0; i < ROUNDS; i++) {
			await same(c, 'SHOW work_mem', '4MB');
			await same(c, 'SHOW search_path', '"$user", public');
		}
	},

	async set_in_transaction(c) {
		await c.query("SET work_mem = '5MB'");
		await c.query('BEGIN');
		await c.query("SET work_mem = '6MB'");
		await c.query('ROLLBACK');
		await same(c, 'SHOW work_mem', '5MB');
		await c.query('BEGIN');
		await c.query("SET LOCAL work_mem = '7MB'");
		await same(c, 'SHOW work_mem', '7MB');
		await c.query('COMMIT');
		await same(c, 'SHOW work_mem', '5MB');
		await c.query('BEGIN');
		await c.query("SET work_mem = '8MB'");
		await c.query('COMMIT');
		await same(c, 'SHOW work_mem', '8MB');
		await c.query('RESET work_mem');
		await same(c, 'SHOW work_mem', '4MB');
	},

	async startup(_, n) {
		const c = await open({ application_name: `start ${n}`,
			options: `-c work_mem=${1100 + n}kB -c app.you=o${n}`,
			statement_timeout: 20000 + n, lock_timeout: 10000 + n });

		try {
			for (let i = 0; i < ROUNDS; i++) {
				await same(c, 'SHOW application_name', `start ${n}`);
				await same(c, 'SHOW work_mem', `${1100 + n}kB`);
				await same(c, 'SHOW app.you', `o${n}`);
				await same(c, 'SHOW statement_timeout', n ? `${20000 + n}ms` : '20s');
				await same(c, 'SHOW lock_timeout', n ? `${10000 + n}ms` : '10s');
			}
		} finally {
			await c.end();
		}
	},

	async temporary(c) {
		const mine = token('temp');

		await c.query('BEGIN');
		await c.query('CREATE TEMPORARY TABLE basket (v text) ON COMMIT DROP');
		await c.query('INSERT INTO basket VALUES ($1)', [mine]);
		await same(c, 'SELECT v FROM basket', mine);
		await c.query('COMMIT');
		await fails(c, '42P01', 'SELECT v FROM basket');
		await c.query('CREATE TEMP TABLE basket (v text)');
		await c.query('INSERT INTO basket VALUES ($1)', [mine]);
		await same(c, 'SELECT v FROM basket', mine);
		await c.query('DROP TABLE basket');
		await fails(c, '42P01', 'SELECT v FROM basket');
	},

	async advisory(c, n) {
		await c.query('SELECT pg_advisory_lock($1)', [4000 + n]);
		for (let i = 0; i < ROUNDS; i++)
			await same(c, 'SELECT count(*)::int FROM pg_locks WHERE locktype = ' +
				"'advisory' AND objid = $1 AND pid = pg_backend_pid()", 1, [4000 + n]);
		await same(c, 'SELECT pg_advisory_unlock($1)', true, [4000 + n]);
		await c.query('BEGIN');
		await c.query('SELECT pg_advisory_xact_lock(77)');
		await c.query('COMMIT');
		await same(c, 'SELECT count(*)::int FROM pg_locks WHERE locktype = ' +
			"'advisory' AND objid = $1", 0, [4000 + n]);
	},

	async sql_prepare(c, n) {
		await c.query(`PREPARE plan (text, int) AS SELECT $1 || ' ${n} ' || $2`);
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('plan');

			await same(c, `EXECUTE plan('${mine}', ${i})`, `${mine} ${n} ${i}`);
		}
		await c.query('DEALLOCATE plan');
		await fails(c, '26000', "EXECUTE plan('x', 1)");
	},

	async discard(c) {
		await c.query("SET application_name = 'to be forgotten'");
		await c.query('PREPARE forgotten AS SELECT 1');
		await same(c, { name: 'discarded', text: 'SELECT 5' }, 5);
		await c.query('DISCARD ALL');
		await same(c, 'SHOW application_name', '');
		await fails(c, '26000', 'EXECUTE forgotten');
		await fails(c, '26000', { name: 'discarded', text: 'SELECT 5' });
	},

	async cancel(c, n) {
		if (n >= 2)
			return;
		const mine = token('sleep');
		const done = assert.rejects(c.query(`SELECT pg_sleep(30) /* ${mine} */`),
			{ code: '57014' });

		await until(() => ask(pool, 'SELECT count(*)::int FROM pg_stat_activity ' +
			"WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1",
		[`%${mine}%`]), 'the query runs');
		const other = new pg.Connection();

		other.on('connect', () => other.cancel(c.processID, c.secretKey));
		other.on('error', () => {});
		other.connect(c.port, c.host);
		await done;
		await same(c, 'SELECT 4', 4);
	},

	/* all members over the ten connections of one Pool */
	async pool(_, n) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('pool');
			const c = await pool.connect();

			try {
				await c.query('BEGIN');
				await same(c, { name: `pool${n % 5}`, values: [mine],
					text: `SELECT $1::text, ${n % 5}` }, mine);
				await c.query("SELECT set_config('app.me', $1, true)", [mine]);
				await same(c, "SELECT current_setting('app.me')", mine);
				await c.query('COMMIT');
			} finally {
				c.release();
			}
			await same(pool, 'SELECT $1::text', mine, [mine]);
		}
	},

	async vanish() {
		const c = await open();

		await c.query('BEGIN');
		await c.query('INSERT INTO kept VALUES ($1)', [token('lost')]);
		c.connection.stream.destroy();
	},

	/* nothing is left of those who went */
	async after(c) {
		const mine = token('after');

		await until(async () => await ask(c,
			"SELECT count(*)::int FROM kept WHERE token LIKE 'lost-%'") === 0,
		'the lost are gone');

		await same(c, { name: 'after', text: 'SELECT $1::text', values: [mine] }, mine);
	},
};

run({ steps, open: () => open(), drop: (c) => c.end().catch(() => {}) });

/*
 * suite_pg_pool.js - suite_pg.js' cases of Pool.
 */
'use strict';

const assert = require('assert');
const pg = require('pg');
const Cursor = require('pg-cursor');
const { token, until, sleep } = require('./app_frame.js');

exports.add = (test, { client, poolOf, rejects }) => {
	test('pool_query', async () => {
		const p = poolOf();

		assert.deepStrictEqual((await p.query('SELECT $1::int AS n', [3])).rows, [{ n: 3 }]);
		await rejects(p.query('SELECT 1 / 0'), '22012');
		await new Promise((done, fail) => p.query('SELECT 1', (e) => (e ? fail(e) : done())));
	});

	test('pool_counts', async () => {
		const p = poolOf({ max: 2 });
		const [a, b] = [await p.connect(), await p.connect()];
		const third = p.connect();

		assert.deepStrictEqual([p.totalCount, p.idleCount, p.waitingCount], [2, 0, 1]);
		a.release();
		(await third).release();
		b.release();
		assert.deepStrictEqual([p.totalCount, p.idleCount, p.waitingCount], [2, 2, 0]);
	});

	test('pool_waits_for_a_place', async () => {
		const p = poolOf({ max: 1, connectionTimeoutMillis: 100 });
		const c = await p.connect();

		await assert.rejects(p.connect(), /timeout/);
		c.release();
		(await p.connect()).release();
	});

	test('pool_idle_timeout', async () => {
		const p = poolOf({ idleTimeoutMillis: 20 });

		await p.query('SELECT 1');
		await until(() => p.totalCount === 0, 'it is closed');
		await p.query('SELECT 1');
	});

	test('pool_events', async () => {
		const p = poolOf();
		const seen = [];

		for (const e of ['connect', 'acquire', 'release', 'remove'])
			p.on(e, () => seen.push(e));
		const c = await p.connect();

		c.release(true);
		await until(() => seen.includes('remove'), 'removed');
		assert.deepStrictEqual(seen.slice(0, 2), ['connect', 'acquire']);
	});

	test('pool_max_uses', async () => {
		const p = poolOf({ max: 1, maxUses: 2 });
		let made = 0;

		p.on('connect', () => made++);
		for (let i = 0; i < 6; i++)
			await p.query('SELECT 1');
		assert.strictEqual(made, 3);
	});

	test('pool_survives_a_kill', async () => {
		const p = poolOf({ max: 1 });
		const other = await client();
		const { rows: [{ pid }] } = await p.query('SELECT pg_backend_pid() AS pid');

		await other.query('SELECT pg_terminate_backend($1) WHERE $1 <> pg_backend_pid()', [pid]);
		await sleep(100);
		await p.query('SELECT 1');
	});

	test('pool_under_load', async () => {
		const p = poolOf({ max: 20 });
		const tokens = Array.from({ length: 400 }, () => token('load'));
		const got = await Promise.all(tokens.map((t) => p.query('SELECT $1::text AS t', [t])));

		assert.deepStrictEqual(got.map((r) => r.rows[0].t), tokens);
	});

	test('pool_end', async () => {
		const p = new pg.Pool();

		await p.query('SELECT 1');
		await p.end();
		await assert.rejects(p.query('SELECT 1'), /after calling end/);
	});

	/* closed for its age, and made anew */
	test('pool_lifetime', async () => {
		const p = poolOf({ max: 1, maxLifetimeSeconds: 1 });
		let made = 0;

		p.on('connect', () => made++);
		await p.query('SELECT 1');
		await until(() => p.totalCount === 0, 'it is old');
		await p.query('SELECT 1');
		assert.strictEqual(made, 2);
	});

	/* each client is asked before it is lent for the first time */
	test('pool_verify', async () => {
		const p = poolOf({ verify: (c, done) => c.query('SELECT 1', done) });

		assert.strictEqual((await p.query('SELECT 2 AS n')).rows[0].n, 2);
	});

	/* a name means the same in all of them, whoever prepared it where */
	test('pool_of_prepared', async () => {
		const p = poolOf({ max: 5 });
		const got = await Promise.all(Array.from({ length: 200 }, (_, i) => p.query({
			name: `pooled${i % 9}`, text: `SELECT $1::int + ${i % 9} AS n`, values: [i] })));

		got.forEach((r, i) => assert.strictEqual(r.rows[0].n, i + i % 9));
	});

	test('pool_takes_a_cursor', async () => {
		const p = poolOf({ max: 1 });
		const c = await p.connect();
		const cursor = c.query(new Cursor('SELECT generate_series(1, 9) AS n'));

		assert.strictEqual((await cursor.read(5)).length, 5);
		await cursor.close();
		c.release();
		assert.strictEqual((await p.query('SELECT 3 AS n')).rows[0].n, 3);
	});

	test('pool_forgets_a_broken_client', async () => {
		const p = poolOf({ max: 1 });
		const c = await p.connect();

		c.on('error', () => {});
		await c.query('BEGIN');
		c.connection.stream.destroy();
		await assert.rejects(c.query('SELECT 1'));
		c.release(new Error('broken'));
		assert.strictEqual((await p.query('SELECT 4 AS n')).rows[0].n, 4);
	});
};

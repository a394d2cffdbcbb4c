/*
 * suite_pg_stream.js - suite_pg.js' cases of pg-cursor and pg-copy-streams.
 */
'use strict';

const assert = require('assert');
const Cursor = require('pg-cursor');
const { to: copyTo, from: copyFrom } = require('pg-copy-streams');
const { token, until } = require('./app_frame.js');

exports.add = (test, { client, once, rejects }) => {
	test('cursor_reads_in_parts', async () => {
		const c = await client();
		const cursor = c.query(new Cursor('SELECT generate_series(0, 5) AS n'));
		const parts = [];

		for (const n of [2, 3, 10, 10])
			parts.push((await cursor.read(n)).map((r) => r.n));
		assert.deepStrictEqual(parts, [[0, 1], [2, 3, 4], [5], []]);
		await cursor.close();
	});

	test('cursor_error', async () => {
		const c = await client();
		const cursor = c.query(new Cursor('SELECT 1 / (3 - i) FROM generate_series(1, 5) i'));

		await cursor.read(2);
		await rejects(cursor.read(2), '22012');
		await c.query('SELECT 1');
		await rejects(c.query(new Cursor('SELEC')).read(1), '42601');
		await c.query('SELECT 1');
	});

	test('cursor_closed_early', async () => {
		const c = await client();

		for (let i = 0; i < 5; i++) {
			const cursor = c.query(new Cursor('SELECT generate_series(1, 1000)'));

			await cursor.read(1);
			await cursor.close();
		}
		await c.query('SELECT 1');
	});

	test('cursors_in_a_transaction', async () => {
		const c = await client();

		await c.query('BEGIN');
		await c.query('CREATE TEMP TABLE few ON COMMIT DROP AS SELECT generate_series(1, 9) AS n');
		const cursor = c.query(new Cursor('SELECT n FROM few ORDER BY n'));

		assert.strictEqual((await cursor.read(4)).length, 4);
		assert.strictEqual((await cursor.read(9)).length, 5);
		await cursor.close();
		await c.query('COMMIT');
	});

	test('copy_out_of_nothing', async () => {
		const c = await client();
		let out = '';

		for await (const chunk of c.query(copyTo('COPY (SELECT 1 WHERE false) TO STDOUT')))
			out += chunk;
		assert.strictEqual(out, '');
	});

	test('copy_out_left_halfway', async () => {
		const c = await client();
		const name = token('halfway');
		const out = c.query(copyTo(`COPY (SELECT '${name}', repeat(md5(i::text), 20) ` +
			'FROM generate_series(1, 100000) i) TO STDOUT'));

		out.on('error', () => {});
		await once(out, 'readable');
		c.connection.stream.destroy();
		const other = await client();

		await until(async () => (await other.query('SELECT FROM pg_stat_activity WHERE ' +
			"state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1",
		[`%${name}%`])).rowCount === 0, 'nobody copies any more');
	});

	test('copy_in_of_bad_rows', async () => {
		const c = await client();

		await c.query('CREATE TABLE IF NOT EXISTS numbers (n int)');
		await assert.rejects(new Promise((done, fail) => {
			const into = c.query(copyFrom('COPY numbers FROM STDIN'));

			into.on('error', fail);
			into.on('finish', done);
			into.end('1\nnone\n');
		}), { code: '22P02' });
		assert.strictEqual((await c.query('SELECT FROM numbers')).rowCount, 0);
		await c.query('DROP TABLE numbers');
	});

	test('copy_in_given_up', async () => {
		const c = await client();
		const name = token('given-up');

		await assert.rejects(new Promise((done, fail) => {
			const into = c.query(copyFrom('COPY kept FROM STDIN'));

			into.on('error', fail);
			into.on('finish', done);
			into.write(`${name}\n`, () => into.destroy(new Error('enough')));
		}));
		const { rowCount } = await c.query('SELECT FROM kept WHERE token = $1', [name]);

		assert.strictEqual(rowCount, 0);
	});

	/* what has no rows to read */
	test('cursor_of_no_rows', async () => {
		const c = await client();

		for (const sql of ['SELECT 1 WHERE false', "INSERT INTO kept VALUES ('by cursor')",
			"DELETE FROM kept WHERE token = 'by cursor'", '']) {
			const cursor = c.query(new Cursor(sql));

			assert.deepStrictEqual(await cursor.read(10), []);
			await cursor.close();
		}
		await c.query('SELECT 1');
	});

	/* while it is open, what comes behind it waits */
	test('cursor_and_what_waits', async () => {
		const c = await client();
		const cursor = c.query(new Cursor('SELECT generate_series(1, 300) AS n'));
		const behind = c.query('SELECT 5 AS n');
		let n = 0;

		for (let rows; (rows = await cursor.read(70)).length > 0;)
			n += rows.length;
		assert.strictEqual(n, 300);
		assert.strictEqual((await behind).rows[0].n, 5);
	});
};

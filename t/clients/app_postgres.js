/*
 * app_postgres.js - postgres.js as an application uses it: it prepares each
 * tagged query under a name of its own, and opens one connection more to
 * listen on.  A member is an instance of two connections.
 */
'use strict';

const assert = require('assert');
const { pipeline } = require('stream/promises');
const { Readable } = require('stream');
const postgres = require('postgres');
const { run, token, until, ROUNDS, CROWD } = require('./app_frame.js');

const open = async (more = {}) => {
	const sql = postgres({ max: 2, onnotice() {}, ...more });

	await sql`SELECT 1`;
	return sql;
};

const aside = postgres({ max: 4 });

/* The first column of the only row of an answer. */
async function one(query) {
	const rows = await query.values();

	assert.strictEqual(rows.length, 1);
	return rows[0][0];
}

async function same(query, want) {
	assert.deepStrictEqual(await one(query), want);
}

const fails = (code, query) => assert.rejects(async () => query, { code });

/* A connection of its own for as long as `work` takes. */
async function reserved(sql, work) {
	const c = await sql.reserve();

	try {
		await work(c);
	} finally {
		c.release();
	}
}

const steps = {
	async simple(sql) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('simple');

			await same(sql.unsafe(`SELECT '${mine}'`), mine);
		}
		const r = await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b');

		assert.deepStrictEqual([r[0][0].a, r[1][0].b], [1, 2]);
	},

	async prepared(sql) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token("it's \\ \u20ac");

			await same(sql`SELECT ${mine}::text`, mine);
		}
	},

	/* its names are alike in all members: the texts behind them are not */
	async many_texts(sql, n) {
		for (let round = 0; round < 2; round++)
			for (let i = 0; i < 40; i++) {
				const mine = token('many');

				await same(sql.unsafe(`SELECT $1::text || ' ${n}.${i}'`, [mine],
					{ prepare: true }), `${mine} ${n}.${i}`);
			}
	},

	async unprepared(sql) {
		for (let i = 0; i < ROUNDS; i++) {
			const mine = token('plain');

			await same(sql.unsafe('SELECT $1::text', [mine]), mine);
		}
	},

	async types(sql) {
		const when = new Date(1700000000000);
		const [r] = await sql`SELECT ${'9007199254740993'}::int8 AS i, ${1.5}::float8 AS f,
			${true}::bool AS b, ${when}::timestamptz AS t, ${sql.json({ a: [1, null] })}::jsonb AS j,
			${sql.array(['x"y', 'z'])}::text[] AS l, ${Buffer.from([0, 255])}::bytea AS y,
			${null}::text AS n`;

		assert.deepStrictEqual({ ...r, y: Buffer.from(r.y) }, { i: '9007199254740993', f: 1.5,
			b: true, t: when, j: { a: [1, null] }, l: ['x"y', 'z'], y: Buffer.from([0, 255]), n: null });
	},

	async transaction(sql) {
		const mine = token('row');
		const count = (c) => c`SELECT count(*)::int FROM kept WHERE token = ${mine}`;

		await assert.rejects(sql.begin(async (t) => {
			await t`INSERT INTO kept ${t({ token: mine })}`;
			await same(count(t), 1);
			throw new Error('roll back');
		}), /roll back/);
		await same(count(sql), 0);
		await sql.begin(async (t) => {
			await t.savepoint(async (s) => {
				await s`INSERT INTO kept ${s({ token: mine })}`;
				throw new Error('inner');
			}).catch(() => {});
			await t`INSERT INTO kept ${t({ token: mine })}`;
		});
		await same(count(sql), 1);
	},

	/* it sends the queries of an array without a wait between them */
	async pipelined(sql) {
		const tokens = Array.from({ length: 30 }, () => token('piped'));
		const got = await sql.begin((t) => tokens.map((x, i) =>
			t.unsafe(`SELECT $1::text, ${i % 4}`, [x], { prepare: true }).values()));

		assert.deepStrictEqual(got.map((r) => r[0][0]), tokens);
		assert.deepStrictEqual(await Promise.all(tokens.map((x) => one(sql`SELECT ${x}::text`))),
			tokens);
	},

	async error(sql) {
		const divide = (by) => sql`SELECT 10 / ${by}::int`;

		await same(divide(5), 2);
		await fails('22012', divide(0));
		await same(divide(2), 5);
		await fails('42601', sql`SELEC ${1}`);
		await fails('22012', sql.begin(async (t) => { await t`SELECT 1 / ${0}::int`; }));
		const all = await Promise.allSettled([5, 0, 2, 0, 1].map((by) => one(divide(by))));

		assert.deepStrictEqual(all.map((a) => (a.reason ? a.reason.code : a.value)),
			[2, '22012', 5, '22012', 10]);
	},

	async cursor(sql) {
		const mine = token('cursor');
		let n = 0;

		for await (const rows of sql`SELECT ${mine}::text || '.' || i AS v
			FROM generate_series(1, 250) i`.cursor(100))
			for (const { v } of rows)
				assert.strictEqual(v, `${mine}.${++n}`);
		assert.strictEqual(n, 250);
		for await (const rows of sql`SELECT generate_series(1, 1000)`.cursor(10)) {
			assert.strictEqual(rows.length, 10);
			break;
		}
		n = 0;
		await sql`SELECT ${mine}::text AS v FROM generate_series(1, 50)`.forEach((row) => {
			assert.strictEqual(row.v, mine);
			n++;
		});
		assert.strictEqual(n, 50);
	},

	/* no more than a stream's buffer holds: its readable() may stop for good */
	async copy(sql) {
		const mine = token('copy');
		const lines = Array.from({ length: 300 }, (_, i) => `${mine}-${i}\n`);
		let back = '';

		await pipeline(Readable.from(lines), await sql`COPY kept FROM STDIN`.writable());
		for await (const chunk of await sql.unsafe('COPY (SELECT token FROM kept ' +
			`WHERE token LIKE '${mine}-%' ORDER BY length(token), token) TO STDOUT`).readable())
			back += chunk;
		assert.strictEqual(back, lines.join(''));
		await same(sql`SELECT 3`, 3);
	},

	async listen(sql, n) {
		const heard = [];
		const want = Array.from({ length: 5 }, () => token('note'));
		const { unlisten } = await sql.listen(`room${n}`, (payload) => heard.push(payload));

		for (const payload of want)
			await aside.notify(`room${n}`, payload);
		await until(() => heard.length === 5, `5 notes, but ${heard.length}`);
		assert.deepStrictEqual(heard, want);
		await unlisten();
	},

	async set(sql, n) {
		await reserved(sql, async (c) => {
			const mine = `app ${n} of ${token('set')}`;

			await c.unsafe(`SET application_name = '${mine}'`);
			await c.unsafe(`SET search_path TO s${n % 4}, public`);
			for (let i = 0; i < ROUNDS; i++) {
				await same(c`SHOW application_name`, mine);
				await same(c`SELECT name FROM place`, `s${n % 4}`);
			}
			await c`RESET search_path`;
			await c`SET application_name = 'postgres.js'`;
		});
		for (let i = 0; i < ROUNDS; i++)
			await same(sql`SHOW application_name`, 'postgres.js');
	},

	async startup(_, n) {
		const sql = await open({ connection: { application_name: `start ${n}`,
			search_path: `s${n % 4}`, work_mem: `${1100 + n}kB` } });

		for (let i = 0; i < ROUNDS; i++) {
			await same(sql`SHOW application_name`, `start ${n}`);
			await same(sql`SHOW work_mem`, `${1100 + n}kB`);
			await same(sql`SELECT name FROM place`, `s${n % 4}`);
		}
		await sql.end();
	},

	async temporary(sql) {
		const mine = token('temp');

		await sql.begin(async (t) => {
			await t`CREATE TEMPORARY TABLE basket (v text) ON COMMIT DROP`;
			await t`INSERT INTO basket VALUES (${mine})`;
			await same(t`SELECT v FROM basket`, mine);
		});
		await reserved(sql, async (c) => {
			await c`CREATE TEMP TABLE bag (v text)`;
			await c`INSERT INTO bag VALUES (${mine})`;
			await same(c`SELECT v FROM bag`, mine);
			await c`DROP TABLE bag`;
		});
	},

	async advisory(sql, n) {
		await reserved(sql, async (c) => {
			await c`SELECT pg_advisory_lock(${4100 + n})`;
			for (let i = 0; i < ROUNDS; i++)
				await same(c`SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'
					AND objid = ${4100 + n} AND pid = pg_backend_pid()`, 1);
			await same(c`SELECT pg_advisory_unlock(${4100 + n})`, true);
		});
	},

	async sql_prepare(sql, n) {
		await reserved(sql, async (c) => {
			await c.unsafe(`PREPARE plan (text) AS SELECT $1 || ' ${n}'`);
			for (let i = 0; i < ROUNDS; i++) {
				const mine = token('plan');

				await same(c.unsafe(`EXECUTE plan('${mine}')`), `${mine} ${n}`);
			}
			await c`DEALLOCATE plan`;
		});
	},

	async cancel(sql, n) {
		if (n >= 2)
			return;
		const mine = token('sleep');
		const query = sql.unsafe(`SELECT pg_sleep(30) /* ${mine} */`);
		const done = assert.rejects(query.execute(), { code: '57014' });

		await until(() => one(aside`SELECT count(*)::int FROM pg_stat_activity WHERE
			state = 'active' AND pid <> pg_backend_pid() AND query LIKE ${`%${mine}%`}`),
		'the query runs');
		query.cancel();
		await done;
		await same(sql`SELECT 4`, 4);
	},

	async after(sql) {
		const mine = token('after');

		await same(sql`SELECT ${mine}::text`, mine);
	},
};

/* with its listener and its reserve a member has up to three */
run({ steps, open: () => open(), drop: (sql) => sql.end({ timeout: 5 }).catch(() => {}),
	crowd: Math.ceil(CROWD / 2) });

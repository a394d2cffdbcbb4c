/*
 * talk_pg.js - node-postgres's conversation.
 */
'use strict';

const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const { token } = require('./app_frame.js');
const pg = (() => {
	try {
		return require('pg');
	} catch (e) {
		console.log('missing: pg');
		process.exit(77);
	}
})();

const env = process.env;
const isTls = env.PGSSLMODE !== 'disable';
const CROWD = 20, ROUNDS = 10, ROWS = 5000;

/* Newer releases bind SCRAM to the TLS connection if they are asked to. */
const settings = (more, ca = env.PGSSLROOTCERT) => ({
	host: env.PGHOST,
	port: Number(env.PGPORT),
	connectionTimeoutMillis: 20000,
	enableChannelBinding: isTls,
	ssl: isTls && { ca: fs.readFileSync(ca), host: env.PGHOST },
	...more,
});

async function connect(more, ca) {
	const c = new pg.Client(settings(more, ca));

	await c.connect();
	return c;
}

async function ask(c, text, values) {
	const r = await c.query({ text, values, rowMode: 'array' });

	return r.rows[0][0];
}

const fails = (c, code, sql) => assert.rejects(c.query(sql), { code });

const talk = {
	async simple(c) {
		assert.strictEqual(await ask(c, 'SELECT 6 * 7'), 42);
		assert.strictEqual(await ask(c, 'SELECT current_user'),
			env.PGUSER);
	},

	async parameter(c) {
		for (let i = 0; i < 8; i++) {
			const want = `it's ${i}: \\ \u00e4 \u20ac`;
			const q = { text: 'SELECT $1::text AS t', values: [want] };

			assert.strictEqual((await c.query(q)).rows[0].t, want);
			q.name = 'named';
			assert.strictEqual((await c.query(q)).rows[0].t, want);
		}
		assert.strictEqual(
			await ask(c, 'SELECT $1::text IS NULL', [null]), true);
	},

	async transaction(c) {
		const mine = token('row');
		const count = () => ask(c,
			'SELECT count(*)::int FROM kept WHERE token = $1', [mine]);
		const insert = () =>
			c.query('INSERT INTO kept VALUES ($1)', [mine]);

		await c.query('BEGIN');
		await insert();
		assert.strictEqual(await count(), 1);
		await c.query('ROLLBACK');
		assert.strictEqual(await count(), 0);
		await c.query('BEGIN');
		await insert();
		await c.query('COMMIT');
		assert.strictEqual(await count(), 1);
	},

	async large(c) {
		const { rows } = await c.query('SELECT i, ' +
			'repeat(md5(i::text), 32) AS body ' +
			`FROM generate_series(1, ${ROWS}) i`);

		assert.strictEqual(rows.length, ROWS);
		rows.forEach((row, at) => {
			const md5 = crypto.createHash('md5');

			assert.strictEqual(row.i, at + 1);
			assert.strictEqual(row.body,
				md5.update(String(row.i)).digest('hex').repeat(32));
		});
	},

	async error(c) {
		await fails(c, '22012', 'SELECT 1/0');
		assert.strictEqual(await ask(c, 'SELECT 1'), 1);
		await c.query('BEGIN');
		await fails(c, '42P01', 'SELECT * FROM not_there');
		await fails(c, '25P02', 'SELECT 1');
		await c.query('ROLLBACK');
		assert.strictEqual(await ask(c, 'SELECT 2'), 2);
	},

	async cancel(c) {
		const mine = token('sleep');
		const q = new pg.Query(`SELECT pg_sleep(30) /* ${mine} */`);
		const ended = new Promise((resolve, reject) => {
			q.on('error', resolve);
			q.on('end', () => reject(new Error('not cancelled')));
		});
		const watcher = await connect();
		const running = () => ask(watcher,
			'SELECT count(*)::int FROM pg_stat_activity ' +
			"WHERE state = 'active' AND pid <> pg_backend_pid() " +
			`AND query LIKE '%${mine}%'`);
		const limit = Date.now() + 10000;

		c.query(q);
		while (await running() === 0)
			assert(Date.now() < limit, 'the query does not run');
		/* its cancel knows no TLS */
		new pg.Client(settings({ ssl: false })).cancel(c, q);
		assert.strictEqual((await ended).code, '57014');
		assert(Date.now() < limit, 'cancelled too late');
		await watcher.end();
		assert.strictEqual(await ask(c, 'SELECT 4'), 4);
	},

	async parallel() {
		const crowd = Array.from({ length: CROWD }, async (_, n) => {
			const c = await connect();

			for (let i = 0; i < ROUNDS; i++) {
				const mine = token(`crowd${n}.${i}`);

				assert.strictEqual(
					await ask(c, 'SELECT $1::text', [mine]), mine);
			}
			return c;
		});

		for (const c of await Promise.all(crowd))
			await c.end();
	},

	async password() {
		const refused = (code, more) =>
			assert.rejects(connect(more), { code });

		if (env.TALK_AUTH === 'trust')
			return refused('28000', { user: 'nobody' });
		await refused('28P01', { password: 'wrong' });
		await refused('28P01', { user: 'nobody' });
	},

	async stranger() {
		if (!isTls)
			return false;
		await assert.rejects(connect({}, env.TALK_OTHER_CA),
			{ code: /CERT|SIGNATURE|ISSUER/ });
	},

	/* TLS from the first byte on, which newer releases know */
	async direct() {
		let knows = false;

		try {
			new pg.Client({ ssl: false, sslnegotiation: 'direct' });
		} catch (e) {
			knows = true;
		}
		if (!isTls || !knows)
			return false;
		const c = await connect({ sslnegotiation: 'direct' });

		assert.strictEqual(await ask(c, 'SELECT 5'), 5);
		await c.end();
	},

	async close(c) {
		await c.end();
		await assert.rejects(c.query('SELECT 1'));
	},
};

(async () => {
	const c = await connect();

	console.log('ok connect');
	for (const [name, step] of Object.entries(talk))
		if (await step(c) !== false)
			console.log(`ok ${name}`);
})().catch((e) => {
	console.log(e);
	process.exit(1);
});

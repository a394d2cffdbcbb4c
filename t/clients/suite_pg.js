/*
 * suite_pg.js - what node-postgres' own tests look for, written anew: its
 * package has none of them.  Many cases of one promise each, one after another
 * and each with connections of its own; app_pg.js has the crowd.
 */
'use strict';

const assert = require('assert');
const pg = require('pg');
const { within, token, until, sleep } = require('./app_frame.js');

const cases = [];
const test = (name, run) => cases.push([name, run]);
let mine = [];

/* Ended with its case, however that goes. */
async function client(config = {}) {
	const c = new pg.Client(config);

	mine.push(c);
	c.on('error', () => {});
	await c.connect();
	return c;
}

function poolOf(config = {}) {
	const p = new pg.Pool(config);

	mine.push(p);
	p.on('error', () => {});
	return p;
}

const once = (emitter, event) => within(5000,
	new Promise((done) => emitter.once(event, done)), event);
const rejects = (promise, code) => assert.rejects(promise, { code });

/* --- a client's life ------------------------------------------------------------- */

test('connect_promise', async () => {
	const c = await client();

	assert.strictEqual(typeof c.processID, 'number');
	assert.ok(c.processID !== 0);
});

test('connect_callback', async () => {
	const c = new pg.Client();

	await new Promise((done, fail) => c.connect((e) => (e ? fail(e) : done())));
	await new Promise((done, fail) => c.query('SELECT 1', (e) => (e ? fail(e) : done())));
	await new Promise((done) => c.end(done));
});

test('connect_twice', async () => {
	const c = await client();

	await assert.rejects(c.connect(), /already/);
});

test('connection_string', async () => {
	const { PGHOST, PGPORT, PGUSER, PGDATABASE } = process.env;
	const c = await client({ connectionString:
		`postgres://${PGUSER}:none@${PGHOST}:${PGPORT}/${PGDATABASE}?application_name=by%20url` });
	const { rows } = await c.query('SHOW application_name');

	assert.strictEqual(rows[0].application_name, 'by url');
});

/* its own, or one to fall back to, or the environment's, or none */
test('application_name', async () => {
	const own = "odd !@#$% it's 'one'", other = 'another $$ one';
	const name = async (config) => {
		const { rows } = await (await client(config)).query('SHOW application_name');

		return rows[0].application_name;
	};

	assert.strictEqual(await name({}), '');
	assert.strictEqual(await name({ application_name: own }), own);
	assert.strictEqual(await name({ fallback_application_name: other }), other);
	assert.strictEqual(await name({ application_name: own, fallback_application_name: other }), own);
	process.env.PGAPPNAME = 'environment';
	try {
		assert.strictEqual(await name({}), 'environment');
	} finally {
		delete process.env.PGAPPNAME;
	}
});

test('no_such_database', async () => {
	await assert.rejects(client({ database: 'not_there' }), { code: '3D000' });
});

test('nobody_listens', async () => {
	await assert.rejects(client({ port: 1 }), { code: 'ECONNREFUSED' });
});

test('parameter_status', async () => {
	const c = new pg.Client();
	const seen = {};

	mine.push(c);
	c.connection.on('parameterStatus', (m) => { seen[m.parameterName] = m.parameterValue; });
	await c.connect();
	assert.strictEqual(seen.client_encoding, 'UTF8');
	assert.match(seen.server_version, /^\d+/);
	assert.strictEqual(seen.integer_datetimes, 'on');
	await c.query("SET application_name = 'told'");
	assert.strictEqual(seen.application_name, 'told');
});

test('end_is_an_event', async () => {
	const c = new pg.Client();

	await c.connect();
	const ended = once(c, 'end');

	await c.end();
	await ended;
	await assert.rejects(c.query('SELECT 1'), /closed|not queryable/);
});

test('end_after_a_query', async () => {
	const c = new pg.Client();

	await c.connect();
	const answer = c.query('SELECT 1 AS n');
	const ended = answer.then(() => c.end());

	assert.strictEqual((await answer).rows[0].n, 1);
	await ended;
});

/*
 * Terminate comes with the end of its start, or ahead of it; the driver's
 * promises may then stay open for good.
 */
test('end_at_once', async () => {
	for (let i = 0; i < 10; i++) {
		const c = new pg.Client();

		c.on('error', () => {});
		c.connect().catch(() => {});
		c.end().catch(() => {});
	}
	await (await client()).query('SELECT 1');
});

test('drained', async () => {
	const c = await client();
	const drain = once(c, 'drain');

	c.query('SELECT 1');
	c.query('SELECT 2');
	await drain;
});

test('killed_while_busy', async () => {
	const c = await client();
	const other = await client();
	const { rows: [{ pid }] } = await c.query('BEGIN; SELECT pg_backend_pid() AS pid')
		.then((r) => r[1]);
	const query = assert.rejects(c.query('SELECT pg_sleep(30)'), (e) =>
		e.code === '57P01' || /terminated/.test(e.message));

	await until(async () => (await other.query('SELECT state FROM pg_stat_activity ' +
		"WHERE pid = $1 AND query LIKE '%sleep%'", [pid])).rows.length === 1, 'it runs');
	await other.query('SELECT pg_terminate_backend($1)', [pid]);
	await query;
});

test('killed_while_idle', async () => {
	const c = await client();
	const other = await client();
	const { rows: [{ pid }] } = await c.query('SELECT pg_backend_pid() AS pid');
	const mode = process.env.APP_PLACE;

	await other.query('SELECT pg_terminate_backend($1) WHERE $1 <> pg_backend_pid()', [pid]);
	if (mode !== 'transaction') {
		await once(c, 'end');
		return;
	}
	/* between its transactions no backend is the client's */
	await sleep(50);
	await c.query('SELECT 1');
});

test('statement_timeout', async () => {
	const c = await client({ statement_timeout: 100 });

	await rejects(c.query('SELECT pg_sleep(30)'), '57014');
	await c.query('SELECT 1');
});

test('query_timeout', async () => {
	const c = await client({ query_timeout: 100 });

	await assert.rejects(c.query('SELECT pg_sleep(0.3)'), /timeout/i);
	await sleep(400);
	await c.query('SELECT 1');
});

test('idle_in_transaction_timeout', async () => {
	const c = await client({ idle_in_transaction_session_timeout: 100 });
	const gone = once(c, 'end');

	await c.query('BEGIN');
	await gone;
});

test('encoding', async () => {
	const c = await client({ client_encoding: 'UTF8' });

	await c.query("SET client_encoding = 'LATIN1'");
	const { rows } = await c.query("SELECT encode(convert_to(E'\\u00e4', 'LATIN1'), 'hex') AS h," +
		" current_setting('client_encoding') AS e");

	assert.deepStrictEqual(rows[0], { h: 'e4', e: 'LATIN1' });
	await c.query('RESET client_encoding');
	assert.strictEqual((await c.query("SELECT E'\\u20ac' AS euro")).rows[0].euro, '\u20ac');
});

test('ssl_refused', async () => {
	await assert.rejects(client({ ssl: true }), /does not support SSL/);
});

/* --- notifications and notices ------------------------------------------------------ */

test('notification', async () => {
	const c = await client();
	const heard = once(c, 'notification');

	await c.query('LISTEN boom');
	await c.query("NOTIFY boom, 'payload'");
	const note = await heard;

	assert.strictEqual(note.channel, 'boom');
	assert.strictEqual(note.payload, 'payload');
	assert.strictEqual(typeof note.processId, 'number');
	await c.query('UNLISTEN boom');
});

test('notification_of_a_transaction', async () => {
	const c = await client();
	const other = await client();
	const heard = [];

	c.on('notification', (m) => heard.push(m.payload));
	await c.query('LISTEN "Odd Name"');
	await other.query('BEGIN');
	await other.query("SELECT pg_notify('Odd Name', 'lost')");
	await other.query('ROLLBACK');
	await other.query('BEGIN');
	await other.query("SELECT pg_notify('Odd Name', 'kept')");
	await sleep(50);
	assert.deepStrictEqual(heard, []);
	await other.query('COMMIT');
	await until(() => heard.length > 0, 'the note');
	assert.deepStrictEqual(heard, ['kept']);
});

test('listen_rolled_back', async () => {
	const c = await client();
	const heard = [];

	c.on('notification', (m) => heard.push(m.payload));
	await c.query('BEGIN');
	await c.query('LISTEN undone');
	await c.query('ROLLBACK');
	await c.query("NOTIFY undone, 'x'");
	await sleep(50);
	await c.query('SELECT 1');
	assert.deepStrictEqual(heard, []);
});

test('notice', async () => {
	const c = await client();
	const heard = once(c, 'notice');

	await c.query("DO $$ BEGIN RAISE NOTICE 'hello' USING detail = 'more', " +
		"hint = 'a hint', errcode = '23505'; END $$");
	const notice = await heard;

	assert.deepStrictEqual([notice.message, notice.detail, notice.hint, notice.code],
		['hello', 'more', 'a hint', '23505']);
});

test('notices_asked_for', async () => {
	const c = await client();
	const heard = [];

	c.on('notice', (n) => heard.push(n.message));
	await c.query("SET client_min_messages = 'debug1'");
	await c.query("DO $$ BEGIN RAISE DEBUG 'low'; END $$");
	assert.ok(heard.includes('low'));
	await c.query('SET client_min_messages = warning');
	heard.length = 0;
	await c.query("DO $$ BEGIN RAISE NOTICE 'not this'; END $$");
	assert.deepStrictEqual(heard, []);
});

/* --- cancel ------------------------------------------------------------------------------ */

async function cancel(c) {
	const other = new pg.Connection();

	other.on('connect', () => other.cancel(c.processID, c.secretKey));
	other.connect(c.port, c.host);
	await once(other, 'end');
}

test('cancel_a_query', async () => {
	const c = await client();
	const name = token('cancel');
	const done = rejects(c.query(`SELECT pg_sleep(30) /* ${name} */`), '57014');
	const other = await client();

	await until(async () => (await other.query('SELECT FROM pg_stat_activity WHERE ' +
		"state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1",
	[`%${name}%`])).rows.length === 1, 'it runs');
	await cancel(c);
	await done;
	await c.query('SELECT 1');
});

test('cancel_nothing', async () => {
	const c = await client();

	await cancel(c);
	await c.query('SELECT 1');
});

for (const part of ['query', 'pool', 'stream'])
	require(`./suite_pg_${part}.js`).add(test, { client, poolOf, once, rejects });

/* --- one after another ----------------------------------------------------------------------------- */

(async () => {
	const only = (process.env.APP_ONLY || '').split(' ').filter(Boolean);
	const chosen = cases.filter(([name]) => !only.length || only.includes(name));
	let stray = null;

	process.on('uncaughtException', (e) => { stray = e; });
	process.on('unhandledRejection', (e) => { stray = e; });
	console.log(`plan ${chosen.length}`);
	for (const [name, run] of chosen) {
		let why = null;

		stray = null;
		await within(20000, run(), name).catch((e) => { why = e; });
		why = why || stray;
		console.log(why ? `FAIL ${name}: ${why.code || ''} ${String(why.stack)
			.replace(/\s+/g, ' ').slice(0, 300)}` : `ok ${name}`);
		await Promise.all(mine.map((m) => within(2000, m.end()).catch(() => {})));
		mine = [];
	}
	process.exit(0);
})();

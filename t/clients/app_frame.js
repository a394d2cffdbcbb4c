/*
 * app_frame.js - what the applications in JavaScript share: a crowd of
 * connections, each of which does every step, all of them at the same time.
 */
'use strict';

const { env } = process;

exports.CROWD = Number(env.APP_CROWD || 24);
exports.ROUNDS = Number(env.APP_ROUNDS || 8);
exports.STEP_MS = Number(env.APP_STEP_MS || 40000);

let serial = 0;

/* A string that nobody else sends. */
exports.token = (what) => `${what}-${process.pid}-${++serial}-${Date.now()}`;

exports.sleep = (ms) => new Promise((done) => setTimeout(done, ms));

exports.within = async (ms, promise, what) => {
	let timer;
	const late = new Promise((_, fail) => {
		timer = setTimeout(() => fail(new Error(`${what || 'step'}: not in ${ms} ms`)), ms);
	});

	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/* Until it holds, with a limit. */
exports.until = async (condition, what) => {
	const end = Date.now() + 15000;

	while (!(await condition())) {
		if (Date.now() > end)
			throw new Error(`not in time: ${what}`);
		await exports.sleep(5);
	}
};

const brief = (e) => `${e.code ? `${e.code} ` : ''}${(e.stack || String(e))
	.split('\n').filter((l) => !/node_modules|node:internal/.test(l))
	.slice(0, 4).join(' ').replace(/\s+/g, ' ')}`;

/*
 * open(n) gives member n, drop(member) ends it whatever its state.  A member
 * whose step fails is replaced, so that each step stands for itself.
 */
exports.run = async ({ steps, open, drop, crowd = exports.CROWD }) => {
	const only = (env.APP_ONLY || '').split(' ').filter(Boolean);
	const chosen = Object.entries(steps)
		.filter(([name]) => !only.length || only.includes(name));
	let members;

	/* a driver that lets an error go nowhere has failed its step */
	let stray = null;
	const onStray = (e) => { stray = stray || e; };

	process.on('uncaughtException', onStray);
	process.on('unhandledRejection', onStray);
	console.log(`plan ${chosen.length + 1}`);
	members = await Promise.all(Array.from({ length: crowd }, (_, n) => open(n)));
	console.log('ok connect');
	for (const [name, step] of chosen) {
		stray = null;
		const said = await Promise.all(members.map((m, n) =>
			exports.within(exports.STEP_MS, (async () => step(m, n))())
				.then(() => null, (e) => e)));
		const bad = said.filter(Boolean);

		if (!bad.length && !stray) {
			console.log(`ok ${name}`);
			continue;
		}
		console.log(`FAIL ${name}: ${bad.length} of ${crowd}: ${brief(bad[0] || stray)}`);
		members = await Promise.all(members.map((m, n) => {
			if (!said[n])
				return m;
			drop(m);
			return open(n);
		}));
	}
	await exports.within(exports.STEP_MS, Promise.all(members.map(drop)), 'the end');
	process.exit(0);
};

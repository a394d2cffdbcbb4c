"""app_asyncpg.py - asyncpg as an application uses it: connections with the
statement cache that they have by themselves, and a Pool."""

import asyncio
import datetime
import io

import app_frame as app
import app_loop
import asyncpg

pool = None  # ten connections, for all members


async def connect(**more):
    return await asyncpg.connect(timeout=20, ssl=False, **more)


async def same(c, sql, want, *values):
    app.equal(await c.fetchval(sql, *values), want)


async def fails(c, error, sql, *values):
    try:
        await c.fetchval(sql, *values)
    except error:
        return
    raise AssertionError("no error: " + sql)


async def until(condition, what):
    limit = app.deadline()
    while not await condition():
        app.is_before(limit, what)
        await asyncio.sleep(0.005)


async def simple(c, n):
    for _ in range(app.ROUNDS):
        mine = app.token("simple")
        await same(c, "SELECT '%s'" % mine, mine)
        app.equal(await c.execute("SELECT 1; SELECT 2"), "SELECT 1")


async def cached(c, n):
    for _ in range(app.ROUNDS):
        mine = app.token("it's \u20ac")
        await same(c, "SELECT $1::text", mine, mine)


async def prepared(c, n):
    statement = await c.prepare("SELECT $1::text || ' of %d'" % n)
    app.equal([a.name for a in statement.get_parameters()], ["text"])
    for _ in range(app.ROUNDS):
        mine = app.token("prepared")
        app.equal(await statement.fetchval(mine), "%s of %d" % (mine, n))


async def many_texts(c, n):
    """More than its cache of 100 holds: the oldest are closed."""
    for _ in range(2):
        for i in range(120):
            mine = app.token("many")
            want = "%s %d.%d" % (mine, n, i)
            await same(c, "SELECT $1::text || ' %d.%d'" % (n, i), want, mine)


async def types(c, n):
    when = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
    row = await c.fetchrow(
        "SELECT $1::int8, $2::float8, $3::bool, $4::timestamptz, $5::text[],"
        " $6::bytea, $7::numeric, int4range(1, $8), ROW(1, 'a'::text)",
        *(2**53 + 1, 1.5, True, when, ["x", None], b"\0\xff", 7, 9),
    )
    app.equal(tuple(row[:6]), (2**53 + 1, 1.5, True, when, ["x", None], b"\0\xff"))
    app.equal((row[6], row[7].upper, tuple(row[8])), (7, 9, (1, "a")))


async def introspected(c, n):
    """A type of the application's own is looked up in the catalogues."""
    row = await c.fetchrow("SELECT 'sad'::mood, ARRAY['ok']::mood[]")
    app.equal(tuple(row), ("sad", ["ok"]))
    await c.set_type_codec("mood", encoder=str, decoder=str.upper, format="text")
    await same(c, "SELECT 'sad'::mood || ''", "sad")
    await same(c, "SELECT 'ok'::mood /* again */", "OK")
    await c.reset_type_codec("mood")


async def transaction(c, n):
    mine = app.token("row")
    insert = "INSERT INTO kept VALUES ($1)"
    count = "SELECT count(*) FROM kept WHERE token = $1"
    t = c.transaction()
    await t.start()
    await c.execute(insert, mine)
    await same(c, count, 1, mine)
    await t.rollback()
    await same(c, count, 0, mine)
    async with c.transaction(isolation="repeatable_read"):
        try:
            async with c.transaction():
                await c.execute(insert, mine)
                raise KeyError
        except KeyError:
            pass
        await c.execute(insert, mine)
    await same(c, count, 1, mine)


async def error(c, n):
    divide = "SELECT 10 / $1::int"
    await same(c, divide, 2, 5)
    await fails(c, asyncpg.DivisionByZeroError, divide, 0)
    await same(c, divide, 5, 2)
    await fails(c, asyncpg.PostgresSyntaxError, "SELEC $1", 1)
    t = c.transaction()
    await t.start()
    await fails(c, asyncpg.DivisionByZeroError, divide, 0)
    await fails(c, asyncpg.InFailedSQLTransactionError, divide, 1)
    await t.rollback()
    await same(c, divide, 10, 1)


async def many_rows(c, n):
    """executemany() sends all its rows in one batch."""
    mine = app.token("rows")
    rows = [("%s-%d" % (mine, i),) for i in range(300)]
    await c.executemany("INSERT INTO kept VALUES ($1)", rows)
    count = "SELECT count(*) FROM kept WHERE token LIKE $1"
    await same(c, count, 300, mine + "-%")
    bad = [(mine + "!",), (None,), ("not this",)]
    try:
        await c.executemany("INSERT INTO strict VALUES ($1)", bad)
        raise AssertionError("a null was taken")
    except asyncpg.NotNullViolationError:
        pass
    await same(c, "SELECT count(*) FROM strict WHERE token = $1", 0, mine + "!")


async def cursor(c, n):
    mine = app.token("cursor")
    sql = "SELECT $1::text || '.' || i FROM generate_series(1, 250) i"
    got = []
    async with c.transaction():
        async for row in c.cursor(sql, mine, prefetch=40):
            got.append(row[0])
        walk = await c.cursor(sql, mine)
        await walk.forward(200)
        app.equal((await walk.fetchrow())[0], mine + ".201")
    app.equal(got, ["%s.%d" % (mine, i) for i in range(1, 251)])


async def copy(c, n):
    mine = app.token("copy")
    lines = ["%s-%d" % (mine, i) for i in range(2000)]
    text = "".join(line + "\n" for line in lines)
    back = io.BytesIO()
    await c.copy_to_table("kept", source=io.BytesIO(text.encode()))
    await c.copy_from_query(
        "SELECT token FROM kept WHERE token LIKE $1 ORDER BY length(token), token",
        mine + "-%",
        output=back,
    )
    app.equal(back.getvalue().decode(), text)
    await c.copy_records_to_table("kept", records=[(mine + "+",)] * 50)
    await same(c, "SELECT count(*) FROM kept WHERE token = $1", 50, mine + "+")


async def listen(c, n):
    heard = []
    want = [app.token("note") for _ in range(5)]

    def hear(connection, pid, channel, payload):
        heard.append(payload)

    async def all_heard():
        return len(heard) == len(want)

    await c.add_listener("room%d" % n, hear)
    for payload in want:
        await pool.execute("SELECT pg_notify($1, $2)", "room%d" % n, payload)
        await same(c, "SELECT $1::text", payload, payload)
    await until(all_heard, "notes")
    app.equal(heard, want)
    await c.remove_listener("room%d" % n, hear)


async def settings(c, n):
    mine = app.token("set")
    await c.execute("SET application_name = '%s'" % mine)
    await c.execute("SET search_path TO s%d, public" % (n % 4))
    for _ in range(app.ROUNDS):
        await same(c, "SHOW application_name", mine)
        await same(c, "SELECT name FROM s%d.place" % (n % 4), "s%d" % (n % 4))
        await same(c, "SELECT current_setting('search_path')", "s%d, public" % (n % 4))
    await c.execute("RESET ALL")
    await same(c, "SHOW application_name", "")


async def startup(_, n):
    own = {"application_name": "start %d" % n, "search_path": "s%d" % (n % 4)}
    c = await connect(server_settings={**own, "work_mem": "%dkB" % (1100 + n)})
    try:
        for _ in range(app.ROUNDS):
            await same(c, "SHOW application_name", "start %d" % n)
            await same(c, "SHOW work_mem", "%dkB" % (1100 + n))
            await same(c, "SELECT name FROM place", "s%d" % (n % 4))
    finally:
        await c.close()


async def temporary(c, n):
    mine = app.token("temp")
    async with c.transaction():
        await c.execute("CREATE TEMP TABLE basket (v text) ON COMMIT DROP")
        await c.execute("INSERT INTO basket VALUES ($1)", mine)
        await same(c, "SELECT v FROM basket", mine)
    await c.execute("CREATE TEMP TABLE bag%d (v text)" % n)
    await c.copy_records_to_table("bag%d" % n, records=[(mine,)])
    await same(c, "SELECT v FROM bag%d" % n, mine)
    await c.execute("DROP TABLE bag%d" % n)


async def advisory(c, n):
    key = 4200 + n
    await c.execute("SELECT pg_advisory_lock($1)", key)
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND objid = $1::int AND pid = pg_backend_pid()"
    )
    for _ in range(app.ROUNDS):
        await same(c, held, 1, key)
    await same(c, "SELECT pg_advisory_unlock($1)", True, key)


async def sql_prepare(c, n):
    await c.execute("PREPARE plan (text) AS SELECT $1 || ' %d'" % n)
    for _ in range(app.ROUNDS):
        mine = app.token("plan")
        await same(c, "EXECUTE plan('%s')" % mine, "%s %d" % (mine, n))
    await c.execute("DEALLOCATE plan")
    await fails(c, asyncpg.InvalidSQLStatementNameError, "EXECUTE plan('x')")


async def cancel(c, n):
    if n >= 2:
        return
    mine = app.token("sleep")
    sleepers = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
        " AND pid <> pg_backend_pid() AND query LIKE $1"
    )
    task = asyncio.ensure_future(c.execute("SELECT pg_sleep(30) /* %s */" % mine))

    async def runs():
        return await pool.fetchval(sleepers, "%" + mine + "%") == 1

    await until(runs, "the query runs")
    task.cancel()
    try:
        await task
        raise AssertionError("not cancelled")
    except asyncio.CancelledError:
        pass
    await same(c, "SELECT 4", 4)
    try:
        await c.execute("SELECT pg_sleep(30)", timeout=0.2)
        raise AssertionError("no time-out")
    except asyncio.TimeoutError:
        pass
    await same(c, "SELECT 5", 5)


async def pooled(_, n):
    """A release sends a reset: unlisten, close all, unlock all, reset all."""
    for _ in range(app.ROUNDS):
        mine = app.token("pool")
        async with pool.acquire() as c:
            await c.execute("SET application_name = '%s'" % mine)
            await same(c, "SHOW application_name", mine)
            async with c.transaction():
                await same(c, "SELECT $1::text || '%d'" % (n % 5), "%s%d" % (mine, n % 5), mine)
        async with pool.acquire() as c:
            await same(c, "SELECT current_setting('application_name')", "")


async def pool_cached(_, n):
    """Each of the pool's connections has a cache, and their names are alike."""
    for i in range(60):
        mine = app.token("cached")
        query = "SELECT $1::text || ' %d'" % (i % 13)
        app.equal(await pool.fetchval(query, mine), "%s %d" % (mine, i % 13))
    mine = app.token("many")
    await pool.executemany("INSERT INTO kept VALUES ($1)", [(mine,)] * 20)
    count = "SELECT count(*) FROM kept WHERE token = $1"
    app.equal(await pool.fetchval(count, mine), 20)


async def changed(c, n):
    """A cached statement is refused when its table changes: the driver sees it,
    and asks again."""
    table = "changed%d" % n
    await c.execute("DROP TABLE IF EXISTS %s; CREATE TABLE %s (a int)" % (table, table))
    await c.execute("INSERT INTO %s VALUES (1)" % table)
    for _ in range(4):
        await same(c, "SELECT * FROM %s" % table, 1)
    await c.execute("ALTER TABLE %s ALTER a TYPE text" % table)
    for _ in range(4):
        await same(c, "SELECT * FROM %s" % table, "1")
    await c.execute("ALTER TABLE %s ADD b float8" % table)
    for _ in range(4):
        app.equal(tuple(await c.fetchrow("SELECT * FROM %s" % table)), ("1", None))
    await c.execute("DROP TABLE " + table)


async def after(c, n):
    mine = app.token("after")
    await same(c, "SELECT $1::text", mine, mine)


STEPS = [simple, cached, prepared, many_texts, types, introspected, transaction]
STEPS += [error, many_rows, cursor, copy, listen, settings, startup, temporary]
STEPS += [advisory, sql_prepare, cancel, pooled, pool_cached, changed, after]


async def drop(c):
    c.terminate()


async def main():
    global pool
    pool = await asyncpg.create_pool(min_size=4, max_size=10, ssl=False)
    await app_loop.run(STEPS, connect, drop)
    await asyncio.wait_for(pool.close(), app.STEP_S)


asyncio.run(main())

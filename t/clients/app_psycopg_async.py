"""app_psycopg_async.py - psycopg 3's AsyncConnection: all members in one loop."""

import asyncio

import app_frame as app
import app_loop
import psycopg
import psycopg_pool
from psycopg import errors

pool = None


async def connect(**more):
    return await psycopg.AsyncConnection.connect(
        connect_timeout=20, autocommit=True, **more
    )


async def ask(c, query, *values):
    return (await (await c.execute(query, values or None)).fetchone())[0]


async def same(c, query, want, *values):
    app.equal(await ask(c, query, *values), want)


async def fails(c, error, query, *values):
    try:
        await c.execute(query, values or None)
    except error:
        return
    raise AssertionError("no error: " + query)


async def prepared(c, n):
    for _ in range(16):
        mine = app.token("async")
        same_text = "SELECT %%s::text || ' of %d'" % n
        await same(c, same_text, "%s of %d" % (mine, n), mine)


async def transaction(c, n):
    mine = app.token("row")
    count = "SELECT count(*) FROM kept WHERE token = %s"
    for _ in range(6):
        async with c.transaction(force_rollback=True):
            await c.execute("INSERT INTO kept VALUES (%s)", [mine])
            await same(c, count, 1, mine)
        await same(c, count, 0, mine)


async def error(c, n):
    for _ in range(8):
        await same(c, "SELECT 10 / %s::int", 2, 5)
        await fails(c, errors.DivisionByZero, "SELECT 10 / %s::int", 0)


async def pipelined(c, n):
    for _ in range(3):
        tokens = [app.token("piped") for _ in range(40)]
        async with c.pipeline():
            curs = [await c.execute("SELECT %s::text", [t]) for t in tokens]
        app.equal([(await cur.fetchone())[0] for cur in curs], tokens)


async def gathered(c, n):
    """Many tasks over one connection, which is theirs one after another."""
    tokens = [app.token("task") for _ in range(20)]
    got = await asyncio.gather(*(ask(c, "SELECT %s::text", t) for t in tokens))
    app.equal(got, tokens)


async def cursor(c, n):
    mine = app.token("cursor")
    query = "SELECT %s || '.' || i FROM generate_series(1, 250) i"
    async with c.transaction(), c.cursor("walk") as cur:
        cur.itersize = 40
        await cur.execute(query, [mine])
        got = [row[0] async for row in cur]
    app.equal(got, ["%s.%d" % (mine, i) for i in range(1, 251)])


async def copy(c, n):
    mine = app.token("copy")
    lines = ["%s-%d" % (mine, i) for i in range(1000)]
    query = "COPY (SELECT token FROM kept WHERE token LIKE '%s-%%'" % mine
    query += " ORDER BY length(token), token) TO STDOUT"
    async with c.cursor() as cur:
        async with cur.copy("COPY kept FROM STDIN") as into:
            for line in lines:
                await into.write_row((line,))
        async with cur.copy(query) as out:
            app.equal([row[0] async for row in out.rows()], lines)


async def listen(c, n):
    want = [app.token("note") for _ in range(5)]
    await c.execute("LISTEN room%d" % n)
    async with pool.connection() as other:
        for payload in want:
            await other.execute("SELECT pg_notify(%s, %s)", ["room%d" % n, payload])
            await other.commit()
    got = []
    async for note in c.notifies():
        got.append(note.payload)
        if len(got) == len(want):
            break
    app.equal(got, want)
    await c.execute("UNLISTEN *")


async def settings(c, n):
    mine = app.token("set")
    await c.execute("SET application_name = '%s'" % mine)
    for _ in range(app.ROUNDS):
        await same(c, "SHOW application_name", mine)
    await c.execute("RESET application_name")
    await same(c, "SHOW application_name", "")


async def pooled(_, n):
    for _ in range(app.ROUNDS):
        mine = app.token("pool")
        async with pool.connection() as c:
            await same(c, "SELECT %s::text", mine, mine)


async def after(c, n):
    mine = app.token("after")
    await same(c, "SELECT %s::text", mine, mine)


STEPS = [prepared, transaction, error, pipelined, gathered, cursor, copy]
STEPS += [listen, settings, pooled, after]


async def main():
    global pool
    pool = psycopg_pool.AsyncConnectionPool(min_size=4, max_size=10, open=False)
    await pool.open()
    await app_loop.run(STEPS, connect, lambda c: c.close())
    await pool.close()

"""talk_asyncpg.py - asyncpg's conversation."""

import asyncio
import hashlib
import io
import os
import ssl
import time

import talk_steps as talk

try:
    import asyncpg
except ImportError:
    talk.missing("asyncpg")


def tls(ca):
    return ssl.create_default_context(cafile=ca) if talk.IS_TLS else False


async def connect(ca=os.environ.get("PGSSLROOTCERT"), **more):
    return await asyncpg.connect(timeout=20, ssl=tls(ca), **more)


async def fails(c, error, sql):
    try:
        await c.execute(sql)
    except error:
        return
    raise AssertionError("no error: " + sql)


async def simple(c):
    talk.equal(await c.execute("SELECT 6 * 7"), "SELECT 1")
    talk.equal(await c.fetchval("SELECT 6 * 7"), 42)
    talk.equal(await c.fetchval("SELECT current_user"), os.environ["PGUSER"])


async def parameter(c):
    for i in range(8):
        want = "it's %d: \\ \u00e4 \u20ac" % i
        talk.equal(await c.fetchval("SELECT $1::text", want), want)
        talk.equal(await c.fetchval("SELECT $1::int + 1", i), i + 1)
    talk.equal(await c.fetchval("SELECT $1::text IS NULL", None), True)
    # an array's type is looked up in the catalogues
    talk.equal(await c.fetchval("SELECT $1::int[]", [1, 2]), [1, 2])


async def transaction(c):
    mine = talk.token("row")
    insert = "INSERT INTO kept VALUES ($1)"
    count = "SELECT count(*) FROM kept WHERE token = $1"
    t = c.transaction()
    await t.start()
    await c.execute(insert, mine)
    talk.equal(await c.fetchval(count, mine), 1)
    await t.rollback()
    talk.equal(await c.fetchval(count, mine), 0)
    async with c.transaction():
        await c.execute(insert, mine)
    talk.equal(await c.fetchval(count, mine), 1)


async def large(c):
    rows = await c.fetch(talk.LARGE)
    talk.equal(len(rows), talk.ROWS)
    for want, (i, body) in enumerate(rows, 1):
        talk.equal(i, want)
        talk.equal(body, hashlib.md5(str(i).encode()).hexdigest() * 32)


async def error(c):
    await fails(c, asyncpg.DivisionByZeroError, "SELECT 1/0")
    talk.equal(await c.fetchval("SELECT 1"), 1)
    t = c.transaction()
    await t.start()
    await fails(c, asyncpg.UndefinedTableError, "SELECT * FROM not_there")
    await fails(c, asyncpg.InFailedSQLTransactionError, "SELECT 1")
    await t.rollback()
    talk.equal(await c.fetchval("SELECT 2"), 2)


async def copy(c):
    mine = talk.token("copy")
    lines = ["%s-%d" % (mine, i) for i in range(10000)]
    text = "".join(line + "\n" for line in lines)
    sink = io.BytesIO()
    await c.copy_to_table("kept", source=io.BytesIO(text.encode()))
    await c.copy_from_table("kept", output=sink)
    back = sink.getvalue().decode().splitlines()
    talk.equal([x for x in back if x.startswith(mine)], lines)
    talk.equal(await c.fetchval("SELECT 3"), 3)


async def cancel(c):
    mine = talk.token("sleep")
    watcher = await connect()
    task = asyncio.ensure_future(
        c.execute("SELECT pg_sleep(30) /* %s */" % mine, timeout=60)
    )
    limit = time.monotonic() + 10
    while await watcher.fetchval(talk.SLEEPERS % mine) == 0:
        talk.check(time.monotonic() < limit, "the query does not run")
        await asyncio.sleep(0.01)
    # a task that is cancelled sends a cancel request, and waits for its end
    task.cancel()
    try:
        await task
        raise AssertionError("not cancelled")
    except asyncio.CancelledError:
        pass
    while await watcher.fetchval(talk.SLEEPERS % mine) > 0:
        talk.check(time.monotonic() < limit, "the query goes on")
        await asyncio.sleep(0.01)
    await watcher.close()
    talk.equal(await c.fetchval("SELECT 4"), 4)


async def one_of_many(number):
    c = await connect()
    for i in range(talk.ROUNDS):
        mine = talk.token("crowd%d.%d" % (number, i))
        talk.equal(await c.fetchval("SELECT $1::text", mine), mine)
    return c


async def parallel(_):
    crowd = await asyncio.gather(*map(one_of_many, range(talk.CROWD)))
    for c in crowd:
        await c.close()


async def refused(error, **more):
    try:
        await connect(**more)
    except error:
        return
    raise AssertionError("let in: %r" % (more,))


async def password(_):
    if talk.AUTH == "trust":
        nobody = asyncpg.InvalidAuthorizationSpecificationError
        await refused(nobody, user="nobody")
        return
    await refused(asyncpg.InvalidPasswordError, password="wrong")
    await refused(asyncpg.InvalidPasswordError, user="nobody")


async def stranger(_):
    await refused(ssl.SSLError, ca=os.environ["TALK_OTHER_CA"])


async def close(c):
    await c.close()
    talk.check(c.is_closed(), "not closed")


async def main():
    c = await connect()
    talk.done("connect")
    steps = [simple, parameter, transaction, large, error, copy, cancel]
    steps += [parallel, password]
    if talk.IS_TLS:
        steps.append(stranger)
    for step in steps + [close]:
        await step(c)
        talk.done(step.__name__)


asyncio.run(main())

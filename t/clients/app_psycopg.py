"""app_psycopg.py - psycopg 3 as an application uses it: a thread a member
(app_psycopg.py), or one loop for all of them (app_psycopg.py async); what is
asked often is prepared, as it is by default."""

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import app_frame as app
import psycopg
import psycopg_pool
from psycopg import errors, sql
from psycopg.types.json import Jsonb

pool = None  # ten connections, for all members

# a pipeline that has failed, as it has to, is said to have failed
logging.getLogger("psycopg").setLevel(logging.ERROR)


def connect(**more):
    return psycopg.connect(connect_timeout=20, autocommit=True, **more)


def ask(c, query, *values):
    return c.execute(query, values or None).fetchone()[0]


def same(c, query, want, *values):
    app.equal(ask(c, query, *values), want)


def fails(c, error, query, *values):
    try:
        c.execute(query, values or None)
    except error:
        return
    raise AssertionError("no error: " + query)


def until(condition, what):
    limit = app.deadline()
    while not condition():
        app.is_before(limit, what)
        time.sleep(0.005)


def simple(c, n):
    for _ in range(app.ROUNDS):
        mine = app.token("simple")
        same(c, "SELECT '%s'" % mine, mine)
    cur = c.execute("SELECT 1; SELECT 2")
    cur.nextset()
    app.equal(cur.fetchone(), (2,))


def prepared(c, n):
    """From the sixth time on it is; or at once, when told."""
    for i in range(16):
        mine = app.token("it's \u20ac")
        same(c, "SELECT %s::text || ' of " + str(n) + "'", "%s of %d" % (mine, n), mine)
        got = c.execute("SELECT %s::int + 1", [i], prepare=True).fetchone()
        app.equal(got, (i + 1,))
        got = c.execute("SELECT %s::int8 + 1", [i], binary=True).fetchone()
        app.equal(got, (i + 1,))


def evicted(_, n):
    """More than prepared_max: the driver deallocates the oldest."""
    with connect(prepare_threshold=0) as c:
        c.prepared_max = 10
        for i in range(60):
            mine = app.token("evict")
            query = "SELECT %%s::text || ' %d.%d'" % (n, i % 20)
            same(c, query, "%s %d.%d" % (mine, n, i % 20), mine)


def types(c, n):
    row = c.execute(
        "SELECT %s, %s, %s, %s::text[], %s, %s::jsonb",
        [2**53 + 1, 1.5, True, ["x", None], b"\0\xff", Jsonb({"a": [1, None]})],
    ).fetchone()
    app.equal(row, (2**53 + 1, 1.5, True, ["x", None], b"\0\xff", {"a": [1, None]}))


def transaction(c, n):
    mine = app.token("row")
    count = "SELECT count(*) FROM kept WHERE token = %s"
    for _ in range(6):
        with c.transaction(force_rollback=True):
            c.execute("INSERT INTO kept VALUES (%s)", [mine])
            same(c, count, 1, mine)
        same(c, count, 0, mine)
    with c.transaction():
        try:
            with c.transaction():
                c.execute("INSERT INTO kept VALUES (%s)", [mine])
                raise KeyError
        except KeyError:
            pass
        c.execute("INSERT INTO kept VALUES (%s)", [mine])
    same(c, count, 1, mine)


def error(c, n):
    divide = "SELECT 10 / %s::int"
    for _ in range(8):
        same(c, divide, 2, 5)
        fails(c, errors.DivisionByZero, divide, 0)
    fails(c, errors.SyntaxError, "SELEC %s", 1)
    c.autocommit = False
    fails(c, errors.DivisionByZero, divide, 0)
    fails(c, errors.InFailedSqlTransaction, divide, 1)
    c.rollback()
    c.autocommit = True
    same(c, divide, 10, 1)


def many_rows(c, n):
    mine = app.token("rows")
    with c.cursor() as cur:
        cur.executemany(
            "INSERT INTO kept VALUES (%s)", [("%s-%d" % (mine, i),) for i in range(200)]
        )
        cur.executemany("SELECT %s::text", [(mine,), (mine + "b",)], returning=True)
        app.equal(cur.fetchone(), (mine,))
        cur.nextset()
        app.equal(cur.fetchone(), (mine + "b",))
    same(c, "SELECT count(*) FROM kept WHERE token LIKE %s", 200, mine + "-%")


def pipelined(c, n):
    for _ in range(3):
        tokens = [app.token("piped") for _ in range(40)]
        with c.pipeline() as p:
            curs = [
                c.execute("SELECT %%s::text || '%d'" % (i % 3), [t])
                for i, t in enumerate(tokens)
            ]
            p.sync()
            with c.transaction():
                c.execute("INSERT INTO kept VALUES (%s)", [tokens[0]])
        got = [cur.fetchone()[0] for cur in curs]
        app.equal(got, ["%s%d" % (t, i % 3) for i, t in enumerate(tokens)])
        same(c, "SELECT count(*) FROM kept WHERE token = %s", 1, tokens[0])
    try:
        with c.pipeline():
            first = c.execute("SELECT %s::text", [tokens[0]])
            c.execute("SELECT 1 / %s::int", [0])
            c.execute("SELECT %s::text", [tokens[1]])
        raise AssertionError("no error in the pipeline")
    except errors.DivisionByZero:
        pass
    app.equal(first.fetchone(), (tokens[0],))
    same(c, "SELECT %s::text", tokens[2], tokens[2])


def cursor(c, n):
    """A cursor of the server's: DECLARE, FETCH, CLOSE."""
    mine = app.token("cursor")
    query = "SELECT %s || '.' || i FROM generate_series(1, 250) i"
    with c.transaction(), c.cursor("walk") as cur:
        cur.itersize = 40
        cur.execute(query, [mine])
        got = [row[0] for row in cur]
        cur.scroll(10, mode="absolute")
        app.equal(cur.fetchone(), (mine + ".11",))
    app.equal(got, ["%s.%d" % (mine, i) for i in range(1, 251)])


def held(c, n):
    mine = app.token("held")
    query = "SELECT %s || '.' || i FROM generate_series(1, 30) i"
    with c.cursor("walk", withhold=True) as cur:
        cur.execute(query, [mine])
        app.equal(len(cur.fetchmany(20)), 20)
        same(c, "SELECT 6", 6)
        app.equal(cur.fetchall()[-1], (mine + ".30",))


def streamed(c, n):
    """Row by row, from one portal."""
    mine = app.token("stream")
    with c.cursor() as cur:
        query = "SELECT %s || '.' || i FROM generate_series(1, 100) i"
        for i, row in enumerate(cur.stream(query, [mine]), 1):
            app.equal(row, ("%s.%d" % (mine, i),))


def copy(c, n):
    mine = app.token("copy")
    lines = ["%s-%d" % (mine, i) for i in range(2000)]
    with c.cursor() as cur:
        with cur.copy("COPY kept FROM STDIN (FORMAT binary)") as into:
            into.set_types(["text"])
            for line in lines:
                into.write_row((line,))
        query = "SELECT token FROM kept WHERE token LIKE {} ORDER BY length(token), token"
        query = "COPY (" + query + ") TO STDOUT"
        with cur.copy(sql.SQL(query).format(mine + "-%")) as out:
            app.equal([row[0] for row in out.rows()], lines)
        try:
            with cur.copy("COPY kept FROM STDIN") as into:
                into.write_row((mine + "!",))
                raise KeyError
        except (KeyError, errors.QueryCanceled):
            pass
    same(c, "SELECT count(*) FROM kept WHERE token = %s", 0, mine + "!")


def listen(c, n):
    want = [app.token("note") for _ in range(5)]
    c.execute("LISTEN room%d" % n)
    with pool.connection() as other:
        for payload in want:
            other.execute("SELECT pg_notify(%s, %s)", ["room%d" % n, payload])
            other.commit()
    got = []
    for note in c.notifies():
        got.append((note.channel, note.payload))
        if len(got) == len(want):
            break
    app.equal(got, [("room%d" % n, payload) for payload in want])
    c.execute("UNLISTEN room%d" % n)


def settings(c, n):
    mine = app.token("set")
    c.execute("SET application_name = '%s'" % mine)
    c.execute("SELECT set_config('search_path', %s, false)", ["s%d, public" % (n % 4)])
    c.execute("SET TIME ZONE 'Asia/Tokyo'")
    for _ in range(app.ROUNDS):
        same(c, "SHOW application_name", mine)
        same(c, "SELECT name FROM place", "s%d" % (n % 4))
        same(c, "SHOW timezone", "Asia/Tokyo")
        app.equal(c.info.parameter_status("application_name"), mine)
    c.execute("RESET ALL")
    same(c, "SHOW application_name", "")


def startup(_, n):
    options = "-c work_mem=%dkB -c search_path=s%d" % (1100 + n, n % 4)
    with connect(options=options, application_name="start %d" % n) as c:
        for _ in range(app.ROUNDS):
            same(c, "SHOW application_name", "start %d" % n)
            same(c, "SHOW work_mem", "%dkB" % (1100 + n))
            same(c, "SELECT name FROM s%d.place" % (n % 4), "s%d" % (n % 4))
            same(c, "SHOW search_path", "s%d" % (n % 4))


def isolation(_, n):
    """Not autocommit: the driver says BEGIN by itself, in its own words."""
    with psycopg.connect(connect_timeout=20) as c:
        c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        c.read_only = True
        for _ in range(app.ROUNDS):
            same(c, "SHOW transaction_isolation", "serializable")
            fails(c, errors.ReadOnlySqlTransaction, "INSERT INTO kept VALUES ('x')")
            c.rollback()


def temporary(c, n):
    mine = app.token("temp")
    with c.transaction():
        c.execute("CREATE TEMP TABLE basket (v text) ON COMMIT DROP")
        c.execute("INSERT INTO basket VALUES (%s)", [mine])
        same(c, "SELECT v FROM basket", mine)
    c.execute("CREATE TEMP TABLE bag (v text)")
    for _ in range(6):
        c.execute("INSERT INTO bag VALUES (%s)", [mine])
    same(c, "SELECT count(*) FROM bag WHERE v = %s", 6, mine)
    c.execute("DROP TABLE bag")


def advisory(c, n):
    key = 4300 + n
    c.execute("SELECT pg_advisory_lock(%s)", [key])
    held = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND objid = %s::int AND pid = pg_backend_pid()"
    )
    for _ in range(app.ROUNDS):
        same(c, held, 1, key)
    same(c, "SELECT pg_advisory_unlock(%s)", True, key)


def sql_prepare(c, n):
    c.execute("PREPARE plan (text) AS SELECT $1 || ' %d'" % n)
    for _ in range(app.ROUNDS):
        mine = app.token("plan")
        same(c, "EXECUTE plan('%s')" % mine, "%s %d" % (mine, n))
    c.execute("DEALLOCATE plan")
    fails(c, errors.InvalidSqlStatementName, "EXECUTE plan('x')")


def deallocated(_, n):
    """After a DROP or an ALTER the driver sends DEALLOCATE ALL of itself."""
    with connect(prepare_threshold=0) as c:
        for _ in range(4):
            mine = app.token("again")
            same(c, "SELECT %s::text", mine, mine)
            same(c, "SELECT %s::text || 'x'", mine + "x", mine)
            c.execute("DROP TABLE IF EXISTS not_there")


def cancel(c, n):
    if n >= 2:
        return
    mine = app.token("sleep")
    sleepers = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
        " AND pid <> pg_backend_pid() AND query LIKE %s"
    )

    def stop():
        with connect() as other:
            until(lambda: ask(other, sleepers, "%" + mine + "%") == 1, "it runs")
        c.cancel()

    stopper = threading.Thread(target=stop)
    stopper.start()
    fails(c, errors.QueryCanceled, "SELECT pg_sleep(30) /* %s */" % mine)
    stopper.join()
    same(c, "SELECT 4", 4)


def pooled(_, n):
    for _ in range(app.ROUNDS):
        mine = app.token("pool")
        with pool.connection() as c:
            same(c, "SELECT %%s::text || '%d'" % (n % 5), "%s%d" % (mine, n % 5), mine)
            c.execute("INSERT INTO kept VALUES (%s)", [mine])
        with pool.connection() as c:
            same(c, "SELECT count(*) FROM kept WHERE token = %s", 1, mine)


def after(c, n):
    mine = app.token("after")
    same(c, "SELECT %s::text", mine, mine)


STEPS = [simple, prepared, evicted, types, transaction, error, many_rows]
STEPS += [pipelined, cursor, held, streamed, copy, listen, settings, startup]
STEPS += [isolation, temporary, advisory, sql_prepare, deallocated, cancel]
STEPS += [pooled, after]


def hang_up(c):
    """What waits for this connection without a limit of its own wakes up."""
    with socket.socket(fileno=os.dup(c.fileno())) as s:
        s.shutdown(socket.SHUT_RDWR)


def outcome(step, c, n):
    limit = threading.Timer(app.STEP_S, hang_up, [c])
    limit.start()
    try:
        step(c, n)
    except Exception as e:
        return e
    finally:
        limit.cancel()
    return None


def main():
    global pool
    chosen = app.choose(STEPS)
    pool = psycopg_pool.ConnectionPool(min_size=4, max_size=10)
    crowd = [connect() for _ in range(app.CROWD)]
    print("ok connect", flush=True)
    with ThreadPoolExecutor(app.CROWD) as threads:
        for step in chosen:
            ends = list(threads.map(outcome, [step] * len(crowd), crowd, range(len(crowd))))
            app.tell(step.__name__, ends)
            for n, e in enumerate(ends):
                if e is not None:
                    crowd[n].close()
                    crowd[n] = connect()
    for c in crowd:
        c.close()
    pool.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["async"]:
        import app_psycopg_async

        asyncio.run(app_psycopg_async.main())
    else:
        main()

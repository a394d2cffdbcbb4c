"""talk_dbapi.py - psycopg2's and psycopg's conversation: talk_dbapi.py NAME.

Both speak DB-API over libpq, which takes its settings from PG* variables.
"""

import hashlib
import importlib
import io
import os
import sys
import threading
import time

import talk_steps as talk

try:
    driver = importlib.import_module(sys.argv[1])
except ImportError:
    talk.missing(sys.argv[1])
IS_THREE = sys.argv[1] == "psycopg"


def connect(**more):
    c = driver.connect(connect_timeout=20, **more)
    c.autocommit = True
    return c


def ask(c, sql, values=None):
    cur = c.cursor()
    cur.execute(sql, values)
    row = cur.fetchone()
    cur.close()
    return row[0]


def run(c, sql, values=None):
    cur = c.cursor()
    cur.execute(sql, values)
    cur.close()


def fails(c, sqlstate, sql):
    try:
        run(c, sql)
    except driver.Error as e:
        got = e.sqlstate if IS_THREE else e.pgcode
        talk.equal(got, sqlstate)
        return
    raise AssertionError("no error: " + sql)


def simple(c):
    talk.equal(ask(c, "SELECT 6 * 7"), 42)
    talk.equal(ask(c, "SHOW client_encoding"), "UTF8")
    talk.equal(ask(c, "SELECT current_user"), os.environ["PGUSER"])


def parameter(c):
    for i in range(8):
        want = "it's %d: \\ \u00e4 \u20ac" % i
        talk.equal(ask(c, "SELECT %s::text", (want,)), want)
        talk.equal(ask(c, "SELECT %s::int + 1", (i,)), i + 1)
    talk.equal(ask(c, "SELECT %s::text IS NULL", (None,)), True)


def transaction(c):
    mine = talk.token("row")
    count = "SELECT count(*) FROM kept WHERE token = %s"
    c.autocommit = False
    run(c, "INSERT INTO kept VALUES (%s)", (mine,))
    talk.equal(ask(c, count, (mine,)), 1)
    c.rollback()
    talk.equal(ask(c, count, (mine,)), 0)
    run(c, "INSERT INTO kept VALUES (%s)", (mine,))
    c.commit()
    c.autocommit = True
    talk.equal(ask(c, count, (mine,)), 1)


def large(c):
    cur = c.cursor()
    cur.execute(talk.LARGE)
    rows = cur.fetchall()
    cur.close()
    talk.equal(len(rows), talk.ROWS)
    for want, (i, body) in enumerate(rows, 1):
        talk.equal(i, want)
        talk.equal(body, hashlib.md5(str(i).encode()).hexdigest() * 32)


def error(c):
    fails(c, "22012", "SELECT 1/0")
    talk.equal(ask(c, "SELECT 1"), 1)
    c.autocommit = False
    fails(c, "42P01", "SELECT * FROM not_there")
    fails(c, "25P02", "SELECT 1")
    c.rollback()
    c.autocommit = True
    talk.equal(ask(c, "SELECT 2"), 2)


def copy(c):
    mine = talk.token("copy")
    lines = ["%s-%d" % (mine, i) for i in range(10000)]
    text = "".join(line + "\n" for line in lines)
    into = "COPY kept FROM STDIN"
    out = "COPY (SELECT token FROM kept WHERE token LIKE '%s-%%') TO STDOUT"
    cur = c.cursor()
    if IS_THREE:
        with cur.copy(into) as sink:
            sink.write(text)
        with cur.copy(out % mine) as source:
            back = b"".join(bytes(piece) for piece in source).decode()
    else:
        cur.copy_expert(into, io.StringIO(text))
        sink = io.StringIO()
        cur.copy_expert(out % mine, sink)
        back = sink.getvalue()
    cur.close()
    talk.equal(back, text)
    talk.equal(ask(c, "SELECT 3"), 3)


def cancel(c):
    mine = talk.token("sleep")
    caught = []

    def sleep():
        try:
            fails(c, "57014", "SELECT pg_sleep(30) /* %s */" % mine)
        except Exception as e:
            caught.append(e)

    thread = threading.Thread(target=sleep)
    thread.start()
    watcher = connect()
    limit = time.monotonic() + 10
    while ask(watcher, talk.SLEEPERS % mine) == 0:
        talk.check(time.monotonic() < limit, "the query does not run")
        time.sleep(0.01)
    c.cancel()
    thread.join(10)
    talk.check(not thread.is_alive(), "the query is not cancelled")
    talk.equal(caught, [])
    talk.equal(ask(watcher, talk.SLEEPERS % mine), 0)
    watcher.close()
    talk.equal(ask(c, "SELECT 4"), 4)


def one_of_many(number, start, faults):
    try:
        c = connect()
        start.wait(20)
        for i in range(talk.ROUNDS):
            mine = talk.token("crowd%d.%d" % (number, i))
            talk.equal(ask(c, "SELECT %s::text", (mine,)), mine)
        c.close()
    except Exception as e:
        faults.append(e)


def parallel(_):
    faults = []
    start = threading.Barrier(talk.CROWD)
    crowd = [
        threading.Thread(target=one_of_many, args=(n, start, faults))
        for n in range(talk.CROWD)
    ]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join(30)
        talk.check(not t.is_alive(), "a connection hangs")
    talk.equal(faults, [])


def refused(why, **more):
    try:
        connect(**more).close()
    except driver.OperationalError as e:
        talk.check(why in str(e), "%s: not %s" % (e, why))
        return
    raise AssertionError("let in: %r" % (more,))


def password(_):
    if talk.AUTH == "trust":
        refused("does not exist", user="nobody")
        return
    why = "password authentication failed"
    refused(why, password="wrong")
    refused(why, user="nobody")


def stranger(_):
    refused("certificate", sslrootcert=os.environ["TALK_OTHER_CA"])


def bound(_):
    c = connect(channel_binding="require")
    talk.equal(ask(c, "SELECT 5"), 5)
    c.close()


def close(c):
    c.close()
    talk.check(c.closed, "not closed")


def main():
    c = connect()
    talk.done("connect")
    steps = [simple, parameter, transaction, large, error, copy, cancel]
    steps += [parallel, password]
    if talk.IS_TLS:
        steps.append(stranger)
    if talk.IS_TLS and talk.AUTH == "scram-sha-256":
        steps.append(bound)
    for step in steps + [close]:
        step(c)
        talk.done(step.__name__)


main()

"""app_frame.py - what the programs in Python share: tokens, what has to hold;
and the applications the numbers of the crowd, which steps are chosen, and how
a step's outcome is told."""

import itertools
import os
import time
import traceback

CROWD = int(os.environ.get("APP_CROWD", "24"))
ROUNDS = int(os.environ.get("APP_ROUNDS", "8"))
STEP_S = int(os.environ.get("APP_STEP_MS", "40000")) / 1000
ONLY = os.environ.get("APP_ONLY", "").split()

serial = itertools.count()


def token(what):
    """A string that nobody else sends."""
    return "%s-%d-%d" % (what, os.getpid(), next(serial))


def check(condition, why):
    if not condition:
        raise AssertionError(why)


def equal(got, want):
    check(got == want, "%.200r is not %.200r" % (got, want))


def choose(steps):
    """Those that are asked for; says how many outcomes there will be."""
    chosen = [s for s in steps if not ONLY or s.__name__ in ONLY]
    print("plan %d" % (len(chosen) + 1), flush=True)
    return chosen


def deadline():
    return time.monotonic() + 15


def is_before(limit, what):
    check(time.monotonic() < limit, "not in time: " + what)


def brief(e):
    where = [
        "%s:%d" % (os.path.basename(f.filename), f.lineno)
        for f in traceback.extract_tb(e.__traceback__)
        if os.path.basename(f.filename).startswith("app_")
    ]
    state = getattr(e, "sqlstate", None) or ""
    said = " ".join(str(e).split())
    return "%s %s %.300s at %s" % (type(e).__name__, state, said, " ".join(where))


def tell(name, outcomes):
    """outcomes: an exception or None for each member."""
    bad = [e for e in outcomes if e is not None]
    if bad:
        print(
            "FAIL %s: %d of %d: %s" % (name, len(bad), len(outcomes), brief(bad[0])),
            flush=True,
        )
    else:
        print("ok " + name, flush=True)

"""talk_steps.py - what the conversations in Python share: see README.md."""

import os
import sys

from app_frame import check, equal, token  # also for the talks

AUTH = os.environ["TALK_AUTH"]
IS_TLS = os.environ["PGSSLMODE"] != "disable"
CROWD = 20
ROUNDS = 10
ROWS = 5000  # of 1 kB each: the large result

LARGE = (
    "SELECT i, repeat(md5(i::text), 32) FROM generate_series(1, %d) i" % ROWS
)
SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%%s%%' AND pid <> pg_backend_pid()"


def done(step):
    print("ok " + step, flush=True)


def missing(name):
    """The driver is not installed."""
    print("missing: " + name)
    sys.exit(77)

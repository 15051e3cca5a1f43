"""`encrypt` beside one bare UPDATE (and Django), `plan` and `verify` beside
reading the column, in one database."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import atrest
import backends

DJANGO_ROWS = 20_000  # its rate does not depend on the table's size; it is slow


def timed(work, *arguments):
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def django(database, table):
    command = [sys.executable, str(Path(__file__).with_name("django_peer.py")), database.url, table]
    return float(subprocess.check_output(command))


def mark(good):
    return "yes" if good else "**no**"


def changing(database, options, folder):
    """Rows per second of ours and the peers, interleaved; medians."""
    rows = options.rows
    ours, bare, peer = [], [], []
    policy = atrest.policy(folder, database.url, "events")
    for _ in range(options.rounds):
        database.make("events", rows)
        bare.append(rows / timed(database.bare_update, "events"))
        database.make("events", rows)
        ours.append(rows / atrest.encrypt(policy, folder)[0])
        forget(policy, database)
        if isinstance(database, backends.Postgres):
            count = min(DJANGO_ROWS, rows)
            database.make("django_events", count)
            peer.append(count / django(database, "django_events"))
    ours, bare = median(ours), median(bare)
    what = f"{database.name}: `encrypt` of {rows:,} rows of {backends.VALUE}-byte JSON, backup on"
    result = [
        [what, f"{ours:,.0f} rows/s", "one bare `UPDATE`", f"{bare:,.0f} rows/s", f"{ours / bare:.2f}×", "≥ 0.5×", mark(ours >= bare / 2)]
    ]
    if peer:
        peer = median(peer)
        result.append(
            [
                what, f"{ours:,.0f} rows/s", "Django `bulk_update`, 1,000 a batch, django-fernet-encrypted-fields",
                f"{peer:,.0f} rows/s", f"{ours / peer:.1f}×", "≥ 12×", mark(ours >= 12 * peer),
            ]  # fmt: skip
        )
    return result


def forget(policy, database):
    """The next round's table is a new one: nothing of this one's journal stays."""
    if isinstance(database, backends.Sqlite):
        return  # the file is made anew
    database.sql("DROP TABLE IF EXISTS atrest_journal")


def reading(database, options, folder):
    """Seconds of plan (all clear) and verify (all sealed) beside reading the column."""
    rows = options.read_rows
    database.make("big", rows)
    policy = atrest.policy(folder, database.url, "big")
    result = []
    for verb in ("plan", "verify"):
        if verb == "verify":
            atrest.encrypt(policy, folder)
            database.settle("big")
        ours, read = [], []
        for _ in range(options.rounds):
            read.append(timed(database.read_column, "big"))
            ours.append(atrest.run(policy, verb, codes=(0, 1))[0])
        ours, read = median(ours), median(read)
        result.append(
            [
                f"{database.name}: `{verb}` of {rows:,} rows", f"{ours:.2f} s", "reading the column",
                f"{read:.2f} s", f"{ours / read:.2f}×", "≤ 2×", mark(ours <= 2 * read),
            ]  # fmt: skip
        )
    forget(policy, database)
    return result


HEAD = ["what", "ours", "beside", "peer", "ratio", "wanted", "met"]


def measure(kind, options, folder):
    database = kind(folder)
    try:
        rows = changing(database, options, folder) + reading(database, options, folder)
    finally:
        database.close()
    return HEAD, rows, [f"Server or library: {database.version}."]


def memory(options, folder):
    """Peak resident memory of one `encrypt` over many rows, backup on."""
    database = backends.Sqlite(folder)
    database.make("events", options.memory_rows)
    policy = atrest.policy(folder, database.url, "events")
    seconds, peak = atrest.encrypt(policy, folder, watch=True)
    verify = atrest.run(policy, "verify", watch=True)[1]
    head = ["peak resident memory", "ours", "wanted", "met"]
    rows = [
        [f"SQLite: `{verb}` of {options.memory_rows:,} rows{how}", f"{bytes_ / 1e6:,.0f} MB", "< 200 MB", mark(bytes_ < 200e6)]
        for verb, how, bytes_ in [("encrypt", f", backup on ({seconds:,.0f} s)", peak), ("verify", "", verify)]
    ]
    return head, rows, []

"""The part `keys`: another root for a keyring whose key sealed many values."""

import base64
import hashlib
import os
import sqlite3
import statistics
from pathlib import Path

import atrest

POLICY = """[keys]
keyring = "atrest.keyring"
root = "file:one.key"

[database]
url = "sqlite:bench.sqlite"

[[column]]
table = "people"
name = "extras"
"""


def measure(options, folder):
    folder = Path(folder)
    for name in ("one.key", "two.key"):
        path = folder / name
        path.write_text(base64.urlsafe_b64encode(os.urandom(32)).decode() + "\n")
        path.chmod(0o600)
    policy = folder / "atrest.toml"
    policy.write_text(POLICY)
    rows = options.read_rows
    with sqlite3.connect(folder / "bench.sqlite") as database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, extras TEXT)")
        made_up = ((n, f"made up {n:040d}") for n in range(rows))
        database.executemany("INSERT INTO people VALUES (?, ?)", made_up)
    database.close()
    atrest.run(policy, "key", "init")
    empty = rewrap(options, policy)
    atrest.run(policy, "encrypt", "--no-backup", "--yes")
    before = digest(folder / "bench.sqlite")
    full = rewrap(options, policy)
    rotate = statistics.median(atrest.run(policy, "key", "rotate")[0] for _ in range(options.rounds))
    if digest(folder / "bench.sqlite") != before:
        raise SystemExit("key rewrap or key rotate changed the database")
    head = ["what", "seconds"]
    table = [
        ["`key rewrap`, no value encrypted", f"{empty:.3f}"],
        [f"`key rewrap`, {rows:,} values encrypted", f"{full:.3f}"],
        [f"`key rotate`, {rows:,} values encrypted", f"{rotate:.3f}"],
    ]
    return head, table, [f"The database file (SQLite, {rows:,} rows) has the same SHA-256 before and after: no row was touched."]


def rewrap(options, policy):
    """The median of several, there and back."""
    roots = ["file:two.key", "file:one.key"] * options.rounds
    return statistics.median(atrest.run(policy, "key", "rewrap", "--root", root)[0] for root in roots)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

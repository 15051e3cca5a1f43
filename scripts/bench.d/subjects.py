"""The part `subjects`: `encrypt` under one key for all, and under one for each of
20,000 subjects, in rows that follow each other in no order of theirs."""

from statistics import median

import atrest
import backends

SUBJECTS = 20_000
POLICY = """[keys]
keyring = "{name}.keyring"
root = "env:ATREST_BENCH_KEY"

[database]
url = "{url}"

[[column]]
table = "owned"
name = "extras"
{subject}
"""


def policy(folder, database, name, subject):
    path = folder / f"{name}.toml"
    path.write_text(POLICY.format(name=name, url=database.url, subject=subject))
    atrest.run(path, "key", "init")
    return path


def make(database, rows):
    """The rows of `events`, each with its owner."""
    database.make("events", rows)
    for table in ("owned", "atrest_keys", "atrest_journal"):
        database.sql(f"DROP TABLE IF EXISTS {table}")
    database.sql("CREATE TABLE owned (id bigint NOT NULL PRIMARY KEY, owner integer NOT NULL, extras text NOT NULL)")
    database.sql(f"INSERT INTO owned SELECT id, (id * 7919) % {SUBJECTS}, extras FROM events")
    database.settle("owned")


def measure(options, folder):
    result, notes = [], []
    for kind in (backends.Sqlite, backends.Postgres, backends.Mariadb):
        place = folder / kind.name
        place.mkdir()
        database = kind(place)
        try:
            result.append(compared(database, options, place))
            notes.append(database.version)
        finally:
            database.close()
    head = ["what", "one key for each subject", "one key for all", "ratio", "wanted", "met"]
    return head, result, [f"Each page of rows has as many subjects as rows, and every subject's key is made in the run. {', '.join(notes)}."]


def compared(database, options, folder):
    rates = {"all": [], "each": []}
    policies = {
        "all": policy(folder, database, "all", ""),
        "each": policy(folder, database, "each", 'subject = "owner"'),
    }
    for _ in range(options.rounds):
        for name, path in policies.items():
            make(database, options.rows)
            rates[name].append(options.rows / atrest.encrypt(path, folder)[0])
    each, together = median(rates["each"]), median(rates["all"])
    met = "yes" if each >= 0.6 * together else "**no**"
    what = f"{database.name}: `encrypt` of {options.rows:,} rows of {backends.VALUE}-byte JSON, {SUBJECTS:,} subjects, backup on"
    return [what, f"{each:,.0f} rows/s", f"{together:,.0f} rows/s", f"{each / together:.2f}×", "≥ 0.6×", met]

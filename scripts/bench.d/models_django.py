"""Django's models: what a value costs on the way in, lists of values, reading rows, and
`encrypt_fields` beside the bulk_update loop. In PostgreSQL."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import backends
import columns

COMPARE = Path(__file__).with_name("models") / "compare.py"


def run(what, url):
    return json.loads(subprocess.check_output([sys.executable, str(COMPARE), what, url]))


def middle(rounds):
    return {key: median(r[key] for r in rounds) for key in rounds[0]}


def measure(options, folder):
    database = backends.Postgres(folder)
    try:
        values, rows, ours, peer = [], [], [], []
        for _ in range(options.rounds):
            values.append(run("values", database.url))
            rows.append(run("rows", database.url))
            database.sql("DROP TABLE IF EXISTS atrest_journal")
            database.make("events", options.rows)
            ours.append(options.rows / run("encrypt", database.url)["seconds"])
            count = min(columns.DJANGO_ROWS, options.rows)
            database.make("django_events", count)
            peer.append(count / columns.django(database, "django_events"))
        values, rows, ours, peer = middle(values), middle(rows), median(ours), median(peer)
        return table(options, values, rows, ours, peer, database.version)
    finally:
        database.close()


def table(options, values, rows, ours, peer, server):
    mark = columns.mark
    added = values["write_ours"] - values["write_clear"]
    times = rows["ours"] / rows["clear"]
    result = [
        [
            "`EncryptedTextField`, 64 bytes: time per value added to Django's own", f"{added:.2f} µs",
            "pyca Fernet alone; django-fernet-encrypted-fields, added",
            f"{values['write_pyca']:.1f} µs; {values['write_peer'] - values['write_clear']:.1f} µs",
            f"{values['write_pyca'] / added:.1f}×", "< 5 µs", mark(added < 5),
        ],
        *(
            [
                f"{what} a list of 100,000 values of 64 bytes", f"{values[f'bulk_{what}'] * 1000:,.0f} ms", "pyca Fernet",
                f"{values[f'pyca_{what}'] * 1000:,.0f} ms", f"{values[f'pyca_{what}'] / values[f'bulk_{what}']:.1f}×", "≥ 30×",
                mark(values[f"pyca_{what}"] >= 30 * values[f"bulk_{what}"]),
            ]
            for what in ("seal", "open")
        ),
        [
            f"`encrypt_fields` of {options.rows:,} rows of {backends.VALUE}-byte JSON, backup on", f"{ours:,.0f} rows/s",
            "`bulk_update`, 1,000 a batch, django-fernet-encrypted-fields", f"{peer:,.0f} rows/s", f"{ours / peer:.1f}×",
            "≥ 12×", mark(ours >= 12 * peer),
        ],
        [
            "reading 10,000 rows of 7 columns, one encrypted", f"{rows['ours'] * 1000:,.0f} ms", "the same in clear",
            f"{rows['clear'] * 1000:,.0f} ms", f"{times:.2f}×", "≤ 1.15×", mark(times <= 1.15),
        ],
        [
            "the same, time of the processor in the application alone", f"{rows['ours_cpu'] * 1000:,.0f} ms", "in clear",
            f"{rows['clear_cpu'] * 1000:,.0f} ms", f"{rows['ours_cpu'] / rows['clear_cpu']:.2f}×", "", "",
        ],
        [
            "reading 10,000 rows of 7 columns, one encrypted", f"{rows['ours'] * 1000:,.0f} ms", "django-fernet-encrypted-fields",
            f"{rows['peer'] * 1000:,.0f} ms", f"{rows['peer'] / rows['ours']:.1f}×", "", "",
        ],
    ]  # fmt: skip
    head = ["what", "ours", "beside", "peer", "ratio", "wanted", "met"]
    return head, result, [f"Server or library: {server}. Reading counts from the query to each row's value, in one process."]

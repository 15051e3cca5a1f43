"""What the commands over encrypted columns share: arguments, the engine, progress, totals."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

import atrest
from atrest.django import conf, policy
from atrest.django.columns import Selection, choose, over_views
from atrest.django.management import row_keys
from atrest.django.probe import misread
from atrest.django.words import in_django


#: Keys of rows that are named of each column.
KEYS = 10


class ColumnCommand(BaseCommand):
    """Runs the Rust engine over the chosen fields' columns."""

    #: Whether it changes values. Where not, `--dry-run` is accepted, and changes nothing either.
    changes = False
    #: Options that are lists, as they may be given several times.
    lists = ("app", "model", "field", "pk", "old_key")
    #: What `--batch-size` counts.
    batch = "rows in one transaction"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias in DATABASES")
        parser.add_argument("--app", action="append", default=[], metavar="LABEL", help="only this app's models")
        parser.add_argument("--model", action="append", default=[], metavar="[APP.]MODEL", help="only this model")
        parser.add_argument(
            "--field", action="append", default=[], metavar="[[APP.]MODEL.]FIELD", help="only this field"
        )
        parser.add_argument("--batch-size", type=int, metavar="ROWS", help=self.batch)
        parser.add_argument("--workers", type=int, metavar="N", help="connections that work at once")
        dry_run = "say what would be done; change nothing" if self.changes else "accepted; this only reads in any case"
        parser.add_argument("--dry-run", action="store_true", help=dry_run)
        noinput_argument(parser)

    # --- the engine ----------------------------------------------------------------------

    def prepare(self, options: dict[str, Any], keys: conf.KeyConfig | None = None) -> None:
        """Chooses the fields and makes the engine."""
        self.alias = options["database"]
        self.fields = self.chosen(options)
        made = policy.compose(connections[self.alias], self.fields, keys=keys)
        self.by_column = {policy.column_id(f): f for f in self.fields}
        self.labels = {column: str(f) for column, f in self.by_column.items()}
        self.engine = atrest.Engine(made.text, directory=made.directory, environment=made.environment)
        self.said: set[str] = set()
        self.progress = Progress(self, options["verbosity"])

    def chosen(self, options: dict[str, Any]) -> list[Any]:
        """The fields that `--app`, `--model` and `--field` choose in the database; without them all, but for views."""
        alias = options["database"]
        refuse_unknown(alias)
        selection = Selection(tuple(options["app"]), tuple(options["model"]), tuple(options["field"]))
        fields = choose(alias, selection)
        if selection != Selection():
            return fields
        views = over_views(alias, fields)
        for model in views:
            self.say(f"{model._meta.label}: passed over, for its table {model._meta.db_table} is a view")
        if fields := [field for field in fields if field.model not in views]:
            return fields
        raise CommandError(
            "the encrypted fields are those of models over views only; "
            "declare a model of the table that holds the rows",
            returncode=2,
        )

    def run(self, verb: str, options: dict[str, Any], **more: Any) -> dict[str, Any]:
        """One verb of the engine."""
        chosen: dict[str, Any] = {"progress": self.progress, **more}
        for name in ("batch_size", "workers"):
            if options.get(name) is not None:
                chosen[name] = options[name]
        try:
            return getattr(self.engine, verb)(**chosen)
        finally:
            self.progress.clear()

    def execute(self, *args: Any, **options: Any) -> Any:
        refuse_counts(options)
        options |= {name: listed(options[name]) for name in self.lists if name in options}
        try:
            return super().execute(*args, **options)
        except (atrest.AtrestError, ImproperlyConfigured) as error:
            # Without a traceback.
            raise CommandError(in_django(str(error)), returncode=2) from error

    # --- what is printed -----------------------------------------------------------------

    def say(self, text: str = "") -> None:
        self.stdout.write(text)

    def said_of_table(self, column: str, text: str) -> bool:
        """Whether this is said already, for another column, of their table or SQLite's file, which it then names."""
        field = self.by_column.get(column)
        if field is None or not re.search(rf"\b(sqlite:|{re.escape(field.model._meta.db_table)}\b)", text):
            return False
        known = text in self.said
        self.said.add(text)
        return known

    def totals(self, columns: Iterable[dict[str, Any]]) -> None:
        """One line a column: how many rows, and in what state."""
        for column in columns:
            self.say(f"{self.label(column)}: {state(column)}")
            for note in column.get("notes") or ():
                self.say(f"  {in_django(note)}")
            if rows := column.get("undecryptable_rows"):
                self.say(f"  undecryptable, first keys: {', '.join(self.keys(column, rows))}")

    def misread(self, column: str, prefix: str = "") -> bool:
        """Says which rows of a column the application cannot read, though they open: whether there are any."""
        field = self.by_column[column]
        keys, count = [], 0
        for pk in misread(connections[self.alias], field):
            keys += [str(pk)] if count < KEYS else []
            count += 1
        if count:
            what = "1 value opens, and is none" if count == 1 else f"{number(count)} values open, and are none"
            self.say(
                f"  {prefix}{what} of {article(field.clear_class.__name__)}; first keys: {', '.join(keys)}. Reading them "
                f"raises: give these rows other values"
            )
        return bool(count)

    def plan(self, operation: str, options: dict[str, Any]) -> None:
        """Prints what an operation would do; raises CommandError with status 1 if something stands in its way."""
        report = self.run("plan", options, operation=operation)
        for column in report["columns"]:
            verb = {"encrypt": "encrypted", "rotate": "encrypted anew", "decrypt": "decrypted"}[operation]
            self.say(f"{self.label(column)}: {state(column)}; {number(column['due'])} would be {verb}")
            if operation == "encrypt" and column["due"]:
                before, after, longest = (number(column[n]) for n in ("bytes", "bytes_after", "longest_token"))
                self.say(f"  the stored values grow from {before} to {after} bytes, the longest to {longest}")
            if (schema := column.get("schema")) is not None:
                self.say(f"  the column must become {schema['sealed_type']}: run the migration first")
            for kind in ("refusals", "warnings"):
                for finding in column.get(kind) or ():
                    text = f"{in_django(finding['what'])}; {in_django(finding['next'])}"
                    if not self.said_of_table(column["column"], f"{kind[:-1]}: {text}"):
                        self.say(f"  {kind[:-1]}: {text}")
            if operation == "encrypt":
                self.misread(column["column"], "warning: ")
        self.say("Nothing was changed (--dry-run).")
        if any(c.get("refusals") for c in report["columns"]):
            raise CommandError("something stands in the way, see above", returncode=1)

    def label(self, column: dict[str, Any]) -> str:
        """The field, by its column's report."""
        return self.labels.get(column["column"], column["column"])

    def keys(self, column: dict[str, Any], rows: Iterable[str]) -> Iterator[str]:
        """Primary keys of a column's report, as the application writes them."""
        field = self.by_column[column["column"]]
        return (row_keys.shown(field, key) for key in rows)

    def finish(self, report: dict[str, Any]) -> None:
        """Names the backups; raises CommandError with status 1 if something is left."""
        for path in report.get("backups") or ():
            self.say(f"backup: {path}")
        if not report["ok"]:
            raise CommandError("something is left to do, see above", returncode=1)


def listed(given: Any) -> Any:
    """An option that is a list: from code, one name is as good as a list of them."""
    return [given] if isinstance(given, str) else given


def noinput_argument(parser: CommandParser) -> None:
    """`--noinput`, as Django's own commands have it: scripts may give it to each, whether it asks or not."""
    parser.add_argument("--noinput", "--no-input", action="store_false", dest="interactive", help="ask nothing")


def lookalikes_argument(parser: CommandParser) -> None:
    """`--accept-lookalikes`, as the engine's refusals advise it."""
    parser.add_argument(
        "--accept-lookalikes",
        action="store_true",
        help="take values that look like tokens of atrest under a key id that the keyring lacks for clear text of the "
        "application's own; what looks like a Fernet token names no key, and stays as it is in any case",
    )


#: The options that are counts, with the most that makes sense.
MOST = {"batch_size": 1_000_000, "workers": 1000, "max_rate": 1_000_000_000}


def refuse_counts(options: dict[str, Any]) -> None:
    """Raises CommandError if an option that is a count is none of something, or too many."""
    for name, most in MOST.items():
        if (value := options.get(name)) is not None and not 1 <= value <= most:
            flag = name.replace("_", "-")
            raise CommandError(
                f"--{flag} is {value}; give a whole number from 1 to {number(most)}, or leave it out", returncode=2
            )


def refuse_unknown(alias: str) -> None:
    """Raises CommandError if DATABASES has no such entry."""
    if alias not in connections:
        raise CommandError(f"DATABASES has no {alias!r}; there are: {', '.join(connections)}", returncode=2)


class Progress:
    """Prints how far a verb is: one line that is written over on a terminal, else one every ten seconds."""

    def __init__(self, command: ColumnCommand, verbosity: int) -> None:
        self._out, self._labels, self._quiet = command.stderr, command.labels, verbosity == 0
        self._said_of_table = command.said_of_table
        self._terminal = sys.stderr.isatty()
        self._column, self._phase, self._rows = "", "", 0
        self._read = self._changed = 0
        self._begun = self._said = monotonic()

    def __call__(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "pass":
            self._column = self._labels.get(event["column"], event["column"])
            self._phase, self._rows = event["phase"], event.get("rows") or 0
            self._read = self._changed = 0
            self._begun = monotonic()
        elif kind == "rows":
            self._read, self._changed = event["read"], event["changed"]
            self._show()
        elif kind == "pass_end":
            self.clear()
        elif kind == "note" and not self._quiet:
            column, text = event.get("column", ""), in_django(event["text"])
            if not self._said_of_table(column, text):
                self.clear()
                self._out.write(f"{self._labels.get(column, '')}: {text}")

    def _show(self) -> None:
        now = monotonic()
        if self._quiet or now - self._said < (0.1 if self._terminal else 10):
            return
        self._said = now
        rate = self._read / max(now - self._begun, 1e-3)
        of = f" of {number(self._rows)}" if self._rows else ""
        left = f", {(self._rows - self._read) / rate:,.0f} s left" if self._rows > self._read and rate else ""
        text = f"{self._column}, {self._phase}: {number(self._read)}{of} rows, {rate:,.0f} rows/s{left}"
        self._out.write(f"\r\x1b[K{text}" if self._terminal else text, ending="" if self._terminal else "\n")

    def clear(self) -> None:
        """Takes an unfinished line away."""
        if self._terminal and not self._quiet:
            self._out.write("\r\x1b[K", ending="")


def number(n: int) -> str:
    """1234567 as 1,234,567."""
    return f"{n:,}"


def article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


def percent(part: int, whole: int) -> str:
    """Never rounded up to 100."""
    if part >= whole:
        return "100 %"
    return f"{part * 1000 // whole / 10} %"


def sealed(column: dict[str, Any]) -> int:
    """How many values of a report are encrypted."""
    return sum((column.get("sealed") or {}).values()) + (column.get("sealed_by_subject") or 0)


def state(column: dict[str, Any]) -> str:
    """A report's numbers in words."""
    values = column["total"] - column["null"]
    parts = [
        f"{number(column['total'])} rows",
        f"{number(sealed(column))} encrypted ({percent(sealed(column), values)})",
        f"{number(column['plaintext'])} in clear",
        f"{number(column['null'])} null",
    ]
    if column["undecryptable"]:
        parts.append(f"{number(column['undecryptable'])} UNDECRYPTABLE")
    return ", ".join(parts)


def backup_arguments(parser: CommandParser, of: str) -> None:
    """`--backup-file` or `--no-backup`."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--backup-file", metavar="PATH", help=f"{of} (default: a dated file)")
    either.add_argument("--no-backup", action="store_true", help="keep no backup")


def backup_argument(given: str | None, none: bool) -> str | bool:
    """The engine's `backup`: a path, or False for none. A folder gets a dated name of ours."""
    from django.utils import timezone

    if given and none:  # from code, which passes by the parser
        raise CommandError("--backup-file and --no-backup are both given; keep the one that is meant", returncode=2)
    if none:
        return False
    if given:
        return str(Path(given).absolute())
    folder = conf.get("BACKUPS") or conf.base_dir()
    return str(Path(folder).absolute() / f"atrest-backup-{timezone.now():%Y-%m-%dT%H-%M-%SZ}.atrest")


def key_summary(report: dict[str, Any]) -> list[str]:
    """Which key encrypts how many values of all columns."""
    counts: dict[str, int] = {}
    for column in report["columns"]:
        for key, count in (column.get("sealed") or {}).items():
            counts[key] = counts.get(key, 0) + count
    return [f"key {key}: {number(count)} values" for key, count in sorted(counts.items())]


def key_ages(report: dict[str, Any]) -> list[str]:
    """How old each key of a keyring is, and whether it is time for another; nothing of keys that no keyring dates."""
    dated = [key for key in report.get("keys") or () if key.get("created") and key.get("state") != "destroyed"]
    due = "; OLDER than rotate_after: `atrest key rotate`, then rotate_encryption_keys"
    return [
        f"key {key['key']}: {key['purpose']}, {key['state']}, made {key['created'][:10]}, "
        f"{number(key['age'] // 86_400)} days old{due if key.get('due') else ''}"
        for key in dated
    ]

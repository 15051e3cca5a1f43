"""`manage.py encryption_status`: fields, keys and runs at a glance; or one row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from atrest.django import policy
from atrest.django.keys import in_force
from atrest.django.management import row_keys
from atrest.django.management.base import ColumnCommand, key_ages


class Command(ColumnCommand):
    help = (
        "Lists the encrypted fields with their state, the keys in force, and runs that are not "
        "finished. With --pk: how one row's value is stored, under which key, and whether it opens."
    )

    batch = "rows read at once"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--pk", action="append", metavar="VALUE", help="one row (of one field)")
        parser.add_argument(
            "--reveal", action="store_true", help="with --pk: show the clear value, too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.prepare(options)
        if options["pk"]:
            self.one_row(options)
            return
        keyring = in_force.keyring()
        self.say(f"keys: {keyring.primary_id} encrypts; {', '.join(keyring.ids[1:]) or 'no other'} decrypts")
        report = self.run("status", options)
        for line in key_ages(report):
            self.say(line)
        self.totals(report["columns"])
        for field in self.fields:
            if field.reads_plaintext:
                self.say(f"{field}: still reads clear values too (allow_plaintext)")
        for run in report.get("open_runs") or ():
            self.say(
                f"not finished: {run['operation']} of {self.label(run)}, begun {run['started']}, "
                f"{run['changed']:,} changed; run the same command again"
            )

    def one_row(self, options: dict[str, Any]) -> None:
        if len(self.fields) != 1:
            raise CommandError("--pk needs one field: --field app.Model.field", returncode=2)
        (field,) = self.fields
        key = row_keys.stored(field, options["pk"], connections[options["database"]])
        report = self.engine.inspect(policy.column_id(field), *key, reveal=options["reveal"])
        column = report["columns"][0]
        self.say(f"{self.label(column)} of pk {', '.join(options['pk'])}: {column['state']}, {column['bytes']} bytes")
        if column.get("suite"):
            known = "in the keyring" if column.get("key_known") else "NOT in the keyring"
            self.say(f"  {column['suite']}" + (f", key {column['key_id']} ({known})" if column.get("key_id") else ""))
        if column.get("stored") is not None:
            self.say(f"  stored: {column['stored']}")
        if column.get("clear") is not None:
            self.say(f"  clear: {column['clear']}")

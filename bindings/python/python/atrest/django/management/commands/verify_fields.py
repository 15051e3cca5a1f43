"""`manage.py verify_fields`: proves what is encrypted, by opening it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from atrest.django.management.base import ColumnCommand, key_summary, number


class Command(ColumnCommand):
    help = (
        "Opens every value of the encrypted fields, and says how many are encrypted, in clear or "
        "undecryptable. Exit status 1 unless all are encrypted. With --against, compares with a backup."
    )

    batch = "rows read at once"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--against", metavar="PATH", help="a backup to compare with")

    def handle(self, *args: Any, **options: Any) -> None:
        self.prepare(options)
        against, readable = options["against"], True
        report = self.run("verify", options, **({"against": against} if against else {}))
        if against:
            for column in report["columns"]:
                self.say(
                    f"{self.label(column)}: {number(column['same'])} of {number(column['entries'])} as in the "
                    f"backup, {number(column['changed_since'])} changed since, {number(column['missing'])} gone, "
                    f"{number(column['undecryptable'])} undecryptable"
                )
        else:
            for column in report["columns"]:
                self.totals([column])
                readable &= not self.misread(column["column"])
            for line in key_summary(report):
                self.say(line)
        if not (report["ok"] and readable):
            raise CommandError("not everything is as it should be, see above", returncode=1)
        self.say("Verified: as in the backup." if against else "Verified: every value is encrypted and opens.")

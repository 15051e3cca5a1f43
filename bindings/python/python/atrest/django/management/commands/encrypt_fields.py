"""`manage.py encrypt_fields`: encrypts the rows that are there already."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from atrest.django.management.base import ColumnCommand, backup_argument, backup_arguments, lookalikes_argument, number


class Command(ColumnCommand):
    help = (
        "Encrypts the clear values of encrypted fields, in place, while the application runs. "
        "Run the migration first. What is encrypted already is skipped; stopped at any moment, "
        "the same command goes on."
    )
    changes = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        backup_arguments(parser, "encrypted backup of the old values")
        parser.add_argument("--skip-encrypted", action="store_true", help="always so; accepted for older scripts")
        parser.add_argument("--max-rate", type=int, metavar="ROWS", help="rows a second at most")
        lookalikes_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.prepare(options)
        if options["dry_run"]:
            self.plan("encrypt", options)
            return
        backup = backup_argument(options["backup_file"], options["no_backup"])
        report = self.run(
            "encrypt",
            options,
            backup=backup,
            max_rate=options["max_rate"],
            accept_lookalikes=options["accept_lookalikes"],
        )
        self.totals(report["columns"])
        changed = sum(column["changed"] for column in report["columns"])
        self.say(f"{number(changed)} values encrypted in {report['seconds']:.1f} s")
        self.finish(report)

"""`manage.py restore_from_backup`: puts a backup's values back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from atrest.django.management.base import ColumnCommand, number


class Command(ColumnCommand):
    help = (
        "Puts the values of a backup back, where the row was not changed since; with --force also "
        "there. --dry-run compares only."
    )
    changes = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--backup-file", metavar="PATH", required=True, help="the backup")
        parser.add_argument("--force", action="store_true", help="also rows that were changed since")

    def handle(self, *args: Any, **options: Any) -> None:
        self.prepare(options)
        path = options["backup_file"]
        if options["dry_run"]:
            report = self.run("verify", options, against=path)
        else:
            report = self.run("restore", options, backup=path, force=options["force"])
        for column in report["columns"]:
            self.say(
                f"{self.label(column)}: {number(column['entries'])} entries, {number(column['changed'])} rows "
                f"written, {number(column['changed_since'])} changed since, {number(column['missing'])} gone"
            )
        if options["dry_run"]:
            self.say("Nothing was changed (--dry-run).")
        self.finish(report)

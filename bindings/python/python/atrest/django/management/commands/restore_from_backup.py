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
        say = would if options["dry_run"] else done
        for column in report["columns"]:
            self.say(f"{self.label(column)}: {number(column['entries'])} entries, {say(column, options['force'])}")
            if rows := column["rows"]:
                self.say(f"  not as in the backup, first keys: {', '.join(self.keys(column, rows))}")
        if options["dry_run"]:
            self.say("Nothing was changed (--dry-run).")
        self.finish(report)


def would(column: dict[str, Any], force: bool) -> str:
    """What a restore would do, by a comparison: it counts values, not those that are stored as they were already."""
    others = "would be overwritten (--force)" if force else "would stay"
    return (
        f"{number(column['same'])} rows have the same value and would hold it as it was stored then, "
        f"{number(column['changed_since'])} changed since and {number(column['undecryptable'])} undecryptable "
        f"{others}, {number(column['missing'])} gone"
    )


def done(column: dict[str, Any], force: bool) -> str:
    return (
        f"{number(column['changed'])} rows written, {number(column['changed_since'])} changed since, "
        f"{number(column['undecryptable'])} undecryptable, {number(column['missing'])} gone"
    )

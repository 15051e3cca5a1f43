"""`manage.py decrypt_fields`: the way out, before the migration back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from atrest.django.management.base import ColumnCommand, backup_argument, backup_arguments, lookalikes_argument, number


class Command(ColumnCommand):
    help = (
        "Turns encrypted fields back into clear text, in place. Set allow_plaintext=True (or "
        'ATREST["ALLOW_PLAINTEXT"]) first, so that the application reads both; afterwards migrate '
        "back to the fields that are not encrypted."
    )
    changes = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        backup_arguments(parser, "backup of the tokens")
        lookalikes_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.prepare(options)
        if options["dry_run"]:
            self.plan("decrypt", options)
            return
        if options["interactive"]:
            names = ", ".join(self.labels.values())
            try:
                answer = input(f"Store {names} in clear again? [yes/NO] ")
            except EOFError:
                raise CommandError(
                    "nothing was changed: there is no terminal to ask whether to store values in clear again. "
                    "If you mean it, give --noinput",
                    returncode=2,
                ) from None
            if answer.strip().lower() != "yes":
                raise CommandError("nothing was changed")
        report = self.run(
            "decrypt",
            options,
            backup=backup_argument(options["backup_file"], options["no_backup"]),
            accept_lookalikes=options["accept_lookalikes"],
        )
        self.totals(report["columns"])
        changed = sum(column["changed"] for column in report["columns"])
        self.say(f"{number(changed)} values decrypted in {report['seconds']:.1f} s")
        self.finish(report)

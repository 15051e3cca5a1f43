"""`manage.py rotate_encryption_keys`: encrypts every value anew under another key."""

from __future__ import annotations

import os
import re
from typing import Any

from django.core.management.base import CommandParser

import atrest
from atrest.django import conf, policy
from atrest.django.keys import in_force
from atrest.django.management.base import (
    ColumnCommand,
    backup_argument,
    backup_arguments,
    key_summary,
    lookalikes_argument,
    number,
)


#: A key in base64url that begins as an option does.
_DASHED_KEY = re.compile(r"-[\w-]{42}=?", re.ASCII)


class Command(ColumnCommand):
    help = (
        "Encrypts every value anew under the new key. Without --new-key, under the first of the "
        "project's keys. Afterwards put the new key first in settings, keep the old one behind it "
        "until verify_fields names it no more. A key on the command line is seen by others of the "
        "machine and kept in the shell's history: give a source (env:NEW_KEY, file:/path) instead."
    )
    changes = True

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--old-key", action="append", default=[], metavar="KEY|SOURCE", help="also decrypts")
        parser.add_argument("--new-key", metavar="KEY|SOURCE", help="encrypts from now on")
        backup_arguments(parser, "backup of the old tokens")
        lookalikes_argument(parser)

    def run_from_argv(self, argv: list[str]) -> None:
        super().run_from_argv(_joined(argv))

    def handle(self, *args: Any, **options: Any) -> None:
        new, old = options["new_key"], options["old_key"]
        keys = conf.key_config()
        if new or old:
            keys = policy.with_keys(keys, new, old)
        self.prepare(options, keys=keys)
        if new:
            self.remind(new)
        if options["dry_run"]:
            self.plan("rotate", options)
            return
        backup = backup_argument(options["backup_file"], options["no_backup"])
        report = self.run("rotate", options, backup=backup, accept_lookalikes=options["accept_lookalikes"])
        self.totals(report["columns"])
        changed = sum(column["changed"] for column in report["columns"])
        self.say(f"{number(changed)} values encrypted anew in {report['seconds']:.1f} s")
        for line in key_summary(report):
            self.say(line)
        self.finish(report)

    def remind(self, new: str) -> None:
        """Says, before anything is done, if the application does not know the new key."""
        given = os.environ.get(new.removeprefix("env:")) if new.startswith("env:") else new
        if conf.is_source(given or ""):
            return
        if given is None or atrest.key_id(given) not in in_force.keyring().ids:
            self.say(
                "The application does not know this key yet, and cannot read what is encrypted under it. While "
                "it runs, first put the new key before the old one in the project's keys; then rotate."
            )


def _joined(argv: list[str]) -> list[str]:
    """`--old-key -abc…` as `--old-key=-abc…`: one key in 64 begins with a dash."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in ("--old-key", "--new-key") and _DASHED_KEY.fullmatch(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined

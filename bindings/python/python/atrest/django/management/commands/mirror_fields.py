"""`manage.py mirror_fields`: encrypted copies of rows that are there already."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, OperationalError, ProgrammingError

import atrest
from atrest.django.columns import is_named
from atrest.django.management.base import listed, noinput_argument, refuse_counts, refuse_unknown
from atrest.django.mirror import bulk
from atrest.django.mirror.declared import Mirror, all_mirrors
from atrest.django.words import in_django


class Command(BaseCommand):
    help = (
        "Works on models that declare mirrors. --verify (the default) compares, --fill makes each copy what "
        "its original is, --empty-originals empties those whose copy holds the same, --restore-originals is "
        "the way back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        for name in ("verify", "fill", "empty-originals", "restore-originals"):
            what.add_argument(f"--{name}", action="store_const", const=name, dest="what")
        parser.set_defaults(what="verify")
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias in DATABASES")
        parser.add_argument(
            "--model", action="append", default=[], metavar="[APP.]MODEL", help="only this model's mirrors"
        )
        parser.add_argument("--batch-size", type=int, default=1000, metavar="ROWS", help="rows in one transaction")
        parser.add_argument("--dry-run", action="store_true", help="compare only")
        noinput_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_counts(options)
        alias = options["database"]
        refuse_unknown(alias)
        try:
            self.each(options)
        except (atrest.AtrestError, ImproperlyConfigured) as error:
            # Without a traceback.
            raise CommandError(in_django(str(error)), returncode=2) from error
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(
                f"the database {alias!r} cannot be asked: {error}; see that it answers, and that `manage.py migrate` "
                f"has made its tables",
                returncode=2,
            ) from error

    def each(self, options: dict[str, Any]) -> None:
        """One mirror after the other; raises CommandError with status 1 if something is left."""
        names = listed(options["model"])
        mirrors = [m for m in all_mirrors() if not names or is_named(m.model, names)]
        if not mirrors:
            raise CommandError("no model declares mirrors, or none is called so (write app.Model)", returncode=2)
        clean = True
        for mirror in mirrors:
            clean &= self.one(mirror, options)
        if not clean:
            raise CommandError("originals and copies are not what they should be everywhere, see above", returncode=1)

    def one(self, mirror: Mirror, options: dict[str, Any]) -> bool:
        what = "verify" if options["dry_run"] else options["what"]
        if what == "empty-originals" and not mirror.empties:
            raise CommandError(
                f'set mirrors_originals = "empty" on {mirror.model._meta.label} and deploy that first: until then '
                f"the application would write the originals back",
                returncode=2,
            )
        if what == "restore-originals" and mirror.empties:
            raise CommandError(
                f'set mirrors_originals = "keep" on {mirror.model._meta.label} and deploy that first: until then '
                f"the application would empty the originals again",
                returncode=2,
            )
        work = {"fill": bulk.fill, "empty-originals": bulk.empty, "restore-originals": bulk.restore}.get(
            what, bulk.compare
        )
        counts = work(mirror, options["database"], options["batch_size"])
        if what != "verify":
            self.stdout.write(f"{mirror.model._meta.label}: {counts.changed:,} values written")
            counts = bulk.compare(mirror, options["database"], options["batch_size"])
        names = ", ".join(f"{mirror.relation.name}.{o} = {c}" for o, c in mirror.pairs)
        self.stdout.write(
            f"{mirror.model._meta.label} ({names}): {counts.rows:,} rows, {counts.same:,} pairs the same, "
            f"{counts.only_original:,} not copied, {counts.only_copy:,} in the copy only, {counts.differ:,} different"
        )
        if counts.first:
            self.stdout.write(f"  different, first keys: {', '.join(map(str, counts.first))}")
        if counts.without > 0:
            self.stdout.write(f"  {counts.without:,} of {mirror.original_model._meta.label} have no row to hold copies")
        if counts.unreadable:
            columns = " ".join(f"--field {mirror.model._meta.get_field(c)}" for _, c in mirror.pairs)
            self.stdout.write(
                f"  {counts.unreadable:,} copies do not open, and are left as they are, as are their originals: "
                f"{', '.join(counts.unreadable_first)}; see why with `manage.py verify_fields {columns}`"
            )
        left = counts.only_copy
        if mirror.empties and (left := counts.in_clear):
            self.stdout.write(
                f"  {left:,} originals are IN CLEAR, and should be empty: --empty-originals empties those whose copy "
                f"holds the same, --fill makes each copy what its original is"
            )
        return counts.differ == counts.only_original == counts.unreadable == left == 0

"""`manage.py generate_encryption_key`: prints a new key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

import atrest


class Command(BaseCommand):
    help = (
        "Prints a new key, and its id on standard error. Put it where only the application can read it, "
        "and keep a copy where the database is not: without it the data is lost."
    )
    requires_system_checks: list[Any] = []

    def handle(self, *args: Any, **options: Any) -> None:
        key = atrest.generate_key()
        self.stdout.write(key)
        self.stderr.write(f"key id: {atrest.key_id(key)}")

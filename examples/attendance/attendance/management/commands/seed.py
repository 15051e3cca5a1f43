"""Rows as the application wrote them before: straight SQL, in clear. The people are invented."""

import json
import random

from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.utils import timezone

from attendance import faces


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("count", type=int)

    @transaction.atomic
    def handle(self, count, **options):
        chance = random.Random(4711)
        at = timezone.now().replace(tzinfo=None).isoformat(sep=" ")
        with connection.cursor() as cursor:
            for n in range(count):
                extras = {"template": faces.template(chance.randbytes(640)), "first": True} if n % 10 else None
                cursor.execute(
                    "INSERT INTO peopleeventlog (person, kind, at, latitude, longitude, verified, peventlogextras)"
                    " VALUES (%s, 'in', %s, 0.5, 0.25, %s, %s)",
                    [n, at, True, None if extras is None else json.dumps(extras)],
                )
        self.stdout.write(f"{count} events in clear")

"""Every event as it is stored, a line each: to compare before and after."""

from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, **options):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, person, kind, latitude, longitude, peventlogextras FROM peopleeventlog ORDER BY id"
            )
            for row in cursor.fetchall():
                self.stdout.write(repr(row))

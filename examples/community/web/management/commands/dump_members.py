"""Every member as stored, a line each: to compare before and after."""

from django.core.management.base import BaseCommand
from django.db import connection


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, **options):
        with connection.cursor() as cursor:
            for sql in (
                "SELECT id, username, email, first_name, last_name, password FROM auth_user ORDER BY id",
                "SELECT * FROM web_profile ORDER BY id",
            ):
                cursor.execute(sql)
                names = [c[0] for c in cursor.description]
                for row in cursor.fetchall():
                    self.stdout.write(repr(dict(sorted(zip(names, row)))))

"""Members as the site wrote them before: profiles by straight SQL, in clear. All are invented."""

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.db import connection, transaction


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("first", type=int)
        parser.add_argument("count", type=int)

    @transaction.atomic
    def handle(self, first, count, **options):
        password = make_password("correct horse")
        User.objects.bulk_create(
            User(
                username=f"member{n}",
                email=f"member{n}@example.org",
                first_name=f"Member{n}",
                last_name="Example",
                password=password,
            )
            for n in range(first, first + count)
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM web_profile WHERE 1 = 0")
            new = [c[0] for c in cursor.description if c[0].startswith("encrypted_")]
            columns = ", ".join(["user_id", "expertise", "discord_username", "bio", *new])
            for user in User.objects.filter(profile=None).only("pk", "username"):
                values = [user.pk, "gardening", f"{user.username}#0001", f"I am {user.username} 🌱", *("" for _ in new)]
                cursor.execute(
                    f"INSERT INTO web_profile ({columns}) VALUES ({', '.join(['%s'] * len(values))})", values
                )
        self.stdout.write(f"{count} members in clear")

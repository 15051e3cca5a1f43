"""One member logs in, looks at the profile, changes it, and gets a mail: through Django's test client."""

from django.contrib.auth.models import User
from django.core import mail
from django.core.management.base import BaseCommand, CommandError
from django.test import Client
from django.test.utils import setup_test_environment


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("name")

    def handle(self, name, **options):
        setup_test_environment()
        client = Client()
        if client.post("/login/", {"username": name, "password": "wrong"}).status_code != 403:
            raise CommandError("a wrong password was taken")
        welcome = client.post("/login/", {"username": name, "password": "correct horse"}).json()
        before = client.get("/profile/").json()
        if before["email"] != f"{name}@example.org" or welcome != {"welcome": name.capitalize()}:
            raise CommandError(f"{name} is greeted as {welcome}, with {before}")
        address = f"{name}@new.example.org"
        if client.post("/profile/", {"email": address, "bio": "Changed."}).json()["email"] != address:
            raise CommandError("the new address was not taken")
        user = User.objects.get(username=name)
        if not user.profile.encrypted_email == user.email == address:
            raise CommandError("the copy is not the same")
        user.email_user("Hello", "text")
        if mail.outbox[-1].to != [address]:
            raise CommandError(f"the mail went to {mail.outbox[-1].to}")
        client.post("/profile/", {"email": before["email"], "bio": before["bio"]})
        if client.get("/profile/").json() != before:
            raise CommandError("the profile is not what it was")
        self.stdout.write(f"{name} logged in, changed the profile, and got a mail to {address}")

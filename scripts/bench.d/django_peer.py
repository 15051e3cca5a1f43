"""The peer: Django's bulk_update in batches of 1,000 through
django-fernet-encrypted-fields, over every row of the table `events`.

Prints the seconds it took, the start of Python and Django left out.
"""

import os
import sys
import time
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

url = urlsplit(sys.argv[1])
settings.configure(
    SECRET_KEY=os.urandom(24).hex(),
    SALT_KEY=os.urandom(24).hex(),
    INSTALLED_APPS=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": url.hostname,
            "PORT": url.port or 5432,
            "USER": unquote(url.username or "postgres"),
            "PASSWORD": unquote(url.password or ""),
            "NAME": url.path.lstrip("/"),
        }
    },
)
django.setup()

from django.db import models  # noqa: E402
from encrypted_fields.fields import EncryptedTextField  # noqa: E402


class Event(models.Model):
    id = models.BigIntegerField(primary_key=True)
    extras = EncryptedTextField()

    class Meta:
        app_label = "bench"
        db_table = sys.argv[2]
        managed = False


Event._meta.get_field("extras").f  # the key's derivation is not counted
start = time.perf_counter()
last = 0
while batch := list(Event.objects.filter(id__gt=last).order_by("id")[:1000]):
    Event.objects.bulk_update(batch, ["extras"], batch_size=1000)
    last = batch[-1].id
print(time.perf_counter() - start)

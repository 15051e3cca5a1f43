"""One measurement of Django's models: in clear, ours, and django-fernet-encrypted-fields.

    compare.py WHAT URL   prints JSON; WHAT is values, rows or encrypt

In a folder of its own, so that `import atrest` finds the package and not a neighbour.
"""

import json
import os
import sys
import tempfile
import time
from urllib.parse import unquote, urlsplit

import django
from cryptography.fernet import Fernet
from django.conf import settings

import atrest

WHAT, URL = sys.argv[1], urlsplit(sys.argv[2])
TEXT = "x" * 64
BULK, ROWS, WRITES = 100_000, 10_000, 20_000

settings.configure(
    SECRET_KEY=os.urandom(24).hex(),
    SALT_KEY=os.urandom(24).hex(),
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "atrest.django"],
    ATREST={"KEYS": atrest.generate_key(), "BACKUPS": tempfile.gettempdir()},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": URL.hostname,
            "PORT": URL.port or 5432,
            "USER": unquote(URL.username or "postgres"),
            "PASSWORD": unquote(URL.password or ""),
            "NAME": URL.path.lstrip("/"),
        }
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.utils import timezone  # noqa: E402
from encrypted_fields.fields import EncryptedTextField as PeerField  # noqa: E402

from atrest.django import EncryptedTextField  # noqa: E402


def model(name, secret):
    """A person: six columns in clear and one that is not."""
    return type(
        name,
        (models.Model,),
        {
            "__module__": "bench",
            "Meta": type("Meta", (), {"app_label": "bench", "db_table": f"bench_{name.lower()}"}),
            "name": models.CharField(max_length=50),
            "city": models.CharField(max_length=50),
            "created": models.DateTimeField(default=timezone.now),
            "active": models.BooleanField(default=True),
            "visits": models.IntegerField(default=0),
            "secret": secret,
        },
    )


Clear, Ours, Peer = model("Clear", models.TextField()), model("Ours", EncryptedTextField()), model("Peer", PeerField())
MODELS = (Clear, Ours, Peer)


def seconds(work, clock=time.perf_counter):
    begin = clock()
    work()
    return clock() - begin


def best(work, times=7):
    return min(seconds(work) for _ in range(times))


def best_of_each(times=15, **works):
    """The same for each, in turns: what else goes on in the machine meets all of them."""
    taken = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            taken[name].append(seconds(work))
    return {name: min(each) for name, each in taken.items()}


def write(field, count=WRITES):
    for _ in range(count):
        field.get_db_prep_save(TEXT, connection)


def values():
    """Microseconds that a value costs on its way into the database, and lists of 100,000."""
    fields = {m.__name__.lower(): m._meta.get_field("secret") for m in MODELS}
    fernet = Fernet(Fernet.generate_key())
    token = fernet.encrypt(TEXT.encode())
    few = 2000
    out = {f"write_{name}": best(lambda f=f: write(f, few)) / few * 1e6 for name, f in fields.items()}
    out["write_pyca"] = best(lambda: [fernet.encrypt(TEXT.encode()).decode() for _ in range(few)]) / few * 1e6
    ours = fields["ours"].column_values.native()
    many = [TEXT] * BULK
    tokens = ours.seal_many(many)
    out |= best_of_each(
        bulk_seal=lambda: ours.seal_many(many),
        pyca_seal=lambda: [fernet.encrypt(TEXT.encode()) for _ in range(few)],
        bulk_open=lambda: ours.open_many(tokens),
        pyca_open=lambda: [fernet.decrypt(token) for _ in range(few)],
    )
    for name in ("pyca_seal", "pyca_open"):
        out[name] *= BULK / few
    return out


def tables(make):
    with connection.schema_editor() as editor:
        for one in MODELS:
            (editor.create_model if make else editor.delete_model)(one)


def read(one):
    return sum(len(row.secret) for row in one.objects.all())


def rows():
    """Seconds to read 10,000 rows and each row's value; and of the processor in this process alone."""
    tables(True)
    try:
        for one in MODELS:
            one.objects.bulk_create(
                [one(name=f"name {n}", city="Somewhere", visits=n, secret=TEXT) for n in range(ROWS)], batch_size=1000
            )
        for one in (Clear, Ours):
            read(one)
        clocks = {"": time.perf_counter, "_cpu": time.process_time}
        taken = {f"{one.__name__.lower()}{name}": [] for one in MODELS for name in clocks}
        for number in range(40):
            for one in MODELS[: 2 if number % 8 else 3]:
                for name, clock in clocks.items():
                    taken[f"{one.__name__.lower()}{name}"].append(seconds(lambda one=one: read(one), clock))
        return {name: min(times) for name, times in taken.items()}
    finally:
        tables(False)


class Event(models.Model):
    """The table that scripts/bench makes."""

    id = models.BigIntegerField(primary_key=True)
    extras = EncryptedTextField(allow_plaintext=True)

    class Meta:
        app_label = "auth"
        db_table = "events"
        managed = False


def encrypt():
    """Seconds of `manage.py encrypt_fields` over the table `events`, backup on."""
    backup = tempfile.mktemp(suffix=".atrest")
    try:
        with open(os.devnull, "w") as nowhere:
            return {
                "seconds": seconds(
                    lambda: call_command(
                        "encrypt_fields", backup_file=backup, skip_checks=True, stdout=nowhere, verbosity=0
                    )
                )
            }
    finally:
        if os.path.exists(backup):
            os.unlink(backup)


print(json.dumps({"values": values, "rows": rows, "encrypt": encrypt}[WHAT]()))

"""`rows write` makes the rows, and one more with a TEXT; `rows read` prints them, one by one; `rows touch` saves each."""

import datetime
import decimal
import json
import uuid

from django.core.management.base import BaseCommand
from ward.models import CLEAR, Patient

UTC = datetime.timezone.utc
ROWS = [
    {"name": "nothing"},
    {
        "name": "usual",
        "text": "Zoë 🦊 'quoted'\n",
        "char": "x" * 30,
        "email": "ada@example.org",
        "json": {"b": [1, 2.5, None, True, "é🦊"], "a": {"deep": -0.001}},
        "integer": 42,
        "float": 0.1,
        "decimal": decimal.Decimal("10.500"),
        "date": datetime.date(2026, 2, 28),
        "datetime": datetime.datetime(2026, 7, 1, 12, 30, 15, 123456, UTC),
        "boolean": True,
        "binary": bytes(range(256)),
        "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
        "big": -(2**63),
        "duration": datetime.timedelta(days=3, hours=4, microseconds=5),
        "time": datetime.time(1, 2, 3, 4),
        "ip": "192.0.2.1",
        "small": 32767,
    },
    {
        "name": "edges",
        "text": "",
        "char": "",
        "json": [],
        "integer": -(2**31),
        "float": -1.7976931348623157e308,
        "decimal": decimal.Decimal("-999999999.999"),
        "date": datetime.date(1000, 1, 1),
        "datetime": datetime.datetime(2026, 1, 1, 0, 0, 0, 0, UTC),
        "boolean": False,
        "binary": b"",
        "uuid": uuid.UUID(int=0),
        "big": 2**63 - 1,
        "duration": datetime.timedelta(days=-1, microseconds=-1),
        "time": datetime.time(0),
        "ip": "2001:db8::ff00:42:8329",
        "small": 0,
    },
    {"name": "tiny", "float": 1e-7, "json": "a string", "decimal": decimal.Decimal("0.001"), "integer": 0},
    {"name": "third", "float": 1 / 3, "json": 12, "duration": datetime.timedelta(0)},
]


class Command(BaseCommand):
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("what", choices=["write", "read", "touch"])
        parser.add_argument("text", nargs="?")

    def handle(self, what, text, **options):
        if what == "write":
            for row in [*ROWS, {"name": "given", "text": text}] if text else ROWS:
                Patient.objects.create(**row)
        for row in Patient.objects.order_by("pk"):
            if what == "touch":
                row.save()
            values = {name: getattr(row, name) for name in sorted(CLEAR)}
            # PostgreSQL orders the keys of clear JSON; the value is the same.
            values["json"] = json.dumps(values["json"], sort_keys=True)
            values = {n: v.astimezone(UTC) if isinstance(v, datetime.datetime) else v for n, v in values.items()}
            self.stdout.write(repr({k: bytes(v) if isinstance(v, memoryview) else v for k, v in values.items()}))

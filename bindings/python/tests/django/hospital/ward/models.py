"""One model in three states: as it was, while it is encrypted, and afterwards."""

import os

from django.db import models

from atrest import django as atrest

STATE = os.environ["WARD"]

CLEAR = {
    "text": models.TextField(null=True),
    "char": models.CharField(max_length=30, null=True),
    "email": models.EmailField(null=True),
    "json": models.JSONField(null=True),
    "integer": models.IntegerField(null=True),
    "float": models.FloatField(null=True),
    "decimal": models.DecimalField(max_digits=12, decimal_places=3, null=True),
    "date": models.DateField(null=True),
    "datetime": models.DateTimeField(null=True),
    "boolean": models.BooleanField(null=True),
    "binary": models.BinaryField(null=True),
    "uuid": models.UUIDField(null=True),
    "big": models.BigIntegerField(null=True),
    "duration": models.DurationField(null=True),
    "time": models.TimeField(null=True),
    "ip": models.GenericIPAddressField(null=True),
    "small": models.PositiveSmallIntegerField(default=7),
}
mixed = {"null": True, "allow_plaintext": True if STATE == "mixed" else None}
SEALED = {
    "text": atrest.EncryptedTextField(**mixed),
    "char": atrest.EncryptedCharField(max_length=30, **mixed),
    "email": atrest.EncryptedEmailField(**mixed),
    "json": atrest.EncryptedJSONField(**mixed),
    "integer": atrest.EncryptedIntegerField(**mixed),
    "float": atrest.EncryptedFloatField(**mixed),
    "decimal": atrest.EncryptedDecimalField(max_digits=12, decimal_places=3, **mixed),
    "date": atrest.EncryptedDateField(**mixed),
    "datetime": atrest.EncryptedDateTimeField(**mixed),
    "boolean": atrest.EncryptedBooleanField(**mixed),
    "binary": atrest.EncryptedBinaryField(**mixed),
    "uuid": atrest.EncryptedUUIDField(**mixed),
} | {
    name: atrest.encrypt(CLEAR[name], allow_plaintext=mixed["allow_plaintext"])
    for name in ("big", "duration", "time", "ip", "small")
}


class Patient(models.Model):
    name = models.CharField(max_length=30)
    locals().update(CLEAR if STATE == "clear" else SEALED)

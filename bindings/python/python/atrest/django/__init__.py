"""Encrypted fields for Django models, and commands that encrypt what is there already.

    from atrest.django import EncryptedEmailField, encrypt

    class Person(models.Model):
        email = EncryptedEmailField()
        homepage = encrypt(models.URLField(max_length=300))

Add "atrest.django" to INSTALLED_APPS and name the keys in settings (docs/django.md).
Values are sealed when a row is written and opened when it is read; the management
commands run the Rust engine over the same columns.
"""

from atrest.django.encrypt import encrypt
from atrest.django.fields import (
    EncryptedBinaryField,
    EncryptedBooleanField,
    EncryptedCharField,
    EncryptedDateField,
    EncryptedDateTimeField,
    EncryptedDecimalField,
    EncryptedEmailField,
    EncryptedField,
    EncryptedFloatField,
    EncryptedIntegerField,
    EncryptedJSONField,
    EncryptedTextField,
    EncryptedUUIDField,
)
from atrest.django.probe import prove_keys
from atrest.django.warm import cache_warm

__all__ = [
    "EncryptedBinaryField",
    "EncryptedBooleanField",
    "EncryptedCharField",
    "EncryptedDateField",
    "EncryptedDateTimeField",
    "EncryptedDecimalField",
    "EncryptedEmailField",
    "EncryptedField",
    "EncryptedFloatField",
    "EncryptedIntegerField",
    "EncryptedJSONField",
    "EncryptedTextField",
    "EncryptedUUIDField",
    "cache_warm",
    "encrypt",
    "prove_keys",
]

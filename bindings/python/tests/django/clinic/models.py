"""Models of the tests: one with every encrypted field, and small ones for one thing each."""

import uuid

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models

from atrest.django import (
    EncryptedBinaryField,
    EncryptedBooleanField,
    EncryptedCharField,
    EncryptedDateField,
    EncryptedDateTimeField,
    EncryptedDecimalField,
    EncryptedEmailField,
    EncryptedFloatField,
    EncryptedIntegerField,
    EncryptedJSONField,
    EncryptedTextField,
    EncryptedUUIDField,
    encrypt,
)


class Everything(models.Model):
    text = EncryptedTextField(null=True)
    char = EncryptedCharField(max_length=60, null=True)
    email = EncryptedEmailField(null=True)
    json = EncryptedJSONField(null=True)
    integer = EncryptedIntegerField(null=True)
    float = EncryptedFloatField(null=True)
    decimal = EncryptedDecimalField(max_digits=20, decimal_places=6, null=True)
    date = EncryptedDateField(null=True)
    datetime = EncryptedDateTimeField(null=True)
    boolean = EncryptedBooleanField(null=True)
    binary = EncryptedBinaryField(null=True)
    uuid = EncryptedUUIDField(null=True)
    big = encrypt(models.BigIntegerField(null=True))
    duration = encrypt(models.DurationField(null=True))
    time = encrypt(models.TimeField(null=True))
    url = encrypt(models.URLField(null=True, max_length=300))
    slug = encrypt(models.SlugField(null=True))
    ip = encrypt(models.GenericIPAddressField(null=True))


class Patient(models.Model):
    """For forms, admin and lookups."""

    name = models.CharField(max_length=50)
    email = EncryptedEmailField(blank=True)
    notes = EncryptedTextField(blank=True, default="")
    extras = EncryptedJSONField(default=dict, blank=True)
    weight = EncryptedDecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    born = EncryptedDateField(null=True, blank=True)
    kind = EncryptedCharField(max_length=10, choices=[("in", "Inpatient"), ("out", "Outpatient")], default="in")


class Visit(models.Model):
    """For queries over a relation."""

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="visits")
    room = models.CharField(max_length=200, blank=True)
    reason = EncryptedTextField(default="")


class Mixed(models.Model):
    """In the middle of a migration."""

    value = EncryptedTextField(null=True, allow_plaintext=True)
    number = EncryptedIntegerField(null=True, allow_plaintext=True)


class Device(models.Model):
    """With a key that databases store in forms of their own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    serial = EncryptedTextField(default="")


class FernetNote(models.Model):
    """Shares its values with other Fernet software."""

    body = EncryptedTextField(suite="fernet")


class Profile(models.Model):
    """Keeps encrypted copies of the user's data."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    bio = models.CharField(max_length=50, blank=True)
    encrypted_email = EncryptedEmailField(blank=True, default="")
    encrypted_first_name = EncryptedCharField(max_length=150, blank=True, default="")

    mirrors = {"user.email": "encrypted_email", "user.first_name": "encrypted_first_name"}


class Badge(models.Model):
    """One that need not belong to a user."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True)
    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")


class Member(User):
    """The same rows under another class."""

    class Meta:
        proxy = True


class Employee(User):
    """A user with a table of its own beside."""

    number = models.CharField(max_length=10, blank=True)


class ProfileProxy(Profile):
    class Meta:
        proxy = True


class LongProfile(Profile):
    history = models.CharField(max_length=50, blank=True)


class Locker(models.Model):
    """Mirrors what the child's table has, and what the parent's."""

    owner = models.OneToOneField(Employee, on_delete=models.CASCADE)
    encrypted_number = EncryptedCharField(max_length=10, blank=True, default="")
    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")

    mirrors = {"owner.number": "encrypted_number", "owner.last_name": "encrypted_last_name"}


class Worn(models.Model):
    """What its children mirror, each for itself."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")

    mirrors = {"user.last_name": "encrypted_last_name"}

    class Meta:
        abstract = True


class Nametag(Worn):
    pass


class Sash(Worn):
    colour = models.CharField(max_length=10, blank=True)


class Holder(models.Model):
    """What leads to a user, for its children."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    encrypted_note = EncryptedCharField(max_length=50, blank=True, default="")


class Keyholder(Holder):
    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")


class Cardholder(Holder):
    """Whose field of the same name is nobody's copy."""

    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")


class Pass(models.Model):
    """That a user knows nothing of."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")

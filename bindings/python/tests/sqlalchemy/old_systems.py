"""Tokens of the packages that `atrest adopt` takes over, made by those packages themselves.

Each system: how the command is told about it, its stored values (bytes where its column is
binary) with the clear text that they should come out as, and a wrong key.
"""

import datetime as dt
import decimal
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import django
import django.utils.encoding
from django.conf import settings

SECRET = "django-insecure-Zoë-!made*up*(1)"

settings.configure(
    SECRET_KEY=SECRET,
    SALT_KEY=["pepper", "older pepper"],
    FERNET_KEYS=["new one", "old one"],
    USE_TZ=True,
    INSTALLED_APPS=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
# django-fernet-fields 0.6 was written before Django 4.0, which removed this name.
django.utils.encoding.force_text = django.utils.encoding.force_str
django.setup()

import django_cryptography.fields as cryptography_fields  # noqa: E402
import encrypted_fields.fields as encrypted_fields  # noqa: E402
import fernet_fields  # noqa: E402
import sqlalchemy as sa  # noqa: E402
import sqlalchemy_utils  # noqa: E402
from cryptography.fernet import Fernet  # noqa: E402
from django.db import connection, models  # noqa: E402
from sqlalchemy_utils.types.encrypted.encrypted_type import FernetEngine  # noqa: E402

UTC = dt.timezone.utc
TEXTS = ["", "Zoë 山田 👩‍👩‍👧", "x" * 5000, "gAAAAAno token", '{"a": 1}']


@dataclass
class System:
    name: str
    flags: list[str]
    environment: dict[str, str]
    #: What is stored, and in clear.
    values: list[tuple[Any, str]]
    binary: bool = False
    wrong: dict[str, str] = field(default_factory=dict)


def plain_fernet():
    key = Fernet.generate_key()
    values = [(Fernet(key).encrypt(text.encode()).decode(), text) for text in TEXTS]
    flags = ["--from", "fernet", "--from-key", "env:OLD"]
    return System("fernet", flags, {"OLD": key.decode()}, values, wrong={"OLD": Fernet.generate_key().decode()})


def sqlalchemy_utils_text(cls=sqlalchemy_utils.StringEncryptedType, name="sqlalchemy-utils"):
    def token(type_, value):
        return cls(type_, "a secret, wörds", FernetEngine).process_bind_param(value, None)

    values = [(token(sa.Unicode, text), text) for text in TEXTS]
    values += [
        (token(sa.Integer, -42), "-42"),
        (token(sa.Boolean, True), "true"),
        (token(sa.Float, 1.5), "1.5"),
        (token(sa.Date, dt.date(2026, 1, 2)), "2026-01-02"),
        (token(sa.DateTime, dt.datetime(2026, 1, 2, 3, 4)), "2026-01-02T03:04:00"),
    ]
    flags = ["--from", "sqlalchemy-utils", "--from-key", "env:OLD"]
    binary = cls is sqlalchemy_utils.EncryptedType
    return System(name, flags, {"OLD": "a secret, wörds"}, values, binary, wrong={"OLD": "another"})


def sqlalchemy_utils_bytes():
    return sqlalchemy_utils_text(sqlalchemy_utils.EncryptedType, "sqlalchemy-utils, binary")


def django_fernet_fields():
    def token(field, value):
        return bytes(field.get_db_prep_save(value, connection))

    values = [(token(fernet_fields.EncryptedTextField(), text), text) for text in TEXTS]
    values.append((token(fernet_fields.EncryptedIntegerField(), 7), "7"))
    values.append((token(fernet_fields.EncryptedDateField(), dt.date(2026, 1, 2)), "2026-01-02"))
    older = fernet_fields.EncryptedTextField()
    older.__dict__["keys"] = ["old one"]
    values.append((token(older, "under the older key"), "under the older key"))
    flags = ["--from", "django-fernet-fields", "--from-key", "env:NEW", "--from-key", "env:OLD"]
    environment = {"NEW": "new one", "OLD": "old one"}
    wrong = {"NEW": "neither", "OLD": "nor"}
    return System("django-fernet-fields", flags, environment, values, True, wrong)


def _encrypted_fields_flags():
    flags = ["--from", "django-fernet-encrypted-fields", "--from-key", "env:SECRET_KEY"]
    flags += ["--from-salt", "env:SALT", "--from-salt", "env:OLDER_SALT"]
    environment = {"SECRET_KEY": SECRET, "SALT": "pepper", "OLDER_SALT": "older pepper"}
    return flags, environment, {"SALT": "salt", "OLDER_SALT": "sugar"}


def django_fernet_encrypted_fields():
    def token(field, value):
        return field.get_prep_value(value)

    # It stores NULL for what is empty.
    values = [(token(encrypted_fields.EncryptedTextField(), text), text) for text in TEXTS if text]
    values += [
        (token(encrypted_fields.EncryptedIntegerField(), 7), "7"),
        (token(encrypted_fields.EncryptedBooleanField(), True), "True"),
        (token(encrypted_fields.EncryptedFloatField(), 1.5), "1.5"),
        (token(encrypted_fields.EncryptedDateField(), dt.date(2026, 1, 2)), "2026-01-02"),
    ]
    flags, environment, wrong = _encrypted_fields_flags()
    return System("django-fernet-encrypted-fields", flags, environment, values, wrong=wrong)


def django_fernet_encrypted_json():
    # Leaves come out as the package itself gives them: as strings.
    documents = [
        ({"name": "Zoë", "tags": ["a", 1, None, True], "empty": [], "in": {"ü": 'q"\\'}},
         {"name": "Zoë", "tags": ["a", "1", "None", "True"], "empty": [], "in": {"ü": 'q"\\'}}),
        (["x"], ["x"]),
        ("alone", "alone"),
    ]  # fmt: skip
    field = encrypted_fields.EncryptedJSONField()
    values = [(field.get_prep_value(given), json.dumps(want, ensure_ascii=False)) for given, want in documents]
    flags, environment, wrong = _encrypted_fields_flags()
    return System("django-fernet-encrypted-fields, JSON", flags, environment, values, wrong=wrong)


def django_cryptography():
    def token(field, value):
        return bytes(cryptography_fields.encrypt(field).get_db_prep_value(value, connection))

    aware = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    one = uuid.UUID("12345678-1234-5678-1234-567812345678")
    values = [(token(models.TextField(), text), text) for text in TEXTS]
    values += [
        (token(models.IntegerField(), -(2**40)), str(-(2**40))),
        (token(models.BooleanField(), False), "false"),
        (token(models.FloatField(), 1e20), "1e+20"),
        (token(models.DecimalField(), decimal.Decimal("12.50")), "12.50"),
        (token(models.DateField(), dt.date(2026, 1, 2)), "2026-01-02"),
        (token(models.DateTimeField(), aware), "2026-01-02 03:04:05.000006+00:00"),
        (token(models.UUIDField(), one), str(one)),
        (token(models.JSONField(), {"a": [1, None, "é"], "b": {}}), '{"a": [1, null, "é"], "b": {}}'),
    ]
    flags = ["--from", "django-cryptography", "--from-key", "env:SECRET_KEY"]
    return System("django-cryptography", flags, {"SECRET_KEY": SECRET}, values, True, {"SECRET_KEY": "another"})


SYSTEMS = [
    plain_fernet,
    sqlalchemy_utils_text,
    sqlalchemy_utils_bytes,
    django_fernet_fields,
    django_fernet_encrypted_fields,
    django_fernet_encrypted_json,
    django_cryptography,
]

"""A Django application that takes a column over (test_django_takeover.py), by the steps of docs/django.md.

TAKEOVER says where: the database, the new key, old keys, and whether the column is binary. It
prints the values, read first under the old keys, then under the new one alone.
"""

import json
import os

import django
import pymysql
from django.conf import settings
from django.test.utils import override_settings

AS_TEXT = {
    "postgresql": "ALTER TABLE t ALTER COLUMN v TYPE text USING convert_from(v, 'UTF8')",
    "mysql": "ALTER TABLE t MODIFY v longtext CHARACTER SET utf8mb4",
    "sqlite": "UPDATE t SET v = CAST(v AS TEXT)",
}

pymysql.install_as_MySQLdb()
told = json.loads(os.environ["TAKEOVER"])
settings.configure(
    DATABASES={"default": told["database"]},
    INSTALLED_APPS=["atrest.django", "takeover_site"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    ATREST={"KEYS": [told["new"], *told["old"]]},
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, models  # noqa: E402
from takeover_site.models import Row  # noqa: E402


def values():
    return {row.pk: row.v for row in Row.objects.all()}


if told["binary"]:
    was = models.BinaryField(null=True)
    was.set_attributes_from_name("v")
    with connection.schema_editor() as editor:
        # RunSQL, and AlterField.
        editor.execute(AS_TEXT[connection.vendor])
        editor.alter_field(Row, was, Row._meta.get_field("v"))
before = values()
with open(os.devnull, "w") as nowhere:
    call_command("rotate_encryption_keys", no_backup=True, stdout=nowhere)
    with override_settings(ATREST={"KEYS": told["new"]}):
        call_command("verify_fields", stdout=nowhere)
        print(json.dumps([before, values()]))

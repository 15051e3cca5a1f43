"""Made by makemigrations after the field became an EncryptedJSONField. It changes the
column's type and no value: `encrypt_fields` does that."""

import atrest.django
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("attendance", "0001_initial")]
    operations = [
        migrations.AlterField("peopleeventlog", "peventlogextras", atrest.django.EncryptedJSONField(null=True))
    ]

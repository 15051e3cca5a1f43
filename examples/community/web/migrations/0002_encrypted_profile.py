"""Made by makemigrations. It changes columns' types and adds columns; values stay in clear
until `encrypt_fields` and `mirror_fields`."""

import atrest.django
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("web", "0001_initial")]
    operations = [
        migrations.AlterField(
            "profile", "discord_username", atrest.django.EncryptedCharField(blank=True, max_length=50)
        ),
        migrations.AlterField("profile", "bio", atrest.django.EncryptedTextField(blank=True)),
        migrations.AddField(
            "profile", "encrypted_email", atrest.django.EncryptedEmailField(blank=True, default="", max_length=254)
        ),
        migrations.AddField(
            "profile", "encrypted_first_name", atrest.django.EncryptedCharField(blank=True, default="", max_length=150)
        ),
        migrations.AddField(
            "profile", "encrypted_last_name", atrest.django.EncryptedCharField(blank=True, default="", max_length=150)
        ),
    ]

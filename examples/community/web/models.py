"""Profiles of the site's members, and encrypted copies of what Django's users hold."""

import os

from django.conf import settings
from django.db import models

from atrest.django import EncryptedCharField, EncryptedEmailField, EncryptedTextField


class Profile(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    expertise = models.CharField(max_length=50, blank=True)
    # These were a CharField and a TextField; max_length still means the clear name.
    discord_username = EncryptedCharField(max_length=50, blank=True)
    bio = EncryptedTextField(blank=True)
    # These are new.
    encrypted_email = EncryptedEmailField(blank=True, default="")
    encrypted_first_name = EncryptedCharField(max_length=150, blank=True, default="")
    encrypted_last_name = EncryptedCharField(max_length=150, blank=True, default="")

    mirrors = {
        "user.email": "encrypted_email",
        "user.first_name": "encrypted_first_name",
        "user.last_name": "encrypted_last_name",
    }
    #: "empty" as soon as the copies are complete and verified.
    mirrors_originals = os.environ.get("COMMUNITY_ORIGINALS", "keep")

"""Encrypted copies beside the originals of another model, kept in step.

    class Profile(models.Model):
        user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
        encrypted_email = EncryptedEmailField(blank=True, default="")

        mirrors = {"user.email": "encrypted_email"}
        mirrors_originals = "keep"       # later: "empty"

With "keep" both hold the value, and saving either side with a changed value changes the
other. With "empty" the original's column holds a blank only: a value that is saved moves
into the copy, and `user.email` reads it from there. `manage.py mirror_fields` fills,
compares, empties and restores what is there already. `update()` and `bulk_update()` send
no signals; run `mirror_fields --fill` after them, and with "empty" `--empty-originals`.
"""

from atrest.django.mirror.sync import register

__all__ = ["register"]

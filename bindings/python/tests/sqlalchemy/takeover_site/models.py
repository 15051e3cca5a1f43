"""A column that another package filled, as atrest's field."""

from django.db import models

from atrest.django import EncryptedTextField


class Row(models.Model):
    v = EncryptedTextField(null=True)

    class Meta:
        db_table = "t"

"""Attendance events. `peventlogextras` holds the face template: it is encrypted."""

from django.db import models

from atrest.django import EncryptedJSONField


class PeopleEventlog(models.Model):
    person = models.IntegerField()
    kind = models.CharField(max_length=3, choices=[("in", "clock in"), ("out", "clock out")])
    at = models.DateTimeField(auto_now_add=True)
    latitude = models.FloatField()
    longitude = models.FloatField()
    verified = models.BooleanField(default=False)
    # Was models.JSONField(null=True): see the migrations.
    peventlogextras = EncryptedJSONField(null=True)

    class Meta:
        db_table = "peopleeventlog"

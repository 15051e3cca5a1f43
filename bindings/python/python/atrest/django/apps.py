"""The app "atrest.django"."""

from django.apps import AppConfig


class AtrestConfig(AppConfig):
    name = "atrest.django"
    label = "atrest"
    verbose_name = "Encryption at rest"

    def ready(self) -> None:
        from atrest.django import checks, database_url, guard, mirror

        database_url.remember()
        checks.register()
        guard.register()
        mirror.register()

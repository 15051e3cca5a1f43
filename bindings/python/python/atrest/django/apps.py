"""The app "atrest.django"."""

from django.apps import AppConfig


class AtrestConfig(AppConfig):
    name = "atrest.django"
    label = "atrest"
    verbose_name = "Encryption at rest"

    def ready(self) -> None:
        from atrest.django import checks, guard, mirror

        checks.register()
        guard.register()
        mirror.register()

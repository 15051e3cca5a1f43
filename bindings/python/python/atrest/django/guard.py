"""Stops a migration that would leave tokens in a column that is no longer encrypted.

`ALTER COLUMN ... TYPE varchar(254)` cuts a token without a word on PostgreSQL, and the
application would show ciphertext as if it were a value. So before `migrate` starts, its
plan is read: where a field stops being encrypted, its column must hold no token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AlterField
from django.db.models.signals import pre_migrate

from atrest.django.fields import EncryptedField
from atrest.django.probe import holds_tokens


def register() -> None:
    """Called when the app is ready."""
    pre_migrate.connect(_before, dispatch_uid="atrest.guard")


def _before(*, app_config: Any, using: str, plan: list[Any], **_: Any) -> None:
    if app_config.label != "atrest" or not plan:
        return
    for field in _no_longer_encrypted(using, plan):
        if holds_tokens(connections[using], field):
            raise CommandError(
                f"{field} would stop being encrypted, and its column still holds encrypted values. Decrypt "
                f"them first, while the field is declared encrypted: manage.py decrypt_fields --field {field}"
            )


def _no_longer_encrypted(using: str, plan: list[Any]) -> Iterator[Any]:
    """Fields of the plan that are encrypted before it and not after, as they are before."""
    from atrest.django.migrations import EncryptColumns

    loader = MigrationLoader(connections[using])
    decrypted = {
        (migration.app_label, *place)
        for migration, backwards in plan
        for operation in migration.operations
        if isinstance(operation, EncryptColumns) and backwards == operation.encrypts
        for place in operation.places
    }
    for migration, backwards in plan:
        key = (migration.app_label, migration.name)
        before = loader.project_state(key, at_end=backwards)
        after = loader.project_state(key, at_end=not backwards)
        for operation in migration.operations:
            if not isinstance(operation, AlterField):
                continue
            place = (migration.app_label, operation.model_name_lower, operation.name)
            model = (migration.app_label, operation.model_name_lower)
            old = before.models[model].fields.get(operation.name)
            new = after.models[model].fields.get(operation.name)
            if isinstance(old, EncryptedField) and not isinstance(new, EncryptedField) and place not in decrypted:
                yield before.apps.get_model(*model)._meta.get_field(operation.name)

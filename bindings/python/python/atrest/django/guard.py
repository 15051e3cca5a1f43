"""Stops a migration after which stored tokens could not be read any more.

Where a field stops being encrypted, its column must hold no token: `ALTER COLUMN ... TYPE
varchar(254)` cuts one without a word on PostgreSQL, and the application would show
ciphertext as if it were a value. Where a table or column is renamed, values must not be
bound to the old name. So before `migrate` starts, its plan is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import CommandError
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddField,
    AlterField,
    AlterModelTable,
    CreateModel,
    RenameField,
    RenameModel,
    SeparateDatabaseAndState,
)
from django.db.models.signals import pre_migrate

from atrest.django.fields import EncryptedField
from atrest.django.migrations import EncryptColumns
from atrest.django.probe import holds_tokens

_CHANGES = (AlterField, AlterModelTable, RenameField, RenameModel)


def register() -> None:
    """Called when the app is ready."""
    pre_migrate.connect(_before, dispatch_uid="atrest.guard")


def _before(*, app_config: Any, using: str, plan: list[Any], **_: Any) -> None:
    # The signal comes once for each app; the plan is the same.
    first = next(config for config in apps.get_app_configs() if config.models_module is not None)
    if app_config is not first or not plan:
        return
    for old, new in _changed_fields(using, plan):
        if new is None:
            trouble, advice = (
                "would stop being encrypted",
                f"Decrypt them first, while the field is declared encrypted: manage.py decrypt_fields --field {old}",
            )
        elif old.column_context != new.column_context:
            trouble, advice = (
                f"would be bound to {new.column_context!r}",
                f"Give the field context={old.column_context!r}, to which they are bound, in the same migration",
            )
        else:
            continue
        if holds_tokens(connections[using], old):
            raise CommandError(f"{old} {trouble}, and its column still holds encrypted values. {advice}")


def _changed_fields(using: str, plan: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Fields that are encrypted before a migration of the plan, with what they are after it.

    After is None for one that is not encrypted any more. Fields that the same plan
    decrypts (`EncryptColumns` backwards) are left out.
    """
    loader = MigrationLoader(connections[using])
    encrypting = {app for (app, _), m in loader.disk_migrations.items() if any(map(_declares, _of_state(m)))}
    decrypted = _decrypted(plan)
    for migration, backwards in plan:
        label = migration.app_label
        if label not in encrypting or not any(isinstance(o, _CHANGES) for o in _of_state(migration)):
            continue
        key = (label, migration.name)
        before = loader.project_state(key, at_end=backwards).apps
        after = loader.project_state(key, at_end=not backwards).apps
        for model in before.get_app_config(label).get_models():
            for old in model._meta.local_concrete_fields:
                if not isinstance(old, EncryptedField):
                    continue
                name, field = _renamed(migration, backwards, model._meta.model_name, old.name)
                if decrypted & {(label, model._meta.model_name, old.name), (label, model._meta.model_name, None)}:
                    continue
                try:
                    new = after.get_model(label, name)._meta.get_field(field)
                except (LookupError, FieldDoesNotExist):
                    continue  # the model or the field goes, and its values with it
                yield old, new if isinstance(new, EncryptedField) else None


def _of_state(migration: Any) -> list[Any]:
    """The operations that change what models are."""
    return _flat(migration.operations, "state_operations")


def _flat(operations: list[Any], side: str) -> list[Any]:
    """The operations, with that side of each SeparateDatabaseAndState in its place."""
    return [
        each
        for o in operations
        for each in (_flat(getattr(o, side), side) if isinstance(o, SeparateDatabaseAndState) else [o])
    ]


def _declares(operation: Any) -> bool:
    """Whether an operation declares an encrypted field."""
    if isinstance(operation, CreateModel):
        return any(isinstance(field, EncryptedField) for _, field in operation.fields)
    return isinstance(operation, (AddField, AlterField)) and isinstance(operation.field, EncryptedField)


def _decrypted(plan: list[Any]) -> set[tuple[str, str, str | None]]:
    """(app, model, field) that the plan itself decrypts; field None for all of the model."""
    return {
        (migration.app_label, operation.model_name.lower(), name)
        for migration, backwards in plan
        for operation in _flat(migration.operations, "database_operations")
        if isinstance(operation, EncryptColumns) and backwards == operation.encrypts
        for name in operation.field_names or (None,)
    }


def _renamed(migration: Any, backwards: bool, model: str, field: str) -> tuple[str, str]:
    """What a field of the model is called after the migration."""
    operations = reversed(_of_state(migration)) if backwards else _of_state(migration)
    for operation in operations:
        if isinstance(operation, RenameModel):
            old, new = operation.old_name.lower(), operation.new_name.lower()
            old, new = (new, old) if backwards else (old, new)
            model = new if model == old else model
        elif isinstance(operation, RenameField) and operation.model_name.lower() == model:
            old, new = operation.old_name, operation.new_name
            old, new = (new, old) if backwards else (old, new)
            field = new if field == old else field
    return model, field

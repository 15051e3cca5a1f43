"""Stops a migration after which stored tokens could not be read any more.

Where a field stops being encrypted, its column must hold no token: `ALTER COLUMN ... TYPE
varchar(254)` cuts one without a word on PostgreSQL, and the application would show
ciphertext as if it were a value. Where a table or column is renamed, values must not be
bound to the old name. Where a field or model goes and another one comes, most often a
rename was meant, and the values would go. So before `migrate` starts, its plan is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import CommandError
from django.db import Error, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddField,
    AlterField,
    AlterModelTable,
    CreateModel,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
    RunPython,
    RunSQL,
)
from django.db.models.signals import pre_migrate

from atrest.django.codecs import BYTES
from atrest.django.fields import EncryptedField
from atrest.django.migrations import DiscardTokens, EncryptColumns, NamesFields
from atrest.django.probe import holds_tokens, holds_values

_CHANGES = (AlterField, AlterModelTable, DeleteModel, RemoveField, RenameField, RenameModel)
#: Where none of these is on the database's side, a column stays where it is, whatever the state says.
_MOVES = (AlterModelTable, DeleteModel, RemoveField, RenameField, RenameModel, RunPython, RunSQL)


class Change(NamedTuple):
    """A field that is encrypted before a migration of the plan, with what it is after it.

    After is None for one that is not encrypted any more, and for one that is gone, where
    `instead` names an encrypted one that the plan adds. `earlier` is the plan up to there.
    """

    migration: Any
    backwards: bool
    before: Any
    after: Any
    earlier: list[Any]
    instead: str | None = None


def register() -> None:
    """Called when the app is ready."""
    pre_migrate.connect(_before, dispatch_uid="atrest.guard")


def _before(*, app_config: Any, using: str, plan: list[Any], **_: Any) -> None:
    # The signal comes once for each app; the plan is the same.
    first = next(config for config in apps.get_app_configs() if config.models_module is not None)
    if app_config is not first or not plan:
        return
    connection = connections[using]
    loader = MigrationLoader(connection)
    for change in _changes(loader, plan):
        if (found := _trouble(change)) is None:
            continue
        trouble, advice = found
        try:
            at_stake = _tokens_at_stake(connection, loader, change)
        except Error as error:
            raise CommandError(
                f"{change.before} {trouble}, and the database does not say whether its column still holds encrypted "
                f"values: {' '.join(str(error).split())}. Give its account SELECT on the table, then migrate again"
            ) from error
        if at_stake:
            raise CommandError(f"{change.before} {trouble}, and its column still holds encrypted values. {advice}")


def _trouble(change: Change) -> tuple[str, str] | None:
    """What would become of the values, and what to do instead; None if they stay what they are."""
    old, new = change.before, change.after
    decrypt = f"manage.py decrypt_fields --field {old}"
    if change.instead:
        return (
            f"would be removed while {change.instead} is added, which keeps no value of it",
            f"{_rename_steps(change)} If the values may be lost, or were copied by a migration: put {_discard(old)} "
            f"(from atrest.django.migrations) before the removal in {change.migration}",
        )
    if new is None:
        lookalikes = f"DecryptColumns({old.model.__name__!r}, {old.name!r}, accept_lookalikes=True)"
        return (
            "would stop being encrypted",
            f"Decrypt them first, while the field is declared encrypted: {decrypt}. If the application's own text only "
            f"looks so: put {lookalikes} (from atrest.django.migrations) into a migration of its own before "
            f"{change.migration}",
        )
    if _is_binary(old) != _is_binary(new):
        kinds = ("bytes", "text") if _is_binary(old) else ("text", "bytes")
        return (
            "would turn from a column of {} into one of {}".format(*kinds),
            f"Decrypt them first, while the field is declared as it was ({decrypt}), make it clear, change it, and encrypt "
            f"it again. Or add a field of the new kind, copy the values in a migration, and remove this one after "
            f"{_discard(old)} (from atrest.django.migrations)",
        )
    if old.column_context == new.column_context:
        return None
    trouble = f"would be bound to {new.column_context!r}"
    if change.backwards:
        return trouble, f"Decrypt them first ({decrypt}), go back, and encrypt them again there"
    return trouble, _rename_steps(change)


def _is_binary(field: Any) -> bool:
    return field.codec is BYTES


def _discard(field: Any) -> str:
    return f"DiscardTokens({field.model.__name__!r}, {field.name!r})"


def _rename_steps(change: Change) -> str:
    """How a name is changed so that values stay readable."""
    return (
        f"To rename it and keep them: 1. take the old name back in models.py, and delete the migration "
        f"{change.migration}; 2. give the field context={change.before.column_context!r}, to which they are bound "
        f"(if its model or table is renamed, each encrypted field its own table.column), then makemigrations and "
        f"migrate; 3. rename, and keep context=: makemigrations in a terminal, where it asks for renames (say yes), "
        f"then migrate."
    )


def _tokens_at_stake(connection: Any, loader: MigrationLoader, change: Change) -> bool:
    """Whether the column will hold tokens by then. The database is still as it was before the plan."""
    field = change.before
    names, stored = {_name(field)}, field
    for migration, backwards in reversed(change.earlier):
        label, model, name = _name(stored)
        if migration.app_label != label:
            continue
        model, name = _renamed(migration, not backwards, model, name)
        state = loader.project_state((label, migration.name), at_end=backwards).apps
        try:
            stored = state.get_model(label, model)._meta.get_field(name)
        except (LookupError, FieldDoesNotExist):
            return False  # the plan makes it, without a value
        names.add(_name(stored))
    if _among(_decrypted(change.earlier), names):
        return False
    if _among(_encrypted(change.earlier), names):
        return holds_values(connection, stored)
    return isinstance(stored, EncryptedField) and holds_tokens(connection, stored)


def _name(field: Any) -> tuple[str, str, str]:
    meta = field.model._meta
    return meta.app_label, meta.model_name, field.name


def _among(named: set[tuple[str, str, str | None]], names: set[tuple[str, str, str]]) -> bool:
    """Whether an operation names one of these fields, or all of its model's."""
    return any((app, model, each) in named for app, model, field in names for each in (field, None))


def _changes(loader: MigrationLoader, plan: list[Any]) -> Iterator[Change]:
    """What the plan does to encrypted fields, without those that it decrypts itself and those that may be lost."""
    encrypting = {app for (app, _), m in loader.disk_migrations.items() if any(map(_declares, _of_state(m)))}
    decrypted, discarded, added = _decrypted(plan), _discarded(plan), list(_added(plan))
    for at, (migration, backwards) in enumerate(plan):
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
                if _among(decrypted, {_name(old)}):
                    continue
                try:
                    new = after.get_model(label, name)._meta.get_field(field)
                except (LookupError, FieldDoesNotExist):
                    # The model or the field goes, and its values with it: as was asked, if nothing comes instead.
                    likely = (f"{a}.{m}.{f}" for a, m, f in added if a == label or f == old.name)
                    meant = backwards or _among(discarded, {_name(old)}) or not _moves(migration)
                    if not meant and (instead := next(likely, None)) is not None:
                        yield Change(migration, backwards, old, None, plan[:at], instead)
                    continue
                yield Change(migration, backwards, old, new if isinstance(new, EncryptedField) else None, plan[:at])


def _added(plan: list[Any]) -> Iterator[tuple[str, str, str]]:
    """(app, model, field) of the encrypted fields that the plan adds, alone or with their model."""
    for migration, backwards in plan:
        for operation in () if backwards else _of_state(migration):
            if isinstance(operation, CreateModel):
                for name, field in operation.fields:
                    if isinstance(field, EncryptedField):
                        yield migration.app_label, operation.name, name
            elif isinstance(operation, AddField) and isinstance(operation.field, EncryptedField):
                yield migration.app_label, operation.model_name, operation.name


def _of_state(migration: Any) -> list[Any]:
    """The operations that change what models are."""
    return _flat(migration.operations, "state_operations")


def _of_database(migration: Any) -> list[Any]:
    """The operations that change the database."""
    return _flat(migration.operations, "database_operations")


def _moves(migration: Any) -> bool:
    """Whether a column may go, or get another name, in the database."""
    return any(isinstance(o, _MOVES) for o in _of_database(migration))


def _flat(operations: list[Any], side: str) -> list[Any]:
    """The operations, with that side of each SeparateDatabaseAndState or RunSQL in its place."""
    return [each for o in operations for each in (_flat(getattr(o, side), side) if hasattr(o, side) else [o])]


def _declares(operation: Any) -> bool:
    """Whether an operation declares an encrypted field."""
    if isinstance(operation, CreateModel):
        return any(isinstance(field, EncryptedField) for _, field in operation.fields)
    return isinstance(operation, (AddField, AlterField)) and isinstance(operation.field, EncryptedField)


def _decrypted(plan: list[Any]) -> set[tuple[str, str, str | None]]:
    """(app, model, field) that the plan itself decrypts; field None for all of the model."""
    return _named(plan, _of_database, lambda o, backwards: isinstance(o, EncryptColumns) and backwards == o.encrypts)


def _encrypted(plan: list[Any]) -> set[tuple[str, str, str | None]]:
    """(app, model, field) that the plan itself encrypts; field None for all of the model."""
    return _named(plan, _of_database, lambda o, backwards: isinstance(o, EncryptColumns) and backwards != o.encrypts)


def _discarded(plan: list[Any]) -> set[tuple[str, str, str | None]]:
    """(app, model, field) whose values may go with them; field None for all of the model."""
    sides = (_of_database, _of_state)
    return set().union(*(_named(plan, side, lambda o, backwards: isinstance(o, DiscardTokens)) for side in sides))


def _named(
    plan: list[Any], side: Callable[[Any], list[Any]], which: Callable[[Any, bool], bool]
) -> set[tuple[str, str, str | None]]:
    return {
        (migration.app_label, operation.model_name.lower(), name)
        for migration, backwards in plan
        for operation in side(migration)
        if isinstance(operation, NamesFields) and which(operation, backwards)
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

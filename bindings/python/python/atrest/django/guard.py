"""Stops a migration after which stored tokens could not be read any more.

Where a field stops being encrypted, its column must hold no token: `ALTER COLUMN ... TYPE
varchar(254)` cuts one without a word on PostgreSQL, and the application would show
ciphertext as if it were a value. Where a table or column is renamed, values must not be
bound to the old name. Where a field or model goes and another one comes, most often a
rename was meant, and the values would go. So before `migrate` starts, its plan is read.
What the plan itself fills, as on a new database, is not there by then: the operations
that change encrypted fields look once more, right before they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import cache, partial
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
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

import atrest
from atrest.django.codecs import BYTES
from atrest.django.columns import encrypted_fields
from atrest.django.fields import EncryptedField
from atrest.django.migrations import DiscardTokens, EncryptColumns, NamesFields
from atrest.django.probe import holds_tokens, holds_values, reads_otherwise

_CHANGES = (AlterField, AlterModelTable, DeleteModel, RemoveField, RenameField, RenameModel)
#: Where none of these is on the database's side, a column stays where it is, whatever the state says.
_MOVES = (AlterModelTable, DeleteModel, RemoveField, RenameField, RenameModel, RunPython, RunSQL)


class Change(NamedTuple):
    """A field that is encrypted before a migration of the plan, with what it is after it.

    After is None for one that is gone, where `instead` names an encrypted one that the plan
    adds. `earlier` is the plan up to there.
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
        _refuse(change, partial(_will_hold_tokens, connection, loader))
    _watch(loader, plan)


def _watch(loader: MigrationLoader, plan: list[Any]) -> None:
    """Has operations that change encrypted fields look at the database right before they run.

    One behind another does not: nothing has filled a column between them.
    """
    for at, migration, backwards in _concerned(loader, plan):
        end = cache(partial(_apps, loader, migration, at_end=not backwards))
        operations = _in_order(migration.operations, backwards)
        watched = list(operations)
        for n, operation in enumerate(operations):
            if _changes_fields([operation]) and not (n and isinstance(operations[n - 1], _CHANGES)):
                done, left = (_part(migration, part, backwards) for part in (operations[:n], operations[n:]))
                watched[n] = _watched(operation, partial(_look, loader, [*plan[:at], done], left, end))
        # The list is this Migration's own. Its operations are those of every Migration of the class.
        migration.operations = _in_order(watched, backwards)


def _in_order(operations: list[Any], backwards: bool) -> list[Any]:
    """From the order in the file to that in which they run, and back."""
    return operations[::-1] if backwards else operations


def _part(migration: Any, operations: list[Any], backwards: bool) -> tuple[Any, bool]:
    """A migration of some of its operations, which are in the order in which they run."""
    part = copy(migration)
    part.operations = _in_order(operations, backwards)
    return part, backwards


def _watched(operation: Any, look: Callable[[Any, Any], None]) -> Any:
    """A copy of the operation that looks before it runs."""

    def run(change: Callable[..., None], app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        look(schema_editor.connection, from_state.apps)
        change(app_label, schema_editor, from_state, to_state)

    watched = copy(operation)
    watched.database_forwards = partial(run, operation.database_forwards)
    watched.database_backwards = partial(run, operation.database_backwards)
    return watched


def _look(
    loader: MigrationLoader,
    earlier: list[Any],
    left: tuple[Any, bool],
    end: Callable[[], Any],
    connection: Any,
    now: Any,
) -> None:
    """Raises CommandError if the column of a field holds what the rest of the migration would strand."""
    migration, backwards = left
    if not any(encrypted_fields(model) for model in now.all_models.get(migration.app_label, {}).values()):
        return
    decrypted = _decrypted_first(migration, backwards)  # behind that, the next change looks
    for old, new in _fields(migration.app_label, now, end(), migration.operations, backwards):
        if new is not None and not _among(decrypted, {_name(old), _name(new)}):
            change = Change(migration, backwards, old, new, earlier)
            _refuse(change, partial(_holds_tokens_now, connection, loader))


def _refuse(change: Change, at_stake: Callable[[Change], bool]) -> None:
    """Raises CommandError if the change would strand values, and such are at stake."""
    if (found := _trouble(change)) is None:
        return
    trouble, advice = found
    try:
        if not at_stake(change):
            return
    except Error as error:
        raise CommandError(
            f"{change.before} {trouble}, and the database does not say whether its column still holds encrypted "
            f"values: {' '.join(str(error).split())}. Give its account SELECT on the table, then migrate again"
        ) from error
    except (atrest.AtrestError, ImproperlyConfigured) as error:
        raise CommandError(
            f"{change.before} {trouble}, and without the keys nobody can say whether its column still holds encrypted "
            f"values: {error}. Give them, then migrate again"
        ) from error
    raise CommandError(f"{change.before} {trouble}, and its column still holds encrypted values. {advice}")


def _trouble(change: Change) -> tuple[str, str] | None:
    """What would become of the values, and what to do instead; None if they stay what they are."""
    old, new = change.before, change.after
    decrypt = f"manage.py decrypt_fields --field {old}"
    if new is None:
        if change.instead is None:
            return None
        return (
            f"would be removed while {change.instead} is added, which keeps no value of it",
            f"{_rename_steps(change)} If the values may be lost, or were copied by a migration: put {_discard(old)} "
            f"(from atrest.django.migrations) before the removal in {change.migration}",
        )
    if not isinstance(new, EncryptedField):
        named = f"{old.model.__name__!r}, {old.name!r}"
        return (
            "would stop being encrypted",
            f"Decrypt them first, while the field is declared encrypted: {decrypt}. Where migrations fill it, as on a "
            f"new database: put DecryptColumns({named}) (from atrest.django.migrations) into a migration of its own "
            f"before {change.migration}. If the application's own text only looks so: "
            f"DecryptColumns({named}, accept_lookalikes=True) there",
        )
    another_kind = (
        f"Decrypt them first, while the field is declared as it was ({decrypt}), make it clear, change it, and "
        f"encrypt it again. Or add a field of the new kind, copy the values in a migration, and remove this one "
        f"after {_discard(old)} (from atrest.django.migrations)"
    )
    if _is_binary(old) != _is_binary(new):
        kinds = ("bytes", "text") if _is_binary(old) else ("text", "bytes")
        return "would turn from a column of {} into one of {}".format(*kinds), another_kind
    if old.column_context == new.column_context:
        if not reads_otherwise(old, new):
            return None
        kinds = (old.clear_class.__name__, new.clear_class.__name__)
        return (
            "would turn from {} into {}, as which some values do not read".format(*kinds),
            f"{another_kind}. Or put a RunPython before the AlterField that rewrites these values as the new type's texts",
        )
    trouble = f"would be bound to {new.column_context!r}"
    if change.backwards:
        return trouble, f"Decrypt them first ({decrypt}), go back, and encrypt them again there"
    context = f"context={old.column_context!r}"
    return trouble, f"{_rename_steps(change)} Where the same run adds it: {context} in that AddField, and in models.py"


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


def _will_hold_tokens(connection: Any, loader: MigrationLoader, change: Change) -> bool:
    """Whether the column will hold tokens by then. The database is still as it was before the plan."""
    if _turns_type_alone(change) and (_rewritten(change.earlier) or _rewritten_first(change)):
        return False  # the values that will be there are looked at right before
    names, stored = {_name(change.before)}, change.before
    for migration, backwards, name in _past(change):
        stored = name and _find(_apps(loader, migration, at_end=backwards), name)
        if stored is None:
            return False  # the plan makes it, and looks at it when it is there
        names.add(name)
    if _among(_decrypted(change.earlier), names):
        return False
    if _among(_encrypted(change.earlier), names):
        return holds_values(connection, stored)
    if not isinstance(stored, EncryptedField) or _left_alone(_applied(loader, change), names):
        return False
    return _strands(connection, stored, change.after)


def _turns_type_alone(change: Change) -> bool:
    """Whether the field stays what it is but for the type as which its values are read."""
    old, new = change.before, change.after
    if not isinstance(new, EncryptedField) or _is_binary(old) != _is_binary(new):
        return False
    return bool(old.column_context == new.column_context)


def _rewritten(plan: list[Any]) -> bool:
    """Whether the application's own operations may rewrite values."""
    return any(isinstance(o, (RunPython, RunSQL)) for m, _ in plan for o in _of_database(m.operations))


def _rewritten_first(change: Change) -> bool:
    """Whether they may in the change's own migration, before the field is altered. That looks when it is its turn."""
    names, done = {_name(change.before), _name(change.after)}, list[Any]()
    for operation in _in_order(change.migration.operations, change.backwards):
        if not names.isdisjoint(_altered(change.migration.app_label, operation)):
            return _rewritten([_part(change.migration, done, change.backwards)])
        done.append(operation)
    return False


def _holds_tokens_now(connection: Any, loader: MigrationLoader, change: Change) -> bool:
    """Whether the column holds tokens, the plan having run up to there."""
    if _turns_type_alone(change) and _rewritten_first(change):
        return False
    names = {_name(change.before), *(name for _, _, name in _past(change) if name)}
    if _left_alone([*_applied(loader, change), *change.earlier], names):
        return False
    return _strands(connection, change.before, change.after)


def _applied(loader: MigrationLoader, change: Change) -> list[Any]:
    """The migrations before the change that ran in earlier plans."""
    key = (change.migration.app_label, change.migration.name)
    planned = {(m.app_label, m.name) for m, _ in change.earlier}
    before = [k for k in loader.graph.forwards_plan(key) if k in loader.applied_migrations and k not in planned]
    return [(loader.graph.nodes[k], False) for k in before if k != key]


def _strands(connection: Any, stored: Any, after: Any) -> bool:
    """Whether any token of the column would not open as a value of the field that it becomes."""
    stays = isinstance(after, EncryptedField) and _is_binary(after) == _is_binary(stored)
    return holds_tokens(connection, stored, but_for=after if stays else None)


def _past(change: Change) -> Iterator[tuple[Any, bool, Any]]:
    """The earlier migrations of the field's app, the last one first, and its name before each; None ends them."""
    name = _name(change.before)
    for migration, backwards in reversed(change.earlier):
        if migration.app_label == name[0]:
            yield migration, backwards, (renamed := _renamed(migration.operations, not backwards, name))
            if renamed is None:
                return
            name = renamed


def _apps(loader: MigrationLoader, migration: Any, *, at_end: bool) -> Any:
    """The models before or after the migration."""
    return loader.project_state((migration.app_label, migration.name), at_end=at_end).apps


def _find(models: Any, name: tuple[str, str, str] | None) -> Any:
    """The field of that name; None without one."""
    if name is None:
        return None
    try:
        return models.get_model(*name[:2])._meta.get_field(name[2])
    except (LookupError, FieldDoesNotExist):
        return None


def _name(field: Any) -> tuple[str, str, str]:
    meta = field.model._meta
    return meta.app_label, meta.model_name, field.name


def _among(named: set[tuple[str, str, str | None]], names: set[tuple[str, str, str]]) -> bool:
    """Whether an operation names one of these fields, or all of its model's."""
    return any((app, model, each) in named for app, model, field in names for each in (field, None))


def _concerned(loader: MigrationLoader, plan: list[Any]) -> Iterator[tuple[int, Any, bool]]:
    """The migrations of the plan that may change encrypted fields, and where they are in it."""
    encrypting = {app for (app, _), m in loader.disk_migrations.items() if any(map(_declares, _of_state(m.operations)))}
    for at, (migration, backwards) in enumerate(plan):
        if migration.app_label in encrypting and _changes_fields(migration.operations):
            yield at, migration, backwards


def _changes_fields(operations: list[Any]) -> bool:
    return any(isinstance(o, _CHANGES) for o in _of_state(operations))


def _changes(loader: MigrationLoader, plan: list[Any]) -> Iterator[Change]:
    """What the plan does to encrypted fields, without those that it decrypts itself and those that may be lost."""
    decrypted, discarded, added = _decrypted(plan), _discarded(plan), list(_added(plan))
    for at, migration, backwards in _concerned(loader, plan):
        label = migration.app_label
        before = _apps(loader, migration, at_end=backwards)
        after = _apps(loader, migration, at_end=not backwards)
        for old, new in _fields(label, before, after, migration.operations, backwards):
            if _among(decrypted, {_name(old)}):
                continue
            change = Change(migration, backwards, old, new, plan[:at])
            if new is not None:
                yield change
            # The model or the field goes, and its values with it: as was asked, if nothing comes instead.
            elif not backwards and not _among(discarded, {_name(old)}) and _moves(migration):
                likely = (f"{a}.{m}.{f}" for a, m, f in added if a == label or f == old.name)
                yield change._replace(instead=next(likely, None))


def _fields(label: str, before: Any, after: Any, operations: list[Any], backwards: bool) -> Iterator[tuple[Any, Any]]:
    """The app's encrypted fields before the operations, each with what it is after them; None if it goes."""
    for model in before.all_models.get(label, {}).values():
        for old in encrypted_fields(model):
            yield old, _find(after, _renamed(operations, backwards, _name(old)))


def _added(plan: list[Any]) -> Iterator[tuple[str, str, str]]:
    """(app, model, field) of the encrypted fields that the plan adds, alone or with their model."""
    for migration, backwards in plan:
        for operation in () if backwards else _of_state(migration.operations):
            if isinstance(operation, CreateModel):
                for name, field in operation.fields:
                    if isinstance(field, EncryptedField):
                        yield migration.app_label, operation.name, name
            elif isinstance(operation, AddField) and isinstance(operation.field, EncryptedField):
                yield migration.app_label, operation.model_name, operation.name


def _of_state(operations: list[Any]) -> list[Any]:
    """Those that change what models are."""
    return _flat(operations, "state_operations")


def _of_database(operations: list[Any]) -> list[Any]:
    """Those that change the database."""
    return _flat(operations, "database_operations")


def _moves(migration: Any) -> bool:
    """Whether a column may go, or get another name, in the database."""
    return any(isinstance(o, _MOVES) for o in _of_database(migration.operations))


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


def _decrypted_first(migration: Any, backwards: bool) -> set[tuple[str, str, str | None]]:
    """What the migration decrypts before it changes it."""
    found: set[tuple[str, str, str | None]] = set()
    changed: set[tuple[str, str, str]] = set()
    for operation in _in_order(migration.operations, backwards):
        for named in _decrypted([_part(migration, [operation], backwards)]):
            if not any(named[:2] == c[:2] and named[2] in (None, c[2]) for c in changed):
                found.add(named)
        changed |= _altered(migration.app_label, operation)
    return found


def _altered(label: str, operation: Any) -> set[tuple[str, str, str]]:
    """(app, model, field) that an operation declares otherwise."""
    return {(label, o.model_name.lower(), o.name) for o in _of_state([operation]) if isinstance(o, AlterField)}


def _left_alone(history: list[Any], names: set[tuple[str, str, str]]) -> bool:
    """Whether the last step that was about the field's values decrypted them and left what only looks like tokens."""
    left = False
    for migration, backwards in history:
        for operation in _in_order(migration.operations, backwards):
            part = [_part(migration, [operation], backwards)]
            if _among(_decrypted(part), names):
                left = any(getattr(o, "accept_lookalikes", False) for o in _of_database([operation]))
            elif _among(_encrypted(part), names):
                left = False
    return left


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
        for operation in side(migration.operations)
        if isinstance(operation, NamesFields) and which(operation, backwards)
        for name in operation.field_names or (None,)
    }


def _renamed(operations: list[Any], backwards: bool, name: tuple[str, str, str]) -> tuple[str, str, str] | None:
    """What a field (app, model, field) is called after the operations; None if they remove it."""
    label, model, field = name
    gone = (AddField, CreateModel) if backwards else (RemoveField, DeleteModel)
    for operation in _in_order(_of_state(operations), backwards):
        if isinstance(operation, gone):
            of_field = isinstance(operation, (AddField, RemoveField))
            removed = (operation.model_name.lower(), operation.name) if of_field else (operation.name.lower(), field)
            if removed == (model, field):
                return None
        if isinstance(operation, RenameModel):
            old, new = operation.old_name.lower(), operation.new_name.lower()
            old, new = (new, old) if backwards else (old, new)
            model = new if model == old else model
        elif isinstance(operation, RenameField) and operation.model_name.lower() == model:
            old, new = operation.old_name, operation.new_name
            old, new = (new, old) if backwards else (old, new)
            field = new if field == old else field
    return label, model, field

"""The data step of a migration: encrypts columns, and decrypts them on the way back.

    class Migration(migrations.Migration):
        atomic = False
        dependencies = [("people", "0002_encrypted_email")]
        operations = [EncryptColumns("Person", "email", "phone")]

It runs the Rust engine, which has connections of its own and sees what is committed only:
hence a migration of its own, after the one that changes the fields, with atomic = False.
A table without rows is passed over, so that test databases can be made anywhere. A
SQLite database in memory is seen by its own connection alone: there the few rows of
a test are done in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import signature
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.migrations.operations.base import Operation

import atrest
from atrest.django import policy
from atrest.django.fields import EncryptedField
from atrest.django.management.row_keys import parts


class NamesFields(Operation):
    """Names encrypted fields of a model: all of them if none is named.

    `fields=["email"]` is how Django writes the names, in a squashed migration for one.
    """

    reversible = True
    reduces_to_sql = False

    def __init__(self, model_name: str, *field_names: str, fields: Iterable[str] = ()) -> None:
        self.model_name, self.field_names = model_name, (*field_names, *fields)

    # What Django's writer goes by; that of 4.2 leaves keyword-only parameters out.
    __init__.__signature__ = signature(lambda self, model_name, fields=(): None)  # type: ignore[attr-defined]

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        # By keyword alone: Django's writer gives each positional argument the name of a parameter.
        named = {"fields": list(self.field_names)} if self.field_names else {}
        return type(self).__name__, [], {"model_name": self.model_name, **named}

    def state_forwards(self, app_label: str, state: Any) -> None:
        pass

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        pass

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        pass


class EncryptColumns(NamesFields):
    """Encrypts these fields' rows (all encrypted fields of the model if none is named).

    `accept_lookalikes` is what the commands' `--accept-lookalikes` is, on the way back, too.
    """

    atomic = False
    #: Forwards seals, backwards opens.
    encrypts = True

    def __init__(
        self,
        model_name: str,
        *field_names: str,
        fields: Iterable[str] = (),
        backup: str | None = None,
        accept_lookalikes: bool = False,
    ) -> None:
        super().__init__(model_name, *field_names, fields=fields)
        self.backup, self.accept_lookalikes = backup, accept_lookalikes

    __init__.__signature__ = signature(  # type: ignore[attr-defined]
        lambda self, model_name, fields=(), backup=None, accept_lookalikes=False: None
    )

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        name, args, kwargs = super().deconstruct()
        options = {"backup": self.backup, "accept_lookalikes": self.accept_lookalikes}
        return name, args, kwargs | {name: value for name, value in options.items() if value}

    def describe(self) -> str:
        names = ", ".join(self.field_names) or "the encrypted fields"
        return f"{'Encrypt' if self.encrypts else 'Decrypt'} {names} of {self.model_name}"

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run("encrypt" if self.encrypts else "decrypt", app_label, schema_editor, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run("decrypt" if self.encrypts else "encrypt", app_label, schema_editor, to_state)

    def _run(self, verb: str, app_label: str, schema_editor: Any, state: Any) -> None:
        connection = schema_editor.connection
        model = state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(connection.alias, model):
            return
        if not model._base_manager.using(connection.alias).exists():
            return
        if connection.in_atomic_block:
            raise ImproperlyConfigured(
                f"{type(self).__name__} works outside of Django's transaction. Put it into a migration of its "
                f"own, after the one that changes the fields, with atomic = False (`squashmigrations` drops that: write "
                f"it into the squashed migration)"
            )
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            for field in self._fields(model):
                _in_memory(connection, field, seal=verb == "encrypt", accept_lookalikes=self.accept_lookalikes)
            return
        made = policy.compose(connection, self._fields(model))
        engine = atrest.Engine(made.text, directory=made.directory, environment=made.environment)
        report = getattr(engine, verb)(backup=self.backup or False, accept_lookalikes=self.accept_lookalikes)
        if not report["ok"]:
            raise atrest.EngineError(
                f"{self.describe()} left something: look with `manage.py verify_fields`, then migrate again"
            )

    def _fields(self, model: Any) -> list[Any]:
        if not self.field_names:
            return [f for f in model._meta.local_concrete_fields if isinstance(f, EncryptedField)]
        fields = [model._meta.get_field(name) for name in self.field_names]
        for field in fields:
            if not isinstance(field, EncryptedField):
                raise ImproperlyConfigured(f"{field} is not encrypted at this point of the migrations")
        return fields


def _in_memory(connection: Any, field: Any, *, seal: bool, accept_lookalikes: bool) -> None:
    """What the engine does to a column, through Django's connection."""
    native, quote = field.column_values.native(), connection.ops.quote_name
    table, column, *keys = (
        quote(n) for n in (field.model._meta.db_table, field.column, *(part.column for part in parts(field)))
    )
    row_is = " AND ".join(f"{key} = %s" for key in keys)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column}, {', '.join(keys)} FROM {table} WHERE {column} IS NOT NULL")
        for stored, *key in cursor.fetchall():
            clear, was_sealed = repr(stored) if isinstance(stored, (int, float)) else stored, False
            if not accept_lookalikes or native.inspect(clear).kind != "undecryptable":
                clear, was_sealed = native.read(clear)
            if was_sealed != seal:
                value = native.seal(clear) if seal else clear
                cursor.execute(f"UPDATE {table} SET {column} = %s WHERE {row_is}", [value, *key])


class DecryptColumns(EncryptColumns):
    """The same the other way round: before a migration that makes fields clear again."""

    encrypts = False


class DiscardTokens(NamesFields):
    """Says that the encrypted values of these fields may be lost: before the removal of their field or model.

    Without it `migrate` refuses a removal beside a new encrypted field, as most are renames
    gone wrong. It changes nothing itself.
    """

    def describe(self) -> str:
        return f"Let the encrypted values go with {', '.join(self.field_names) or 'all fields'} of {self.model_name}"

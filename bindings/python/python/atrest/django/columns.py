"""The encrypted columns of the project's models, and choosing among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import Error, connections, models, router

from atrest.django.fields import EncryptedField


@dataclass(frozen=True)
class Selection:
    """What `--app`, `--model` and `--field` chose; empty means all."""

    apps: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def takes(self, field: Any) -> bool:
        """Whether the field is chosen."""
        meta = field.model._meta
        own = {field.name, f"{meta.model_name}.{field.name}", f"{meta.label_lower}.{field.name}"}
        return (
            (not self.apps or meta.app_label in self.apps)
            and (not self.models or is_named(field.model, self.models))
            and (not self.fields or any(_lower_model(name) in own for name in self.fields))
        )


def is_named(model: type[models.Model], names: Iterable[str]) -> bool:
    """Whether one of these is the model, with its app or without, in any case."""
    return any(name.lower() in (model._meta.label_lower, model._meta.model_name) for name in names)


def _lower_model(name: str) -> str:
    """`App.Model.field` with the model's part in lower case; a field's name keeps its case."""
    model, dot, field = name.rpartition(".")
    return f"{model.lower()}{dot}{field}"


def encrypted_fields(model: type[models.Model]) -> list[Any]:
    """The encrypted fields whose columns are in this model's own table."""
    return [f for f in model._meta.local_concrete_fields if isinstance(f, EncryptedField)]


def all_fields(alias: str | None = None) -> Iterator[Any]:
    """Every encrypted field with a column of its own; with an alias, those of that database."""
    seen = set()
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.proxy or meta.swapped or (alias and not router.allow_migrate_model(alias, model)):
            continue
        for field in encrypted_fields(model):
            if field.column_id not in seen:
                seen.add(field.column_id)
                yield field


def choose(alias: str, selection: Selection) -> list[Any]:
    """The chosen fields. Raises CommandError when that are none, with the nearest names."""
    fields = list(all_fields(alias))
    chosen = [field for field in fields if selection.takes(field)]
    if chosen:
        return chosen
    if not fields:
        raise CommandError(
            f"no model has an encrypted field in database {alias!r}; declare one "
            f"(from atrest.django import EncryptedTextField), make the migration and run it",
            returncode=2,
        )
    known = [str(field) for field in fields]
    asked = [*selection.fields, *selection.models, *selection.apps]
    near = {n for a in asked for n in get_close_matches(a, known, n=3, cutoff=0.3)} or known[:10]
    raise CommandError(f"no encrypted field is chosen by that; there are: {', '.join(sorted(near))}", returncode=2)


def over_views(alias: str, fields: list[Any]) -> list[type[models.Model]]:
    """Those of the fields' models that are over a view, which has no rows of its own: `managed = False`, that is."""
    unmanaged = list(dict.fromkeys(field.model for field in fields if not field.model._meta.managed))
    if not unmanaged:
        return []
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            views = {t.name for t in connection.introspection.get_table_list(cursor) if t.type == "v"}
    except Error:
        return []  # the engine says it of a database that does not answer
    return [model for model in unmanaged if model._meta.db_table in views]

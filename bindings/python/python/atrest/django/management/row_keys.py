"""Primary keys, as people know them and as the database has them: a UUID is 32 digits where it has no such type."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError


def parts(field: Any) -> list[Any]:
    """The fields of the primary key: several where it is composite."""
    meta = field.model._meta
    return list(getattr(meta, "pk_fields", None) or [meta.pk])


def stored(field: Any, typed: list[str], connection: Any) -> list[str]:
    """The key of a row of the field's model, from what somebody typed. Raises CommandError for what is none."""
    fields = parts(field)
    if len(fields) != len(typed):
        return typed  # the engine says how many it takes
    try:
        return [str(p.get_db_prep_value(p.to_python(text), connection)) for p, text in zip(fields, typed)]
    except ValidationError as error:
        raise CommandError(
            f"--pk {' '.join(typed)} is no primary key of {field.model._meta.label}: {' '.join(error.messages)}",
            returncode=2,
        ) from error


def shown(field: Any, key: str) -> str:
    """A key of a report, as the application writes it."""
    fields = parts(field)
    if len(fields) != 1:
        return key
    try:
        return str(fields[0].to_python(key))
    except (ValidationError, ValueError):
        return key

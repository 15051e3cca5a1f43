"""System checks of models: what in their declarations would have the database compare ciphertexts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import F, Q
from django.db.models.constants import LOOKUP_SEP

KEYED_HASH = "Keep a keyed hash of the value in a column of its own, and make that unique or indexed."
IN_PYTHON = "Use a field that is not encrypted, or sort and filter in Python."


def check_field(field: Any) -> list[checks.CheckMessage]:
    """One field's own arguments."""
    found: list[checks.CheckMessage] = []
    if field.primary_key or field.unique:
        what = "a primary key" if field.primary_key else "unique"
        found.append(
            checks.Error(
                f"An encrypted field cannot be {what}: equal values have different ciphertexts.",
                hint=KEYED_HASH,
                obj=field,
                id="atrest.E001",
            )
        )
    elif field.db_index:
        found.append(
            checks.Error(
                "An index on an encrypted field finds nothing.",
                hint=f"Remove db_index. {KEYED_HASH}",
                obj=field,
                id="atrest.E002",
            )
        )
    if getattr(field, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED:
        found.append(
            checks.Error(
                "The database would store db_default in clear: it has no key.",
                hint="Use default.",
                obj=field,
                id="atrest.E003",
            )
        )
    return found


def check_models(app_configs: Iterable[Any] | None, **_: Any) -> list[checks.CheckMessage]:
    """What a declaration names of encrypted fields: indexes, constraints, orderings and so on; mirrors that lose values."""
    wanted = None if app_configs is None else {config.label for config in app_configs}
    found: list[checks.CheckMessage] = []
    for model in apps.get_models():
        if wanted is None or model._meta.app_label in wanted:
            for look in (_unique, _indexes, _conditions, _unique_for, _generated, _orderings, _mirrors, _accounts):
                found += look(model)
    return found


def _unique(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    groups = [("unique_together", group) for group in model._meta.unique_together]
    # Those of an exclusion constraint are pairs of an expression and an operator.
    groups += [(c.name, c.fields) for c in model._meta.constraints if isinstance(c, models.UniqueConstraint)]
    for constraint in model._meta.constraints:
        parts = getattr(constraint, "expressions", ())
        groups.append((constraint.name, [p[0] if isinstance(p, (tuple, list)) else p for p in parts]))
    yield from _covered(model, groups, "atrest.E001", "would never be violated")


def _indexes(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    groups = [("index_together", group) for group in getattr(model._meta, "index_together", ())]
    for index in model._meta.indexes:
        groups.append((index.name, [*(name for name, _ in index.fields_orders), *index.expressions]))
    yield from _covered(model, groups, "atrest.E002", "finds nothing")


def _covered(model: type[models.Model], groups: Iterable[Any], id: str, what: str) -> Iterator[checks.CheckMessage]:
    for where, group in groups:
        for name in sorted({n for part in group for n in names(part) if encrypted_at(model, n)}):
            yield checks.Error(
                f"{where} covers the encrypted field {name!r}, and {what}.", hint=KEYED_HASH, obj=model, id=id
            )


def _conditions(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    """What constraints and indexes ask of a row. NULL can be asked for."""
    for part in (*model._meta.constraints, *model._meta.indexes):
        # A CheckConstraint's was called `check` before Django 5.1.
        asked = getattr(part, "condition", None) or vars(part).get("check")
        for name in sorted({n for n, by_null in _asked(asked) if not by_null and encrypted_at(model, n)}):
            yield checks.Error(
                f"The condition of {part.name} compares the encrypted field "
                f"{name.partition(LOOKUP_SEP)[0]!r}: the database sees ciphertexts only.",
                hint="Validate the value in Python, before it is encrypted; __isnull works.",
                obj=model,
                id="atrest.E005",
            )


def _asked(condition: Any) -> Iterator[tuple[str, bool]]:
    """The names in a condition or expression, and whether only NULL is asked for."""
    if isinstance(condition, Q):
        for child in condition.children:
            if isinstance(child, tuple):
                name, value = child
                asks = name.rpartition(LOOKUP_SEP)[2]
                yield name, asks == "isnull" or value is None
                yield from ((n, False) for n in names(value) if not isinstance(value, str))
            else:
                yield from _asked(child)
    elif isinstance(condition, F):
        yield condition.name, False
    elif hasattr(condition, "get_source_expressions"):
        for source in condition.get_source_expressions():
            yield from _asked(source)


def _unique_for(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    for field in model._meta.local_fields:
        for option in ("unique_for_date", "unique_for_month", "unique_for_year"):
            date = getattr(field, option, None)
            if date and (encrypted_at(model, field.name) or encrypted_at(model, date)):
                yield checks.Error(
                    f"{option}={date!r} compares an encrypted field: the database sees ciphertexts only.",
                    hint=KEYED_HASH,
                    obj=field,
                    id="atrest.E006",
                )


def _generated(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    """What the database computes of a row. NULL can be asked for."""
    for field in model._meta.local_fields:
        if not getattr(field, "generated", False):  # which came with Django 5.0
            continue
        for name in sorted({n for n, by_null in _asked(field.expression) if not by_null and encrypted_at(model, n)}):
            yield checks.Error(
                f"It is computed of the encrypted field {name.partition(LOOKUP_SEP)[0]!r}: the database sees "
                f"ciphertexts only, and would show one as a value.",
                hint="Compute it in Python, and keep it encrypted, too, if it tells of the value; __isnull works.",
                obj=field,
                id="atrest.E007",
            )


def _orderings(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    latest = model._meta.get_latest_by or ()
    for where, ordering in (
        ("Meta.ordering", model._meta.ordering or ()),
        ("Meta.get_latest_by", [latest] if isinstance(latest, str) else latest),
    ):
        for name in (n for part in ordering for n in names(part)):
            if encrypted_at(model, name):
                yield unordered(model, where, name)


def _mirrors(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    """What has the database delete rows with the only copies of values: Django sends no signal then."""
    from atrest.django.mirror.declared import declared_by

    db_cascade = getattr(models, "DB_CASCADE", None)  # which came with Django 6.1
    for mirror in declared_by(model) if db_cascade else ():
        for field in model._meta.fields if mirror.empties else ():
            # With its original nothing is lost.
            if field != mirror.relation and field.remote_field and field.remote_field.on_delete is db_cascade:
                yield checks.Error(
                    f"By DB_CASCADE the database deletes rows of {model._meta.label} with a row of "
                    f"{field.related_model._meta.label}, and the values of {mirror.original_model._meta.label} that "
                    f"only they hold do not go back.",
                    hint='Use CASCADE, of which Django tells; or mirrors_originals = "keep".',
                    obj=field,
                    id="atrest.E008",
                )


def _accounts(model: type[models.Model]) -> Iterator[checks.CheckMessage]:
    """By what django.contrib.auth looks a user up."""
    if model._meta.label_lower != settings.AUTH_USER_MODEL.lower() or not apps.is_installed("django.contrib.auth"):
        return
    for option, usual, what, hint in (
        ("USERNAME_FIELD", None, "logging in", "Override get_by_natural_key() of its manager"),
        ("EMAIL_FIELD", "email", "resetting a password", "Override get_users() of a PasswordResetForm, and use that"),
    ):
        name = getattr(model, option, usual)
        if name and encrypted_at(model, name):
            yield checks.Warning(
                f"{option} is the encrypted field {name!r}, and {what} looks users up by it: that raises.",
                hint=f"{hint}: find the user by a keyed hash of the value in a column of its own, or in Python. Then "
                f"silence this check.",
                obj=model,
                id="atrest.W016",
            )


def unordered(obj: Any, where: str, name: str) -> checks.CheckMessage:
    """That something sorts, searches or filters by an encrypted field."""
    return checks.Error(
        f"{where} names the encrypted field {name!r}: the database sees ciphertexts only.",
        hint=IN_PYTHON,
        obj=obj,
        id="atrest.E004",
    )


def names(part: Any) -> Iterator[str]:
    """The fields that a string (`-name`) or an expression (`Lower("name")`) names."""
    if isinstance(part, str):
        yield part.lstrip("-+")
    else:
        yield from (name for name, _ in _asked(part))


def encrypted_at(model: type[models.Model], path: str) -> bool:
    """Whether `name` or `relation__name`, with or without a lookup behind it, is an encrypted field."""
    from atrest.django.fields import EncryptedField

    at: Any = model
    for name in path.split(LOOKUP_SEP):
        try:
            field = at._meta.get_field(name)
        except FieldDoesNotExist:  # pk, a lookup, an annotation
            return False
        if isinstance(field, EncryptedField):
            return True
        at = field.related_model
        if not at or at == "self":
            return False
    return False

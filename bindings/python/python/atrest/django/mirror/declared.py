"""The mirrors that models declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models

from atrest.django.fields import EncryptedField


@dataclass(frozen=True)
class Mirror:
    """The copies on `model` of fields of the model that `relation` points to."""

    model: type[models.Model]
    relation: Any
    #: Name of the original, name of the copy.
    pairs: tuple[tuple[str, str], ...]
    #: The originals' columns hold blanks only.
    empties: bool

    @property
    def original_model(self) -> type[models.Model]:
        return self.relation.related_model

    def blank(self, original: str) -> Any:
        """What an emptied original holds."""
        return None if self.original_model._meta.get_field(original).null else ""

    def copies_of(self, owner: Any, using: str) -> Any:
        """The rows that mirror this original, as a queryset (of one row at most)."""
        return self.model._base_manager.using(using).filter(**{self.relation.name: owner.pk})


def declared_by(model: type[models.Model]) -> Iterator[Mirror]:
    """The model's mirrors, one for each relation.

    Raises ImproperlyConfigured for a declaration that cannot be followed.
    """
    declared = model.__dict__.get("mirrors")
    if not isinstance(declared, dict):
        return
    originals = getattr(model, "mirrors_originals", "keep")
    if originals not in ("keep", "empty"):
        raise ImproperlyConfigured(f'{model._meta.label}.mirrors_originals is {originals!r}; write "keep" or "empty"')
    by_relation: dict[str, list[tuple[str, str]]] = {}
    for source, copy in declared.items():
        relation, dot, original = source.partition(".")
        if not dot:
            raise ImproperlyConfigured(
                f'{model._meta.label}.mirrors has {source!r}; write "relation.field", such as "user.email"'
            )
        by_relation.setdefault(relation, []).append((original, copy))
    for name, pairs in by_relation.items():
        relation = _field(model, name)
        if not isinstance(relation, models.OneToOneField):
            raise ImproperlyConfigured(f"{model._meta.label}.mirrors follows {name!r}, which is no OneToOneField")
        for original, copy in pairs:
            there = _field(relation.related_model, original)
            if not isinstance(_field(model, copy), EncryptedField):
                raise ImproperlyConfigured(f"{model._meta.label}.{copy} is a mirror's copy and not encrypted")
            if originals == "empty" and there.unique and not there.null:
                raise ImproperlyConfigured(
                    f"{there} is unique, so the column cannot be emptied; keep it out of mirrors"
                )
        yield Mirror(model, relation, tuple(pairs), originals == "empty")


def _field(model: type[models.Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        raise ImproperlyConfigured(f"{model._meta.label} has no field {name!r}, which mirrors name") from None


def all_mirrors() -> list[Mirror]:
    """Every mirror of the project."""
    return [mirror for model in apps.get_models() for mirror in declared_by(model)]

"""The mirrors that models declare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.db.models.base import ModelBase

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

    @property
    def key(self) -> str:
        """What no other mirror is called."""
        return f"{self.model._meta.label}.{self.relation.name}"

    def copies_of(self, owner: Any, using: str | None, key: Any = None) -> Any:
        """The rows that mirror this original, or that with another key, as a queryset (of one row at most)."""
        ((name, own_key),) = row_of(self.original_model, owner).items()
        key = own_key if key is None else key
        rows = self.model._base_manager.using(using)
        # Without a key it would be those that belong to nobody.
        return rows.none() if key is None else rows.filter(**{f"{self.relation.name}__{name}": key})


def row_of(model: type[models.Model], instance: models.Model) -> dict[str, Any]:
    """The model's row that the instance is, or is a part of, as a filter.

    The instance is of the model, of a proxy or child of it, or of what it is itself a proxy or
    child of: the key is the one of what both have.
    """
    common: Any = next(c for c in model.__mro__ if is_concrete(c) and isinstance(instance, c))
    pk = common._meta.pk
    key = getattr(instance, pk.attname)
    if key is None and (link := instance._meta.get_ancestor_link(common._meta.concrete_model)):
        key = getattr(instance, link.attname)  # of a child that is not saved yet
    return {pk.name: key}


def is_concrete(cls: Any) -> bool:
    """Whether it is a model with rows."""
    return isinstance(cls, ModelBase) and cls is not models.Model and not cls._meta.abstract


def declared_by(model: type[models.Model]) -> Iterator[Mirror]:
    """The model's mirrors, one for each relation.

    Raises ImproperlyConfigured for a declaration that cannot be followed.
    """
    declared = _own(model)
    if not declared:
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


def _own(model: type[models.Model]) -> dict[str, str]:
    """What the model itself or its abstract bases declare; the rest is its parents' with rows, and followed there."""
    declared, *theirs = (getattr(c, "mirrors", None) for c in model.__mro__ if is_concrete(c))
    if not isinstance(declared, dict):
        return {}
    pairs = {pair for parents in theirs if isinstance(parents, dict) for pair in parents.items()}
    return {source: copy for source, copy in declared.items() if (source, copy) not in pairs}


def _field(model: type[models.Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        raise ImproperlyConfigured(f"{model._meta.label} has no field {name!r}, which mirrors name") from None


def all_mirrors() -> list[Mirror]:
    """Every mirror of the project.

    Raises ImproperlyConfigured also where one model empties what another keeps.
    """
    mirrors = [mirror for model in apps.get_models() for mirror in declared_by(model)]
    first: dict[Any, Mirror] = {}
    for mirror in mirrors:
        for original, _ in mirror.pairs:
            field = mirror.original_model._meta.get_field(original)
            keeps, empties = sorted((first.setdefault(field, mirror), mirror), key=lambda m: m.empties)
            if keeps.empties != empties.empties:
                raise ImproperlyConfigured(
                    f"{field} is in the mirrors of two models, and {keeps.model._meta.label} keeps what "
                    f"{empties.model._meta.label} empties; give both the same mirrors_originals"
                )
    return mirrors

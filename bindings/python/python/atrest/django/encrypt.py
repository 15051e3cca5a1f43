"""`encrypt(AnyField())`: the encrypted form of a field that has no class here."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.functional import cached_property

from atrest.django.fields import OPTIONS, EncryptedField


def encrypt(
    field: models.Field,
    *,
    context: str | None = None,
    suite: str | None = None,
    allow_plaintext: bool | None = None,
) -> models.Field:
    """The field, its values encrypted. The options are those of `EncryptedField`.

    Raises ImproperlyConfigured for a field whose column the database itself must read:
    a relation, an automatic key, a generated column; and for files, whose content is
    elsewhere.
    """
    if not isinstance(field, models.Field):
        raise ImproperlyConfigured(f"encrypt() takes a field of a model, an instance: {_instance(field)}")
    if isinstance(field, EncryptedField):
        raise ImproperlyConfigured(f"{type(field).__name__} is encrypted already")
    refused = (models.ForeignObject, models.ManyToManyField, models.AutoField, models.FileField)
    generated = getattr(models, "GeneratedField", ())
    if isinstance(field, refused):
        raise ImproperlyConfigured(
            f"{type(field).__name__} cannot be encrypted: "
            + (
                "it holds the name of a file; encrypt the file itself (`atrest file`, `[[files]]`)"
                if isinstance(field, models.FileField)
                else "the database must be able to compare it"
            )
        )
    if generated and isinstance(field, generated):
        raise ImproperlyConfigured("a GeneratedField is computed by the database, which has no key")
    _, _, args, kwargs = field.clone().deconstruct()
    if isinstance(field, models.SlugField):
        kwargs.setdefault("db_index", False)  # which it has unasked
    return _encrypted_class(type(field))(*args, **kwargs, context=context, suite=suite, allow_plaintext=allow_plaintext)


def _instance(given: Any) -> str:
    """What to write in place of what is no field: of a class its instance."""
    if not (isinstance(given, type) and issubclass(given, models.Field)):
        return f"models.TextField(), not {given!r}"
    module = "models." if given.__module__.startswith("django.db.models.") else ""
    return f"{module}{given.__name__}(), not its class"


class _Wrapped(EncryptedField):
    """A field made by `encrypt`: it deconstructs to the call that made it."""

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, _, kwargs = super().deconstruct()
        options = {o: kwargs[o] for o in OPTIONS if o in kwargs}
        return name, "atrest.django.encrypt", [self.clear_field()], options

    def clear_field(self) -> models.Field:
        _, _, args, kwargs = super().deconstruct()
        return self.clear_class(*args, **{k: v for k, v in kwargs.items() if k not in OPTIONS})

    def clone(self) -> models.Field:
        _, _, args, options = self.deconstruct()
        return encrypt(*args, **options)


class _WrappedInteger(_Wrapped):
    """The range of a whole number comes from its clear type."""

    @cached_property
    def validators(self) -> list[Any]:
        return self.clear_field().validators


@cache
def _encrypted_class(clear: type[models.Field]) -> type[models.Field]:
    base = _WrappedInteger if issubclass(clear, models.IntegerField) else _Wrapped
    return type(f"Encrypted{clear.__name__}", (base, clear), {"__module__": __name__})

"""Connects both sides of every mirror to what Django does with their rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, wraps
from typing import Any

from django.db import router, transaction
from django.db.models import Model
from django.db.models.signals import class_prepared, post_delete, post_init, post_save, pre_delete, pre_save
from django.dispatch import Signal

from atrest.django.mirror.declared import all_mirrors
from atrest.django.mirror.emptied import EmptiedAttribute
from atrest.django.mirror.remembered import settle, take_back
from atrest.django.mirror.side import SAVED, Side, note_saved

# Django has no signal for it; `update_fields` are the fields that were read anew.
_refreshed = Signal()

#: Both sides of every mirror.
_sides: list[Side] = []


def register() -> None:
    """Connects the signals of every mirror. Called when the app is ready."""
    _sides[:] = [Side(mirror, is_copy) for mirror in all_mirrors() for is_copy in (True, False)]
    for side in _sides:
        for model in side.owners:
            _wrap(model, "save_base", _together)
            _wrap(model, "refresh_from_db", _signalling)
            for heir in _with_heirs(model):
                _connect(side, heir)
        if side.mirror.empties and not side.is_copy:
            for original, copy in side.mirror.pairs:
                EmptiedAttribute.put(side, side.mirror.original_model._meta.get_field(original), copy)
    class_prepared.connect(_prepared, dispatch_uid="atrest.mirror")


def _prepared(sender: type[Model], **_: Any) -> None:
    """A model that is made later, such as a proxy in an admin module."""
    for side in _sides:
        if issubclass(sender, side.owners):
            _connect(side, sender)


def _connect(side: Side, model: type[Model]) -> None:
    """Django sends an instance's signals for its own class: neither for that of its proxies nor its children."""
    receivers: list[tuple[Any, Any]] = [
        (post_init, partial(_call, side.loaded)),
        (_refreshed, partial(_call, side.loaded)),
        (pre_save, partial(_call, side.before)),
        (post_save, partial(_call, side.after)),
    ]
    # What a parent's table has of a row is deleted with signals of its own.
    if side.mirror.empties and model._meta.concrete_model in side.tables:
        copies = [(pre_delete, side.leaving), (post_delete, side.left_behind)]
        receivers += copies if side.is_copy else [(pre_delete, side.going)]
    for signal, receive in receivers:
        signal.connect(receive, sender=model, weak=False, dispatch_uid=f"atrest.mirror.{side.key}")


def _with_heirs(model: type[Model]) -> Iterator[type[Model]]:
    """The model, its proxies and its children."""
    yield model
    for heir in model.__subclasses__():
        yield from _with_heirs(heir)


def _wrap(model: type[Model], name: str, wrapper: Any) -> None:
    """Puts the wrapper around a model's method, once."""
    method = getattr(model, name)
    if not hasattr(method, "_atrest_mirrors"):
        wrapped = wraps(method)(wrapper(method))
        wrapped._atrest_mirrors = True  # type: ignore[attr-defined]
        setattr(model, name, wrapped)


def _together(save: Any) -> Any:
    """`save_base` in a transaction: the row and what goes to the other side, or neither."""

    def save_base(self: Any, raw: bool = False, *args: Any, **kwargs: Any) -> Any:
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        settle(self)
        try:
            with transaction.atomic(using):
                saved = save(self, raw, *args, **kwargs)
        except BaseException:
            for instance, undo in self.__dict__.pop(SAVED, ()):
                take_back(instance.__dict__, [undo])
            raise
        note_saved(self, using)
        return saved

    return save_base


def _signalling(refresh: Any) -> Any:
    """`refresh_from_db` (which also loads deferred fields), and then the signal."""

    def refresh_from_db(self: Any, using: Any = None, fields: Any = None, **kwargs: Any) -> None:
        fields = None if fields is None else list(fields)
        settle(self)
        refresh(self, using=using, fields=fields, **kwargs)
        _refreshed.send(type(self), instance=self, update_fields=fields)

    return refresh_from_db


def _call(receive: Any, *, instance: Any, raw: bool = False, using: str | None = None, **kwargs: Any) -> None:
    receive(instance, using=using, raw=raw, update_fields=kwargs.get("update_fields"))

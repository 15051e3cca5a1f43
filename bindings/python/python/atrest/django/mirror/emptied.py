"""Originals whose columns hold blanks: they read their values from the copies."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db.models.query_utils import DeferredAttribute

from atrest.django.mirror.declared import row_of
from atrest.django.mirror.remembered import ASKED, BLANKED, LOADED, settle
from atrest.django.mirror.side import HELD, Side


class EmptiedAttribute(DeferredAttribute):
    """An original whose column is empty: reads its value from the copy."""

    def __init__(self, field: Any) -> None:
        super().__init__(field)
        #: The originals' side of each mirror that empties it, and the name of the copy there.
        self.copies: dict[str, tuple[Side, str]] = {}

    @classmethod
    def put(cls, side: Side, field: Any, copy: str) -> None:
        """In the place of the field's attribute; a field that several mirrors empty has one for all."""
        attribute = vars(field.model).get(field.attname)
        if not isinstance(attribute, cls):
            attribute = cls(field)
            setattr(field.model, field.attname, attribute)
            field.pre_save = attribute.written
        attribute.copies[side.key] = side, copy

    def written(self, instance: Any, add: bool) -> Any:
        """What goes into the column: a blank, as soon as there is a row for the copy."""
        settle(instance)
        own = instance.__dict__
        if not self.copies.keys().isdisjoint(own.get(HELD, ())):
            side, _ = next(iter(self.copies.values()))
            return side.mirror.blank(self.field.name)
        # `bulk_create()` of a copied row comes by no signal.
        copied = any(side.left(instance) is not None for side, _ in self.copies.values())
        return self.__get__(instance) if copied else own[self.field.attname]

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        if instance is None:
            return self
        settle(instance)
        name = self.field.attname
        value = instance.__dict__[name] if name in instance.__dict__ else super().__get__(instance, cls)
        if value or name in instance.__dict__.get(BLANKED, ()):
            return value
        alone = True
        for side, copy in self.copies.values():
            if (row := side.copies_beside(instance)) is not None:
                alone = False
                if there := getattr(row, copy):
                    return there
        if alone:
            self._ask(instance)
        return instance.__dict__[name]

    def _ask(self, instance: Any) -> None:
        """Takes what the columns hold by now, once: a row with copies that is gone gave its values back."""
        own, model, asked = instance.__dict__, self.field.model, instance.__dict__.get(ASKED, frozenset())
        left = next((key for side, _ in self.copies.values() if (key := side.left(instance)) is not None), None)
        if self.field.attname in asked or (left is None and instance._state.adding):
            return
        emptied = {n: a.copies.keys() for n, a in vars(model).items() if isinstance(a, EmptiedAttribute)}
        blank = [n for n in emptied if n in own and not own[n] and n not in own.get(BLANKED, ())]
        names = [n for n in blank if emptied[n] == self.copies.keys()]
        row_is = row_of(model, instance) if left is None else {"pk": left}
        try:
            row = model._base_manager.using(instance._state.db).filter(**row_is).values(*names).first() or {}
        except SynchronousOnlyOperation:
            return  # what came by `select_related()`, of the same moment as the row, is shown beside an event loop
        back = {n: value for n, value in row.items() if value}
        own.update(back)
        own[LOADED], own[ASKED] = {**own.get(LOADED, {}), **back}, asked.union(names)

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.field.attname
        own = instance.__dict__
        own[name] = value
        blanked = own.get(BLANKED, frozenset())
        own[BLANKED] = blanked - {name} if value else blanked | {name}

"""What stands in place of a stored value that does not open.

One damaged row must not take the other rows of a queryset with it, and must never pass
for a value. So it is loaded as an `Unreadable`: the instance's attribute raises, naming
model, primary key and field, and anything done with the object itself (from
`values()`) raises too.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db.models.query_utils import DeferredAttribute

import atrest
from atrest.django.words import in_django


class Unreadable:
    """Raises its error whatever is done with it, but `repr`."""

    __slots__ = ("_error", "_field")

    def __init__(self, error: atrest.AtrestError, field: Any) -> None:
        self._error, self._field = error, field
        watch(field)

    def __repr__(self) -> str:
        return f"<unreadable {self._field}>"

    def __getattr__(self, name: str) -> NoReturn:
        raise_for(self)


def _raises(self: Unreadable, *_: object) -> NoReturn:
    raise_for(self)


for _name in (
    "str bytes format bool eq ne lt le gt ge hash len iter next contains getitem int float index "
    "add radd sub mul mod truediv floordiv neg abs round and or xor call fspath reduce reduce_ex"
).split():
    setattr(Unreadable, f"__{_name}__", _raises)


def raise_for(value: Unreadable, instance: Any = None, advice: str = "") -> NoReturn:
    """Raises the error of the same class, with where the value stands, and what to do.

    It has the attributes `model`, `pk` (None when it is not known) and `field`.
    """
    error, field = value._error, value._field
    pk = None if instance is None else instance.pk
    row = "" if instance is None else f" of the row with pk={pk!r}"
    status = f"manage.py encryption_status --field {field}{'' if pk is None else f' --pk {pk}'}"
    why = str(error).replace("`Engine.inspect` with reveal=True", f"`{status} --reveal`")
    why = in_django(why.replace("`atrest inspect`", f"`{status}`"))
    placed = type(error)(f"{field}{row} cannot be read: {why}{advice}")
    placed.__dict__.update(vars(error))
    placed.model, placed.pk, placed.field = field.model, pk, field.name
    raise placed from error


def watch(field: Any) -> None:
    """Has the field's attribute look at each value from now on.

    Until the first value that does not open it is Django's own, which costs nothing.
    """
    present = vars(field.model).get(field.attname)
    if not isinstance(present, EncryptedAttribute):
        setattr(field.model, field.attname, EncryptedAttribute(field, present))


class EncryptedAttribute(DeferredAttribute):
    """An encrypted field on instances: raises where the value is unreadable.

    Everything else is left to the attribute that it replaces: Django's, or the application's.
    """

    def __init__(self, field: Any, replaced: Any) -> None:
        super().__init__(field)
        self.replaced = DeferredAttribute(field) if replaced is None else replaced

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        if instance is None:
            return self.replaced.__get__(None, cls)
        own, name = instance.__dict__, self.field.attname
        if type(own.get(name)) is Unreadable:
            raise_for(own[name], instance)
        if name in own and not hasattr(self.replaced, "__set__"):
            value = own[name]
        else:
            value = self.replaced.__get__(instance, cls)
        if type(value) is Unreadable:
            raise_for(value, instance)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        if hasattr(self.replaced, "__set__") and type(value) is not Unreadable:
            self.replaced.__set__(instance, value)
        else:
            instance.__dict__[self.field.attname] = value

    def __delete__(self, instance: Any) -> None:
        if hasattr(self.replaced, "__delete__"):
            self.replaced.__delete__(instance)
        else:
            del instance.__dict__[self.field.attname]

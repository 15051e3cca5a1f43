"""What a codec is: how values of one type become the text that is sealed, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

Encode = Callable[[Any, Dialect], Any]


class WrongType(TypeError):
    """Its text names types, and shows no value."""


@dataclass(frozen=True)
class Codec:
    """``encode`` raises for what is none, ``decode`` raises ``ValueError``."""

    encode: Encode
    decode: Encode
    #: What values are, for errors.
    what: str
    #: ``encode`` gives bytes, which are stored in a binary column.
    binary: bool = False
    #: Both take ``None``, of which the application's own type may make something else.
    null: bool = False


def expect(kind: type | tuple[type, ...], value: Any, what: str) -> Any:
    if not isinstance(value, kind):
        raise WrongType(f"{type(value).__name__} is not {what}")
    return value


def parts(type_: TypeEngine[Any] | None) -> Iterator[TypeEngine[Any]]:
    """A type, and those that it stands over: a decorator's, an array's."""
    while type_ is not None:
        yield type_
        type_ = getattr(type_, "impl_instance", None) or getattr(type_, "item_type", None)

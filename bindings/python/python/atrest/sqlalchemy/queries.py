"""What a query cannot ask of an encrypted column, and the error that says so.

Two tokens of one value differ, so a comparison would find no rows, quietly. It raises
instead, where the query is written.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement, Null
from sqlalchemy.types import TypeDecorator, TypeEngine

from atrest import AtrestError, EncryptionError

#: Operators that ask about NULL and about nothing else, where the other side is NULL.
ABOUT_NULL = frozenset(
    {operators.is_, operators.is_not, operators.eq, operators.ne}
)


class EncryptedQueryError(AtrestError, exc.InvalidRequestError, exc.DontWrapMixin):
    """A query compares, orders or computes with an encrypted column."""


class EncryptedValueError(EncryptionError, ValueError, exc.DontWrapMixin):
    """A value cannot be encrypted as its column's type; nothing was written."""


def refused(name: str, what: str) -> EncryptedQueryError:
    return EncryptedQueryError(
        f"{name} is encrypted, so the database cannot {what}: two tokens of one value "
        "differ. Ask with .is_(None) or .is_not(None), select by another column and compare "
        "in Python, or keep a keyed hash beside it to look values up"
    )


def is_null(value: Any) -> bool:
    return value is None or isinstance(value, Null)


class Comparator(TypeDecorator.Comparator[Any], TypeEngine.Comparator[Any]):
    """Lets questions about NULL through."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> Any:
        if op in ABOUT_NULL and len(other) == 1 and is_null(other[0]):
            return super().operate(op, *other, **kwargs)
        if op in (operators.eq, operators.ne) and isinstance(other[0], ColumnElement):
            # SQLAlchemy looks columns up in dictionaries so; the guard refuses a query with it.
            return super().operate(op, *other, **kwargs)
        raise self._refused(op)

    def reverse_operate(self, op: Any, other: Any, **kwargs: Any) -> Any:
        raise self._refused(op)

    def _refused(self, op: Any) -> EncryptedQueryError:
        name = getattr(self.expr.type, "name", None) or str(self.expr)
        if op in (operators.desc_op, operators.asc_op, operators.nulls_first_op, operators.nulls_last_op):
            return refused(name, "order by it")
        word = getattr(op, "__name__", str(op)).removesuffix("_op")
        return refused(name, f"compare it or compute with it ({word})")

"""Questions that a database cannot answer about ciphertext, and how they are refused.

Two encryptions of one value differ, so a comparison would find no row, silently.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.exceptions import FieldError
from django.db.models.expressions import Case, Value, When
from django.db.models.functions import Cast
from django.db.models.lookups import Lookup


def refuse_lookup(field: Any, lookup: str) -> NoReturn:
    """Raises FieldError with what to do."""
    raise FieldError(
        f"{field} is encrypted, so the database cannot look it up ({field.name}__{lookup}): equal "
        f"values have different ciphertexts, and no row would be found. Look rows up by a column "
        f"that is not encrypted and compare in Python, or keep a keyed hash of the value in a "
        f"column of its own. {field.name}__isnull works."
    )


class OnlyNull(Lookup):
    """`exact`: allowed with None, which Django turns into `isnull`; refused otherwise."""

    lookup_name = "exact"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if rhs is not None:
            refuse_lookup(lhs.output_field, self.lookup_name)
        super().__init__(lhs, rhs)


class OnlyNullCaseless(OnlyNull):
    """`iexact`, the same."""

    lookup_name = "iexact"


def check_expression(field: Any, expression: Any) -> None:
    """Raises FieldError unless each result of the expression is a value of this very field.

    `bulk_update` makes such expressions (CASE WHEN pk = .. THEN value). Anything else
    (`F("other")`, `Lower(..)`, a plain `Value`) would write clear text into the column,
    and so would the null of JSON. `Value(None)` is NULL.
    """
    for result in _results(expression):
        if not (isinstance(result, Value) and (_is_null(result) or _is_of(field, result))):
            raise FieldError(
                f"{field} is encrypted, so the database cannot compute its value "
                f"({type(result).__name__}): it would be stored in clear. Read the rows, assign "
                f"the value in Python, and save them with save() or bulk_update(). None, which is "
                f"NULL, can be assigned and updated to; the null of JSON only inside of a value."
            )


def _results(expression: Any) -> list[Any]:
    if isinstance(expression, Case):
        return [r for part in (*expression.cases, expression.default) for r in _results(part)]
    if isinstance(expression, When):
        return _results(expression.result)
    if isinstance(expression, Cast):
        return _results(expression.get_source_expressions()[0])
    return [expression]


def _is_null(value: Value) -> bool:
    """Whether the database gets NULL: a type could make something else of None."""
    return value.value is None and value._output_field_or_none is None


def _is_of(field: Any, value: Value) -> bool:
    output = value._output_field_or_none
    return getattr(output, "column_id", None) == field.column_id

"""An encrypted column in a query: it can be selected as it is, and nothing else.

The database has ciphertexts only, so whatever it computes of them (an order, a group, a
maximum, a length) is nonsense, and what it copies elsewhere is ciphertext. Django asks a
column for its SQL without saying what for. So the SQL comes with parameters that refuse
to be joined to any others; only `select_format`, which Django calls for what is selected
as it is, takes them away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from django.core.exceptions import FieldError
from django.db.models import F
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Col, Value
from django.db.models.lookups import IsNull


def refuse(field: Any, why: str) -> NoReturn:
    """Raises FieldError with what to do."""
    raise FieldError(
        f"{field} is encrypted, so the database cannot {why}: it has ciphertexts only. Select the "
        f"values and do it in Python, or keep what the database needs in a column that is not "
        f"encrypted. {field.name}__isnull works, and so counting does: "
        f'Count("pk", filter=Q({field.name}__isnull=False)).'
    )


class EncryptedCol(Col):
    """What `F("secret")`, `values("secret")` and a model's own columns become."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, _ = super().as_sql(compiler, connection)
        return sql, _Unjoinable(self.target)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        field = self.target
        if self.output_field != field:
            refuse(field, "give its values another type")
        query = compiler.query
        if query.subquery and self._is_used_outside(compiler):
            refuse(field, "use them outside of the subquery that selects them")
        if not self._has_rows(compiler):
            # union(all=True) alone puts rows together without comparing them.
            if query.distinct or query.combinator and not query.combinator_all:
                refuse(field, "tell equal values from different ones")
            if query.group_by is not None:
                refuse(field, "group by its values")
        if query.combinator and self._meets_others(compiler):
            refuse(field, "have its values and those of another column in one")
        for name in (*_names(_ordering(query)), *query.distinct_fields):
            if self._is_at(query, name.lstrip("+-")):
                refuse(field, "sort by its values, or tell equal ones")
        return super().select_format(compiler, sql, [])

    @property
    def is_summary(self) -> bool:
        """Only an aggregate of a query's annotations asks this of them."""
        refuse(self.target, "compute their aggregate")

    @is_summary.setter
    def is_summary(self, _: bool) -> None:
        """Set wherever an expression is resolved."""

    def _is_used_outside(self, compiler: Any) -> bool:
        """Whether what is around `(SELECT ...)` has the column itself in its hands.

        Django's own wrappers, which count rows or filter by windows, are compiled for a
        database's alias; they have the columns that they compute with as `__col1`, ...
        Any other subquery is an expression: of one column it might be compared or copied.
        """
        query = compiler.query
        names = [name for name, annotation in query.annotation_select.items() if self == annotation]
        if compiler.using is not None:
            return any(name.startswith("__col") for name in names)
        return bool(names) or not (query.default_cols or len(query.select) > 1)

    def _has_rows(self, compiler: Any) -> bool:
        """Whether a primary key that settles the value is selected too: equal ciphertexts are one row's."""
        query = compiler.query
        rows = set(self._rows(query))
        if query.default_cols or query.group_by is True:
            return query.base_table in rows
        cols = [*query.select, *(query.group_by or ()), *query.annotation_select.values()]
        return any(isinstance(c, Col) and c.target.primary_key and c.alias in rows for c in cols)

    def _rows(self, query: Any) -> Iterator[str]:
        """The tables whose row has one such value: the column's own, and those that point to it."""
        alias = self.alias
        while alias is not None:
            yield alias
            join = query.alias_map.get(alias)
            parent = getattr(join, "parent_alias", None)
            to_one = parent and (join.join_field.many_to_one or join.join_field.one_to_one)
            alias = parent if to_one else None

    def _meets_others(self, compiler: Any) -> bool:
        """Whether a combined query has another column where one has this: what it holds would be opened as this one's."""
        selects = []
        outer = compiler.query
        for query in outer.combined_queries:
            query = query.clone()
            # As Django does: values() of the whole are those of a part that names none.
            if outer.values_select and not query.values_select:
                query.set_values((*outer.extra_select, *outer.values_select, *outer.annotation_select))
            part = query.get_compiler(compiler.using, compiler.connection)
            part.setup_query()
            selects.append([expression for expression, *_ in part.select])
        return any(
            any(self._is_own(e) for e in place) and not all(self._is_own(e) or _is_null(e) for e in place)
            for place in zip(*selects)
        )

    def _is_own(self, expression: Any) -> bool:
        return isinstance(expression, Col) and expression.target == self.target

    def _is_at(self, query: Any, name: str) -> bool:
        """Whether the query's `name` is this column, which then is not compiled again."""
        annotation = query.annotations.get(name)
        if annotation is not None:
            return self == annotation
        try:
            path = query.names_to_path(name.split(LOOKUP_SEP), query.get_meta())
        except FieldError:  # "?", or a name of extra()
            return False
        return bool(path[1] == self.target)


class Stored(F):
    """A column's tokens as they are: for the package's own look at them, never a value."""

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Col:
        col = super().resolve_expression(*args, **kwargs)
        return Col(col.alias, col.target, col.output_field)


class _Unjoinable:
    """In the place of a column's SQL parameters, of which it has none."""

    def __init__(self, field: Any) -> None:
        self._field = field

    def _refuse(self, *_: Any) -> NoReturn:
        refuse(self._field, "compute, compare or copy its values")

    __iter__ = __len__ = __bool__ = __hash__ = __eq__ = __getitem__ = _refuse  # type: ignore[assignment]
    __add__ = __radd__ = __iadd__ = __mul__ = __rmul__ = __imul__ = _refuse


class NullTest(IsNull):
    """`isnull`: the one question about ciphertext that has an answer."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        if isinstance(lhs, EncryptedCol):
            lhs = Col(lhs.alias, lhs.target, lhs.output_field)
        super().__init__(lhs, rhs)


def _is_null(expression: Any) -> bool:
    return isinstance(expression, Value) and expression.value is None


def _ordering(query: Any) -> Iterable[Any]:
    if query.extra_order_by or query.order_by or not query.default_ordering:
        return query.extra_order_by or query.order_by
    return query.get_meta().ordering or ()


def _names(ordering: Iterable[Any]) -> Iterator[str]:
    """The columns that an ordering names, by strings and inside expressions."""
    for item in ordering:
        if isinstance(item, str):
            yield item
        elif isinstance(item, F):
            yield item.name
        elif hasattr(item, "get_source_expressions"):
            yield from _names(e for e in item.get_source_expressions() if e is not None)

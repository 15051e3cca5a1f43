"""What is refused when a statement is compiled, because no earlier moment shows it: an
encrypted column on the right of a comparison, in a function or in ORDER BY, and SQL that
would write something else than a token into one.

SQLAlchemy keeps compiled statements, so this costs once for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakValueDictionary

import sqlalchemy as sa
from sqlalchemy import Engine, Table, event
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import CompileError, StatementError
from sqlalchemy.ext.compiler import _dispatcher
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    Case,
    Cast,
    ClauseElement,
    ClauseList,
    CollectionAggregate,
    ColumnClause,
    ColumnElement,
    ExpressionClauseList,
    Extract,
    FunctionFilter,
    Grouping,
    Label,
    Null,
    Over,
    TableValuedColumn,
    UnaryExpression,
    _label_reference,
    _textual_label_reference,
)
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import CompoundSelect, ScalarSelect, Select

from .base import parts
from .encrypted import Encrypted
from .queries import EncryptedQueryError, EncryptedValueError, is_null, refused


def install() -> None:
    """Once, at import."""
    for class_, check in (
        (BinaryExpression, _binary),
        (Function, _function),
        (Case, _case),
        (Select, _select),
        (CompoundSelect, _compound),
        (Update, _update),
        (Insert, _insert),
        # Not only by Insert's: an application's hook for one of these would take their place.
        (mysql.Insert, _insert),
        (postgresql.Insert, _insert),
        (sqlite.Insert, _insert),
        (Delete, _delete),
        (BooleanClauseList, _all_of),
        (FunctionFilter, _filter),
        (Over, _over),
        (ExpressionClauseList, _chain),
        (Extract, _extract),
        (postgresql.array, _array),
        (TableValuedColumn, _row),
        (BindParameter, _bound),
    ):
        _watch(class_, check)
    event.listen(Engine, "handle_error", _hide)


class _Watched(_dispatcher):
    """Checks an element, and gives it to what compiles it: SQLAlchemy, or a hook that an
    application registered with ``@compiles``, before us or behind us."""

    def __init__(self, check: Callable[[Any, Any], None], specs: dict[str, Callable[..., Any]]) -> None:
        self.check = check
        self.specs = specs

    def __call__(self, element: Any, compiler: Any, **kw: Any) -> Any:
        self.check(element, compiler)
        try:
            return super().__call__(element, compiler, **kw)
        except CompileError as error:
            # Of a literal it would show the value.
            if isinstance(error.__cause__, EncryptedValueError):
                raise error.__cause__ from None
            raise


def _watch(class_: Any, check: Callable[[Any, Any], None]) -> None:
    """Where ``@compiles`` puts its hooks, and finds those that are there: our own would be
    one of them, which the next one replaces."""
    hooks = vars(class_).get("_compiler_dispatcher")
    watched = _Watched(check, hooks.specs if hooks else {"default": class_._compiler_dispatch})
    class_._compiler_dispatcher = watched
    # A function, which Python binds to the element.
    class_._compiler_dispatch = lambda element, compiler, **kw: watched(element, compiler, **kw)


def _binary(element: BinaryExpression[Any], compiler: Any) -> None:
    about_null = element.operator in (operators.is_, operators.is_not) and is_null(element.right)
    if not about_null:
        for side in (element.left, element.right):
            _not_compared(side)


def _not_compared(side: Any, what: str = "compare it or compute with it") -> None:
    for clause in _within(side):
        _not(clause, what)


def _within(clause: Any) -> Iterator[Any]:
    """A column, and what has one in it: a list, a tuple, the ends of a range, ANY, a SELECT."""
    yield clause
    inside: Iterable[Any] = ()
    if isinstance(clause, (Grouping, CollectionAggregate)):
        inside = [clause.element]
    elif isinstance(clause, (ClauseList, ExpressionClauseList)):
        inside = clause.clauses
    elif isinstance(clause, ScalarSelect):
        inside = clause.element.selected_columns
    for each in inside:
        yield from _within(each)


def _encrypted(clause: Any) -> Encrypted | None:
    """Its type, or of an array its items'."""
    return next((part for part in parts(getattr(clause, "type", None)) if isinstance(part, Encrypted)), None)


def _not(clause: Any, what: str) -> None:
    type_ = getattr(clause, "type", None)
    if isinstance(type_, Encrypted):
        raise refused(type_.name or str(clause), what)


def _conditions(clauses: Iterable[Any]) -> None:
    """A token is no condition: a database takes any text for false, or for true."""
    for clause in clauses:
        _not(clause, "take it as a condition")


def _all_of(element: BooleanClauseList, compiler: Any) -> None:
    _conditions(element.clauses)


def _chain(element: ExpressionClauseList[Any], compiler: Any) -> None:
    """One operator between more than two: ``a + b + c``."""
    _not_compared(element)


def _extract(element: Extract, compiler: Any) -> None:
    _not(element.expr, "compute a part of it")


def _filter(element: FunctionFilter[Any], compiler: Any) -> None:
    _conditions([element.criterion])


def _over(element: Over[Any], compiler: Any) -> None:
    _order(element.order_by.clauses if element.order_by is not None else ())


def _order(clauses: Iterable[Any], named: Callable[[str], Any] = lambda name: None) -> None:
    """``named``: the column that a name in ORDER BY is."""
    for clause in clauses:
        while True:
            if isinstance(clause, _textual_label_reference):
                clause = named(clause.element)
            elif isinstance(clause, (_label_reference, Label, Grouping)) or (
                isinstance(clause, UnaryExpression) and clause.modifier is not None  # DESC and the like
            ):
                clause = clause.element
            else:
                break
        _not(clause, "order by it")


def _function(element: Function[Any], compiler: Any) -> None:
    name = element.name.lower()
    # COALESCE gives a token as it is: where the result is of the column's type, it is opened.
    if name == "coalesce" and isinstance(element.type, Encrypted):
        _tokens(element.type, element.clauses)
    elif name != "count":
        # A sequence's next value is a function that has none.
        for clause in getattr(element, "clauses", ()):
            _not_compared(clause, f"compute {element.name} of it")


def _case(element: Case[Any], compiler: Any) -> None:
    whens = [when for when, _ in element.whens]
    if element.value is None:
        _conditions(whens)
    else:
        for compared in (element.value, *whens):
            _not_compared(compared)
    values = [then for _, then in element.whens] + [element.else_]
    if isinstance(element.type, Encrypted):
        _tokens(element.type, values)
    else:
        for value in values:
            _not_as_value(value)


def _array(element: postgresql.array[Any], compiler: Any) -> None:
    type_: Any = element.type
    values = list(_elements(element))
    if isinstance(type_.item_type, Encrypted):
        _tokens(type_.item_type, values)
    else:
        for value in values:
            _not_as_value(value)


def _elements(of: postgresql.array[Any]) -> Iterator[Any]:
    for clause in of.clauses:
        if isinstance(clause, postgresql.array):
            yield from _elements(clause)
        else:
            yield clause


def _row(element: TableValuedColumn[Any], compiler: Any) -> None:
    for column in element.scalar_alias.c:
        if isinstance(column.type, Encrypted):
            raise EncryptedQueryError(
                f"{column.type.name or column} is encrypted, and {element.name} as one value would have its tokens in "
                "it, to be read as clear values: select the columns, or take table_valued() of a subquery without it"
            )


def _tokens(type_: Encrypted, values: Iterable[Any]) -> None:
    for value in values:
        if not (is_null(value) or isinstance(value.type, Encrypted)):
            raise EncryptedQueryError(
                f"{type_.name or type_} is encrypted, and here a clear value would be read as its token, which does not "
                "open: a CASE has the type of its last THEN, a UNION those of its first SELECT, an array that of its "
                "first value. Give NULL, and put the value in its place in Python; or encrypt it: "
                "literal(value, column.type)"
            )
        if not is_null(value) and not type_.opens(value.type):
            raise EncryptedQueryError(
                f"{value.type.name or value} is encrypted, and here its tokens would be read as those of "
                f"{type_.name or type_}, as which they do not open: a CASE has the type of its last THEN, a UNION those "
                "of its first SELECT, an array that of its first value. Select the columns apart, or give them one context "
                "before they hold values"
            )


def _compound(element: CompoundSelect[Any], compiler: Any) -> None:
    # The first SELECT says how all rows are read.
    first, *others = (select.selected_columns for select in element.selects)
    if element.keyword.value != "UNION ALL":
        for columns in (first, *others):
            _told_apart(list(columns), element.keyword.value)
    _order(element._order_by_clauses, lambda name: element.selected_columns.get(name))
    for columns in others:
        for of_first, column in zip(first, columns):
            if isinstance(of_first.type, Encrypted):
                _tokens(of_first.type, [column.element if isinstance(column, Label) else column])
            else:
                _not_as_value(column)


def _told_apart(columns: list[Any], what: str) -> None:
    """By their primary keys: one row's token is the same in each SELECT, two rows' never are."""
    columns = [column.element if isinstance(column, Label) else column for column in columns]

    def has(part: Any, of: Any) -> bool:
        return any(part in c.base_columns and getattr(c, "table", None) is getattr(of, "table", None) for c in columns)

    for column in columns:
        for base in column.base_columns if isinstance(column.type, Encrypted) else ():
            key = list(getattr(getattr(base, "table", None), "primary_key", ()))
            if not key or not all(has(part, column) for part in key):
                what = f"compare it in {what} without the row's primary key beside it"
                raise refused(column.type.name or str(column), what)


def _not_as_value(clause: Any) -> None:
    type_ = getattr(clause, "type", None)
    if isinstance(type_, Encrypted):
        raise EncryptedQueryError(
            f"{type_.name or clause} is encrypted, and here its tokens would be read as clear values: a CASE has the "
            "type of its last THEN, a UNION those of its first SELECT, an array that of its first value. Put the "
            "encrypted column there, or select it alone"
        )


def _select(element: Select[Any], compiler: Any) -> None:
    def named(name: str) -> Any:
        for columns in (element.selected_columns, *(from_.c for from_ in element.columns_clause_froms)):
            if name in columns:
                return columns[name]
        return None

    _order(element._order_by_clauses, named)
    _conditions(element._where_criteria + element._having_criteria)


def _update(element: Update, compiler: Any) -> None:
    _check(element, compiler)
    _conditions(element._where_criteria)


def _delete(element: Delete, compiler: Any) -> None:
    _conditions(element._where_criteria)


def _insert(element: Insert, compiler: Any) -> None:
    _check(element, compiler)


#: What was compiled with places for values to encrypt, while it lives.
_sealing: WeakValueDictionary[int, Any] = WeakValueDictionary()


def _bound(element: BindParameter[Any], compiler: Any) -> None:
    _note([element.type], compiler)


def _note(types: Iterable[Any], compiler: Any) -> None:
    if any(isinstance(part, Encrypted) for type_ in types for part in parts(type_)):
        _sealing[id(compiler)] = compiler


def _hide(context: ExceptionContext) -> None:
    """An error from before the types ran has the parameters as they came: in clear."""
    error = context.sqlalchemy_exception
    if isinstance(error, StatementError) and context.execution_context is None:
        compiled = (ref() for ref in _sealing.valuerefs())
        error.hide_parameters |= any(each.string == context.statement for each in compiled if each is not None)


def _check(statement: Any, compiler: Any) -> None:
    # Also without a place: only the first row's columns have one.
    _note((column.type for column in statement.table.c), compiler)
    for key, value in _assigned(statement):
        for column, itself in _written(statement, key):
            _assign(statement, compiler, key, column, itself, value)


def _written(statement: Any, key: Any) -> Iterator[tuple[Any, bool]]:
    """The columns that an assignment's key writes, each with whether the key is the column."""
    table = statement.table
    if isinstance(key, str):
        column = _named(table, key)
        yield column, column is not None and column.key == key
    elif isinstance(key, ColumnClause) and not key.is_literal and key.table is not None:
        yield key, True
        # SQLAlchemy goes by the key alone, unless the statement has both tables.
        others = (each for where in getattr(statement, "_where_criteria", ()) for each in where._from_objects)
        if key.table is not table and key.table not in others and (named := table.c.get(key.key)) is not None:
            yield named, True
    else:
        # A tuple, a part of an array, a label or column() that has a column's name.
        named = table.c.get(getattr(key, "key", None))
        for column in [*visitors.iterate(key), *([] if named is None else [named])]:
            if isinstance(column, ColumnElement):
                yield column, False


def _assign(statement: Any, compiler: Any, key: Any, column: Any, itself: bool, value: Any) -> None:
    type_ = getattr(column, "type", None)
    if not isinstance(type_, Encrypted):
        source = next(filter(None, map(_encrypted, _within(value))), None)
        if source is not None and not isinstance(value, BindParameter):
            raise EncryptedQueryError(
                f"{source.name or value} is encrypted, and the statement would put its tokens into {column}, which is "
                "not: they would be read as clear values. Read the rows, and write the values from Python"
            )
        return
    if not itself:
        how, instead = "by its name", f'"{column.key}", the key of the column'
        if not isinstance(key, str):
            how, instead = "as a part of something else", "the column itself, and a value for it alone"
        raise EncryptedQueryError(
            f"{type_.name or column} is encrypted, and the statement would write it {how}, past its type: write {instead}"
        )
    if not isinstance(value, ClauseElement):
        return
    if isinstance(value, Null):
        return
    other = getattr(value, "type", None)
    ours = isinstance(other, Encrypted) and other.name == type_.name
    if isinstance(value, BindParameter):
        # A value that was given another type would go in as that type writes it.
        if ours or other is None or other._isnull:
            return
    elif ours and getattr(value, "is_clause_element", False) and value.__visit_name__ == "column":
        return
    elif isinstance(statement, Insert) and _copied(column, value):
        if isinstance(value, Cast) and isinstance(value.clause.type, _CUT) and compiler.dialect.name == "sqlite":
            raise EncryptedQueryError(
                f"{type_.name or column} becomes encrypted, and SQLite's CAST, by which the migration copies its "
                f"values, does not keep every {value.clause.type!r}: take the column out of the migration, and "
                "leave it to atrest encrypt --apply-schema"
            )
        return
    raise EncryptedQueryError(
        f"{type_.name or column} is encrypted, and the statement would put SQL into it that is not one of its "
        "tokens: the database cannot encrypt. Read the rows, and write the values from Python"
    )


#: SQLite's cast of a number to text stops at 15 digits, and its cast of a date back leaves the year.
_CUT = (sa.Float, sa.Numeric, sa.Date, sa.DateTime, sa.Time, sa.Interval)


def _copied(column: Any, value: Any) -> bool:
    """In Alembic's batch mode: into the table that takes the other's name, from its column of
    this name, which is clear yet or has tokens of the same context."""
    if isinstance(value, Cast):
        value = value.clause
    old, new = getattr(value, "table", None), column.table
    if not isinstance(old, Table) or (old.schema, value.name) != (new.schema, column.name):
        return False
    if isinstance(value.type, Encrypted):
        place = value.type.column
        if (value.type.context or place) != (column.type.context or place):
            return False
    return bool(new.name == f"_alembic_tmp_{old.name}"[:50])


def _named(table: Any, key: str) -> Any:
    """A column by its key; else by its name, as an upsert takes it."""
    found = table.c.get(key)
    return found if found is not None else next((c for c in table.c if c.name == key), None)


def _assigned(statement: Any) -> Iterator[tuple[Any, Any]]:
    """Every column of an INSERT or UPDATE with what it gets, upserts included."""
    upsert = getattr(statement, "_post_values_clause", None)
    for set_ in ("update_values_to_set", "update"):  # SQLite and PostgreSQL, MySQL
        yield from dict(getattr(upsert, set_, None) or {}).items()
    yield from dict(getattr(statement, "_values", None) or {}).items()
    yield from getattr(statement, "_ordered_values", None) or ()
    for rows in getattr(statement, "_multi_values", None) or ():
        for row in rows:
            if isinstance(row, dict):
                yield from row.items()
            else:
                yield from zip(statement.table.c, row)
    selected = getattr(statement, "select", None)
    if isinstance(statement, Insert) and selected is not None:
        for each in _arms(selected):
            yield from zip(statement._select_names or (), each.selected_columns)


def _arms(select: Any) -> Iterator[Any]:
    """Of a UNION each SELECT."""
    selects = getattr(select, "selects", None)
    if selects is None:
        yield select
    for each in selects or ():
        yield from _arms(each)

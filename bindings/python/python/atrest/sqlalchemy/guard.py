"""What is refused when a statement is compiled, because no earlier moment shows it: an
encrypted column on the right of a comparison, in a function or in ORDER BY, and SQL that
would write something else than a token into one.

SQLAlchemy keeps compiled statements, so this costs once for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
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
    ExpressionClauseList,
    Extract,
    FunctionFilter,
    Grouping,
    Label,
    Null,
    Over,
    UnaryExpression,
    _label_reference,
    _textual_label_reference,
)
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import CompoundSelect, ScalarSelect, Select

from .encrypted import Encrypted
from .queries import EncryptedQueryError, is_null, refused


def install() -> None:
    """Once, at import."""
    compiles(BinaryExpression)(_binary)
    compiles(Function)(_function)
    compiles(Case)(_case)
    compiles(Select)(_select)
    compiles(CompoundSelect)(_compound)
    compiles(Update)(_update)
    compiles(Insert)(_insert)
    compiles(Delete)(_delete)
    compiles(BooleanClauseList)(_all_of)
    compiles(FunctionFilter)(_filter)
    compiles(Over)(_over)
    compiles(ExpressionClauseList)(_chain)
    compiles(Extract)(_extract)


def _binary(element: BinaryExpression[Any], compiler: Any, **kw: Any) -> str:
    about_null = element.operator in (operators.is_, operators.is_not) and is_null(element.right)
    if not about_null:
        for side in (element.left, element.right):
            _not_compared(side)
    return str(compiler.visit_binary(element, **kw))


def _not_compared(side: Any) -> None:
    """Of a column, or of what has one in it: a list, a tuple, the ends of a range, ANY, a SELECT."""
    _not(side, "compare it or compute with it")
    if isinstance(side, (Grouping, CollectionAggregate)):
        _not_compared(side.element)
    elif isinstance(side, (ClauseList, ExpressionClauseList)):
        for clause in side.clauses:
            _not_compared(clause)
    elif isinstance(side, ScalarSelect):
        for column in side.element.selected_columns:
            _not(column, "compare it or compute with it")


def _not(clause: Any, what: str) -> None:
    type_ = getattr(clause, "type", None)
    if isinstance(type_, Encrypted):
        raise refused(type_.name or str(clause), what)


def _conditions(clauses: Iterable[Any]) -> None:
    """A token is no condition: a database takes any text for false, or for true."""
    for clause in clauses:
        _not(clause, "take it as a condition")


def _all_of(element: BooleanClauseList, compiler: Any, **kw: Any) -> str:
    _conditions(element.clauses)
    return str(compiler.visit_expression_clauselist(element, **kw))


def _chain(element: ExpressionClauseList[Any], compiler: Any, **kw: Any) -> str:
    """One operator between more than two: ``a + b + c``."""
    _not_compared(element)
    return str(compiler.visit_expression_clauselist(element, **kw))


def _extract(element: Extract, compiler: Any, **kw: Any) -> str:
    _not(element.expr, "compute a part of it")
    return str(compiler.visit_extract(element, **kw))


def _filter(element: FunctionFilter[Any], compiler: Any, **kw: Any) -> str:
    _conditions([element.criterion])
    return str(compiler.visit_funcfilter(element, **kw))


def _over(element: Over[Any], compiler: Any, **kw: Any) -> str:
    _order(element.order_by.clauses if element.order_by is not None else ())
    return str(compiler.visit_over(element, **kw))


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


def _function(element: Function[Any], compiler: Any, **kw: Any) -> str:
    name = element.name.lower()
    # COALESCE gives a token as it is: where the result is of the column's type, it is opened.
    if name == "coalesce" and isinstance(element.type, Encrypted):
        _tokens(element.type, element.clauses)
    elif name != "count":
        # A sequence's next value is a function that has none.
        for clause in getattr(element, "clauses", ()):
            _not(clause, f"compute {element.name} of it")
    return str(compiler.visit_function(element, **kw))


def _case(element: Case[Any], compiler: Any, **kw: Any) -> str:
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
    return str(compiler.visit_case(element, **kw))


def _tokens(type_: Encrypted, values: Iterable[Any]) -> None:
    for value in values:
        if not (is_null(value) or isinstance(value.type, Encrypted)):
            raise EncryptedQueryError(
                f"{type_.name or type_} is encrypted, and here a clear value would be read as its token, which does not "
                "open: a CASE has the type of its last THEN, a UNION those of its first SELECT. Give NULL, and put the "
                "value in its place in Python; or encrypt it: literal(value, column.type)"
            )


def _compound(element: CompoundSelect[Any], compiler: Any, **kw: Any) -> str:
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
    return str(compiler.visit_compound_select(element, **kw))


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
            "type of its last THEN, a UNION those of its first SELECT. Put the encrypted column there, or select it alone"
        )


def _select(element: Select[Any], compiler: Any, **kw: Any) -> str:
    def named(name: str) -> Any:
        for columns in (element.selected_columns, *(from_.c for from_ in element.columns_clause_froms)):
            if name in columns:
                return columns[name]
        return None

    _order(element._order_by_clauses, named)
    _conditions(element._where_criteria + element._having_criteria)
    return str(compiler.visit_select(element, **kw))


def _update(element: Update, compiler: Any, **kw: Any) -> str:
    _check(element)
    _conditions(element._where_criteria)
    return str(compiler.visit_update(element, **kw))


def _delete(element: Delete, compiler: Any, **kw: Any) -> str:
    _conditions(element._where_criteria)
    return str(compiler.visit_delete(element, **kw))


def _insert(element: Insert, compiler: Any, **kw: Any) -> str:
    _check(element)
    return str(compiler.visit_insert(element, **kw))


def _check(statement: Any) -> None:
    for column, value in _assigned(statement):
        if isinstance(column, str):
            column, key = _named(statement.table, column), column
            past_type = column is not None and column.key != key
        else:
            past_type = False
        type_ = getattr(column, "type", None)
        if not isinstance(type_, Encrypted):
            source = getattr(value, "type", None)
            if isinstance(source, Encrypted) and not isinstance(value, BindParameter):
                raise EncryptedQueryError(
                    f"{source.name or value} is encrypted, and the statement would put its tokens into {column}, which is "
                    "not: they would be read as clear values. Read the rows, and write the values from Python"
                )
            continue
        if past_type:
            raise EncryptedQueryError(
                f"{type_.name or column} is encrypted, and the statement would write it by its name, past its type: "
                f'write "{column.key}", the key of the column'
            )
        if not isinstance(value, ClauseElement):
            continue
        if isinstance(value, Null):
            continue
        other = getattr(value, "type", None)
        ours = isinstance(other, Encrypted) and other.name == type_.name
        if isinstance(value, BindParameter):
            # A value that was given another type would go in as that type writes it.
            if ours or other is None or other._isnull:
                continue
        elif ours and getattr(value, "is_clause_element", False) and value.__visit_name__ == "column":
            continue
        elif isinstance(statement, Insert) and _copied(column, value):
            continue
        raise EncryptedQueryError(
            f"{type_.name or column} is encrypted, and the statement would put SQL into it that is not one of its "
            "tokens: the database cannot encrypt. Read the rows, and write the values from Python"
        )


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
        yield from zip(statement._select_names or (), selected.selected_columns)

"""What is refused when a statement is compiled, because no earlier moment shows it: an
encrypted column on the right of a comparison, in a function or in ORDER BY, and SQL that
would write something else than a token into one.

SQLAlchemy keeps compiled statements, so this costs once for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, Case, ClauseElement, Null
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import CompoundSelect, Select

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


def _binary(element: BinaryExpression[Any], compiler: Any, **kw: Any) -> str:
    about_null = element.operator in (operators.is_, operators.is_not) and is_null(element.right)
    if not about_null:
        for side in (element.left, element.right):
            type_ = getattr(side, "type", None)
            if isinstance(type_, Encrypted):
                raise refused(type_.name or str(side), "compare it or compute with it")
    return str(compiler.visit_binary(element, **kw))


def _function(element: Function[Any], compiler: Any, **kw: Any) -> str:
    name = element.name.lower()
    # COALESCE gives a token as it is: where the result is of the column's type, it is opened.
    if name != "count" and not (name == "coalesce" and isinstance(element.type, Encrypted)):
        for clause in element.clauses:
            if isinstance(clause.type, Encrypted):
                raise refused(clause.type.name or str(clause), f"compute {element.name} of it")
    return str(compiler.visit_function(element, **kw))


def _case(element: Case[Any], compiler: Any, **kw: Any) -> str:
    if not isinstance(element.type, Encrypted):
        for value in [then for _, then in element.whens] + [element.else_]:
            _not_as_value(value)
    return str(compiler.visit_case(element, **kw))


def _compound(element: CompoundSelect[Any], compiler: Any, **kw: Any) -> str:
    # The first SELECT says how all rows are read.
    first, *others = (select.selected_columns for select in element.selects)
    for columns in others:
        for of_first, column in zip(first, columns):
            if not isinstance(of_first.type, Encrypted):
                _not_as_value(column)
    return str(compiler.visit_compound_select(element, **kw))


def _not_as_value(clause: Any) -> None:
    type_ = getattr(clause, "type", None)
    if isinstance(type_, Encrypted):
        raise EncryptedQueryError(
            f"{type_.name or clause} is encrypted, and here its tokens would be read as clear values: a CASE has the "
            "type of its last THEN, a UNION those of its first SELECT. Put the encrypted column there, or select it alone"
        )


def _select(element: Select[Any], compiler: Any, **kw: Any) -> str:
    for clause in element._order_by_clauses:
        inside = getattr(clause, "element", clause)  # of DESC and the like
        type_ = getattr(inside, "type", None)
        if isinstance(type_, Encrypted):
            raise refused(type_.name or str(inside), "order by it")
    return str(compiler.visit_select(element, **kw))


def _update(element: Update, compiler: Any, **kw: Any) -> str:
    _check(element)
    return str(compiler.visit_update(element, **kw))


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
        raise EncryptedQueryError(
            f"{type_.name or column} is encrypted, and the statement would put SQL into it that is not one of its "
            "tokens: the database cannot encrypt. Read the rows, and write the values from Python"
        )


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

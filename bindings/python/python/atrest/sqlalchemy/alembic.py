"""The type in Alembic's migrations: two lines in ``env.py``.

    from atrest.sqlalchemy.alembic import compare_type, include_name, render_item
    context.configure(..., render_item=render_item, compare_type=compare_type, include_name=include_name)
"""

from __future__ import annotations

import copy
import math
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import HSTORE

from atrest import PolicyError

#: Tables of the engine's, which no model has.
_OURS = frozenset({"atrest_journal", "atrest_keys"})


def code(type_: Any, inner: str) -> str:
    """An ``Encrypted`` as Python, round the Python of its inner type. ``allow_plaintext``
    is about reading, and no migration reads."""
    parts = [inner]
    parts += [f"{name}={value!r}" for name in ("context", "suite") if (value := getattr(type_, name))]
    if type_.binary and not type_._codec.binary:
        parts.append("binary=True")
    if type_.keys is not None:
        parts.append("keys=atrest.sqlalchemy.alembic.own_keys")
    return f"atrest.sqlalchemy.Encrypted({', '.join(parts)})"


def own_keys() -> NoReturn:
    """In a migration, for the keys that the model gives to a column alone: keys have no
    Python that could stand there. Tables are made with it, and no value is written."""
    raise PolicyError(
        "the model gives this column keys of its own, and no migration can have them in its text; import them there "
        "from where the model has them, and put them in place of atrest.sqlalchemy.alembic.own_keys"
    )


def render_item(kind: str, item: Any, autogen_context: Any) -> Any:
    """For ``context.configure(render_item=...)``: an ``Encrypted`` with its import;
    ``False``, which leaves it to Alembic, for everything else."""
    from .encrypted import Encrypted

    if kind != "type" or not isinstance(item, Encrypted):
        return False
    # What Alembic writes for the inner type alone, with the imports that this takes.
    from alembic.autogenerate.render import _repr_type

    autogen_context.imports.add("import atrest.sqlalchemy")
    if item.keys is not None:
        autogen_context.imports.add("import atrest.sqlalchemy.alembic")
    return code(item, _repr_type(item.type_, _as_postgresql(autogen_context)))


def _as_postgresql(autogen_context: Any) -> Any:
    """By the one dialect that Alembic knows types of its own of: another leaves what is within
    PostgreSQL's types without the module that it is from."""
    from alembic.runtime.migration import MigrationContext

    context = copy.copy(autogen_context)
    context.migration_context = MigrationContext.configure(dialect_name="postgresql")
    return context


def compare_type(
    context: Any, inspected_column: Any, metadata_column: Any, inspected_type: Any, metadata_type: Any
) -> bool | None:
    """For ``context.configure(compare_type=...)``: any text or binary type without a length
    holds tokens, whichever of them ``atrest encrypt --apply-schema`` made, but for MySQL's and
    MariaDB's that end too soon; ``None``, which leaves it to Alembic, for columns that are not
    encrypted."""
    from .encrypted import Encrypted

    if not isinstance(metadata_type, Encrypted):
        return None
    if isinstance(inspected_type, sa.Enum):
        return True
    if not isinstance(inspected_type, sa.types._Binary if metadata_type.binary else sa.String):
        return True
    if not isinstance(inspected_type, sa.Text) and getattr(inspected_type, "length", None) is not None:
        return True
    if context.dialect.name not in ("mysql", "mariadb"):
        return False
    return _ends_too_soon(inspected_type, metadata_type.type_) or _is_json(context, inspected_column)


#: Characters whose token is within the 64 KiB of a TEXT: four bytes each, and a third more.
_FIT_TEXT = 12_000


def _ends_too_soon(inspected_type: Any, inner: Any) -> bool:
    if isinstance(inspected_type, (mysql.TINYTEXT, mysql.TINYBLOB)):
        return True
    return isinstance(inspected_type, (sa.TEXT, sa.BLOB)) and _longest(inner) > _FIT_TEXT


def _longest(inner: Any) -> float:
    """How long a value may be; 0 for what is short: a number, a date."""
    while isinstance(inner, sa.types.TypeDecorator):
        inner = inner.impl_instance
    if isinstance(inner, (sa.String, sa.types._Binary)):
        length = getattr(inner, "length", None)
        return math.inf if length is None else length
    return math.inf if isinstance(inner, (sa.JSON, sa.ARRAY, HSTORE)) else 0


def _is_json(context: Any, column: Any) -> bool:
    """MariaDB's JSON: a LONGTEXT with a CHECK, which takes no token."""
    quote = context.dialect.identifier_preparer
    shown = context.connection.exec_driver_sql(f"SHOW CREATE TABLE {quote.format_table(column.table)}")
    # Names in a statement have their % twice.
    return f"json_valid({quote.quote_identifier(column.name).replace('%%', '%')})" in shown.one()[1]


def include_name(name: str | None, kind: str, parent_names: Any) -> bool:
    """For ``context.configure(include_name=...)``: leaves the engine's own tables alone,
    which autogenerate would drop, and subjects' keys with them."""
    return not (kind == "table" and name in _OURS)

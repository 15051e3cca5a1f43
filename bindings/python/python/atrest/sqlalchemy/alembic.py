"""The type in Alembic's migrations: two lines in ``env.py``.

    from atrest.sqlalchemy.alembic import compare_type, include_name, render_item
    context.configure(..., render_item=render_item, compare_type=compare_type, include_name=include_name)
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

#: Tables of the engine's, which no model has.
_OURS = frozenset({"atrest_journal", "atrest_keys"})


def code(type_: Any, inner: str) -> str:
    """An ``Encrypted`` as Python, round the Python of its inner type. ``allow_plaintext``
    is about reading, and no migration reads."""
    parts = [inner]
    parts += [f"{name}={value!r}" for name in ("context", "suite") if (value := getattr(type_, name))]
    if type_.binary and not type_._codec.binary:
        parts.append("binary=True")
    return f"atrest.sqlalchemy.Encrypted({', '.join(parts)})"


def render_item(kind: str, item: Any, autogen_context: Any) -> Any:
    """For ``context.configure(render_item=...)``: an ``Encrypted`` with its import;
    ``False``, which leaves it to Alembic, for everything else."""
    from .encrypted import Encrypted

    if kind != "type" or not isinstance(item, Encrypted):
        return False
    # What Alembic writes for the inner type alone, with the imports that this takes.
    from alembic.autogenerate.render import _repr_type

    autogen_context.imports.add("import atrest.sqlalchemy")
    return code(item, _repr_type(item.type_, autogen_context))


def compare_type(
    context: Any, inspected_column: Any, metadata_column: Any, inspected_type: Any, metadata_type: Any
) -> bool | None:
    """For ``context.configure(compare_type=...)``: any text or binary type without a length
    holds tokens, whichever of them ``atrest encrypt --apply-schema`` made; ``None``, which
    leaves it to Alembic, for columns that are not encrypted."""
    from .encrypted import Encrypted

    if not isinstance(metadata_type, Encrypted):
        return None
    if metadata_type.binary:
        return not isinstance(inspected_type, sa.types._Binary)
    if isinstance(inspected_type, sa.Enum) or not isinstance(inspected_type, sa.String):
        return True
    return not isinstance(inspected_type, sa.Text) and inspected_type.length is not None


def include_name(name: str | None, kind: str, parent_names: Any) -> bool:
    """For ``context.configure(include_name=...)``: leaves the engine's own tables alone,
    which autogenerate would drop, and subjects' keys with them."""
    return not (kind == "table" and name in _OURS)

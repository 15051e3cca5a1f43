"""The type in Alembic's migrations: one line in ``env.py``.

    from atrest.sqlalchemy.alembic import render_item
    context.configure(..., render_item=render_item)
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import TypeEngine


def code(type_: Any) -> tuple[str, set[str]]:
    """An ``Encrypted`` as Python, and the imports that takes."""
    inner, imports = _inner(type_.type_)
    parts = [inner]
    for name, default in (("context", None), ("suite", None), ("allow_plaintext", False)):
        value = getattr(type_, name)
        if value != default:
            parts.append(f"{name}={value!r}")
    if type_.binary and not type_._codec.binary:
        parts.append("binary=True")
    return f"atrest.sqlalchemy.Encrypted({', '.join(parts)})", imports | {"import atrest.sqlalchemy"}


def _inner(type_: TypeEngine[Any]) -> tuple[str, set[str]]:
    module = type(type_).__module__
    if module.startswith("sqlalchemy.dialects."):
        dialect = module.split(".")[2]
        return f"{dialect}.{type_!r}", {f"from sqlalchemy.dialects import {dialect}"}
    if module.startswith("sqlalchemy."):
        return f"sa.{type_!r}", {"import sqlalchemy as sa"}
    return f"{module}.{type_!r}", {f"import {module}"}


def render_item(kind: str, item: Any, autogen_context: Any) -> Any:
    """For ``context.configure(render_item=...)``: an ``Encrypted`` with its import;
    ``False``, which leaves it to Alembic, for everything else."""
    from .encrypted import Encrypted

    if kind != "type" or not isinstance(item, Encrypted):
        return False
    text, imports = code(item)
    autogen_context.imports.update(imports - {"import sqlalchemy as sa"})
    return text

"""Encrypted columns for SQLAlchemy (2.0 and later).

>>> from sqlalchemy import JSON, Column, MetaData, String, Table, create_engine, insert, select
>>> from atrest import Keyring, generate_key
>>> from atrest.sqlalchemy import Encrypted, configure
>>> configure(Keyring(generate_key()))
>>> labels = Table("labels", MetaData(), Column("text", Encrypted(String)), Column("box", Encrypted(JSON)))
>>> engine = create_engine("sqlite://")
>>> with engine.begin() as connection:
...     labels.create(connection)
...     _ = connection.execute(insert(labels), {"text": "person", "box": [1, 2, 30, 40]})
...     row = connection.execute(select(labels)).one()
...     stored = connection.exec_driver_sql("SELECT text FROM labels").scalar()
>>> row.text, row.box, stored.startswith("ar1.")
('person', [1, 2, 30, 40], True)

| module | what it holds |
|---|---|
| ``encrypted`` | the type |
| ``codec`` | values as canonical text, and back |
| ``keys`` | where columns find their keys |
| ``queries`` | what is refused in a query, and why |
| ``guard`` | the same for what only shows when a statement is compiled |
| ``alembic`` | the type in Alembic's migrations |

``old_key`` is ``atrest.takeover``'s. The documentation is docs/sqlalchemy.md.
"""

from atrest.takeover import old_key

from .encrypted import Encrypted
from .encrypted import watch_constraints as _watch_constraints
from .guard import install as _install
from .keys import configure
from .queries import EncryptedQueryError, EncryptedValueError

__all__ = ["Encrypted", "EncryptedQueryError", "EncryptedValueError", "configure", "old_key"]

_install()
_watch_constraints()

"""A look at the columns as they are in a database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, Error, connections, models
from django.db.models.functions import Cast
from django.db.transaction import atomic

from atrest.django.codecs import BYTES
from atrest.django.columns import all_fields
from atrest.django.expressions import Stored
from atrest.django.keys import in_force
from atrest.django.unreadable import Unreadable

logger = logging.getLogger("atrest.django")

#: Values that are looked at from each end of the primary key.
SAMPLES = 20
#: Rows that are read at once where all are looked at.
PAGE = 1000
#: A token of an empty value has 60 characters; of a short one some more.
SHORT = 128


def narrow(connection: Any, field: Any) -> str | None:
    """Why the column cannot hold tokens; None if it can. Raises DatabaseError without the table."""
    if connection.vendor == "sqlite":
        return None  # its columns hold anything, of any length
    with connection.cursor() as cursor:
        if field.model._meta.db_table not in connection.introspection.table_names(cursor):
            return None
        described = connection.introspection.get_table_description(cursor, field.model._meta.db_table)
    column = next((c for c in described if c.name == field.column), None)
    if column is None:
        return "is not there yet"
    try:
        kind = connection.introspection.get_field_type(column.type_code, column)
    except KeyError:  # an array, or what an extension brought
        return "has a type that no field of Django has, which holds no tokens"
    if kind in ("TextField", "BinaryField"):
        return None
    if kind != "CharField":
        return f"has the type of a {kind}, which holds no tokens"
    # A varchar: its clear values may be as long as the field says.
    width = column.display_size or column.internal_size
    need = SHORT if field.max_length is None else 60 + -(-field.max_length * 4 // 3)
    if isinstance(width, int) and 0 < width < need:
        return f"has {width} characters, and tokens of this field up to {need}"
    return None


class Doubt(Enum):
    """What tokens say of the keys, of which none opens."""

    WRONG_KEYS = 1
    #: A few among clear values, where those are read: perhaps text of the application's own.
    LOOKALIKES = 2


def doubt(connection: Any, field: Any) -> Doubt | None:
    """What there is to say where the column holds tokens, and of those looked at none opens.

    Raises the database's error where it cannot be asked.
    """
    native = field.column_values.native()
    objects = field.model._base_manager.using(connection.alias).order_by()
    ends: list[list[str]] = []
    with _what_is_there(connection):
        for order in ("pk", "-pk"):
            ends.append([native.inspect(stored).kind for stored in _raw(objects.order_by(order), field)])
    kinds = {kind for end in ends for kind in end}
    if "sealed" in kinds or "undecryptable" not in kinds:
        return None
    # A run encrypts from one end on, and new rows come at the other: an end that is half tokens is no chance.
    among_clear = all(end.count("plaintext") > end.count("undecryptable") for end in ends)
    return Doubt.LOOKALIKES if field.reads_plaintext and among_clear else Doubt.WRONG_KEYS


def lookalikes(alias: str) -> tuple[str, str]:
    """What `Doubt.LOOKALIKES` says, and what to do."""
    text = (
        f"Some values in database {alias!r} look encrypted, and none of them opens with the keys in force "
        f"({', '.join(in_force.keyring().ids)}); those beside them are clear."
    )
    advice = (
        "If a key is missing, give it before anything is served. If they are the application's own text, `manage.py "
        "encrypt_fields --accept-lookalikes` encrypts them; what looks like a Fernet token (gAAAAA...) is to be "
        "emptied, written anew or taken over, see docs/django.md."
    )
    return text, advice


def cannot_be_asked(alias: str, error: Exception) -> str:
    """What a look that failed says."""
    return f"database {alias!r} cannot be asked whether the keys open what is stored: {' '.join(str(error).split())}"


@contextmanager
def _what_is_there(connection: Any) -> Iterator[None]:
    """Passes over a table or column that is not there yet. Nothing else that fails is taken for that."""
    try:
        yield
    except DatabaseError as error:
        if not _is_not_there(connection.vendor, error.__cause__):
            raise


def _is_not_there(vendor: str, error: Any) -> bool:
    """Whether that is a driver's error for a table or column that is not there."""
    if vendor == "postgresql":
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        return state in ("42P01", "42703", "3F000")  # a table, a column, a schema
    if vendor == "mysql":
        return error.args[:1] in ((1146,), (1054,))  # a table, a column
    return vendor == "sqlite" and str(error).startswith(("no such table", "no such column"))


def _raw(queryset: Any, field: Any) -> list[Any]:
    return [_bytes(value) for value in _raw_query(queryset, field)[:SAMPLES]]


def _raw_query(queryset: Any, field: Any) -> Any:
    """The stored values, not opened: a cast to the column's own type has no converter of ours."""
    clear = _Bytes() if field.codec is BYTES else models.TextField()
    chosen = queryset.filter(**{f"{field.name}__isnull": False}).annotate(atrest_raw=Cast(Stored(field.name), clear))
    return chosen.values_list("atrest_raw", flat=True)


class _Bytes(models.BinaryField):
    """What bytes are cast to: MySQL has a word of its own for that, which Django does not know."""

    def cast_db_type(self, connection: Any) -> str | None:
        return "binary" if connection.vendor == "mysql" else super().cast_db_type(connection)


def _bytes(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def prove_keys(*aliases: str) -> None:
    """Raises ImproperlyConfigured unless the keys can be read and open what is stored.

    For wsgi.py and asgi.py, behind get_wsgi_application(): a server with the wrong keys
    then does not start. Without aliases, all databases are looked at. Raises
    KeySourceError when there are no keys, and the database's error when it cannot be
    asked. A table or column that is not there yet is passed over. What may be lookalikes
    among clear values is logged.
    """
    in_force.keyring()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _prove(aliases)
    else:
        # Django asks no database where an event loop runs: an asgi.py may be imported in one.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_prove_and_close, aliases).result()


def _prove_and_close(aliases: tuple[str, ...]) -> None:
    try:
        _prove(aliases)
    finally:
        connections.close_all()  # those of this thread


def _prove(aliases: tuple[str, ...]) -> None:
    for alias in aliases or connections:
        for field in all_fields(alias):
            try:
                doubted = doubt(connections[alias], field)
            except Error as error:
                raise type(error)(f"{field}: {cannot_be_asked(alias, error)}") from error
            if doubted is Doubt.LOOKALIKES:
                logger.warning("%s: %s", field, " ".join(lookalikes(alias)))
            elif doubted:
                raise ImproperlyConfigured(
                    f"{field}: none of the values in database {alias!r} opens with the keys in force "
                    f"({', '.join(in_force.keyring().ids)}). Give the keys that the data was encrypted with."
                )


def holds_tokens(connection: Any, field: Any, *, but_for: Any = None) -> bool:
    """Whether any value of the column is a token, or looks like one. Reads until the first.

    Not counted are those that the field `but_for` opens and reads, if one is given.
    """
    typed = but_for is not None and reads_otherwise(field, but_for)
    tokens = ("undecryptable",) if but_for else ("sealed", "undecryptable")
    objects = field.model._base_manager.using(connection.alias).order_by()
    # In a transaction of its own: without the table, that of a migration that runs would be lost on PostgreSQL.
    with _what_is_there(connection), atomic(using=connection.alias):
        native = reads = None  # which ask for the keys: where there are no values, it goes without
        for value in _raw_query(objects, field).iterator(chunk_size=1000):
            if native is None:
                native = (but_for or field).column_values.native()
                reads = _reader(but_for, connection) if typed else None
            kind = native.inspect(_bytes(value)).kind
            if kind in tokens or reads and kind == "sealed" and not reads(value):
                return True
    return False  # no such table, too: a database that is made anew


def reads_otherwise(before: Any, after: Any) -> bool:
    """Whether one encrypted field may open values of the other that it cannot read, being of another type."""
    return before.column_class is not after.column_class and (after.codec.read is not None or after.converts_itself)


def _reader(field: Any, connection: Any) -> Callable[[Any], bool]:
    """Whether the field reads a stored value."""
    (convert,) = field.get_db_converters(connection)

    def reads(stored: Any) -> bool:
        try:
            return type(convert(stored, None, connection)) is not Unreadable
        except Exception:  # of the application's own from_db_value()
            return False

    return reads


def misread(connection: Any, field: Any) -> Iterator[Any]:
    """The primary keys of rows whose value opens, or is clear where that is read, and is none of the field's type."""
    if field.codec.read is None and not field.converts_itself:
        return  # any text is a value
    native, reads, last = field.column_values.native(), _reader(field, connection), None
    objects = field.model._base_manager.using(connection.alias).order_by("pk")
    known = ("sealed", "plaintext") if field.reads_plaintext else ("sealed",)
    # In pages, for MariaDB's drivers read a whole result into memory.
    while rows := list(_keyed(objects if last is None else objects.filter(pk__gt=last), field)[:PAGE]):
        for last, stored in rows:
            if native.inspect(_bytes(stored)).kind in known and not reads(stored):
                yield last


def _keyed(queryset: Any, field: Any) -> Any:
    return _raw_query(queryset, field).values_list("pk", "atrest_raw")


def holds_values(connection: Any, field: Any) -> bool:
    """Whether the column holds anything but NULL."""
    objects = field.model._base_manager.using(connection.alias)
    with _what_is_there(connection):
        return bool(objects.filter(**{f"{field.name}__isnull": False}).exists())
    return False  # no such table: a database that is made anew

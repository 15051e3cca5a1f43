"""``Encrypted``: a column type whose values the database never sees."""

from __future__ import annotations

import contextlib
import functools
import traceback
import weakref
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine, to_instance

from atrest import AtrestError, DecryptionError, Field, Fields, KeyNotFound, Keyring

from . import keys as _keys
from .base import WrongType, parts
from .codec import codec
from .keys import Keys
from .queries import Comparator, EncryptedQueryError, EncryptedValueError


class Encrypted(TypeDecorator[Any]):
    """Values of another type, encrypted: ``Column("email", Encrypted(String))``.

    ``type_``: what the application sees: ``String``, ``JSON``, ``Integer``, ``Numeric``,
    ``DateTime``, ``Enum``, ``Uuid``, ``LargeBinary``, a ``TypeDecorator`` over one...
    ``context``: what tokens are bound to, where that is not "table.column". It is for ever:
    write it down before a table or column is renamed.
    ``suite``: where no policy says it; ``xaes-256-gcm`` by default.
    ``allow_plaintext``: reads clear values too. For the migration only: turn it off when
    ``atrest verify`` is clean. What looks encrypted and does not open raises all the same.
    ``binary``: tokens are stored in a binary column, as a ``LargeBinary``'s are.
    ``keys``: of this column alone; by default those of :func:`~atrest.sqlalchemy.configure`.
    ``column``: "table.column", for a type that stands in no table (``type_coerce``).

    Stored: a token in a text column (``LONGTEXT`` in MySQL), or a binary one. ``None`` is
    NULL. Reading raises ``DecryptionError`` with the column's name for a value that does not
    open, and never gives the token itself.
    """

    impl = sa.Text
    cache_ok = True
    comparator_factory = Comparator  # type: ignore[assignment]

    def __init__(
        self,
        # All by name or place: SQLAlchemy's cache key has none that is by name only.
        type_: TypeEngine[Any] | type[TypeEngine[Any]] = sa.String,
        context: str | None = None,
        suite: str | None = None,
        allow_plaintext: bool = False,
        binary: bool | None = None,
        keys: Keyring | Fields | Keys | None = None,
        column: str | None = None,
    ) -> None:
        if isinstance(type_, type) and not issubclass(type_, TypeEngine):
            raise TypeError(
                f"Encrypted({type_.__name__}): {type_.__name__} is a type of Python, and a type of SQLAlchemy says what "
                "is stored; write it, such as Encrypted(String) for str, Encrypted(Integer) for int, Encrypted(JSON) "
                "for dict and list"
            )
        self.type_ = to_instance(type_)
        if any(isinstance(part, Encrypted) for part in parts(self.type_)):
            raise TypeError("Encrypted(Encrypted(...)) would encrypt twice; write it once")
        self._codec = codec(self.type_)
        if self._codec.binary and binary is False:
            raise TypeError("bytes are stored in a binary column; leave binary out")
        if suite is not None and suite not in _keys.SUITES:
            raise ValueError(f"{suite!r} is not a suite; write one of {', '.join(_keys.SUITES)}")
        self.context = context
        self.suite = suite
        self.allow_plaintext = allow_plaintext
        self.binary = bool(binary or self._codec.binary)
        self.keys = keys if keys is None or isinstance(keys, Keys) else Keys(keys)
        self.column = column
        self._owner: weakref.ref[Any] | None = None
        super().__init__()

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            # TEXT and BLOB end at 64 KiB there.
            return dialect.type_descriptor(mysql.LONGBLOB() if self.binary else mysql.LONGTEXT())
        return dialect.type_descriptor(sa.LargeBinary() if self.binary else sa.Text())

    @property
    def python_type(self) -> type[Any]:
        return self.type_.python_type

    @property
    def hashable(self) -> bool:  # type: ignore[override]
        return self.type_.hashable

    def with_variant(self, type_: Any, *dialect_names: str) -> Any:
        """Refused: SQLAlchemy would put the variant in the place of the whole type, and write
        clear text there."""
        raise TypeError(
            f"{self!r}.with_variant(...) would take the encryption away on {', '.join(dialect_names)}: write the "
            "variant inside, Encrypted(String().with_variant(...)), or leave it out, for what is stored is text"
        )

    @property
    def name(self) -> str | None:
        """ "table.column", or the context of a type that stands in no table."""
        return self.column or self.context

    @property
    def _called(self) -> str:
        return self.name or "an Encrypted type outside of a table"

    # --- where it stands

    def _set_parent(self, parent: Any, outer: bool = False, **kw: Any) -> None:
        super()._set_parent(parent, outer=outer, **kw)
        if not isinstance(parent, sa.Column):
            return
        named = f"{parent.name}: " if parent.name else ""
        if any(variant is self for variant in parent.type._variant_mapping.values()):
            raise TypeError(
                f"{named}a variant cannot be Encrypted, for the column would be in clear on other databases, "
                "and nothing would refuse to compare it here; make the column itself Encrypted"
            )
        if parent.type is not self:
            over = type(parent.type).__name__
            raise TypeError(
                f"{named}{over} over Encrypted cannot be, for nothing would keep clear text out of the column, nor "
                f"refuse to compare it; put it inside, Encrypted({over}(...)), over the clear type"
            )
        owner = self._owner and self._owner()
        if owner is not None and owner is not parent:
            # One instance for two columns: each has a place of its own.
            parent.type = self.copy()
            parent.type._owner = None
            parent.type._set_parent_with_dispatch(parent)
            return
        self._owner = weakref.ref(parent)
        if isinstance(parent.table, sa.Table):
            self._place(parent, parent.table)
        else:
            event.listen(parent, "after_parent_attach", self._place)

    def _place(self, column: Any, table: Any) -> None:
        if not isinstance(table, sa.Table) or column.type is not self:
            return
        self.column = ".".join(
            _quoted(part) for part in (table.schema, table.name, column.name) if part
        )
        for problem, wrong in (
            ("a primary key", column.primary_key),
            ("unique", column.unique),
            ("indexed", column.index),
            ("a foreign key", bool(column.foreign_keys)),
        ):
            if wrong:
                raise self._cannot_be(problem)
        for name in ("default", "onupdate", "server_default", "server_onupdate", "computed", "identity"):
            if _made_by_database(getattr(column, name)):
                raise EncryptedQueryError(
                    f"{self.column} is encrypted, and its {name} is a value that the database would make, in clear: "
                    "the database cannot encrypt. Give default or onupdate a Python value or function"
                )

    def _cannot_be(self, problem: str) -> EncryptedQueryError:
        return EncryptedQueryError(
            f"{self.column} is encrypted and {problem}: two tokens of one value differ, so the "
            "database could neither find nor compare them. Take that off the column, or keep a keyed "
            "hash of the value in a column of its own beside it"
        )

    def copy(self, **kw: Any) -> Encrypted:
        copy = super().copy(**kw)
        # A copied column is another one; while this one lives, so is its type.
        copy._owner = None
        return copy

    # --- pickled: with what names its keys, never with keys

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_codec", "_owner")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _codec=codec(state["type_"]), _owner=None)

    # --- values

    def opens(self, other: Encrypted) -> bool:
        """Whether the other's tokens are bound to the same."""
        if None in (self.name, other.name) or (self.context or self.column) == (other.context or other.column):
            # Without a name nothing is sealed: such a type stands for NULL.
            return True
        # A policy may say so, too.
        return self._field().context == other._field().context

    def _field(self) -> Field:
        return self._source().field(self.column, self.context, self.suite)

    def _source(self) -> Keys:
        return self.keys or _keys.default()

    def _open(self, stored: str | bytes) -> tuple[str | bytes, bool]:
        """The clear value, and whether it was sealed."""
        field = self._field()
        try:
            return self._opened(field, stored)
        except DecryptionError as error:
            # The keys may have been rotated since they were read.
            self._source().look_for(error.key_id if isinstance(error, KeyNotFound) else hash(stored))
            newer = self._field()
            if newer is field:
                raise
        return self._opened(newer, stored)

    def _opened(self, field: Field, stored: str | bytes) -> tuple[str | bytes, bool]:
        return field.read(stored) if self.allow_plaintext else (field.open(stored), True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None and not self._codec.null:
            return None
        # Whatever is raised here and is not ours, SQLAlchemy shows with the row's values in clear.
        try:
            clear = self._codec.encode(value, dialect)
            if self.binary and isinstance(clear, str):
                clear = clear.encode()
        except Exception as error:
            raise EncryptedValueError(
                f"a value for {self._called} is not {self._codec.what}, and was not written ({_said(error)})"
            ) from None
        if clear is None:
            return None
        try:
            field = self._field()
        except Exception as error:
            # Keys know of no value, so what is wrong with them may be said.
            said = str(error) if isinstance(error, AtrestError) else f"{type(error).__name__}: {error}"
            raise self._not_encrypted(said) from error
        try:
            return field.seal(clear)
        except Exception as error:
            raise self._not_encrypted(_said(error)) from None

    process_literal_param = process_bind_param

    def literal_processor(self, dialect: Dialect) -> Any:
        """In a statement's text, as Alembic's ``--sql`` writes it."""
        if not self.binary:
            return super().literal_processor(dialect)

        def process(value: Any) -> str:
            token = self.process_bind_param(value, dialect)
            if token is None:
                return "NULL"
            # PostgreSQL's '\\x...' has a backslash, which may be doubled.
            return f"decode('{token.hex()}', 'hex')" if dialect.name == "postgresql" else f"x'{token.hex()}'"

        return process

    def _not_encrypted(self, said: str) -> EncryptedValueError:
        return EncryptedValueError(f"a value for {self._called} could not be encrypted, and was not written: {said}")

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return self._codec.decode(None, dialect) if self._codec.null else None
        clear, sealed = self._open(self._as_stored(value))
        try:
            if isinstance(clear, bytes) and not self._codec.binary:
                clear = clear.decode()
            elif isinstance(clear, str) and self._codec.binary:
                clear = clear.encode()
            return self._codec.decode(clear, dialect)
        except AtrestError:
            raise
        except Exception as error:
            found, how = ("opens, but", "encrypted") if sealed else ("is in clear, and", "written")
            raise DecryptionError(
                f"a value of {self.name} {found} it is not {self._codec.what} ({_said(error)}): something else was "
                f"{how} there, or the type inside cannot read it; see the row with atrest inspect"
            ) from None

    def _as_stored(self, value: Any) -> str | bytes:
        """In the form that its token has: SQLite gives clear numbers as numbers, and keeps text
        in a binary column, and bytes in a text column, as what they are."""
        if not isinstance(value, (bytes, bytearray, memoryview)):
            return str(value)
        raw = bytes(value)
        if not self.binary:
            with contextlib.suppress(UnicodeDecodeError):
                return raw.decode()
        return raw

    def compare_values(self, x: Any, y: Any) -> bool:
        return self.type_.compare_values(x, y)

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        return self

    def __repr__(self) -> str:
        from .alembic import code

        inner = repr(self.type_)
        return code(self, f"sa.{inner}" if type(self.type_).__module__.startswith("sqlalchemy.") else inner)


Encrypted.__module__ = "atrest.sqlalchemy"

#: What a table can say of its columns beside them.
_CONSTRAINTS = {
    sa.Index: "indexed",
    sa.UniqueConstraint: "unique",
    sa.PrimaryKeyConstraint: "a primary key",
    sa.ForeignKeyConstraint: "a foreign key",
}


def watch_constraints() -> None:
    """Once, at import."""
    for kind, problem in _CONSTRAINTS.items():
        event.listen(kind, "after_parent_attach", functools.partial(_constrained, problem))


def _constrained(problem: str, constraint: Any, table: Any) -> None:
    for column in constraint.columns:
        if isinstance(column.type, Encrypted):
            # It may be before the column's own turn.
            column.type._place(column, table)
            raise column.type._cannot_be(problem)


def _said(error: Exception) -> str:
    """Without the value, which errors of Python's and of the application's own types show."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    # The JSON of Python's own names the type.
    json = isinstance(error, TypeError) and frame.f_globals.get("__name__") == "json.encoder"
    return str(error) if json or isinstance(error, (AtrestError, WrongType)) else type(error).__name__


def _made_by_database(default: Any) -> bool:
    """For what a column has as a default: NULL, a Python value or a function is none."""
    if default is None:
        return False
    if isinstance(default, sa.schema.DefaultGenerator):
        return not default.is_scalar and not default.is_callable
    return not isinstance(getattr(default, "arg", None), sa.Null)


def _quoted(part: str) -> str:
    """As the policy writes the parts of a column's id."""
    return '"' + part.replace('"', '""') + '"' if "." in part or '"' in part else part

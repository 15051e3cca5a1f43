"""Field classes that convert values themselves, and what their columns hold.

An application's field says with `get_prep_value`, `from_db_value` and their kin what stands
in its column for a value. So what the clear field would send to the database is what is
sealed, as the text of that type of column; and what opens goes through the clear field as
if it came from the database.
"""

from __future__ import annotations

import decimal
import json
import sys
from functools import cache
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, models
from django.db.backends.utils import format_number
from django.utils.duration import duration_microseconds

from atrest import arrays
from atrest.django.codecs import BYTES, CODECS, TEXT, Codec, NulError, without_nul

#: The methods by which a class says what its column holds.
CONVERSIONS = (
    "to_python",
    "get_prep_value",
    "get_db_prep_value",
    "get_db_prep_save",
    "from_db_value",
    "get_db_converters",
    "get_internal_type",
    "db_type",
)
#: SQL around a value or column: the database would compute it of ciphertexts.
IN_SQL = ("get_placeholder_sql", "get_placeholder", "select_format")


@cache
def converts_itself(clear_class: type[models.Field]) -> bool:
    """Whether any conversion of the class is not Django's."""
    return any(_is_foreign(clear_class, name) for name in CONVERSIONS)


def codec_of(column_class: type[models.Field]) -> Codec:
    """The canonical text of the column's values; an array's is made here."""
    return CODECS.get(column_class, TEXT)


def column_class(clear_class: type[models.Field], field: models.Field) -> type[models.Field]:
    """Django's class that has the same column: one in CODECS, or ArrayField.

    Raises ImproperlyConfigured if none is known.
    """
    if (array := _array_field()) is not None and issubclass(clear_class, array):
        _check_elements(field.base_field)
    return _column_class(clear_class, clear_class.get_internal_type(field))


@cache
def _column_class(clear_class: type[models.Field], internal_type: str) -> type[models.Field]:
    for name in IN_SQL:
        if _is_foreign(clear_class, name):
            raise ImproperlyConfigured(
                f"{clear_class.__name__} cannot be encrypted: the database would compute its {name}() of ciphertexts. "
                f"Convert values in Python (get_prep_value, from_db_value) in its place"
            )
    if (array := _array_field()) is not None and issubclass(clear_class, array):
        return array
    named = getattr(models, internal_type, None)
    for known in (named, clear_class):
        for base in known.__mro__ if isinstance(known, type) else ():
            if base in CODECS:
                return base
    raise ImproperlyConfigured(
        f"{clear_class.__name__} cannot be encrypted: nothing says how its column's values are written as text. If "
        f"what it sends to the database, and gets back, is what another field of Django does, let the class "
        f"say so: get_internal_type() that returns 'TextField', 'IntegerField' or the like. Else keep the value in "
        f"a field that has a text, such as EncryptedJSONField"
    )


def _array_field() -> type[models.Field] | None:
    """PostgreSQL's ArrayField, if anything has imported it: that takes its driver."""
    module = sys.modules.get("django.contrib.postgres.fields.array")
    return getattr(module, "ArrayField", None)


def _check_elements(base: models.Field) -> None:
    """Raises ImproperlyConfigured if the elements of an array have no text, or are encrypted themselves."""
    if hasattr(base, "token_context"):
        raise ImproperlyConfigured(f"the elements of the ArrayField are encrypted already: {type(base).__name__}")
    if base.is_relation:
        raise ImproperlyConfigured("an ArrayField of a relation cannot be encrypted")
    column_class(type(base), base)


def _is_foreign(clear_class: type, name: str) -> bool:
    """Whether the class has such a method from elsewhere than Django's fields."""
    definer = next((c for c in clear_class.__mro__ if name in vars(c)), None)
    if definer is None or definer is _array_field() and name in IN_SQL:
        return False
    return not definer.__module__.startswith("django.db.models.")


def sent(clear: models.Field, value: Any, connection: Any, prepared: bool) -> str | bytes | None:
    """What the clear field sends to the database for a value, as text; None for NULL."""
    if prepared:
        value = clear.get_db_prep_value(value, connection, prepared=True)
    else:
        value = clear.get_db_prep_save(value, connection)
    return None if value is None else as_text(clear, value, connection)


def as_text(clear: models.Field, value: Any, connection: Any) -> str | bytes:
    """The text of what is sent. Raises DataError for what would not come back as it went."""
    kind = column_class(type(clear), clear)
    try:
        text = _text(kind, clear, value, connection)
        from_text(clear, text, connection)
        if isinstance(text, str):
            without_nul(clear, text, connection, escaped=kind is models.JSONField)
    except NulError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError):
        _refuse(clear, kind, value)
    return text


def from_text(clear: models.Field, text: Any, connection: Any) -> Any:
    """What the database gives the clear field where its column holds this. Raises ValueError for what it cannot hold."""
    kind = column_class(type(clear), clear)
    if kind is _array_field():
        return arrays.read(text, lambda element: _from_element(_element(clear), element, connection))
    if kind is models.JSONField:
        json.loads(text, parse_constant=_no_json)
        return text  # its fields get the text
    value = _value(kind, clear, text, connection)
    if kind is models.DurationField and not connection.features.has_native_duration_field:
        return duration_microseconds(value)
    return value


def _value(kind: type[models.Field], clear: models.Field, text: Any, connection: Any) -> Any:
    read = CODECS[kind].read
    return text if read is None else read(clear, text, connection)


def _text(kind: type[models.Field], clear: Any, value: Any, connection: Any) -> str | bytes:
    if kind is _array_field():
        if not isinstance(value, (list, tuple)):
            _no_text(value)
        return arrays.write(value, lambda element: _to_element(_element(clear), element, connection))
    value = _unwrapped(value)
    codec = CODECS[kind]
    if codec is BYTES:
        return bytes(memoryview(value))
    if isinstance(value, str):
        return str.__str__(value)
    if kind is models.BooleanField:
        return {0: "0", 1: "1"}[value] if isinstance(value, int) else _no_text(value)
    if isinstance(value, int) and not (isinstance(value, bool) and codec is TEXT):
        return int.__repr__(value)
    if kind is models.DecimalField and isinstance(value, decimal.Decimal):
        return format_number(value, getattr(clear, "max_digits", None), getattr(clear, "decimal_places", None))
    if kind is models.IntegerField:
        return str(int(str(value)))  # SQLite's column would take a fraction
    if codec is TEXT or kind in (models.DecimalField, models.JSONField):
        return str(value) if isinstance(value, decimal.Decimal) else _no_text(value)
    if kind is models.UUIDField:
        return str(value)
    return codec.write(clear, value, connection)


def _element(array: Any) -> models.Field:
    """The field of what stands in the innermost arrays."""
    base = array.base_field
    return _element(base) if hasattr(base, "base_field") else base


def _to_element(base: models.Field, value: Any, connection: Any) -> str:
    text = as_text(base, value, connection)
    limit = base.max_length if column_class(type(base), base) is models.CharField else None
    if limit is not None and len(text) > limit:
        raise DataError(f"an element of {base} takes at most {limit} characters, and got {len(text)}")
    return f"\\x{text.hex()}" if isinstance(text, bytes) else text


def _from_element(base: models.Field, text: str, connection: Any) -> Any:
    """What PostgreSQL gives for an element."""
    kind = column_class(type(base), base)
    if kind is models.DurationField:
        return _value(kind, base, text, connection)
    if codec_of(kind) is not BYTES:
        return from_text(base, text, connection)
    if not text.startswith("\\x"):
        raise ValueError("the decrypted text is no array of bytes")
    return bytes.fromhex(text[2:])


def _unwrapped(value: Any) -> Any:
    """Without what a database's driver puts around bytes, JSON and addresses."""
    for inside in ("obj", "adapted", "addr"):
        if type(value).__module__.startswith("psycopg") and hasattr(value, inside):
            bare = getattr(value, inside)
            # Jsonb says how it is written, Binary does not.
            return (value.dumps or json.dumps)(bare) if hasattr(value, "dumps") else bare
    return value


def _no_text(value: Any) -> NoReturn:
    raise TypeError(type(value))


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _refuse(clear: Any, kind: type[models.Field], value: Any) -> NoReturn:
    where = clear if hasattr(clear, "model") else type(clear).__name__
    raise DataError(
        f"{where} sends a {type(value).__name__} that a {kind.__name__}'s column cannot hold as it is: nothing was "
        f"written. Have get_prep_value() of {type(clear).__name__} return what a {kind.__name__} stores"
    ) from None

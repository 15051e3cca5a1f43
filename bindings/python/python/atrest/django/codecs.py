"""The canonical text of each type of value: what is sealed in place of the value itself.

It is what the database writes when it casts the clear column to text, or takes back
when the text is cast to the clear type. So the engine's `encrypt` of an existing column,
these fields, and a migration back all mean the same text. Reading accepts what any of
the databases writes (`true` and `1`, `2026-01-02 03:04:05+00` and `...05.000000`).

| type | text |
|---|---|
| integer | decimal digits |
| float | Python's shortest exact form |
| decimal | with the field's decimal places |
| date, time | ISO 8601 |
| datetime | ISO 8601 in UTC with offset; without one where the database has no time zones |
| duration | the interval, or microseconds where the database has none |
| boolean | `1`, `0` |
| UUID | with dashes, or 32 hex digits where the database stores it so |
| JSON | `json.dumps` with the field's encoder; NaN is refused, as it is no JSON |
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import DataError, models
from django.db.backends.utils import format_number
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime, parse_duration, parse_time
from django.utils.duration import duration_microseconds, duration_string


class Codec(NamedTuple):
    """`to_text(field, value, connection)`, None for NULL, and back; `read` None means the text is the value."""

    write: Callable[[Any, Any, Any], Any]
    read: Callable[[Any, Any, Any], Any] | None


class NulError(DataError, ValueError):
    """A NUL in text. Django's own raise the one with psycopg 3, the other with psycopg2."""


def without_nul(field: Any, text: str, connection: Any, escaped: bool = False) -> str:
    """The text. Raises NulError where PostgreSQL would not take it back: it knows no NUL, escaped in JSON or not."""
    nul = "\\u0000" if escaped else "\0"
    # Behind an escaped backslash it is no escape.
    if nul in text and connection.vendor == "postgresql" and nul in text.replace("\\\\", ""):
        raise NulError(f"{field}: A string literal cannot contain NUL (0x00) characters.")
    return text


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    value = parse(text)
    if value is None:
        raise ValueError("the decrypted text is of another type")
    return value


def _write_text(field: Any, value: Any, connection: Any) -> str:
    # The value of a member of `class Color(str, Enum)`, not its name.
    text = str.__str__(value) if isinstance(value, str) else str(value)
    return without_nul(field, text, connection)


def _write_decimal(field: Any, value: Any, connection: Any) -> str:
    return format_number(field.to_python(value), field.max_digits, field.decimal_places)


def _read_decimal(field: Any, text: str, connection: Any) -> decimal.Decimal:
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:
        raise ValueError("the decrypted text is no decimal") from None
    places = getattr(field, "decimal_places", None)
    # SQLite drops trailing zeros of a clear column.
    if places is not None and value.is_finite() and value.as_tuple().exponent > -places:
        value = value.quantize(decimal.Decimal(1).scaleb(-places), context=decimal.Context(prec=1000))
    return value


def _write_datetime(field: Any, value: datetime.datetime, connection: Any) -> str:
    value = connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, datetime.datetime) and timezone.is_aware(value):
        value = value.astimezone(datetime.timezone.utc)
    return str(value)


def _read_datetime(field: Any, text: str, connection: Any) -> datetime.datetime:
    from django.conf import settings

    value = _parsed(parse_datetime, text)
    if settings.USE_TZ and timezone.is_naive(value):
        return timezone.make_aware(value, connection.timezone)
    if not settings.USE_TZ and timezone.is_aware(value):
        return timezone.make_naive(value, connection.timezone or timezone.get_default_timezone())
    return value


def _write_time(field: Any, value: datetime.time, connection: Any) -> str:
    # Raises ValueError for a time with a zone, where the clear field does.
    connection.ops.adapt_timefield_value(value)
    return value.isoformat()


def _duration(field: Any, value: Any) -> datetime.timedelta:
    """The duration, of a text too: PostgreSQL's clear column takes that."""
    if isinstance(value, datetime.timedelta):
        return value
    if not isinstance(value, str):
        raise TypeError(f"{field} takes a timedelta, or its text, and got a {type(value).__name__}")
    try:
        return _parsed(parse_duration, value)
    except (ValueError, OverflowError):
        raise DataError(f"{field} got a text that is no duration; write it as [DD] [[HH:]MM:]ss[.uuuuuu]") from None


def _write_duration(field: Any, value: Any, connection: Any) -> str:
    value = _duration(field, value)
    if connection.features.has_native_duration_field:
        return duration_string(value)
    return str(duration_microseconds(value))


#: Of an interval, what PostgreSQL writes before the days, and Django does not read.
_YEARS_AND_MONTHS = re.compile(r"(?:([-+]?\d+) years? ?)?(?:([-+]?\d+) mons? ?)?\+?(.*)", re.DOTALL)


def _read_duration(field: Any, text: str, connection: Any) -> datetime.timedelta:
    try:
        return datetime.timedelta(microseconds=_read_number(field, text, connection))
    except ValueError:
        pass
    years, months, days = _YEARS_AND_MONTHS.fullmatch(text).groups()
    # As many days as PostgreSQL's drivers give for them.
    before = datetime.timedelta(365 * int(years or 0) + 30 * int(months or 0))
    return before + _parsed(parse_duration, days)


def _read_number(field: Any, text: str, connection: Any) -> int | float:
    try:
        return int(text)
    except ValueError:
        if connection.vendor != "sqlite":
            raise
        return float(text)  # its columns of whole numbers hold them, too: F("number") * 1.5


def _read_boolean(field: Any, text: str, connection: Any) -> bool | int | float:
    known = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}.get(text.lower())
    if known is not None:
        return known
    if connection.vendor == "postgresql":
        raise ValueError("the decrypted text is no boolean")
    return _read_number(field, text, connection)  # for elsewhere the column is one of numbers


def _write_uuid(field: Any, value: Any, connection: Any) -> str:
    value = field.to_python(value)
    return str(value) if connection.features.has_native_uuid_field else value.hex


def _write_address(field: Any, value: Any, connection: Any) -> str | None:
    try:
        # None for an empty text. psycopg 3 takes no network.
        adapted = connection.ops.adapt_ipaddressfield_value(value)
    except ValueError:
        raise ValueError(f"{field} got a text that is no IP address") from None  # theirs shows it
    return None if adapted is None else str(value)


def _read_address(field: Any, text: str, connection: Any) -> str:
    # PostgreSQL casts the address of a host to text with a netmask, which it does not show.
    return text.removesuffix("/128" if ":" in text else "/32") if connection.vendor == "postgresql" else text


def _write_json(field: Any, value: Any, connection: Any) -> str:
    text = json.dumps(value, cls=field.encoder, allow_nan=False)
    return without_nul(field, text, connection, escaped=True)


TEXT = Codec(_write_text, None)
BYTES = Codec(lambda field, value, connection: value, None)

#: By Django's class; `own.column_class` finds that of a field.
CODECS: dict[type, Codec] = {
    models.CharField: TEXT,
    models.TextField: TEXT,
    models.FilePathField: TEXT,
    models.BinaryField: BYTES,
    models.IntegerField: Codec(lambda f, v, c: str(v), _read_number),
    models.FloatField: Codec(lambda f, v, c: repr(v), lambda f, t, c: float(t)),
    models.DecimalField: Codec(_write_decimal, _read_decimal),
    models.DateField: Codec(lambda f, v, c: v.isoformat(), lambda f, t, c: _parsed(parse_date, t)),
    models.DateTimeField: Codec(_write_datetime, _read_datetime),
    models.TimeField: Codec(_write_time, lambda f, t, c: _parsed(parse_time, t)),
    models.DurationField: Codec(_write_duration, _read_duration),
    models.BooleanField: Codec(lambda f, v, c: "1" if v else "0", _read_boolean),
    models.UUIDField: Codec(_write_uuid, lambda f, t, c: uuid.UUID(t)),
    models.GenericIPAddressField: Codec(_write_address, _read_address),
    models.JSONField: Codec(_write_json, lambda f, t, c: json.loads(t, cls=f.decoder)),
}

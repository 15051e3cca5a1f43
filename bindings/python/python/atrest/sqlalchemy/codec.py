"""Values as the text that is sealed, and back.

The text is the one that a database gives when it casts such a value to text, which is what
``atrest encrypt`` seals of an existing column: PostgreSQL writes a boolean as ``true``, the
others as ``1``; where a database has no such type, it is the text that SQLAlchemy stores in
place of it (SQLite's dates, MySQL's intervals). Reading takes every spelling that one of them
writes.
"""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import json
import math
import operator
import re
import struct
import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import SET, YEAR
from sqlalchemy.dialects.postgresql import CIDR, HSTORE, INET, INTERVAL, MACADDR, MACADDR8
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from .base import Codec, WrongType, expect
from .postgresql import array, hstore, mac, network, network_address


def codec(inner: TypeEngine[Any]) -> Codec:
    """How values of a type are written. ``TypeError`` for a type that has no text, or changes
    values where only the clear type would."""
    for name in _HOOKS:
        owner = next(class_ for class_ in type(inner).__mro__ if name in vars(class_))
        if not owner.__module__.startswith("sqlalchemy."):
            raise WrongType(
                f"Encrypted({type(inner).__name__}) cannot be: its {name} would not be called; put what it does into "
                "process_bind_param and process_result_value of a TypeDecorator"
            )
    for kind, make in _KINDS:
        if isinstance(inner, kind):
            return make(inner)
    if isinstance(inner, TypeDecorator):
        return _decorated(inner)
    raise WrongType(
        f"Encrypted({inner!r}) cannot be: a value of this type has no text of its own; use Encrypted(JSON), "
        "or a TypeDecorator that makes text of it"
    )


#: What SQLAlchemy's own types convert by, which the codecs here do in their place.
_HOOKS = ("bind_expression", "column_expression", "bind_processor", "result_processor", "literal_processor")


def _decorated(inner: TypeDecorator[Any]) -> Codec:
    cls = type(inner)
    by_dialect = cls.load_dialect_impl is not TypeDecorator.load_dialect_impl
    anywhere = codec(_loaded(inner) if by_dialect else inner.impl_instance)

    @functools.cache
    def inside_of(dialect: Dialect) -> Codec:
        inside = codec(inner.load_dialect_impl(dialect)) if by_dialect else anywhere
        if inside.binary != anywhere.binary:
            raise WrongType(
                f"{cls.__name__} has bytes on some databases and text on {dialect.name}, or the other way, and a column "
                "of tokens has one of them: let its load_dialect_impl give either everywhere"
            )
        return inside

    # What it does not do, it leaves as it is.
    writes = cls.process_bind_param is not TypeDecorator.process_bind_param
    reads = cls.process_result_value is not TypeDecorator.process_result_value

    def encode(value: Any, dialect: Dialect) -> Any:
        if writes:
            value = inner.process_bind_param(value, dialect)
        inside = inside_of(dialect)
        return inside.encode(value, dialect) if value is not None or inside.null else None

    def decode(text: Any, dialect: Dialect) -> Any:
        inside = inside_of(dialect)
        value = inside.decode(text, dialect) if text is not None or inside.null else None
        return inner.process_result_value(value, dialect) if reads else value

    return Codec(encode, decode, anywhere.what, anywhere.binary, null=True)


def _loaded(inner: TypeDecorator[Any]) -> TypeEngine[Any]:
    """Where the dialect is not known yet. An application's own may know no other than its own."""
    try:
        return inner.load_dialect_impl(_PLAIN)
    except Exception:
        return inner.impl_instance


def _text(_: Any) -> Codec:
    return Codec(lambda v, d: expect(str, v, "text"), lambda t, d: t, "text")


def _bytes(_: Any) -> Codec:
    def encode(value: Any, dialect: Dialect) -> bytes:
        return bytes(expect((bytes, bytearray, memoryview), value, "bytes"))

    return Codec(encode, lambda raw, d: raw, "bytes", binary=True)


_TRUE, _FALSE = {"true", "t"}, {"false", "f"}


def _boolean(_: Any) -> Codec:
    def encode(value: Any, dialect: Dialect) -> str:
        if value not in (True, False):
            raise WrongType(f"{type(value).__name__} is not a boolean")
        if dialect.name == "postgresql":
            return "true" if value else "false"
        return "1" if value else "0"

    def decode(text: str, dialect: Dialect) -> bool:
        word = text.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        # MySQL's and SQLite's booleans are numbers, of which SQLAlchemy asks whether they are 0.
        return int(word) != 0

    return Codec(encode, decode, "a boolean")


def _integer(_: Any) -> Codec:
    return Codec(lambda v, d: int.__repr__(operator.index(v)), lambda t, d: int(t), "an integer")


def _year(_: Any) -> Codec:
    """MySQL's, which would make another of what is none: 2005 of 5, 2000 of "0"."""

    def encode(value: Any, dialect: Dialect) -> str:
        year = operator.index(value)
        if year and not 1901 <= year <= 2155:
            raise WrongType("the integer is not a year")
        return f"{year:04}"

    return Codec(encode, lambda t, d: int(t), "0 or a year from 1901 to 2155")


def _number_text(value: float | decimal.Decimal) -> str:
    """The digits, whatever a subclass writes for itself: numpy's float64, an IntEnum, a bool."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float.__repr__(value)


def _numeric(inner: Any) -> Codec:
    single = functools.cache(lambda dialect: _is_single(inner, dialect))
    scale, precision = getattr(inner, "scale", None), inner.precision

    def encode(value: Any, dialect: Dialect) -> str:
        expect((int, float, decimal.Decimal), value, "a number")
        text = _number_text(value)
        # SQLite keeps all digits, which SQLAlchemy cuts where it reads decimals.
        if scale is not None and (inner.asdecimal or dialect.name != "sqlite"):
            rounded = _rounded(decimal.Decimal(text), scale)
            whole = rounded.adjusted() + 1 if rounded.is_finite() and rounded else 0
            if precision is not None and whole > precision - scale and dialect.name != "sqlite":
                raise WrongType(f"it has more than {precision - scale} digits before the point")
            text = f"{rounded:f}"
        return _marked(text) if single(dialect) else text

    def decode(text: str, dialect: Dialect) -> Any:
        if single(dialect):
            text = _short(text)
        if not inner.asdecimal:
            return float(text)
        try:
            value = decimal.Decimal(text)
        except decimal.InvalidOperation:
            raise ValueError from None
        if scale is not None:
            return _rounded(value, scale)
        if isinstance(inner, sa.Float) and math.isfinite(float(value)):
            # As SQLAlchemy does.
            return decimal.Decimal(f"{float(value):.{inner._effective_decimal_return_scale}f}")
        return value

    return Codec(encode, decode, "a number")


#: More digits than a number of PostgreSQL's has.
_DIGITS = decimal.Context(prec=150_000, rounding=decimal.ROUND_HALF_UP)


def _rounded(value: decimal.Decimal, scale: int) -> decimal.Decimal:
    """As PostgreSQL, MySQL and MariaDB round to a column's scale; they know no -0."""
    if not value.is_finite():
        return value
    value = value.quantize(decimal.Decimal((0, (1,), -scale)), context=_DIGITS)
    return value or value.copy_abs()


# MySQL's and MariaDB's FLOAT has 32 bits. `atrest encrypt` seals them as a DOUBLE's digits,
# 0.10000000149011612, and the application knows them as 0.1. What an application writes is
# a DOUBLE: where it would be taken for such a one, a 0 at its end says that it is none.

_SINGLE = re.compile(r"FLOAT(?:\((\d+)(, *\d+)?\))?( |$)")
_MARKED = re.compile(r"\.\d*0(?:[eE]|$)")


def _is_single(inner: Any, dialect: Dialect) -> bool:
    if dialect.name not in ("mysql", "mariadb"):
        return False
    found = _SINGLE.match(inner.compile(dialect=dialect))
    return found is not None and (found[1] is None or found[2] is not None or int(found[1]) <= 24)


def _short(text: str) -> str:
    """The fewest digits that are the same 32 bits, and no fewer than six, as the database shows them."""
    value = float(text)
    if _MARKED.search(text) or not math.isfinite(value) or _single(value) != value:
        return text
    return next((short for n in range(6, 10) if _single(float(short := f"{value:.{n}g}")) == value), text)


def _single(value: float) -> float | None:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return None


def _marked(text: str) -> str:
    short = _short(text)
    if short == text or decimal.Decimal(short) == decimal.Decimal(text):
        return text
    zero = "0" if "." in text else ".0"
    return re.sub("[eE]|$", lambda end: zero + end[0], text, count=1)


#: Databases without time zones: an offset is left out by SQLAlchemy, or by their drivers.
_ZONELESS = ("sqlite", "mysql", "mariadb")


def _in_its_zone(inner: sa.DateTime | sa.Time, value: Any, dialect: Dialect) -> Any:
    """As a clear column has it. Raises where the time zone of PostgreSQL's session would decide."""
    if dialect.name in _ZONELESS:
        return value.replace(tzinfo=None)
    if dialect.name == "postgresql" and (value.utcoffset() is not None) != inner.timezone:
        if inner.timezone:
            raise WrongType("it has no offset, and its type has a time zone: give it one, value.replace(tzinfo=...)")
        raise WrongType(
            "it has an offset, and its type has no time zone: take it off, value.replace(tzinfo=None), or write "
            f"{type(inner).__name__}(timezone=True)"
        )
    return value


def _written(inner: Any, value: Any, dialect: Dialect) -> str:
    """A date or time: SQLite has no such types, so there it is as SQLAlchemy's writes it."""
    if dialect.name == "sqlite":
        write = inner._cached_bind_processor(dialect)
        value = write(value) if write else value
    if isinstance(value, str):
        return value
    return str(value.isoformat(sep=" ") if isinstance(value, dt.datetime) else value.isoformat())


def _read(inner: Any, text: str, dialect: Dialect, plain: Callable[[str], Any]) -> Any:
    """The other way. Only what has a format of its own is not read ``plain``."""
    own = inner.dialect_impl(dialect)
    if getattr(own, "_reg", None) is not None:
        try:
            return own.result_processor(dialect, None)(text)
        except ValueError:
            pass  # Sealed before the type wrote that format.
    return plain(text)


def _date(inner: Any) -> Codec:
    def encode(value: Any, dialect: Dialect) -> str:
        value = expect(dt.date, value, "a date")
        return _written(inner, value.date() if isinstance(value, dt.datetime) else value, dialect)

    return Codec(encode, lambda t, d: _read(inner, t, d, dt.date.fromisoformat), "a date")


#: What databases write and Python 3.10 does not read: ".5", "+00".
_CLOCK = re.compile(r"^(?P<clock>.*\d\d:\d\d(?::\d\d)?)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d(?::?\d\d)?(?::\d\d)?)?$")


def _plain_clock(text: str) -> str:
    found = _CLOCK.match(text)
    if found is None:
        return text
    clock, fraction, zone = found.group("clock", "fraction", "zone")
    if fraction:
        clock += fraction.ljust(7, "0")[:7]
    if zone == "Z":
        zone = "+00:00"
    elif zone and len(zone) == 3:
        zone += ":00"
    elif zone and len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    return clock + (zone or "")


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(_plain_clock(text))


def _zoned(inner: Any, kind: type, plain: Callable[[str], Any], what: str) -> Codec:
    def encode(value: Any, dialect: Dialect) -> str:
        return _written(inner, _in_its_zone(inner, expect(kind, value, what), dialect), dialect)

    def decode(text: str, dialect: Dialect) -> Any:
        value = _read(inner, text, dialect, plain)
        # SQLAlchemy reads one that stands in a text of SQLite's.
        return value.replace(tzinfo=None) if dialect.name in ("mysql", "mariadb") else value

    return Codec(encode, decode, what)


def _datetime(inner: Any) -> Codec:
    return _zoned(inner, dt.datetime, _moment, "a datetime")


def _time(inner: Any) -> Codec:
    return _zoned(inner, dt.time, lambda text: dt.time.fromisoformat(_plain_clock(text)), "a time")


_MOMENT = sa.DateTime()
_INTERVAL = re.compile(
    r"^(?:(?P<years>[+-]?\d+) years? ?)?(?:(?P<months>[+-]?\d+) mons? ?)?(?:(?P<days>[+-]?\d+) days? ?)?"
    r"(?:(?P<sign>[+-])?(?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d)(?:\.(?P<us>\d{1,6}))?)?$"
)


def _interval(inner: sa.Interval | INTERVAL) -> Codec:
    """As PostgreSQL writes one; for databases that have none SQLAlchemy stores the moment that
    is so long after the epoch, where there is such a moment."""
    epoch = inner.epoch if isinstance(inner, sa.Interval) else None

    def encode(value: Any, dialect: Dialect) -> str:
        value = expect(dt.timedelta, value, "an interval")
        if epoch and isinstance(inner.dialect_impl(dialect), sa.Interval):
            try:
                return _written(_MOMENT, epoch + value, dialect)
            except OverflowError:
                pass
        seconds, micros = value.seconds, value.microseconds
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        if micros:
            clock += f".{micros:06}"
        return f"{value.days} days {clock}" if value.days else clock

    def decode(text: str, dialect: Dialect) -> dt.timedelta:
        found = _INTERVAL.match(text)
        if found is None:
            moment = _moment(text)
            if epoch is None or moment.tzinfo is not None:
                raise ValueError
            return moment - epoch
        if not text:
            raise ValueError
        # As PostgreSQL's drivers count them: a timedelta has neither years nor months.
        days = sum(int(found[unit] or 0) * long for unit, long in (("years", 365), ("months", 30), ("days", 1)))
        try:
            clock = dt.timedelta(
                hours=int(found["h"] or 0),
                minutes=int(found["m"] or 0),
                seconds=int(found["s"] or 0),
                microseconds=int((found["us"] or "").ljust(6, "0")),
            )
            return dt.timedelta(days=days) + (-clock if found["sign"] == "-" else clock)
        except OverflowError:
            raise ValueError from None

    return Codec(encode, decode, "an interval")


def _json(_: Any) -> Codec:
    def encode(value: Any, dialect: Dialect) -> str:
        if value is sa.JSON.NULL:
            value = None
        write = getattr(dialect, "_json_serializer", None) or json.dumps
        text = write(value)
        # Some give bytes: orjson.
        text = bytes(text).decode() if isinstance(text, (bytes, bytearray, memoryview)) else text
        return str(expect(str, text, "JSON"))

    def decode(text: str, dialect: Dialect) -> Any:
        return (getattr(dialect, "_json_deserializer", None) or json.loads)(text)

    return Codec(encode, decode, "JSON")


_PLAIN = DefaultDialect()


def _set(inner: SET) -> Codec:
    """MySQL's, in the order of its members, as the column has them."""
    if inner.retrieve_as_bitwise:
        raise WrongType("Encrypted(SET(retrieve_as_bitwise=True)) cannot be: the database would compute the bits")

    def decode(text: str, dialect: Dialect) -> set[str]:
        return set(re.findall("[^,]+", text))

    def encode(value: Any, dialect: Dialect) -> str:
        members = decode(value, dialect) if isinstance(value, str) else set(expect((set, frozenset, list, tuple), value, "a set"))
        if not members <= set(inner.values):
            raise WrongType("it has what is no member")
        return ",".join(member for member in inner.values if member in members)

    return Codec(encode, decode, "a set of its members")


def _enum(inner: sa.Enum) -> Codec:
    """By the name that SQLAlchemy stores."""
    write, read = inner.bind_processor(_PLAIN), inner.result_processor(_PLAIN, None)

    def encode(value: Any, dialect: Dialect) -> str:
        text = str(write(value) if write else value)
        # SQLAlchemy leaves it to the database to refuse other strings.
        decode(text, dialect)
        return text

    def decode(text: str, dialect: Dialect) -> Any:
        try:
            return read(text) if read else text
        except LookupError:
            raise ValueError from None

    return Codec(encode, decode, "one of its enumeration")


def _pickle(inner: sa.PickleType) -> Codec:
    def encode(value: Any, dialect: Dialect) -> bytes:
        return bytes(inner.pickler.dumps(value, inner.protocol))

    return Codec(encode, lambda raw, d: inner.pickler.loads(raw), "a pickle", binary=True)


def _uuid(inner: sa.Uuid[Any]) -> Codec:
    def encode(value: Any, dialect: Dialect) -> str:
        value = value if isinstance(value, uuid.UUID) else uuid.UUID(expect(str, value, "a UUID"))
        # As SQLAlchemy stores one: without dashes where it is text.
        return str(value) if inner.native_uuid and dialect.supports_native_uuid else str(value.hex)

    def decode(text: str, dialect: Dialect) -> Any:
        value = uuid.UUID(text)
        return value if inner.as_uuid else str(value)

    return Codec(encode, decode, "a UUID")


#: The first that fits counts: Enum is a String.
_KINDS: list[tuple[type, Callable[[Any], Codec]]] = [
    (SET, _set),
    (sa.Enum, _enum),
    (sa.String, _text),
    (sa.LargeBinary, _bytes),
    (sa.types._Binary, _bytes),
    (sa.Boolean, _boolean),
    (sa.Integer, _integer),
    (YEAR, _year),
    (sa.Float, _numeric),
    (sa.Numeric, _numeric),
    (sa.DateTime, _datetime),
    (sa.Date, _date),
    (sa.Time, _time),
    (sa.Interval, _interval),
    (INTERVAL, _interval),
    (sa.JSON, _json),
    (sa.PickleType, _pickle),
    (sa.Uuid, _uuid),
    (sa.ARRAY, lambda inner: array(inner, codec(inner.item_type))),
    (HSTORE, lambda _: hstore()),
    (INET, lambda _: network_address()),
    (CIDR, lambda _: network()),
    (MACADDR, lambda _: mac()),
    (MACADDR8, lambda _: mac()),
]

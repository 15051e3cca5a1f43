"""Values of types that PostgreSQL alone has, as the text that it writes of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from atrest import arrays

from .base import Codec, WrongType, expect


def array(inner: sa.ARRAY[Any], item: Codec) -> Codec:
    """``item``: of one element."""

    def text_of(value: Any, dialect: Dialect) -> str | None:
        if value is None and not item.null:
            return None
        text = item.encode(value, dialect)
        return "\\x" + text.hex() if isinstance(text, bytes) else text

    def value_of(text: str | None, dialect: Dialect) -> Any:
        if text is None and not item.null:
            return None
        if not item.binary or text is None:
            return item.decode(text, dialect)
        if not text.startswith("\\x"):
            raise ValueError
        return item.decode(bytes.fromhex(text[2:]), dialect)

    def encode(value: Any, dialect: Dialect) -> str:
        value = list(expect((list, tuple, set, frozenset), value, "a list"))
        items = _items(value, lambda each: text_of(each, dialect), inner.dimensions)
        try:
            return arrays.write(items, str)
        except ValueError as error:
            raise WrongType(str(error)) from None

    def decode(text: str, dialect: Dialect) -> Any:
        kind = tuple if inner.as_tuple else list
        return _each(arrays.read(text, str), lambda each: value_of(each, dialect), kind)

    return Codec(encode, decode, "a list")


def _items(value: Any, change: Callable[[Any], Any], dimensions: int | None) -> list[Any]:
    """Without dimensions the first item says whether they are inner arrays, as SQLAlchemy takes it."""
    value = expect((list, tuple), value, "a list")
    if dimensions == 1 or dimensions is None and not (value and isinstance(value[0], (list, tuple))):
        return [change(item) for item in value]
    return [None if item is None else _items(item, change, dimensions and dimensions - 1) for item in value]


def _each(items: Any, change: Callable[[Any], Any], kind: Callable[[Any], Any]) -> Any:
    if isinstance(items, (list, tuple)):
        return kind(_each(item, change, kind) for item in items)
    return change(items)


_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")(?:, |$)', re.DOTALL)


def hstore() -> Codec:
    def quoted(text: Any) -> str:
        return '"' + re.sub(r'(["\\])', r"\\\1", expect(str, text, "text, which an hstore is of")) + '"'

    def plain(text: str) -> str:
        return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)

    def encode(value: Any, dialect: Dialect) -> str:
        pairs = expect(dict, value, "a dict").items()
        return ", ".join(f"{quoted(k)}=>{'NULL' if v is None else quoted(v)}" for k, v in pairs)

    def decode(text: str, dialect: Dialect) -> dict[str, str | None]:
        pairs, at = {}, 0
        while at < len(text):
            found = _PAIR.match(text, at)
            if found is None:
                raise ValueError
            pairs[plain(found[1])] = None if found[2] is None else plain(found[2])
            at = found.end()
        return pairs

    return Codec(encode, decode, "a dict")


_NATIVE = ("psycopg", "psycopg_async", "asyncpg")
_ADDRESSES = (ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network)


def network_address() -> Codec:
    """``inet``. Its text has the length of the network, also where that is the address alone."""

    def encode(value: Any, dialect: Dialect) -> str:
        value = _address(ipaddress.ip_interface, value, "an address")
        return f"{_ip(value.ip)}/{value.network.prefixlen}"

    def decode(text: str, dialect: Dialect) -> Any:
        value = ipaddress.ip_interface(text)
        if "%" in text:
            # A zone, which ``ip`` would drop.
            raise ValueError
        alone = value.network.prefixlen == value.max_prefixlen
        if _reads_objects(dialect, (*_NATIVE, "pg8000")):
            return value.ip if alone else value
        return text.partition("/")[0] if alone else text

    return Codec(encode, decode, "an address")


def network() -> Codec:
    """``cidr``."""

    def encode(value: Any, dialect: Dialect) -> str:
        value = _address(ipaddress.ip_network, value, "a network")
        return f"{_ip(value.network_address)}/{value.prefixlen}"

    def decode(text: str, dialect: Dialect) -> Any:
        value = ipaddress.ip_network(text)
        return value if _reads_objects(dialect, _NATIVE) else text

    return Codec(encode, decode, "a network")


def _reads_objects(dialect: Dialect, drivers: tuple[str, ...]) -> bool:
    """Python's own, unless ``native_inet_types`` is False."""
    return dialect.driver in drivers and getattr(dialect, "_native_inet_types", None) is not False


def _address(parse: Callable[[Any], Any], value: Any, what: str) -> Any:
    text = str(expect((str, *_ADDRESSES), value, what))
    try:
        parsed = parse(text)
    except ValueError:
        raise WrongType(f"{type(value).__name__} is not {what}") from None
    if "%" in text:
        raise WrongType(f"{type(value).__name__} has an IPv6 zone, which PostgreSQL does not store; take it off")
    return parsed


def _ip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """PostgreSQL writes the end of an address that has an IPv4 one within as that."""
    front, end = divmod(int(address), 1 << 32)
    if address.version == 6 and (front == 0xFFFF or front == 0 and end > 0xFFFF):
        return f"::{'ffff:' if front else ''}{ipaddress.IPv4Address(end)}"
    return str(address)


_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}(:[0-9a-f]{2}){2}|[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def mac() -> Codec:
    """``macaddr`` and ``macaddr8``: text."""

    def decode(text: str, dialect: Dialect) -> str:
        if not _MAC.fullmatch(text):
            raise ValueError
        return text

    def encode(value: Any, dialect: Dialect) -> str:
        digits = re.sub("[:.-]", "", expect(str, value, "a hardware address")).lower()
        try:
            return decode(":".join(digits[n : n + 2] for n in range(0, len(digits), 2)), dialect)
        except ValueError:
            raise WrongType("text is not a hardware address") from None

    return Codec(encode, decode, "a hardware address")

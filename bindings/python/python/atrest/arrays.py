"""PostgreSQL's text of an array, `{a,"b, c",NULL}`: what its column is as text, and takes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

#: A brace or comma, what stands in quotes, and what stands without.
_PART = re.compile(r'([{},])|"((?:[^"\\]|\\.)*)"|((?:[^{},"\\]|\\.)+)', re.DOTALL)
_PLAIN = re.compile(r'[^{},"\\\s]+')


def write(items: Any, text_of: Callable[[Any], str]) -> str:
    """The text. Raises ValueError for inner arrays of different sizes, which PostgreSQL refuses."""
    if _sizes(items) is None:
        raise ValueError("inner arrays have different sizes")
    return _written(items, text_of) if any(True for _ in _leaves(items)) else "{}"


def read(text: str, value_of: Callable[[str], Any]) -> list[Any]:
    """Nested lists. Raises ValueError for what is no array."""
    # PostgreSQL writes the bounds of an array that does not begin at 1.
    text = re.sub(r"\A(\[[-+]?\d+:[-+]?\d+\])+=", "", text)
    top: list[Any] = []
    inside, at, filled = [top], 0, False
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or len(inside) == 1 and top:
            raise ValueError("the decrypted text is no array")
        mark, quoted, plain = part.groups()
        at = part.end()
        if mark == "{" and not filled:
            inside[-1].append([])
            inside.append(inside[-1][-1])
        elif mark == "}" and len(inside) > 1 and (filled or not inside[-1]):
            inside.pop()
            filled = True
        elif mark == "," and filled:
            filled = False
        elif not mark and not filled and len(inside) > 1:
            inside[-1].append(_item(quoted, plain, value_of))
            filled = True
        else:
            raise ValueError("the decrypted text is no array")
    if len(inside) > 1 or not top:
        raise ValueError("the decrypted text is no array")
    return top[0]


def _item(quoted: str | None, plain: str, value_of: Callable[[str], Any]) -> Any:
    if quoted is None and plain.upper() == "NULL":
        return None
    return value_of(re.sub(r"\\(.)", r"\1", plain if quoted is None else quoted, flags=re.DOTALL))


def _written(item: Any, text_of: Callable[[Any], str]) -> str:
    if isinstance(item, (list, tuple)):
        return "{" + ",".join(_written(each, text_of) for each in item) + "}"
    if item is None:
        return "NULL"
    text = text_of(item)
    if _PLAIN.fullmatch(text) and text.upper() != "NULL":
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _leaves(items: Any) -> Iterator[Any]:
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def _sizes(item: Any) -> tuple[int, ...] | None:
    """The length in each dimension; None if they differ within one."""
    if not isinstance(item, (list, tuple)):
        return ()
    inner = {_sizes(each) for each in item} or {()}
    size = inner.pop()
    return None if inner or size is None else (len(item), *size)

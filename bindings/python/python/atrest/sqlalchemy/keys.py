"""Where encrypted columns find their keys.

A source is a policy file, ``atrest.Fields``, ``atrest.Keyring``, or a function that gives
one of these (called once, when the first value is read or written). Key files that change
under a running process are picked up within seconds, and at once when a value does not open;
keys of servers and databases within the policy's ``cache``; what these do not give any more is not used any more.
"""

from __future__ import annotations

import os
import re
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Union

from atrest import AtrestError, Field, Fields, Keyring, PolicyError

Source = Union[str, "os.PathLike[str]", Fields, Keyring, Callable[[], "Fields | Keyring | str"]]

#: Ways to seal.
SUITES = ("xaes-256-gcm", "a256cbc-hs512", "fernet")

#: Seconds between two looks at what is behind a policy's keys.
LOOK_EVERY = 5.0

#: Looks between these for values that do not open, each value's or key's once: a table of
#: damaged ones does not become a look for every row.
LOOKS_BETWEEN = 32

#: Of a column's id.
_PART = re.compile(r'"(?:[^"]|"")*"|[^.]+')

#: For children of a fork: a lock that another thread held is theirs for ever.
_all: weakref.WeakSet[Keys] = weakref.WeakSet()


def _forked() -> None:
    for keys in list(_all):
        keys._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Keys:
    """A source, read when it is needed, with the fields that were made of it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._loaded: Fields | Keyring | None = None
        self._fields: dict[tuple[str, str | None, str | None], Field] = {}
        self._refused: AtrestError | None = None
        self._looked = 0.0
        self._sought: set[object] = set()
        _all.add(self)

    def field(self, column: str | None, context: str | None, suite: str | None) -> Field:
        """The field of a column ("table.column"), or of a context alone.

        Raises ``PolicyError`` where a policy does not have the column, binds it to rows, or
        says something else; ``KeySourceError`` where there are no keys (any more).
        """
        if time.monotonic() - self._looked > LOOK_EVERY:
            self._look()
        if (refused := self._refused) is not None:
            raise refused.with_traceback(None)
        # Taken before the field is made: a reload meanwhile puts a new one in its place.
        fields = self._fields
        wanted = (column or "", context, suite)
        found = fields.get(wanted)
        if found is None:
            found = fields[wanted] = self._make(column, context, suite)
        return found

    def __reduce__(self) -> tuple[type[Keys], tuple[Source]]:
        # Of a source alone, which is read again. Keys themselves refuse: TypeError.
        return Keys, (self._source,)

    def look_for(self, what: object) -> None:
        """At once, for what did not open: its key may have come since the last look."""
        with self._lock:
            if what not in self._sought and len(self._sought) < LOOKS_BETWEEN:
                self._sought.add(what)
                self._renew()

    def _look(self) -> None:
        with self._lock:
            self._looked = time.monotonic()
            self._sought.clear()
            self._renew()

    def _renew(self) -> None:
        loaded = self._loaded
        if not isinstance(loaded, Fields):
            return
        try:
            changed = loaded.changed()
        except AtrestError as error:
            self._refused = error
            return
        self._refused = None
        if not changed:
            return
        try:
            self._loaded = loaded.reload()
        except AtrestError as error:
            warnings.warn(
                f"the policy's keys changed and cannot be read, so the ones before stay in use: {error}",
                stacklevel=3,
            )
            return
        self._fields = {}

    def _load(self) -> Fields | Keyring:
        with self._lock:
            if self._loaded is None:
                source = self._source
                if callable(source):
                    source = source()
                if isinstance(source, (str, os.PathLike)):
                    source = Fields.load(source)
                if not isinstance(source, (Fields, Keyring)):
                    raise TypeError(
                        f"keys come from a policy file, atrest.Fields or atrest.Keyring, not from {type(source).__name__}"
                    )
                self._loaded = source
            return self._loaded

    def _make(self, column: str | None, context: str | None, suite: str | None) -> Field:
        loaded = self._load()
        name = column or context
        if name is None:
            raise PolicyError(
                "an Encrypted type stands outside of a table, so nothing says what its values are bound to; "
                'name it: Encrypted(..., column="table.column")'
            )
        if isinstance(loaded, Keyring):
            return Field(loaded, context or name, suite=suite or "xaes-256-gcm", id=name)
        if column is None or name not in loaded.columns:
            # The policy's columns that are bound to it, of which any will do that fits; of a
            # column those of its table in other schemas: schema_translate_map tells us of none.
            table = "." + ".".join(_PART.findall(name)[-2:])
            bound = {
                each: field
                for each in loaded.columns
                if (field := loaded[each]).context == (context or name) and (column is None or f".{each}".endswith(table))
            }
            fits = (each for each in bound if bound[each].bind != "row" and suite in (None, bound[each].suite))
            name = next(fits, next(iter(bound), name))
        field = loaded[name]
        for what, here, there in (("context", context, field.context), ("suite", suite, field.suite)):
            if here is not None and here != there:
                raise PolicyError(
                    f'the model says {what} "{here}" for {name}, the policy says "{there}"; '
                    f"take {what} out of the model"
                )
        if field.bind == "row":
            raise PolicyError(
                f'{name} has bind = "row" in the policy, and a column type does not know the row; '
                'write bind = "column", or seal its values with Fields[...].row(key)'
            )
        return field


_default: Keys | None = None


def configure(source: Source) -> None:
    """Says where the keys of all columns are that name none of their own.

    ``source``: the path of a policy (atrest.toml), ``Fields``, a ``Keyring``, or a function
    that gives one of these. Nothing is read before the first value is.
    """
    global _default
    _default = Keys(source)


def default() -> Keys:
    """What :func:`configure` was given; without that the policy that ``ATREST_POLICY``
    names, or ``atrest.toml`` in the working folder."""
    global _default
    if _default is None:
        _default = Keys(os.environ.get("ATREST_POLICY", "atrest.toml"))
    return _default

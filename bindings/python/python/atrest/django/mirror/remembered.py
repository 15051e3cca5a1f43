"""What instances remember of their rows; after a rollback, what they did before.

A save that changes a mirrored value is remembered at once, so that the next one in the
same transaction is right. Until the commit it is noted how to take that back, beside a
mark among the connection's `on_commit()` callbacks: Django runs those of what was
committed, and drops those of what was rolled back, of a savepoint's as well. So whoever
asks for what is remembered looks first whether a mark was dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import transaction

# Kept in an instance's __dict__: what it was loaded with, and by mirror the key of its row;
# originals that were blanked on purpose; originals whose columns were asked once more; how to
# take back what is not committed. None is changed in place: `copy.copy()` of an instance shares them.
LOADED, BLANKED, ASKED, UNDO = "_atrest_loaded", "_atrest_blanked", "_atrest_asked", "_atrest_undo"

#: That nothing was remembered. Stays the same object when an instance is copied.
ABSENT = ...


class Mark:
    """A callback that waits for the commit of what was written up to here."""

    def __init__(self, connection: Any = None) -> None:
        #: None from the commit on.
        self.connection = connection
        self.savepoints = frozenset(connection.savepoint_ids if connection else ()) - {None}

    @classmethod
    def on(cls, connection: Any, using: str) -> Mark:
        """The newest one, if it waits for just that; else a new one."""
        mark = cls(connection)
        # A TestCase counts callbacks from the first, and commits nothing.
        in_test = any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
        newest = -1 if in_test else 0
        waiting = connection.run_on_commit
        last = waiting[newest][1] if waiting else None
        if isinstance(last, cls) and last.savepoints == mark.savepoints:
            return last
        with transaction.atomic(using, savepoint=False):  # for a callback there must be one
            transaction.on_commit(mark, using=using)
            if not in_test:
                # Before the application's, which may look at what was committed, or raise.
                waiting.insert(0, waiting.pop())
        return mark

    def __call__(self) -> None:
        self.connection = None

    @property
    def dropped(self) -> bool:
        """Whether what it waits for was rolled back."""
        waiting = self.connection
        return waiting is not None and not any(entry[1] is self for entry in waiting.run_on_commit)

    def __deepcopy__(self, memo: Any) -> Mark:
        return self

    def __reduce__(self) -> Any:  # where it is read again, there is no such transaction
        return Mark, ()


class Undo(NamedTuple):
    """How to take back what is remembered of a save."""

    #: What was remembered before, by name.
    loaded: dict[str, Any]
    #: Values that were replaced: what by, the value, and whether it was blanked on purpose.
    values: dict[str, tuple[Any, Any, bool]]

    def then(self, later: Undo) -> Undo:
        """Both: back to the first, with the values that the instance had last."""
        return Undo({**later.loaded, **self.loaded}, {**self.values, **later.values})

    def apply(self, own: dict[str, Any]) -> None:
        loaded = {**own.get(LOADED, {}), **self.loaded}
        own[LOADED] = {name: value for name, value in loaded.items() if value is not ABSENT}
        own[ASKED] = frozenset()
        for name, (left, value, blanked) in self.values.items():
            # What was assigned since stays.
            if own.get(name, ABSENT) is left and name not in own.get(BLANKED, ()):
                own[name] = value
                if blanked:
                    own[BLANKED] = own[BLANKED] | {name}


def settle(instance: Any) -> None:
    """Takes back what is remembered of saves that were rolled back."""
    own = instance.__dict__
    if not (notes := own.get(UNDO)):
        return
    for n, (mark, _) in enumerate(notes):
        if mark.dropped:
            own[UNDO] = notes[:n]
            take_back(own, (undo for _, undo in notes[n:]))
            break
    own[UNDO] = tuple(note for note in own[UNDO] if note[0].connection is not None)


def take_back(own: dict[str, Any], undos: Iterable[Undo]) -> None:
    """All of these, of which the first is the oldest."""
    whole = Undo({}, {})
    for undo in undos:
        whole = whole.then(undo)
    whole.apply(own)


def remembered(instance: Any) -> dict[str, Any]:
    """What the instance was loaded with, or has saved since."""
    settle(instance)
    loaded: dict[str, Any] = instance.__dict__.get(LOADED, {})
    return loaded


def note(instance: Any, using: str, undo: Undo) -> None:
    """Notes how to take a save back, if its transaction is still to be committed."""
    connection: Any = transaction.get_connection(using)
    if connection.get_autocommit():
        return
    notes: list[tuple[Mark, Undo]] = []
    newest = Mark.on(connection, using)
    for mark, each in (*instance.__dict__.get(UNDO, ()), (newest, undo)):
        # Of the savepoints that are released only the transaction around them is left.
        below = notes[-1][0] if notes else None
        there = mark.savepoints & newest.savepoints
        if below and below.connection is mark.connection is connection and there <= below.savepoints:
            notes[-1] = below, notes[-1][1].then(each)
        else:
            notes.append((mark, each))
    instance.__dict__[UNDO] = tuple(notes)

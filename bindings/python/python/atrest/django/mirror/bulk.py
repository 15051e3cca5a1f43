"""Mirrors of rows that are there already: fill, compare, empty, restore. Page by page, each in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from atrest.django.mirror.declared import Mirror
from atrest.django.unreadable import Unreadable


@dataclass
class Counts:
    """What was found, by "original -> copy", and what was written."""

    rows: int = 0
    changed: int = 0
    #: Owners without a row that could hold their copies.
    without: int = 0
    same: int = 0
    differ: int = 0
    #: The original has a value and the copy has none; and the reverse.
    only_original: int = 0
    only_copy: int = 0
    #: The original has a value, whatever the copy has.
    in_clear: int = 0
    first: list[Any] = field(default_factory=list)
    #: Pairs of which one side does not open. Nothing is written to either.
    unreadable: int = 0
    unreadable_first: list[str] = field(default_factory=list)

    def opens(self, owner: Any, row: Any, original: str, copy: str) -> bool:
        """Whether both values of a pair do; counts it if one does not."""
        closed = [n for n, of in ((original, owner), (copy, row)) if type(of.__dict__.get(n)) is Unreadable]
        if closed:
            self.unreadable += 1
            if original not in closed:
                self.in_clear += bool(owner.__dict__[original])
            if len(self.unreadable_first) < 20:
                self.unreadable_first.append(f"{closed[0]} of {row.pk}")
        return not closed

    def note(self, pk: Any, original: Any, copy: Any) -> None:
        """Counts one pair."""
        self.in_clear += bool(original)
        if (original or "") == (copy or ""):
            self.same += 1
        elif not copy:
            self.only_original += 1
        elif not original:
            self.only_copy += 1
        else:
            self.differ += 1
            if len(self.first) < 20:
                self.first.append(pk)


def compare(mirror: Mirror, using: str, batch: int) -> Counts:
    """Counts only."""
    return _each(mirror, using, batch, lambda owner, row, pairs: (set(), set()))


def fill(mirror: Mirror, using: str, batch: int) -> Counts:
    """Makes each copy what its original is. A blank original leaves its copy."""

    def work(owner: Any, row: Any, pairs: Pairs) -> tuple[set[str], set[str]]:
        copies = set()
        for original, copy in pairs:
            value = owner.__dict__[original]
            if value and value != getattr(row, copy):
                setattr(row, copy, value)
                copies.add(copy)
        return set(), copies

    return _each(mirror, using, batch, work)


def empty(mirror: Mirror, using: str, batch: int) -> Counts:
    """Empties the originals whose copy holds the same. Others are left, and counted as different."""
    return _each(mirror, using, batch, _emptying(mirror))


def empty_beside(mirror: Mirror, using: str, rows: Any) -> None:
    """The same for these rows alone. One whose owner is not there, or not yet, is passed over."""
    for row in rows.select_related(mirror.relation.name):
        if getattr(row, mirror.relation.name) is not None:
            _one(mirror, using, row, _emptying(mirror), Counts())


def _emptying(mirror: Mirror) -> Work:
    def work(owner: Any, row: Any, pairs: Pairs) -> tuple[set[str], set[str]]:
        originals = set()
        for original, copy in pairs:
            if owner.__dict__[original] and owner.__dict__[original] == getattr(row, copy):
                owner.__dict__[original] = mirror.blank(original)
                originals.add(original)
        return originals, set()

    return work


def restore(mirror: Mirror, using: str, batch: int) -> Counts:
    """The way back: fills empty originals from their copies."""

    def work(owner: Any, row: Any, pairs: Pairs) -> tuple[set[str], set[str]]:
        originals = set()
        for original, copy in pairs:
            if getattr(row, copy) and not owner.__dict__[original]:
                owner.__dict__[original] = getattr(row, copy)
                originals.add(original)
        return originals, set()

    return _each(mirror, using, batch, work)


Pairs = list[tuple[str, str]]
#: From an owner, its row, and the pairs that open: the names that changed, of originals and of copies.
Work = Callable[[Any, Any, Pairs], tuple[set[str], set[str]]]


def _each(mirror: Mirror, using: str, batch: int, work: Work) -> Counts:
    counts = Counts()
    counts.without = mirror.original_model._base_manager.using(using).count() - _rows(mirror, using).count()
    for rows in _pages(mirror, using, batch):
        for row in rows:
            _one(mirror, using, row, work, counts)
    return counts


def _one(mirror: Mirror, using: str, row: Any, work: Work, counts: Counts) -> None:
    """Counts a row's pairs, and writes what the work changes of them."""
    owner = getattr(row, mirror.relation.name)
    counts.rows += 1
    pairs = [pair for pair in mirror.pairs if counts.opens(owner, row, *pair)]
    for original, copy in pairs:
        counts.note(row.pk, owner.__dict__[original], getattr(row, copy))
    originals, copies = work(owner, row, pairs)
    # update(), not save(): no signals, and these columns only.
    for of, names in ((row, copies), (owner, originals)):
        if names:
            of._meta.base_manager.using(using).filter(pk=of.pk).update(**{n: of.__dict__[n] for n in names})
    counts.changed += len(originals) + len(copies)


def _rows(mirror: Mirror, using: str) -> Any:
    """The rows with copies; one that belongs to nobody has nothing to mirror."""
    return mirror.model._base_manager.using(using).filter(**{f"{mirror.relation.name}__isnull": False})


def _pages(mirror: Mirror, using: str, batch: int) -> Iterator[list[Any]]:
    """The rows with copies, in key order, locked together with their owners where the database can."""
    last: Any = None
    rows = _rows(mirror, using).select_related(mirror.relation.name).order_by("pk")
    while True:
        with transaction.atomic(using):
            page = rows if last is None else rows.filter(pk__gt=last)
            found = list(page.select_for_update()[:batch])
            yield found
        if len(found) < batch:
            return
        last = found[-1].pk

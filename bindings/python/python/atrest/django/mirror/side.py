"""Keeps mirrors in step when either side is saved.

Each side remembers what it was loaded with. On a save, a value that was changed since
goes to the other side; one that was not is first read anew, so that a stale instance
does not write an old value back. A copy that was never filled is filled.

With "empty", the copy is all that there is of a value. So it goes back into the original
when the row with the copies is deleted, or given to another original, unless the original
is deleted in the same go.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet

from atrest.django.mirror.bulk import empty_beside
from atrest.django.mirror.declared import Mirror, row_of
from atrest.django.mirror.remembered import ABSENT, ASKED, BLANKED, LOADED, Undo, note, remembered
from atrest.django.unreadable import Unreadable, raise_for

# Kept in an instance's __dict__: what goes to the other side after the save, and what was
# changed, by mirror; during a save, the mirrors that have a row for the copies, and how to take
# back what is remembered of it, by instance; during a delete, what the copies hold, by mirror.
_PENDING, HELD, SAVED, _LEAVING = "_atrest_pending", "_atrest_held", "_atrest_saved", "_atrest_leaving"

# Kept in the __dict__ of what `delete()` was called on: the originals' rows that go with it.
_GOING = "_atrest_going"


class Side:
    """One side of a mirror: the copies (the profile), or the originals (the user)."""

    def __init__(self, mirror: Mirror, is_copy: bool) -> None:
        self.mirror, self.is_copy = mirror, is_copy
        #: Names here, names on the other side.
        self.names = [(c, o) if is_copy else (o, c) for o, c in mirror.pairs]
        self.key, self._key_of_copies = f"{mirror.key}.{is_copy}", f"{mirror.key}.True"
        #: The originals, where their columns hold blanks only.
        self.empties = mirror.empties and not is_copy
        model = mirror.model if is_copy else mirror.original_model
        #: The model whose own each field is.
        self.owner = {here: model._meta.get_field(here).model for here, _ in self.names}
        #: These, and that of what leads from the copies to the originals: through them, their proxies
        #: and children all this is saved.
        self.owners = tuple(dict.fromkeys((*self.owner.values(), *([mirror.relation.model] * is_copy))))
        #: Those whose rows hold it.
        self.tables = {owner._meta.concrete_model for owner in self.owners}

    def loaded(self, instance: Any, update_fields: Any = None, **_: Any) -> None:
        """Remembers what the instance came with: all of it, or these fields."""
        own = instance.__dict__
        values = {h: own[h] for h, _ in self._among(instance, update_fields)}
        own[LOADED] = {**own.get(LOADED, {}), **values, **self._row_loaded(instance, update_fields)}
        own[BLANKED] = own.get(BLANKED, frozenset()).difference(values)
        own[ASKED] = own.get(ASKED, frozenset()).difference(values)

    def _row_loaded(self, instance: Any, update_fields: Any) -> dict[str, Any]:
        """Which original the instance is, or which one's copies it has, if it came with that."""
        if self.is_copy:
            relation = self.mirror.relation
            came = update_fields is None or not {relation.name, relation.attname}.isdisjoint(update_fields)
            return {self.key: instance.__dict__.get(relation.attname)} if came else {}
        return {self.key: self._key(instance)} if self.empties and update_fields is None else {}

    def _among(self, instance: Any, fields: Any) -> list[tuple[str, str]]:
        """The names of those of these fields that the instance has, and has loaded."""
        here = {h for h in self.owner if isinstance(instance, self.owner[h]) and h in instance.__dict__}
        return [(h, t) for h, t in self.names if h in here and (fields is None or h in fields)]

    def before(self, instance: Any, using: str, raw: bool, update_fields: Any = None) -> None:
        """Before the row is written: takes what is stored by now, notes what to send."""
        if raw:  # fixtures hold both sides already
            return
        if self.is_copy and self.mirror.empties:
            self._follow(instance, using, update_fields)
        own = instance.__dict__
        names = self._among(instance, update_fields)
        if self.empties and names and (self.left(instance) is not None or self._elsewhere(instance, using)):
            # Another row than it was loaded from: takes along what it shows, and nothing of that row's copy.
            own.update({here: getattr(instance, here) for here, _ in names})
            instance._state.fields_cache.pop(self._accessor(), None)
        here, there = self._stored(instance, using, names) if names else ({}, None)
        changed = {h for h, _ in names if self._changed(instance, h)}
        pending: dict[str, Any] = {}
        own.setdefault(_PENDING, {})[self.key] = pending, changed
        held = own.setdefault(HELD, set())
        (held.discard if there is None else held.add)(self.key)
        for mine, theirs in names:
            if self.empties:
                if mine in changed:
                    pending[theirs] = own[mine]
                elif here.get(mine):  # still in clear, and moves to the copy
                    pending[theirs] = here[mine]
                    if there is None:  # the copy is gone, or not there yet
                        own[mine] = here[mine]
                continue
            if mine not in changed and here:
                own[mine] = here[mine]
            if there is None:
                continue
            if self.mirror.empties:
                # What the original still has in clear moves here.
                if mine not in changed and there[theirs]:
                    own[mine] = there[theirs]
                if there[theirs]:
                    pending[theirs] = self.mirror.blank(theirs)
            elif mine in changed:
                pending[theirs] = own[mine]
            elif self.is_copy and there[theirs] and not (here and own[mine]):
                own[mine] = there[theirs]
            elif not self.is_copy and own[mine] and not there[theirs]:
                pending[theirs] = own[mine]
        # What was taken is no change when this save fails and is repeated; what a new row brings is one.
        new = changed if instance._state.adding else ()
        loaded = {name: value for name, value in remembered(instance).items() if name not in new}
        own[LOADED] = {**loaded, **{mine: own[mine] for mine, _ in names if mine not in changed}}

    def after(self, instance: Any, using: str, raw: bool, update_fields: Any = None) -> None:
        """After the row was written: sends what changed. Of a fixture's: empties what is in the copy, too."""
        if raw:
            if self.mirror.empties:
                empty_beside(self.mirror, using, self._copies(instance, using))
            return
        own = instance.__dict__
        pending, changed = own.get(_PENDING, {}).pop(self.key, ({}, set()))
        before = {**own, LOADED: remembered(instance)}
        if pending:
            self._others(instance, using).update(**pending)
            self._refresh_cached(instance, pending)
        if self.empties and self.key in own.get(HELD, ()):
            # As in the column: the next save must not take it for a new value.
            own.update({here: self.mirror.blank(here) for here, _ in self._among(instance, update_fields)})
            own[HELD].discard(self.key)
        self.loaded(instance, update_fields)
        self._saved(instance, before, changed)
        if self.key in own.get(_LEAVING, ()):  # saved by a `pre_delete` of the application's own
            self.leaving(instance, using)

    def _saved(self, instance: Any, before: dict[str, Any], changed: set[str]) -> None:
        """Keeps how to take back what is remembered of the save, of the names where that is another by now."""
        own, saved = instance.__dict__, instance.__dict__.setdefault(SAVED, [])
        held = {name: (before[name], name in before.get(BLANKED, ())) for name in self.owner if name in before}
        for each, undo in saved:
            if each is instance:  # another mirror's side was before, and blanked it
                held |= {name: (value, blanked) for name, (_, value, blanked) in undo.values.items()}
        names = {here for here, _ in self._among(instance, None) if here in before}
        names = {here for here in names if here in changed or own[here] is not before[here]}
        values = {here: (own[here], *held[here]) for here in names}
        if before[LOADED].get(self.key) != own[LOADED].get(self.key):
            names.add(self.key)
        if names:
            saved.append((instance, Undo({here: before[LOADED].get(here, ABSENT) for here in names}, values)))

    def _follow(self, instance: Any, using: str, update_fields: Any) -> None:
        """Moves the copies where they are given to another original. Only then the row is locked."""
        relation = self.mirror.relation
        written = update_fields is None or not {relation.name, relation.attname}.isdisjoint(update_fields)
        if not (written and hasattr(type(instance), relation.attname)):
            return
        now = relation.to_python(getattr(instance, relation.attname))
        there = self._row(instance, using, lock=False)
        if there is not None and there[relation.attname] != now:
            with transaction.atomic(using, savepoint=False):
                self._move(instance, using, now)

    def _move(self, instance: Any, using: str, now: Any) -> None:
        """Gives the former original its values back, and takes the new one's."""
        relation, there = self.mirror.relation, self._row(instance, using)
        if there is None or (former := there.pop(relation.attname)) == now:
            return
        copies: dict[str, Any] = {}
        if former is not None:
            self._give_back(instance, using, former, there)
            copies = {copy: self.mirror.model._meta.get_field(copy).get_default() for copy in there}
        new = self._others(instance, using).values(*(original for _, original in self.names)).first() or {}
        copies |= {copy: new[original] for copy, original in self.names if new.get(original)}
        rows = self._copies(instance, using)
        rows.update(**copies, **{relation.attname: now})
        empty_beside(self.mirror, using, rows)
        own, names = instance.__dict__, [copy for copy, _ in self._among(instance, None)]
        taken = {copy: copies[copy] for copy in names if copy in copies and not self._changed(instance, copy)}
        own.update(taken)
        own[LOADED] = {**remembered(instance), **taken}

    def leaving(self, instance: Any, using: str, origin: Any = None, **_: Any) -> None:
        """Before a row with copies is deleted: notes what it holds."""
        there = self._just_read(instance, origin) or self._row(instance, using)
        instance.__dict__.setdefault(_LEAVING, {})[self.key] = there

    def left_behind(self, instance: Any, using: str, origin: Any = None, **_: Any) -> None:
        """After it was deleted: gives the values back to the original, if that stays."""
        if (there := instance.__dict__.get(_LEAVING, {}).pop(self.key, None)) is not None:
            owner = there.pop(self.mirror.relation.attname)
            with transaction.atomic(using, savepoint=False):
                back = self._give_back(instance, using, owner, there, getattr(origin, _GOING, ()))
            if instance.__dict__.get(self.mirror.relation.attname, owner) == owner:  # as stored
                self._refresh_cached(instance, back)
                note_saved(instance, using)

    def going(self, sender: type[Model], instance: Any, origin: Any = None, **_: Any) -> None:
        """Before an original, or a part of its row, is deleted: notes that it is."""
        if origin is not None:
            origin.__dict__.setdefault(_GOING, set()).add((sender._meta.concrete_model, instance.pk))

    def _just_read(self, instance: Any, origin: Any) -> dict[str, Any] | None:
        """The same as `_row()`, where `delete()` of an original has just read it: nearly always, that goes as well."""
        model, originals = origin.model if isinstance(origin, QuerySet) else type(origin), self.mirror.original_model
        if origin is instance or not (issubclass(model, originals) or issubclass(originals, model)):
            return None
        loaded = remembered(instance)
        if loaded.get(self.key) is None or not loaded.keys() >= self.owner.keys():
            return None
        return {self.mirror.relation.attname: loaded[self.key], **{here: loaded[here] for here in self.owner}}

    def _row(self, instance: Any, using: str, lock: bool = True) -> dict[str, Any] | None:
        """The copies as they are stored, and whose they are; None without a row."""
        if None in row_of(self.mirror.model, instance).values():
            return None
        rows = self._copies(instance, using).values(self.mirror.relation.attname, *(here for here, _ in self.names))
        with transaction.atomic(using, savepoint=False):  # for a lock there must be one
            row: dict[str, Any] | None = (rows.select_for_update() if lock else rows).first()
        return row

    def _give_back(self, instance: Any, using: str, owner: Any, copies: Any, going: Any = ()) -> dict[str, Any]:
        """Fills blank originals from their copies, and returns these; raises DecryptionError if one does not open."""
        mirror = self.mirror
        tables = {o: mirror.original_model._meta.get_field(o).model._meta for _, o in self.names}
        row_is = {(mirror.original_model._meta.concrete_model, owner)}
        if row_is == {(meta.concrete_model, owner) for meta in tables.values()} and row_is.issubset(going):
            if mirror.relation.target_field.primary_key:
                return {}  # nothing to look up
        originals = mirror.original_model._base_manager.using(using)
        originals = originals.filter(**{mirror.relation.target_field.attname: owner})
        row = originals.select_for_update().values(*{*tables, *(meta.pk.name for meta in tables.values())}).first()
        back: dict[str, Any] = {}
        for copy, original in self.names if row else ():
            table = tables[original]
            if row[original] or (table.concrete_model, row[table.pk.name]) in going:
                continue
            if type(copies[copy]) is Unreadable:
                raise_for(
                    copies[copy],
                    instance,
                    f". It is all that there is of {table.label}.{original}, so the row stays as it is: have it open, "
                    f"or write the value anew, and then delete or move the row",
                )
            if copies[copy]:
                back[original] = copies[copy]
        if back:
            originals.update(**back)
        return back

    def _changed(self, instance: Any, name: str) -> bool:
        value = instance.__dict__[name]
        if instance._state.adding:
            return bool(value)
        loaded = remembered(instance)
        if self.empties and not value:
            # An emptied original is blank in memory, too; whether that was assigned is noted.
            return name in instance.__dict__.get(BLANKED, ())
        if name not in loaded:
            return True
        before = loaded[name]
        return value is not before and (type(before) is Unreadable or value != before)

    def copies_beside(self, instance: Any) -> Any:
        """The row with the copies of what the instance was loaded from; None without one."""
        if (key := self.left(instance)) is not None:
            cached = instance._state.fields_cache.get(self._accessor())
            if cached is not None and self._belongs(cached, key):
                return cached  # also when both rows are deleted
            return self.mirror.copies_of(instance, instance._state.db, key).first()
        if instance._state.adding:
            return None
        if (name := self._accessor()) and hasattr(type(instance), name):
            row = getattr(instance, name, None)
            if row is None or self._belongs(row, self._target(instance)):
                return row
        # That one is another's, or it has none, as of a parent of the model that the relation points to.
        return self.mirror.copies_of(instance, instance._state.db).first()

    def _target(self, original: Any) -> Any:
        """What the relation holds of an original."""
        return getattr(original, self.mirror.relation.target_field.attname)

    def _belongs(self, row: Any, owner: Any) -> bool:
        """Whether the row with copies that hangs on an original was read or saved as that one's.

        Django leaves there what was given to another, and hangs what is given there before it is saved.
        """
        return bool(remembered(row).get(self._key_of_copies) == owner)

    def _accessor(self) -> str | None:
        """By which an original has the row with its copies; None if it is hidden, or leads to a parent of that."""
        model, relation = self.mirror.model, self.mirror.relation
        own = relation.model._meta.concrete_model is model._meta.concrete_model
        return relation.remote_field.get_accessor_name() if own and not relation.remote_field.hidden else None

    def _elsewhere(self, instance: Any, using: str) -> bool:
        """Whether it goes to a database that has no such row: one that was read from a replica has."""
        if instance._state.db in (None, using):
            return False
        model = self.mirror.original_model
        return not model._base_manager.using(using).filter(**row_of(model, instance)).exists()

    def _key(self, instance: Any) -> Any:
        """The key of the original's row."""
        return next(iter(row_of(self.mirror.original_model, instance).values()))

    def left(self, instance: Any) -> Any:
        """The key that it was loaded with, if it has another by now, as Django copies a row; else None."""
        key = remembered(instance).get(self.key)
        return None if key is None or key == self._key(instance) else key

    def _copies(self, instance: Any, using: str) -> Any:
        """The rows with copies that the instance is, or is mirrored by."""
        mirror = self.mirror
        if not self.is_copy:
            return mirror.copies_of(instance, using)
        return mirror.model._base_manager.using(using).filter(**row_of(mirror.model, instance))

    def _others(self, instance: Any, using: str) -> Any:
        mirror = self.mirror
        if not self.is_copy:
            return mirror.copies_of(instance, using)
        originals = mirror.original_model._base_manager.using(using)
        relation = mirror.relation
        if hasattr(type(instance), relation.attname):
            owner = getattr(instance, relation.attname)
            return originals.filter(**{relation.target_field.attname: owner})
        # The relation is in the table of a child of what was saved.
        ((name, key),) = row_of(mirror.model, instance).items()
        return originals.filter(**{f"{relation.related_query_name()}__{name}": key})

    def _stored(self, instance: Any, using: str, names: list[tuple[str, str]]) -> tuple[dict[str, Any], Any]:
        """What this row holds by now ({} for a new one), and the other side's (None without a row there)."""
        mirror, relation = self.mirror, self.mirror.relation
        model = mirror.model if self.is_copy else mirror.original_model
        row_is = row_of(model, instance)
        if instance._state.adding or None in row_is.values():
            if None in row_is.values() and not (self.is_copy and hasattr(type(instance), relation.attname)):
                return {}, None
            return {}, self._others(instance, using).values(*(t for _, t in names)).first()
        rows = model._base_manager.using(using).filter(**row_is)
        if not self.is_copy and self._accessor() is None:
            there = self._others(instance, using).values(*(t for _, t in names)).first()
            return rows.values(*(h for h, _ in names)).first() or {}, there
        path = relation.name if self.is_copy else relation.related_query_name()
        wanted = [*(h for h, _ in names), f"{path}__pk", *(f"{path}__{t}" for _, t in names)]
        row = rows.values(*wanted).first()
        if row is None:
            return {}, self._others(instance, using).values(*(t for _, t in names)).first()
        there = {t: row[f"{path}__{t}"] for _, t in names} if row[f"{path}__pk"] is not None else None
        return {h: row[h] for h, _ in names}, there

    def _refresh_cached(self, instance: Any, pending: dict[str, Any]) -> None:
        """An instance of the other side that hangs on this one shows the same."""
        relation = self.mirror.relation
        name = relation.name if self.is_copy else self._accessor()
        cached = instance._state.fields_cache.get(name)
        if cached is not None and (self.is_copy or self._belongs(cached, self._target(instance))):
            own, loaded = cached.__dict__, remembered(cached)
            values = {name: (value, own[name], False) for name, value in pending.items() if name in own}
            undo = Undo({name: loaded.get(name, ABSENT) for name in pending}, values)
            instance.__dict__.setdefault(SAVED, []).append((cached, undo))
            own.update(pending)
            own[LOADED] = {**loaded, **pending}
            if leaving := cached.__dict__.get(_LEAVING, {}).get(self._key_of_copies):
                leaving.update(pending)


def note_saved(instance: Any, using: str) -> None:
    for each, undo in instance.__dict__.pop(SAVED, ()):
        note(each, using, undo)

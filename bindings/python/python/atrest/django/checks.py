"""System checks: what `manage.py check` says about fields, keys and columns.

| id | what |
|---|---|
| E001 | an encrypted field is a primary key, unique, or in a unique constraint |
| E002 | it has an index of its own, or is in one |
| E003 | it has a db_default, which the database would store in clear |
| E004 | it is ordered by, searched or filtered by in the admin |
| E010 | the keys are missing, malformed, or readable by others |
| E011 | none of a column's values opens with these keys (with --database) |
| E012 | the policy binds or names a column otherwise than the model |
| W010 | what deserves a word about the keys |
| W011 | a column is no text column yet, or too narrow: migrate (with --database) |
| W012 | clear values are still read (allow_plaintext) |
| W013 | the policy lists a column that no model encrypts, or lacks one |
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections, models

import atrest
from atrest.django import conf, policy, toml
from atrest.django.columns import all_fields, encrypted_fields
from atrest.django.keys import in_force
from atrest.django.probe import narrow, wrong_keys

KEYED_HASH = "Keep a keyed hash of the value in a column of its own, and make that unique or indexed."


def register() -> None:
    """Called when the app is ready."""
    checks.register(check_models, checks.Tags.models)
    checks.register(check_keys, checks.Tags.security)
    checks.register(check_policy, checks.Tags.security)
    checks.register(check_admin, checks.Tags.admin)
    checks.register(check_columns, checks.Tags.database)


def check_field(field: Any) -> list[checks.CheckMessage]:
    """One field's own arguments."""
    found: list[checks.CheckMessage] = []
    if field.primary_key or field.unique:
        what = "a primary key" if field.primary_key else "unique"
        found.append(
            checks.Error(
                f"An encrypted field cannot be {what}: equal values have different ciphertexts.",
                hint=KEYED_HASH,
                obj=field,
                id="atrest.E001",
            )
        )
    elif field.db_index:
        found.append(
            checks.Error(
                "An index on an encrypted field finds nothing.",
                hint=f"Remove db_index. {KEYED_HASH}",
                obj=field,
                id="atrest.E002",
            )
        )
    if getattr(field, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED:
        found.append(
            checks.Error(
                "The database would store db_default in clear: it has no key.",
                hint="Use default.",
                obj=field,
                id="atrest.E003",
            )
        )
    return found


def _chosen(app_configs: Iterable[Any] | None) -> Iterable[type[models.Model]]:
    wanted = None if app_configs is None else {config.label for config in app_configs}
    return [m for m in apps.get_models() if wanted is None or m._meta.app_label in wanted]


def check_models(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """Indexes, constraints and orderings that name an encrypted field."""
    found: list[checks.CheckMessage] = []
    for model in _chosen(app_configs):
        names = {f.name for f in model._meta.get_fields() if f in encrypted_fields(model)}
        if not names:
            continue
        meta = model._meta
        unique = [(set(group), "unique_together") for group in meta.unique_together]
        unique += [
            (set(c.fields), c.name) for c in meta.constraints if isinstance(c, models.UniqueConstraint) and c.fields
        ]
        indexes = [(set(i.fields_orders and [f for f, _ in i.fields_orders]), i.name) for i in meta.indexes if i.fields]
        for groups, id, what in (
            (unique, "atrest.E001", "would never be violated"),
            (indexes, "atrest.E002", "finds nothing"),
        ):
            for group, name in groups:
                for hit in sorted(group & names):
                    found.append(
                        checks.Error(
                            f"{name} covers the encrypted field {hit!r}, and {what}.", hint=KEYED_HASH, obj=model, id=id
                        )
                    )
        for name in meta.ordering or ():
            if isinstance(name, str) and name.lstrip("-+") in names:
                found.append(_unordered(model, "Meta.ordering", name))
    return found


def _unordered(obj: Any, where: str, name: str) -> checks.CheckMessage:
    return checks.Error(
        f"{where} names the encrypted field {name.lstrip('-+')!r}: the database sees ciphertexts only.",
        hint="Use a field that is not encrypted, or sort and filter in Python.",
        obj=obj,
        id="atrest.E004",
    )


def check_admin(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """Searches, filters and orderings of the admin that would raise, or sort ciphertexts."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.sites import all_sites

    found = []
    for site in all_sites:
        for model, admin in site._registry.items():
            names = {f.name for f in encrypted_fields(model)}
            for option in ("search_fields", "list_filter", "ordering"):
                for entry in getattr(admin, option, None) or ():
                    if isinstance(entry, str) and entry.lstrip("-^=@").split("__")[0] in names:
                        found.append(_unordered(type(admin), option, entry.lstrip("^=@")))
    return found


def check_keys(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """That the keys can be read; and fields that still read clear values."""
    fields = list(all_fields())
    if not fields:
        return []
    try:
        warnings = in_force.warnings()
    except (atrest.AtrestError, ImproperlyConfigured) as error:
        return [
            checks.Error(f"The encryption keys cannot be used: {error}", hint="See docs/keys.md.", id="atrest.E010")
        ]
    found: list[checks.CheckMessage] = [checks.Warning(str(text), id="atrest.W010") for text in warnings]
    if mixed := [str(field) for field in fields if field.reads_plaintext]:
        found.append(
            checks.Warning(
                f"Clear values are still read in {', '.join(mixed)}: whoever can write to the table can put any value there.",
                hint="When `manage.py verify_fields` is clean, remove allow_plaintext.",
                id="atrest.W012",
            )
        )
    return found


def check_policy(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """That an atrest.toml and the models say the same of each column."""
    try:
        path = conf.policy_path()
        listed = toml.read(path).get("column", []) if path else []
    except ImproperlyConfigured:
        return []  # E010 says it
    if not listed:
        return []
    found: list[checks.CheckMessage] = []
    models_say = {(c["table"], c["name"]): (f, c) for f in all_fields() for c in [policy.column(f)]}
    for entry in listed:
        place = (entry.get("table"), entry.get("name"))
        if place not in models_say:
            found.append(
                checks.Warning(
                    f"{path.name} lists {'.'.join(map(str, place))}, which no model encrypts.",
                    hint="Declare the field encrypted, or take the column out of the policy.",
                    id="atrest.W013",
                )
            )
            continue
        field, ours = models_say.pop(place)
        theirs = {"suite": "xaes-256-gcm", "context": ".".join(place), **entry}
        differ = [f"{n} {theirs[n]!r}, the model {ours[n]!r}" for n in ("suite", "context") if theirs[n] != ours[n]]
        if theirs.get("bind", "column") != "column" or "subject" in theirs:
            differ.append("a binding to rows or subjects, which fields of models cannot have")
        if differ:
            found.append(
                checks.Error(
                    f"{path.name} and the model disagree: the policy has {'; '.join(differ)}.",
                    hint="Values open only under what they were made with; give the field context= and suite=.",
                    obj=field,
                    id="atrest.E012",
                )
            )
    for field, _ours in models_say.values():
        found.append(
            checks.Warning(
                f"{path.name} does not list this column.", hint="Add a [[column]] for it.", obj=field, id="atrest.W013"
            )
        )
    return found


def check_columns(app_configs: Any, databases: Iterable[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """The columns as they are in the databases. Runs with `check --database` and `migrate`."""
    found: list[checks.CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        for field in all_fields(alias):
            try:
                if (why := narrow(connection, field)) is not None:
                    found.append(
                        checks.Warning(
                            f"The column in database {alias!r} {why}.",
                            hint="Run `manage.py makemigrations` and `migrate`.",
                            obj=field,
                            id="atrest.W011",
                        )
                    )
                elif wrong_keys(connection, field):
                    found.append(
                        checks.Error(
                            f"None of the values looked at in database {alias!r} opens with the keys in force "
                            f"({', '.join(in_force.keyring().ids)}).",
                            hint="These are not the keys that the data was encrypted with. Serve nothing before they are.",
                            obj=field,
                            id="atrest.E011",
                        )
                    )
            except (DatabaseError, atrest.KeySourceError, ImproperlyConfigured):
                continue  # no table yet, or E010 says it
    return found

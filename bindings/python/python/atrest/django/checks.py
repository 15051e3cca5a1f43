"""System checks: what `manage.py check` says about fields, keys and columns.

| id | what |
|---|---|
| E001 | an encrypted field is a primary key, unique, or in a unique constraint |
| E002 | it has an index of its own, or is in one |
| E003 | it has a db_default, which the database would store in clear |
| E004 | it is ordered by, or searched or filtered by in the admin |
| E005 | a constraint's or index's condition compares it |
| E006 | unique_for_date, _month or _year compares it |
| E007 | a generated field is computed of it |
| E008 | the database deletes rows that hold the only copy of a mirrored value, and tells nobody |
| E010 | the keys are missing, malformed, or readable by others |
| E011 | none of a column's values opens with these keys (with --database) |
| E012 | the policy binds or names a column otherwise than the model |
| E013 | ATREST["SUITE"] is no suite |
| E014 | a database cannot be asked what its columns hold (with --database) |
| W010 | what deserves a word about the keys |
| W011 | a column is no text column yet, or too narrow: migrate (with --database) |
| W012 | clear values are still read (allow_plaintext) |
| W013 | the policy lists a column that no model encrypts, or lacks one |
| W014 | the admin's list can be sorted by it |
| W015 | values look encrypted, and do not open, among clear ones that are still read (with --database) |
| W016 | log-in or the reset of passwords looks users up by it |

Those about models are made in `model_checks.py`, those about the admin in `admin_checks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections

import atrest
from atrest.django import conf, policy, toml
from atrest.django.admin_checks import check_admin
from atrest.django.columns import all_fields
from atrest.django.keys import in_force
from atrest.django.model_checks import check_models
from atrest.django.probe import Doubt, cannot_be_asked, doubt, lookalikes, narrow
from atrest.django.words import in_django


def register() -> None:
    """Called when the app is ready."""
    checks.register(check_models, checks.Tags.models)
    checks.register(check_keys, checks.Tags.security)
    checks.register(check_policy, checks.Tags.security)
    checks.register(check_admin, checks.Tags.admin)
    checks.register(check_columns, checks.Tags.database)


def check_keys(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """That the keys can be read and the suite is one; and fields that still read clear values."""
    fields = list(all_fields())
    if not fields:
        return []
    try:
        warnings = in_force.warnings()
    except (atrest.AtrestError, ImproperlyConfigured) as error:
        return [
            checks.Error(
                f"The encryption keys cannot be used: {in_django(str(error))}",
                hint="See docs/keys.md.",
                id="atrest.E010",
            )
        ]
    found: list[checks.CheckMessage] = [checks.Warning(in_django(str(text)), id="atrest.W010") for text in warnings]
    try:
        conf.suite()
    except ImproperlyConfigured as error:
        found.append(checks.Error(f"Nothing can be encrypted: {error}.", hint="See docs/policy.md.", id="atrest.E013"))
    if mixed := [str(field) for field in fields if field.reads_plaintext]:
        found.append(
            checks.Warning(
                f"Clear values are still read in {', '.join(mixed)}: whoever can write to the table can put any value there.",
                hint="When `manage.py verify_fields` is clean, remove allow_plaintext, and run `makemigrations` and `migrate`.",
                id="atrest.W012",
            )
        )
    return found


def check_policy(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """That an atrest.toml and the models say the same of each column."""
    try:
        path = conf.policy_path()
        listed = toml.read(path).get("column", []) if path else []
        models_say = {(c["table"], c["name"]): (f, c) for f in all_fields() for c in [policy.column(f)]}
    except ImproperlyConfigured:
        return []  # E010 or E013 says it
    if not listed:
        return []
    found: list[checks.CheckMessage] = []
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
        theirs = {"suite": "xaes-256-gcm", "context": policy.column_id(field), **entry}
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
    return [message for alias in databases or () for message in _check_database(alias)]


def _check_database(alias: str) -> Iterator[checks.CheckMessage]:
    fields = list(all_fields(alias))
    try:
        if fields:
            connections[alias].ensure_connection()
    except (Error, ImproperlyConfigured) as error:
        yield _unanswered(alias, error)
        return
    for field in fields:
        try:
            yield from _check_column(alias, field)
        except Error as error:
            yield _unanswered(alias, error, field)
        except (atrest.AtrestError, ImproperlyConfigured):
            continue  # E010 or E013 says it


def _check_column(alias: str, field: Any) -> Iterator[checks.CheckMessage]:
    if (why := narrow(connections[alias], field)) is not None:
        yield checks.Warning(
            f"The column in database {alias!r} {why}.",
            hint="Run `manage.py makemigrations` and `migrate`.",
            obj=field,
            id="atrest.W011",
        )
        return
    doubted = doubt(connections[alias], field)
    if doubted is Doubt.LOOKALIKES:
        text, hint = lookalikes(alias)
        yield checks.Warning(text, hint=hint, obj=field, id="atrest.W015")
    elif doubted:
        yield checks.Error(
            f"None of the values looked at in database {alias!r} opens with the keys in force "
            f"({', '.join(in_force.keyring().ids)}).",
            hint="These are not the keys that the data was encrypted with. Serve nothing before they are.",
            obj=field,
            id="atrest.E011",
        )


def _unanswered(alias: str, error: Exception, field: Any = None) -> checks.CheckMessage:
    return checks.Error(
        f"The {cannot_be_asked(alias, error)}",
        hint="Have it answer, and its account read the tables of encrypted fields; then check again. "
        "Serve nothing before.",
        obj=field,
        id="atrest.E014",
    )

"""The policy that the engine gets: the project's keys, one database, its encrypted columns.

Nothing of it is written to a file. The database's URL and keys that stand in settings
travel beside it, as variables.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

import atrest
from atrest.django import conf, toml
from atrest.django.database_url import database_url

_URL = "ATREST_DJANGO_DATABASE_URL"
#: Each part of a `db_table` that is quoted already, as `"schema"."table"`.
_IN_QUOTES = re.compile(r'"((?:[^"]|"")+)"')


@dataclass(frozen=True)
class Policy:
    """A policy's text, and what it may read."""

    text: str
    environment: Mapping[str, str] = field(repr=False)
    directory: Path


def compose(connection: Any, fields: list[Any], *, keys: conf.KeyConfig | None = None) -> Policy:
    """The policy of these fields in this database, with the project's keys or others."""
    keys = keys or conf.key_config()
    parts = [
        toml.table("[keys]", keys.table),
        toml.table("[database]", {"url": f"${{{_URL}}}"}),
        *(toml.table("[[column]]", column(f)) for f in fields),
    ]
    environment = ChainMap({_URL: database_url(connection)}, keys.environment)  # type: ignore[arg-type]
    return Policy("\n".join(parts), environment, keys.directory)


def keys_alone(config: conf.KeyConfig) -> Policy:
    """The policy of the project's keys, with the database that a keyring is in."""
    parts, environment = [toml.table("[keys]", config.table)], config.environment
    if config.table.get("keyring") == "database":
        database = config.database
        if not database:
            database = {"url": f"${{{_URL}}}"}
            url = database_url(connections[DEFAULT_DB_ALIAS])
            environment = ChainMap({_URL: url}, environment)  # type: ignore[arg-type]
        parts.append(toml.table("[database]", database))
    return Policy("\n".join(parts), environment, config.directory)


def column(field: Any) -> dict[str, str]:
    """A field as an entry of `[[column]]`."""
    return {
        "table": table(field.model),
        "name": field.column,
        "suite": field.column_suite,
        "context": field.column_context,
    }


def table(model: Any) -> str:
    """The model's table in a policy's spelling: `db_table`, quoted where a dot is in its name."""
    name = model._meta.db_table
    return name if name.startswith('"') else _quoted(name)


def column_id(field: Any) -> str:
    """The field's column as `only` and the engine's reports name it: with quotes where they are needed only."""
    written = table(field.model)
    parts = [part.replace('""', '"') for part in _IN_QUOTES.findall(written)] or [written]
    return ".".join(_quoted(part) for part in (*parts, field.column))


def _quoted(name: str) -> str:
    """A part of an id, quoted where a dot is in it, so that no two columns share one."""
    return '"' + name.replace('"', '""') + '"' if "." in name or '"' in name else name


def with_keys(config: conf.KeyConfig, new: str | None, old: list[str]) -> conf.KeyConfig:
    """The configuration with `new` encrypting (None: as today), and `old` and today's keys decrypting.

    Each is a key or a source. Keys become variables, so that none is in the policy's
    text. One that is given twice counts once. Raises KeySourceError for one that cannot
    be used, ImproperlyConfigured if the project's keys are a keyring.
    """
    if "primary" not in config.table:
        raise ImproperlyConfigured(
            "the project's keys are a keyring: make its new key with `atrest key rotate` (a program of its own, "
            "docs/python.md), then run this without --new-key and --old-key"
        )
    given: dict[str, str] = {}
    environment = ChainMap(given, config.environment)  # type: ignore[arg-type]
    today = [config.table["primary"], *config.table.get("previous", [])]
    asked = [] if new is None else [new]
    ordered = [*asked, *today, *old] if new is None else [*asked, *old, *today]
    sources: list[str] = []
    seen: set[str] = set()
    for number, key in enumerate(ordered, 1):
        source = key
        if not conf.is_source(key):
            source = f"env:GIVEN_KEY_{number}"
            given[source.removeprefix("env:")] = key
        keyring = atrest.Keyring.from_source(
            source,
            environment=environment,
            directory=config.directory,
            allow_readable_files=config.table.get("allow_readable_files", False),
        )
        if not seen.issuperset(keyring.ids):
            sources.append(source)
            seen.update(keyring.ids)
    table = {**config.table, "primary": sources[0], "previous": sources[1:]}
    return replace(config, table=table, environment=environment)

"""The policy that the engine gets: the project's keys, one database, its encrypted columns.

Nothing of it is written to a file. The database's URL and keys that stand in settings
travel beside it, as variables.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from atrest.django import conf, toml
from atrest.django.database_url import database_url

_URL = "ATREST_DJANGO_DATABASE_URL"


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
    if name.startswith('"') or not ("." in name or '"' in name):
        return name
    return '"' + name.replace('"', '""') + '"'


def column_id(field: Any) -> str:
    """The field's column as `only` and the engine's reports name it."""
    return f"{table(field.model)}.{field.column}"


def with_keys(config: conf.KeyConfig, new: list[str], old: list[str]) -> conf.KeyConfig:
    """The configuration with `new` encrypting, and `old` and today's keys decrypting.

    Each is a key or a source. Keys become variables, so that none is in the policy's text.
    """
    given: dict[str, str] = {}

    def source(name: str, key: str) -> str:
        if conf.is_source(key):
            return key
        given[name] = key
        return f"env:{name}"

    first = [source(f"NEW_KEY_{n}", key) for n, key in enumerate(new, 1)]
    rest = [source(f"OLD_KEY_{n}", key) for n, key in enumerate(old, 1)]
    rest_of_table = {k: v for k, v in config.table.items() if k not in ("primary", "previous", "keyring", "root")}
    today = [config.table[k] for k in ("primary",) if k in config.table] + list(config.table.get("previous", []))
    table = {**rest_of_table, "primary": first[0], "previous": [*first[1:], *rest, *today]}
    return replace(config, table=table, environment=ChainMap(given, config.environment))  # type: ignore[arg-type]

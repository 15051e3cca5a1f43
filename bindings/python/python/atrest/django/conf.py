"""What the project's settings say about encryption.

The keys come from one of these, the first that is there:

1. `ATREST["KEYS"]`: a key, a key source (`"file:..."`), or a list of them. The first
   encrypts, all decrypt.
2. `ATREST["POLICY"]`: the path of an `atrest.toml`, whose `[keys]` are used; where they
   are a keyring in the database, that of its `[database]`, else the default of DATABASES.
3. A setting of an older library, a key or a list: FIELD_ENCRYPTION_KEY,
   MESSAGE_ENCRYPTION_KEY or BIOMETRIC_ENCRYPTION_KEY; with `_BACKUP` appended, keys that
   only decrypt.
4. `atrest.toml` in BASE_DIR.
"""

from __future__ import annotations

import os
import re
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from atrest.django import toml

#: Every name that ATREST may hold, with its default.
DEFAULTS: dict[str, Any] = {
    "KEYS": None,
    "POLICY": None,
    "SUITE": "xaes-256-gcm",
    "ALLOW_PLAINTEXT": False,
    "BACKUPS": None,
    "DATABASE_URLS": {},
    "RELOAD_SECONDS": 5,
}
#: Settings of the libraries that people come from.
OLD_NAMES = ("FIELD_ENCRYPTION_KEY", "MESSAGE_ENCRYPTION_KEY", "BIOMETRIC_ENCRYPTION_KEY")
#: Of these names in ATREST, what they are to be, and what says so.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    # "False", from a variable, would be true.
    "ALLOW_PLAINTEXT": (lambda value: isinstance(value, bool), "True or False"),
    "POLICY": (lambda value: isinstance(value, (str, os.PathLike)), 'a path, such as "atrest.toml"'),
    "BACKUPS": (lambda value: isinstance(value, (str, os.PathLike)), 'a folder, such as "/var/backups/app"'),
    "DATABASE_URLS": (
        lambda value: isinstance(value, Mapping) and all(isinstance(url, (str, type(None))) for url in value.values()),
        'a dict from alias to URL, such as {"default": "postgres://..."}',
    ),
    "RELOAD_SECONDS": (
        lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0,
        "a number of seconds from 0 on, such as 5",
    ),
}
SUITES = ("xaes-256-gcm", "a256cbc-hs512", "fernet")

# A source has a scheme; no spelling of a key has a colon.
_SOURCE = re.compile(r"[a-z][a-z0-9-]*:")


@dataclass(frozen=True)
class KeyConfig:
    """The `[keys]` of a policy, and what its sources may read. Shows no secret.

    `database` is the policy's own `[database]`, where it has one.
    """

    table: dict[str, Any]
    environment: Mapping[str, str] = field(repr=False)
    directory: Path
    origin: str
    database: dict[str, Any] = field(default_factory=dict, repr=False)


def is_source(text: str) -> bool:
    """Whether the text names a key source (`file:...`) and is no key itself."""
    return _SOURCE.match(text) is not None


def get(name: str) -> Any:
    """One setting of ATREST, or its default.

    Raises ImproperlyConfigured for a name in ATREST that is not known, for a value of another kind than KINDS says,
    and where ATREST is no dict.
    """
    given = getattr(settings, "ATREST", None)
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(
            f"settings.ATREST is a {type(given).__name__}; write a dict, such as "
            f'ATREST = {{"KEYS": "env:FIELD_ENCRYPTION_KEY"}}'
        )
    for unknown in given.keys() - DEFAULTS.keys():
        near = get_close_matches(unknown, DEFAULTS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(DEFAULTS)}"
        raise ImproperlyConfigured(f"settings.ATREST has the unknown name {unknown!r}{hint}")
    for known, (fits, wanted) in KINDS.items():
        value = given.get(known, DEFAULTS[known])
        if value is not DEFAULTS[known] and not fits(value):
            # Not the value itself: a URL has a password.
            raise ImproperlyConfigured(f'settings.ATREST["{known}"] is a {type(value).__name__}; write {wanted}')
    return given.get(name, DEFAULTS[name])


def suite() -> str:
    """The suite of fields that name none. Raises ImproperlyConfigured for one that is not known."""
    name = get("SUITE")
    if name not in SUITES:
        raise ImproperlyConfigured(
            f'settings.ATREST["SUITE"] is {name!r}, which is no suite; write one of {", ".join(map(repr, SUITES))}, '
            f"or leave it out for {DEFAULTS['SUITE']!r}"
        )
    return name


def base_dir() -> Path:
    """The folder from which relative paths start."""
    return Path(getattr(settings, "BASE_DIR", None) or Path.cwd())


def policy_path() -> Path | None:
    """The project's atrest.toml, or None when the keys are in settings."""
    named = get("POLICY")
    if get("KEYS") is not None:
        if named is not None:
            raise ImproperlyConfigured("settings.ATREST names both KEYS and POLICY; keep the one that has your keys")
        return None
    if named is not None:
        return base_dir() / named
    if any(getattr(settings, name, None) for name in OLD_NAMES):
        return None
    found = base_dir() / "atrest.toml"
    return found if found.exists() else None


def key_config() -> KeyConfig:
    """Where the keys come from. Nothing is read from a source yet.

    Raises ImproperlyConfigured when settings name none.
    """
    path = policy_path()
    if path is not None:
        policy = toml.read(path)
        return KeyConfig(policy.get("keys", {}), os.environ, path.parent, str(path), policy.get("database", {}))
    if (keys := get("KEYS")) is not None:
        return _from_values('settings.ATREST["KEYS"]', keys)
    for name in OLD_NAMES:
        if value := getattr(settings, name, None):
            backup = getattr(settings, f"{name}_BACKUP", None) or ()
            return _from_values(f"settings.{name}", value, backup)
    raise ImproperlyConfigured(
        "no encryption key is configured. Make one with `manage.py generate_encryption_key`, keep a "
        'copy where the database is not, and set ATREST = {"KEYS": "env:FIELD_ENCRYPTION_KEY"} '
        'in settings with the key in that variable (or "file:/path", or any other key source)'
    )


def _listed(value: Any) -> list[str]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if not items:
        raise ImproperlyConfigured("the list of encryption keys in settings is empty; name one key at least")
    for item in items:
        if not isinstance(item, (str, bytes)):
            raise ImproperlyConfigured(
                f"an encryption key in settings is a {type(item).__name__}; write str or bytes, or a list of them"
            )
    return [item.decode("ascii", "replace") if isinstance(item, bytes) else item for item in items]


def _from_values(origin: str, value: Any, backup: Any = ()) -> KeyConfig:
    """Keys as they stand in settings reach the native module as variables, which its messages name: by their place."""
    given: dict[str, str] = {}
    sources: list[str] = []
    for place, keys in ((origin, value), (f"{origin}_BACKUP", backup)):
        if place != origin and not keys:
            continue
        for number, item in enumerate(_listed(keys)):
            if is_source(item):
                sources.append(item)
                continue
            variable = f"{place}[{number}]" if isinstance(keys, (list, tuple)) else place
            given[variable] = item
            sources.append(f"env:{variable}")
    table = {"primary": sources[0], "previous": sources[1:]}
    return KeyConfig(table, ChainMap(given, os.environ), base_dir(), origin)  # type: ignore[arg-type]

"""Reading a policy, and writing the few kinds of value that one has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def read(path: Path) -> dict[str, Any]:
    """The file as a dict. Raises ImproperlyConfigured; checking its names is the engine's."""
    tomllib = _tomllib(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImproperlyConfigured(f"the policy {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"the policy {path} is no TOML: {error}") from error


def _tomllib(path: Path) -> Any:
    """What reads TOML: imported here, as keys in settings need none."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        try:
            import tomli as tomllib  # type: ignore[no-redef]
        except ModuleNotFoundError as error:
            raise ImproperlyConfigured(
                f"the policy {path} cannot be read: Python 3.10 has no TOML of its own; pip install tomli"
            ) from error
    return tomllib


def value(of: Any) -> str:
    """A bool, number, string or list of them as TOML."""
    if isinstance(of, list):
        return "[" + ", ".join(map(value, of)) + "]"
    # JSON's strings are TOML's but for DEL, which TOML wants escaped.
    return json.dumps(of, ensure_ascii=False).replace("\x7f", "\\u007f")


def table(head: str, entries: Mapping[str, Any]) -> str:
    """A table with its head, `[keys]` or `[[column]]`."""
    return "\n".join([head, *(f"{name} = {value(of)}" for name, of in entries.items()), ""])

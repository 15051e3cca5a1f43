"""From an entry of DATABASES to the URL that the engine connects with.

The engine has connections of its own: it works outside of Django's transactions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.core.exceptions import ImproperlyConfigured

from atrest.django import conf

#: Options of libpq that the engine's driver knows too, by its name for them.
_POSTGRES = {
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "options": "options",
    "application_name": "application_name",
}


def database_url(connection: Any) -> str:
    """The URL of a Django connection. It may hold a password: never show it.

    Raises ImproperlyConfigured for a database that the engine does not know, and for one
    in memory, where nothing is at rest. `ATREST["DATABASE_URLS"][alias]` overrules it.
    """
    alias = connection.alias
    if given := conf.get("DATABASE_URLS").get(alias):
        return given
    settings = connection.settings_dict
    make = {"postgresql": _postgres, "mysql": _mysql, "sqlite": _sqlite}.get(connection.vendor)
    if make is None:
        raise ImproperlyConfigured(
            f"database {alias!r} is {connection.display_name}, which atrest does not know; "
            f"it works on PostgreSQL, MariaDB, MySQL and SQLite"
        )
    return make(alias, settings, settings.get("OPTIONS", {}))


def _authority(settings: dict[str, Any], host: str) -> str:
    user = quote(str(settings.get("USER") or ""), safe="")
    password = settings.get("PASSWORD")
    secret = f":{quote(str(password), safe='')}" if password else ""
    at = "@" if user or secret else ""
    port = f":{settings['PORT']}" if settings.get("PORT") else ""
    return f"{user}{secret}{at}{f'[{host}]' if ':' in host else host}{port}"


def _url(scheme: str, authority: str, name: str, options: dict[str, str]) -> str:
    query = f"?{urlencode(options, quote_via=quote)}" if options else ""
    return f"{scheme}://{authority}/{quote(name, safe='')}{query}"


def _unsupported(alias: str, option: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"DATABASES[{alias!r}] uses the option {option!r}, which the engine cannot follow; give it a "
        f'URL of its own: ATREST = {{"DATABASE_URLS": {{{alias!r}: "..."}}}} (docs/policy.md)'
    )


def _postgres(alias: str, settings: dict[str, Any], given: dict[str, Any]) -> str:
    for option in ("service", "passfile"):
        if option in given:
            raise _unsupported(alias, option)
    options = {_POSTGRES[name]: str(value) for name, value in given.items() if name in _POSTGRES}
    host = str(settings.get("HOST") or "")
    if not host or host.startswith("/"):
        options["host"] = host or "/var/run/postgresql"
        host = "localhost"
    return _url("postgres", _authority(settings, host), str(settings["NAME"]), options)


def _mysql(alias: str, settings: dict[str, Any], given: dict[str, Any]) -> str:
    for option in ("read_default_file", "read_default_group"):
        if option in given:
            raise _unsupported(alias, option)
    options = {}
    ssl = given.get("ssl") or {}
    if ssl or given.get("ssl_mode"):
        options["ssl-mode"] = str(given.get("ssl_mode") or ("VERIFY_CA" if ssl.get("ca") else "REQUIRED"))
        options |= {f"ssl-{part}": str(ssl[part]) for part in ("ca", "cert", "key") if ssl.get(part)}
    host = str(settings.get("HOST") or "")
    socket = given.get("unix_socket") or (host if host.startswith("/") else None)
    if socket:
        options["socket"] = str(socket)
        host = "localhost"
    return _url("mysql", _authority(settings, host or "localhost"), str(settings["NAME"]), options)


def _sqlite(alias: str, settings: dict[str, Any], given: dict[str, Any]) -> str:
    name = str(settings["NAME"])
    if name == ":memory:" or "mode=memory" in name:
        raise ImproperlyConfigured(f"database {alias!r} is in memory, where nothing is at rest")
    path = name.removeprefix("file:").partition("?")[0] if name.startswith("file:") else name
    return "sqlite://" + quote(str(Path(path).resolve()))

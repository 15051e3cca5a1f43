"""From an entry of DATABASES to the URL that the engine connects with.

The engine has connections of its own: it works outside of Django's transactions. They lead
where Django's lead, as whom Django connects: what it gives its driver is followed here, or
refused.
"""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from atrest.django import conf

#: Options of libpq that the engine's driver knows too, by the same names.
_POSTGRES = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options", "application_name")

#: Options that lead elsewhere, or make somebody else of the account, and the values that do not.
_POSTGRES_ELSEWHERE = {
    "service": "",
    "passfile": "",
    "hostaddr": "",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
    "conninfo": "",
    "dsn": "",
}
#: The same from the environment.
_LIBPQ_ELSEWHERE = {
    "PGSERVICE": "",
    "PGHOSTADDR": "",
    "PGTARGETSESSIONATTRS": "any",
    "PGLOADBALANCEHOSTS": "disable",
}
_MYSQL_ELSEWHERE = ("read_default_file", "read_default_group", "option_files", "bind_address")


#: The databases by their aliases when Django started: tests put others in their place.
_names: dict[str, str] = {}


def remember() -> None:
    """Called when the app is ready."""
    _names.update({alias: str(settings["NAME"]) for alias, settings in connections.settings.items()})


def database_url(connection: Any) -> str:
    """The URL of a Django connection. It may hold a password: never show it.

    Raises ImproperlyConfigured for a database that the engine does not know, for one in
    memory, where nothing is at rest, and for settings that it cannot follow.
    `ATREST["DATABASE_URLS"][alias]` overrules it.
    """
    alias = connection.alias
    if given := conf.get("DATABASE_URLS").get(alias):
        now = str(connection.settings_dict["NAME"])
        if now != _names.get(alias, now):
            raise ImproperlyConfigured(
                f'database {alias!r} is {now!r} by now, as in tests, and ATREST["DATABASE_URLS"] leads to another one: '
                f"give none in the settings of tests, or that of {now!r}"
            )
        return given
    make = {"postgresql": _postgres, "mysql": _mysql, "sqlite": _sqlite}.get(connection.vendor)
    if make is None:
        raise ImproperlyConfigured(
            f"database {alias!r} is {connection.display_name}, which atrest does not know; "
            f"it works on PostgreSQL, MariaDB, MySQL and SQLite"
        )
    return make(connection, connection.get_connection_params())


def _url(scheme: str, host: str, name: str, params: dict[str, Any], options: dict[str, str]) -> str:
    user = quote(str(params.get("user") or ""), safe="")
    password = params.get("password")
    secret = f":{quote(str(password), safe='')}" if password else ""
    at = "@" if user or secret else ""
    port = f":{params['port']}" if params.get("port") else ""
    query = f"?{urlencode(options, quote_via=quote)}" if options else ""
    return f"{scheme}://{user}{secret}{at}{f'[{host}]' if ':' in host else host}{port}/{quote(name, safe='')}{query}"


def _unsupported(connection: Any, what: str) -> ImproperlyConfigured:
    alias = connection.alias
    return ImproperlyConfigured(
        f"Django reaches DATABASES[{alias!r}] by {what}, which the engine cannot follow; give it a "
        f'URL of its own: ATREST = {{"DATABASE_URLS": {{{alias!r}: "..."}}}} (docs/policy.md)'
    )


def _postgres(connection: Any, params: dict[str, Any]) -> str:
    for option, harmless in _POSTGRES_ELSEWHERE.items():
        if params.get(option) not in (None, "", harmless):
            raise _unsupported(connection, f"the option {option!r}")
    for variable, harmless in _LIBPQ_ELSEWHERE.items():
        if os.environ.get(variable, "") not in ("", harmless):
            raise _unsupported(connection, f"the variable {variable}")
    if params.get("options") and os.environ.get("PGOPTIONS"):
        # libpq takes one, the engine's driver both.
        raise _unsupported(connection, "the option 'options' beside the variable PGOPTIONS")
    options = {name: str(params[name]) for name in _POSTGRES if params.get(name)}
    if role := connection.settings_dict["OPTIONS"].get("assume_role"):
        escaped = re.sub(r"([\\\s])", r"\\\1", str(role))
        options["options"] = f"{options.get('options', '')} -c role={escaped}".lstrip()
    # User, port and password the engine's driver takes from the environment, as libpq does.
    host = str(params.get("host") or os.environ.get("PGHOST") or "/var/run/postgresql")
    if "," in host or "," in str(params.get("port") or os.environ.get("PGPORT")):
        raise _unsupported(connection, "several hosts")
    if host.startswith("@"):
        raise _unsupported(connection, "an abstract socket")
    if host.startswith("/"):
        options["host"], host = host, "localhost"
    return _url("postgres", host, str(params["dbname"]), params, options)


def _mysql(connection: Any, params: dict[str, Any]) -> str:
    for option in _MYSQL_ELSEWHERE:
        if params.get(option):
            raise _unsupported(connection, f"the option {option!r}")
    if re.search(r"\b(role|use)\b", str(params.get("init_command") or ""), re.IGNORECASE):
        raise _unsupported(connection, "an 'init_command' that names a role or a database")
    params = {
        "user": params.get("user") or getpass.getuser(),
        "password": _one_of(connection, params, "password", "passwd"),
        "database": _one_of(connection, params, "database", "db"),
        **{name: params.get(name) for name in ("host", "port", "unix_socket", "ssl", "ssl_mode")},
    }
    if not params["database"]:
        raise ImproperlyConfigured(f"DATABASES[{connection.alias!r}] names no database")
    host, socket = str(params["host"] or "localhost"), params["unix_socket"]
    if socket and host != "localhost":
        # One driver takes the socket then, another the host.
        raise _unsupported(connection, "a host beside the option 'unix_socket'")
    if connection.Database.__name__ == "MySQLdb":  # which PyMySQL does not read
        params["port"] = params["port"] or os.environ.get("MYSQL_TCP_PORT")
        socket = socket or (host == "localhost" and os.environ.get("MYSQL_UNIX_PORT"))
    options = {}
    ssl = params["ssl"] or {}
    if ssl or params["ssl_mode"]:
        options["ssl-mode"] = str(params["ssl_mode"] or ("VERIFY_CA" if ssl.get("ca") else "REQUIRED"))
        options |= {f"ssl-{part}": str(ssl[part]) for part in ("ca", "cert", "key") if ssl.get(part)}
    if socket:
        options["socket"] = str(socket)
    return _url("mysql", host, str(params["database"]), params, options)


def _one_of(connection: Any, params: dict[str, Any], name: str, alias: str) -> Any:
    """What goes by two names; which one wins where they differ depends on the driver."""
    if params.get(name) and params.get(alias) and params[name] != params[alias]:
        raise _unsupported(connection, f"the option {alias!r} beside another {name}")
    return params.get(name) or params.get(alias)


def _sqlite(connection: Any, params: dict[str, Any]) -> str:
    path, options = str(params["database"]), ""
    if path.startswith("file:"):
        parts = urlsplit(path)
        path, options = unquote(parts.path), parts.query
    if path in ("", ":memory:") or "mode=memory" in options:
        raise ImproperlyConfigured(f"database {connection.alias!r} is in memory, where nothing is at rest")
    if "vfs=" in options:
        raise _unsupported(connection, "'vfs' in its name")
    return "sqlite://" + quote(str(Path(path).resolve()))

"""From DATABASES to the engine's URL."""

import os
import shutil
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from clinic.models import Patient
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.db.utils import ConnectionHandler
from django.test import override_settings

from atrest.django.database_url import _names, database_url

ENGINES = {"postgresql": "postgresql", "mysql": "mysql", "sqlite": "sqlite3"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Nothing of this machine's."""
    for name in list(os.environ):
        if name.startswith(("PG", "MYSQL_")):
            monkeypatch.delenv(name)


def wrapper(vendor, **settings):
    """Django's connection, which nothing has opened."""
    settings = {"ENGINE": f"django.db.backends.{ENGINES[vendor]}", "NAME": "app", **settings}
    return ConnectionHandler({"default": settings})["default"]


def url(vendor, **settings):
    return database_url(wrapper(vendor, **settings))


def parts(vendor, **settings):
    """User, password, host, port and database of the URL, and its options."""
    made = urlsplit(url(vendor, **settings))
    user, password, name = (unquote(x) if x else None for x in (made.username, made.password, made.path[1:]))
    return (user, password, made.hostname, made.port, name), {k: v for k, (v,) in parse_qs(made.query).items()}


def test_odd_characters_come_through():
    made = url("postgresql", USER="a@b", PASSWORD="p:/?#%é", HOST="db.example.org", PORT=5433, NAME="my app")
    parts = urlsplit(made)
    assert (unquote(parts.username), unquote(parts.password)) == ("a@b", "p:/?#%é")
    assert (parts.hostname, parts.port, unquote(parts.path)) == ("db.example.org", 5433, "/my app")
    assert "[::1]" in url("mysql", HOST="::1")


def test_sockets_and_tls():
    assert "host=%2Fvar%2Frun%2Fpostgresql" in url("postgresql") or "host=/var/run/postgresql" in url("postgresql")
    assert "sslmode=verify-full" in url("postgresql", HOST="h", OPTIONS={"sslmode": "verify-full"})
    assert "socket=/run/mysqld.sock" in unquote(url("mysql", HOST="/run/mysqld.sock"))
    made = unquote(url("mysql", HOST="h", OPTIONS={"ssl": {"ca": "/etc/ca.pem"}}))
    assert "ssl-mode=VERIFY_CA" in made and "ssl-ca=/etc/ca.pem" in made


@pytest.mark.parametrize("vendor", ["postgresql", "mysql"])
def test_options_are_followed_where_django_follows_them(vendor):
    name = {"postgresql": "dbname", "mysql": "database"}[vendor]
    given = {"user": "ada", "password": "p@", "host": "db.example.org", "port": 5433, name: "other"}
    assert parts(vendor, OPTIONS=given)[0] == ("ada", "p@", "db.example.org", 5433, "other")
    # PostgreSQL's HOST goes before the option, MariaDB's behind it: as in Django.
    user, _, host, port, _ = parts(vendor, HOST="h", USER="u", PORT="1", OPTIONS=given)[0]
    assert (user, host, port) == {"postgresql": ("u", "h", 1), "mysql": ("ada", "db.example.org", 5433)}[vendor]


def test_libpqs_environment_is_followed_where_settings_say_nothing(monkeypatch):
    monkeypatch.setenv("PGHOST", "db.example.org")
    assert parts("postgresql")[0] == (None, None, "db.example.org", None, "app")
    assert parts("postgresql", HOST="other")[0][2] == "other"
    assert parts("postgresql", OPTIONS={"host": "other"})[0][2] == "other"
    monkeypatch.setenv("PGHOST", "/tmp/sockets")
    assert parts("postgresql")[1] == {"host": "/tmp/sockets"}
    monkeypatch.setenv("PGSERVICE", "")
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "any")
    url("postgresql")


def test_a_role_is_assumed():
    assert parts("postgresql", HOST="h", OPTIONS={"assume_role": "owner"})[1] == {"options": "-c role=owner"}
    options = {"assume_role": "the \\ owner", "options": "-c search_path=app"}
    made = parts("postgresql", HOST="h", OPTIONS=options)[1]
    assert made == {"options": "-c search_path=app -c role=the\\ \\\\\\ owner"}


def test_other_names_and_sockets_of_mariadb(monkeypatch):
    given = {"db": "x", "passwd": "p"}
    assert parts("mysql", NAME="", USER="u", OPTIONS=given)[0] == ("u", "p", "localhost", None, "x")
    monkeypatch.setenv("LOGNAME", "ada")
    assert parts("mysql", OPTIONS={"unix_socket": "/run/m.sock"})[1] == {"socket": "/run/m.sock"}
    assert parts("mysql")[0] == ("ada", None, "localhost", None, "app")


def test_what_libmysqlclient_takes_from_the_environment(monkeypatch):
    monkeypatch.setenv("MYSQL_TCP_PORT", "3307")
    monkeypatch.setenv("MYSQL_UNIX_PORT", "/run/m.sock")
    for name, expected in (("MySQLdb", ("h", 3307, {"socket": "/run/m.sock"})), ("pymysql", ("h", None, {}))):
        monkeypatch.setattr("django.db.backends.mysql.base.DatabaseWrapper.Database", SimpleNamespace(__name__=name))
        (_, _, host, port, _), options = parts("mysql", HOST="h")
        assert (host, port, parts("mysql", HOST="localhost")[1]) == expected and options == {}


def test_sqlite(tmp_path):
    assert url("sqlite", NAME=tmp_path / "a b.db") == f"sqlite://{tmp_path}/a%20b.db"
    assert url("sqlite", NAME=tmp_path / "a%20b.db") == f"sqlite://{tmp_path}/a%2520b.db"
    assert url("sqlite", OPTIONS={"database": f"{tmp_path}/o.db"}) == f"sqlite://{tmp_path}/o.db"
    for before, behind in (("", "?mode=rwc"), ("//", ""), ("//localhost", "#x")):
        assert url("sqlite", NAME=f"file:{before}{tmp_path}/c%20d.db{behind}") == f"sqlite://{tmp_path}/c%20d.db"


def test_relative_names_of_sqlite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert url("sqlite", NAME="file:uri%20x.sqlite3?mode=rwc") == f"sqlite://{tmp_path}/uri%20x.sqlite3"


@pytest.mark.parametrize(
    ("vendor", "settings", "says"),
    [
        ("sqlite", {"NAME": ":memory:"}, "in memory"),
        ("sqlite", {"NAME": "file::memory:?cache=shared"}, "in memory"),
        ("sqlite", {"NAME": "file:memorydb_default?mode=memory&cache=shared"}, "in memory"),
        ("sqlite", {"NAME": "file:/x?vfs=memdb"}, "DATABASE_URLS"),
        ("postgresql", {"OPTIONS": {"service": "x"}}, "DATABASE_URLS"),
        ("postgresql", {"NAME": "", "OPTIONS": {"service": "x"}}, "service.*DATABASE_URLS"),
        ("postgresql", {"OPTIONS": {"passfile": "x"}}, "passfile.*DATABASE_URLS"),
        ("postgresql", {"HOST": "h", "OPTIONS": {"hostaddr": "10.0.0.1"}}, "hostaddr.*DATABASE_URLS"),
        ("postgresql", {"HOST": "a,b"}, "several hosts.*DATABASE_URLS"),
        ("postgresql", {"OPTIONS": {"host": "a", "port": "1,2"}}, "several hosts.*DATABASE_URLS"),
        ("postgresql", {"HOST": "h", "OPTIONS": {"target_session_attrs": "read-write"}}, "DATABASE_URLS"),
        ("mysql", {"OPTIONS": {"read_default_file": "x"}}, "DATABASE_URLS"),
        ("mysql", {"HOST": "h", "OPTIONS": {"unix_socket": "x"}}, "unix_socket.*DATABASE_URLS"),
        ("mysql", {"OPTIONS": {"db": "other"}}, "'db'.*DATABASE_URLS"),
        ("mysql", {"OPTIONS": {"init_command": "SET ROLE owner"}}, "init_command.*DATABASE_URLS"),
        ("mysql", {"NAME": ""}, "names no database"),
    ],
)
def test_what_cannot_be_followed_is_refused(vendor, settings, says):
    with pytest.raises(ImproperlyConfigured, match=says):
        url(vendor, **settings)


def test_what_is_no_database_of_ours_is_refused():
    with pytest.raises(ImproperlyConfigured, match="does not know"):
        database_url(SimpleNamespace(alias="default", vendor="oracle", display_name="Oracle"))


@pytest.mark.parametrize(("name", "value"), [("PGSERVICE", "x"), ("PGHOSTADDR", "10.0.0.1"), ("PGPORT", "1,2")])
def test_an_environment_that_leads_elsewhere_is_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URLS"):
        url("postgresql", HOST="h")


def test_options_beside_those_of_the_environment_are_refused(monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c role=other")
    url("postgresql")
    with pytest.raises(ImproperlyConfigured, match="PGOPTIONS.*DATABASE_URLS"):
        url("postgresql", OPTIONS={"options": "-c search_path=app"})


@pytest.fixture
def reached(alias, monkeypatch):
    """Tries what is given in the place of an alias' settings: Django and a command find the same rows."""
    Patient.objects.using(alias).create(name="Ada", email="ada@example.org")
    connection = connections[alias]

    def reach(**settings):
        connection.close()
        for name, value in settings.items():
            monkeypatch.setitem(connection.settings_dict, name, value)
        assert Patient.objects.using(alias).get().email == "ada@example.org"
        call_command("verify_fields", "--field", "clinic.Patient.email", database=alias)

    yield reach
    connection.close()
    monkeypatch.undo()


@pytest.mark.parametrize("alias", ["postgres", "mariadb"], indirect=True)
def test_a_server_that_options_name_is_reached(alias, reached):
    of = connections[alias].settings_dict
    name = {"postgres": "dbname", "mariadb": "db"}[alias]
    options = {"host": of["HOST"], "port": int(of["PORT"]), "user": of["USER"], name: of["NAME"]}
    if of["PASSWORD"]:
        options["password"] = of["PASSWORD"]
    # PostgreSQL's backend insists on a NAME; the option goes before it.
    nowhere = {"postgres": "nowhere", "mariadb": ""}[alias]
    reached(OPTIONS={**of["OPTIONS"], **options}, HOST="", PORT="", USER="", PASSWORD="", NAME=nowhere)


@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
def test_a_server_that_libpqs_environment_names_is_reached(alias, reached, monkeypatch):
    of = connections[alias].settings_dict
    for name in ("HOST", "PORT", "USER", "PASSWORD"):
        if of[name]:
            monkeypatch.setenv(f"PG{name}", of[name])
    reached(HOST="", PORT="", USER="", PASSWORD="")


@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
def test_an_account_that_assumes_a_role_is_followed(alias, reached):
    role, login = f"atrest the owner {os.getpid()}", f"atrest_login_{os.getpid()}"
    connection = connections[alias]
    owner = (connection.settings_dict["USER"], connection.settings_dict["PASSWORD"])
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE ROLE "{role}"')
        cursor.execute(f"CREATE ROLE {login} LOGIN NOINHERIT PASSWORD 'pw' IN ROLE \"{role}\"")
        cursor.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"')
    try:
        reached(USER=login, PASSWORD="pw", OPTIONS={"assume_role": role})
    finally:
        connection.close()
        connection.settings_dict.update(USER=owner[0], PASSWORD=owner[1], OPTIONS={})
        with connection.cursor() as cursor:
            cursor.execute(f'DROP OWNED BY "{role}"')
            cursor.execute(f'DROP ROLE {login}, "{role}"')


@pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
def test_a_file_that_a_uri_names_is_reached(alias, reached, tmp_path):
    path = tmp_path / "uri x.db"
    connections[alias].close()
    shutil.copy(connections[alias].settings_dict["NAME"], path)
    reached(NAME=f"file:{tmp_path}/uri%20x.db?mode=rw")


def test_a_url_of_its_own_overrules_but_for_a_test_database(monkeypatch):
    connection = wrapper("postgresql", NAME="app")
    monkeypatch.setitem(_names, "default", "app")
    with override_settings(ATREST={"DATABASE_URLS": {"default": "postgres://other/db"}}):
        assert database_url(connection) == "postgres://other/db"
        connection.settings_dict["NAME"] = "test_app"  # as a test runner does
        with pytest.raises(ImproperlyConfigured, match="'test_app' by now, as in tests"):
            database_url(connection)

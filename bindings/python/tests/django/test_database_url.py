"""From DATABASES to the engine's URL."""

from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from atrest.django.database_url import database_url


def url(vendor, **settings):
    settings = {"NAME": "app", **settings}
    return database_url(SimpleNamespace(alias="default", vendor=vendor, display_name=vendor, settings_dict=settings))


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


def test_sqlite(tmp_path):
    assert url("sqlite", NAME=tmp_path / "a b.db") == f"sqlite://{tmp_path}/a%20b.db"
    assert url("sqlite", NAME=f"file:{tmp_path}/c.db?cache=private") == f"sqlite://{tmp_path}/c.db"


@pytest.mark.parametrize(
    ("vendor", "settings", "says"),
    [
        ("sqlite", {"NAME": ":memory:"}, "in memory"),
        ("sqlite", {"NAME": "file:memorydb_default?mode=memory&cache=shared"}, "in memory"),
        ("oracle", {}, "does not know"),
        ("postgresql", {"OPTIONS": {"service": "x"}}, "DATABASE_URLS"),
        ("mysql", {"OPTIONS": {"read_default_file": "x"}}, "DATABASE_URLS"),
    ],
)
def test_what_cannot_be_followed_is_refused(vendor, settings, says):
    with pytest.raises(ImproperlyConfigured, match=says):
        url(vendor, **settings)


def test_a_url_of_its_own_overrules():
    with override_settings(ATREST={"DATABASE_URLS": {"default": "postgres://other/db"}}):
        assert url("oracle") == "postgres://other/db"

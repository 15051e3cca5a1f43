"""Keys that a server or a database gives: a rotation there is seen, an absence borne for a while."""

import logging
import time

import pytest

import atrest
from command import atrest_command
from vault import Vault

CACHE, GRACE = 1, 2
TIMES = f'cache = "{CACHE}s"\ngrace = "{GRACE}s"\ntimeout = "2s"\n'
COLUMN = '[[column]]\ntable = "people"\nname = "email"\n'


@pytest.fixture
def in_database(tmp_path):
    """A policy whose keyring is in an SQLite database."""
    path = tmp_path / "atrest.toml"
    path.write_text(
        f'[keys]\nkeyring = "database"\nroot = "env:ROOT"\n{TIMES}[database]\nurl = "sqlite:{tmp_path}/app.db"\n{COLUMN}'
    )
    (tmp_path / "app.db").touch()
    environment = {"ROOT": atrest.generate_key()}
    atrest_command(path, environment, "key", "init")
    return path, environment


@pytest.fixture
def vault():
    vault = Vault()
    yield vault
    vault.remove()


def seen(fields, within=CACHE + 2):
    """Whether a change is seen in that time."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if fields.changed():
            return True
        time.sleep(0.05)
    return False


def test_a_rotation_in_the_database_is_seen(in_database):
    path, environment = in_database
    fields = atrest.Fields.load(path, environment=environment)
    before = fields.keyring.ids
    atrest_command(path, environment, "key", "rotate")
    assert not fields.changed(), "nobody is asked before the cache is over"
    assert seen(fields)
    again = fields.reload()
    assert again.keyring.primary_id not in before and set(before) < set(again.keyring.ids)
    assert fields.keyring.ids == before
    assert not seen(again, CACHE + 0.5)


def test_a_key_of_a_server_that_changed_is_seen(vault):
    old, new = atrest.generate_key(), atrest.generate_key()
    vault.put(old)
    fields, _ = of(vault)
    vault.put(f"{new},{old}")
    assert not fields.changed()
    assert seen(fields)
    assert fields.reload().keyring.ids == [atrest.key_id(new), atrest.key_id(old)]


def of(vault):
    environment = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.token}
    policy = f'[keys]\nprimary = "{vault.source}"\n{TIMES}[database]\nurl = "sqlite:x"\n{COLUMN}'
    return atrest.Fields.parse(policy, environment=environment), environment


def test_a_server_that_is_away_is_borne_for_the_grace_and_no_longer(vault, caplog):
    vault.put(atrest.generate_key())
    fields, environment = of(vault)
    begin = time.monotonic()
    environment["VAULT_ADDR"] = "http://127.0.0.1:1"
    time.sleep(CACHE + 0.1)
    with caplog.at_level(logging.WARNING, "atrest"):
        assert not fields.changed()
    assert "those in force stay" in caplog.text
    with pytest.raises(atrest.KeySourceError, match="cannot be reached"):
        while time.monotonic() < begin + CACHE + GRACE + 10:
            assert not fields.changed()
            time.sleep(0.05)
    assert time.monotonic() - begin >= CACHE + GRACE
    with pytest.raises(atrest.KeySourceError):
        fields.changed()  # not asked again, and not forgotten
    environment["VAULT_ADDR"] = vault.address
    time.sleep(CACHE + 0.1)
    assert not fields.changed()


def test_a_server_that_says_no_is_believed_at_once(vault):
    vault.put(atrest.generate_key())
    fields, environment = of(vault)
    environment["VAULT_TOKEN"] = "no-token-of-ours"
    time.sleep(CACHE + 0.1)
    with pytest.raises(atrest.KeySourceError, match="vault"):
        fields.changed()

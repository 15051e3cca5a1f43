"""The project's keys in a keyring in the database."""

import time
from datetime import date

import pytest
from clinic.models import Patient
from command import atrest_command
from django.db import connections
from django.test import override_settings
from test_commands import run
from vault import Vault

import atrest
from atrest.django.database_url import database_url
from atrest.django.keys import in_force

EMAIL = Patient._meta.get_field("email")


@pytest.fixture
def project(alias, tmp_path):
    """A policy with its keyring in this database, and its project."""
    environment = {"ROOT": atrest.generate_key(), "APP_DATABASE": database_url(connections[alias])}
    path = tmp_path / "atrest.toml"
    path.write_text(
        '[keys]\nkeyring = "database"\nroot = "env:ROOT"\ncache = "1s"\n[database]\nurl = "${APP_DATABASE}"\n'
    )
    atrest_command(path, environment, "key", "init")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with override_settings(ATREST={"POLICY": str(path), "RELOAD_SECONDS": 0}):
            yield lambda *arguments: atrest_command(path, environment, *arguments)
    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE atrest_keys")


def test_a_keyring_in_the_database(alias, project, stored, caplog):
    Patient.objects.using(alias).create(name="a", email="a@example.org")
    before = in_force.keyring().primary_id
    assert EMAIL.column_values.native().inspect(stored(alias, EMAIL)[0]).key_id == before
    assert Patient.objects.using(alias).get().email == "a@example.org"
    assert "100 %" in run("verify_fields", alias, field=["Patient.email"])
    status = run("encryption_status", alias, field=["Patient.email"])
    assert f"key {before}: data, active, made {date.today():%Y}-" in status and "0 days old\n" in status
    # Another program rotates: picked up within the cache, and the commands take the new key.
    project("key", "rotate")
    time.sleep(1.1)
    Patient.objects.using(alias).create(name="b", email="b@example.org")
    after = in_force.keyring().primary_id
    assert after != before
    assert {EMAIL.column_values.native().inspect(token).key_id for token in stored(alias, EMAIL)} == {before, after}
    assert f"key {after}: 2 values" in run("rotate_encryption_keys", alias, field=["Patient.email"], no_backup=True)
    assert {p.email for p in Patient.objects.using(alias).all()} == {"a@example.org", "b@example.org"}


def test_without_a_database_in_the_policy_it_is_the_projects(default, tmp_path, monkeypatch):
    environment = {"ROOT": atrest.generate_key()}
    monkeypatch.setenv("ROOT", environment["ROOT"])
    path = tmp_path / "atrest.toml"
    keys = '[keys]\nkeyring = "database"\nroot = "env:ROOT"\n'
    path.write_text(f'{keys}[database]\nurl = "{database_url(connections[default])}"\n')
    atrest_command(path, environment, "key", "init")
    path.write_text(keys)
    try:
        with override_settings(ATREST={"POLICY": str(path)}):
            Patient.objects.create(name="a", email="a@example.org")
            assert Patient.objects.get().email == "a@example.org"
    finally:
        with connections[default].cursor() as cursor:
            cursor.execute("DROP TABLE atrest_keys")


def test_a_keyring_that_cannot_be_looked_at_stays(alias, project, caplog):
    Patient.objects.using(alias).create(name="a", email="a@example.org")
    with connections[alias].cursor() as cursor:
        cursor.execute("ALTER TABLE atrest_keys RENAME TO atrest_keys_away")
    try:
        time.sleep(1.1)
        assert Patient.objects.using(alias).get().email == "a@example.org"
        assert "those in force stay" in caplog.text
    finally:
        with connections[alias].cursor() as cursor:
            cursor.execute("ALTER TABLE atrest_keys_away RENAME TO atrest_keys")


def test_keys_that_are_not_given_any_more_are_not_used(default, tmp_path, monkeypatch, caplog):
    vault, path = Vault(), tmp_path / "atrest.toml"
    vault.put(atrest.generate_key())
    path.write_text(f'[keys]\nprimary = "{vault.source}"\ncache = "1s"\ngrace = "1s"\n')
    monkeypatch.setenv("VAULT_TOKEN", vault.token)
    monkeypatch.setenv("VAULT_ADDR", vault.address)
    try:
        with override_settings(ATREST={"POLICY": str(path), "RELOAD_SECONDS": 0}):
            Patient.objects.create(name="a", email="a@example.org")
            monkeypatch.setenv("VAULT_TOKEN", "no-token-of-ours")
            time.sleep(1.1)
            for _ in range(2):
                with pytest.raises(atrest.KeySourceError, match="vault"):
                    Patient.objects.get()
                with pytest.raises(atrest.KeySourceError):
                    Patient.objects.create(name="b", email="b@example.org")
            assert caplog.text.count("not given any more") == 1
            monkeypatch.setenv("VAULT_TOKEN", vault.token)
            time.sleep(1.1)
            assert Patient.objects.get().email == "a@example.org"
    finally:
        vault.remove()


def test_a_key_that_is_too_old_is_told(alias, project, tmp_path):
    path = tmp_path / "atrest.toml"
    path.write_text(path.read_text().replace('cache = "1s"', 'cache = "1s"\nrotate_after = "1s"'))
    in_force.keyring()
    time.sleep(1.1)
    assert "OLDER than rotate_after" in run("encryption_status", alias, field=["Patient.email"])

"""Where columns find their keys, while threads and forks are about."""

import os
import signal
import threading
import time

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

import atrest
from atrest.sqlalchemy import Encrypted
from atrest.sqlalchemy import keys as module
from atrest.sqlalchemy.keys import Keys
from vault import Vault


def test_a_field_of_old_keys_is_not_kept_after_a_reload(tmp_path, monkeypatch):
    key_file = tmp_path / "key"
    old, new = atrest.generate_key(), atrest.generate_key()
    key_file.write_text(old)
    key_file.chmod(0o600)
    policy = tmp_path / "atrest.toml"
    policy.write_text(f'[keys]\nprimary = "file:{key_file}"\n[database]\nurl = "sqlite:x.db"\n[[column]]\ntable = "t"\nname = "v"\n')
    keys = Keys(policy)
    made, go_on = threading.Event(), threading.Event()
    make = keys._make

    def slow(*arguments):
        field = make(*arguments)
        if threading.current_thread() is slow_thread:
            made.set()
            assert go_on.wait(10)
        return field

    monkeypatch.setattr(keys, "_make", slow)
    slow_thread = threading.Thread(target=lambda: keys.field("t.v", None, None), daemon=True)
    slow_thread.start()
    assert made.wait(10)
    key_file.write_text(new)
    os.utime(key_file, (time.time() + 5, time.time() + 5))
    monkeypatch.setattr(module, "LOOK_EVERY", -1.0)
    fields = keys._loaded
    keys.field("t.v", None, None)
    assert keys._loaded is not fields, "the change was not seen"
    go_on.set()
    slow_thread.join(10)
    monkeypatch.setattr(module, "LOOK_EVERY", 60.0)
    token = keys.field("t.v", None, None).seal("x")
    assert atrest.Field(atrest.Keyring(new), "t.v").open(token) == "x"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_loads(keyring):
    loading, go_on = threading.Event(), threading.Event()

    def source():
        if threading.current_thread() is loader:
            loading.set()
            assert go_on.wait(30)
        return keyring

    keys = Keys(source)
    loader = threading.Thread(target=lambda: keys.field("t.v", None, None), daemon=True)
    loader.start()
    assert loading.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        try:
            field = keys.field("t.v", None, None)
            os._exit(0 if field.open(field.seal("x")) == "x" else 1)
        except BaseException:
            os._exit(2)
    go_on.set()
    _, status = os.waitpid(child, 0)
    loader.join(10)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def test_a_value_under_a_new_key_is_read_at_once(tmp_path, monkeypatch):
    """Not at the next look only: `rotate --due` seals under the new key from its first row on."""
    monkeypatch.setattr(module, "LOOK_EVERY", 60.0)
    key_file, old, new, unknown = tmp_path / "key", *(atrest.generate_key() for _ in range(3))
    key_file.write_text(old)
    key_file.chmod(0o600)
    policy = tmp_path / "atrest.toml"
    policy.write_text(f'[keys]\nprimary = "file:{key_file}"\n[database]\nurl = "sqlite:x.db"\n[[column]]\ntable = "t"\nname = "v"\n')
    type_ = Encrypted(sa.String, keys=Keys(policy), column="t.v")

    def read(key):
        return type_.process_result_value(atrest.Field(atrest.Keyring(key), "t.v").seal("ada"), sqlite.dialect())

    assert read(old) == "ada"
    with pytest.raises(atrest.KeyNotFound, match="t.v"):
        read(unknown)
    key_file.write_text(f"{new},{old}")
    os.utime(key_file, (time.time() + 5, time.time() + 5))
    # This key was looked for; the look for the next one finds them.
    with pytest.raises(atrest.KeyNotFound, match="t.v"):
        read(unknown)
    assert read(new) == "ada" and read(old) == "ada"


def test_what_stays_unknown_is_not_looked_for_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 60.0)
    keys = Keys(atrest.Keyring(atrest.generate_key()))
    type_, looks = Encrypted(sa.String, keys=keys, column="t.v"), []
    type_.process_result_value(type_.process_bind_param("x", sqlite.dialect()), sqlite.dialect())
    monkeypatch.setattr(keys, "_renew", lambda: looks.append(1))

    def fails(value):
        with pytest.raises(atrest.DecryptionError):
            type_.process_result_value(value, sqlite.dialect())

    token = atrest.Field(atrest.Keyring(atrest.generate_key()), "t.v").seal("x")
    for _ in range(3):
        fails(token)
    assert len(looks) == 1
    for n in range(100):
        fails(f"ar1.damaged{n}")
    assert len(looks) == module.LOOKS_BETWEEN


def test_keys_of_a_server_are_followed_and_let_go_of(monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", -1.0)
    vault, old, new = Vault(), atrest.generate_key(), atrest.generate_key()
    vault.put(old)
    environment = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.token}
    policy = f'[keys]\nprimary = "{vault.source}"\ncache = "1s"\n[database]\nurl = "sqlite:x"\n'
    policy += '[[column]]\ntable = "people"\nname = "email"\n'
    try:
        keys = Keys(atrest.Fields.parse(policy, environment=environment))
        token = keys.field("people.email", None, None).seal("ada")
        vault.put(f"{new},{old}")
        time.sleep(1.1)
        field = keys.field("people.email", None, None)
        assert field.inspect(field.seal("x")).key_id == atrest.key_id(new) and field.open(token) == "ada"
        environment["VAULT_TOKEN"] = "no-token-of-ours"
        time.sleep(1.1)
        for _ in range(2):
            with pytest.raises(atrest.KeySourceError, match="vault"):
                keys.field("people.email", None, None)
        environment["VAULT_TOKEN"] = vault.token
        time.sleep(1.1)
        assert keys.field("people.email", None, None).open(token) == "ada"
    finally:
        vault.remove()


TENANTS = """[keys]
primary = "env:KEY"
[database]
url = "sqlite:x.db"
[[column]]
table = "tenant_a.people"
name = "email"
context = "people.email"
[[column]]
table = "tenant_b.people"
name = "email"
context = "people.email"
"""


@pytest.mark.parametrize(
    ("schema", "options"),
    [(None, {}), (None, {"context": "people.email"}), ("tenant", {"context": "people.email"}), ("tenant_b", {})],
)
def test_tenants_by_schema(schema, options, tmp_path):
    """The policy has the tables that there are, the model the one that stands for them."""
    fields = atrest.Fields.parse(TENANTS, environment={"KEY": atrest.generate_key()})
    column = sa.Column("email", Encrypted(sa.String, keys=Keys(fields), **options))
    table = sa.Table("people", sa.MetaData(), column, schema=schema)
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        for tenant in ("tenant_a", "tenant_b"):
            connection.exec_driver_sql(f"ATTACH ':memory:' AS {tenant}")
            of_tenant = connection.execution_options(schema_translate_map={schema: tenant})
            table.create(of_tenant)
            of_tenant.execute(sa.insert(table), {"email": f"{tenant}@example.org"})
            assert of_tenant.scalar(sa.select(table.c.email)) == f"{tenant}@example.org"
            token = connection.exec_driver_sql(f"SELECT email FROM {tenant}.people").scalar()
            assert fields[f"{tenant}.people.email"].open(token) == f"{tenant}@example.org"


@pytest.mark.parametrize(("table", "column"), [("people", "phone"), ("other_people", "email"), ("email", "people")])
def test_no_other_table_is_taken_for_a_tenants(table, column):
    fields = atrest.Fields.parse(TENANTS, environment={"KEY": atrest.generate_key()})
    with pytest.raises(atrest.PolicyError, match=rf"{table}\.{column}"):
        Keys(fields).field(f"{table}.{column}", "people.email", None)

"""`atrest adopt` and `atrest exit`, with the packages whose tokens they are about."""

import json

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from sqlalchemy.dialects import mysql

import atrest
from atrest.sqlalchemy import Encrypted

from old_systems import SYSTEMS


@pytest.fixture(params=SYSTEMS, ids=lambda make: make.__name__)
def system(request):
    return request.param()


def stored(database):
    return {key: bytes(v) if isinstance(v, (bytes, memoryview)) else v for key, v in database.raw("SELECT id, v FROM t")}


def fill(database, system, more=()):
    """Table t with the system's tokens from id 1, and `more` behind them."""
    kind = sa.LargeBinary if system.binary else sa.Text
    if database.kind == "mariadb":
        kind = mysql.LONGBLOB if system.binary else mysql.LONGTEXT
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", kind))
    table.create(database.engine)
    values = [token for token, _ in system.values] + list(more)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), [{"id": n, "v": v} for n, v in enumerate(values, 1)])


def read(database, system):
    table = sa.Table(
        "t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(sa.Text, binary=system.binary))
    )
    with database.engine.connect() as connection:
        return {row.id: row.v for row in connection.execute(sa.select(table))}


def test_every_token_is_taken_over_and_given_back(database, system, atrest_on):
    fill(database, system, more=[None])
    before = stored(database)
    count = len(system.values)
    at = atrest_on(database, ("t", "v"))
    plan = at.command("adopt", *system.flags, "--dry-run", **system.environment)
    assert plan["columns"][0]["due"] == count and stored(database) == before
    done = at.command("adopt", *system.flags, "--backup", "adopted.atrest", **system.environment)
    [column] = done["columns"]
    assert (column["changed"], column["undecryptable"], column["plaintext"], column["null"]) == (count, 0, 0, 1)
    assert column["sealed"] == {atrest.key_id(at.environment["KEY"]): count}
    same = json.loads if system.name.endswith("JSON") else str

    def meant(values):
        return {n: value if value is None else same(value) for n, value in values.items()}

    clear = meant({n: text for n, (_, text) in enumerate(system.values, 1)}) | {count + 1: None}
    assert meant(read(database, system)) == clear
    assert not set(filter(None, stored(database).values())) & set(filter(None, before.values()))
    # Without the old key.
    assert at.command("verify")["ok"]
    # Again: there is nothing to do.
    assert at.command("adopt", *system.flags, **system.environment)["columns"][0]["changed"] == 0
    # Back to what it was, as long as the old key is there.
    at.command("verify", "--against", "adopted.atrest", *system.flags, **system.environment)
    back = at.command("restore", "adopted.atrest", *system.flags, **system.environment)
    assert back["columns"][0]["changed"] == count
    assert stored(database) == before
    # And over again, and out: standard Fernet that everybody opens, and nothing of ours left.
    at.command("adopt", *system.flags, "--no-backup", **system.environment)
    key = Fernet.generate_key()
    out = at.command("exit", "--to-key", "env:OUT", "--backup", "out.atrest", OUT=key.decode())
    assert out["columns"][0]["changed"] == count
    opened = {n: v and Fernet(key).decrypt(v).decode() for n, v in stored(database).items()}
    assert meant(opened) == clear
    tables = sa.inspect(database.engine).get_table_names()
    assert tables == ["t"]
    # Nobody is locked in, and nobody out: what left can come back.
    at.command("adopt", "--from", "fernet", "--from-key", "env:OUT", "--no-backup", OUT=key.decode())
    assert meant(read(database, system)) == clear


def test_a_wrong_key_is_refused_before_the_first_row(sqlite, system, atrest_on):
    fill(sqlite, system)
    before = stored(sqlite)
    at = atrest_on(sqlite, ("t", "v"))
    refused = at.command("adopt", *system.flags, status=2, **{**system.environment, **system.wrong})
    assert "opens nothing" in refused["error"], refused
    for secret in system.wrong.values():
        assert secret not in str(refused) or len(secret) < 8
    assert stored(sqlite) == before and sa.inspect(sqlite.engine).get_table_names() == ["t"]
    plan = at.command("adopt", *system.flags, "--dry-run", status=1, **{**system.environment, **system.wrong})
    assert plan["columns"][0]["refusals"] and plan["columns"][0]["due"] == 0


def test_what_is_damaged_is_counted_and_left(sqlite, system, atrest_on):
    longest = max((token for token, _ in system.values), key=len)
    if system.binary:
        damaged = [longest[:-1] + bytes([longest[-1] ^ 1]), longest[:40] + b"!" + longest[41:]]
    else:
        at = longest.index("gAAAAA") + 40
        flipped = "B" if longest[at] == "A" else "A"
        damaged = [longest[:at] + flipped + longest[at + 1 :], longest[:at] + "!" + longest[at + 1 :]]
    clear = b"in clear" if system.binary else "in clear"
    fill(sqlite, system, more=[*damaged, clear])
    before = stored(sqlite)
    count = len(system.values)
    at = atrest_on(sqlite, ("t", "v"))
    done = at.command("adopt", *system.flags, status=1, **system.environment)
    [column] = done["columns"]
    assert (column["changed"], column["undecryptable"], column["plaintext"]) == (count, 2, 1)
    assert column["undecryptable_rows"] == [str(count + 1), str(count + 2)]
    after = stored(sqlite)
    assert all(after[n] == before[n] for n in range(count + 1, count + 4))
    # A second run, and one with a wrong key, change no more.
    for status, environment in ((1, {}), (1, system.wrong)):
        again = at.command("adopt", *system.flags, status=status, **{**system.environment, **environment})
        assert again["columns"][0]["changed"] == 0
    assert stored(sqlite) == after


def test_cryptography_key_apart_from_secret_key(sqlite, atrest_on):
    """CRYPTOGRAPHY_KEY encrypts, and SECRET_KEY still signs."""
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
    from cryptography.hazmat.primitives import hashes
    from django.db import models
    from django_cryptography.fields import encrypt

    from django.db import connection

    from old_systems import SECRET, System

    key = PBKDF2HMAC(hashes.SHA256(), 32, b"django-cryptography", 30_000).derive(b"one of its own")
    token = bytes(encrypt(models.TextField(), key=key).get_db_prep_value("clear", connection))
    flags = ["--from", "django-cryptography", "--from-key", "env:S", "--from-encryption-key", "env:C"]
    system = System("x", flags, {"S": SECRET, "C": "one of its own"}, [(token, "clear")], True)
    fill(sqlite, system)
    atrest_on(sqlite, ("t", "v")).command("adopt", *flags, **system.environment)
    assert read(sqlite, system) == {1: "clear"}


def test_exit_with_a_fernet_key_that_is_the_primary_one(database, atrest_on):
    """An application that goes on with plain Fernet keeps its key."""
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(sa.Text)))
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), [{"id": n, "v": f"value {n}"} for n in range(1, 30)])
    at = atrest_on(database, ("t", "v"))
    at.command("exit", "--to-key", "env:KEY", "--no-backup")
    fernet = Fernet(at.environment["KEY"])
    assert {n: fernet.decrypt(v).decode() for n, v in stored(database).items()} == {n: f"value {n}" for n in range(1, 30)}
    assert at.command("exit", "--to-key", "env:KEY", "--no-backup")["columns"][0]["changed"] == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--from", "fernet", "--from-key", "env:MISSING"], "MISSING is not set"),
        (["--from", "fernet", "--from-key", "env:SHORT"], "the key of fernet cannot be used"),
        (["--from", "django-fernet-encrypted-fields", "--from-key", "env:SHORT"], "SALT_KEY"),
        (["--from", "sqlalchemy-utils", "--from-key", "env:SHORT", "--from-salt", "env:SHORT"], "leave it out"),
        (["--from", "sqlalchemy-utils", "--from-key", "vault:secret/x"], "env:NAME"),
    ],
)
def test_what_is_missing_is_said(sqlite, atrest_on, flags, said):
    sqlite.execute("CREATE TABLE t (id integer primary key, v text)")
    refused = atrest_on(sqlite, ("t", "v")).command("adopt", *flags, status=2, SHORT="pass")
    assert said in refused["error"], refused


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_json_columns_of_their_own_type(database, atrest_on):
    """As Django's JSONField has them: they become text, and JSON again."""
    from old_systems import django_fernet_encrypted_json

    system = django_fernet_encrypted_json()
    database.execute(f"CREATE TABLE t (id integer primary key, v {'jsonb' if database.kind == 'postgresql' else 'json'})")
    with database.engine.begin() as connection:
        for n, (token, _) in enumerate(system.values, 1):
            connection.execute(sa.text("INSERT INTO t VALUES (:id, :v)"), {"id": n, "v": token})
    at = atrest_on(database, ("t", "v"))
    refused = at.command("adopt", *system.flags, status=2, **system.environment)
    assert "--apply-schema" in refused["error"]
    at.command("adopt", *system.flags, "--apply-schema", **system.environment)
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(sa.JSON)))
    database.engine.dispose()
    with database.engine.connect() as connection:
        read = connection.scalars(sa.select(table.c.v).order_by(table.c.id)).all()
    assert read == [json.loads(clear) for _, clear in system.values]
    at.command("decrypt", "--apply-schema", "--no-backup")
    kind = database.raw("SELECT data_type FROM information_schema.columns WHERE table_name = 't' AND column_name = 'v'")[0][0]
    assert kind in ("jsonb", "json", "longtext")


def test_json_columns_of_django_in_sqlite_once_django_has_altered_the_field(sqlite, atrest_on, monkeypatch):
    """They have a CHECK there, which no token passes (docs/adopt.md)."""
    from old_systems import django_fernet_encrypted_json, encrypted_fields

    from django.db import connections, models

    from atrest.django import EncryptedJSONField

    class Row(models.Model):
        v = encrypted_fields.EncryptedJSONField(null=True)

        class Meta:
            app_label, db_table = "ward", "t"

    system = django_fernet_encrypted_json()
    described = {**connections["default"].settings_dict, "NAME": sqlite.engine.url.database}
    monkeypatch.setitem(connections.settings, "other", described)
    django = connections["other"]
    with django.schema_editor() as editor:
        editor.create_model(Row)
    with sqlite.engine.begin() as connection:
        for n, (token, _) in enumerate(system.values, 1):
            connection.execute(sa.text("INSERT INTO t VALUES (:id, :v)"), {"id": n, "v": token})
    at = atrest_on(sqlite, ("t", "v"))
    refused = at.command("adopt", *system.flags, "--apply-schema", status=2, **system.environment)
    assert "a CHECK constraint of table t uses t.v" in refused["error"]

    altered = EncryptedJSONField(null=True)
    altered.set_attributes_from_name("v")
    with django.schema_editor() as editor:
        editor.alter_field(Row, Row._meta.get_field("v"), altered)
    django.close()
    del connections["other"]
    at.command("adopt", *system.flags, **system.environment)
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(sa.JSON)))
    sqlite.engine.dispose()
    with sqlite.engine.connect() as connection:
        read = connection.scalars(sa.select(table.c.v).order_by(table.c.id)).all()
    assert read == [json.loads(clear) for _, clear in system.values]

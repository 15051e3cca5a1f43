"""The engine's tokens and the type's are the same: what `encrypt` makes of a column of the
database's own type, the type reads; what the type writes, `decrypt` gives back to it."""

import datetime as dt
import decimal
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from atrest.sqlalchemy import Encrypted

VALUES = {
    "text": (sa.String(80), ["Zoë 山田", "", None]),
    "whole": (sa.Integer, [0, -42, 2**31 - 1]),
    "big": (sa.BigInteger, [2**62, -(2**62), None]),
    "yes": (sa.Boolean, [True, False, None]),
    "money": (sa.Numeric(12, 2), [decimal.Decimal("12.50"), decimal.Decimal("-0.01"), decimal.Decimal("1000000.00")]),
    "ratio": (sa.Double, [0.1, -2.5e-10, 3e20]),
    "day": (sa.Date, [dt.date(2026, 1, 2), dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "moment": (sa.DateTime, [dt.datetime(2026, 1, 2, 3, 4, 5), dt.datetime(1970, 1, 1), None]),
    "clock": (sa.Time, [dt.time(3, 4, 5), dt.time(23, 59, 59), None]),
    "doc": (sa.JSON, [{"a": [1, 2.5, None, "é"]}, [], {"b": {"c": "x"}}]),
    "kind": (sa.Enum("person", "car", name="kinds", native_enum=False), ["person", "car", None]),
}
ONLY = {
    "postgresql": {
        "zoned": (sa.DateTime(timezone=True), [dt.datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=dt.timezone.utc), None, None]),
        "span": (sa.Interval, [dt.timedelta(days=-1, hours=2), dt.timedelta(seconds=5, microseconds=70), None]),
        "ident": (sa.Uuid, [uuid.UUID("12345678-1234-5678-1234-567812345678"), None, None]),
        "docb": (postgresql.JSONB, [{"z": 1, "a": [True]}, [1], {}]),
        "raw": (sa.LargeBinary, [b"\x00\xff", b"", None]),
    },
    "mariadb": {"raw": (sa.LargeBinary, [b"\x00\xff", b"", None])},
    "sqlite": {"raw": (sa.LargeBinary, [b"\x00\xff", b"", None])},
}


def tables(values):
    key = lambda: sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)  # noqa: E731
    clear = sa.Table("t", sa.MetaData(), key(), *(sa.Column(name, type_) for name, (type_, _) in values.items()))
    sealed = sa.Table("t", sa.MetaData(), key(), *(sa.Column(name, Encrypted(type_)) for name, (type_, _) in values.items()))
    return clear, sealed


def rows(values):
    return [{"id": n, **{name: options[n - 1] for name, (_, options) in values.items()}} for n in range(1, 4)]


def read(database, table):
    with database.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table).order_by(table.c.id)).mappings()]


def test_the_type_reads_what_the_engine_encrypted_and_the_other_way(database, atrest_on):
    values = VALUES | ONLY[database.kind]
    clear, sealed = tables(values)
    clear.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(clear), rows(values))
    before = read(database, clear)
    at = atrest_on(database, *(("t", name) for name in values))

    at.run("encrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    assert read(database, sealed) == rows(values)
    for row in database.raw("SELECT * FROM t"):
        for value in filter(lambda value: value is not None, row[1:]):
            assert value.startswith("ar1.") if isinstance(value, str) else bytes(value)[:2] == b"\x01\x01"

    # Now the application writes, every row anew, and another one.
    more = {**rows(values)[0], "id": 4}
    with database.engine.begin() as connection:
        for row in rows(values):
            connection.execute(sa.update(sealed).where(sealed.c.id == row["id"]).values(row))
        connection.execute(sa.insert(sealed), more)
    report = at.run("verify")
    assert report["ok"], report

    at.run("decrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    after = read(database, clear)
    assert after == [*before, {**before[0], "id": 4}]
    assert [row for row in database.raw("SELECT * FROM t WHERE id < 4 ORDER BY id")]
    assert "atrest_journal" not in sa.inspect(database.engine).get_table_names()


def test_a_table_under_change_while_the_application_reads_both(database, atrest_on):
    """Deploy with allow_plaintext, encrypt, deploy without."""
    meta = sa.MetaData()
    mixed = sa.Table(
        "t", meta, sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(sa.String(200), allow_plaintext=True))
    )
    mixed.create(database.engine)
    database.execute("INSERT INTO t VALUES (1, 'clear one'), (2, 'clear two')")
    with database.engine.begin() as connection:
        connection.execute(sa.insert(mixed).values(id=3, v="three"))
    want = [{"id": 1, "v": "clear one"}, {"id": 2, "v": "clear two"}, {"id": 3, "v": "three"}]
    assert read(database, mixed) == want
    at = atrest_on(database, ("t", "v"))
    at.run("encrypt", backup=False)
    strict = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(sa.String(200))))
    assert read(database, strict) == read(database, mixed) == want
    assert at.run("verify")["ok"]


@pytest.mark.parametrize("suite", ["fernet", "a256cbc-hs512", "xaes-256-gcm"])
def test_in_every_suite_with_a_context_of_its_own(sqlite, atrest_on, suite):
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("v", Encrypted(sa.String, context="old.name", suite=suite)),
    )
    sqlite.execute("CREATE TABLE t (id integer primary key, v text)")
    sqlite.execute("INSERT INTO t VALUES (1, 'clear')")
    at = atrest_on(sqlite, ("t", "v", 'context = "old.name"', f'suite = "{suite}"'))
    at.run("encrypt", backup=False)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table).values(id=2, v="new"))
    assert read(sqlite, table) == [{"id": 1, "v": "clear"}, {"id": 2, "v": "new"}]
    assert at.run("verify")["ok"]

"""The engine's tokens and the type's are the same: what `encrypt` makes of a column of the
database's own type, the type reads; what the type writes, `decrypt` gives back to it."""

import datetime as dt
import decimal
import ipaddress
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect

import atrest
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
        "stay": (postgresql.INTERVAL, [dt.timedelta(days=-1, hours=2), dt.timedelta(seconds=5, microseconds=70), None]),
        "words": (sa.ARRAY(sa.String), [["a b", "", 'q"\\,{}', None, "NULL", "Zoë"], [], None]),
        "face": (sa.ARRAY(sa.Double), [[0.1, -2.5e-10, 3e20, float("inf")], [1.0], None]),
        "box": (postgresql.ARRAY(sa.Integer, dimensions=2), [[[1, 2], [3, 4]], [[-5]], []]),
        "flags": (sa.ARRAY(sa.Boolean), [[True, False, None], [], None]),
        "sums": (sa.ARRAY(sa.Numeric(12, 2)), [[decimal.Decimal("12.50")], [], None]),
        "days": (sa.ARRAY(sa.Date), [[dt.date(2026, 1, 2), None], [], None]),
        "times": (sa.ARRAY(sa.DateTime(timezone=True)), [[dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc)], [], None]),
        "blobs": (sa.ARRAY(sa.LargeBinary), [[b"\x00\xff", b"", None], [], None]),
        "idents": (sa.ARRAY(sa.Uuid), [[uuid.UUID("12345678-1234-5678-1234-567812345678")], [], None]),
        "docs": (sa.ARRAY(postgresql.JSONB, dimensions=1), [[{"a": [1, "x, y"]}, ["}"]], [], None]),
        "pairs": (postgresql.HSTORE, [{"k": "v", 'q"\\': None, "": "a, b"}, {}, None]),
        "host": (postgresql.INET, [ipaddress.ip_address("192.0.2.1"), ipaddress.ip_interface("2001:db8::1/64"), None]),
        "net": (postgresql.CIDR, [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("192.0.2.7/32"), None]),
        "mac": (postgresql.MACADDR, ["08:00:2b:01:02:03", None, None]),
        "mac8": (postgresql.MACADDR8, ["08:00:2b:ff:fe:01:02:03", None, None]),
    },
    "mariadb": {
        "raw": (sa.LargeBinary, [b"\x00\xff", b"", None]),
        "span": (sa.Interval, [dt.timedelta(days=-1, hours=2), dt.timedelta(seconds=5), None]),
        "year": (mysql.YEAR, [2026, 0, 1901]),
    },
    "sqlite": {
        "raw": (sa.LargeBinary, [b"\x00\xff", b"", None]),
        "span": (sa.Interval, [dt.timedelta(days=-1, hours=2), dt.timedelta(seconds=5, microseconds=70), None]),
        "ident": (sa.Uuid, [uuid.UUID("12345678-1234-5678-1234-567812345678"), None, None]),
    },
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
    if database.kind == "postgresql":
        database.execute("CREATE EXTENSION hstore")
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


def test_sqlites_decimals_are_read_as_in_clear(sqlite, atrest_on):
    """They are doubles there, with what computing has left at their ends."""
    values = {"v": (sa.Numeric(10, 2), []), "w": (sa.Float(asdecimal=True), [])}
    clear, sealed = tables(values)
    clear.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(clear), [{"id": 1, "v": decimal.Decimal("0.10"), "w": 1}, {"id": 2, "v": decimal.Decimal("19.70"), "w": 0.1}])
        connection.execute(sa.update(clear).values(v=clear.c.v + decimal.Decimal("0.20"), w=clear.c.w / 3))
    before = read(sqlite, clear)
    assert [str(row["v"]) for row in before] == ["0.30", "19.90"]
    atrest_on(sqlite, ("t", "v"), ("t", "w")).run("encrypt", apply_schema=True, backup=False)
    sqlite.engine.dispose()
    assert [[str(value) for value in row.values()] for row in read(sqlite, sealed)] == [
        [str(value) for value in row.values()] for row in before
    ]


def test_datetimes_with_an_offset_go_both_ways(database, atrest_on):
    """Of rows that `encrypt` sealed, and of those that the application wrote, in one column."""
    value = dt.datetime(2026, 7, 2, 3, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    clear, sealed = tables({"v": (sa.DateTime(timezone=True), [])})
    clear.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(clear), {"id": 1, "v": value})
    at = atrest_on(database, ("t", "v"))
    at.run("encrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    with database.engine.begin() as connection:
        connection.execute(sa.insert(sealed), {"id": 2, "v": value})
    want = value if database.kind == "postgresql" else value.replace(tzinfo=None)
    assert [row["v"] for row in read(database, sealed)] == [want, want]
    at.run("decrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    assert [row["v"] for row in read(database, clear)] == [want, want]


def test_mariadbs_float_is_read_as_its_32_bits_and_what_was_written_as_it_was(mariadb, atrest_on):
    """`encrypt` seals all digits that a FLOAT has as a DOUBLE: 0.1 is 0.10000000149011612."""
    in_clear = [0.1, 0.97, -2.5e-10, 1e20, 0.5, 1e-45, 3e38, 123456.78125, 16777216.0]
    shown = [0.1, 0.97, -2.5e-10, 1e20, 0.5, 1.4013e-45, 3e38, 123456.78, 16777216.0]
    single, double = [{"v": (kind, [])} for kind in (sa.Float, mysql.FLOAT(53))]
    clear, sealed = tables(single)
    clear.create(mariadb.engine)
    with mariadb.engine.begin() as connection:
        connection.execute(sa.insert(clear), [{"id": n, "v": v} for n, v in enumerate(in_clear)])
    before = read(mariadb, clear)
    at = atrest_on(mariadb, ("t", "v"))
    at.run("encrypt", apply_schema=True, backup=False)
    mariadb.engine.dispose()
    assert [row["v"] for row in read(mariadb, sealed)] == shown
    assert read(mariadb, tables(double)[1])[0]["v"] == 0.10000000149011612

    # What is written through the type has 64 bits, and 32 of them are enough for some.
    written = [0.1, 0.10000000149011612, 123456.78125, 123456792, 123456792.0, 2.4999999292951713e-10, 1e20, -0.0]
    with mariadb.engine.begin() as connection:
        connection.execute(sa.insert(sealed), [{"id": 100 + n, "v": v} for n, v in enumerate(written)])
    assert [row["v"] for row in read(mariadb, sealed)][len(shown) :] == written
    exact = [decimal.Decimal("0.10000000149011612"), decimal.Decimal("0.5000000000000000000001"), decimal.Decimal("1E+400")]
    cut = [decimal.Decimal("0.1000000015"), decimal.Decimal("0.5"), decimal.Decimal("1E+400")]
    with_decimals = tables({"v": (sa.Float(asdecimal=True), [])})[1]
    with mariadb.engine.begin() as connection:
        connection.execute(sa.insert(with_decimals), [{"id": 200 + n, "v": v} for n, v in enumerate(exact)])
    assert [row["v"] for row in read(mariadb, with_decimals)][-len(exact) :] == cut
    mariadb.execute("DELETE FROM t WHERE id >= 100")
    at.run("decrypt", apply_schema=True, backup=False)
    mariadb.engine.dispose()
    assert read(mariadb, clear) == before


INTERVALS = [
    "1 mon 2 days 03:04:05", "1 year", "-1 mon +2 days -03:04:05.1", "2 years", "-1 years -2 mons", "1 year -1 mons", "3 mons",
    "-1 days", "1 day -00:00:01", "-00:00:00.000001", "100:00:00.5", "-178 years -11 mons +30 days -23:59:59.999999", "0",
]  # fmt: skip


def reads_alike(database, at, sealed, before):
    """Encrypted, the rows read as they did in clear; then they are decrypted."""
    at.run("encrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    assert read(database, sealed) == before
    at.run("decrypt", apply_schema=True, backup=False)
    database.engine.dispose()


def test_every_interval_of_postgresqls(postgresql, atrest_on):
    clear, sealed = tables({"v": (sa.Interval, [])})
    clear.create(postgresql.engine)
    with postgresql.engine.begin() as connection:
        for n, text in enumerate(INTERVALS):
            connection.exec_driver_sql("INSERT INTO t VALUES (%s, %s::interval)", (n, text))
    before, written = read(postgresql, clear), postgresql.raw("SELECT v::text FROM t ORDER BY id")
    assert before[0]["v"] == dt.timedelta(days=32, hours=3, minutes=4, seconds=5)
    reads_alike(postgresql, atrest_on(postgresql, ("t", "v")), sealed, before)
    assert postgresql.raw("SELECT v::text FROM t ORDER BY id") == written


def test_an_interval_that_python_has_none_for(keyring):
    token = atrest.Field(keyring, "t.v").seal("178000000 years")
    with pytest.raises(atrest.DecryptionError, match="t.v opens, but it is not an interval"):
        Encrypted(sa.Interval, column="t.v").process_result_value(token, postgresql.dialect())


#: What a database takes, and SQLAlchemy reads, though it would not write it.
UNTIDY = {
    "sqlite": {
        "yes": (sa.Boolean, "integer", ["2", "-1", "0"]),
        "moment": (sa.DateTime, "text", ["'2026-01-02'", "'2026-01-02 03:04'", "'2026-01-02T03:04:05'"]),
        "span": (sa.Interval, "text", ["'1970-01-03'", "NULL", "'1970-01-03 03:04'"]),
        "clock": (sa.Time, "text", ["'03:04'", "'03'", "NULL"]),
    },
    "mariadb": {"yes": (sa.Boolean, "tinyint", ["2", "-1", "0"])},
}


@pytest.mark.parametrize("kind", UNTIDY)
def test_values_that_sqlalchemy_reads_and_would_not_write(kind, request, atrest_on):
    database, values = request.getfixturevalue(kind), UNTIDY[kind]
    clear, sealed = tables({name: (type_, []) for name, (type_, _, _) in values.items()})
    columns = ", ".join(f"{name} {declared}" for name, (_, declared, _) in values.items())
    database.execute(f"CREATE TABLE t (id integer PRIMARY KEY, {columns})")
    for n in range(3):
        database.execute(f"INSERT INTO t VALUES ({n}, {', '.join(stored[n] for *_, stored in values.values())})")
    before, written = read(database, clear), database.raw("SELECT * FROM t ORDER BY id")
    reads_alike(database, atrest_on(database, *(("t", name) for name in values)), sealed, before)
    assert database.raw("SELECT * FROM t ORDER BY id") == written


def test_sqlites_text_among_bytes_and_bytes_among_text(sqlite, atrest_on):
    """A column there keeps either."""
    sealed = tables({"raw": (sa.LargeBinary, []), "text": (sa.String, [])})[1]
    sqlite.execute("CREATE TABLE t (id integer PRIMARY KEY, raw blob, text text)")
    sqlite.execute("INSERT INTO t VALUES (1, 'é', x'c3a9'), (2, x'c3a9', 'é')")
    written = sqlite.raw("SELECT * FROM t")
    want = [{"id": 1, "raw": "é".encode(), "text": "é"}, {"id": 2, "raw": "é".encode(), "text": "é"}]
    mixed = sa.Table(
        "t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("raw", Encrypted(sa.LargeBinary, allow_plaintext=True)), sa.Column("text", Encrypted(sa.String, allow_plaintext=True)),
    )  # fmt: skip
    assert read(sqlite, mixed) == want
    at = atrest_on(sqlite, ("t", "raw"), ("t", "text"))
    at.run("encrypt", backup=False)
    assert at.run("verify")["ok"]
    assert read(sqlite, sealed) == read(sqlite, mixed) == want
    at.run("decrypt", backup=False)
    assert sqlite.raw("SELECT * FROM t") == written


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


#: What SQLAlchemy stores in another form than the value's own text, with the forms that were
#: sealed before the type wrote that one.
OWN_FORM = {
    "span": (sa.Interval, dt.timedelta(days=1, seconds=5), ["1 days 00:00:05"]),
    "back": (sa.Interval, dt.timedelta(days=-1, hours=2), ["-1 days 02:00:00"]),
    "moment": (sa.DateTime, dt.datetime(2026, 1, 2, 3, 4, 5), ["2026-01-02 03:04:05"]),
    "fraction": (sa.DateTime, dt.datetime(2026, 1, 2, 3, 4, 5, 60), []),
    "whole": (sqlite_dialect.DATETIME(truncate_microseconds=True), dt.datetime(2026, 1, 2, 3, 4, 5), []),
    "tight": (
        sqlite_dialect.DATETIME(
            storage_format="%(year)04d%(month)02d%(day)02d%(hour)02d%(minute)02d%(second)02d",
            regexp=r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)",
        ),
        dt.datetime(2026, 1, 2, 3, 4, 5),
        ["2026-01-02 03:04:05"],
    ),
    "slashes": (
        sqlite_dialect.DATE(storage_format="%(month)02d/%(day)02d/%(year)04d", regexp=r"(?P<month>\d+)/(?P<day>\d+)/(?P<year>\d+)"),
        dt.date(2026, 1, 2),
        ["2026-01-02"],
    ),
    "clock": (sa.Time, dt.time(3, 4, 5), ["03:04:05"]),
    "ident": (sa.Uuid, uuid.UUID(int=5), [str(uuid.UUID(int=5))]),
    "name": (sa.Uuid(as_uuid=False), str(uuid.UUID(int=5)), [str(uuid.UUID(int=5))]),
}


def test_what_the_application_wrote_is_found_in_clear_again(sqlite, atrest_on):
    values = {name: (type_, [value]) for name, (type_, value, _) in OWN_FORM.items()}
    clear, sealed = tables(values)
    clear.create(sqlite.engine)
    row = {name: value for name, (_, value, _) in OWN_FORM.items()}
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(clear), {"id": 1, **row})
    at = atrest_on(sqlite, *(("t", name) for name in values))
    at.run("encrypt", apply_schema=True, backup=False)
    sqlite.engine.dispose()
    assert read(sqlite, sealed) == [{"id": 1, **row}]
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(sealed), {"id": 2, **row})
    at.run("decrypt", apply_schema=True, backup=False)
    sqlite.engine.dispose()
    [by_clear], [by_type] = (sqlite.raw(f"SELECT {', '.join(values)} FROM t WHERE id = {n}") for n in (1, 2))
    assert by_type == by_clear
    with sqlite.engine.connect() as connection:
        for name, value in row.items():
            found = connection.scalars(sa.select(clear.c.id).where(clear.c[name] == value).order_by(clear.c.id))
            assert found.all() == [1, 2], name


@pytest.mark.parametrize("name", OWN_FORM)
def test_the_forms_that_were_sealed_before_are_read(name, sqlite, keyring):
    type_, value, before = OWN_FORM[name]
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(type_)))
    table.create(sqlite.engine)
    tokens = [atrest.Field(keyring, "t.v").seal(text) for text in before]
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": value})
        for token in tokens:
            connection.exec_driver_sql("INSERT INTO t (v) VALUES (?)", (token,))
        assert connection.scalars(sa.select(table.c.v)).all() == [value] * (1 + len(before))


@pytest.mark.parametrize(
    ("dialect", "type_", "value", "text"),
    [
        (mysql.dialect(), sa.Interval(), dt.timedelta(days=1, seconds=5), "1970-01-02 00:00:05"),
        (mysql.dialect(), sa.Interval(), dt.timedelta(microseconds=70), "1970-01-01 00:00:00.000070"),
        (mysql.dialect(), sa.DateTime(), dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (mysql.dialect(), sa.Uuid(), uuid.UUID(int=5), uuid.UUID(int=5).hex),
        (postgresql.dialect(), sa.Interval(), dt.timedelta(days=1, seconds=5), "1 days 00:00:05"),
        (postgresql.dialect(), sa.DateTime(), dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (postgresql.dialect(), sa.Time(), dt.time(3, 4, 5), "03:04:05"),
        (postgresql.dialect(), sa.Uuid(), uuid.UUID(int=5), str(uuid.UUID(int=5))),
        # No datetime, so no column in clear has it.
        (mysql.dialect(), sa.Interval(), dt.timedelta.max, "999999999 days 23:59:59.999999"),
        (sqlite_dialect.dialect(), sa.Interval(), dt.timedelta.min, "-999999999 days 00:00:00"),
    ],
)
def test_the_form_of_each_database(dialect, type_, value, text, keyring):
    encrypted = Encrypted(type_, column="t.v")
    token = encrypted.process_bind_param(value, dialect)
    assert atrest.Field(keyring, "t.v").open(token) == text
    assert encrypted.process_result_value(token, dialect) == value


@pytest.mark.parametrize("text", ["", "2026-01-02x", "1970-01-02 00:00:05+00:00", "5"])
def test_what_is_no_interval_is_an_error(text, keyring):
    token = atrest.Field(keyring, "t.v").seal(text)
    with pytest.raises(atrest.DecryptionError, match="t.v opens, but it is not an interval"):
        Encrypted(sa.Interval, column="t.v").process_result_value(token, sqlite_dialect.dialect())

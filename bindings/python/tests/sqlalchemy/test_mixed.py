"""Clear values and tokens side by side, and values that do not open."""

import datetime as dt
import decimal

import pytest
import sqlalchemy as sa

import atrest
from atrest.sqlalchemy import Encrypted

KEY_COLUMN = ("id", sa.Integer)


def table_of(type_, **options):
    return sa.Table(
        "t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted(type_, **options))
    )


def read(database, table):
    with database.engine.connect() as connection:
        return connection.scalars(sa.select(table.c.v).order_by(table.c.id)).all()


def test_both_are_read_and_tokens_are_written(database):
    table = table_of(sa.String, allow_plaintext=True)
    table.create(database.engine)
    database.execute("INSERT INTO t VALUES (1, 'in clear'), (2, ''), (3, NULL)")
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table).values(id=4, v="sealed"))
    assert read(database, table) == ["in clear", "", None, "sealed"]
    with database.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == 1).values(v="in clear"))
    stored = dict(database.raw("SELECT id, v FROM t"))
    assert stored[1].startswith("ar1.") and stored[4].startswith("ar1.") and stored[2] == ""
    strict = table_of(sa.String)
    with pytest.raises(atrest.DecryptionError, match="t.v"):
        read(database, strict)


@pytest.mark.parametrize(
    ("type_", "clear", "value"),
    [
        (sa.Integer, "42", 42),
        (sa.Boolean, "true", True),
        (sa.Boolean, "0", False),
        (sa.Numeric, "12.50", decimal.Decimal("12.50")),
        (sa.Float, "1e+20", 1e20),
        (sa.Date, "2026-01-02", dt.date(2026, 1, 2)),
        # As PostgreSQL, MariaDB, SQLite and Python write them.
        (sa.DateTime, "2026-01-02 03:04:05.5", dt.datetime(2026, 1, 2, 3, 4, 5, 500_000)),
        (sa.DateTime, "2026-01-02 03:04:05.000000", dt.datetime(2026, 1, 2, 3, 4, 5)),
        (sa.DateTime, "2026-01-02T03:04:05+00", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)),
        (sa.Time, "03:04:05.06", dt.time(3, 4, 5, 60_000)),
        (sa.Interval, "-1 days +02:03:04", dt.timedelta(days=-1, hours=2, minutes=3, seconds=4)),
        (sa.JSON, '{"a": [1, null]}', {"a": [1, None]}),
        (sa.Uuid, "12345678123456781234567812345678", __import__("uuid").UUID("12345678" * 2 + "12345678" * 2)),
    ],
)
def test_clear_text_of_other_types(sqlite, type_, clear, value):
    table = table_of(type_, allow_plaintext=True)
    table.create(sqlite.engine)
    sqlite.execute(f"INSERT INTO t VALUES (1, '{clear}')")
    assert read(sqlite, table) == [value]


def test_clear_numbers_that_sqlite_gives_as_numbers(sqlite):
    sqlite.execute("CREATE TABLE t (id integer primary key, v integer)")
    sqlite.execute("INSERT INTO t VALUES (1, 42)")
    table = table_of(sa.Integer, allow_plaintext=True)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table).values(id=2, v=43))
    assert read(sqlite, table) == [42, 43]


@pytest.mark.parametrize("allow_plaintext", [False, True])
def test_what_looks_encrypted_and_does_not_open_raises(database, allow_plaintext):
    table = table_of(sa.String, allow_plaintext=allow_plaintext)
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), [{"id": n, "v": f"value {n}"} for n in range(1, 4)])
    [(token,)] = database.raw("SELECT v FROM t WHERE id = 2")
    for damaged in (token[:-1], token[:-5] + "AAAAA", token[:30], "ar1.", "gAAAAABh", atrest.Fernet(atrest.generate_key()).encrypt(b"x").decode()):
        database.execute(f"UPDATE t SET v = '{damaged}' WHERE id = 2")
        with pytest.raises(atrest.DecryptionError, match="t.v") as error:
            read(database, table)
        assert damaged not in str(error.value) or len(damaged) < 9
        # The other rows go on.
        with database.engine.connect() as connection:
            assert connection.scalar(sa.select(table.c.v).where(table.c.id == 3)) == "value 3"


def test_tokens_of_sqlalchemy_utils_are_read_before_they_are_taken_over(sqlite):
    from sqlalchemy_utils import StringEncryptedType
    from sqlalchemy_utils.types.encrypted.encrypted_type import FernetEngine

    from atrest.sqlalchemy import configure, old_key

    old = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("v", StringEncryptedType(sa.Unicode, "wörds", FernetEngine)),
    )
    old.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(old).values(id=1, v="é"))
    configure(atrest.Keyring(atrest.generate_key(), old_key("sqlalchemy-utils", "wörds")))
    table = table_of(sa.String)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table).values(id=2, v="new"))
    assert read(sqlite, table) == ["é", "new"]

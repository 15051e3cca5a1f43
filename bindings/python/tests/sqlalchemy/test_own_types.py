"""Types of the application's own: what they do to values is done to encrypted ones, or refused."""

import datetime as dt
import json
import uuid

import pytest
import sqlalchemy as sa
import sqlalchemy_utils
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeDecorator

import atrest
from atrest.sqlalchemy import Encrypted, EncryptedValueError


class Document(TypeDecorator):
    """JSONB where there is one, else text."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(postgresql.JSONB() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value, dialect):
        return value if dialect.name == "postgresql" or value is None else json.dumps(value)

    def process_result_value(self, value, dialect):
        return value if dialect.name == "postgresql" or value is None else json.loads(value)


class GUID(TypeDecorator):
    """The recipe of SQLAlchemy's documentation."""

    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return dialect.type_descriptor(postgresql.UUID() if dialect.name == "postgresql" else sa.CHAR(32))

    def process_bind_param(self, value, dialect):
        if value is None or dialect.name == "postgresql":
            return None if value is None else str(value)
        return f"{(value if isinstance(value, uuid.UUID) else uuid.UUID(value)).int:032x}"

    def process_result_value(self, value, dialect):
        return value if value is None or isinstance(value, uuid.UUID) else uuid.UUID(value)


class OnTwo(TypeDecorator):
    """Knows the dialects of the application, and no other."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect):
        return {"sqlite": sa.String(40), "mysql": sa.String(40), "postgresql": sa.DateTime()}[dialect.name]

    def process_bind_param(self, value, dialect):
        return value if value is None or dialect.name == "postgresql" else value.isoformat()

    def process_result_value(self, value, dialect):
        return value if value is None or dialect.name == "postgresql" else dt.datetime.fromisoformat(value)


ONE = uuid.UUID("00345678-1234-5678-1234-567812345678")
BY_DIALECT = {
    "document": (Document, {"a": [1, "é"]}),
    "guid": (GUID, ONE),
    "on_two": (OnTwo, dt.datetime(2026, 1, 2, 3, 4, 5)),
    "utils_json": (sqlalchemy_utils.JSONType, {"a": [1, "é"]}),
    "utils_uuid": (sqlalchemy_utils.UUIDType(binary=False), ONE),
    "utils_list": (sqlalchemy_utils.ScalarListType(int), [1, 2]),
    "list": (sa.PickleType, [1]),
}


def tables(types):
    return [
        sa.Table(
            "t",
            sa.MetaData(),
            sa.Column("id", sa.Integer, primary_key=True),
            *(sa.Column(name, wrap(type_)) for name, type_ in types.items()),
        )
        for wrap in (lambda type_: type_, Encrypted)
    ]


def both_ways(database, atrest_on, values):
    clear, sealed = tables({name: type_ for name, (type_, _) in values.items()})
    row = {name: value for name, (_, value) in values.items()}
    clear.create(database.engine)

    def read(table):
        with database.engine.connect() as connection:
            return [dict(each) for each in connection.execute(sa.select(table).order_by(table.c.id)).mappings()]

    with database.engine.begin() as connection:
        connection.execute(sa.insert(clear), {"id": 1, **row})
        connection.execute(sa.insert(clear), {"id": 2, **dict.fromkeys(row)})
    before = read(clear)
    at = atrest_on(database, *(("t", name) for name in values))
    at.run("encrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    assert read(sealed) == before
    with database.engine.begin() as connection:
        connection.execute(sa.insert(sealed), {"id": 3, **row})
        connection.execute(sa.update(sealed).where(sealed.c.id == 1).values(row))
    assert read(sealed) == [*before, {**before[0], "id": 3}]
    at.run("decrypt", apply_schema=True, backup=False)
    database.engine.dispose()
    assert read(clear) == [*before, {**before[0], "id": 3}]


def test_the_type_of_the_dialect_at_hand(database, atrest_on):
    both_ways(database, atrest_on, BY_DIALECT)


def test_mysqls_set(mariadb, atrest_on):
    both_ways(mariadb, atrest_on, {"v": (mysql.SET("b", "a", "c"), {"a", "b"}), "none": (mysql.SET("a"), set())})


@pytest.mark.parametrize(("value", "read"), [({"a", "b"}, {"a", "b"}), ("a,b", {"a", "b"}), ("", set()), (["b"], {"b"})])
def test_what_a_set_takes(value, read, keyring, sqlite):
    type_ = Encrypted(mysql.SET("b", "a"), column="t.v")
    dialect = sqlite.engine.dialect
    token = type_.process_bind_param(value, dialect)
    assert atrest.Field(keyring, "t.v").open(token) == ",".join(sorted(read, reverse=True))
    assert type_.process_result_value(token, dialect) == read


@pytest.mark.parametrize("value", [{"SECRET"}, "a,SECRET", 1, [["SECRET"]]])
def test_what_a_set_does_not_take(value, sqlite):
    with pytest.raises(EncryptedValueError, match="t.v is not a set of its members") as error:
        Encrypted(mysql.SET("b", "a"), column="t.v").process_bind_param(value, sqlite.engine.dialect)
    assert "SECRET" not in str(error.value)


def test_a_set_of_bits():
    with pytest.raises(TypeError, match="retrieve_as_bitwise"):
        Encrypted(mysql.SET("a", retrieve_as_bitwise=True))


def test_bytes_on_one_database_and_text_on_another(database):
    table = tables({"v": sqlalchemy_utils.UUIDType()})[1]
    table.create(database.engine)
    with database.engine.begin() as connection:
        if database.kind == "postgresql":
            with pytest.raises(EncryptedValueError, match="UUIDType has bytes on some databases and text on postgresql"):
                connection.execute(sa.insert(table), {"v": ONE})
            return
        connection.execute(sa.insert(table), {"v": ONE})
        assert connection.scalar(sa.select(table.c.v)) == ONE


def hooked(base, name):
    return type("Hooked", (base,), {"cache_ok": True, "impl": sa.String, name: lambda self, *args: None})


@pytest.mark.parametrize("name", ["bind_expression", "column_expression", "bind_processor", "result_processor", "literal_processor"])
@pytest.mark.parametrize("base", [sa.String, sa.JSON, TypeDecorator])
@pytest.mark.parametrize("wrap", [lambda kind: kind(), lambda kind: sa.ARRAY(kind()), lambda kind: type("Outer", (TypeDecorator,), {"impl": kind, "cache_ok": True})()], ids=["alone", "in an array", "decorated"])
def test_a_hook_that_would_not_be_called(wrap, base, name):
    with pytest.raises(TypeError, match=rf"Encrypted\(Hooked\) cannot be: its {name} would not be called"):
        Encrypted(wrap(hooked(base, name)))


def test_a_hook_of_the_type_of_one_dialect(sqlite):
    class Late(TypeDecorator):
        impl = sa.String
        cache_ok = True

        def load_dialect_impl(self, dialect):
            return hooked(sa.String, "bind_processor")() if dialect.name == "sqlite" else sa.String()

    with pytest.raises(EncryptedValueError, match="its bind_processor would not be called"):
        Encrypted(Late, column="t.v").process_bind_param("x", sqlite.engine.dialect)

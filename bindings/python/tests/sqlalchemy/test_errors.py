"""Errors name the column, and show no value: neither the one that is wrong nor those beside it."""

import asyncio
import enum
import os
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

import atrest
from atrest.sqlalchemy import Encrypted, EncryptedValueError, configure


class Meal(enum.Enum):
    SOUP = "hot"
    SALAD = "cold"


class Looked(TypeDecorator):
    """A type of the application's own, whose errors are its own, too."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        if value is None:
            return None
        return {"known": "known"}[value] if value != "typed" else self.refuse(value)

    def refuse(self, value):
        raise TypeError(f"no {value} and no zzz either")


def nested(depth):
    value = ["zzz"]
    for _ in range(depth):
        value = [value]
    return value


class Unsaid:
    def __reduce__(self):
        raise TypeError("zzz is not pickled")


REFUSED = {
    "no member": (sa.Enum("x", "y"), "zzz"),
    "no member, validated": (sa.Enum("x", "y", validate_strings=True), "zzz"),
    "a number for a member": (sa.Enum("x", "y"), 5),
    "the value of a member": (sa.Enum(Meal), "hot"),
    "a member of another": (sa.Enum(Meal), enum.Enum("Other", "SOUP zzz").SOUP),
    "KeyError of a decorator": (Looked, "zzz"),
    "TypeError of a decorator": (Looked, "typed"),
    "no pickle": (sa.PickleType, lambda: "zzz"),
    "no pickle of a lock": (sa.PickleType, threading.Lock()),
    "TypeError of a pickle": (sa.PickleType, Unsaid()),
    "too deep": (sa.JSON, nested(100_000)),
    "a circle": (sa.JSON, (circle := ["zzz"]) and circle.append(circle) or circle),
    "no JSON": (sa.JSON, {"zzz"}),
    "no UUID": (sa.Uuid, "zzz"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_value_that_is_refused(name, sqlite):
    type_, value = REFUSED[name]
    table = sa.Table("t", sa.MetaData(), sa.Column("name", Encrypted(sa.String)), sa.Column("v", Encrypted(type_)))
    table.create(sqlite.engine)
    with pytest.raises(EncryptedValueError, match=r"t\.v is not .*, and was not written") as error:
        with sqlite.engine.begin() as connection:
            connection.execute(sa.insert(table), {"name": "TOPSECRET", "v": value})
    assert "TOPSECRET" not in str(error.value) and "zzz" not in str(error.value) and "hot" not in str(error.value)
    # SQLAlchemy makes an error that it passes on its own cause.
    assert error.value.__cause__ in (None, error.value) and error.value.__suppress_context__
    assert sqlite.raw("SELECT count(*) FROM t") == [(0,)]


def test_members_are_written_as_in_clear(sqlite):
    """By their name, as SQLAlchemy takes one, too."""
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(sa.Enum(Meal))))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), [{"v": Meal.SOUP}, {"v": "SALAD"}])
        assert connection.scalars(sa.select(table.c.v)).all() == [Meal.SOUP, Meal.SALAD]


class Base(DeclarativeBase):
    pass


class Guest(Base):
    __tablename__ = "guests"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String)
    seat: Mapped[str] = mapped_column(Encrypted(sa.String))


SOURCES = {
    "KeyError: 'NO_SUCH_KEY_HERE'": lambda: atrest.Keyring(os.environ["NO_SUCH_KEY_HERE"]),
    "keys come from .* not from NoneType": lambda: None,
    "cannot read the policy": "/no/such/atrest.toml",
}


@pytest.mark.parametrize("said", SOURCES)
def test_keys_that_are_not_there(said, sqlite):
    Base.metadata.create_all(sqlite.engine)
    configure(SOURCES[said])
    with Session(sqlite.engine) as session, pytest.raises(EncryptedValueError, match=rf"guests\.seat could not .*{said}") as error:
        session.add(Guest(name="TOPSECRET", seat="zzz"))
        session.commit()
    assert "TOPSECRET" not in str(error.value) and "zzz" not in str(error.value)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("allow_plaintext", [False, True])
def test_bytes_that_are_no_text(binary, allow_plaintext, sqlite, keyring):
    text = Encrypted(sa.String, binary=binary, allow_plaintext=allow_plaintext)
    table = sa.Table("t", sa.MetaData(), sa.Column("v", text))
    table.create(sqlite.engine)
    for value in (b"secret\xff", atrest.Field(keyring, "t.v").seal(b"secret\xff")):
        with sqlite.engine.begin() as connection:
            connection.execute(sa.delete(table))
            connection.exec_driver_sql("INSERT INTO t VALUES (?)", (value,))
            with pytest.raises(atrest.DecryptionError, match=r"t\.v") as error:
                connection.execute(sa.select(table)).all()
        assert "secret" not in str(error.value) and error.value.__cause__ is None
        assert not hasattr(error.value, "object")


def row_with_wrong(kind):
    return {"id": 1, "x": "TOPSECRET", **{"JSON": {"j": {1, 2}}, "date": {"d": "nodate"}, "UUID": {"u": 5}}[kind]}


def rows_of(of, name="rows"):
    meta = sa.MetaData()
    columns = sa.Column("j", sa.JSON), sa.Column("d", sa.DateTime), sa.Column("u", sa.Uuid), sa.Column("x", of(sa.String))
    return sa.Table(name, meta, sa.Column("id", sa.Integer, primary_key=True), *columns)


LATER = [{"id": 1, "x": "TOPSECRET"}, {"id": 2}]


@pytest.mark.parametrize(
    "rows",
    [row_with_wrong("JSON"), row_with_wrong("date"), row_with_wrong("UUID"), LATER, [{"id": 1, "d": "nodate"}, *LATER]],
    ids=["JSON", "date", "UUID", "a value is missing", "the first row has none"],
)
def test_what_is_wrong_in_a_clear_column_shows_none_of_an_encrypted_one(rows, sqlite):
    """SQLAlchemy shows the parameters as they were before any type saw them."""
    table, clear = rows_of(Encrypted), rows_of(lambda type_: type_, "rows_in_clear")
    table.create(sqlite.engine)
    for of, shown in ((table, False), (clear, True), (table, False)):
        with sqlite.engine.begin() as connection, pytest.raises(sa.exc.StatementError) as error:
            connection.execute(sa.insert(of), rows)
        assert ("TOPSECRET" in str(error.value)) == shown
        assert "INSERT INTO rows" in str(error.value) and "TOPSECRET" not in str(error.value.__cause__)


def test_a_value_that_is_missing_in_every_database(database):
    table = rows_of(Encrypted)
    table.create(database.engine)
    with database.engine.begin() as connection, pytest.raises(sa.exc.StatementError, match="A value is required") as error:
        connection.execute(sa.insert(table), LATER)
    assert "TOPSECRET" not in str(error.value)


OUTSIDE = {
    "a parameter of its own type": lambda table: sa.bindparam("x", type_=Encrypted(sa.String, column="a.b")),
    "a parameter of the column's type": lambda table: sa.bindparam("x", type_=table.c.x.type),
    "an array": lambda table: sa.bindparam("x", type_=sa.ARRAY(table.c.x.type)),
    "text": lambda table: sa.text(":x").bindparams(sa.bindparam("x", type_=table.c.x.type)),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_nor_does_it_where_the_type_stands_outside_of_its_table(name, sqlite):
    for wanted in ("j", "none"):
        statement = sa.select(OUTSIDE[name](rows_of(Encrypted)), sa.bindparam(wanted, type_=sa.JSON))
        with sqlite.engine.begin() as connection, pytest.raises(sa.exc.StatementError) as error:
            connection.execute(statement, {"x": "TOPSECRET", "j": {1, 2}})
        assert "TOPSECRET" not in str(error.value)


def test_nor_where_no_cursor_can_be_had(sqlite):
    table = rows_of(Encrypted)
    table.create(sqlite.engine)
    with sqlite.engine.connect() as connection:
        connection.connection.driver_connection.close()
        with pytest.raises(sa.exc.ProgrammingError, match="closed") as error:
            connection.execute(sa.insert(table), {"id": 1, "x": "TOPSECRET"})
        connection.invalidate()
    assert "TOPSECRET" not in str(error.value)


def test_nor_in_a_flush(sqlite):
    class Rows(Base):
        __table__ = rows_of(Encrypted).to_metadata(Base.metadata)

    Rows.__table__.create(sqlite.engine)
    with Session(sqlite.engine) as session:
        session.add(Rows(**row_with_wrong("date")))
        with pytest.raises(sa.exc.StatementError) as error:
            session.flush()
        session.rollback()
        session.add(Rows(id=1, x="before"))
        session.flush()
        session.get(Rows, 1).x, session.get(Rows, 1).j = "TOPSECRET", {1, 2}
        with pytest.raises(sa.exc.StatementError) as other:
            session.scalars(sa.select(Rows)).all()
    assert "TOPSECRET" not in str(error.value) and "TOPSECRET" not in str(other.value)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nor_with_asyncio(kind, request):
    database = request.getfixturevalue(kind)
    table = rows_of(Encrypted)
    table.create(database.engine)

    async def wrong():
        driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}[kind]
        engine = create_async_engine(make_url(database.sqlalchemy_url).set(drivername=driver))
        for rows in (row_with_wrong("JSON"), LATER):
            async with engine.connect() as connection:
                with pytest.raises(sa.exc.StatementError) as error:
                    await connection.execute(sa.insert(table), rows)
            assert "TOPSECRET" not in str(error.value)
        await engine.dispose()

    asyncio.run(wrong())


class Parsed(TypeDecorator):
    """Of the application's own, with a dictionary that does not have what it reads."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value, dialect):
        return {None: None}[value]


def unreadable(text):
    raise TypeError(f"cannot read {text}")


UNREADABLE = {
    "KeyError": (Parsed, "TOPSECRET"),
    "UnpicklingError": (sa.PickleType, b"TOPSECRET"),
    "TypeError": (sa.JSON, '"TOPSECRET"'),
    "JSONDecodeError": (sa.JSON, "TOPSECRET"),
}


@pytest.mark.parametrize("allow_plaintext", [False, True])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_value_that_the_applications_own_type_cannot_read(name, allow_plaintext, sqlite, keyring):
    type_, text = UNREADABLE[name]
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(type_, allow_plaintext=allow_plaintext)))
    table.create(sqlite.engine)
    engine = sa.create_engine(sqlite.sqlalchemy_url, json_deserializer=unreadable if name == "TypeError" else None)
    token = atrest.Field(keyring, "t.v").seal(text)
    for stored in (token, text) if allow_plaintext else (token,):
        with engine.begin() as connection:
            connection.execute(sa.delete(table))
            connection.exec_driver_sql("INSERT INTO t VALUES (?)", (stored,))
            with pytest.raises(atrest.DecryptionError, match=rf"t\.v .* it is not .*\({name}\)") as error:
                connection.execute(sa.select(table)).all()
        assert "TOPSECRET" not in str(error.value) and error.value.__cause__ is None and error.value.__suppress_context__
    engine.dispose()

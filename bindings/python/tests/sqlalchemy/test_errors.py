"""Errors name the column, and show no value: neither the one that is wrong nor those beside it."""

import enum
import os
import threading

import pytest
import sqlalchemy as sa
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

"""Types that are pickled: by multiprocessing, by caches of statements, by tools."""

import copy
import decimal
import pickle

import pytest
import sqlalchemy as sa
from databases import KEY
from sqlalchemy.ext import serializer

import atrest
from atrest.sqlalchemy import Encrypted
from atrest.sqlalchemy.keys import Keys


def table(**options):
    return sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("v", Encrypted(sa.JSON, **options)),
        sa.Column("w", Encrypted(sa.Numeric(10, 2), context="prices", binary=True)),
    )


def policy(tmp_path):
    path = tmp_path / "atrest.toml"
    path.write_text('[keys]\nprimary = "file:key"\n[database]\nurl = "sqlite:app.db"\n[[column]]\ntable = "t"\nname = "v"\n')
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    return path


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_table_comes_back_with_its_types(sqlite, protocol):
    before = table()
    before.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(before.insert().values(v={"a": 1}, w=decimal.Decimal("2.50")))
    pickled = pickle.dumps(before, protocol)
    assert KEY.encode() not in pickled
    after = pickle.loads(pickled)
    assert after.c.v.type is not before.c.v.type and repr(after.c.v.type) == repr(before.c.v.type)
    assert after.c.v.type._static_cache_key == before.c.v.type._static_cache_key
    with sqlite.engine.begin() as connection:
        connection.execute(after.insert().values(v={"a": 2}, w=decimal.Decimal("3.50")))
        rows = [(v, str(w)) for v, w in connection.execute(sa.select(before.c.v, before.c.w).order_by(before.c.id))]
        assert rows == [({"a": 1}, "2.50"), ({"a": 2}, "3.50")]
        assert connection.scalars(sa.select(after.c.v).order_by(after.c.id)).all() == [{"a": 1}, {"a": 2}]


def test_a_statement_is_serialized(sqlite):
    before = table()
    before.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(before.insert().values(v=["kept"]))
        statement = serializer.loads(serializer.dumps(sa.select(before.c.v)), before.metadata)
        assert connection.scalars(statement).all() == [["kept"]]


def test_keys_of_a_column_are_named_not_carried(tmp_path):
    source = str(policy(tmp_path))
    type_ = Encrypted(sa.String, keys=Keys(source), column="t.v")
    token = type_.process_bind_param("secret", sa.create_engine("sqlite://").dialect)
    pickled = pickle.dumps(type_)
    assert KEY.encode() not in pickled and source.encode() in pickled
    assert pickle.loads(pickled).process_result_value(token, None) == "secret"


def test_keys_that_cannot_be_named_are_refused():
    type_ = Encrypted(sa.String, keys=atrest.Keyring(KEY), column="t.v")
    with pytest.raises(TypeError, match="Keyring is not pickled.*load them again"):
        pickle.dumps(type_)
    # A copy in the same process shares them.
    token = type_.process_bind_param("x", sa.create_engine("sqlite://").dialect)
    assert copy.deepcopy(type_).process_result_value(token, None) == "x"

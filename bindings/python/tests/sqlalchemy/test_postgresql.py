"""Types that PostgreSQL alone has, held against PostgreSQL itself."""

import asyncio
import ipaddress

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.ext.mutable import MutableList

from atrest.sqlalchemy import Encrypted, EncryptedValueError
from atrest.sqlalchemy.codec import codec

DIALECT = pg.dialect()
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
LOTS = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def as_postgresql_writes(connection, text, cast):
    return connection.exec_driver_sql(f"SELECT %s::text::{cast}::text", (text,)).scalar()


def test_an_array_is_postgresqls(postgresql):
    each = codec(sa.ARRAY(sa.String))
    with postgresql.engine.connect() as connection:

        @LOTS
        @given(st.lists(st.none() | TEXT | st.sampled_from(["NULL", "null", "{}", '"', "\\", " ", ","])))
        def same(items):
            text = each.encode(items, DIALECT)
            assert each.decode(as_postgresql_writes(connection, text, "text[]"), DIALECT) == items
            assert each.decode(text, DIALECT) == items

        same()


def test_an_hstore_is_postgresqls(postgresql):
    each = codec(pg.HSTORE())
    postgresql.execute("CREATE EXTENSION hstore")
    with postgresql.engine.connect() as connection:

        @LOTS
        @given(st.dictionaries(TEXT, st.none() | TEXT | st.just("NULL"), max_size=4))
        def same(pairs):
            text = each.encode(pairs, DIALECT)
            assert each.decode(as_postgresql_writes(connection, text, "hstore"), DIALECT) == pairs
            assert each.decode(text, DIALECT) == pairs

        same()


ZEROS = st.lists(st.sampled_from([0, 0, 1, 0xFFFF, 0x2001]), min_size=8, max_size=8)
IPV6 = ZEROS.map(lambda words: ipaddress.IPv6Address(":".join(f"{word:x}" for word in words)))


def test_an_address_is_postgresqls(postgresql):
    host, net = codec(pg.INET()), codec(pg.CIDR())
    with postgresql.engine.connect() as connection:

        @LOTS
        @given(st.ip_addresses() | IPV6, st.data())
        def same(address, data):
            length = data.draw(st.integers(0, address.max_prefixlen))
            interface = ipaddress.ip_interface((address, length))
            text = host.encode(interface, DIALECT)
            assert as_postgresql_writes(connection, text, "inet") == text
            assert ipaddress.ip_interface(host.decode(text, DIALECT)) == interface
            text = net.encode(interface.network, DIALECT)
            written = as_postgresql_writes(connection, text, "cidr")
            assert ipaddress.ip_network(net.decode(written, DIALECT)) == interface.network
            assert ipaddress.ip_network(net.decode(text, DIALECT)) == interface.network

        same()


ADDRESSES = {
    "host": (pg.INET, ["192.0.2.1", "192.0.2.1/24", "2001:db8::1", "2001:db8::1/64", "::ffff:192.0.2.1"]),
    "net": (pg.CIDR, ["192.0.2.0/24", "192.0.2.7/32", "2001:db8::/32", "2001:db8::1/128", "0.0.0.0/0"]),
    "mac": (pg.MACADDR, ["08:00:2b:01:02:03", "08-00-2B-01-02-03", "08002b010203", "0800.2b01.0203", "08002b-010203"]),
}


@pytest.mark.parametrize("native", [None, False])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg async", "asyncpg"])
def test_addresses_read_as_in_clear_whatever_the_driver(driver, native, postgresql, keyring):
    name, *is_async = driver.split()
    url = sa.make_url(postgresql.sqlalchemy_url).set(drivername=f"postgresql+{name}")
    options = {} if native is None else {"native_inet_types": native}
    columns = lambda wrap: [sa.Column(name, wrap(type_)) for name, (type_, _) in ADDRESSES.items()]  # noqa: E731
    clear = sa.Table("c", sa.MetaData(), *columns(lambda t: t))
    sealed = sa.Table("t", sa.MetaData(), *columns(Encrypted))
    clear.create(postgresql.engine)
    sealed.create(postgresql.engine)
    for row in zip(*(texts for _, texts in ADDRESSES.values()), strict=True):
        quoted = ", ".join(f"'{text}'" for text in row)
        postgresql.execute(f"INSERT INTO c VALUES ({quoted})")

    def both(connection):
        rows = connection.execute(sa.select(clear)).mappings().all()
        connection.execute(sa.insert(sealed), [dict(row) for row in rows])
        return rows, connection.execute(sa.select(sealed)).mappings().all()

    async def both_async():
        engine = create_async_engine(url, **options)
        async with engine.begin() as connection:
            got = await connection.run_sync(both)
        await engine.dispose()
        return got

    if is_async or name == "asyncpg":
        want, have = asyncio.run(both_async())
    else:
        engine = sa.create_engine(url, **options)
        with engine.begin() as connection:
            want, have = both(connection)
        engine.dispose()
    assert have == want
    assert [[type(v) for v in row.values()] for row in have] == [[type(v) for v in row.values()] for row in want]


WRONG = {
    "text for an array": (sa.ARRAY(sa.Integer), "{555}"),
    "an item of another type": (sa.ARRAY(sa.Integer), [555, "555"]),
    "inner arrays of different sizes": (sa.ARRAY(sa.Integer), [[555], [555, 555]]),
    "a number in an hstore": (pg.HSTORE(), {"k": 555}),
    "no address": (pg.INET(), "555.555.0.1"),
    "a number for an address": (pg.INET(), 555),
    "a host for a network": (pg.CIDR(), "192.0.2.55/24"),
    "an address with a zone": (pg.INET(), "fe80::55%eth0"),
    "an address object with a zone": (pg.INET(), ipaddress.ip_address("fe80::55%eth0")),
    "an address with a zone and a length": (pg.INET(), ipaddress.ip_interface("fe80::55%eth0/64")),
    "a network with a zone": (pg.CIDR(), ipaddress.ip_network("fe80::55%eth0")),
    "an array's address with a zone": (sa.ARRAY(pg.INET), ["::1", "fe80::55%eth0"]),
    "no hardware address": (pg.MACADDR(), "55:5"),
}


@pytest.mark.parametrize("type_, value", WRONG.values(), ids=list(WRONG))
def test_what_is_none_is_refused_and_not_shown(type_, value, postgresql, keyring):
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(type_)))
    table.create(postgresql.engine)
    with postgresql.engine.begin() as connection, pytest.raises(EncryptedValueError, match=r"t\.v") as error:
        connection.execute(sa.insert(table).values(v=value))
    assert "55" not in str(error.value)


def test_a_zone_is_refused_as_in_clear(postgresql, keyring):
    """PostgreSQL has none, so that the column could not become clear again."""
    for type_ in (pg.INET(), pg.CIDR()):
        with pytest.raises(sa.exc.DataError), postgresql.engine.connect() as connection:
            as_postgresql_writes(connection, "fe80::1%eth0", type_.compile(DIALECT))
        with postgresql.engine.connect() as connection, pytest.raises(EncryptedValueError, match="zone.* take it off"):
            connection.scalar(sa.select(sa.literal("fe80::1%eth0", Encrypted(type_, column="t.v"))))


DAMAGED = {
    "array": (sa.ARRAY(sa.Integer), ["", "{1", "1,2", "{1}}", "{a}", "{1,}"]),
    "bytes in an array": (sa.ARRAY(sa.LargeBinary), ["{ff}", '{"\\\\xf"}']),
    "hstore": (pg.HSTORE(), ["a=>1", '"a"', '"a"=>"b" "c"=>"d"', '"a"=>b', '"a"=>"b",']),
    "inet": (pg.INET(), ["", "1.2.3", "192.0.2.1/33", "fe80::1%eth0"]),
    "cidr": (pg.CIDR(), ["192.0.2.1/24", "x"]),
    "mac": (pg.MACADDR(), ["", "08:00:2b:01:02", "08002b010203"]),
    "interval": (pg.INTERVAL(), ["", "soon", "2026-01-01 00:00:00"]),
}


@pytest.mark.parametrize("type_, texts", DAMAGED.values(), ids=list(DAMAGED))
def test_a_text_that_is_none_is_no_value(type_, texts):
    for text in texts:
        with pytest.raises(ValueError):
            codec(type_).decode(text, DIALECT)


def test_an_array_as_sqlalchemy_gives_it(postgresql, keyring):
    """Tuples where `as_tuple` says so, lists that notice changes, any collection to write."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("pairs", Encrypted(pg.ARRAY(sa.Integer, as_tuple=True))),
        sa.Column("words", MutableList.as_mutable(Encrypted(sa.ARRAY(sa.String)))),
    )
    registry = sa.orm.registry()
    row_class = type("Row", (), {})
    registry.map_imperatively(row_class, table)
    table.create(postgresql.engine)
    with sa.orm.Session(postgresql.engine) as session:
        row = row_class()
        row.id, row.pairs, row.words = 1, [[1, 2], (3, 4)], ["a"]
        session.add(row)
        session.commit()
        assert row.pairs == ((1, 2), (3, 4))
        row.words.append("b")
        session.commit()
        assert row.words == ["a", "b"]
        row.pairs = {5}
        session.commit()
        assert row.pairs == (5,)


def test_a_type_without_a_text_is_refused():
    for type_ in (pg.TSVECTOR, pg.INT4RANGE, sa.ARRAY(pg.TSVECTOR)):
        with pytest.raises(TypeError, match="Encrypted\\(JSON\\)"):
            Encrypted(type_)


@pytest.mark.parametrize("value", [[{"a": 1}, [2]], [{"a": 1}, [2], [3, 4], None], ["x", ["y"]]])
def test_lists_of_json_behind_what_is_none(value, postgresql):
    """The first item says how deep the array is, as SQLAlchemy has it."""
    type_ = pg.ARRAY(pg.JSONB)
    for name, kind in (("clear", type_), ("sealed", Encrypted(type_))):
        table = sa.Table(name, sa.MetaData(), sa.Column("v", kind))
        table.create(postgresql.engine)
        with postgresql.engine.begin() as connection:
            connection.execute(sa.insert(table), {"v": value})
            assert connection.scalar(sa.select(table.c.v)) == value, name

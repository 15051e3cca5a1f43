"""What goes in comes out, for every type, in every database."""

import datetime as dt
import decimal
import enum
import json
import math
import uuid

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.types import TypeDecorator

import atrest
from atrest.sqlalchemy import Encrypted, EncryptedValueError


class Colour(enum.Enum):
    RED = 1
    DARK_BLUE = 2


class Reversed(TypeDecorator):
    """A type of the application's own."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value[::-1]

    def process_result_value(self, value, dialect):
        return value and value[::-1]


CASES = [
    (sa.String(50), ["", "plain", "Zoë 山田 👩‍👩‍👧 e\u0301", "it's \"quoted\"; --", "nul\0inside", "x" * 70_000]),
    (sa.Text, ["line\nline\r\n\ttab", "ar1.looks like a token", "gAAAAAlooks like one"]),
    (sa.Unicode(5), ["longer than its clear length"]),
    (sa.Integer, [0, -1, 2**31, -(2**100)]),
    (sa.BigInteger, [2**63]),
    (sa.Boolean, [True, False]),
    (sa.Float, [0.1, -1e300, 5e-324, math.inf, -math.inf]),
    (sa.Numeric(10, 2), [decimal.Decimal("12.50"), decimal.Decimal("-0.01"), decimal.Decimal("1E+5"), decimal.Decimal(7)]),
    (sa.Numeric(asdecimal=False), [2.5]),
    (sa.Date, [dt.date(2026, 1, 2), dt.date.min, dt.date.max]),
    (
        sa.DateTime,
        [
            dt.datetime(2026, 1, 2, 3, 4, 5),
            dt.datetime(2026, 1, 2, 3, 4, 5, 60),
        ],
    ),
    (sa.Time, [dt.time(3, 4), dt.time(23, 59, 59, 999_999)]),
    (sa.Interval, [dt.timedelta(0), dt.timedelta(days=-3, seconds=5, microseconds=7), dt.timedelta(hours=30)]),
    (sa.JSON, [{"a": [1, 2.5, None, "é"], "b": {}}, [], "text", 0, False, {"deep": [[[["x"]]]]}]),
    (sa.Enum(Colour), list(Colour)),
    (sa.Enum("a", "b", name="letters"), ["a", "b"]),
    (sa.Uuid, [uuid.UUID(int=0), uuid.UUID("ffffffff-1234-5678-1234-567812345678")]),
    (sa.Uuid(as_uuid=False), ["12345678-1234-5678-1234-567812345678"]),
    (sa.LargeBinary, [b"", b"\x00\xff\xfe not UTF-8", bytes(range(256)) * 300]),
    (Reversed, ["abc", ""]),
    (sa.PickleType, [{"any": (1, 2)}]),
]


def table_of(types, **options):
    columns = [sa.Column(f"v{i}", Encrypted(type_, **options)) for i, type_ in enumerate(types)]
    return sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)


def stored_as(value):
    return value.decode("latin1") if isinstance(value, (bytes, memoryview)) else value


def test_every_type(database):
    table = table_of([type_ for type_, _ in CASES])
    table.create(database.engine)
    longest = max(len(values) for _, values in CASES)
    rows = [
        {f"v{i}": values[n] if n < len(values) else None for i, (_, values) in enumerate(CASES)} for n in range(longest)
    ]
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), rows)
    with database.engine.connect() as connection:
        read = connection.execute(sa.select(table).order_by(table.c.id)).mappings().all()
    for want, got in zip(rows, read, strict=True):
        for name, value in want.items():
            assert got[name] == value and type(got[name]) is type(value), name
    for row in database.raw("SELECT * FROM t ORDER BY id"):
        for value, want in zip(row[1:], rows[row[0] - 1].values(), strict=True):
            assert (value is None) == (want is None)
            if value is not None:
                assert bytes(value)[:2] == b"\x01\x01" if not isinstance(value, str) else value.startswith("ar1.")


def test_nan_is_nan(database):
    table = table_of([sa.Float, sa.JSON, sa.Numeric])
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(
            sa.insert(table), {"v0": math.nan, "v1": {"x": math.nan, "y": math.inf}, "v2": decimal.Decimal("NaN")}
        )
        row = connection.execute(sa.select(table)).one()
    assert math.isnan(row.v0) and math.isnan(row.v1["x"]) and row.v1["y"] == math.inf and row.v2.is_nan()


def test_ten_megabytes(database):
    if database.kind == "mariadb":
        with database.engine.connect() as connection:
            largest = connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar()
        assert largest >= 16 << 20
    table = table_of([sa.Text, sa.LargeBinary])
    table.create(database.engine)
    text, data = "é" * (5 << 20), bytes(10 << 20)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v0": text})
        connection.execute(sa.insert(table), {"v1": data})
        got = connection.execute(sa.select(table.c.v0, table.c.v1).order_by(table.c.id)).all()
    assert got[0].v0 == text and got[1].v1 == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=10,
)
#: Postgres and its drivers take what is in text as it is; the suite does, too.
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
ZONES = st.integers(-1439, 1439).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))
STRATEGIES = {
    "text": (sa.String, TEXT),
    "integer": (sa.Integer, st.integers()),
    "boolean": (sa.Boolean, st.booleans()),
    "float": (sa.Float, st.floats(allow_nan=False)),
    "numeric": (sa.Numeric, st.decimals(allow_nan=False, allow_infinity=False)),
    "date": (sa.Date, st.dates()),
    "datetime": (sa.DateTime, st.datetimes()),
    "zoned": (sa.DateTime(timezone=True), st.datetimes(timezones=ZONES)),
    "time": (sa.Time, st.times()),
    "zoned time": (sa.Time(timezone=True), st.times(timezones=ZONES)),
    "interval": (sa.Interval, st.timedeltas()),
    "json": (sa.JSON, JSON.filter(lambda value: value is not None)),
    "uuid": (sa.Uuid, st.uuids()),
    "binary": (sa.LargeBinary, st.binary()),
}


def test_what_goes_in_comes_out(database):
    names = list(STRATEGIES)
    table = table_of([STRATEGIES[name][0] for name in names])
    table.create(database.engine)
    rows = st.tuples(*(st.none() | STRATEGIES[name][1] for name in names))

    with database.engine.connect() as connection:

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(row=rows)
        def round_trip(row):
            with connection.begin() as transaction:
                connection.execute(sa.insert(table), {f"v{i}": value for i, value in enumerate(row)})
                got = connection.execute(sa.select(*list(table.c)[1:])).one()
                transaction.rollback()
            for name, want, have in zip(names, row, got, strict=True):
                if name.startswith("zoned") and want is not None and database.kind != "postgresql":
                    want = want.replace(tzinfo=None)
                assert have == want and str(have) == str(want), name

        round_trip()


ROUNDED = [
    (sa.Numeric(10, 2), decimal.Decimal("2.675"), "2.68"),
    (sa.Numeric(10, 2), decimal.Decimal("-2.675"), "-2.68"),
    (sa.Numeric(10, 2), decimal.Decimal("-0.001"), "0.00"),
    (sa.Numeric(10, 2), 0.1 + 0.2, "0.30"),
    (sa.Numeric(10, 2), 7, "7.00"),
    (sa.Numeric(10, 2), decimal.Decimal("1E+5"), "100000.00"),
    (sa.Numeric(40, 1), decimal.Decimal("123456789012345678901234567890123456789"), "123456789012345678901234567890123456789.0"),
    (sa.Numeric(10, 0), decimal.Decimal("2.5"), "3"),
    (sa.Numeric(10, 2), decimal.Decimal("NaN"), "NaN"),
    (sa.Numeric(10, 2), decimal.Decimal("-Infinity"), "-Infinity"),
    (mysql.DOUBLE(10, 3), 0.12345, "0.123"),
    # No scale, so no digit is cut, but of a float by SQLAlchemy.
    (sa.Numeric, decimal.Decimal("0.3000000000000000444"), "0.3000000000000000444"),
    (sa.Float(asdecimal=True), 0.1 + 0.2, "0.3000000000"),
    (mysql.DOUBLE, 19.9, "19.9000000000"),
]


@pytest.mark.parametrize(("type_", "value", "text"), ROUNDED)
def test_decimals_are_rounded_to_their_scale(type_, value, text, database):
    table = table_of([type_])
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v0": value})
        assert str(connection.scalar(sa.select(table.c.v0))) == text


@pytest.mark.parametrize(("value", "text"), [(2.675, "2.68"), (0.1 + 0.2, "0.30")])
def test_a_scale_of_floats(value, text, database, keyring):
    """In clear SQLite keeps their digits, and the others do not."""
    table = table_of([sa.Numeric(10, 2, asdecimal=False)])
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v0": value})
        assert connection.scalar(sa.select(table.c.v0)) == (value if database.kind == "sqlite" else float(text))


@pytest.mark.parametrize("value", [100, 99.995, decimal.Decimal("-1E+999999")])
def test_decimals_that_do_not_fit_their_precision(value, database):
    clear = sa.Table("c", sa.MetaData(), sa.Column("v", sa.Numeric(4, 2)))
    sealed = sa.Table("s", sa.MetaData(), sa.Column("v", Encrypted(sa.Numeric(4, 2))))
    if database.kind == "sqlite":
        if isinstance(value, decimal.Decimal):
            pytest.skip("no number of SQLite's")
        sealed.create(database.engine)
        with database.engine.begin() as connection:
            connection.execute(sa.insert(sealed), {"v": value})
            assert connection.scalar(sa.select(sealed.c.v)) == 100
        return
    for table, error in ((clear, sa.exc.DBAPIError), (sealed, EncryptedValueError)):
        table.create(database.engine)
        with pytest.raises(error) as raised, database.engine.begin() as connection:
            connection.execute(sa.insert(table), {"v": value})
    assert "s.v is not a number" in str(raised.value) and str(value) not in str(raised.value)


EAST = dt.timezone(dt.timedelta(hours=2))
OTHER_ZONES = [
    (sa.DateTime(), dt.datetime(2026, 7, 2, 3, 0, tzinfo=EAST)),
    (sa.DateTime(timezone=True), dt.datetime(2026, 7, 2, 3, 0)),
    (sa.Time(), dt.time(3, 0, tzinfo=EAST)),
    (sa.Time(timezone=True), dt.time(3, 0)),
]


@pytest.mark.parametrize(("type_", "value"), OTHER_ZONES)
def test_an_offset_is_left_out_as_in_clear_or_refused(type_, value, database):
    key = lambda: sa.Column("id", sa.Integer, primary_key=True)  # noqa: E731
    clear, sealed = (sa.Table(name, sa.MetaData(), key(), sa.Column("v", kind)) for name, kind in (("c", type_), ("s", Encrypted(type_))))
    read = []
    for table in (clear, sealed):
        table.create(database.engine)
        with database.engine.begin() as connection:
            if table is sealed and database.kind == "postgresql":
                # In clear the session's time zone decides.
                with pytest.raises(EncryptedValueError, match=r"s\.v .*value\.replace\(tzinfo=") as error:
                    connection.execute(sa.insert(table), {"v": value})
                assert "2026" not in str(error.value) and "03:00" not in str(error.value)
                return
            connection.execute(sa.insert(table), {"v": value})
            read.append(connection.scalar(sa.select(table.c.v)))
    assert read[0] == read[1] == value.replace(tzinfo=None)


def test_an_offset_that_was_sealed(keyring):
    """By the type before, or of a text of SQLite's."""
    type_ = Encrypted(sa.DateTime(), column="t.v")
    token = atrest.Field(keyring, "t.v").seal("2026-07-02 03:00:00+02:00")
    want = dt.datetime(2026, 7, 2, 3, 0)
    assert type_.process_result_value(token, mysql.dialect()) == want
    assert type_.process_result_value(token, sqlite_dialect()) == want.replace(tzinfo=EAST)


def test_a_value_of_another_type_is_refused(sqlite):
    table = table_of([sa.String, sa.Integer, sa.DateTime])
    table.create(sqlite.engine)
    refused = [{"v0": 555}, {"v1": "555"}, {"v1": 5.55}, {"v2": "2026-05-05"}, {"v2": dt.date(2026, 5, 5)}]
    for values in [*refused, {"v0": "\ud800 555"}]:
        with sqlite.engine.begin() as connection, pytest.raises(EncryptedValueError, match="t.v") as error:
            connection.execute(sa.insert(table), values)
        # What SQLAlchemy would show of the row's values is in clear.
        assert "5" not in str(error.value), error.value
    assert sqlite.raw("SELECT count(*) FROM t") == [(0,)]


def test_encrypted_twice_is_refused():
    with pytest.raises(TypeError, match="twice"):
        Encrypted(Encrypted(sa.String))


@pytest.mark.parametrize("python", [str, int, dict, uuid.UUID, Colour])
def test_a_type_of_python_is_no_type_of_a_column(python):
    with pytest.raises(TypeError, match=rf"Encrypted\({python.__name__}\): .* Encrypted\(String\) for str"):
        Encrypted(python)


def test_a_class_of_types_is_as_good_as_an_instance():
    assert isinstance(Encrypted(sa.JSON).type_, sa.JSON) and isinstance(Encrypted(Reversed).type_, Reversed)


def test_a_value_of_another_kind_in_the_token_is_an_error(sqlite, keyring):
    table = table_of([sa.Integer])
    table.create(sqlite.engine)
    token = atrest.Field(keyring, "t.v0").seal("no number")
    sqlite.execute(f"INSERT INTO t VALUES (1, '{token}')")
    with sqlite.engine.connect() as connection:
        with pytest.raises(atrest.DecryptionError, match="t.v0 opens, but it is not an integer") as error:
            connection.execute(sa.select(table)).all()
    assert "no number" not in str(error.value) and error.value.__cause__ is None


def test_tokens_in_a_binary_column(database):
    table = table_of([sa.String, sa.JSON, sa.Integer], binary=True)
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v0": "é", "v1": [1], "v2": 7})
        assert connection.execute(sa.select(table)).one()[1:] == ("é", [1], 7)
    for value in database.raw("SELECT v0, v1, v2 FROM t")[0]:
        assert bytes(value)[:2] == b"\x01\x01"


class Float64(float):
    """As numpy's: a float, which is written in another way."""

    def __repr__(self):
        return f"np.float64({float(self)!r})"

    __str__ = __repr__


class Level(enum.IntEnum):
    HIGH = 3

    def __str__(self):
        return "HIGH"

    __repr__ = __str__


@pytest.mark.parametrize("kind", [sa.Integer, sa.Float, sa.Numeric, sa.Numeric(asdecimal=False)])
@pytest.mark.parametrize("value", [Float64(1.5), True, False, Level.HIGH])
def test_kinds_of_numbers_are_read_again(kind, value, sqlite):
    if kind is sa.Integer and isinstance(value, float):
        pytest.skip("not an integer")
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(kind)))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": value})
        assert connection.scalar(sa.select(table.c.v)) == value


class Tags(TypeDecorator):
    """NULL is a list without tags, and the other way."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return ",".join(value) if value else None

    def process_result_value(self, value, dialect):
        return value.split(",") if value else []


class Said(TypeDecorator):
    """There is no NULL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return "nothing" if value is None else value


class SaidTwice(TypeDecorator):
    impl = Said
    cache_ok = True

    def process_result_value(self, value, dialect):
        return [value]


def test_null_is_for_the_decorator_to_read_and_write_as_in_clear(database):
    kinds, rows = (Tags, Said, SaidTwice), [(None, None, None), ([], "a", "b"), (["x", "y"], "", None)]

    def written(name, wrap):
        columns = [sa.Column(f"v{n}", wrap(kind)) for n, kind in enumerate(kinds)]
        table = sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *columns)
        table.create(database.engine)
        with database.engine.begin() as connection:
            connection.execute(sa.insert(table), [{f"v{n}": value for n, value in enumerate(row)} for row in rows])
            # Past the types.
            connection.execute(sa.insert(table).values({f"v{n}": sa.null() for n in range(3)}))
            read = connection.execute(sa.select(*columns).order_by(table.c.id)).all()
        return read, [[value is None for value in row] for row in database.raw(f"SELECT v0, v1, v2 FROM {name} ORDER BY id")]

    assert written("sealed", Encrypted) == written("clear", lambda kind: kind())
    for value in (value for row in database.raw("SELECT v0, v1, v2 FROM sealed") for value in row if value is not None):
        assert value.startswith("ar1.")


def test_null_of_json(database):
    """As docs/sqlalchemy.md says."""
    table = table_of([sa.JSON, sa.JSON(none_as_null=False)])
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), [{"v0": None, "v1": None}, {"v0": sa.JSON.NULL, "v1": sa.JSON.NULL}])
        read = sa.select(table.c.v0, table.c.v1, table.c.v0.is_(None), table.c.v1.is_(None)).order_by(table.c.id)
        assert connection.execute(read).all() == [(None, None, True, True), (None, None, False, False)]


@pytest.mark.parametrize("value", [5, -1, 1900, 2156, "2026"])
def test_what_is_no_year_of_mysqls(value, sqlite):
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(mysql.YEAR())))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection, pytest.raises(EncryptedValueError, match="t.v is not 0 or a year from 1901") as error:
        connection.execute(sa.insert(table), {"v": value})
    assert str(value) not in str(error.value).replace("1901 to 2155", "")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_json_that_a_serializer_gives_as_bytes(kind, sqlite, keyring):
    """As orjson does."""
    engine = sa.create_engine(sqlite.sqlalchemy_url, json_serializer=lambda value: kind(json.dumps(value).encode()))
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(sa.JSON)))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": {"a": ["é"]}})
        assert connection.scalar(sa.select(table.c.v)) == {"a": ["é"]}
    [(token,)] = sqlite.raw("SELECT v FROM t")
    assert json.loads(atrest.Field(keyring, "t.v").open(token)) == {"a": ["é"]}
    engine.dispose()


@pytest.mark.parametrize("written", [b"\xffTOPSECRET", None, {"v": "TOPSECRET"}], ids=["no UTF-8", "None", "no text"])
def test_what_a_serializer_gives_and_is_no_text(written, sqlite):
    engine = sa.create_engine(sqlite.sqlalchemy_url, json_serializer=lambda value: written)
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(sa.JSON)))
    table.create(engine)
    with engine.begin() as connection, pytest.raises(EncryptedValueError, match=r"t\.v is not JSON, and was not") as error:
        connection.execute(sa.insert(table), {"v": "TOPSECRET"})
    assert "TOPSECRET" not in str(error.value) and sqlite.raw("SELECT * FROM t") == []
    engine.dispose()

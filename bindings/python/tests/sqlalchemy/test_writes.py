"""SQL that would write something else than a token into an encrypted column, or a token into
another one, is refused before anything is sent."""

import pytest
import sqlalchemy as sa
from databases import KEY
from sqlalchemy.dialects import mysql, postgresql, sqlite as sqlite_dialect

import atrest
from atrest.sqlalchemy import Encrypted, EncryptedQueryError

T = sa.Table(
    "t",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("clear", sa.String(200)),
    sa.Column("text", Encrypted(sa.String)),
    sa.Column("name", Encrypted(sa.String), key="attribute"),
)


@pytest.fixture
def connection(sqlite):
    T.metadata.create_all(sqlite.engine)
    with sqlite.engine.connect() as connection:
        connection.execute(sa.insert(T), {"id": 1, "clear": "clear", "text": "first"})
        yield connection


def stored(connection):
    return connection.exec_driver_sql("SELECT * FROM t").all()


NO_TOKENS = {
    "a function": lambda new: {"text": sa.func.lower("CLEAR")},
    "a clear column": lambda new: {"text": T.c["clear"]},
    "a literal": lambda new: {"text": sa.literal("clear")},
    "by its column": lambda new: {T.c.text: sa.func.lower("CLEAR")},
    "the new row's clear column": lambda new: {"text": new["clear"]},
}


@pytest.mark.parametrize("name", NO_TOKENS)
@pytest.mark.parametrize("dialect", [sqlite_dialect, postgresql, mysql], ids=["lite", "pg", "my"])
def test_an_upsert_that_writes_no_token(name, dialect):
    insert = dialect.insert(T).values(id=1, text="x")
    if dialect is mysql:
        upsert = insert.on_duplicate_key_update({getattr(k, "key", k): v for k, v in NO_TOKENS[name](insert.inserted).items()})
    else:
        upsert = insert.on_conflict_do_update(index_elements=["id"], set_=NO_TOKENS[name](insert.excluded))
    with pytest.raises(EncryptedQueryError, match="t.text is encrypted"):
        upsert.compile(dialect=dialect.dialect())


def test_an_upsert_by_the_name_of_a_column_that_has_a_key():
    """SQLAlchemy warns of it, and writes the value past the column's type."""
    upsert = sqlite_dialect.insert(T).values(id=1).on_conflict_do_update(index_elements=["id"], set_={"name": "clear"})
    with pytest.raises(EncryptedQueryError, match="t.name is encrypted"):
        upsert.compile(dialect=sqlite_dialect.dialect())


def test_an_upsert_that_writes_tokens(connection):
    insert = sqlite_dialect.insert(T).values(id=1, text="second")
    for value in (insert.excluded.text, "second", sa.literal("second", T.c.text.type)):
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_={"text": value}))
        assert connection.scalar(sa.select(T.c.text)) == "second"
        assert "second" not in str(stored(connection))
    my = mysql.insert(T).values(id=1, text="x")
    assert "VALUES" in str(my.on_duplicate_key_update(text=my.inserted.text).compile(dialect=mysql.dialect()))
    connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_={"text": None}))
    assert connection.scalar(sa.select(T.c.text)) is None


GIVEN_AS_VALUES = {
    "lag": lambda: sa.select(sa.func.lag(T.c.text).over(order_by=T.c.id)),
    "first_value": lambda: sa.select(sa.func.first_value(T.c.text).over(order_by=T.c.id)),
    "nth_value": lambda: sa.select(sa.func.nth_value(T.c.text, 1).over(order_by=T.c.id)),
    "any_value": lambda: sa.select(sa.func.any_value(T.c.text)),
    "length": lambda: sa.select(sa.func.length(T.c.text)),
    "coalesce to a clear column's type": lambda: sa.select(sa.func.coalesce(T.c["clear"], T.c.text)),
    "else": lambda: sa.select(sa.case((T.c.id == 2, "none"), else_=T.c.text)),
    "an earlier then": lambda: sa.select(sa.case((T.c.id == 1, T.c.text), (T.c.id == 2, T.c["clear"]))),
    "union": lambda: sa.union(sa.select(T.c["clear"]), sa.select(T.c.text)),
    "union with NULL": lambda: sa.union_all(sa.select(sa.null()), sa.select(T.c.text)),
    "union in a subquery": lambda: sa.select(sa.union_all(sa.select(T.c["clear"]), sa.select(T.c.text)).subquery()),
    "update": lambda: sa.update(T).values(clear=T.c.text),
    "update from a subquery": lambda: sa.update(T).values(clear=sa.select(T.c.text).limit(1).scalar_subquery()),
    "insert from select": lambda: sa.insert(T).from_select(["clear"], sa.select(T.c.text)),
    "upsert": lambda: sqlite_dialect.insert(T).values(id=1).on_conflict_do_update(index_elements=["id"], set_={"clear": T.c.text}),
}


@pytest.mark.parametrize("name", GIVEN_AS_VALUES)
def test_no_token_is_given_as_a_value(name, connection):
    before = stored(connection)
    with pytest.raises(EncryptedQueryError, match="t.text is encrypted"):
        connection.execute(GIVEN_AS_VALUES[name]())
    assert stored(connection) == before


CLEAR_IN_ITS_PLACE = {
    "coalesce": lambda: sa.func.coalesce(T.c.text, "none"),
    "coalesce of a clear column": lambda: sa.func.coalesce(T.c.text, T.c["clear"]),
    "coalesce inside": lambda: sa.func.coalesce(sa.func.coalesce(T.c.text, "none"), sa.null()),
    "coalesce of a parameter": lambda: sa.func.coalesce(T.c.text, sa.bindparam("x", "none")),
    "else": lambda: sa.case((T.c.id == 1, T.c.text), else_="none"),
    "an earlier then": lambda: sa.case((T.c.id == 1, "none"), (T.c.id == 2, T.c.text)),
}


@pytest.mark.parametrize("name", CLEAR_IN_ITS_PLACE)
def test_no_clear_value_is_given_as_a_token(name, connection):
    connection.execute(sa.insert(T), {"id": 2, "text": None})
    with pytest.raises(EncryptedQueryError, match="t.text is encrypted, and here a clear value would be read as its token"):
        connection.scalars(sa.select(CLEAR_IN_ITS_PLACE[name]())).all()


def test_values_that_stay_of_their_column(connection):
    connection.execute(sa.insert(T), {"id": 2, "text": None})
    for statement, values in (
        (sa.select(sa.func.coalesce(T.c.text, sa.null())), ["first", None]),
        (sa.select(sa.func.coalesce(T.c.text, sa.literal("none", T.c.text.type))), ["first", "none"]),
        (sa.select(sa.func.count(T.c.text)), [1]),
        (sa.select(sa.case((T.c.id == 1, T.c.text))), ["first", None]),
        (sa.select(sa.case((T.c.id == 1, T.c.text), else_=sa.null())), ["first", None]),
        (sa.union_all(sa.select(T.c.text), sa.select(T.c.text), sa.select(sa.null())), ["first", None] * 2 + [None]),
    ):
        assert connection.scalars(statement).all() == values


WHOLE_ROWS = sa.select(T).subquery()
OF_POSTGRESQL = {
    "an array": lambda: postgresql.array([T.c["clear"], T.c.text]),
    "an array with it first": lambda: postgresql.array([T.c.text, T.c["clear"]]),
    "an array with a value": lambda: postgresql.array([T.c.text, "clear"]),
    "an array of arrays": lambda: postgresql.array([postgresql.array([T.c["clear"]]), postgresql.array([T.c.text])]),
    "an array of another type": lambda: postgresql.array([T.c.text], type_=sa.String),
    "an array in a function": lambda: sa.func.unnest(postgresql.array([T.c.text])),
    "an array of arrays in a function": lambda: sa.func.unnest(postgresql.array([postgresql.array([T.c.text])])),
    "a tuple in a function": lambda: sa.func.to_jsonb(sa.tuple_(T.c.id, T.c.text)),
    "a row": lambda: T.table_valued(),
    "a row in a function": lambda: sa.func.row_to_json(T.table_valued()),
    "a row of an alias": lambda: sa.func.to_jsonb(T.alias().table_valued()),
    "rows of a subquery": lambda: sa.func.json_agg(WHOLE_ROWS.table_valued()),
    "rows of a CTE": lambda: sa.func.json_agg(sa.select(T).cte().table_valued()),
}


@pytest.mark.parametrize("name", OF_POSTGRESQL)
def test_no_token_is_given_in_what_postgresql_makes_one_value_of(name):
    with pytest.raises(EncryptedQueryError, match="t.text is encrypted"):
        sa.select(OF_POSTGRESQL[name]()).compile(dialect=postgresql.dialect())


def test_arrays_and_rows_that_may_be(postgresql):
    from sqlalchemy.dialects.postgresql import array

    T.metadata.create_all(postgresql.engine)
    clear = sa.select(T.c.id, T.c["clear"]).subquery()
    with postgresql.engine.begin() as connection:
        connection.execute(sa.insert(T), {"id": 1, "clear": "clear", "text": "first"})
        for value, expected in (
            (array([T.c.text]), ["first"]),
            (array([T.c.text, sa.null(), sa.literal("x", T.c.text.type)]), ["first", None, "x"]),
            (array([array([T.c.text]), array([T.c.text])]), [["first"], ["first"]]),
            (array([T.c["clear"], "x"]), ["clear", "x"]),
            (sa.func.row_to_json(clear.table_valued()), {"id": 1, "clear": "clear"}),
        ):
            assert connection.scalar(sa.select(value)) == expected


#: Keys that say a column in another way, each with a value that goes past the column's type.
OTHER_KEYS = {
    "a tuple": lambda: {sa.tuple_(T.c.text, T.c.id): sa.tuple_("PLAIN", 1)},
    "a tuple and a SELECT": lambda: {sa.tuple_(T.c.text, T.c.id): sa.select(T.c["clear"], T.c.id).scalar_subquery()},
    "a tuple in it": lambda: {sa.tuple_(T.c.id, sa.tuple_(T.c.text, T.c["clear"])): sa.tuple_(1, "PLAIN", "PLAIN")},
    "another column's label": lambda: {T.c["clear"].label("text"): sa.func.lower("PLAIN")},
    "its label": lambda: {T.c.text.label("clear"): T.c.text},
    "column()": lambda: {sa.column("text"): sa.func.lower("PLAIN")},
    "literal_column()": lambda: {sa.literal_column("text"): sa.func.lower("PLAIN")},
    "type_coerce()": lambda: {sa.type_coerce(T.c.text, sa.String): "PLAIN"},
    "a subquery's column": lambda: {sa.select(T.c["clear"].label("text")).subquery().c.text: sa.func.lower("PLAIN")},
    "a tuple of clear columns": lambda: {sa.tuple_(T.c["clear"], T.c.id): sa.tuple_(T.c.text, T.c.id)},
    "the same from a SELECT": lambda: {sa.tuple_(T.c.id, T.c["clear"]): sa.select(T.c.id, T.c.text).scalar_subquery()},
    "a tuple as the value": lambda: {"clear": sa.tuple_(T.c.text)},
}


@pytest.mark.parametrize("name", OTHER_KEYS)
def test_a_key_that_is_not_the_column_itself(name, connection):
    before = stored(connection)
    for statement in (
        sa.update(T).values(OTHER_KEYS[name]()),
        sa.update(T).ordered_values(*OTHER_KEYS[name]().items()),
        sa.insert(T).values(OTHER_KEYS[name]()),
        sqlite_dialect.insert(T).values(id=1).on_conflict_do_update(index_elements=["id"], set_=OTHER_KEYS[name]()),
    ):
        with pytest.raises(EncryptedQueryError, match="t.text is encrypted, and the statement would"):
            connection.execute(statement)
    my = mysql.insert(T).values(id=1).on_duplicate_key_update(OTHER_KEYS[name]())
    with pytest.raises(EncryptedQueryError, match="t.text is encrypted, and the statement would"):
        my.compile(dialect=mysql.dialect())
    assert stored(connection) == before


def test_a_tuple_of_clear_columns_is_written(connection):
    connection.execute(sa.update(T).values({sa.tuple_(T.c["clear"], T.c.id): sa.tuple_("new", 5)}))
    assert connection.execute(sa.select(T.c.id, T.c["clear"], T.c.text)).all() == [(5, "new", "first")]


def test_tokens_in_an_array_into_a_clear_one():
    from sqlalchemy.dialects.postgresql import ARRAY, array

    table = sa.Table("lists", sa.MetaData(), sa.Column("list", ARRAY(sa.String)), sa.Column("text", Encrypted(sa.String)))
    with pytest.raises(EncryptedQueryError, match="lists.text is encrypted, and the statement would put its tokens"):
        sa.update(table).values(list=array([table.c.text])).compile(dialect=postgresql.dialect())


def test_two_tables_in_one_update():
    """A key of the other table's is not taken for a column of the first that has its name."""
    other = sa.Table("other", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("text", sa.String))
    update = sa.update(T).where(T.c.id == other.c.id).values({T.c.text: "x", other.c.text: sa.func.lower("X")})
    assert "other.text=lower" in str(update.compile(dialect=mysql.dialect())).replace(" = ", "=")


OTHER_COLUMNS = {
    "insert of a union": lambda: sa.insert(T).from_select(["text"], sa.union_all(sa.select(T.c.text), sa.select(T.c.attribute))),
    "insert of a union in one": lambda: sa.insert(T).from_select(
        ["text"], sa.union_all(sa.select(T.c.text), sa.union_all(sa.select(T.c.text), sa.select(T.c.attribute)))
    ),
    "union": lambda: sa.union_all(sa.select(T.c.text), sa.select(T.c.attribute)),
    "case": lambda: sa.select(sa.case((T.c.id == 1, T.c.attribute), else_=T.c.text)),
    "coalesce": lambda: sa.select(sa.func.coalesce(T.c.attribute, T.c.text)),
}


@pytest.mark.parametrize("name", OTHER_COLUMNS)
def test_no_column_is_read_as_another_one(name, connection):
    before = stored(connection)
    with pytest.raises(EncryptedQueryError, match=r"t\.(name|text) is encrypted"):
        connection.execute(OTHER_COLUMNS[name]())
    assert stored(connection) == before


def test_columns_of_one_context_in_a_union(sqlite, tmp_path, monkeypatch):
    columns = "".join(f'[[column]]\ntable = "{name}"\nname = "v"\ncontext = "one.v"\n' for name in ("one", "two"))
    policy = tmp_path / "atrest.toml"
    policy.write_text(f'[keys]\nprimary = "env:KEY"\n[database]\nurl = "sqlite:x.db"\n{columns}')
    monkeypatch.setenv("KEY", KEY)
    for options in ({"context": "one.v"}, {"keys": atrest.Fields.load(policy)}):
        one, two = (sa.Table(name, sa.MetaData(), sa.Column("v", Encrypted(sa.String, **options))) for name in ("one", "two"))
        for table in (one, two):
            table.drop(sqlite.engine, checkfirst=True)
            table.create(sqlite.engine)
        with sqlite.engine.begin() as connection:
            connection.execute(sa.insert(one), {"v": "1"})
            connection.execute(sa.insert(two), {"v": "2"})
            assert connection.scalars(sa.union_all(sa.select(one.c.v), sa.select(two.c.v))).all() == ["1", "2"]

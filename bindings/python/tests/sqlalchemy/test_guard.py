"""The guard is beside what SQLAlchemy and applications compile, and never in its way."""

import subprocess
import sys

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import AnsiFunction, FunctionElement, ReturnTypeFromArgs

import atrest.sqlalchemy  # noqa: F401

T = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.String))


class first_of(FunctionElement):
    inherit_cache = True
    name = "first_of"


@compiles(first_of)
def _first_of(element, compiler, **kw):
    return f"first_of({compiler.process(element.clauses, **kw)})"


class newest(ReturnTypeFromArgs):
    inherit_cache = True


class today(AnsiFunction):
    type = sa.Date()
    inherit_cache = True


NOTHING_ENCRYPTED = {
    "next value": (lambda: sa.Sequence("s").next_value(), "nextval('s')"),
    "next value in a function": (lambda: sa.func.abs(sa.Sequence("s").next_value()), "abs(nextval('s'))"),
    "function element": (lambda: first_of(T.c.a, T.c.b), "first_of(t.a, t.b)"),
    "type of its arguments": (lambda: newest(T.c.a), "newest(t.a)"),
    "without parentheses": (today, "today"),
    "now": (lambda: sa.func.current_timestamp(), "CURRENT_TIMESTAMP"),
    "of text": (lambda: sa.func.lower(sa.text("x")), "lower(x)"),
    "of a tuple": (lambda: sa.func.f(sa.tuple_(T.c.a, T.c.b)), "f((t.a, t.b))"),
    "of a row": (lambda: sa.func.row_to_json(T.table_valued()), "row_to_json(t)"),
    "of an array": (lambda: sa.func.unnest(postgresql.array([T.c.b])), "unnest(ARRAY[t.b])"),
    "array of arrays": (lambda: postgresql.array([postgresql.array([1, 2])]), "ARRAY[ARRAY["),
    "array of nothing": (lambda: postgresql.array([], type_=sa.Integer), "ARRAY[]"),
    "row": (lambda: T.table_valued(), "SELECT t"),
    "column valued": (lambda: sa.func.unnest(T.c.a).column_valued("x"), "unnest(t.a) AS x"),
    "scalar table valued": (lambda: sa.func.f(T.c.a).scalar_table_valued("x"), "(f(t.a)).x"),
    "comparison": (lambda: sa.func.st(T.c.a, T.c.b).as_comparison(1, 2), "st(t.a, t.b)"),
    "within group": (lambda: sa.func.mode().within_group(T.c.a), "WITHIN GROUP (ORDER BY t.a)"),
    "aggregate in order": (lambda: sa.func.array_agg(postgresql.aggregate_order_by(T.c.a, T.c.b)), "array_agg(t.a ORDER BY t.b)"),
    "window": (lambda: sa.func.sum(T.c.a).over(partition_by=T.c.b, order_by=T.c.a, rows=(None, 0)), "OVER (PARTITION BY t.b"),
    "window of nothing": (lambda: sa.func.sum(T.c.a).over(), "OVER ()"),
    "filter": (lambda: sa.func.count().filter(T.c.a > 1), "FILTER (WHERE"),
    "cast": (lambda: sa.cast(T.c.a, sa.String), "CAST(t.a AS VARCHAR)"),
    "extract": (lambda: sa.extract("year", T.c.a), "EXTRACT(year FROM t.a)"),
    "grouping sets": (lambda: sa.func.grouping_sets(sa.tuple_(T.c.a), sa.tuple_(T.c.b)), "GROUPING SETS((t.a), (t.b))"),
}


@pytest.mark.parametrize("name", NOTHING_ENCRYPTED)
def test_what_is_not_encrypted_compiles_as_ever(name):
    make, expected = NOTHING_ENCRYPTED[name]
    assert expected in str(sa.select(make()).compile(dialect=postgresql.dialect()))


def test_sequences(postgresql):
    sequence = sa.Sequence("numbers")
    table = sa.Table(
        "sequenced",
        sa.MetaData(),
        sa.Column("id", sa.Integer, sequence, primary_key=True),
        sa.Column("number", sa.Integer, sequence, server_default=sequence.next_value()),
    )
    table.metadata.create_all(postgresql.engine)
    with postgresql.engine.begin() as connection:
        connection.execute(sa.insert(table))
        connection.execute(sa.insert(table).values(id=sequence.next_value()))
        connection.execute(sa.update(table).values(number=sequence.next_value()))
        assert connection.scalar(sa.select(sequence.next_value())) > 4
        assert connection.scalar(sequence) > 5


def test_mysqls_match():
    statement = sa.select(T).where(mysql.match(T.c.b, against="x"))
    assert "MATCH (t.b)" in str(statement.compile(dialect=mysql.dialect()))


#: An application's hook for all of its statements of a class, registered before the guard or
#: behind it; a statement that the guard lets through, and one that it refuses.
HOOKED = """
import sys

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import dml, elements, functions, selectable

when, specs, class_, visit, good, bad = sys.argv[1:]


def hook():
    @compiles(eval(class_), *specs.split())
    def hooked(element, compiler, **kw):
        return "/* hooked */ " + getattr(compiler, visit)(element, **kw)


if when == "before":
    hook()
from atrest.sqlalchemy import Encrypted, EncryptedQueryError
if when == "behind":
    hook()

T = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("clear", sa.String), sa.Column("text", Encrypted(sa.String)))
engine = sa.create_engine("sqlite://")
T.metadata.create_all(engine)
with engine.begin() as connection:
    statement = eval(good)
    assert "/* hooked */" in str(statement.compile(connection)), str(statement.compile(connection))
    connection.execute(statement)
    stored = connection.exec_driver_sql("SELECT * FROM t").all()
    try:
        connection.execute(eval(bad))
    except EncryptedQueryError as refused:
        print(refused)
    assert connection.exec_driver_sql("SELECT * FROM t").all() == stored
"""
INSERTED = "sa.insert(T).from_select(['text'], sa.select(T.c['clear']))"
HOOKS = {
    "insert": ("dml.Insert", "visit_insert", "sa.insert(T).values(id=1)", INSERTED),
    "insert of a dialect": ("sqlite.Insert", "visit_insert", "sqlite.insert(T).values(id=1)", f"sqlite{INSERTED[2:]}"),
    "insert, for a dialect's": ("dml.Insert", "visit_insert", "sqlite.insert(T).values(id=1)", f"sqlite{INSERTED[2:]}"),
    "update": ("dml.Update", "visit_update", "sa.update(T).values(id=1)", "sa.update(T).values(text=T.c['clear'])"),
    "delete": ("dml.Delete", "visit_delete", "sa.delete(T)", "sa.delete(T).where(T.c.text)"),
    "select": ("selectable.Select", "visit_select", "sa.select(T)", "sa.select(T).order_by(T.c.text)"),
    "union": (
        "selectable.CompoundSelect",
        "visit_compound_select",
        "sa.union_all(sa.select(T.c.text), sa.select(T.c.text))",
        "sa.union(sa.select(T.c.text), sa.select(T.c.text))",
    ),
    "comparison": (
        "elements.BinaryExpression",
        "visit_binary",
        "sa.select(T).where(T.c.id == 1)",
        "sa.select(T).where(T.c['clear'] == T.c.text)",
    ),
    "function": ("functions.Function", "visit_function", "sa.select(sa.func.count(T.c.text))", "sa.select(sa.func.lower(T.c.text))"),
    "case": ("elements.Case", "visit_case", "sa.select(sa.case((T.c.id == 1, 2)))", "sa.select(sa.case((T.c.text, 2)))"),
}


@pytest.mark.parametrize("specs", ["", "sqlite"], ids=["all", "one dialect"])
@pytest.mark.parametrize("when", ["before", "behind"])
@pytest.mark.parametrize("name", HOOKS)
def test_hooks_of_the_application_run_beside_the_guard(name, when, specs):
    done = subprocess.run([sys.executable, "-c", HOOKED, when, specs, *HOOKS[name]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "t.text is encrypted" in done.stdout

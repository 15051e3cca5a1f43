"""A comparison with an encrypted column raises where it is written, or at the latest before
anything is sent; never are there silently no rows."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite as sqlite_dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

from atrest.sqlalchemy import Encrypted, EncryptedQueryError


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(50))
    email: Mapped[str | None] = mapped_column(Encrypted(sa.String))
    flag: Mapped[bool | None] = mapped_column(Encrypted(sa.Boolean))
    extras: Mapped[dict | None] = mapped_column(Encrypted(sa.JSON))


@pytest.fixture
def session(database):
    Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        session.add_all(
            [
                Person(id=1, name="ada", email="ada@example.org", extras={"a": 1}),
                Person(id=2, name="bob", email=None),
                Person(id=3, name="eve", email=""),
            ]
        )
        session.commit()
        yield session


REFUSED = {
    "equals": lambda c: c == "ada@example.org",
    "differs": lambda c: c != "ada@example.org",
    "in": lambda c: c.in_(["a"]),
    "not in": lambda c: c.not_in(["a"]),
    "in nothing": lambda c: c.in_([]),
    "like": lambda c: c.like("a%"),
    "ilike": lambda c: c.ilike("a%"),
    "contains": lambda c: c.contains("a"),
    "startswith": lambda c: c.startswith("a"),
    "less": lambda c: c < "b",
    "between": lambda c: c.between("a", "b"),
    "is a value": lambda c: c.is_("a"),
    "distinct from": lambda c: c.is_distinct_from(None),
    "concatenated": lambda c: c + "x",
    "from the right": lambda c: "x" + c,
    "coalesced": lambda c: sa.func.coalesce(c, "") == "",
    "ordered": lambda c: c.desc(),
    "ordered up": lambda c: c.asc(),
    "regular expression": lambda c: c.regexp_match("a"),
    "collated": lambda c: c.collate("C"),
    "labelled": lambda c: c.label("x") == "ada@example.org",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_where_it_is_written(name):
    with pytest.raises(EncryptedQueryError) as refused:
        REFUSED[name](Person.email)
    assert "people.email is encrypted" in str(refused.value)
    assert "is_(None)" in str(refused.value)
    with pytest.raises(EncryptedQueryError):
        REFUSED[name](aliased(Person).email)
    with pytest.raises(EncryptedQueryError):
        REFUSED[name](sa.select(Person).subquery().c.email)


def test_json_is_not_looked_into():
    with pytest.raises(EncryptedQueryError):
        Person.extras["a"]


COMPILED = {
    "ordered by it": lambda: sa.select(Person).order_by(Person.name, Person.email),
    "ordered down": lambda: sa.select(Person).order_by(sa.desc(Person.email)),
    "ordered inside": lambda: sa.select(sa.select(Person.id).order_by(Person.email).limit(1).subquery()),
    "equals itself": lambda: sa.select(Person).where(Person.email == Person.email),
    "differs from a column": lambda: sa.select(Person).where(Person.email != Person.name),
    "equals a parameter": lambda: sa.select(Person).where(Person.email == sa.literal("ada@example.org")),
    "in a function": lambda: sa.select(Person).where(sa.func.lower(Person.email) == "ada@example.org"),
    "the least": lambda: sa.select(sa.func.min(Person.email)),
    "on the right": lambda: sa.select(Person).where(sa.literal("ada@example.org") == Person.email),
    "a clear column": lambda: sa.select(Person).where(Person.name == Person.email),
    "joined": lambda: sa.select(Person).join(aliased(Person), Person.name == Person.email),
    "in a subquery": lambda: sa.select(Person).where(Person.name.in_(sa.select(Person.name).where(Person.name < Person.email))),
    "as a condition": lambda: sa.select(Person.id).where(Person.flag),
    "as one of two conditions": lambda: sa.select(Person.id).where(Person.flag, Person.id > 0),
    "within a condition": lambda: sa.select(Person.id).where(sa.or_(Person.id > 0, Person.flag)),
    "of groups": lambda: sa.select(Person.id).group_by(Person.id).having(Person.flag),
    "of an update": lambda: sa.update(Person).where(Person.flag).values(name="x"),
    "of a delete": lambda: sa.delete(Person).where(Person.flag),
    "of a case": lambda: sa.select(sa.case((Person.flag, "yes"), else_="no")),
    "of an aggregate": lambda: sa.select(sa.func.count(Person.id).filter(Person.flag)),
    "in a tuple": lambda: sa.select(Person.id).where(sa.tuple_(Person.id, Person.email).in_([(1, "ada@example.org")])),
    "equal tuples": lambda: sa.select(Person.id).where(sa.tuple_(Person.id, Person.email) == sa.tuple_(1, "ada@example.org")),
    "in a list on the right": lambda: sa.select(Person.id).where(sa.literal("ada@example.org").in_([Person.email])),
    "a part of it": lambda: sa.select(Person.id).where(sa.extract("year", Person.email) == 2000),
    "what a case looks at": lambda: sa.select(sa.case({"ada@example.org": "hit"}, value=Person.email, else_="miss")),
    "what a case looks for": lambda: sa.select(sa.case({Person.email: "hit"}, value=Person.name, else_="miss")),
    "the ends of a range": lambda: sa.select(Person.id).where(sa.literal("ada@example.org").between(Person.email, Person.email)),
    "an end of a range": lambda: sa.select(Person.id).where(Person.id.between(Person.email, 10)),
    "outside of a range": lambda: sa.select(Person.id).where(sa.not_(Person.name.between(Person.email, Person.email))),
    "a pattern to replace": lambda: sa.select(Person.name.regexp_replace(Person.email, "x")),
    "a flag beside a pattern": lambda: sa.select(Person.name.regexp_replace("a", Person.email, flags="i")),
    "one of three": lambda: sa.select(Person.name.concat(Person.email).concat("x")),
    "in a tuple of a list": lambda: sa.select(Person.id).where(sa.tuple_(Person.id, Person.name).in_([sa.tuple_(Person.id, Person.email)])),
    "in a tuple from a query": lambda: sa.select(Person.id).where(sa.tuple_(Person.id, Person.name).in_(sa.select(Person.id, Person.email))),
    "not in a tuple from a query": lambda: sa.select(Person.id).where(sa.tuple_(Person.id, Person.name).not_in(sa.select(Person.id, Person.email))),
    "in a tuple from two queries": lambda: sa.select(Person.id).where(
        sa.tuple_(Person.id, Person.name).in_(sa.union_all(*[sa.select(Person.id, Person.email)] * 2))
    ),
    "a tuple that a query gives": lambda: sa.select(Person.id).where(
        sa.tuple_(Person.id, Person.name) == sa.select(Person.id, Person.email).scalar_subquery()
    ),
    "any that a query gives": lambda: sa.select(Person.id).where(Person.name == sa.any_(sa.select(Person.email).scalar_subquery())),
    "any of an array": lambda: sa.select(Person.id).where(Person.name == sa.any_(postgresql.array([Person.email]))),
    "ordered by its name": lambda: sa.select(Person.email).order_by("email"),
    "ordered by its name, of the entity": lambda: sa.select(Person).order_by("email"),
    "ordered by the name of what is not selected": lambda: sa.select(Person.id).order_by("email"),
    "ordered down by its name": lambda: sa.select(Person.email).order_by(sa.nulls_last(sa.desc("email"))),
    "ordered by a label": lambda: sa.select(Person.email.label("z")).order_by("z"),
    "a window in order": lambda: sa.select(sa.func.row_number().over(order_by=Person.email)),
    "a window in two orders": lambda: sa.select(sa.func.row_number().over(order_by=[Person.id, sa.desc(Person.email)])),
    "a union in order": lambda: (lambda u: u.order_by(u.selected_columns.email))(sa.union(sa.select(Person.email), sa.select(Person.email))),
    "set to a clear column": lambda: sa.update(Person).values(email=Person.name),
    "set to a function": lambda: sa.update(Person).values(email=sa.func.lower(Person.email)),
    "set to another encrypted column": lambda: sa.update(Person).values(extras=Person.email),
    "set to a literal of another type": lambda: sa.update(Person).values(email=sa.literal("clear", sa.String)),
    "set in order": lambda: sa.update(Person).ordered_values((Person.email, Person.name)),
    "inserted from a query": lambda: sa.insert(Person).from_select(["id", "email"], sa.select(Person.id + 10, Person.name)),
    "inserted as SQL": lambda: sa.insert(Person).values(id=9, name="x", email=sa.func.lower("CLEAR")),
    "many inserted as SQL": lambda: sa.insert(Person).values([{"id": 9, "name": "x", "email": sa.func.lower("CLEAR")}]),
}


@pytest.mark.parametrize("name", COMPILED)
def test_refused_before_anything_is_sent(name, session):
    before = session.execute(sa.text("SELECT * FROM people ORDER BY id")).all()
    with pytest.raises(EncryptedQueryError):
        session.execute(COMPILED[name]())
    session.rollback()
    assert session.execute(sa.text("SELECT * FROM people ORDER BY id")).all() == before


def test_an_attribute_set_to_sql_is_refused(session):
    person = session.get(Person, 1)
    person.email = sa.func.lower("CLEAR")
    with pytest.raises(EncryptedQueryError):
        session.flush()


def test_what_is_about_null_works(session):
    def ids(*where):
        return session.scalars(sa.select(Person.id).where(*where).order_by(Person.id)).all()

    assert ids(Person.email.is_(None)) == ids(Person.email == None) == [2]  # noqa: E711
    assert ids(Person.email.is_not(None)) == ids(Person.email != None) == [1, 3]  # noqa: E711
    assert ids(Person.email.is_(sa.null())) == [2]
    assert ids(~Person.email.is_(None)) == [1, 3]
    assert session.scalar(sa.select(sa.func.count(Person.email))) == 2
    assert session.query(Person).filter_by(email=None).one().id == 2
    assert ids(sa.exists(sa.select(Person.email))) == [1, 2, 3]
    assert session.scalars(sa.select(Person.name.label("email")).order_by("email")).all() == ["ada", "bob", "eve"]
    assert session.scalars(sa.select(Person.id).order_by(Person.email.is_(None), sa.desc("name"))).all() == [3, 1, 2]


def test_a_token_may_be_copied_within_its_column(session):
    session.execute(sa.insert(Person).from_select(["id", "name", "email"], sa.select(Person.id + 10, Person.name, Person.email)))
    session.execute(sa.update(Person).where(Person.id == 12).values(email=sa.null()))
    assert session.scalars(sa.select(Person.email).where(Person.id > 10).order_by(Person.id)).all() == ["ada@example.org", None, ""]


def test_upsert(session, database):
    if database.kind == "mariadb":
        pytest.skip("ON DUPLICATE KEY has no excluded row in this form")
    insert = {"sqlite": sqlite_dialect.insert, "postgresql": postgresql.insert}[database.kind]
    statement = insert(Person).values(id=1, name="ada", email="new@example.org")
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"email": statement.excluded.email}))
    assert session.get(Person, 1).email == "new@example.org"
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"email": "newer"}))
    session.expire_all()
    assert session.get(Person, 1).email == "newer"
    assert "newer" not in str(database.raw("SELECT * FROM people"))


@pytest.mark.parametrize("wrong", [{"primary_key": True}, {"unique": True}, {"index": True}])
def test_a_column_that_cannot_be_encrypted(wrong):
    with pytest.raises(EncryptedQueryError, match="people2.email is encrypted and"):
        sa.Table("people2", sa.MetaData(), sa.Column("email", Encrypted(sa.String), **wrong))


def test_errors_of_the_database_show_tokens_only(session):
    with pytest.raises(sa.exc.IntegrityError) as error:
        session.execute(sa.insert(Person).values(id=1, name="again", email="secret@example.org"))
    assert "secret@" not in str(error.value)


SETS = {
    "union": sa.union,
    "intersect": sa.intersect,
    "intersect all": sa.intersect_all,
    "except": sa.except_,
    "except all": sa.except_all,
}


@pytest.mark.parametrize("name", SETS)
def test_set_operations_that_would_compare_tokens(session, name):
    together, other = SETS[name], aliased(Person)
    inner = sa.select(Person).subquery()
    for first, second in (
        (sa.select(Person.email), sa.select(Person.email)),
        (sa.select(Person.name, Person.email.label("x")), sa.select(Person.name, Person.email)),
        (sa.select(sa.null(), Person.name), sa.select(Person.email, Person.name)),
        (sa.select(Person.id, other.email), sa.select(Person.id, other.email)),
        (sa.select(inner.c.email), sa.select(inner.c.email)),
        (sa.select(sa.func.coalesce(Person.email, Person.email)), sa.select(Person.email)),
    ):
        with pytest.raises(EncryptedQueryError, match="people.email.*compare it in"):
            session.execute(together(first, second)).all()


CLEAR_BESIDE_TOKENS = {
    "clear behind tokens": lambda: (sa.select(Person.email), sa.select(Person.name)),
    "clear behind tokens, labelled": lambda: (sa.select(Person.id, Person.email), sa.select(Person.id, Person.name.label("email"))),
    "a literal behind tokens": lambda: (sa.select(Person.email), sa.select(sa.literal("clear"))),
    "tokens behind clear": lambda: (sa.select(Person.name), sa.select(Person.email)),
    "clear in the third": lambda: (sa.select(Person.email), sa.select(Person.email), sa.select(Person.name)),
}


@pytest.mark.parametrize("name", CLEAR_BESIDE_TOKENS)
def test_tokens_and_clear_values_in_one_column_of_a_union(session, name):
    with pytest.raises(EncryptedQueryError, match="people.email is encrypted.*a UNION those of its first SELECT"):
        session.execute(sa.union_all(*CLEAR_BESIDE_TOKENS[name]())).all()


@pytest.mark.parametrize("nothing", [sa.null(), sa.null().label("email"), sa.cast(sa.null(), Encrypted(sa.String)).label("email")])
def test_nothing_in_place_of_tokens(session, nothing):
    rows = session.execute(sa.union_all(sa.select(Person.id, Person.email), sa.select(Person.id + 10, nothing))).all()
    assert dict(map(tuple, rows)) == {1: "ada@example.org", 2: None, 3: "", 11: None, 12: None, 13: None}
    encrypted = sa.literal("new@example.org", Person.__table__.c.email.type)
    values = session.execute(sa.union_all(sa.select(Person.email).where(Person.id == 1), sa.select(encrypted))).scalars()
    assert sorted(values) == ["ada@example.org", "new@example.org"]


def test_set_operations_of_whole_rows(session):
    few, all_ = sa.select(Person).where(Person.id < 3), sa.select(Person)
    ids = lambda statement: sorted(p.id for p in session.scalars(sa.select(Person).from_statement(statement)))
    assert ids(sa.union(few, all_)) == [1, 2, 3]
    inner = sa.select(Person.id, Person.email).subquery()
    assert len(session.execute(sa.union(sa.select(inner), sa.select(inner))).all()) == 3
    if session.bind.dialect.name != "mysql":
        assert ids(sa.intersect(few, all_)) == [1, 2]
        assert ids(sa.except_(all_, few)) == [3]
    values = session.execute(sa.union_all(sa.select(Person.email), sa.select(Person.email))).scalars()
    assert sorted(str(v) for v in values) == sorted(["ada@example.org", "None", ""] * 2)

"""What a column's values are bound to: "table.column", as the policy has it."""

import copy
import itertools
from typing import Annotated

import pytest
import sqlalchemy as sa
from databases import KEY
from sqlalchemy.dialects import postgresql as postgresql_types
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

import atrest
from atrest.sqlalchemy import Encrypted, EncryptedQueryError, configure
from atrest.sqlalchemy import keys as module


def place(column):
    return column.type.column


def test_table_and_column():
    meta = sa.MetaData()
    shared = Encrypted(sa.String)
    table = sa.Table("people", meta, sa.Column("email", shared), sa.Column("phone", shared), sa.Column("x", Encrypted))
    assert [place(column) for column in table.c] == ["people.email", "people.phone", "people.x"]
    late = sa.Table("late", meta)
    late.append_column(sa.Column("email", shared))
    assert place(late.c.email) == "late.email" and place(table.c.email) == "people.email"
    assert place(sa.Table("odd.name", meta, sa.Column('a"b', Encrypted(), key="k"), schema="audit").c.k) == 'audit."odd.name"."a""b"'
    assert place(table.to_metadata(sa.MetaData(), schema="old").c.email) == "old.people.email"
    assert place(table.to_metadata(sa.MetaData(), name="clients").c.email) == "clients.email"
    assert place(table.c.email) == "people.email"


def test_declarative_in_all_its_ways():
    Secret = Annotated[str, mapped_column(Encrypted(sa.String))]
    Other = Annotated[str, 42]

    class Base(DeclarativeBase):
        type_annotation_map = {Other: Encrypted(sa.String)}

    class Mixin:
        note: Mapped[str] = mapped_column(Encrypted(sa.Text))

    class A(Mixin, Base):
        __tablename__ = "a"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[Secret]
        phone: Mapped[Secret]
        extra: Mapped[Other]

    class B(Mixin, Base):
        __tablename__ = "b"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[Secret]
        extra: Mapped[Other]

    class Sub(A):
        detail: Mapped[str | None] = mapped_column(Encrypted(sa.String), use_existing_column=True)

    for cls in (A, B, Sub):
        for column in cls.__table__.c:
            if column.name != "id":
                assert place(column) == f"{cls.__tablename__}.{column.name}"


def test_a_token_opens_in_its_own_column_only(database, keyring):
    meta = sa.MetaData()
    a = sa.Table("a", meta, sa.Column("v", Encrypted()), sa.Column("w", Encrypted()))
    b = sa.Table("b", meta, sa.Column("v", Encrypted()))
    meta.create_all(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(a), {"v": "first", "w": "second"})
        connection.exec_driver_sql("UPDATE a SET w = v")
        connection.exec_driver_sql("INSERT INTO b SELECT v FROM a")
        assert connection.scalar(sa.select(a.c.v)) == "first"
        for column, name in ((a.c.w, "a.w"), (b.c.v, "b.v")):
            with pytest.raises(atrest.DecryptionError, match=name):
                connection.scalar(sa.select(column))
        token = connection.exec_driver_sql("SELECT v FROM a").scalar()
    assert atrest.Field(keyring, "a.v").open(token) == "first"


def test_compiled_statements_are_kept_apart(sqlite):
    """Two statements of one shape, whose values belong to two columns."""
    one, other = Encrypted(sa.String, column="t.one"), Encrypted(sa.String, column="t.other")
    assert one._static_cache_key != other._static_cache_key
    fields = {name: atrest.Field(_keyring(), name) for name in ("t.one", "t.other")}
    with sqlite.engine.connect() as connection:
        for type_ in (one, other, one):
            token = connection.scalar(sa.select(sa.cast(sa.literal("x", type_), sa.String)))
            assert fields[type_.column].open(token) == "x"
            assert connection.scalar(sa.select(sa.literal("x", type_))) == "x"


def _keyring():
    return atrest.Keyring(KEY)


def test_a_statement_is_compiled_once(sqlite):
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted()))
    table.create(sqlite.engine)
    seen = []
    with sqlite.engine.begin() as connection:
        for n in range(3):
            done = connection.execute(sa.insert(table).values(id=n, v=str(n)))
            seen.append(done.context.cache_hit.name)
    assert seen[1:] == ["CACHE_HIT", "CACHE_HIT"]


def test_a_context_of_its_own(sqlite, keyring):
    table = sa.Table("renamed", sa.MetaData(), sa.Column("v", Encrypted(context="people.email")))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": "x"})
    [(token,)] = sqlite.raw("SELECT v FROM renamed")
    assert atrest.Field(keyring, "people.email").open(token) == "x"


def test_a_type_without_a_place_says_so(sqlite):
    for value, said in (("x", 'an Encrypted type outside of a table .*column="table.column"'), (5, "an Encrypted type outside .* is not text")):
        with sqlite.engine.connect() as connection, pytest.raises(atrest.EncryptionError, match=f"a value for {said}"):
            connection.scalar(sa.select(sa.literal(value, Encrypted(sa.String))))


def test_a_suite_that_there_is_not_is_refused_when_the_type_is_made():
    for suite in module.SUITES:
        assert atrest.Field(_keyring(), "t.v", suite=Encrypted(sa.String, suite=suite).suite).suite == suite
    with pytest.raises(ValueError, match="'aes' is not a suite; write one of xaes-256-gcm, "):
        Encrypted(sa.String, suite="aes")


def test_keys_from_a_policy(sqlite, tmp_path, monkeypatch):
    policy = tmp_path / "atrest.toml"
    policy.write_text(
        '[keys]\nprimary = "env:THE_KEY"\n[database]\nurl = "sqlite:x.db"\n'
        '[[column]]\ntable = "t"\nname = "v"\nsuite = "fernet"\n'
        '[[column]]\ntable = "t"\nname = "w"\ncontext = "old.name"\n'
        '[[column]]\ntable = "t"\nname = "r"\nbind = "row"\n'
    )
    monkeypatch.setenv("THE_KEY", atrest.generate_key())
    configure(policy)
    table = sa.Table("t", sa.MetaData(), *(sa.Column(name, Encrypted(sa.String)) for name in "vwrx"))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": "1", "w": "2"})
        assert connection.execute(sa.select(table.c.v, table.c.w)).one() == ("1", "2")
    [(v, w)] = sqlite.raw("SELECT v, w FROM t")
    assert v.startswith("gAAAAA") and atrest.Fields.load(policy)["t.w"].context == "old.name" and w.startswith("ar1.")
    for name, said in (("r", "row"), ("x", "t.x")):
        with sqlite.engine.begin() as connection, pytest.raises(atrest.AtrestError, match=said):
            connection.execute(sa.insert(table), {name: "1"})
    wrong = sa.Table("t", sa.MetaData(), sa.Column("w", Encrypted(sa.String, context="other")))
    with sqlite.engine.begin() as connection, pytest.raises(atrest.AtrestError, match='the policy says "old.name"'):
        connection.execute(sa.insert(wrong), {"w": "1"})


def test_a_key_file_that_changes_is_picked_up(sqlite, tmp_path, monkeypatch):
    from atrest.sqlalchemy import keys

    monkeypatch.setattr(keys, "LOOK_EVERY", 0.0)
    key_file, policy = tmp_path / "atrest.key", tmp_path / "atrest.toml"
    old, new = atrest.generate_key(), atrest.generate_key()

    def write(text):
        temporary = tmp_path / "new.key"
        temporary.write_text(text)
        temporary.chmod(0o600)
        temporary.replace(key_file)

    write(old)
    policy.write_text('[keys]\nprimary = "file:atrest.key"\n[database]\nurl = "sqlite:x.db"\n[[column]]\ntable = "t"\nname = "v"\n')
    configure(policy)
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", Encrypted()))
    table.create(sqlite.engine)
    with Session(sqlite.engine) as session:
        session.execute(sa.insert(table).values(id=1, v="before"))
        write(f"{new}\n{old}\n")
        session.execute(sa.insert(table).values(id=2, v="after"))
        assert session.scalars(sa.select(table.c.v).order_by(table.c.id)).all() == ["before", "after"]
        session.commit()
        write("no key at all")
        with pytest.warns(UserWarning, match="stay in use"):
            assert session.scalars(sa.select(table.c.v).order_by(table.c.id)).all() == ["before", "after"]
    tokens = [token for (token,) in sqlite.raw("SELECT v FROM t ORDER BY id")]
    field = atrest.Field(atrest.Keyring(new, old), "t.v")
    assert [field.inspect(token).key_id for token in tokens] == [atrest.key_id(old), atrest.key_id(new)]


def test_a_wrong_key_reads_nothing(sqlite):
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted()))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": "x"})
    configure(atrest.Keyring(atrest.generate_key()))
    with sqlite.engine.connect() as connection, pytest.raises(atrest.KeyNotFound, match="t.v"):
        connection.execute(sa.select(table)).all()


def test_keys_of_one_column(sqlite):
    own = atrest.Keyring(atrest.generate_key())
    table = sa.Table("t", sa.MetaData(), sa.Column("v", Encrypted(keys=own)), sa.Column("w", Encrypted(suite="a256cbc-hs512")))
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"v": "x", "w": "y"})
        assert connection.execute(sa.select(table)).one() == ("x", "y")
    [(v, w)] = sqlite.raw("SELECT v, w FROM t")
    assert atrest.Field(own, "t.v").open(v) == "x"
    assert atrest.Field(_keyring(), "t.w").inspect(w).suite == "a256cbc-hs512"


def test_a_copied_type_keeps_what_it_says():
    type_ = Encrypted(sa.JSON, context="a.b", allow_plaintext=True, binary=True)
    for other in (type_.copy(), copy.copy(type_)):
        assert (other.context, other.allow_plaintext, other.binary) == ("a.b", True, True)


DEFAULTS = {
    "a default of the server": {"server_default": "clear"},
    "a function of the server": {"server_default": sa.func.now()},
    "a server's value on update": {"server_onupdate": sa.FetchedValue()},
    "a default that is SQL": {"default": sa.func.lower("CLEAR")},
    "SQL on update": {"onupdate": sa.text("'clear'")},
    "a sequence": {"default": sa.Sequence("s")},
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_value_that_the_database_would_make_is_refused(name):
    with pytest.raises(EncryptedQueryError, match="people.email is encrypted"):
        sa.Table("people", sa.MetaData(), sa.Column("email", Encrypted(sa.String), **DEFAULTS[name]))


@pytest.mark.parametrize("made", [sa.Computed("'clear'"), sa.FetchedValue(), sa.DefaultClause("clear")])
def test_so_is_one_that_is_given_by_place(made):
    with pytest.raises(EncryptedQueryError, match="people.email is encrypted"):
        sa.Table("people", sa.MetaData(), sa.Column("email", Encrypted(sa.String), made))


def test_defaults_from_python_are_sealed(sqlite):
    table = sa.Table(
        "people",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", Encrypted(sa.String), default="value", onupdate=lambda: "changed"),
        sa.Column("phone", Encrypted(sa.String), default=lambda context: "made", server_default=sa.null()),
    )
    table.create(sqlite.engine)
    with sqlite.engine.begin() as connection:
        connection.execute(sa.insert(table), {"id": 1})
        assert connection.execute(sa.select(table.c.email, table.c.phone)).one() == ("value", "made")
        connection.execute(sa.update(table).values(id=2))
        assert connection.scalar(sa.select(table.c.email)) == "changed"
    assert all(text not in str(sqlite.raw("SELECT * FROM people")) for text in ("value", "made", "changed"))


CONSTRAINTS = {
    "indexed": lambda: sa.Index("ix", "email"),
    "unique": lambda: sa.UniqueConstraint("id", "email"),
    "a primary key": lambda: sa.PrimaryKeyConstraint("id", "email"),
    "a foreign key": lambda: sa.ForeignKeyConstraint(["email"], ["others.id"]),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint_of_the_table_is_refused(name):
    columns = sa.Column("id", sa.Integer), sa.Column("email", Encrypted(sa.String))
    with pytest.raises(EncryptedQueryError, match=f"people.email is encrypted and {name}"):
        sa.Table("people", sa.MetaData(), *columns, CONSTRAINTS[name]())


def test_so_is_one_that_comes_later():
    table = sa.Table("people", sa.MetaData(), sa.Column("email", Encrypted(sa.String)))
    with pytest.raises(EncryptedQueryError, match="people.email is encrypted and indexed"):
        sa.Index("ix", table.c.email)
    with pytest.raises(EncryptedQueryError, match="people.email is encrypted and indexed"):
        sa.Index("ix2", sa.func.lower(table.c.email))
    with pytest.raises(EncryptedQueryError, match="people.email is encrypted and unique"):
        table.append_constraint(sa.UniqueConstraint("email"))


def test_one_of_a_mapped_class():
    class Base(DeclarativeBase):
        pass

    with pytest.raises(EncryptedQueryError, match="people.email is encrypted and unique"):

        class Person(Base):
            __tablename__ = "people"
            __table_args__ = (sa.UniqueConstraint("email"),)
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(Encrypted(sa.String))


def test_constraints_of_other_columns_and_checks_stay():
    meta = sa.MetaData()
    table = sa.Table(
        "people", meta, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String, unique=True, index=True),
        sa.Column("email", Encrypted(sa.String), nullable=False), sa.CheckConstraint("email IS NOT NULL"), sa.Index("ix", "name"),
    )  # fmt: skip
    meta.create_all(sa.create_engine("sqlite://"))
    assert len(table.indexes) == 2


def test_a_variant_of_the_type_is_refused():
    """SQLAlchemy would write what the variant writes: clear text."""
    with pytest.raises(TypeError, match=r"on postgresql, mysql: write the variant inside, Encrypted\(String\(\)\.with_variant"):
        Encrypted(sa.String(100)).with_variant(sa.Text(), "postgresql", "mysql")


def test_so_is_the_type_as_a_variant():
    variant = sa.String().with_variant(Encrypted(sa.String), "postgresql")
    with pytest.raises(TypeError, match="email: a variant cannot be Encrypted, .* make the column itself Encrypted"):
        sa.Column("email", variant)


def test_a_variant_inside_is_sealed(database):
    inside = sa.String(5)
    for kind in ("sqlite", "postgresql", "mysql", "mariadb"):
        inside = inside.with_variant(sa.Text(), kind)
    table = sa.Table("people", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", Encrypted(inside)))
    table.create(database.engine)
    with database.engine.begin() as connection:
        connection.execute(sa.insert(table), {"email": "ada@example.org"})
        assert connection.scalar(sa.select(table.c.email)) == "ada@example.org"
    assert database.raw("SELECT email FROM people")[0][0].startswith("ar1.")


class Lower(TypeDecorator):
    impl = Encrypted
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return value and value.lower()


OVER = {
    "a decorator": (lambda: Lower, r"email: Lower over Encrypted cannot be, .* put it inside, Encrypted\(Lower\(\.\.\.\)\)"),
    "one of a type of its own": (lambda: Lower(sa.String, column="people.email"), "email: Lower over Encrypted cannot be"),
    "one as a variant": (lambda: sa.String().with_variant(Lower(), "postgresql"), "email: String over Encrypted cannot be"),
    "an array": (lambda: sa.ARRAY(Encrypted(sa.String)), r"put it inside, Encrypted\(ARRAY\(\.\.\.\)\)"),
    "PostgreSQL's array": (lambda: postgresql_types.ARRAY(Encrypted(sa.String)), r"put it inside, Encrypted\(ARRAY\(\.\.\.\)\)"),
}


@pytest.mark.parametrize("name", OVER)
def test_a_type_over_it_is_refused(name):
    """The guard would not know it for an encrypted one."""
    make, said = OVER[name]
    with pytest.raises(TypeError, match=said):
        sa.Column("email", make())
    with pytest.raises(TypeError, match="^[A-Za-z]+ over Encrypted cannot be"):
        mapped_column(make())
    with pytest.raises(TypeError, match="over Encrypted cannot be"):

        class Base(DeclarativeBase):
            type_annotation_map = {str: make()}

        class Person(Base):
            __tablename__ = "people"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str]


@pytest.mark.parametrize("make", [Lower, lambda: sa.ARRAY(Encrypted(sa.String)), lambda: sa.ARRAY(Lower())])
def test_nor_is_it_encrypted_twice(make):
    with pytest.raises(TypeError, match="would encrypt twice"):
        Encrypted(make())


def test_ways_to_a_column_that_stay(sqlite):
    shared = Encrypted(sa.String)
    mutable = MutableDict.as_mutable(Encrypted(sa.JSON))
    table = sa.Table("t", sa.MetaData(), sa.Column("a", shared), sa.Column("b", shared), sa.Column("c", mutable))
    table.create(sqlite.engine)
    copied = table.to_metadata(sa.MetaData(), name="u")
    found = sa.Table("t", sa.MetaData(), sa.Column("a", shared), autoload_with=sqlite.engine)
    listed = sa.Table("t", sa.MetaData(), listeners=[("column_reflect", lambda i, t, c: c.update(type=shared))], autoload_with=sqlite.engine)
    for columns in (table.c, copied.c, found.c[:1], listed.c):
        for column in columns:
            assert place(column) == str(column) and place(sa.Table("v", sa.MetaData(), column._copy()).c[0]) == f"v.{column.name}"


POLICY = """
[keys]
primary = "env:KEY"
[database]
url = "sqlite:x.db"
[[column]]
table = "t"
name = "renamed"
context = "people.email"
[[column]]
table = "t"
name = "f"
suite = "fernet"
[[column]]
table = "t"
name = "r"
bind = "row"
"""
REFUSED_BY_THE_POLICY = {
    "a column that it does not have": (lambda: in_table("missing", context="people.email"), r"t\.missing"),
    "the same without a context": (lambda: in_table("missing"), r"t\.missing"),
    "the same outside of its table": (lambda: Encrypted(sa.String, column="t.missing", context="people.email"), r"t\.missing"),
    "a context that it does not have": (lambda: Encrypted(sa.String, context="people.phone"), r"people\.phone"),
    "another suite": (lambda: Encrypted(sa.String, context="people.email", suite="fernet"), 'says suite "fernet" for t.renamed'),
    "a context of rows": (lambda: Encrypted(sa.String, context="t.r"), 't.r has bind = "row"'),
}


def in_table(name, **options):
    return sa.Table("t", sa.MetaData(), sa.Column(name, Encrypted(sa.String, **options))).c[name].type


@pytest.mark.parametrize("name", REFUSED_BY_THE_POLICY)
def test_what_the_policy_does_not_have_is_refused(name, sqlite):
    """``rotate`` and ``verify`` would never see it."""
    make, said = REFUSED_BY_THE_POLICY[name]
    configure(atrest.Fields.parse(POLICY, environment={"KEY": KEY}))
    with sqlite.engine.connect() as connection:
        with pytest.raises(atrest.EncryptionError, match=said) as error:
            connection.scalar(sa.select(sa.literal("x", make())))
        assert isinstance(error.value.__context__, atrest.PolicyError)
        with pytest.raises(atrest.PolicyError, match=said):
            connection.scalar(sa.select(sa.type_coerce(sa.literal_column("'x'"), make())))


def test_a_context_of_the_policys_stands_for_its_column(sqlite):
    configure(fields := atrest.Fields.parse(POLICY, environment={"KEY": KEY}))
    with sqlite.engine.connect() as connection:
        for type_ in (in_table("renamed"), in_table("renamed", context="people.email"), Encrypted(sa.String, context="people.email")):
            token = connection.scalar(sa.select(sa.cast(sa.literal("x", type_), sa.String)))
            assert fields["t.renamed"].open(token) == "x"
        type_ = Encrypted(sa.String, context="t.f")
        assert connection.scalar(sa.select(sa.cast(sa.literal("x", type_), sa.String))).startswith("gAAAAA")


def test_of_a_contexts_columns_one_is_taken_that_fits():
    """Whatever their order in the policy."""
    columns = {"rows": 'bind = "row"', "cbc": 'suite = "a256cbc-hs512"', "gcm": ""}

    def field(*names, suite=None):
        policy = '[keys]\nprimary = "env:KEY"\n[database]\nurl = "sqlite:x.db"\n'
        for name in names:
            policy += f'[[column]]\ntable = "t"\nname = "{name}"\ncontext = "old.name"\n{columns[name]}\n'
        return module.Keys(atrest.Fields.parse(policy, environment={"KEY": KEY})).field(None, "old.name", suite)

    for names in itertools.permutations(columns):
        assert field(*names).id == f"t.{min(names, key=lambda name: (name == 'rows', names.index(name)))}"
        assert field(*names, suite="a256cbc-hs512").id == "t.cbc"
        assert field(*names, suite="xaes-256-gcm").id == "t.gcm"
    with pytest.raises(atrest.PolicyError, match='says suite "fernet" for t.cbc'):
        field("cbc", "gcm", suite="fernet")
    with pytest.raises(atrest.PolicyError, match='t.rows has bind = "row"'):
        field("rows")

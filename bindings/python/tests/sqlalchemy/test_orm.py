"""The ORM and asyncio: what applications do every day."""

import datetime as dt

import pytest
import sqlalchemy as sa
from databases import Database
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from atrest.sqlalchemy import Encrypted, EncryptedQueryError


class Base(DeclarativeBase):
    pass


class Camera(Base):
    __tablename__ = "cameras"
    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str] = mapped_column(Encrypted(sa.String(100)))
    frames: Mapped[list["Frame"]] = relationship(back_populates="camera", order_by="Frame.id")


class Frame(Base):
    __tablename__ = "frames"
    id: Mapped[int] = mapped_column(primary_key=True)
    camera_id: Mapped[int] = mapped_column(sa.ForeignKey("cameras.id"))
    taken: Mapped[dt.datetime | None] = mapped_column(Encrypted(sa.DateTime))
    meta: Mapped[dict | None] = mapped_column(MutableDict.as_mutable(Encrypted(sa.JSON)))
    score: Mapped[float] = mapped_column(Encrypted(sa.Float), default=0.5)
    camera: Mapped[Camera] = relationship(back_populates="frames")


def test_objects(database):
    Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        camera = Camera(place="Gate 4, Ünterweg")
        camera.frames = [Frame(taken=dt.datetime(2026, 1, n), meta={"n": n}) for n in range(1, 4)]
        session.add(camera)
        session.commit()
        session.expire_all()
        camera = session.scalars(sa.select(Camera).options(sa.orm.selectinload(Camera.frames))).one()
        assert camera.place == "Gate 4, Ünterweg"
        assert [frame.meta for frame in camera.frames] == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert camera.frames[0].taken == dt.datetime(2026, 1, 1)
        assert camera.frames[0].score == 0.5
        # A change inside is seen, one that is none is not.
        camera.frames[0].meta["more"] = "x"
        camera.frames[1].score = 0.5
        assert set(session.dirty) == {camera.frames[0], camera.frames[1]}
        assert not session.is_modified(camera.frames[1])
        session.commit()
        session.execute(sa.update(Frame).where(Frame.id == camera.frames[2].id).values(score=0.25, meta={"set": True}))
        session.execute(sa.update(Frame), [{"id": camera.frames[1].id, "meta": None, "score": 1.0}])
        session.bulk_insert_mappings(Frame, [{"camera_id": camera.id, "meta": {"bulk": n}} for n in range(3)])
        session.commit()
        got = session.execute(sa.select(Frame.meta, Frame.score).order_by(Frame.id)).all()
        assert got == [({"n": 1, "more": "x"}, 0.5), (None, 1.0), ({"set": True}, 0.25), *(({"bulk": n}, 0.5) for n in range(3))]
        joined = session.execute(sa.select(Camera.place, Frame.score).join(Frame.camera).order_by(Frame.id).limit(1)).one()
        assert joined == ("Gate 4, Ünterweg", 0.5)
        inside = sa.select(Frame.meta.label("m"), Frame.id).order_by(Frame.id).limit(1).subquery()
        assert session.scalar(sa.select(inside.c.m)) == {"n": 1, "more": "x"}
        both = sa.union_all(sa.select(Frame.meta).where(Frame.id == 1), sa.select(Frame.meta).where(Frame.id == 3))
        assert len(session.execute(both).all()) == 2
        returned = session.scalar(sa.insert(Camera).returning(Camera.place), {"place": "returned"}) if database.kind != "mysql" else None
        assert returned == "returned"
    stored = str(database.raw("SELECT * FROM cameras") + database.raw("SELECT * FROM frames"))
    for clear in ("Gate", "bulk", "2026", "0.25", "returned"):
        assert clear not in stored


def test_reading_a_damaged_row_names_the_column(sqlite):
    Base.metadata.create_all(sqlite.engine)
    with Session(sqlite.engine) as session:
        session.add_all([Camera(id=1, place="a"), Camera(id=2, place="b")])
        session.commit()
        session.execute(sa.text("UPDATE cameras SET place = substr(place, 1, 40) WHERE id = 2"))
        session.commit()
        with pytest.raises(ValueError, match="cameras.place"):
            session.scalars(sa.select(Camera)).all()
        session.rollback()
        assert session.get(Camera, 1).place == "a"


def test_values_that_cannot_be_hashed(sqlite):
    """As in clear: a legacy query takes each row that has one as a row of its own."""
    Base.metadata.create_all(sqlite.engine)
    with Session(sqlite.engine) as session:
        session.add(Camera(place="Gate 4", frames=[Frame(meta={"n": 1}), Frame(meta={"n": 2})]))
        session.commit()
        query = session.query(Frame, Frame.meta).options(sa.orm.joinedload(Frame.camera).joinedload(Camera.frames))
        assert [meta for _, meta in query.order_by(Frame.id)] == [{"n": 1}, {"n": 1}, {"n": 2}, {"n": 2}]
        with pytest.raises(sa.exc.InvalidRequestError, match="non-hashable"):
            session.execute(sa.select(Frame.id, Frame.meta)).unique().all()


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_asyncio(kind, tmp_path):
    database = Database(kind, tmp_path)
    url = sa.make_url(database.sqlalchemy_url).set(drivername={"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}[kind])
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine, expire_on_commit=False) as session:
            session.add(Camera(place="Ünder", frames=[Frame(meta={"a": [1]}, taken=dt.datetime(2026, 1, 2, 3))]))
            await session.commit()
        async with AsyncSession(engine) as session:
            frame = (await session.scalars(sa.select(Frame).options(sa.orm.joinedload(Frame.camera)))).one()
            assert (frame.camera.place, frame.meta, frame.taken) == ("Ünder", {"a": [1]}, dt.datetime(2026, 1, 2, 3))
            rows = await session.stream(sa.select(Camera.place))
            assert [row async for row in rows] == [("Ünder",)]
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT place FROM cameras")).scalar().startswith("ar1.")
    finally:
        await engine.dispose()
        database.close()


@pytest.mark.parametrize("context", [None, "people.name"])
def test_concrete_tables_are_read_together_where_they_share_a_context(context, sqlite):
    class Model(sa.orm.DeclarativeBase):
        pass

    def column():
        return sa.orm.mapped_column(Encrypted(sa.String, context=context))

    class Person(ConcreteBase, Model):
        __tablename__ = "people"
        id = sa.orm.mapped_column(sa.Integer, primary_key=True)
        name = column()
        __mapper_args__ = {"polymorphic_identity": "person", "concrete": True}

    class Guest(Person):
        __tablename__ = "guests"
        id = sa.orm.mapped_column(sa.Integer, primary_key=True)
        name = column()
        __mapper_args__ = {"polymorphic_identity": "guest", "concrete": True}

    Model.metadata.create_all(sqlite.engine)
    with Session(sqlite.engine) as session:
        session.add_all([Person(id=1, name="ada"), Guest(id=2, name="grace")])
        session.commit()
        assert session.scalars(sa.select(Guest.name)).all() == ["grace"]
        if context is None:
            with pytest.raises(EncryptedQueryError, match="tokens would be read as those of .* one context"):
                session.scalars(sa.select(Person)).all()
        else:
            assert {each.name for each in session.scalars(sa.select(Person))} == {"ada", "grace"}

"""The application as it is: the same tables, and what is sensitive is `Encrypted`.

Nothing else in the application changes: it reads and writes text, lists and numbers.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import JSON, DateTime, Float, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from atrest.sqlalchemy import Encrypted


class Base(DeclarativeBase):
    pass


class Camera(Base):
    __tablename__ = "cameras"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    stream_url: Mapped[str] = mapped_column(Encrypted(String(500)))


class Frame(Base):
    __tablename__ = "frames"

    id: Mapped[int] = mapped_column(primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    # Numbers and times that queries select by stay in clear.
    number: Mapped[int]
    taken_at: Mapped[dt.datetime] = mapped_column(DateTime)
    details: Mapped[dict | None] = mapped_column(Encrypted(JSON))


class Annotation(Base):
    __tablename__ = "annotations"

    id: Mapped[int] = mapped_column(primary_key=True)
    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"))
    label: Mapped[str] = mapped_column(Encrypted(String(100)))
    box: Mapped[list[float] | None] = mapped_column(Encrypted(JSON))
    confidence: Mapped[float | None] = mapped_column(Encrypted(Float))
    note: Mapped[str | None] = mapped_column(Encrypted(String(200)))

"""The application as it was: labels, boxes and frame metadata in clear. Only the cameras'
addresses were encrypted, by SQLAlchemy-Utils."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import JSON, DateTime, Float, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy_utils import StringEncryptedType
from sqlalchemy_utils.types.encrypted.encrypted_type import FernetEngine

#: What the column's type was given as its key.
OLD_SECRET = "correct horse battery staple"


class Base(DeclarativeBase):
    pass


class Camera(Base):
    __tablename__ = "cameras"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    stream_url: Mapped[str] = mapped_column(StringEncryptedType(String(500), OLD_SECRET, FernetEngine, length=500))


class Frame(Base):
    __tablename__ = "frames"

    id: Mapped[int] = mapped_column(primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    number: Mapped[int]
    taken_at: Mapped[dt.datetime] = mapped_column(DateTime)
    details: Mapped[dict | None] = mapped_column(JSON)


class Annotation(Base):
    __tablename__ = "annotations"

    id: Mapped[int] = mapped_column(primary_key=True)
    frame_id: Mapped[int] = mapped_column(ForeignKey("frames.id"))
    label: Mapped[str] = mapped_column(String(100))
    box: Mapped[list[float] | None] = mapped_column(JSON)
    confidence: Mapped[float | None] = mapped_column(Float(53))
    note: Mapped[str | None] = mapped_column(String(200))

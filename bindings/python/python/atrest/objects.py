"""Objects as Python's binary files: encrypted files of any size, and any part of one."""

from __future__ import annotations

import io
import os
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ._atrest import Keyring, _ObjectReader, _ObjectWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_Place = str | os.PathLike[str] | BinaryIO


def open_object(source: _Place, keyring: Keyring, *, id: bytes | str = b"") -> ObjectReader:
    """The clear bytes of the object in ``source``, a path or a seekable binary file.

    ``DecryptionError`` here or from a read: no object, changed or cut off, bound to
    another ``id``; ``KeyNotFound`` when its key is not in the keyring.
    """
    return ObjectReader(source, keyring, id)


def create_object(target: _Place, keyring: Keyring, *, id: bytes | str = b"") -> ObjectWriter:
    """Writes an object bound to ``id`` to ``target``, a path or a binary file.

    It is whole after ``close()``: a file at a path appears (or is replaced) only then,
    durably. A ``with`` statement that ends in an exception discards it.
    """
    return ObjectWriter(target, keyring, id)


class ObjectReader(io.RawIOBase):
    """Reads an object from wherever it is asked to; opens the chunks of 16 KiB that a
    read overlaps, and no others. Nothing is given that was not authenticated."""

    def __init__(self, source: _Place, keyring: Keyring, id: bytes | str = b"") -> None:
        self._object = _ObjectReader(source, keyring, id)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._check_open()
        with memoryview(buffer).cast("B") as room:
            clear = self._object.read(len(room))
            room[: len(clear)] = clear
        return len(clear)

    def readall(self) -> bytes:
        self._check_open()
        return b"".join(iter(lambda: self._object.read(1 << 18), b""))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._check_open()
        return self._object.seek(offset, whence)

    def __len__(self) -> int:
        """How many clear bytes there are: proven, not claimed."""
        self._check_open()
        return self._object.length()

    def __bool__(self) -> bool:
        return True

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the object is closed")


class ObjectWriter(io.RawIOBase):
    """Writes an object, which is whole after ``close()``."""

    def __init__(self, target: _Place, keyring: Keyring, id: bytes | str = b"") -> None:
        self._object: _ObjectWriter | None = None
        self._object = _ObjectWriter(target, keyring, id)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed or self._object is None:
            raise ValueError("the object is closed")
        return self._object.write(data)

    def close(self) -> None:
        """Writes the end; a file then has its name."""
        unfinished, self._object = self._object, None
        try:
            if unfinished is not None:
                unfinished.finish()
        finally:
            super().close()

    def discard(self) -> None:
        """Gives the object up: no file is left."""
        unfinished, self._object = self._object, None
        if unfinished is not None:
            unfinished.discard()
        super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # One that nobody closed is not whole; an ordinary file would be closed here.
        if not self.closed:
            self.discard()

"""Objects as Python's binary files: encrypted files of any size, and any part of one."""

from __future__ import annotations

import io
import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ._atrest import Keyring, _ObjectReader, _ObjectWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from typing_extensions import Self

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
    durably. A ``with`` statement that ends in an exception discards it, also where what
    wraps it, and is of the same ``with``, has closed it.
    """
    return ObjectWriter(target, keyring, id)


class ObjectReader(io.RawIOBase):
    """Reads an object from wherever it is asked to; opens the chunks of 16 KiB that a
    read overlaps, and no others. Nothing is given that was not authenticated."""

    _opened: _ObjectReader | None = None

    def __init__(self, source: _Place, keyring: Keyring, id: bytes | str = b"") -> None:
        self._opened = _ObjectReader(source, keyring, id)

    def close(self) -> None:
        """Lets go of a path's file; one of Python's is whose it was."""
        self._opened = None
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer).cast("B") as room:
            clear = self._object.read(len(room))
            room[: len(clear)] = clear
        return len(clear)

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self._object.read(1 << 18), b""))

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._object.seek(offset, whence)

    def __len__(self) -> int:
        """How many clear bytes there are: proven, not claimed."""
        return self._object.length()

    def __bool__(self) -> bool:
        return True

    @property
    def _object(self) -> _ObjectReader:
        if self._opened is None:
            raise ValueError("the object is closed")
        return self._opened


class ObjectWriter(io.RawIOBase):
    """Writes an object, which is whole after ``close()``."""

    _object: _ObjectWriter | None = None
    #: What was being handled when the ``with`` of this object began; None outside of one.
    _before: tuple[BaseException | None] | None = None

    def __init__(self, target: _Place, keyring: Keyring, id: bytes | str = b"") -> None:
        self._object = _ObjectWriter(target, keyring, id)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        if self.closed or self._object is None:
            raise ValueError("the object is closed")
        return self._object.write(data)

    def close(self) -> None:
        """Writes the end; a file then has its name."""
        # What wraps this one closes it also when its own `with` ends in an exception:
        # whether the object is whole, ours knows.
        undecided = self._before is not None and _handled() not in (None, *self._before)
        unfinished = None if undecided else self._take()
        try:
            if unfinished is not None:
                unfinished.finish()
        finally:
            super().close()

    def discard(self) -> None:
        """Gives the object up: no file is left."""
        unfinished = self._take()
        if unfinished is not None:
            unfinished.discard()
        super().close()

    def _take(self) -> _ObjectWriter | None:
        unfinished, self._object = self._object, None
        return unfinished

    def __enter__(self) -> Self:
        self._before = (_handled(),)
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._before = None
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        # One that nobody closed is not whole; an ordinary file would be closed here.
        if not self.closed or self._object is not None:
            self.discard()


def _handled() -> BaseException | None:
    """The exception that is being handled."""
    return sys.exc_info()[1]

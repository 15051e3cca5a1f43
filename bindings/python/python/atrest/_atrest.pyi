"""Types of the native module; its classes are used as `atrest.Field` and so on."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Literal, TypeVar, final, overload

from _typeshed import ReadableBuffer
from typing_extensions import Self, disjoint_base

__all__ = [
    "Engine",
    "Fernet",
    "_Fernets",
    "MultiFernet",
    "Field",
    "Fields",
    "_forked",
    "Inspection",
    "Keyring",
    "generate_key",
    "key_id",
    "_ObjectReader",
    "_ObjectWriter",
    "open_object_bytes",
    "seal_object",
    "_one_interpreter",
    "__version__",
]

__version__: str
_one_interpreter: ModuleType

_Bytes = bytes | bytearray | memoryview
_Errors = Literal["raise", "return"]
_Path = str | os.PathLike[str]
_Subject = TypeVar("_Subject", str, int, str | None, int | None)

def generate_key() -> str: ...
def key_id(key: str | bytes) -> str: ...
def _forked() -> None: ...
@final
class Keyring:
    def __new__(cls, primary: str | bytes, *previous: str | bytes) -> Keyring: ...
    @staticmethod
    def from_source(
        primary: str,
        previous: Sequence[str] = ...,
        *,
        environment: Mapping[str, str] | None = None,
        directory: _Path | None = None,
        allow_readable_files: bool = False,
    ) -> Keyring: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @property
    def primary_id(self) -> str: ...
    @property
    def ids(self) -> list[str]: ...
    @property
    def warnings(self) -> list[str]: ...

@final
class Inspection:
    @property
    def kind(self) -> Literal["null", "plaintext", "sealed", "undecryptable"]: ...
    @property
    def suite(self) -> str | None: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def key_known(self) -> bool: ...

@final
class Field:
    def __new__(
        cls,
        keyring: Keyring,
        context: str,
        *,
        suite: str = "xaes-256-gcm",
        bind: Literal["column", "row"] = "column",
        id: str | None = None,
    ) -> Field: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    @property
    def id(self) -> str: ...
    @property
    def context(self) -> str: ...
    @property
    def suite(self) -> str: ...
    @property
    def bind(self) -> Literal["column", "row"]: ...
    @overload
    def seal(self, value: None) -> None: ...
    @overload
    def seal(self, value: str) -> str: ...
    @overload
    def seal(self, value: _Bytes) -> bytes: ...
    @overload
    def open(self, token: None) -> None: ...
    @overload
    def open(self, token: str) -> str: ...
    @overload
    def open(self, token: _Bytes) -> bytes: ...
    @overload
    def read(self, stored: None) -> tuple[None, bool]: ...
    @overload
    def read(self, stored: str) -> tuple[str, bool]: ...
    @overload
    def read(self, stored: _Bytes) -> tuple[bytes, bool]: ...
    def inspect(self, stored: str | _Bytes | None) -> Inspection: ...
    # Nothing but None is both.
    @overload
    def seal_many(self, values: Iterable[str | None]) -> list[str | None]: ...  # type: ignore[overload-overlap]
    @overload
    def seal_many(self, values: Iterable[_Bytes | None]) -> list[bytes | None]: ...
    def open_many(
        self, tokens: Iterable[str | _Bytes | None], *, errors: _Errors = "raise"
    ) -> list[Any]: ...
    def read_many(
        self, stored: Iterable[str | _Bytes | None], *, errors: _Errors = "raise"
    ) -> list[Any]: ...
    def row(self, *key: str | int) -> Field: ...
    def of(self, subject: str | int | None, *, seal: bool = False) -> Field: ...
    def of_many(
        self, subjects: Iterable[_Subject], *, seal: bool = False
    ) -> dict[_Subject, Field]: ...

@final
class Fields:
    @staticmethod
    def load(path: _Path, *, environment: Mapping[str, str] | None = None) -> Fields: ...
    @staticmethod
    def parse(
        policy: str,
        *,
        directory: _Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Fields: ...
    def __getitem__(self, key: str, /) -> Field: ...
    def __contains__(self, key: str, /) -> bool: ...
    @property
    def columns(self) -> list[str]: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def warnings(self) -> list[str]: ...
    def changed(self) -> bool: ...
    def reload(self) -> Fields: ...

@disjoint_base
class _Fernets:
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, _memo: Any) -> Self: ...
    def encrypt(self, data: _Bytes) -> bytes: ...
    def encrypt_at_time(self, data: _Bytes, current_time: int) -> bytes: ...
    def decrypt(self, token: _Bytes | str, ttl: int | None = None) -> bytes: ...
    def decrypt_at_time(self, token: _Bytes | str, ttl: int, current_time: int) -> bytes: ...
    def extract_timestamp(self, token: _Bytes | str) -> int: ...
    def encrypt_many(self, data: Iterable[_Bytes]) -> list[bytes]: ...
    def decrypt_many(self, tokens: Iterable[_Bytes | str]) -> list[bytes]: ...

class Fernet(_Fernets):
    def __new__(cls, key: str | bytes) -> Self: ...
    @classmethod
    def generate_key(cls) -> bytes: ...

class MultiFernet(_Fernets):
    def __new__(cls, fernets: Iterable[Fernet | MultiFernet]) -> Self: ...
    def rotate(self, msg: _Bytes | str) -> bytes: ...

_Progress = Callable[[dict[str, Any]], object] | None

@final
class Engine:
    def __new__(
        cls,
        policy: _Path,
        *,
        directory: _Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Engine: ...
    def plan(
        self,
        operation: Literal["encrypt", "rotate", "decrypt", "adopt", "exit"] = "encrypt",
        *,
        format: str | None = None,
        keys: str | Sequence[str] | None = None,
        salts: str | Sequence[str] | None = None,
        encryption_key: str | None = None,
        to_key: str | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def encrypt(
        self,
        *,
        backup: _Path | Literal[False] | None = None,
        apply_schema: bool = False,
        accept_lookalikes: bool = False,
        max_rate: int | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def rotate(
        self,
        *,
        backup: _Path | Literal[False] | None = None,
        apply_schema: bool = False,
        accept_lookalikes: bool = False,
        max_rate: int | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def decrypt(
        self,
        *,
        backup: _Path | Literal[False] | None = None,
        apply_schema: bool = False,
        accept_lookalikes: bool = False,
        max_rate: int | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def adopt(
        self,
        format: str,
        keys: str | Sequence[str],
        *,
        salts: str | Sequence[str] | None = None,
        encryption_key: str | None = None,
        dry_run: bool = False,
        backup: _Path | Literal[False] | None = None,
        apply_schema: bool = False,
        max_rate: int | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def exit(
        self,
        to_key: str,
        *,
        dry_run: bool = False,
        backup: _Path | Literal[False] | None = None,
        apply_schema: bool = False,
        max_rate: int | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def verify(
        self,
        *,
        against: _Path | None = None,
        format: str | None = None,
        keys: str | Sequence[str] | None = None,
        salts: str | Sequence[str] | None = None,
        encryption_key: str | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def restore(
        self,
        backup: _Path,
        *,
        force: bool = False,
        apply_schema: bool = False,
        format: str | None = None,
        keys: str | Sequence[str] | None = None,
        salts: str | Sequence[str] | None = None,
        encryption_key: str | None = None,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def status(
        self,
        *,
        only: Sequence[str] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: _Progress = None,
    ) -> dict[str, Any]: ...
    def inspect(self, column: str, *key: object, reveal: bool = False) -> dict[str, Any]: ...

def seal_object(data: _Bytes, keyring: Keyring, *, id: bytes | str | None = None) -> bytes: ...
def open_object_bytes(data: _Bytes, keyring: Keyring, *, id: bytes | str | None = None) -> bytes: ...
@final
class _ObjectReader:
    def __new__(cls, source: object, keyring: Keyring, id: bytes | str) -> _ObjectReader: ...
    def read(self, most: int) -> bytes: ...
    def seek(self, offset: int, whence: int) -> int: ...
    def length(self) -> int: ...

@final
class _ObjectWriter:
    def __new__(cls, target: object, keyring: Keyring, id: bytes | str) -> _ObjectWriter: ...
    def write(self, data: ReadableBuffer) -> int: ...
    def finish(self) -> None: ...
    def discard(self) -> None: ...

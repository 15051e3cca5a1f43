"""Encryption at rest, in place, for applications that already run.

>>> keyring = Keyring(generate_key())
>>> email = Field(keyring, "people.email")
>>> email.open(email.seal("ada@example.org"))
'ada@example.org'

``Fields`` reads a policy file instead, ``Fernet`` stands in for the one of
pyca/cryptography.
"""

import os as _os

from ._atrest import (
    Engine,
    Fernet,
    Field,
    Fields,
    Inspection,
    Keyring,
    MultiFernet,
    __version__,
    _forked,
    generate_key,
    key_id,
    open_object_bytes,
    seal_object,
)
from .errors import (
    AtrestError,
    DatabaseError,
    DecryptionError,
    EncryptionError,
    EngineError,
    Interrupted,
    InvalidToken,
    KeyNotFound,
    KeySourceError,
    PolicyError,
    ValueForgotten,
)
from .objects import create_object, open_object

__all__ = [
    "AtrestError",
    "DatabaseError",
    "DecryptionError",
    "EncryptionError",
    "Engine",
    "EngineError",
    "Fernet",
    "Field",
    "Fields",
    "Inspection",
    "Interrupted",
    "InvalidToken",
    "KeyNotFound",
    "KeySourceError",
    "Keyring",
    "MultiFernet",
    "PolicyError",
    "ValueForgotten",
    "__version__",
    "create_object",
    "generate_key",
    "key_id",
    "open_object",
    "open_object_bytes",
    "seal_object",
]

if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_forked)

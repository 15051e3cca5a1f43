"""What goes wrong, as exceptions.

Every message says what happened, to what, and what to do next; none shows a key or a
value.
"""

from __future__ import annotations


class AtrestError(Exception):
    """All of atrest's own exceptions."""


class KeySourceError(AtrestError, ValueError):
    """A key is missing or malformed, or its file, variable or server cannot be used."""


class PolicyError(AtrestError, ValueError):
    """The policy cannot be used, has no such column, or does not allow this."""


class EncryptionError(AtrestError):
    """A value was not encrypted. Nothing was written."""


class DecryptionError(AtrestError, ValueError):
    """A stored value does not open: changed or cut off, another column's or row's, in
    clear where a token is due, or sealed under another key.

    ``index`` is its place in the list where many were opened at once, else ``None``.
    """

    index: int | None = None


class KeyNotFound(DecryptionError):
    """The token names a key that the keyring does not hold: ``key_id``, 8 hex digits."""

    key_id: str

    def __init__(self, message: str, key_id: str = "") -> None:
        super().__init__(message)
        self.key_id = key_id


class InvalidToken(DecryptionError):
    """What ``Fernet`` and ``MultiFernet`` raise."""


class ValueForgotten(DecryptionError):
    """The value's subject was forgotten: its key was destroyed, the value is gone."""


class DatabaseError(AtrestError):
    """The database cannot be reached, or refused a statement."""


class EngineError(AtrestError):
    """A run was refused or did not end; run it again when its cause is gone."""


class Interrupted(EngineError):
    """A run stopped at a whole page, as it was asked to; run it again to go on."""

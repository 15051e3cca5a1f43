"""One encrypted column: its native Field under the keys in force, sealing and opening."""

from __future__ import annotations

from typing import Any

import atrest
from atrest.django.keys import in_force
from atrest.django.unreadable import Unreadable


class Column:
    """Seals and opens the stored values of `field` (an EncryptedField with a model)."""

    __slots__ = ("_field", "_made")

    def __init__(self, field: Any) -> None:
        self._field = field
        # Set as one: another thread must not see one keyring's mark on the other's Field.
        self._made: tuple[atrest.Keyring, atrest.Field] | None = None

    def native(self) -> atrest.Field:
        """The native Field, made anew when the keys changed."""
        keyring = in_force.keyring()
        made = self._made
        if made is None or made[0] is not keyring:
            field = self._field
            native = atrest.Field(keyring, field.column_context, suite=field.column_suite, id=field.column_id)
            self._made = made = (keyring, native)
        return made[1]

    def seal(self, clear: str | bytes) -> str | bytes:
        """The token to store."""
        return self.native().seal(clear)

    def reader(self) -> Any:
        """A function from what is stored to the clear value: for the rows of one query."""
        native = self.native()
        if not self._field.reads_plaintext:
            return native.open
        read = native.read
        # SQLite gives numbers for what is still in clear in a column of numbers.
        return lambda stored: read(repr(stored) if isinstance(stored, (int, float)) else stored)[0]

    def reread(self, stored: Any) -> Any:
        """The clear value of what did not open, under newer keys if there are any; else Unreadable."""
        in_force.refresh()
        try:
            return self.reader()(stored)
        except (atrest.DecryptionError, TypeError) as error:
            if isinstance(error, TypeError):
                error = atrest.DecryptionError(str(error))
            return Unreadable(error, self._field)

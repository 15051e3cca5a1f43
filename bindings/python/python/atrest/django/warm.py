"""What the first value would wait for, done before it comes."""

from __future__ import annotations

from atrest.django.columns import all_fields
from atrest.django.keys import in_force


def cache_warm() -> int:
    """Reads the keys, and seals and opens one value in each encrypted field; says in how many.

    For wsgi.py, asgi.py, and `post_fork` of a server that forks: the first request then
    neither asks a source for a key nor derives one. All of it is kept in this process's
    memory alone: no row is read, nothing is written. Raises KeySourceError when there
    are no keys.
    """
    in_force.keyring()
    warmed = 0
    for field in all_fields():
        native = field.column_values.native()
        native.open(native.seal(""))
        warmed += 1
    return warmed

"""Keys of tokens that other packages made, so that they can be read before ``atrest
adopt`` has taken them over.

    keyring = Keyring(new_key, old_key("sqlalchemy-utils", "the column's key"))

They are the same keys that ``atrest adopt --from FORMAT`` makes. (django-cryptography's
tokens have a form of their own, which only ``atrest adopt`` reads.)
"""

from __future__ import annotations

import base64
import hashlib
import hmac


def old_key(format: str, secret: str, *, salt: str | None = None) -> str:
    """The Fernet key of a package's tokens, as ``atrest.Keyring`` takes keys.

    ``format``: "sqlalchemy-utils" (``StringEncryptedType`` with ``FernetEngine``),
    "django-fernet-fields", or "django-fernet-encrypted-fields", whose SALT_KEY is ``salt``.
    Raises ``ValueError`` for another one.
    """
    if (salt is not None) != (format == "django-fernet-encrypted-fields"):
        raise ValueError("a salt is what django-fernet-encrypted-fields has, and what it needs")
    given = secret.encode()
    if format == "sqlalchemy-utils":
        # sqlalchemy_utils 0.43, types/encrypted/encrypted_type.py
        key = hashlib.sha256(given).digest()
    elif format == "django-fernet-fields":
        # django-fernet-fields 0.6, hkdf.py
        prk = hmac.digest(b"django-fernet-fields-hkdf-salt", given, "sha256")
        key = hmac.digest(prk, b"django-fernet-fields\x01", "sha256")
    elif format == "django-fernet-encrypted-fields":
        # django-fernet-encrypted-fields 0.4, fields.py
        key = hashlib.pbkdf2_hmac("sha256", given, (salt or "").encode(), 100_000)
    else:
        raise ValueError(
            f"{format!r} is not a format whose key can be made here; write sqlalchemy-utils, django-fernet-fields "
            "or django-fernet-encrypted-fields, or see atrest adopt --help"
        )
    return base64.urlsafe_b64encode(key).decode()

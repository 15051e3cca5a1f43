"""The engine's advice in the words of Django: it names the command `atrest`, which the wheel does not contain.

What has no counterpart here is left as it is; docs/django.md says what that is.
"""

from __future__ import annotations

import re

from django.core.exceptions import ImproperlyConfigured

from atrest.django import conf

#: The command of manage.py that does what a verb of `atrest`, or of `atrest.Engine`, does.
COMMANDS = {
    "encrypt": "encrypt_fields",
    "verify": "verify_fields",
    "rotate": "rotate_encryption_keys",
    "decrypt": "decrypt_fields",
    "restore": "restore_from_backup",
    "status": "encryption_status",
}

_VERB = re.compile(rf"\b(?:atrest |Engine\.)({'|'.join(COMMANDS)})\b(?! --apply-schema)")
_PHRASES = (
    ("`atrest inspect`", "`manage.py encryption_status` with --field and --pk"),
    ("`atrest key generate`", "`manage.py generate_encryption_key`"),
    ("pass apply_schema=True to let atrest do it", "run `manage.py makemigrations` and `migrate`"),
    ("pass apply_schema=True", "run `manage.py migrate`"),
    ("run with --apply-schema", "run `manage.py migrate`"),
    ("pass accept_lookalikes=True", "add --accept-lookalikes"),
    ('with backup="FILE"', "with --backup-file FILE"),
    # Keys of settings have no such options.
    ("in [keys]", 'in the [keys] of a policy (settings.ATREST["POLICY"])'),
    ("make the same call again", "run the same command again"),
)
#: Where the keys stand in settings, which {} names: the first encrypts, all decrypt.
_IN_SETTINGS = (
    ("keys.primary", "the first of {}"),
    ("to keys.previous", "to {}, behind the first"),
    ("in keys.previous", "in {} behind the first"),
    ("that key as a previous one", "that key to {}, behind the first"),
)
_RETIRE = re.compile(r"`?atrest key retire (\w+) --force`?")


def in_django(text: str) -> str:
    """The same, with the commands and options that there are here."""
    for theirs, ours in _PHRASES:
        text = text.replace(theirs, ours)
    if setting := _setting_of_keys():
        for theirs, ours in _IN_SETTINGS:
            text = text.replace(theirs, ours.format(setting))
        text = _RETIRE.sub(r"`atrest key retire \1 --force` (a program of its own, with a policy: docs/django.md)", text)
    return _VERB.sub(lambda found: f"manage.py {COMMANDS[found[1]]}", text)


def _setting_of_keys() -> str | None:
    """The setting that has the keys; None where a policy has them, or none is there."""
    try:
        origin = conf.key_config().origin
    except ImproperlyConfigured:
        return None
    return origin if origin.startswith("settings.") else None

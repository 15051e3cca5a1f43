"""The keys in force in this process.

Read when they are first needed; looked at again every RELOAD_SECONDS (a stat of the key
files; servers and databases of keys are asked once in the policy's `cache`), and at once
when a value does not open. So a key that is rotated under a running server is picked up
without a restart. Keys that their server does not give any more are not used any more.
"""

from __future__ import annotations

import logging
import os
import threading
from time import monotonic

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

import atrest
from atrest.django import conf, policy

logger = logging.getLogger("atrest.django")


class KeysInForce:
    """Holds the keyring; replaced as a whole, so that readers need no lock."""

    def __init__(self) -> None:
        self._new_lock()
        # A thread that holds it is not there in a forked child to let go of it.
        os.register_at_fork(after_in_child=self._new_lock)
        self._fields: atrest.Fields | None = None
        self._keyring: atrest.Keyring | None = None
        self._refused: atrest.AtrestError | None = None
        self._due = 0.0

    def _new_lock(self) -> None:
        self._lock = threading.Lock()

    def keyring(self) -> atrest.Keyring:
        """The keyring. Raises KeySourceError or ImproperlyConfigured when there is none."""
        if monotonic() >= self._due:
            self.refresh()
        if (refused := self._refused) is not None:
            raise refused.with_traceback(None)
        keyring = self._keyring
        return keyring if keyring is not None else self._load()

    def refresh(self) -> bool:
        """Looks whether the keys changed, and takes the new ones. True if they did.

        While the new ones cannot be read (a file that is just being replaced, a server that
        is away for less than the policy's `grace`) the old ones stay, and the log says so.
        """
        with self._lock:
            self._due = monotonic() + conf.get("RELOAD_SECONDS")
            if self._fields is None:
                return False
            try:
                changed = self._fields.changed()
            except atrest.AtrestError as error:
                if self._refused is None:
                    logger.error("The encryption keys are not given any more, and not used until they are: %s", error)
                self._refused = error
                return False
            self._refused = None
            if not changed:
                return False
            try:
                self._take(self._fields.reload())
            except (atrest.AtrestError, OSError) as error:
                logger.error("The encryption keys changed and cannot be read; the old ones stay: %s", error)
                return False
        logger.info("The encryption keys changed; %s encrypts from now on.", self._keyring.primary_id)
        return True

    def warnings(self) -> list[str]:
        """What deserves a word about the keys."""
        self.keyring()
        return list(self._fields.warnings)

    def forget(self) -> None:
        """Drops the keys; they are read anew when next needed."""
        with self._lock:
            self._fields = self._keyring = self._refused = None
            self._due = 0.0

    def _load(self) -> atrest.Keyring:
        with self._lock:
            if self._keyring is None:
                config = conf.key_config()
                if not config.table:
                    raise ImproperlyConfigured(f"{config.origin} has no [keys]; name the primary key there")
                made = policy.keys_alone(config)
                self._take(atrest.Fields.parse(made.text, directory=made.directory, environment=made.environment))
                self._due = monotonic() + conf.get("RELOAD_SECONDS")
            return self._keyring

    def _take(self, fields: atrest.Fields) -> None:
        self._fields, self._keyring = fields, fields.keyring


in_force = KeysInForce()


def _on_setting_changed(*, setting: str, **_: object) -> None:
    if setting == "ATREST" or setting == "BASE_DIR" or setting.startswith(conf.OLD_NAMES):
        in_force.forget()


setting_changed.connect(_on_setting_changed, dispatch_uid="atrest.keys")

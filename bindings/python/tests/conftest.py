"""What the tests share."""

from pathlib import Path

import pytest
from hypothesis import settings

import atrest

# Machines that run tests are busy.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def key() -> str:
    return atrest.generate_key()


@pytest.fixture(scope="session")
def keyring(key) -> atrest.Keyring:
    return atrest.Keyring(key)


@pytest.fixture(scope="session", params=["xaes-256-gcm", "a256cbc-hs512", "fernet"])
def field(request, keyring) -> atrest.Field:
    return atrest.Field(keyring, "people.email", suite=request.param)

"""Real databases: SQLite in a file, PostgreSQL and MariaDB from `scripts/test --servers-only`.

A server that is missing is a failure, as everywhere in this repository.
"""

import uuid

import pytest
from databases import KEY, KINDS, Atrest, Database

import atrest
from atrest.sqlalchemy import configure


def opened(kind, tmp_path):
    database = Database(kind, tmp_path)
    yield database
    database.close()


@pytest.fixture(params=KINDS)
def database(request, tmp_path):
    yield from opened(request.param, tmp_path)


@pytest.fixture
def sqlite(tmp_path):
    yield from opened("sqlite", tmp_path)


@pytest.fixture
def postgresql(tmp_path):
    yield from opened("postgresql", tmp_path)


@pytest.fixture
def mariadb(tmp_path):
    yield from opened("mariadb", tmp_path)


@pytest.fixture(autouse=True)
def keyring():
    """A key for all columns of a test."""
    keyring = atrest.Keyring(KEY)
    configure(keyring)
    return keyring


@pytest.fixture
def atrest_on(tmp_path):
    def on(database, *columns):
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir()
        return Atrest(database, folder, columns)

    return on

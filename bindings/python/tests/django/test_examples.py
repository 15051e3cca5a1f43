"""The examples, from clear rows to the rollback, on each database."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connections

EXAMPLES = Path(__file__).parents[4] / "examples"


@pytest.fixture
def url(alias, tmp_path):
    """An empty database's URL."""
    if alias == "sqlite":
        yield f"sqlite:{tmp_path}/example.db"
        return
    name = f"atrest_example_{os.getpid()}"
    connection = connections[alias]
    settings = connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if alias == "mariadb" else ""))
    password = f":{quote(settings['PASSWORD'], safe='')}" if settings["PASSWORD"] else ""
    scheme = {"postgres": "postgres", "mariadb": "mysql"}[alias]
    yield f"{scheme}://{settings['USER']}{password}@{settings['HOST']}:{settings['PORT']}/{name}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}" + (" WITH (FORCE)" if alias == "postgres" else ""))


@pytest.mark.parametrize("example", ["attendance", "community"])
def test_from_clear_rows_to_the_rollback(url, example):
    done = subprocess.run(
        [EXAMPLES / example / "run"],
        # The tests' own PATH may hold the virtual environment only.
        env={**os.environ, "DATABASE_URL": url, "PYTHON": sys.executable, "PATH": f"{os.environ['PATH']}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.endswith("Every row is what it was before.\n")


@pytest.mark.parametrize(("example", "app"), [("attendance", "attendance"), ("community", "web")])
def test_their_migrations_are_what_makemigrations_makes(example, app, tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "makemigrations", app, "--check", "--dry-run"],
        cwd=EXAMPLES / example,
        env={
            **os.environ,
            "DATABASE_URL": f"sqlite:{tmp_path}/x.db",
            "PYTHONDONTWRITEBYTECODE": "1",
            "BIOMETRIC_ENCRYPTION_KEY": "A" * 43,
            "MESSAGE_ENCRYPTION_KEY": "A" * 43,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "No changes" in done.stdout, done.stdout + done.stderr

"""Django on the three databases at once: the aliases sqlite, postgres and mariadb.

`alias` runs a test on each. The servers are those of `scripts/test`; their variables
must be set. Databases of our own are made on them, and dropped at the end.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django
import pytest
from django.conf import settings

import atrest

try:
    import MySQLdb  # noqa: F401
except ModuleNotFoundError:  # which has no wheel for Linux
    import pymysql

    pymysql.install_as_MySQLdb()

sys.path.insert(0, str(Path(__file__).parent))
ALIASES = ["sqlite", "postgres", "mariadb"]
FOLDER = tempfile.mkdtemp(prefix="atrest-django-")
NAME = f"atrest_django_{os.getpid()}"


def server(engine, variable):
    url = urlsplit(os.environ[variable])
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "HOST": url.hostname,
        "PORT": str(url.port),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "NAME": url.path.strip("/"),
    }


def pytest_configure(config):
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER}/app.db"}
    settings.configure(
        BASE_DIR=Path(FOLDER),
        SECRET_KEY="tests",
        USE_TZ=True,
        TIME_ZONE="Asia/Kolkata",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.admin",
            "atrest.django",
            "clinic",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        ROOT_URLCONF="clinic.urls",
        DATABASES={
            "default": sqlite,
            "sqlite": {**sqlite, "NAME": f"{FOLDER}/twin.db"},
            "postgres": server("postgresql", "ATREST_TEST_POSTGRES"),
            "mariadb": {**server("mysql", "ATREST_TEST_MARIADB"), "OPTIONS": {"charset": "utf8mb4"}},
        },
        ATREST={"KEYS": [atrest.generate_key()], "RELOAD_SECONDS": 0},
        MIGRATION_MODULES=dict.fromkeys(["clinic", "auth", "contenttypes", "sessions", "admin"]),
    )
    django.setup()


@pytest.fixture(scope="session", autouse=True)
def databases():
    """Every table of every app in each database."""
    from django.core.management import call_command
    from django.db import connections

    for alias in ("postgres", "mariadb"):
        with connections[alias].cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {NAME}" + (" CHARACTER SET utf8mb4" if alias == "mariadb" else ""))
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = NAME
    for alias in connections:
        call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
    yield
    for alias, name in (("postgres", "postgres"), ("mariadb", "atrest")):
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
        with connections[alias].cursor() as cursor:
            cursor.execute(f"DROP DATABASE {NAME}" + (" WITH (FORCE)" if alias == "postgres" else ""))
        connections[alias].close()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(params=ALIASES)
def alias(request):
    """One database after the other, its tables of `clinic` empty."""
    empty(request.param)
    yield request.param
    empty(request.param)


@pytest.fixture
def default():
    """The default database, empty."""
    empty("default")
    yield "default"
    empty("default")


def empty(alias):
    """No rows of ours, and nothing that an engine's run left."""
    from django.apps import apps
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS atrest_journal")

    for model in [*apps.get_app_config("clinic").get_models(), apps.get_model("auth", "User")]:
        model._base_manager.using(alias).all().delete()


@pytest.fixture
def stored():
    """What a column holds, as it is stored: a list in key order."""
    from django.db import connections

    def read(alias, field):
        connection = connections[alias]
        quote = connection.ops.quote_name
        table, column = quote(field.model._meta.db_table), quote(field.column)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {column} FROM {table} ORDER BY 1 IS NULL, {quote('id')}")
            return [bytes(v) if isinstance(v, memoryview) else v for (v,) in cursor.fetchall()]

    return read


@pytest.fixture
def overwrite():
    """Writes a raw value into one row's column, as if by another program."""
    from django.db import connections

    def write(alias, field, pk, value):
        connection = connections[alias]
        quote = connection.ops.quote_name
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {quote(field.model._meta.db_table)} SET {quote(field.column)} = %s WHERE {quote('id')} = %s",
                [value, pk],
            )

    return write

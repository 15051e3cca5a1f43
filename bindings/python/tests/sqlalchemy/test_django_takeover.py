"""What docs/django.md says of taking over columns of other packages, with their tokens."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.engine import make_url

import atrest
from atrest.takeover import old_key
from databases import KEY
from old_systems import (
    SECRET,
    django_cryptography,
    django_fernet_encrypted_fields,
    django_fernet_encrypted_json,
    django_fernet_fields,
    plain_fernet,
)
from test_adopt import fill, stored
from test_engine_external import arguments, engine_of

ENGINES = {"sqlite": "sqlite3", "postgresql": "postgresql", "mysql": "mysql"}


def site(database, new, old, binary):
    """What the application reads before and after its values are under the new key."""
    url = make_url(database.sqlalchemy_url)
    described = {
        "ENGINE": f"django.db.backends.{ENGINES[url.get_backend_name()]}",
        "NAME": url.database,
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": url.host or "",
        "PORT": str(url.port or ""),
    }
    if database.kind == "mariadb":
        described["OPTIONS"] = {"charset": "utf8mb4"}
    told = {"database": described, "new": new, "old": old, "binary": binary}
    done = subprocess.run(
        [sys.executable, "-m", "takeover_site.run"],
        cwd=Path(__file__).parent,
        env={**os.environ, "TAKEOVER": json.dumps(told), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [{int(pk): value for pk, value in read.items()} for read in json.loads(done.stdout)]


def meant(system):
    return {n: text for n, (_, text) in enumerate(system.values, 1)}


KEYS = {
    plain_fernet: lambda system: [system.environment["OLD"]],
    django_fernet_fields: lambda system: [old_key("django-fernet-fields", key) for key in ("new one", "old one")],
    django_fernet_encrypted_fields: lambda system: [
        old_key("django-fernet-encrypted-fields", SECRET, salt=salt) for salt in ("pepper", "older pepper")
    ],
}


@pytest.mark.parametrize("make", KEYS, ids=lambda make: make.__name__)
def test_fernet_under_other_keys_by_a_rotation(database, make):
    system = make()
    fill(database, system)
    before, after = site(database, KEY, KEYS[make](system), system.binary)
    assert before == after == meant(system)
    assert all(value.startswith("ar1.") for value in stored(database).values())


def test_tokens_of_a_form_of_their_own_by_adopt_and_exit(database, atrest_on):
    system, between = django_cryptography(), Fernet.generate_key().decode()
    fill(database, system)
    engine = engine_of(atrest_on(database, ("t", "v")), OUT=between, **system.environment)
    assert engine.adopt(**arguments(system), backup=False)["ok"] and engine.exit("env:OUT", backup=False)["ok"]
    before, after = site(database, atrest.generate_key(), [between], binary=True)
    assert before == after == meant(system)


def test_json_whose_leaves_are_tokens_by_adopt(database, atrest_on):
    system = django_fernet_encrypted_json()
    fill(database, system)
    engine = engine_of(atrest_on(database, ("t", "v")), **system.environment)
    assert engine.adopt(**arguments(system), backup=False)["ok"]
    _, after = site(database, KEY, [], binary=False)
    assert {n: json.loads(value) for n, value in after.items()} == {n: json.loads(v) for n, v in meant(system).items()}

"""`Engine.adopt` and `Engine.exit`: what the command does (test_adopt.py), from Python."""

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

import atrest
from databases import KEY
from old_systems import SYSTEMS
from test_adopt import fill, read, stored


@pytest.fixture(params=SYSTEMS, ids=lambda make: make.__name__)
def system(request):
    return request.param()


def arguments(system):
    """The command's flags as the method's arguments."""
    names = {"--from": "format", "--from-key": "keys", "--from-salt": "salts", "--from-encryption-key": "encryption_key"}
    given = {}
    for flag, value in zip(system.flags[::2], system.flags[1::2]):
        given.setdefault(names[flag], []).append(value)
    for name in ("format", "encryption_key"):
        if name in given:
            (given[name],) = given[name]
    return given


def engine_of(at, **environment):
    return atrest.Engine(at.policy, environment={"KEY": KEY, **environment})


def test_there_and_out_again(database, system, atrest_on):
    fill(database, system, more=[None])
    before, count = stored(database), len(system.values)
    at = atrest_on(database, ("t", "v"))
    engine = engine_of(at, **system.environment)
    plan = engine.adopt(**arguments(system), dry_run=True)
    assert (plan["command"], plan["operation"], plan["columns"][0]["due"]) == ("plan", "adopt", count)
    assert stored(database) == before
    done = engine.adopt(**arguments(system), backup=at.folder / "adopted.atrest")
    [column] = done["columns"]
    assert done["ok"] and done["command"] == "adopt" and (at.folder / "adopted.atrest").exists()
    assert column["sealed"] == {atrest.key_id(KEY): count} and column["changed"] == count
    assert "context" in at.policy.read_text()
    # Without the old key.
    assert engine_of(at).verify()["ok"]
    assert engine.adopt(**arguments(system))["columns"][0]["changed"] == 0
    clear = read(database, system)

    key = Fernet.generate_key().decode()
    out = engine_of(at, OUT=key)
    assert out.exit("env:OUT", dry_run=True)["columns"][0]["due"] == count
    done = out.exit("env:OUT", backup=False)
    assert done["ok"] and done["command"] == "exit" and done["columns"][0]["changed"] == count
    assert {n: v and Fernet(key).decrypt(v).decode() for n, v in stored(database).items()} == clear
    assert sa.inspect(database.engine).get_table_names() == ["t"]


def test_wrong_and_missing_keys_change_nothing(sqlite, system, atrest_on):
    fill(sqlite, system)
    before = stored(sqlite)
    at = atrest_on(sqlite, ("t", "v"))
    with pytest.raises(atrest.EngineError, match="opens nothing"):
        engine_of(at, **{**system.environment, **system.wrong}).adopt(**arguments(system), backup=False)
    with pytest.raises(atrest.KeySourceError):
        engine_of(at).adopt(**arguments(system), backup=False)
    with pytest.raises(ValueError, match="fernet"):
        engine_of(at).adopt("fernett", "env:OLD")
    with pytest.raises(atrest.KeySourceError, match="fernet cannot be used") as caught:
        engine_of(at, OUT="no key of theirs").exit("env:OUT", backup=False)
    assert "no key of theirs" not in str(caught.value)
    assert stored(sqlite) == before and sa.inspect(sqlite.engine).get_table_names() == ["t"]


def test_a_backup_of_other_softwares_values(database, system, atrest_on):
    fill(database, system, more=[None])
    before, count = stored(database), len(system.values)
    at = atrest_on(database, ("t", "v"))
    engine, theirs = engine_of(at, **system.environment), arguments(system)
    planned = engine.plan("adopt", **theirs)
    assert (planned["operation"], planned["columns"][0]["due"]) == ("adopt", count)
    backup = at.folder / "adopted.atrest"
    engine.adopt(**theirs, backup=backup)
    compared = engine.verify(against=backup, **theirs)
    assert compared["ok"] and compared["columns"][0]["same"] == compared["columns"][0]["entries"] > 0
    assert not engine.verify(against=backup)["ok"]
    assert engine.restore(backup, **theirs)["ok"]
    # Their own tokens, as they were.
    assert stored(database) == before
    planned = engine_of(at, OUT=Fernet.generate_key().decode()).plan("exit", to_key="env:OUT")
    assert (planned["operation"], planned["columns"][0]["due"]) == ("exit", 0)


def test_other_software_is_named_whole_or_not_at_all(sqlite, atrest_on):
    sqlite.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    engine = engine_of(atrest_on(sqlite, ("t", "v")))
    for call in (
        lambda: engine.plan("adopt"),
        lambda: engine.plan("adopt", format="fernet"),
        lambda: engine.plan("encrypt", to_key="env:KEY"),
        lambda: engine.plan("exit"),
        lambda: engine.restore("x", keys="env:KEY"),
        lambda: engine.verify(format="fernet", keys="env:KEY"),
    ):
        with pytest.raises(TypeError, match="format"):
            call()

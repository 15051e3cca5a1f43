"""Where the keys come from, and what happens when they change, are missing or wrong."""

import asyncio
import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import threading

import pytest
from clinic.models import Everything, Mixed, Patient
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db.backends.signals import connection_created
from django.test import override_settings

import atrest
from atrest.django import cache_warm, conf, prove_keys
from atrest.django.columns import all_fields
from atrest.django.keys import in_force

EMAIL = Patient._meta.get_field("email")


def configured(**names):
    return override_settings(ATREST={k: v for k, v in names.items()})


def errors(**kwargs):
    return {
        m.id: m for m in checks.run_checks(**kwargs) if m.id and m.id.startswith("atrest.") and m.level >= checks.ERROR
    }


def test_the_projects_check_is_clean():
    assert errors() == {}


def test_a_single_key_or_a_list_the_first_encrypts(default):
    one, two = atrest.generate_key(), atrest.generate_key()
    with configured(KEYS=one):
        assert in_force.keyring().ids == [atrest.key_id(one)]
    with configured(KEYS=[two, one]):
        assert in_force.keyring().ids == [atrest.key_id(two), atrest.key_id(one)]


@pytest.mark.parametrize("name", conf.OLD_NAMES)
def test_settings_of_older_libraries(name):
    new, old = atrest.generate_key(), atrest.generate_key()
    for value, backup in (([new, old], None), (new, old), (repr(new.encode()), [old])):
        with override_settings(ATREST={}, **{name: value, f"{name}_BACKUP": backup}):
            assert in_force.keyring().ids == [atrest.key_id(new), atrest.key_id(old)]


def test_sources_and_keys_may_be_mixed(tmp_path, monkeypatch):
    file, variable, literal = (atrest.generate_key() for _ in range(3))
    (tmp_path / "k").write_text(file)
    (tmp_path / "k").chmod(0o600)
    monkeypatch.setenv("SOME_KEY", variable)
    with configured(KEYS=[f"file:{tmp_path}/k", literal, "env:SOME_KEY"]):
        assert in_force.keyring().ids == [atrest.key_id(k) for k in (file, literal, variable)]


def test_a_policy_file_names_the_keys(tmp_path, monkeypatch):
    key = atrest.generate_key()
    (tmp_path / "atrest.toml").write_text('[keys]\nprimary = "env:POLICY_KEY"\n')
    monkeypatch.setenv("POLICY_KEY", key)
    with configured(POLICY=str(tmp_path / "atrest.toml")):
        assert in_force.keyring().primary_id == atrest.key_id(key)
    with override_settings(ATREST={}, BASE_DIR=tmp_path):
        assert in_force.keyring().primary_id == atrest.key_id(key)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"KEYS": "too-short"}, r'settings.ATREST["KEYS"]: the key'),
        ({"KEYS": ""}, 'settings.ATREST["KEYS"] is empty'),
        ({"KEYS": ["5a" * 32, ""]}, 'settings.ATREST["KEYS"][1] is empty'),
        ({"KEYS": "env:NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        ({"KEYS": "file:/nowhere/key"}, "/nowhere/key"),
        ({"KEYS": []}, "empty"),
        ({"KEYS": 5}, "int"),
        ({"KEY": "x"}, "did you mean 'KEYS'"),
        ({}, "no encryption key is configured"),
        ({"POLICY": "missing.toml"}, "missing.toml"),
        ({"POLICY": "missing.toml", "KEYS": "x"}, "both"),
    ],
    ids=str,
)
def test_bad_keys_fail_the_check_and_every_use(default, names, says):
    with configured(**names):
        with pytest.raises((atrest.AtrestError, ImproperlyConfigured, TypeError), match="(?i)" + re.escape(says)):
            Patient.objects.create(name="a", email="a@example.org")
        if names.keys() <= {"KEYS", "POLICY"}:
            assert says.lower() in errors()["atrest.E010"].msg.lower()
    assert not Patient.objects.exists()


@pytest.mark.parametrize("name", conf.OLD_NAMES)
def test_a_bad_key_of_an_older_setting_is_named(name):
    good, backup = atrest.generate_key(), f"{name}_BACKUP"
    for old, says in (
        ({name: "x" * 9}, f"settings.{name}: the key"),
        ({name: [good, "x" * 9]}, f"settings.{name}[1]: the key"),
        ({name: [good], backup: "x" * 9}, f"settings.{name}_BACKUP: the key"),
        ({name: [good], backup: (atrest.generate_key(), "x" * 9)}, f"settings.{name}_BACKUP[1]: the key"),
    ):
        with override_settings(ATREST={}, **old):
            assert says in errors()["atrest.E010"].msg


@pytest.mark.parametrize("given", ["secret", b"secret", ["secret"], 5, ""], ids=repr)
def test_settings_that_are_no_dict_are_named_and_not_shown(default, given):
    with override_settings(ATREST=given):
        message = errors()["atrest.E010"].msg
        assert f"settings.ATREST is a {type(given).__name__}" in message and "secret" not in message
        with pytest.raises(ImproperlyConfigured, match="settings.ATREST is a"):
            Patient.objects.create(name="a", email="a@example.org")
        with pytest.raises(CommandError, match="settings.ATREST is a"):
            call_command("encryption_status")
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("ALLOW_PLAINTEXT", "False", "is a str; write True or False"),
        ("RELOAD_SECONDS", "abc", "is a str; write a number of seconds"),
        ("RELOAD_SECONDS", None, "is a NoneType; write a number of seconds"),
        ("RELOAD_SECONDS", -1, "is a int; write a number of seconds from 0 on"),
        ("RELOAD_SECONDS", float("nan"), "is a float; write a number of seconds from 0 on"),
        ("DATABASE_URLS", "postgres://a:hunter2@b/c", "is a str; write a dict from alias to URL"),
        ("DATABASE_URLS", {"default": b"postgres://a:hunter2@b/c"}, "is a dict; write a dict from alias to URL"),
        ("BACKUPS", 5, "is a int; write a folder"),
        ("POLICY", ["atrest.toml"], "is a list; write a path"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named_and_not_shown(default, name, given, says):
    keys = {} if name == "POLICY" else {"KEYS": atrest.generate_key()}
    with configured(**keys, **{name: given}):
        message = errors()["atrest.E010"].msg
        assert f'settings.ATREST["{name}"] {says}' in message and "hunter2" not in message
        with pytest.raises(ImproperlyConfigured, match=name):
            Patient.objects.create(name="a", email="a@example.org")
        with pytest.raises(CommandError, match=name):
            call_command("encrypt_fields", skip_checks=True)


def test_what_settings_may_be(default):
    from pathlib import Path

    fine = {"RELOAD_SECONDS": 0.5, "DATABASE_URLS": {"other": None}, "BACKUPS": Path("/tmp"), "POLICY": None}
    with configured(KEYS=atrest.generate_key(), **fine):
        assert "atrest.E010" not in errors()
        Patient.objects.create(name="a", email="a@example.org")


def test_a_key_never_stands_in_a_message(default):
    secret = atrest.generate_key()[:-3]
    with configured(KEYS=secret):
        message = errors()["atrest.E010"].msg
    assert "`manage.py generate_encryption_key`" in message
    assert secret[:20] not in message and secret[:20] not in repr(conf.key_config())


def test_a_key_file_that_others_can_read_fails_the_check(tmp_path):
    path = tmp_path / "key"
    path.write_text(atrest.generate_key())
    path.chmod(0o644)
    with configured(KEYS=f"file:{path}"):
        message = errors()["atrest.E010"].msg
    assert f"chmod 600 {path}" in message
    assert 'in the [keys] of a policy (settings.ATREST["POLICY"])' in message


def test_wrong_keys_are_told_before_anything_is_served(alias):
    Patient.objects.using(alias).create(name="a", email="a@example.org")
    prove_keys(alias)
    with configured(KEYS=atrest.generate_key()):
        found = errors(databases=[alias])
        assert "None of the values" in found["atrest.E011"].msg
        with pytest.raises(ImproperlyConfigured, match="none of the values"):
            prove_keys(alias)
        with pytest.raises(atrest.KeyNotFound):
            Patient.objects.using(alias).get().email


def test_wrong_keys_are_told_of_bytes(alias):
    Everything.objects.using(alias).create(binary=b"\x00\xff")
    assert errors(databases=[alias]) == {}
    with configured(KEYS=atrest.generate_key()):
        assert errors(databases=[alias])["atrest.E011"].obj.name == "binary"
        with pytest.raises(ImproperlyConfigured, match="Everything.binary: none of the values"):
            prove_keys(alias)


def test_wrong_keys_are_told_where_an_event_loop_runs(alias):
    """As in an asgi.py that `uvicorn --workers` or `--reload` imports."""
    Patient.objects.using(alias).create(name="a", email="a@example.org")
    made = []

    def note(connection, **_):
        made.append((threading.get_ident(), connection))

    async def serve():
        prove_keys(alias)

    connection_created.connect(note)
    try:
        asyncio.run(serve())
        with configured(KEYS=atrest.generate_key()), pytest.raises(ImproperlyConfigured, match="none of the values"):
            asyncio.run(serve())
    finally:
        connection_created.disconnect(note)
    assert len(made) == 2 and all(thread != threading.get_ident() for thread, _ in made)
    assert [connection.connection for _, connection in made] == [None, None]


LOOKALIKE = atrest.Field(atrest.Keyring(atrest.generate_key()), "other.notes").seal("pasted")


def fill(alias, model, name, values, overwrite):
    """Rows whose stored values are these."""
    field = model._meta.get_field(name)
    for value in values:
        overwrite(alias, field, model.objects.using(alias).create(**{name: "x"}).pk, value)


def test_a_lookalike_among_clear_values_is_no_wrong_key(alias, overwrite, caplog):
    fill(alias, Mixed, "value", [*(f"note {n}" for n in range(30)), LOOKALIKE, "the last"], overwrite)
    found = [m for m in checks.run_checks(databases=[alias]) if m.id in ("atrest.E011", "atrest.W015")]
    assert [(m.id, m.level, m.obj.name) for m in found] == [("atrest.W015", checks.WARNING, "value")]
    assert in_force.keyring().primary_id in found[0].msg and "encrypt_fields --accept-lookalikes" in found[0].hint
    prove_keys(alias)
    assert "clinic.Mixed.value: " in caplog.text and "--accept-lookalikes" in caplog.text
    call_command("encrypt_fields", "--no-backup", "--accept-lookalikes", database=alias, model="Mixed", verbosity=0)
    assert not [m for m in checks.run_checks(databases=[alias]) if m.id in ("atrest.E011", "atrest.W015")]
    assert Mixed.objects.using(alias).order_by("pk")[30].value == LOOKALIKE


@pytest.mark.parametrize(
    ("model", "name", "values"),
    [
        (Mixed, "value", [LOOKALIKE]),
        (Mixed, "value", [LOOKALIKE] * 20 + ["clear"] * 20),  # a run that stopped on its way
        (Mixed, "value", [*[LOOKALIKE] * 9, "clear", *[LOOKALIKE] * 9]),  # one that the run has not come to
        (Mixed, "value", [LOOKALIKE, "clear"]),
        (Mixed, "value", ["clear"] * 20 + [LOOKALIKE] * 20),  # new rows, sealed by the application
        (Patient, "email", ["clear"] * 3 + [LOOKALIKE]),  # which reads no clear values
    ],
)
def test_tokens_that_clear_values_do_not_explain_are_under_another_key(alias, overwrite, model, name, values):
    fill(alias, model, name, values, overwrite)
    assert errors(databases=[alias])["atrest.E011"].obj.name == name
    with pytest.raises(ImproperlyConfigured, match="none of the values"):
        prove_keys(alias)


def test_a_key_that_is_rotated_under_a_running_process_is_picked_up(default, tmp_path, stored):
    path, old, new = tmp_path / "key", atrest.generate_key(), atrest.generate_key()
    path.write_text(old)
    path.chmod(0o600)
    with override_settings(ATREST={"KEYS": f"file:{path}", "RELOAD_SECONDS": 0}):
        Patient.objects.create(name="a", email="old@example.org")
        path.write_text(f"{new}\n{old}\n")
        assert Patient.objects.get().email == "old@example.org"
        Patient.objects.create(name="b", email="new@example.org")
        token = stored(default, EMAIL)[1]
        assert EMAIL.column_values.native().inspect(token).key_id == atrest.key_id(new)


def test_a_value_under_a_newer_key_is_read_before_the_next_look(default, tmp_path, overwrite):
    path, old, new = tmp_path / "key", atrest.generate_key(), atrest.generate_key()
    path.write_text(old)
    path.chmod(0o600)
    with override_settings(ATREST={"KEYS": f"file:{path}", "RELOAD_SECONDS": 3600}):
        row = Patient.objects.create(name="a", email="old@example.org")
        path.write_text(f"{new},{old}")
        token = atrest.Field(atrest.Keyring(new), "clinic_patient.email").seal("new@example.org")
        overwrite(default, EMAIL, row.pk, token)
        assert Patient.objects.get().email == "new@example.org"


def test_while_a_key_file_is_broken_the_old_keys_stay(default, tmp_path, caplog):
    path = tmp_path / "key"
    path.write_text(atrest.generate_key())
    path.chmod(0o600)
    with override_settings(ATREST={"KEYS": f"file:{path}", "RELOAD_SECONDS": 0}):
        Patient.objects.create(name="a", email="a@example.org")
        path.write_text("half a k")
        assert Patient.objects.get().email == "a@example.org"
        assert "the old ones stay" in caplog.text and "half a k" not in caplog.text


def test_a_warm_process_needs_no_source_for_its_first_value(default, tmp_path):
    from django.db import connection

    path = tmp_path / "key"
    path.write_text(atrest.generate_key())
    path.chmod(0o600)
    with configured(KEYS=f"file:{path}", RELOAD_SECONDS=3600):
        assert cache_warm() == len(list(all_fields()))
        path.unlink()
        token = EMAIL.get_db_prep_save("a@example.org", connection)
        assert EMAIL.from_db_value(token, None, connection) == "a@example.org"
        assert cache_warm() > 10
    with configured(KEYS="env:NOT_SET_ANYWHERE"), pytest.raises(atrest.KeySourceError):
        cache_warm()


def test_threads(default):
    failed = []

    def work(n):
        try:
            for i in range(50):
                value = f"{n}-{i}"
                from django.db import connection

                token = EMAIL.get_db_prep_save(value, connection)
                assert EMAIL.from_db_value(token, None, connection) == value
                if i % 10 == 0:
                    in_force.refresh()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert failed == []


@pytest.mark.parametrize("line", range(1, 7))
def test_a_thread_with_the_old_keys_leaves_no_mark_of_the_new_ones(monkeypatch, line):
    """It makes its native field under the old keys, and ends while another is at this line with the new ones."""
    from atrest.django import column

    old, new = (atrest.Keyring(atrest.generate_key()) for _ in range(2))
    values, now = column.Column(EMAIL), {"keyring": old}
    monkeypatch.setattr(column, "in_force", type("Keys", (), {"keyring": lambda self: now["keyring"]})())
    started, finish, made = threading.Event(), threading.Event(), atrest.Field

    def slow(keyring, *args, **kwargs):
        if keyring is old:
            started.set()
            assert finish.wait(10)
        return made(keyring, *args, **kwargs)

    monkeypatch.setattr(column.atrest, "Field", slow)
    thread = threading.Thread(target=values.native)
    thread.start()
    assert started.wait(10)
    now["keyring"] = new
    lines = 0

    def trace(frame, event, _):
        nonlocal lines
        if frame.f_code is not column.Column.native.__code__:
            return None
        if event == "line":
            lines += 1
            if lines == line:
                finish.set()
                thread.join()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        values.native()
    finally:
        sys.settrace(before)
        finish.set()
        thread.join()
    assert values.native().inspect(values.seal("a")).key_id == new.primary_id


def test_a_child_forked_while_a_thread_reads_the_keys_does_not_wait(default):
    from django.db import connection

    token = EMAIL.get_db_prep_save("parent", connection)
    held, done = threading.Event(), threading.Event()

    def hold():
        with in_force._lock:
            held.set()
            assert done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(5)  # a child that waits for ever is killed
        status = 1
        try:
            in_force.refresh()
            status = 0 if EMAIL.from_db_value(token, None, connection) == "parent" else 2
        finally:
            os._exit(status)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_forked_children_seal_and_open_what_differs(default):
    from django.db import connection

    token = EMAIL.get_db_prep_save("parent", connection)
    pipes = []
    for n in range(4):
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                assert EMAIL.from_db_value(token, None, connection) == "parent"
                os.write(write, EMAIL.get_db_prep_save("child", connection).encode())
            finally:
                os._exit(0)
        os.close(write)
        pipes.append(read)
    tokens = [os.read(read, 1000).decode() for read in pipes]
    [os.wait() for _ in pipes]
    assert [EMAIL.from_db_value(t, None, connection) for t in tokens] == ["child"] * 4
    assert len({t.split(".")[1][8:40] for t in tokens}) == 4, "nonces must differ"


def test_manage_check_says_it(default, capsys):
    with configured(KEYS="bad"), pytest.raises(Exception, match="atrest.E010"):
        call_command("check")
    assert settings.ATREST["KEYS"]


def test_a_suite_that_is_none_is_found_by_check(default):
    with configured(KEYS=atrest.generate_key(), SUITE="aes"):
        message = errors()["atrest.E013"].msg
        assert "'aes'" in message and "'xaes-256-gcm', 'a256cbc-hs512', 'fernet'" in message
        with pytest.raises(ImproperlyConfigured, match="'aes', which is no suite"):
            Patient.objects.create(name="a", email="a@example.org")
    with configured(KEYS=atrest.generate_key(), SUITE="fernet"):
        assert "atrest.E013" not in errors()


WITHOUT_TOML = """
import sys
sys.modules["tomllib"] = sys.modules["tomli"] = None
import atrest
from django.conf import settings
settings.configure(ATREST={"KEYS": atrest.generate_key()}, INSTALLED_APPS=["atrest.django"])
import django
django.setup()
from django.core import checks
from atrest.django.keys import in_force
in_force.keyring()
assert checks.run_checks() == []
settings.ATREST = {"POLICY": sys.argv[1]}
in_force.forget()
in_force.keyring()
"""


def test_a_python_without_toml_needs_it_for_a_policy_only(tmp_path):
    (tmp_path / "atrest.toml").write_text("[keys]\n")
    command = [sys.executable, "-c", WITHOUT_TOML, str(tmp_path / "atrest.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    last = done.stderr.splitlines()[-1]
    assert "ImproperlyConfigured" in last and "atrest.toml" in last and "pip install tomli" in last


def test_the_wheel_asks_for_toml_where_python_has_none():
    needed = [r for r in importlib.metadata.requires("atrest") if "extra ==" not in r]
    assert len(needed) == 1 and re.match(r"tomli\W.*python_\w*version\W+3\.11\W*$", needed[0]), needed

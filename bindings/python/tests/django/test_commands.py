"""The management commands: choosing columns, dry runs, damage, backups, errors."""

import re
from io import StringIO

import pytest
from clinic.models import Device, Everything, FernetNote, Mixed, Patient
from django.conf import settings
from django.core.management import CommandError, call_command, load_command_class
from django.db import connections, models
from django.test import override_settings
from django.test.utils import isolate_apps

import atrest
from atrest.django import EncryptedTextField, prove_keys
from atrest.django.checks import check_columns
from atrest.django.words import in_django

EMAIL = Patient._meta.get_field("email")
VALUE = Mixed._meta.get_field("value")


def run(name, alias, *args, status=0, **options):
    """What the command prints, errors included."""
    out, err = StringIO(), StringIO()
    try:
        call_command(name, *args, database=alias, stdout=out, stderr=err, skip_checks=True, **options)
        got = 0
        text = ""
    except CommandError as error:
        got, text = error.returncode, str(error)
    everything = out.getvalue() + err.getvalue() + text
    assert got == status, everything
    return everything


@pytest.fixture
def clear_rows(alias, overwrite):
    """Ten rows of Mixed in clear, three NULL."""
    rows = [Mixed.objects.using(alias).create(value="x" if n < 10 else None) for n in range(13)]
    for row in rows[:10]:
        overwrite(alias, VALUE, row.pk, f"clear {row.pk}")
    return rows


def test_encrypt_one_field_of_all(alias, clear_rows, stored, tmp_path):
    chosen = {"model": ["clinic.Mixed"], "field": ["value"]}
    plan = run("encrypt_fields", alias, dry_run=True, **chosen)
    assert "clinic.Mixed.value: 13 rows, 0 encrypted (0.0 %), 10 in clear, 3 null; 10 would be encrypted" in plan
    grow = re.search(r"grow from ([\d,]+) to ([\d,]+) bytes, the longest to ([\d,]+)", plan)
    before, after, longest = (int(n.replace(",", "")) for n in grow.groups())
    assert 0 < before < longest < after and after > 10 * 60
    assert "number" not in plan and all(v is None or v.startswith("clear") for v in stored(alias, VALUE))
    backup = tmp_path / "b.atrest"
    out = run("encrypt_fields", alias, backup_file=str(backup), batch_size=3, **chosen)
    assert "10 encrypted (100 %), 0 in clear, 3 null" in out and "10 values encrypted" in out and str(backup) in out
    assert all(v is None or v.startswith("ar1.") for v in stored(alias, VALUE))
    assert b"clear" not in backup.read_bytes()
    assert {m.value for m in Mixed.objects.using(alias).exclude(value=None)} == {f"clear {r.pk}" for r in clear_rows[:10]}


@pytest.mark.parametrize("how", ["dry_run", "no_backup"])
def test_what_holds_for_a_table_is_said_once(alias, clear_rows, how):
    out = run("encrypt_fields", alias, model=["Mixed", "Visit"], **{how: True})
    grow = re.findall(r"(\S+)(?: \([^)]*\))? grows", out)
    if alias == "sqlite":
        (database,) = grow
        assert database.startswith("sqlite:")
        return
    assert sorted(grow) == ["clinic_mixed", "clinic_visit"]
    # What does not name the table is said of each column.
    command = load_command_class("atrest.django", "encrypt_fields")
    command.by_column, command.said = {"a": VALUE, "b": Mixed._meta.get_field("number")}, set()
    assert [command.said_of_table(c, "it grows") for c in "ab"] == [False, False]
    assert [command.said_of_table(c, "clinic_mixed grows") for c in "ab"] == [False, True]


def test_verify_names_what_is_clear_and_what_is_damaged(alias, clear_rows, overwrite):
    chosen = {"model": ["Mixed"], "field": ["Mixed.value"]}
    assert "10 in clear" in run("verify_fields", alias, status=1, **chosen)
    run("encrypt_fields", alias, no_backup=True, **chosen)
    assert "100 %" in run("verify_fields", alias, **chosen)
    bad = clear_rows[4].pk
    overwrite(alias, VALUE, bad, atrest.Field(atrest.Keyring(atrest.generate_key()), "clinic_mixed.value").seal("x"))
    out = run("verify_fields", alias, status=1, **chosen)
    assert "1 UNDECRYPTABLE" in out and f"first keys: {bad}" in out


NUMBER = Mixed._meta.get_field("number")


def test_what_opens_and_is_no_value_of_its_type_is_named(alias, clear_rows, overwrite, monkeypatch):
    monkeypatch.setattr("atrest.django.probe.PAGE", 3)  # so that it is read in several
    chosen = {"field": ["Mixed.number"]}
    for row in clear_rows:
        overwrite(alias, NUMBER, row.pk, NUMBER.column_values.seal(str(row.pk)))
    assert "Verified" in run("verify_fields", alias, **chosen)
    bad = [clear_rows[n].pk for n in (2, 7)]
    for pk in bad:
        overwrite(alias, NUMBER, pk, NUMBER.column_values.seal("secretly no number"))
    out = run("verify_fields", alias, status=1, **chosen)
    assert "0 in clear" in out and "Verified" not in out and "secretly" not in out
    assert f"2 values open, and are none of an IntegerField; first keys: {bad[0]}, {bad[1]}" in out
    # One that does not open is counted as that alone.
    overwrite(alias, NUMBER, bad[0], atrest.Field(atrest.Keyring(atrest.generate_key()), "clinic_mixed.number").seal("1"))
    out = run("verify_fields", alias, status=1, **chosen)
    assert "1 UNDECRYPTABLE" in out and f"1 value opens, and is none of an IntegerField; first keys: {bad[1]}" in out


def test_a_dry_run_names_clear_values_that_will_not_read(alias, clear_rows, overwrite, stored):
    chosen = {"field": ["Mixed.number", "Mixed.value"], "dry_run": True}
    overwrite(alias, NUMBER, clear_rows[0].pk, "1")
    assert "none of" not in run("encrypt_fields", alias, **chosen)
    overwrite(alias, NUMBER, clear_rows[1].pk, "secretly no number")
    out = run("encrypt_fields", alias, **chosen)
    assert f"warning: 1 value opens, and is none of an IntegerField; first keys: {clear_rows[1].pk}" in out
    assert out.count("none of") == 1 and "secretly" not in out


def test_a_backup_puts_values_back_and_spares_newer_ones(alias, clear_rows, tmp_path):
    backup = str(tmp_path / "b.atrest")
    run("encrypt_fields", alias, field=["Mixed.value"], backup_file=backup)
    Mixed.objects.using(alias).filter(pk=clear_rows[0].pk).update(value="newer")
    compared = {"field": ["Mixed.value"], "backup_file": backup, "dry_run": True, "status": 1}
    out = run("restore_from_backup", alias, **compared)
    assert "10 entries, 9 rows have the same value and would hold it as it was stored then, 1 changed since" in out
    assert "would stay, 0 gone" in out and "written" not in out and f"first keys: {clear_rows[0].pk}" in out
    assert "would be overwritten (--force)" in run("restore_from_backup", alias, force=True, **compared)
    run("restore_from_backup", alias, field=["Mixed.value"], backup_file=backup, status=1)
    assert Mixed.objects.using(alias).get(pk=clear_rows[0].pk).value == "newer"
    run("restore_from_backup", alias, field=["Mixed.value"], backup_file=backup, force=True)
    assert Mixed.objects.using(alias).get(pk=clear_rows[0].pk).value == f"clear {clear_rows[0].pk}"


def test_rotation_with_keys_as_the_guides_type_them(alias):
    old, new = settings.ATREST["KEYS"][0], atrest.generate_key()
    Patient.objects.using(alias).create(name="a", email="a@example.org")
    out = run("rotate_encryption_keys", alias, old_key=[old], new_key=new, batch_size=2, no_backup=True)
    assert "does not know this key yet" in out and f"key {atrest.key_id(new)}: " in out
    assert old not in out and new not in out
    with pytest.raises(atrest.KeyNotFound):
        Patient.objects.using(alias).get().email
    with override_settings(ATREST={"KEYS": [new, old]}):
        assert Patient.objects.using(alias).get().email == "a@example.org"
        assert "does not know" not in run("rotate_encryption_keys", alias, no_backup=True, dry_run=True)
    run("rotate_encryption_keys", alias, old_key=[new], no_backup=True)
    assert Patient.objects.using(alias).get().email == "a@example.org"


def test_a_key_that_begins_with_a_dash(default, capsys):
    Patient.objects.create(name="a", email="a@example.org")
    old, new = settings.ATREST["KEYS"][0], "-" + atrest.generate_key()[1:]
    command = load_command_class("atrest.django", "rotate_encryption_keys")
    command.run_from_argv(["manage.py", "rotate_encryption_keys", "--no-backup", "--old-key", old, "--new-key", new])
    assert f"key {atrest.key_id(new)}: " in capsys.readouterr().out
    connections.close_all()
    back = ["--old-key", new, "--new-key", old, "--skip-checks"]
    command.run_from_argv(["manage.py", "rotate_encryption_keys", "--no-backup", *back])
    assert Patient.objects.get().email == "a@example.org"
    with pytest.raises(SystemExit):
        command.run_from_argv(["manage.py", "rotate_encryption_keys", "--old-key", "--no-backup"])
    assert "expected one argument" in capsys.readouterr().err


def test_status_and_one_row(alias):
    row = Patient.objects.using(alias).create(name="a", email="a@example.org")
    out = run("encryption_status", alias)
    key = atrest.key_id(settings.ATREST["KEYS"][0])
    assert f"{key} encrypts" in out and "clinic.Mixed.value: still reads clear values too" in out
    one = run("encryption_status", alias, field=["Patient.email"], pk=[str(row.pk)])
    assert "sealed" in one and f"key {key} (in the keyring)" in one and "stored: ar1." in one
    assert "a@example.org" not in one
    assert "--pk needs one field" in run("encryption_status", alias, pk=["1"], status=2)


def test_uuids_of_rows_are_typed_and_printed_with_dashes(alias):
    device = Device.objects.using(alias).create(serial="x")
    for typed in (str(device.pk), device.pk.hex):
        assert "sealed" in run("encryption_status", alias, field=["Device.serial"], pk=[typed])
    assert "clinic.Device" in run("encryption_status", alias, field=["Device.serial"], pk=["no-uuid"], status=2)
    other = atrest.Field(atrest.Keyring(atrest.generate_key()), "clinic_device.serial").seal("x")
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE clinic_device SET serial = %s", [other])
    assert f"first keys: {device.pk}" in run("verify_fields", alias, field=["Device.serial"], status=1)


@pytest.fixture
def alone(alias, monkeypatch):
    """Makes models with their tables; the commands then know no others."""
    tables = []
    with isolate_apps("clinic") as isolated:
        monkeypatch.setattr("atrest.django.columns.apps", isolated)

        def make(name="Person", **attributes):
            model = type(name, (models.Model,), {"__module__": __name__, **attributes})
            if model._meta.managed:
                with connections[alias].schema_editor() as editor:
                    editor.create_model(model)
                tables.append(model)
            return model

        yield make
    for model in tables:
        with connections[alias].schema_editor() as editor:
            editor.delete_model(model)


def meta(**options):
    return type("Meta", (), {"app_label": "clinic", **options})


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("Per son", "E-Mail Adr."),
        ("per.son", "email"),
        ("person", 'e"mail'),
        ("person", "."),
        ('"public"."person"', "email"),
    ],
)
def test_names_with_dots_and_quotes(alias, alone, overwrite, table, column):
    if '"' in column and alias != "mariadb" or '"' in table and alias != "postgres":
        pytest.skip("Django quotes no quotation mark there, or takes no schema")
    person = alone(email=EncryptedTextField(db_column=column, allow_plaintext=True), Meta=meta(db_table=table))
    row = person.objects.using(alias).create(email="a@example.org")
    assert "clinic.Person.email: 1 rows, 1 encrypted" in run("verify_fields", alias)
    assert f"clinic.Person.email of pk {row.pk}: sealed" in run("encryption_status", alias, pk=[str(row.pk)])
    other = atrest.Field(atrest.Keyring(atrest.generate_key()), f"{table}.{column}").seal("x")
    overwrite(alias, person._meta.get_field("email"), row.pk, other)
    assert f"undecryptable, first keys: {row.pk}" in run("verify_fields", alias, status=1)


@pytest.fixture
def over_view(alias, alone):
    """A model, and one over a view of its table."""
    person = alone(email=EncryptedTextField(context="p.email"), Meta=meta(db_table="person"))
    view = alone("PersonView", email=EncryptedTextField(context="p.email"), Meta=meta(db_table="pv", managed=False))
    with connections[alias].cursor() as cursor:
        cursor.execute("CREATE VIEW pv AS SELECT id, email FROM person")
        yield person, view
        cursor.execute("DROP VIEW pv")


WHOLE_PROJECT = {
    "encrypt_fields": {"no_backup": True},
    "verify_fields": {},
    "rotate_encryption_keys": {"no_backup": True},
    "encryption_status": {},
    "decrypt_fields": {"no_backup": True, "interactive": False},
}


def test_a_model_over_a_view_is_passed_over(alias, over_view):
    person, view = over_view
    person.objects.using(alias).create(email="a@example.org")
    told = "clinic.PersonView: passed over, for its table pv is a view"
    for command, options in WHOLE_PROJECT.items():
        for named in ({"app": ["clinic"]}, {"model": ["PersonView"]}, {"field": ["PersonView.email"]}):
            out = run(command, alias, status=2, **named, **options)
            assert "pv" in out and told not in out
        out = run(command, alias, **options)
        assert out.count(told) == 1 and "clinic.Person.email: 1 rows" in out and "PersonView.email" not in out


def test_the_keys_are_tried_on_views_too(alias, over_view):
    person, view = over_view
    person.objects.using(alias).create(email="a@example.org")
    assert view.objects.using(alias).get().email == "a@example.org"
    assert check_columns(None, databases=[alias]) == []
    prove_keys(alias)
    with override_settings(ATREST={"KEYS": atrest.generate_key()}):
        assert [m.id for m in check_columns(None, databases=[alias])] == ["atrest.E011"] * 2


def test_a_project_of_views_alone_has_nothing_to_do(alias, over_view, monkeypatch):
    monkeypatch.setattr("atrest.django.columns.all_fields", lambda alias: [over_view[1]._meta.get_field("email")])
    assert "models over views only; declare a model of the table" in run("verify_fields", alias, status=2)


@pytest.mark.parametrize("alias", ["postgres"])
def test_a_database_that_cannot_be_asked_for_views_is_told(alias, alone, monkeypatch):
    alone(email=EncryptedTextField(), Meta=meta(managed=False))
    connections[alias].close()
    monkeypatch.setitem(connections[alias].settings_dict, "PORT", "1")
    assert "127.0.0.1:1" in run("verify_fields", alias, status=2)


def test_a_model_that_is_not_managed_over_a_table_is_worked_on(alias, alone):
    person = alone(email=EncryptedTextField(), Meta=meta(db_table="person"))
    person.objects.using(alias).create(email="a@example.org")
    person._meta.managed = False
    assert "clinic.Person.email: 1 rows, 1 encrypted" in run("verify_fields", alias)


def test_fernet_columns(alias, stored):
    from cryptography.fernet import Fernet

    FernetNote.objects.using(alias).create(body="x")
    new = atrest.generate_key()
    run("rotate_encryption_keys", alias, model=["FernetNote"], new_key=new, no_backup=True)
    (token,) = stored(alias, FernetNote._meta.get_field("body"))
    assert Fernet(new).decrypt(token) == b"x"


FOREIGN = atrest.Keyring(atrest.generate_key())


def test_what_only_looks_like_a_token_is_taken_where_that_is_said(alias, clear_rows, overwrite, stored):
    chosen = {"field": ["Mixed.value"], "no_backup": True}
    lookalike = atrest.Field(FOREIGN, "clinic_mixed.value").seal("x")
    fernet = atrest.Field(FOREIGN, "clinic_mixed.value", suite="fernet").seal("x")
    for row in clear_rows:
        overwrite(alias, VALUE, row.pk, lookalike)
    assert "add --accept-lookalikes" in run("encrypt_fields", alias, status=2, **chosen)
    run("encrypt_fields", alias, accept_lookalikes=True, **chosen)
    assert all(value != lookalike for value in stored(alias, VALUE))
    assert {m.value for m in Mixed.objects.using(alias).all()} == {lookalike}
    run("decrypt_fields", alias, accept_lookalikes=True, interactive=False, **chosen)
    assert set(stored(alias, VALUE)) == {lookalike}
    # A Fernet token names no key: nothing says that it is not one of ours.
    overwrite(alias, VALUE, clear_rows[0].pk, fernet)
    assert "1 UNDECRYPTABLE" in run("encrypt_fields", alias, accept_lookalikes=True, status=1, **chosen)
    assert fernet in stored(alias, VALUE)


def test_advice_names_commands_that_are_here(default, overwrite):
    row = Patient.objects.create(name="a", email="a@example.org")
    overwrite(default, EMAIL, row.pk, "clear")
    with pytest.raises(atrest.DecryptionError, match="`manage.py verify_fields` tells"):
        Patient.objects.get().email
    overwrite(default, EMAIL, row.pk, "gAAAAABcut")
    status = f"`manage.py encryption_status --field clinic.Patient.email --pk {row.pk}` shows"
    with pytest.raises(atrest.DecryptionError, match=status):
        Patient.objects.get().email
    with override_settings(ATREST={"KEYS": "env:NOT_SET_ANYWHERE"}):
        assert "`manage.py generate_encryption_key`" in run("verify_fields", default, status=2)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("run atrest encrypt again", "run manage.py encrypt_fields again"),
        ("in keys.previous (Engine.rotate brings them over)", "manage.py rotate_encryption_keys brings"),
        ("`Engine.encrypt`", "`manage.py encrypt_fields`"),
        ("run atrest decrypt --apply-schema, or these yourself", "run atrest decrypt --apply-schema"),
        ('name a new one with backup="FILE"', "with --backup-file FILE"),
        ("make the same call again", "run the same command again"),
        ("`atrest key rotate`", "`atrest key rotate`"),
    ],
)
def test_advice_without_a_counterpart_stays(theirs, ours):
    assert ours in in_django(theirs)


ADVICE = [
    (
        "set that key (as keys.primary, or in keys.previous beside a new one)",
        "set that key (as the first of {0}, or in {0} behind the first beside a new one)",
    ),
    ("add these keys to keys.previous", "add these keys to {0}, behind the first"),
    ("add that key as a previous one, then", "add that key to {0}, behind the first, then"),
    (
        "`atrest key retire ab12 --force` says",
        "`atrest key retire ab12 --force` (a program of its own, with a policy: docs/django.md) says",
    ),
]


@pytest.mark.parametrize(("theirs", "ours"), ADVICE)
def test_advice_about_keys_names_the_setting_that_has_them(theirs, ours, tmp_path):
    assert in_django(theirs) == ours.format('settings.ATREST["KEYS"]')
    with override_settings(ATREST={}, FIELD_ENCRYPTION_KEY=atrest.generate_key()):
        assert in_django(theirs) == ours.format("settings.FIELD_ENCRYPTION_KEY")
    (tmp_path / "atrest.toml").write_text('[keys]\nprimary = "env:KEY"\n')
    for given in ({"POLICY": str(tmp_path / "atrest.toml")}, {}, {"NONE": 1}):
        with override_settings(ATREST=given):
            assert in_django(theirs) == theirs


def test_under_a_wrong_key_the_setting_is_named(alias):
    row = Patient.objects.using(alias).create(name="a", email="a@example.org")
    with override_settings(ATREST={"KEYS": atrest.generate_key()}):
        for command in ("encrypt_fields", "verify_fields", "rotate_encryption_keys"):
            out, err = StringIO(), StringIO()
            with pytest.raises(CommandError) as caught:
                call_command(command, database=alias, field="Patient.email", stdout=out, stderr=err, skip_checks=True)
            said = out.getvalue() + err.getvalue() + str(caught.value)
            assert "keys.pr" not in said and 'settings.ATREST["KEYS"]' in said
        with pytest.raises(atrest.KeyNotFound, match=r'add that key to settings.ATREST\["KEYS"\], behind the first'):
            Patient.objects.using(alias).get(pk=row.pk).email


def test_a_name_that_is_none_says_which_are_near(default):
    out = run("encrypt_fields", default, field=["Patient.emial"], status=2)
    assert "clinic.Patient.email" in out
    out = run("encrypt_fields", "nowhere", status=2)
    assert "DATABASES has no 'nowhere'" in out


def test_without_keys_a_command_says_what_to_do(default):
    with override_settings(ATREST={"KEYS": "env:NOT_SET_ANYWHERE"}):
        assert "NOT_SET_ANYWHERE" in run("verify_fields", default, status=2)


def test_with_the_wrong_keys_nothing_is_changed(alias, stored):
    Patient.objects.using(alias).create(name="a", email="a@example.org")
    before = stored(alias, EMAIL)
    with override_settings(ATREST={"KEYS": atrest.generate_key()}):
        out = run("encrypt_fields", alias, field=["Patient.email"], no_backup=True, status=2)
    assert "key" in out and stored(alias, EMAIL) == before


def test_a_password_never_stands_in_an_error(default):
    url = "postgres://someone:hunter2@127.0.0.1:1/app"
    with override_settings(ATREST={**settings.ATREST, "DATABASE_URLS": {"default": url}}):
        out = run("verify_fields", default, status=2)
    assert "hunter2" not in out and "127.0.0.1" in out


def test_a_schema_that_was_not_migrated_is_told(default):
    connection = connections["postgres"]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinic_mixed ALTER COLUMN value TYPE varchar(20)")
    try:
        Mixed.objects.using("postgres").all().delete()
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO clinic_mixed (value) VALUES ('clear')")
        out = run("encrypt_fields", "postgres", field=["Mixed.value"], dry_run=True, status=0)
        assert "run the migration first" in out
        out = run("encrypt_fields", "postgres", field=["Mixed.value"], no_backup=True, status=2)
        assert "run `manage.py makemigrations` and `migrate`, or run this yourself" in out and "apply" not in out
        assert Mixed.objects.using("postgres").get().value == "clear"
    finally:
        Mixed.objects.using("postgres").all().delete()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE clinic_mixed ALTER COLUMN value TYPE text")


def test_every_column_of_everything(alias):
    from test_model_fields import SAMPLES

    Everything.objects.using(alias).create(**SAMPLES)
    out = run("verify_fields", alias, model=["Everything"])
    assert out.count("1 encrypted (100 %)") == len(SAMPLES)


def test_benchmark_and_key(capsys):
    call_command("benchmark_encryption_performance", sizes=[64, 0], batch_size=20)
    call_command("generate_encryption_key")
    out, err = capsys.readouterr()
    assert atrest.key_id(out.split()[-1]) in err
    lines = [line for line in out.splitlines() if " bytes " in line]
    assert [line.split()[2] for line in lines] == ["seal", "open", "both"] * 2
    for line in lines:
        middle, p95 = (float(text.replace(",", "")) for text in re.findall(r"([\d,.]+) µs", line))
        assert 0 < middle <= p95
        assert ("under 50 ms" in line) == (" both " in line)


def test_benchmark_of_fields(default):
    out = run("benchmark_encryption_performance", default, sizes=[64], batch_size=20, model=["FernetNote", "Mixed"])
    assert "clinic.FernetNote.body, fernet, " in out and "clinic.Mixed.value, xaes-256-gcm, " in out
    assert "no encrypted field" in run("benchmark_encryption_performance", default, field=["x"], status=2)


@pytest.mark.parametrize("chosen", [{"field": "Mixed.value"}, {"app": "clinic", "model": "Mixed", "field": ["value"]}])
def test_one_name_from_code_is_as_good_as_a_list(default, chosen):
    for _ in range(12):
        row = Mixed.objects.create(value="x")
    out = run("verify_fields", default, **chosen)
    assert "clinic.Mixed.value: 12 rows" in out and "Patient" not in out and "number" not in out
    assert f"of pk {row.pk}: sealed" in run("encryption_status", default, pk=str(row.pk), **chosen)
    old = settings.ATREST["KEYS"][0]
    assert "12 values" in run("rotate_encryption_keys", default, old_key=old, no_backup=True, **chosen)


@pytest.mark.parametrize("value", [0, -1, 99999999999999999999])
@pytest.mark.parametrize("flag", ["--batch-size", "--workers", "--max-rate"])
def test_counts_that_are_none_are_refused(default, flag, value):
    assert f"{flag} is {value}; give" in run("encrypt_fields", default, f"{flag}={value}", status=2)
    if flag == "--batch-size":
        assert f"{flag} is {value}; give" in run("mirror_fields", default, f"{flag}={value}", status=2)
        assert f"{flag} is {value}; give" in run("verify_fields", default, batch_size=value, status=2)


def test_sizes_of_a_benchmark_that_are_none_are_refused(default):
    for sizes in ([64, -1], [10**20]):
        out = run("benchmark_encryption_performance", default, sizes=sizes, status=2)
        assert f"--sizes has {sizes[-1]}; give" in out and "µs" not in out


@pytest.mark.parametrize("command", ["encrypt_fields", "decrypt_fields", "rotate_encryption_keys"])
def test_a_backup_and_none_are_not_asked_for_at_once(alias, clear_rows, stored, command, tmp_path):
    before = stored(alias, VALUE)
    path = str(tmp_path / "b.atrest")
    with pytest.raises(CommandError, match="not allowed with argument"):
        call_command(command, "--database", alias, "--backup-file", path, "--no-backup", "--field", "Mixed.value")
    chosen = {"field": "Mixed.value", "backup_file": path, "no_backup": True}
    more = {"interactive": False} if command == "decrypt_fields" else {}
    assert "both given" in run(command, alias, status=2, **chosen, **more)
    assert stored(alias, VALUE) == before


def test_decrypting_without_a_terminal_says_how(default, monkeypatch, stored):
    Patient.objects.create(name="a", email="a@example.org")
    before = stored(default, EMAIL)
    monkeypatch.setattr("sys.stdin", StringIO())
    assert "give --noinput" in run("decrypt_fields", default, no_backup=True, status=2)
    assert stored(default, EMAIL) == before


COMMANDS = {
    "encrypt_fields": ["--no-backup", "--accept-lookalikes"],
    "verify_fields": [],
    "rotate_encryption_keys": ["--old-key=env:OLD", "--new-key=env:NEW", "--no-backup", "--accept-lookalikes"],
    "decrypt_fields": ["--no-backup", "--accept-lookalikes"],
    "restore_from_backup": ["--backup-file=BACKUP"],
    "benchmark_encryption_performance": ["--sizes=64"],
    "encryption_status": [],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_takes_each_flag_and_a_dry_run_changes_nothing(
    command, alias, clear_rows, stored, tmp_path, monkeypatch
):
    backup = tmp_path / "b.atrest"
    run("encrypt_fields", alias, field=["Mixed.value"], backup_file=str(backup))
    monkeypatch.setenv("OLD", settings.ATREST["KEYS"][0])
    monkeypatch.setenv("NEW", atrest.generate_key())
    before = stored(alias, VALUE)
    flags = ["--dry-run", "--batch-size=2", "--workers=1", "--app=clinic", "--model=clinic.Mixed", "--field=value"]
    flags.append("--noinput")
    own = [flag.replace("BACKUP", str(backup)) for flag in COMMANDS[command]]
    out = run(command, alias, *flags, *own)
    assert "clinic.Mixed.value" in out and "Patient" not in out
    assert stored(alias, VALUE) == before
    for flag in (*flags, *own):
        assert flag.partition("=")[0] in help_of(command), flag
    for flag in ("--app=nowhere", "--model=clinic.Nothing", "--field=nothing"):
        assert "no encrypted field is chosen" in run(command, alias, flag, *own, status=2)


def test_scripts_may_tell_mirror_fields_to_ask_nothing():
    assert "--noinput" in help_of("mirror_fields")


def help_of(command):
    return load_command_class("atrest.django", command).create_parser("manage.py", command).format_help()


def test_status_reads_in_pages_and_shows_how_far_it_is(default, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    Mixed.objects.bulk_create(Mixed(value="x" * 1000) for _ in range(3000))
    out = run("encryption_status", default, field=["Mixed.value"], batch_size=1, workers=1)
    assert re.search(r"clinic.Mixed.value, scan: [\d,]+ of 3,000 rows", out)


def test_progress_on_a_terminal(default, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    Mixed.objects.bulk_create(Mixed(value="x") for _ in range(600))
    with connections[default].cursor() as cursor:
        cursor.execute("UPDATE clinic_mixed SET value = 'clear'")
    out = run("encrypt_fields", default, field=["Mixed.value"], no_backup=True, max_rate=300, batch_size=50)
    assert "clinic.Mixed.value, " in out and " of 600 rows" in out and "rows/s" in out

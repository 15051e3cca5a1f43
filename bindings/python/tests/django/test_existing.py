"""A project whose rows are in clear: migrated, encrypted by the engine, verified, rotated, and taken back.

What the database casts to text, what the engine seals and what the fields read must be
the same value, for every type on every database.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import django
import pytest
from django.db import connections, models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.questioner import MigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import OperationWriter

import atrest
from atrest.django import EncryptedTextField
from atrest.django.migrations import DecryptColumns, DiscardTokens, EncryptColumns

HERE = Path(__file__).parent / "hospital"
BLIND = f"atrest_blind_{os.getpid()}"


class Project:
    """manage.py in one of its states."""

    def __init__(self, alias, folder):
        self.alias, self.folder = alias, folder
        self.connection = connections[alias]
        database = {
            k: v
            for k, v in self.connection.settings_dict.items()
            if k in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
        }
        if alias == "sqlite":
            database["NAME"] = str(folder / "app.db")
        elif alias == "mariadb":
            database["OPTIONS"] = {"charset": "utf8mb4"}  # Django 4.2 takes three bytes a character by itself
        (folder / "ward_migrations").mkdir()
        (folder / "ward_migrations" / "__init__.py").touch()
        self.key = atrest.generate_key()
        self.environment = {
            **os.environ,
            "WARD_FOLDER": str(folder),
            "WARD_DATABASE": json.dumps(database, default=str),
            "WARD_KEY": self.key,
            "PYTHONPATH": f"{folder}:{HERE}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def manage(self, state, *args, status=0, **environment):
        done = subprocess.run(
            [sys.executable, HERE / "manage.py", *args],
            env={**self.environment, "WARD": state, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr if status else done.stdout

    def rows(self, state):
        return self.manage(state, "rows", "read").splitlines()

    def raw(self):
        """Every stored value, by column."""
        if self.alias == "sqlite":
            import sqlite3

            link = sqlite3.connect(self.folder / "app.db")
            cursor = link.execute("SELECT * FROM ward_patient ORDER BY id")
        else:
            cursor = self.connection.cursor()
            cursor.execute("SELECT * FROM ward_patient ORDER BY id")
        names = [c[0] for c in cursor.description]
        rows = [[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in cursor.fetchall()]
        return {name: [row[i] for row in rows] for i, name in enumerate(names)}


@pytest.fixture
def project(alias, tmp_path):
    project = Project(alias, tmp_path)
    yield project
    if alias != "sqlite":
        with connections[alias].cursor() as cursor:
            for table in ("ward_patient", "ward_person", "django_migrations_ward", "atrest_journal"):
                cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute("DELETE FROM django_migrations WHERE app = 'ward'")


def sealed(raw):
    """The values that are no token, by column."""
    return {
        name: clear
        for name, values in raw.items()
        if name not in ("id", "name")
        and (
            clear := [
                v
                for v in values
                if v is not None
                and not (v.startswith("ar1.") if isinstance(v, str) else isinstance(v, bytes) and v[:1] == b"\x01")
            ]
        )
    }


def test_from_clear_through_every_step_and_back(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("clear", "migrate", "ward", "-v0")
    project.manage("clear", "rows", "write")
    before, clear = project.raw(), project.rows("clear")
    assert len(clear) == 5

    # The schema: generated, with nothing lost, and readable at once.
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    text = next((project.folder / "ward_migrations").glob("0002*")).read_text()
    assert "atrest.django.EncryptedTextField(" in text and "atrest.django.encrypt(" in text
    project.manage("mixed", "migrate", "ward", "-v0")
    assert project.rows("mixed") == clear
    assert "No changes" in project.manage("mixed", "makemigrations", "ward", "--check", "--dry-run")

    # The data.
    plan = project.manage("mixed", "encrypt_fields", "--dry-run")
    assert "ward.Patient.text" in plan and "Nothing was changed" in plan
    assert len(sealed(project.raw())) == 17
    out = project.manage(
        "mixed", "encrypt_fields", "--batch-size", "2", "--backup-file", str(project.folder / "b.atrest")
    )
    assert "values encrypted" in out and (project.folder / "b.atrest").stat().st_mode & 0o777 == 0o600
    assert sealed(project.raw()) == {}
    assert "0 values encrypted" in project.manage("mixed", "encrypt_fields", "--no-backup")
    assert "100 %" in project.manage("sealed", "verify_fields")
    assert project.rows("mixed") == clear and project.rows("sealed") == clear
    assert project.manage("sealed", "verify_fields", "--against", str(project.folder / "b.atrest"))

    # What the application writes, the engine reads; another key; one row.
    assert project.manage("sealed", "rows", "touch").splitlines() == clear
    assert sealed(project.raw()) == {}
    new = atrest.generate_key()
    out = project.manage(
        "sealed", "rotate_encryption_keys", "--new-key", "env:NEW", "--batch-size", "2", "--no-backup", NEW=new
    )
    assert atrest.key_id(new) in out and "does not know this key yet" in out
    project.environment["WARD_KEY"] = f"{new},{project.key}"
    assert project.rows("sealed") == clear
    status = project.manage("sealed", "encryption_status")
    assert f"{atrest.key_id(new)} encrypts" in status
    one = project.manage("sealed", "encryption_status", "--field", "Patient.email", "--pk", "2")
    assert "sealed" in one and atrest.key_id(new) in one

    # Back: refused while tokens are there, then the same bytes as before.
    assert "decrypt_fields" in project.manage("clear", "migrate", "ward", "0001", status=1)
    assert sealed(project.raw()) == {}
    project.manage("mixed", "decrypt_fields", "--noinput", "--no-backup")
    assert project.rows("mixed") == clear
    project.manage("mixed", "migrate", "ward", "0001", "-v0")
    assert project.rows("clear") == clear
    assert project.raw() == before


def test_what_the_application_wrote_again_may_count_as_changed_since_a_backup(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("clear", "migrate", "ward", "-v0")
    project.manage("clear", "rows", "write")
    clear = project.rows("clear")
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    project.manage("mixed", "migrate", "ward", "-v0")
    backup = ["--backup-file", str(project.folder / "b.atrest")]
    project.manage("mixed", "encrypt_fields", *backup)
    assert project.manage("sealed", "rows", "touch").splitlines() == clear
    # Saved as they were, in another text than the database's own: the backup is not written over them.
    out = project.manage("mixed", "restore_from_backup", *backup, status=1)
    assert re.search("[1-9][0-9]* (row )?changed since", out), out
    assert project.rows("mixed") == clear
    project.manage("mixed", "restore_from_backup", "--force", *backup)
    assert project.rows("mixed") == clear


def test_rows_that_the_application_wrote_come_back_too(project):
    project.manage("sealed", "makemigrations", "ward")
    project.manage("sealed", "migrate", "ward", "-v0")
    project.manage("sealed", "rows", "write")
    rows = project.rows("sealed")
    assert sealed(project.raw()) == {}
    assert "100 %" in project.manage("sealed", "verify_fields")
    project.manage("mixed", "decrypt_fields", "--noinput", "--no-backup")
    project.manage("clear", "makemigrations", "ward", "-n", "clear")
    project.manage("clear", "migrate", "ward", "-v0")
    assert project.rows("clear") == rows


DATA_STEP = """
from django.db import migrations, models
from atrest.django.migrations import EncryptColumns

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("ward", "0002_encrypted")]
    operations = [EncryptColumns("Patient")]
"""


def test_the_data_step_as_a_migration_there_and_back(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("clear", "migrate", "ward", "-v0")
    project.manage("clear", "rows", "write")
    before, clear = project.raw(), project.rows("clear")
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    step = project.folder / "ward_migrations" / "0003_data.py"
    if project.alias != "mariadb":  # which has no transactions around migrations
        step.write_text(DATA_STEP.format(atomic=True))
        assert "atomic = False" in project.manage("mixed", "migrate", "ward", "-v0", status=1)
    step.write_text(DATA_STEP.format(atomic=False))
    project.manage("mixed", "migrate", "ward", "-v0")
    assert sealed(project.raw()) == {} and project.rows("sealed") == clear
    project.manage("mixed", "migrate", "ward", "0001", "-v0")
    assert project.raw() == before and project.rows("clear") == clear


BACK_STEP = """
from django.db import migrations
from atrest.django.migrations import DecryptColumns

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("ward", "0002_encrypted")]
    operations = [{operation}]
"""


def test_a_lookalike_does_not_keep_a_field_encrypted(project):
    lookalike = atrest.Field(atrest.Keyring(atrest.generate_key()), "ward_patient.text").seal("x")
    project.manage("clear", "makemigrations", "ward")
    project.manage("clear", "migrate", "ward", "-v0")
    project.manage("clear", "rows", "write", lookalike)
    clear = project.rows("clear")
    assert any(lookalike in row for row in clear)
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    project.manage("mixed", "migrate", "ward", "-v0")
    project.manage("mixed", "encrypt_fields", "--no-backup", "--accept-lookalikes")
    project.manage("mixed", "decrypt_fields", "--noinput", "--no-backup", "--accept-lookalikes")
    project.manage("clear", "makemigrations", "ward", "-n", "clear")
    out = project.manage("clear", "migrate", "ward", "-v0", status=1)
    operation = "DecryptColumns('Patient', 'text', accept_lookalikes=True)"
    assert "would stop being encrypted" in out and operation in out
    # As it says.
    (project.folder / "ward_migrations" / "0003_clear.py").rename(clear_again := project.folder / "0004_clear.py")
    (project.folder / "ward_migrations" / "0003_back.py").write_text(BACK_STEP.format(operation=operation))
    text = clear_again.read_text()
    (project.folder / "ward_migrations" / "0004_clear.py").write_text(text.replace("0002_encrypted", "0003_back"))
    # In two runs: what the first has said holds for the second.
    project.manage("mixed", "migrate", "ward", "0003", "-v0")
    project.manage("clear", "migrate", "ward", "-v0")
    assert project.rows("clear") == clear


def test_a_new_database_is_made_without_the_keys_of_old_migrations(project):
    project.manage("sealed", "makemigrations", "ward")
    project.manage("clear", "makemigrations", "ward", "-n", "clear")
    project.manage("clear", "migrate", "ward", "-v0", WARD_KEY="")
    project.manage("clear", "rows", "write", WARD_KEY="")


def test_a_fresh_database_passes_over_the_data_step(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    (project.folder / "ward_migrations" / "0003_data.py").write_text(DATA_STEP.format(atomic=False))
    project.manage("sealed", "migrate", "ward", "-v0")
    project.manage("sealed", "rows", "write")


@pytest.mark.parametrize(
    "operation",
    [
        EncryptColumns("Patient"),
        EncryptColumns("Patient", "text"),
        EncryptColumns("Patient", "text", "email", backup="/b.atrest"),
        DecryptColumns("Patient", "text", fields=["email"]),
        DecryptColumns("Patient", "text", accept_lookalikes=True),
        DiscardTokens("Patient"),
        DiscardTokens("Patient", "text", "email"),
    ],
)
def test_the_data_step_is_written_as_it_was(operation):
    text, imports = OperationWriter(operation, indentation=0).serialize()
    scope = {}
    exec("\n".join(["import atrest", *imports, f"again = {text.rstrip(',')}"]), scope)
    again = scope["again"]
    assert again.deconstruct() == operation.deconstruct()
    assert again.describe() == operation.describe()


def test_squashed_migrations_keep_the_data_step(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    step = DATA_STEP.format(atomic=False).replace('"Patient"', '"Patient", "text", "email"')
    (project.folder / "ward_migrations" / "0003_data.py").write_text(step)
    project.manage("mixed", "squashmigrations", "ward", "0003", "--noinput")
    (squashed,) = (project.folder / "ward_migrations").glob("*squashed*")
    assert "fields=['text', 'email']" in squashed.read_text()
    project.manage("mixed", "migrate", "ward", "-v0")
    project.manage("mixed", "rows", "write")


def test_a_squashed_data_step_says_what_it_has_lost(project):
    if project.alias == "mariadb":
        pytest.skip("has no transactions around migrations")
    project.manage("clear", "makemigrations", "ward")
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    folder = project.folder / "ward_migrations"
    (folder / "0003_data.py").write_text(DATA_STEP.format(atomic=False))
    project.manage("mixed", "migrate", "ward", "0001", "-v0")
    project.manage("clear", "rows", "write")
    before = project.raw()
    project.manage("mixed", "squashmigrations", "ward", "0002", "0003", "--noinput")
    (squashed,) = folder.glob("*squashed*")
    out = project.manage("mixed", "migrate", "ward", "-v0", status=1)
    assert "squashmigrations" in out and "atomic = False" in out and project.raw() == before
    squashed.write_text(squashed.read_text().replace("Migration):", "Migration):\n    atomic = False"))
    project.manage("mixed", "migrate", "ward", "-v0")
    assert sealed(project.raw()) == {}


ROWS_STEP = """
from django.db import migrations
from ward.management.commands.rows import ROWS

def write(apps, schema_editor):
    for row in ROWS:
        apps.get_model("ward", "Patient").objects.create(**row)

class Migration(migrations.Migration):
    dependencies = [("ward", "0001_initial")]
    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
"""
ROWS_TEST = """
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase
from ward.management.commands.rows import ROWS
from ward.models import CLEAR, Patient

class Rows(TransactionTestCase):
    available_apps = None

    def stored(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT text FROM ward_patient WHERE text IS NOT NULL ORDER BY id")
            return [text for (text,) in cursor.fetchall()]

    def test_there_and_back(self):
        assert connection.is_in_memory_db()
        assert all(text.startswith("ar1.") for text in self.stored())
        for row, got in zip(ROWS, Patient.objects.order_by("pk"), strict=True):
            for name in CLEAR:
                expected = row.get(name, CLEAR[name].get_default())
                self.assertEqual(getattr(got, name), expected, name)
        call_command("migrate", "ward", "0003", verbosity=0)
        assert self.stored() == [row["text"] for row in ROWS if "text" in row]
        call_command("migrate", "ward", "0002", verbosity=0)
        call_command("migrate", "ward", verbosity=0)
        assert [p.float for p in Patient.objects.order_by("pk")] == [row.get("float") for row in ROWS]
"""


def test_rows_that_a_migration_made_are_encrypted_in_a_database_in_memory(tmp_path):
    project = Project("sqlite", tmp_path)
    folder = tmp_path / "ward_migrations"
    project.manage("clear", "makemigrations", "ward")
    (folder / "0002_rows.py").write_text(ROWS_STEP)
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    (folder / "0004_data.py").write_text(DATA_STEP.format(atomic=False).replace("0002_encrypted", "0003_encrypted"))
    (tmp_path / "test_rows.py").write_text(ROWS_TEST)
    project.manage("sealed", "test", "test_rows")


STAYS_STEP = """
from django.db import migrations, models
from atrest.django import EncryptedTextField

class Migration(migrations.Migration):
    dependencies = [("ward", "0001_initial")]
    operations = [
        migrations.CreateModel("Stay", [
            ("pk", models.CompositePrimaryKey("room", "bed")),
            ("room", models.IntegerField()),
            ("bed", models.IntegerField()),
            ("note", EncryptedTextField(allow_plaintext=True)),
        ]),
        migrations.RunSQL("INSERT INTO ward_stay (room, bed, note) VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c')", ""),
    ]
"""
STAYS_TEST = """
from django.core.management import call_command
from django.db import connection
from django.test import TransactionTestCase
import atrest
from atrest.django.keys import in_force

class Stays(TransactionTestCase):
    def notes(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT note FROM ward_stay ORDER BY room, bed")
            return [note for (note,) in cursor.fetchall()]

    def test_there_and_back(self):
        assert connection.is_in_memory_db()
        field = atrest.Field(in_force.keyring(), "ward_stay.note")
        assert [field.open(note) for note in self.notes()] == ["a", "b", "c"]
        call_command("migrate", "ward", "0002", verbosity=0)
        assert self.notes() == ["a", "b", "c"]
"""


@pytest.mark.skipif(django.VERSION < (5, 2), reason="Django has no composite keys")
def test_rows_of_a_composite_key_are_encrypted_in_a_database_in_memory(tmp_path):
    project = Project("sqlite", tmp_path)
    project.manage("clear", "makemigrations", "ward")
    (tmp_path / "ward_migrations" / "0002_encrypted.py").write_text(STAYS_STEP)
    (tmp_path / "ward_migrations" / "0003_data.py").write_text(DATA_STEP.format(atomic=False).replace("Patient", "Stay"))
    (tmp_path / "test_stays.py").write_text(STAYS_TEST)
    project.manage("clear", "test", "test_stays")


def test_renaming_a_field_keeps_its_context_or_is_refused(project):
    project.manage("sealed", "makemigrations", "ward")
    project.manage("sealed", "migrate", "ward", "-v0")
    rename = project.folder / "ward_migrations" / "0002_rename.py"
    head = "from django.db import migrations\nimport atrest.django\n\nclass Migration(migrations.Migration):\n    dependencies = [('ward', '0001_initial')]\n    operations = [\n        migrations.RenameField('patient', 'text', 'story'),\n"
    rename.write_text(head + "    ]\n")
    project.manage("sealed", "migrate", "ward", "-v0")  # no rows: nothing is bound yet
    project.manage("sealed", "migrate", "ward", "0001", "-v0")
    project.manage("sealed", "rows", "write")
    assert "context='ward_patient.text'" in project.manage("sealed", "migrate", "ward", "-v0", status=1)
    rename.write_text(
        head
        + "        migrations.AlterField('patient', 'story', atrest.django.EncryptedTextField(null=True, context='ward_patient.text')),\n    ]\n"
    )
    project.manage("sealed", "migrate", "ward", "-v0")


STEP = """
from django.db import migrations, models
import atrest.django
from atrest.django.migrations import DiscardTokens

class Migration(migrations.Migration):
    dependencies = [("ward", "{after}")]
    operations = [{operations}]
"""
BOUND = "atrest.django.EncryptedTextField(null=True, context='ward_patient.text')"
CONTEXT = f"migrations.AlterField('patient', 'text', {BOUND})"
RENAME = "migrations.RenameField('patient', 'text', 'story')"


@pytest.fixture
def bound(project):
    """A project with sealed rows, and a function that writes a migration."""
    project.manage("sealed", "makemigrations", "ward")
    project.manage("sealed", "migrate", "ward", "-v0")
    project.manage("sealed", "rows", "write")
    folder = project.folder / "ward_migrations"

    def step(name, after, *operations):
        (folder / f"{name}.py").write_text(STEP.format(after=after, operations=", ".join(operations)))

    project.step = step
    return project


def test_the_steps_that_a_refused_rename_names_keep_the_values(bound):
    before = bound.raw()["text"]
    bound.step("0002_rename", "0001_initial", RENAME)
    out = bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert "context='ward_patient.text'" in out and "delete the migration ward.0002_rename" in out
    bound.step("0002_rename", "0001_initial", CONTEXT)
    bound.step("0003_rename", "0002_rename", RENAME)
    bound.manage("sealed", "migrate", "ward", "-v0")
    assert bound.raw()["story"] == before and any(before)


def test_a_field_that_is_made_anew_under_its_name_keeps_nothing(bound):
    before = bound.raw()
    again = "migrations.RemoveField('patient', 'text')", "migrations.AddField('patient', 'text', " + BOUND + ")"
    bound.step("0002_again", "0001_initial", *again)
    out = bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert "would be removed while ward.patient.text is added" in out and bound.raw() == before
    bound.step("0002_again", "0001_initial", "DiscardTokens('Patient', 'text')", *again)
    bound.manage("sealed", "migrate", "ward", "-v0")
    assert not any(bound.raw()["text"])


def test_tokens_are_not_decrypted_after_their_column_has_changed(bound):
    before = bound.raw()
    step = STEP.replace("DiscardTokens", "DecryptColumns").replace("dependencies", "atomic = False\n    dependencies")
    clear = "migrations.AlterField('patient', 'text', models.CharField(max_length=20, null=True))"
    text = step.format(after="0001_initial", operations=f"{clear}, DecryptColumns('Patient', 'text')")
    (bound.folder / "ward_migrations" / "0002_late.py").write_text(text)
    assert "would stop being encrypted" in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert bound.raw() == before


@pytest.mark.parametrize("renames", ["field", "model"])
def test_with_its_context_a_rename_is_found_as_one(renames):
    def state(model, field):
        bound = EncryptedTextField(context="ward_patient.text")
        state = ProjectState()
        state.add_model(ModelState("ward", model, [("id", models.BigAutoField(primary_key=True)), (field, bound)]))
        return state

    new = state("Patient", "story") if renames == "field" else state("Person", "text")
    yes = MigrationQuestioner({"ask_rename": True, "ask_rename_model": True})
    found = MigrationAutodetector(state("Patient", "text"), new, yes)._detect_changes()
    (operation,) = found["ward"][0].operations
    assert type(operation).__name__ == f"Rename{renames.title()}"


ADD_FIELD = f"migrations.AddField('patient', 'story', {BOUND})"
ADD_MODEL = f"migrations.CreateModel('Person', [('id', models.BigAutoField(primary_key=True)), ('text', {BOUND})])"


@pytest.mark.parametrize(
    ("removal", "addition", "named"),
    [
        ("migrations.RemoveField('patient', 'text')", ADD_FIELD, "ward.patient.story"),
        ("migrations.DeleteModel('Patient')", ADD_MODEL, "ward.Person.text"),
    ],
)
def test_a_rename_that_became_a_removal_is_refused(bound, removal, addition, named):
    before = bound.raw()
    discard = "DiscardTokens('Patient')"
    bound.step("0002_lost", "0001_initial", removal, addition)
    out = bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert f"would be removed while {named} is added" in out and "context='ward_patient.text'" in out
    assert "DiscardTokens('Patient', 'text')" in out and bound.raw() == before
    # The same in two migrations of a plan.
    bound.step("0002_lost", "0001_initial", addition)
    bound.step("0003_lost", "0002_lost", removal)
    assert "would be removed" in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    # Meant so.
    bound.step("0003_lost", "0002_lost", discard, removal)
    bound.manage("sealed", "migrate", "ward", "-v0")


CLEAR_AGAIN = "migrations.AlterField('patient', 'story', models.TextField(null=True))"
FORGETS = "migrations.AlterField('patient', 'story', atrest.django.EncryptedTextField(null=True))"


@pytest.mark.parametrize(
    ("then", "named"), [(CLEAR_AGAIN, "would stop being encrypted"), (FORGETS, "would be bound to 'ward_patient.story'")]
)
def test_a_change_behind_a_rename_of_the_same_run_is_seen(bound, then, named):
    before = bound.raw()
    bound.step("0002_bound", "0001_initial", CONTEXT, RENAME)
    bound.step("0003_lost", "0002_bound", then)
    assert named in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert bound.raw() == before


def test_bytes_that_stop_being_encrypted_are_seen(bound):
    before = bound.raw()
    clear = "migrations.AlterField('patient', 'binary', models.BinaryField(null=True))"
    bound.step("0002_clear", "0001_initial", clear)
    assert "would stop being encrypted" in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert bound.raw() == before


@pytest.mark.parametrize(
    ("field", "kind", "named"),
    [
        ("binary", "EncryptedTextField", "a column of bytes into one of text"),
        ("text", "EncryptedBinaryField", "a column of text into one of bytes"),
    ],
)
def test_bytes_and_text_do_not_turn_into_each_other_while_they_are_encrypted(bound, field, kind, named):
    before = bound.raw()
    other = f"migrations.AlterField('patient', {field!r}, atrest.django.{kind}(null=True, allow_plaintext=True))"
    bound.step("0002_other", "0001_initial", other)
    out = bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert named in out and f"decrypt_fields --field ward.Patient.{field}" in out and bound.raw() == before


@pytest.mark.parametrize(
    ("field", "kind", "named"),
    [
        ("text", "EncryptedIntegerField", "from TextField into IntegerField"),
        ("text", "EncryptedJSONField", "from TextField into JSONField"),
        ("datetime", "EncryptedDateField", "from DateTimeField into DateField"),
    ],
)
def test_a_type_as_which_values_do_not_read_is_refused(bound, field, kind, named):
    before = bound.raw()
    other = f"migrations.AlterField('patient', {field!r}, atrest.django.{kind}(null=True))"
    bound.step("0002_other", "0001_initial", other)
    out = bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert f"would turn {named}, as which some values do not read" in out
    assert f"decrypt_fields --field ward.Patient.{field}" in out and "Traceback" not in out and bound.raw() == before


def test_a_type_as_which_all_values_read_is_taken(bound):
    text = "migrations.AlterField('patient', 'integer', atrest.django.EncryptedTextField(null=True))"
    back = "migrations.AlterField('patient', 'integer', atrest.django.EncryptedIntegerField(null=True))"
    bound.step("0002_text", "0001_initial", text)
    bound.manage("sealed", "migrate", "ward", "-v0")
    bound.step("0003_back", "0002_text", back)
    bound.manage("sealed", "migrate", "ward", "-v0")


@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
def test_values_that_may_not_be_read_are_not_made_clear(bound):
    before = bound.raw()
    bound.step("0002_clear", "0001_initial", "migrations.AlterField('patient', 'text', models.TextField(null=True))")
    database = {**json.loads(bound.environment["WARD_DATABASE"]), "OPTIONS": {"options": f"-c role={BLIND}"}}
    with bound.connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {BLIND}")
        try:
            cursor.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {BLIND}")
            cursor.execute(f"REVOKE ALL ON ward_patient FROM {BLIND}")
            blind = {"WARD_DATABASE": json.dumps(database)}
            assert "atrest.E014" in bound.manage("sealed", "migrate", "ward", "-v0", status=1, **blind)
            out = bound.manage("sealed", "migrate", "ward", "-v0", "--skip-checks", status=1, **blind)
        finally:
            cursor.execute(f"DROP OWNED BY {BLIND}")
            cursor.execute(f"DROP ROLE {BLIND}")
    assert "ward.Patient.text would stop being encrypted, and" in out and "permission denied" in out
    assert "Traceback" not in out and bound.raw() == before


def test_a_rename_behind_the_encryption_of_the_same_run_is_seen(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("clear", "migrate", "ward", "-v0")
    project.manage("clear", "rows", "write")
    project.manage("mixed", "makemigrations", "ward", "-n", "encrypted")
    folder = project.folder / "ward_migrations"
    (folder / "0003_data.py").write_text(DATA_STEP.format(atomic=False))
    (folder / "0004_rename.py").write_text(STEP.format(after="0003_data", operations=RENAME))
    assert "context='ward_patient.text'" in project.manage("mixed", "migrate", "ward", "-v0", status=1)
    assert "text" in project.raw()


def test_a_field_that_the_run_decrypts_may_be_renamed_and_made_clear(bound):
    decrypt = "atrest.django.migrations.DecryptColumns('patient', 'text')"
    (bound.folder / "ward_migrations" / "0002_decrypted.py").write_text(
        STEP.format(after="0001_initial", operations=decrypt).replace("class M", "import atrest.django.migrations\n\nclass M").replace(
            "    operations", "    atomic = False\n    operations"
        )
    )
    bound.step("0003_rename", "0002_decrypted", RENAME)
    bound.step("0004_clear", "0003_rename", CLEAR_AGAIN)
    bound.manage("sealed", "migrate", "ward", "-v0")
    assert not any(str(value).startswith("ar1.") for value in bound.raw()["story"])


def test_values_that_may_go_with_a_field_may_not_be_stranded(bound):
    bound.step("0002_stranded", "0001_initial", "DiscardTokens('Patient')", RENAME)
    assert "would be bound to" in bound.manage("sealed", "migrate", "ward", "-v0", status=1)


MOVES = "migrations.SeparateDatabaseAndState(database_operations=[{database}], state_operations=[{state}])"
MOVED = """migrations.SeparateDatabaseAndState(state_operations=[migrations.CreateModel(
    'Person', [('id', models.BigAutoField(primary_key=True)), ('text', atrest.django.EncryptedTextField(null=True))],
    options={'db_table': 'ward_patient'})])"""


def test_a_model_that_goes_from_the_state_alone_loses_nothing(bound):
    before = bound.raw()
    bound.step("0002_moved", "0001_initial", MOVES.format(database="", state="migrations.DeleteModel('Patient')"), MOVED)
    bound.manage("sealed", "migrate", "ward", "-v0")
    assert bound.raw() == before
    bound.manage("sealed", "migrate", "ward", "0001", "-v0")
    assert bound.raw() == before


@pytest.mark.parametrize(
    "database", ["migrations.RunSQL('DROP TABLE ward_patient', '')", "migrations.DeleteModel('Patient')"]
)
def test_a_model_that_goes_from_the_database_too_is_asked_about(bound, database):
    before = bound.raw()
    delete = "migrations.DeleteModel('Patient')"
    bound.step("0002_moved", "0001_initial", MOVES.format(database=database, state=delete), ADD_MODEL)
    assert "would be removed" in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert bound.raw() == before
    # Meant so, which the state says as well as the database's side.
    meant = f"DiscardTokens('Patient'), {delete}"
    bound.step("0002_moved", "0001_initial", MOVES.format(database=database, state=meant), ADD_MODEL)
    bound.manage("sealed", "migrate", "ward", "-v0")


def test_a_removal_alone_is_no_rename(bound):
    bound.step("0002_removed", "0001_initial", "migrations.RemoveField('patient', 'text')")
    bound.manage("sealed", "migrate", "ward", "-v0")
    assert "text" not in bound.raw()


SEPARATED = """
from django.db import migrations, models
import atrest.django

class Migration(migrations.Migration):
    dependencies = [("ward", "0001_initial")]
    operations = [migrations.SeparateDatabaseAndState(
        state_operations=[{state}], database_operations=[{database}])]
"""


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        ("migrations.AlterField('patient', 'text', models.TextField(null=True))", "would stop being encrypted"),
        ("migrations.RenameField('patient', 'text', 'story')", "context='ward_patient.text'"),
        ("migrations.AlterModelTable('patient', 'ward_other')", "context='ward_patient."),
    ],
)
def test_the_guard_looks_into_operations_that_separate_state(project, operation, advice):
    project.manage("sealed", "makemigrations", "ward")
    first = project.folder / "ward_migrations" / "0001_initial.py"
    head, operations = first.read_text().split("operations = [", 1)
    operations = operations.rstrip().removesuffix("]")
    first.write_text(f"{head}operations = [migrations.SeparateDatabaseAndState(*2 * ([{operations}],))]")
    project.manage("sealed", "migrate", "ward", "-v0")
    project.manage("sealed", "rows", "write")
    step = project.folder / "ward_migrations" / "0002_separated.py"
    nested = f"migrations.SeparateDatabaseAndState(state_operations=[{operation}])"
    for state in (operation, nested):
        step.write_text(SEPARATED.format(state=state, database=operation))
        assert advice in project.manage("sealed", "migrate", "ward", "-v0", status=1)


@pytest.mark.parametrize(
    ("state", "sql", "named"),
    [
        ("migrations.AlterField('patient', 'text', models.TextField(null=True))", "SELECT 1", "would stop being encrypted"),
        (RENAME, "ALTER TABLE ward_patient RENAME COLUMN text TO story", "would be bound to 'ward_patient.story'"),
    ],
)
def test_the_guard_looks_into_the_state_of_raw_sql(bound, state, sql, named):
    before = bound.raw()
    bound.step("0002_sql", "0001_initial", f"migrations.RunSQL({sql!r}, 'SELECT 1', state_operations=[{state}])")
    assert named in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert bound.raw() == before


FILLS = """
from django.db import migrations, models
import atrest.django
from atrest.django.migrations import DecryptColumns

def copy(apps, schema_editor):
    for row in apps.get_model("ward", "Patient").objects.exclude(text=None):
        row.new = row.text
        row.save()

def create(apps, schema_editor):
    apps.get_model("ward", "Patient").objects.create(name="a", text="a secret")

def clean(apps, schema_editor):
    for row in apps.get_model("ward", "Patient").objects.exclude(text=None):
        row.text = "1234"
        row.save()

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("ward", "{after}")]
    operations = [{operations}]
"""
ADD_NEW = "migrations.AddField('patient', 'new', atrest.django.EncryptedTextField(null=True{context}))"
COPY = "migrations.RunPython(copy, migrations.RunPython.noop)"
CREATE = "migrations.RunPython(create, migrations.RunPython.noop)"
SWAP = ("migrations.RemoveField('patient', 'text')", "migrations.RenameField('patient', 'new', 'text')")
CLEAR_TEXT = "migrations.AlterField('patient', 'text', models.TextField(null=True))"
DECRYPT_TEXT = "DecryptColumns('Patient', 'text')"


@pytest.fixture
def fills(project):
    """A project, and a function that writes migrations behind 0001, each of its operations."""

    def write(*steps, after="0001_initial"):
        for n, operations in enumerate(steps, 2):
            text = FILLS.format(after=after, operations=", ".join(operations), atomic=DECRYPT_TEXT not in operations)
            after = f"000{n}_step"
            (project.folder / "ward_migrations" / f"{after}.py").write_text(text)

    project.steps = write
    return project


CLEAN = "migrations.RunPython(clean, migrations.RunPython.noop)"
NUMBER = "migrations.AlterField('patient', 'text', atrest.django.EncryptedIntegerField(null=True))"
BESIDE = "migrations.AlterField('patient', 'char', atrest.django.EncryptedCharField(max_length=70, null=True))"
IDLE = "migrations.RunPython(migrations.RunPython.noop)"


@pytest.fixture
def texts(fills):
    """Rows with encrypted texts that are no numbers."""
    fills.manage("sealed", "makemigrations", "ward")
    fills.manage("sealed", "migrate", "ward", "-v0")
    fills.manage("sealed", "rows", "write")
    return fills


@pytest.mark.parametrize("steps", [[[CLEAN], [NUMBER]], [[CLEAN, NUMBER]], [[BESIDE, CLEAN, NUMBER]]])
def test_values_that_the_run_itself_rewrites_may_get_another_type(texts, steps):
    texts.steps(*steps)
    texts.manage("sealed", "migrate", "ward", "-v0")
    bound = atrest.Field(atrest.Keyring(texts.key), "ward_patient.text")
    assert {text and bound.open(text) for text in texts.raw()["text"]} == {None, "1234"}


@pytest.mark.parametrize(
    "steps", [[[IDLE], [NUMBER]], [[IDLE, NUMBER]], [[NUMBER, CLEAN]], [[NUMBER], [CLEAN]], [[BESIDE, NUMBER]]]
)
def test_values_that_the_run_does_not_rewrite_before_keep_their_type(texts, steps):
    before = texts.raw()["text"]
    texts.steps(*steps)
    out = texts.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert "ward.Patient.text would turn from TextField into IntegerField" in out and "Traceback" not in out
    assert "rewrites" in out and texts.raw()["text"] == before


@pytest.mark.parametrize("files", ["one", "each"])
def test_a_rename_of_what_the_run_itself_makes_and_fills_is_refused(fills, files):
    def steps(context):
        parts = [(ADD_NEW.format(context=context),), (COPY,), SWAP]
        return parts if files == "each" else [sum(parts, ())]

    fills.manage("clear", "makemigrations", "ward")
    fills.manage("clear", "migrate", "ward", "-v0")
    fills.manage("clear", "rows", "write")
    texts = fills.raw()["text"]
    fills.steps(*steps(""))
    out = fills.manage("clear", "migrate", "ward", "-v0", status=1)
    assert "ward.Patient.new would be bound to 'ward_patient.text'" in out and "Traceback" not in out
    assert "context='ward_patient.new' in that AddField" in out
    assert fills.raw()["text"] == texts
    # As it says; without transactions around migrations the column is there.
    if files == "one" and fills.alias == "mariadb":
        with fills.connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ward_patient DROP COLUMN new")
    fills.steps(*steps(", context='ward_patient.new'"))
    fills.manage("clear", "migrate", "ward", "-v0")
    bound = atrest.Field(atrest.Keyring(fills.key), "ward_patient.new")
    assert [text and bound.open(text) for text in fills.raw()["text"]] == texts


def test_rows_that_migrations_make_on_a_new_database_do_not_become_ciphertext(fills):
    fills.manage("sealed", "makemigrations", "ward")
    fills.steps([CREATE], [CLEAR_TEXT])
    out = fills.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert "ward.Patient.text would stop being encrypted" in out and DECRYPT_TEXT in out and "Traceback" not in out
    assert fills.raw()["text"][0].startswith("ar1.")
    # As it says.
    fills.steps([CREATE], [DECRYPT_TEXT], [CLEAR_TEXT])
    fills.manage("sealed", "migrate", "ward", "-v0")
    assert fills.raw()["text"] == ["a secret"]
    # And back, where the migration encrypts it again.
    fills.manage("sealed", "migrate", "ward", "0002", "-v0")
    assert fills.raw()["text"][0].startswith("ar1.")


def test_the_way_back_looks_at_what_is_filled_on_it(fills):
    fills.manage("clear", "makemigrations", "ward")
    sealed = "migrations.AlterField('patient', 'text', atrest.django.EncryptedTextField(null=True))"
    fills.steps([sealed], ["migrations.RunPython(migrations.RunPython.noop, create)"])
    fills.manage("clear", "migrate", "ward", "-v0")
    out = fills.manage("clear", "migrate", "ward", "0001", "-v0", status=1)
    assert "ward.Patient.text would stop being encrypted" in out and fills.raw()["text"][0].startswith("ar1.")


def test_a_first_migration_that_changes_what_it_makes_runs(fills):
    fills.manage("sealed", "makemigrations", "ward")
    first = fills.folder / "ward_migrations" / "0001_initial.py"
    text = first.read_text().rstrip().removesuffix("]")
    first.write_text(f"{text}    {CLEAR_TEXT},\n        {RENAME},\n    ]\n")
    fills.manage("sealed", "migrate", "ward", "-v0")
    assert "story" in fills.raw()


def test_only_operations_that_run_look(fills):
    fills.manage("sealed", "makemigrations", "ward")
    fills.steps([CREATE], [CLEAR_TEXT])
    assert "Alter field text" in fills.manage("sealed", "migrate", "ward", "--plan")
    fills.manage("sealed", "sqlmigrate", "ward", "0003")
    fills.manage("sealed", "migrate", "ward", "-v0", "--fake")
    fills.manage("sealed", "migrate", "ward", "zero", "-v0", "--fake")
    # Squashed they do, too.
    squashed = FILLS.format(after="0001_initial", operations=f"{CREATE}, {CLEAR_TEXT}", atomic=True)
    replaces = "    replaces = [('ward', '0002_step'), ('ward', '0003_step')]\n"
    (fills.folder / "ward_migrations" / "0002_squashed.py").write_text(squashed + replaces)
    out = fills.manage("sealed", "migrate", "ward", "-v0", status=1)
    assert "ward.Patient.text would stop being encrypted" in out and "before ward.0002_squashed" in out


TWICE_TEST = """
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import TransactionTestCase

class Twice(TransactionTestCase):
    available_apps = None

    def test_twice(self):
        for _ in range(2):
            call_command("migrate", "ward", "zero", verbosity=0)
            call_command("migrate", "ward", verbosity=0)
        operations = [o for m in MigrationLoader(connection).disk_migrations.values() for o in m.operations]
        assert operations and not any("database_forwards" in vars(o) for o in operations)
"""


def test_operations_stay_as_they_are_however_often_a_process_migrates(fills):
    fills.manage("sealed", "makemigrations", "ward")
    fills.steps([CLEAR_TEXT])
    (fills.folder / "test_twice.py").write_text(TWICE_TEST)
    fills.manage("sealed", "test", "test_twice")




def test_a_context_under_which_the_values_open_is_taken(bound):
    before = bound.raw()
    wrong = CONTEXT.replace("ward_patient.text", "another")
    bound.step("0002_wrong", "0001_initial", wrong)
    assert "would be bound to 'another'" in bound.manage("sealed", "migrate", "ward", "-v0", status=1)
    # Where it came to be so all the same, the way out of it is open.
    bound.step("0002_wrong", "0001_initial")
    bound.manage("sealed", "migrate", "ward", "-v0")
    bound.step("0002_wrong", "0001_initial", wrong)
    bound.step("0003_right", "0002_wrong", CONTEXT)
    bound.manage("sealed", "migrate", "ward", "-v0")
    assert bound.raw() == before


def test_a_dry_run_before_the_migration_finds_all_values_readable(project):
    project.manage("clear", "makemigrations", "ward")
    project.manage("clear", "migrate", "ward", "-v0")
    project.manage("clear", "rows", "write")
    # Refused where the columns cannot hold tokens yet, and no value is taken for one of another type.
    out = project.manage("mixed", "encrypt_fields", "--dry-run", status=1)
    assert "ward.Patient.date" in out and "none of" not in out

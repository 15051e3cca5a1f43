"""System checks about models, admin, policy and columns."""

import pytest
from clinic.admin import PatientAdmin
from clinic.models import Patient
from django.apps import apps
from django.core import checks
from django.db import connections, models
from django.test import override_settings
from django.test.utils import isolate_apps

import atrest
from atrest.django import EncryptedCharField, EncryptedTextField, encrypt
from atrest.django.checks import check_admin, check_models, check_policy


def ids(messages):
    return [m.id for m in messages if m.id.startswith("atrest.")]


@pytest.mark.parametrize(
    ("make", "id"),
    [
        (lambda: EncryptedCharField(max_length=10, unique=True), "atrest.E001"),
        (lambda: EncryptedCharField(max_length=10, primary_key=True), "atrest.E001"),
        (lambda: EncryptedCharField(max_length=10, db_index=True), "atrest.E002"),
        (lambda: encrypt(models.CharField(max_length=9, db_index=True)), "atrest.E002"),
    ],
)
def test_a_field_that_the_database_must_compare(make, id):
    with isolate_apps("clinic"):

        class Bad(models.Model):
            field = make()

            class Meta:
                app_label = "clinic"

        (found,) = [m for m in Bad._meta.get_field("field").check() if m.id == id]
        assert found.level == checks.ERROR and "keyed hash" in found.hint.lower()


@pytest.mark.skipif(not hasattr(models, "GeneratedField"), reason="db_default came with Django 5.0")
def test_db_default_would_be_stored_in_clear():
    with isolate_apps("clinic"):

        class Bad(models.Model):
            field = EncryptedTextField(db_default="clear")

            class Meta:
                app_label = "clinic"

        assert "atrest.E003" in ids(Bad._meta.get_field("field").check())


def test_constraints_indexes_and_orderings(monkeypatch):
    monkeypatch.setattr(Patient._meta, "unique_together", [("name", "email")])
    monkeypatch.setattr(Patient._meta, "constraints", [models.UniqueConstraint(fields=["notes"], name="one_note")])
    monkeypatch.setattr(Patient._meta, "indexes", [models.Index(fields=["-born", "name"], name="by_birth")])
    monkeypatch.setattr(Patient._meta, "ordering", ["-email"])
    found = check_models([apps.get_app_config("clinic")])
    assert ids(found) == ["atrest.E001", "atrest.E001", "atrest.E002", "atrest.E004"]
    assert "one_note" in found[1].msg and "by_birth" in found[2].msg


def test_admin_options_that_would_raise(monkeypatch):
    assert check_admin(None) == []
    monkeypatch.setattr(PatientAdmin, "search_fields", ["name", "^email"])
    monkeypatch.setattr(PatientAdmin, "list_filter", ["kind"])
    assert ids(check_admin(None)) == ["atrest.E004", "atrest.E004"]


def test_allow_plaintext_is_reminded_of():
    (reminded,) = [m.msg for m in checks.run_checks() if m.id == "atrest.W012"]
    assert "clinic.Mixed.value, clinic.Mixed.number:" in reminded


@pytest.mark.parametrize("alias", ["postgres", "mariadb"])  # SQLite's columns hold anything
def test_a_column_that_is_too_narrow_or_no_text(alias):
    connection = connections[alias]
    with connection.schema_editor() as editor:
        before, after = Patient._meta.get_field("notes"), models.CharField(max_length=40)
        after.set_attributes_from_name("notes")
        editor.alter_field(Patient, before, after)
    try:
        found = [m for m in checks.run_checks(databases=[alias]) if m.id == "atrest.W011"]
        assert [m.obj for m in found] == [before] and "40 characters" in found[0].msg
    finally:
        with connection.schema_editor() as editor:
            editor.alter_field(Patient, after, before)
    assert "atrest.W011" not in ids(checks.run_checks(databases=[alias]))


def policy(tmp_path, *columns):
    path = tmp_path / "atrest.toml"
    path.write_text('[keys]\nprimary = "env:POLICY_KEY"\n' + "".join(f"[[column]]\n{c}\n" for c in columns))
    return override_settings(ATREST={"POLICY": str(path)})


def test_a_policy_that_disagrees_with_the_models(tmp_path, monkeypatch):
    monkeypatch.setenv("POLICY_KEY", atrest.generate_key())
    with policy(
        tmp_path,
        'table = "clinic_patient"\nname = "email"\ncontext = "people.email"',
        'table = "clinic_fernetnote"\nname = "body"',
        'table = "clinic_patient"\nname = "notes"\nbind = "row"',
        'table = "clinic_patient"\nname = "phone"',
        'table = "clinic_patient"\nname = "born"\nsuite = "xaes-256-gcm"',
    ):
        found = check_policy(None)
    errors = {m.obj.name: m.msg for m in found if m.id == "atrest.E012"}
    assert set(errors) == {"email", "body", "notes"}
    assert "people.email" in errors["email"] and "fernet" in errors["body"] and "rows" in errors["notes"]
    assert any("clinic_patient.phone" in m.msg for m in found if m.id == "atrest.W013")
    assert not any(getattr(m.obj, "name", "") == "born" for m in found)

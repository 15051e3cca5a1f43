"""System checks about models, admin, policy and columns."""

import os

import django
import pytest
from clinic.admin import PatientAdmin
from clinic.models import Patient, Visit
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError, connections, models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat, Lower
from django.db.models.lookups import Exact
from django.test import override_settings
from django.test.utils import isolate_apps

import atrest
from atrest.django import EncryptedCharField, EncryptedTextField, encrypt, prove_keys
from atrest.django.checks import check_admin, check_columns, check_models, check_policy
from atrest.django.probe import holds_tokens, holds_values


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


NO_NOTES = Q(notes__isnull=True)


def generated(model_fields, *expressions):
    """A model with these generated fields, and what the checks say of it."""
    with isolate_apps("clinic") as isolated, pytest.MonkeyPatch.context() as patch:
        text = models.TextField()
        columns = {
            f"g{n}": models.GeneratedField(expression=e, output_field=text, db_persist=True)
            for n, e in enumerate(expressions)
        }
        meta = type("Meta", (), {"app_label": "clinic", "db_table": "generated"})
        body = {"__module__": __name__, "Meta": meta, "name": models.TextField(), **model_fields, **columns}
        model = type("Generated", (models.Model,), body)
        patch.setattr("atrest.django.model_checks.apps", isolated)
        return model, check_models(None)


@pytest.mark.skipif(not hasattr(models, "GeneratedField"), reason="it came with Django 5.0")
@pytest.mark.parametrize(
    "expression",
    [
        F("notes"),
        Lower("notes"),
        Concat("name", Value(" "), "notes"),
        Case(When(notes="x", then=F("name")), default=Value("")),
        Case(When(NO_NOTES, then=F("name")), default=F("notes")),
    ],
    ids=str,
)
def test_a_generated_field_would_show_ciphertext(expression):
    for notes, expected in ((EncryptedTextField(allow_plaintext=True), ["atrest.E007"]), (models.TextField(), [])):
        model, found = generated({"notes": notes}, expression, Lower("name"))
        assert ids(found) == expected
    _, (found,) = generated({"notes": encrypt(models.TextField())}, expression)
    assert found.level == checks.ERROR and found.obj.name == "g0" and "'notes'" in found.msg and found.hint


@pytest.mark.skipif(not hasattr(models, "GeneratedField"), reason="it came with Django 5.0")
def test_a_generated_field_may_ask_for_null(alias):
    whether = Case(When(NO_NOTES, then=Value("none")), default=F("name"), output_field=models.TextField())
    model, found = generated({"notes": EncryptedTextField(null=True)}, whether)
    assert found == []
    with connections[alias].schema_editor() as editor:
        editor.create_model(model)
    try:
        objects = model.objects.using(alias)
        objects.create(name="a")
        objects.create(name="b", notes="secret")
        assert list(objects.order_by("pk").values_list("g0", "notes")) == [("none", None), ("b", "secret")]
    finally:
        with connections[alias].schema_editor() as editor:
            editor.delete_model(model)


@pytest.mark.parametrize(
    ("with_user", "with_firm", "originals", "expected"),
    [
        ("CASCADE", "DB_CASCADE", "empty", ["atrest.E008"]),
        ("CASCADE", "DB_CASCADE", "keep", []),
        ("CASCADE", "CASCADE", "empty", []),
        ("DB_CASCADE", "CASCADE", "empty", []),
    ],
)
def test_a_row_with_the_only_copy_is_not_deleted_by_the_database(monkeypatch, with_user, with_firm, originals, expected):
    if not hasattr(models, "DB_CASCADE"):  # which came with Django 6.1
        monkeypatch.setattr(models, "DB_CASCADE", lambda *_: None, raising=False)
    with isolate_apps("clinic") as isolated:

        class Firm(models.Model):
            class Meta:
                app_label = "clinic"

        class Account(models.Model):
            user = models.OneToOneField(apps.get_model("auth.User"), getattr(models, with_user), related_name="+")
            firm = models.ForeignKey(Firm, getattr(models, with_firm))
            secret = EncryptedTextField(default="")
            mirrors = {"user.last_name": "secret"}
            mirrors_originals = originals

            class Meta:
                app_label = "clinic"

        monkeypatch.setattr("atrest.django.model_checks.apps", isolated)
        found = check_models(None)
    assert ids(found) == expected
    assert all(m.level == checks.ERROR and m.obj.name == "firm" and "DB_CASCADE" in m.msg and m.hint for m in found)


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


def test_admin_options_by_class_relation_and_expression(monkeypatch):
    class VisitInline(admin.TabularInline):
        model = Visit
        ordering = ["reason"]

    monkeypatch.setattr(PatientAdmin, "search_fields", ["=visits__reason__iexact", "name"])
    monkeypatch.setattr(PatientAdmin, "list_filter", [("email", admin.EmptyFieldListFilter), "visits__room"])
    monkeypatch.setattr(PatientAdmin, "ordering", [F("born").desc(), Lower("name")])
    monkeypatch.setattr(PatientAdmin, "date_hierarchy", "born")
    monkeypatch.setattr(PatientAdmin, "inlines", [VisitInline])
    monkeypatch.setattr(PatientAdmin, "sortable_by", None)
    found = check_admin(None)
    assert [(m.id, m.msg.split()[0]) for m in found] == [
        ("atrest.E004", "search_fields"),
        ("atrest.E004", "list_filter"),
        ("atrest.E004", "ordering"),
        ("atrest.E004", "date_hierarchy"),
        ("atrest.E004", "ordering"),
        ("atrest.W014", "list_display"),
        ("atrest.W014", "list_display"),
    ]
    assert found[4].obj is VisitInline and "sortable_by" in found[5].hint


def test_admin_columns_that_order_by_an_encrypted_field(monkeypatch):
    @admin.display(ordering="email")
    def of_admin(self, patient): ...

    @admin.display(ordering=Lower("visits__reason").desc())
    def function(patient): ...

    @admin.display(ordering="-born")
    def of_model(self): ...

    @admin.display(ordering="-name")
    def harmless(patient): ...

    @admin.display()
    def unordered(patient): ...

    monkeypatch.setattr(PatientAdmin, "of_admin", of_admin, raising=False)
    monkeypatch.setattr(Patient, "of_model", property(of_model), raising=False)
    monkeypatch.setattr(PatientAdmin, "list_display", ["__str__", "of_admin", function, "of_model", harmless, unordered])
    monkeypatch.setattr(PatientAdmin, "sortable_by", None)
    found = check_admin(None)
    assert ids(found) == ["atrest.W014"] * 3
    for name, message in zip(("of_admin", "function", "of_model"), found, strict=True):
        assert f"'{name}'" in message.msg and "@admin.display" in message.hint
    monkeypatch.setattr(PatientAdmin, "sortable_by", ["of_model", harmless])
    assert ["of_model" in m.msg for m in check_admin(None)] == [True]


def declared(**meta):
    """A model with encrypted fields and this Meta, and what the checks say of it."""
    with isolate_apps("clinic") as isolated:

        class Owner(models.Model):
            secret = EncryptedTextField()

            class Meta:
                app_label = "clinic"

        class Thing(models.Model):
            owner = models.ForeignKey(Owner, on_delete=models.CASCADE)
            name = models.CharField(max_length=9)
            secret = EncryptedTextField()
            made = encrypt(models.DateField())

            Meta = type("Meta", (), {"app_label": "clinic", **meta})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("atrest.django.model_checks.apps", isolated)
            return [m for m in check_models(None) if m.obj is Thing]


def check(condition):
    return models.CheckConstraint(**{CONDITION: condition}, name="named")


CONDITION = "condition" if django.VERSION >= (5, 1) else "check"
BLIND = f"atrest_blind_{os.getpid()}"


@pytest.mark.parametrize(
    ("meta", "id"),
    [
        ({"indexes": [models.Index(Lower("secret"), name="named")]}, "E002"),
        ({"indexes": [models.Index("name", F("secret").desc(), name="named")]}, "E002"),
        ({"indexes": [models.Index(fields=["name"], condition=Q(secret="x"), name="named")]}, "E005"),
        ({"constraints": [models.UniqueConstraint(Lower("secret"), name="named")]}, "E001"),
        ({"constraints": [models.UniqueConstraint(Concat("name", "secret"), name="named")]}, "E001"),
        ({"constraints": [models.UniqueConstraint(fields=["name"], condition=~Q(secret=""), name="named")]}, "E005"),
        ({"constraints": [check(Q(name="a") | Q(secret__gt="x"))]}, "E005"),
        ({"constraints": [check(Q(name=F("secret")))]}, "E005"),
        ({"constraints": [check(Exact(Lower("secret"), "x"))]}, "E005"),
        ({"constraints": [check(Exact(Case(When(secret="x", then=1), default=2), 1))]}, "E005"),
        ({"ordering": ["owner__secret"]}, "E004"),
        ({"ordering": [F("secret").desc(nulls_last=True)]}, "E004"),
        ({"ordering": [Lower("secret")]}, "E004"),
        ({"get_latest_by": "made"}, "E004"),
        ({"get_latest_by": ["name", "-made"]}, "E004"),
    ],
    ids=str,
)
def test_what_a_model_declares_over_an_encrypted_field(meta, id):
    (found,) = declared(**meta)
    assert found.id == f"atrest.{id}" and found.level == checks.ERROR and found.hint
    assert ("named" in found.msg) == ("ordering" not in meta and "get_latest_by" not in meta)


def test_what_a_model_may_declare():
    found = declared(
        ordering=["owner", "-name"],
        get_latest_by="pk",
        indexes=[models.Index(Lower("name"), name="a"), models.Index(fields=["name"], include=["secret"], name="b")],
        constraints=[
            check(Q(secret__isnull=False) & ~Q(made=None)),
            check(Exact(Case(When(secret__isnull=True, then=1), default=2), 1)),
            models.UniqueConstraint(fields=["name"], condition=Q(secret__isnull=True), name="c"),
        ],
    )
    assert found == []


@pytest.mark.parametrize("option", ["unique_for_date", "unique_for_month", "unique_for_year"])
def test_unique_for_a_date_compares(option):
    with isolate_apps("clinic") as isolated, pytest.MonkeyPatch.context() as patch:

        class Bad(models.Model):
            day = models.DateField()
            secret_day = encrypt(models.DateField())
            a = EncryptedTextField(**{option: "day"})
            b = models.TextField(**{option: "secret_day"})
            c = models.TextField(**{option: "day"})

            class Meta:
                app_label = "clinic"

        patch.setattr("atrest.django.model_checks.apps", isolated)
        found = check_models(None)
    assert [(m.id, m.obj.name) for m in found] == [("atrest.E006", "a"), ("atrest.E006", "b")]
    assert option in found[0].msg and "keyed hash" in found[0].hint.lower()


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


@pytest.mark.parametrize(
    ("type", "there", "back"),
    [("text[]", "ARRAY[notes]", "notes[1]"), ("point", "NULL", "''"), ("citext", "notes", "notes")],
)
def test_a_column_of_a_type_that_django_does_not_know(type, there, back):
    with connections["postgres"].cursor() as cursor:
        alter = "ALTER TABLE clinic_patient ALTER notes DROP NOT NULL, ALTER notes TYPE {} USING {}"
        cursor.execute("CREATE EXTENSION IF NOT EXISTS citext")
        cursor.execute(alter.format(type, there))
        try:
            found = [m for m in checks.run_checks(databases=["postgres"]) if m.id == "atrest.W011"]
            assert [m.obj for m in found] == [Patient._meta.get_field("notes")] and "no field of Django" in found[0].msg
            assert "migrate" in found[0].hint
        finally:
            cursor.execute(alter.format("text", back))
            cursor.execute("ALTER TABLE clinic_patient ALTER notes SET NOT NULL")


@pytest.fixture
def unreachable(alias):
    """A database that does not answer: a closed port, a folder that is not there."""
    connection = connections[alias]
    name, elsewhere = ("NAME", "/nowhere/app.db") if alias == "sqlite" else ("PORT", "1")
    before = connection.settings_dict[name]
    connection.close()
    connection.settings_dict[name] = elsewhere
    yield connection
    connection.close()
    connection.settings_dict[name] = before


def test_a_database_that_does_not_answer_is_told(unreachable):
    (found,) = check_columns(None, databases=[unreachable.alias])
    assert found.id == "atrest.E014" and repr(unreachable.alias) in found.msg and found.hint
    with pytest.raises(OperationalError, match=f"{unreachable.alias!r} cannot be asked whether the keys open"):
        prove_keys(unreachable.alias)
    for look in (holds_tokens, holds_values):
        with pytest.raises(OperationalError):
            look(unreachable, Patient._meta.get_field("email"))


def test_a_table_that_may_not_be_read_is_told():
    with connections["postgres"].cursor() as cursor:
        cursor.execute(f"CREATE ROLE {BLIND}")
        try:
            cursor.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {BLIND}")
            cursor.execute(f"REVOKE ALL ON clinic_visit FROM {BLIND}")
            cursor.execute(f"SET ROLE {BLIND}")
            (found,) = check_columns(None, databases=["postgres"])
            with pytest.raises(ProgrammingError, match=r"clinic\.Visit\.reason: .* permission denied"):
                prove_keys("postgres")
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute(f"DROP OWNED BY {BLIND}")
            cursor.execute(f"DROP ROLE {BLIND}")
    assert found.id == "atrest.E014" and "permission denied" in found.msg and found.obj.name == "reason"


@pytest.mark.parametrize("gone", ["table", "column"])
def test_what_is_still_to_be_migrated_is_no_error(alias, gone):
    connection, email = connections[alias], Patient._meta.get_field("email")
    away = "RENAME TO away" if gone == "table" else "RENAME COLUMN email TO away"
    back = "ALTER TABLE away RENAME TO clinic_patient"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE clinic_patient {away}")
        try:
            assert {m.id for m in check_columns(None, databases=[alias])} <= {"atrest.W011"}
            prove_keys(alias)
            assert not holds_tokens(connection, email) and not holds_values(connection, email)
        finally:
            cursor.execute(back if gone == "table" else "ALTER TABLE clinic_patient RENAME COLUMN away TO email")


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


def test_a_policys_default_context_quotes_a_dot(tmp_path, monkeypatch):
    with isolate_apps("clinic") as isolated:

        class Person(models.Model):
            email = EncryptedTextField(db_column="E-Mail Adr.")

            class Meta:
                app_label, db_table = "clinic", "person"

    monkeypatch.setattr("atrest.django.columns.apps", isolated)
    monkeypatch.setenv("POLICY_KEY", atrest.generate_key())
    listed = 'table = "person"\nname = "E-Mail Adr."'
    with policy(tmp_path, listed):
        (found,) = check_policy(None)
    assert found.id == "atrest.E012" and """'person."E-Mail Adr."'""" in found.msg
    with policy(tmp_path, f'{listed}\ncontext = "person.E-Mail Adr."'):
        assert check_policy(None) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (models.TextField, r"an instance: models.TextField\(\), not its class"),
        (EncryptedTextField, r"an instance: EncryptedTextField\(\)"),
        (str, r"an instance: models.TextField\(\), not <class 'str'>"),
    ],
)
def test_a_class_is_no_field(given, says):
    with pytest.raises(ImproperlyConfigured, match=says):
        encrypt(given)


@pytest.mark.parametrize(
    ("sealed", "options", "named"),
    [
        ("email", {}, ["EMAIL_FIELD is the encrypted field 'email'"]),
        ("contact", {"EMAIL_FIELD": "contact"}, ["EMAIL_FIELD is the encrypted field 'contact'"]),
        ("contact", {}, []),
        ("username", {}, ["USERNAME_FIELD is the encrypted field 'username'"]),
    ],
)
def test_what_users_are_looked_up_by(monkeypatch, sealed, options, named):
    columns = {name: models.CharField(max_length=50) for name in ("username", "email", "contact")}
    columns[sealed] = EncryptedCharField(max_length=50)
    with isolate_apps("clinic") as isolated, override_settings(AUTH_USER_MODEL="clinic.Account"):
        meta = type("Meta", (), {"app_label": "clinic"})
        body = {"__module__": "clinic.models", "Meta": meta, "USERNAME_FIELD": "username", **columns, **options}
        account = type("Account", (AbstractBaseUser,), body)
        monkeypatch.setattr(apps, "get_models", isolated.get_models)
        found = [m for m in check_models(None) if m.id == "atrest.W016"]
        assert [m.msg.partition(",")[0] for m in found] == named
        assert all(m.obj is account and m.level == checks.WARNING for m in found)
    with override_settings(AUTH_USER_MODEL="clinic.Other"):
        assert "atrest.W016" not in ids(check_models(None))

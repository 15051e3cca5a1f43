"""Forms, the admin, fixtures."""

import datetime
import json
from decimal import Decimal
from io import StringIO

import pytest
from clinic.models import Everything, Patient
from django.contrib.auth.models import User
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.forms import modelform_factory
from django.test import Client
from test_model_fields import SAMPLES

from atrest.django.checks import check_admin

DATA = {
    "name": "Ada",
    "email": "ada@example.org",
    "notes": "a\nb",
    "extras": '{"a": [1, 2]}',
    "weight": "61.50",
    "born": "1815-12-10",
    "kind": "out",
}


def test_a_model_form_is_what_it_is_for_clear_fields(default, stored):
    form = modelform_factory(Patient, fields="__all__")(DATA)
    assert form.is_valid(), form.errors
    patient = form.save()
    read = Patient.objects.get(pk=patient.pk)
    assert (read.extras, read.weight, read.born) == ({"a": [1, 2]}, Decimal("61.50"), datetime.date(1815, 12, 10))
    assert read.get_kind_display() == "Outpatient"
    # A field with a callable default is compared with a hidden input, which DATA lacks.
    form = modelform_factory(Patient, exclude=["extras"])(DATA, instance=read)
    assert form.is_valid() and form.changed_data == []
    form = modelform_factory(Patient, fields="__all__")({**DATA, "email": "no mail", "kind": "x", "weight": "1.234"})
    assert set(form.errors) == {"email", "kind", "weight"}


def test_widgets_are_djangos_own():
    form = modelform_factory(Everything, fields=["text", "date", "email", "boolean", "integer"])()
    assert [type(f.widget).__name__ for f in form.fields.values()] == [
        "Textarea",
        "DateInput",
        "EmailInput",
        "NullBooleanSelect",
        "NumberInput",
    ]


@pytest.fixture
def admin(default):
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


@pytest.fixture(autouse=True)
def hosts(settings_allowing_localhost):
    pass


@pytest.fixture
def settings_allowing_localhost():
    from django.test import override_settings

    with override_settings(ALLOWED_HOSTS=["localhost"]):
        yield


def test_the_admin_adds_lists_and_changes(admin):
    assert admin.post("/admin/clinic/patient/add/", DATA).status_code == 302
    patient = Patient.objects.get()
    page = admin.get("/admin/clinic/patient/").content.decode()
    assert "ada@example.org" in page and "ar1." not in page
    url = f"/admin/clinic/patient/{patient.pk}/change/"
    assert "ada@example.org" in admin.get(url).content.decode()
    assert admin.post(url, {**DATA, "email": "new@example.org"}).status_code == 302
    assert Patient.objects.get().email == "new@example.org"


def test_what_w014_advises_cannot_be_sorted_by(admin, monkeypatch):
    from clinic.admin import PatientAdmin

    Patient.objects.create(name="a", email="ada@example.org")
    with pytest.raises(FieldError, match="clinic.Patient.email is encrypted"):
        admin.get("/admin/clinic/patient/?o=2")  # sortable_by takes links away, and refuses no address
    monkeypatch.setattr(PatientAdmin, "mail", lambda self, patient: patient.email, raising=False)
    monkeypatch.setattr(PatientAdmin, "list_display", ["name", "mail"])
    monkeypatch.setattr(PatientAdmin, "sortable_by", None)
    assert check_admin(None) == []
    assert "ada@example.org" in admin.get("/admin/clinic/patient/?o=2").content.decode()


def test_fixtures_and_dumpdata_go_there_and_back(alias, tmp_path, stored):
    row = Everything.objects.using(alias).create(**SAMPLES)
    Patient.objects.using(alias).create(name="a", email="a@example.org", extras={"b": 1})
    for form in ("json", "jsonl"):
        path = tmp_path / f"dump.{form}"
        call_command("dumpdata", "clinic", format=form, database=alias, output=str(path), verbosity=0)
        assert "ada@example.org" in path.read_text()
        Everything.objects.using(alias).all().delete()
        Patient.objects.using(alias).all().delete()
        call_command("loaddata", str(path), database=alias, verbosity=0, stdout=StringIO())
        assert Everything.objects.using(alias).values(*SAMPLES).get(pk=row.pk) == {**SAMPLES, **rounded(form)}
        assert stored(alias, Everything._meta.get_field("text"))[0].startswith("ar1.")
        assert Patient.objects.using(alias).get().extras == {"b": 1}


def rounded(form):
    """What Django's JSON keeps of a moment and a time: milliseconds."""
    moment, time = SAMPLES["datetime"], SAMPLES["time"]
    return {
        "datetime": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        "time": time.replace(microsecond=time.microsecond // 1000 * 1000),
    }


def test_natural_json_dump_is_clear_text(default):
    Patient.objects.create(name="a", email="a@example.org", born=datetime.date(2000, 1, 2))
    out = StringIO()
    call_command("dumpdata", "clinic.patient", stdout=out)
    assert json.loads(out.getvalue())[0]["fields"]["born"] == "2000-01-02"

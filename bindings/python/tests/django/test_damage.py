"""A damaged row: it raises with model, pk and field, and the others go on."""

import copy
import json
import pickle
import re

import pytest
from clinic.models import Patient
from django.core import serializers

import atrest

EMAIL = Patient._meta.get_field("email")


@pytest.fixture
def damaged(alias, stored, overwrite):
    rows = [Patient.objects.using(alias).create(name=str(n), email=f"p{n}@example.org") for n in range(5)]
    token = stored(alias, EMAIL)[2]
    overwrite(alias, EMAIL, rows[2].pk, token[:50] + ("A" if token[50] != "A" else "B") + token[51:])
    return Patient.objects.using(alias).order_by("pk"), rows[2].pk, token


def test_one_row_raises_and_the_others_go_on(damaged):
    queryset, pk, token = damaged
    good, errors = [], []
    for patient in queryset:
        try:
            good.append(patient.email)
        except atrest.DecryptionError as error:
            errors.append(error)
    assert good == [f"p{n}@example.org" for n in (0, 1, 3, 4)]
    (error,) = errors
    assert (error.model, error.pk, error.field) == (Patient, pk, "email")
    assert f"clinic.Patient.email of the row with pk={pk}" in str(error) and token[10:30] not in str(error)


def test_other_fields_of_the_row_can_be_read_and_saved(damaged):
    queryset, pk, _ = damaged
    patient = queryset.get(pk=pk)
    patient.name = "renamed"
    with pytest.raises(atrest.DecryptionError):
        patient.save()
    patient.save(update_fields=["name"])
    assert queryset.get(pk=pk).name == "renamed"
    patient.email = "new@example.org"
    patient.save()
    assert queryset.get(pk=pk).email == "new@example.org"


@pytest.mark.parametrize(
    "use",
    [
        str,
        bool,
        len,
        hash,
        list,
        "{}".format,
        json.dumps,
        pickle.dumps,
        copy.copy,
        lambda v: v == "a",
        lambda v: v + "a",
        lambda v: v.upper(),
        lambda v: Patient(email=v).save(),
        lambda v: Patient.objects.update(email=v),
        lambda v: Patient.objects.update(name=v),
        lambda v: Patient.objects.filter(name=v).exists(),
    ],
)
def test_in_values_whatever_is_done_with_it_raises(damaged, use):
    queryset, pk, token = damaged
    value = queryset.filter(pk=pk).values("email").get()["email"]
    with pytest.raises((atrest.DecryptionError, TypeError)) as caught:
        use(value)
    assert token[10:30] not in str(caught.value)
    assert "unreadable clinic.Patient.email" in repr(value)


def test_dumpdata_of_it_raises(damaged):
    queryset, _, _ = damaged
    with pytest.raises(atrest.DecryptionError):
        serializers.serialize("json", queryset)


def test_an_unknown_key_names_its_id(alias, overwrite):
    row = Patient.objects.using(alias).create(name="a", email="a@example.org")
    other = atrest.Keyring(atrest.generate_key())
    overwrite(alias, EMAIL, row.pk, atrest.Field(other, "clinic_patient.email").seal("x"))
    with pytest.raises(atrest.KeyNotFound) as caught:
        Patient.objects.using(alias).get().email
    assert caught.value.key_id == other.primary_id
    assert other.primary_id in str(caught.value)


class Trimmed:
    """An application's own attribute for a field."""

    def __get__(self, instance, cls=None):
        return self if instance is None else instance.__dict__["email"].strip()

    def __set__(self, instance, value):
        instance.__dict__["email"] = value and value + " "


def test_the_fields_own_attribute_stays_in_use_after_a_damaged_row(damaged, monkeypatch):
    queryset, pk, _ = damaged
    monkeypatch.setattr(Patient, "email", Trimmed())
    patients = list(queryset)
    assert isinstance(Patient.email, Trimmed)
    with pytest.raises(atrest.DecryptionError, match=f"pk={pk}"):
        patients[2].email
    assert patients[0].email == "p0@example.org" and patients[0].__dict__["email"] == "p0@example.org "
    patients[2].email = "new@example.org"
    assert patients[2].__dict__["email"] == "new@example.org " and patients[2].email == "new@example.org"


def test_a_value_can_be_deleted_to_load_it_anew(damaged):
    queryset, _, _ = damaged
    patient = list(queryset)[0]
    patient.email = "assigned@example.org"
    del patient.email
    assert patient.email == "p0@example.org"


def test_bytes_in_a_column_of_text_are_shown_where_the_error_says(alias, overwrite):
    from clinic.models import FernetNote
    from test_commands import run

    body = FernetNote._meta.get_field("body")
    row = FernetNote.objects.using(alias).create(body="x")
    # Fernet has no forms: another program sealed bytes, which are no text.
    overwrite(alias, body, row.pk, body.column_values.seal(b"\xff\x00").decode())
    with pytest.raises(atrest.DecryptionError) as raised:
        FernetNote.objects.using(alias).get().body
    advice = re.search(r"`manage.py (encryption_status) --field (\S+) --pk (\S+) --reveal`", str(raised.value))
    command, field, pk = advice.groups()
    assert pk == str(row.pk) and "Engine" not in str(raised.value)
    assert "clear: ff00" in run(command, alias, field=[field], pk=[pk], reveal=True)

"""What an encrypted field does with one model's rows."""

import datetime
import decimal
import enum
import uuid

import pytest
from clinic.models import Everything, FernetNote, Mixed, Patient
from django.core.exceptions import FieldError, ValidationError
from django.db import DataError, connections, models
from django.db.models import F, Value
from django.db.models.functions import Lower

import atrest
from atrest.django import encrypt

SAMPLES = {
    "text": "Zoë 🦊\n'\"\\",
    "char": "",
    "email": "ada@example.org",
    "json": {"a": [1, 2.5, None, "é🦊"], "nested": {"ok": True}},
    "integer": -2147483648,
    "float": 0.1 + 0.2,
    "decimal": decimal.Decimal("-12345678901234.567890"),
    "date": datetime.date(1, 1, 1),
    "datetime": datetime.datetime(
        2026, 2, 3, 4, 5, 6, 789, datetime.timezone(datetime.timedelta(hours=-9, minutes=-30))
    ),
    "boolean": False,
    "binary": bytes(range(256)),
    "uuid": uuid.UUID(int=7),
    "big": 2**63 - 1,
    "duration": datetime.timedelta(days=-3, microseconds=1),
    "time": datetime.time(23, 59, 59, 999999),
    "url": "https://example.org/" + "a" * 200,
    "slug": "a-slug",
    "ip": "2001:db8::1",
}


def field(model, name):
    return model._meta.get_field(name)


def test_samples_name_every_field():
    assert set(SAMPLES) == {f.name for f in Everything._meta.fields} - {"id"}


def test_every_type_comes_back_as_it_went_in(alias, stored):
    row = Everything.objects.using(alias).create(**SAMPLES)
    read = Everything.objects.using(alias).get(pk=row.pk)
    for name, value in SAMPLES.items():
        assert getattr(read, name) == value, name
        assert type(getattr(read, name)) is type(value), name
        (raw,) = stored(alias, field(Everything, name))
        assert raw[:4] == "ar1." if isinstance(raw, str) else raw[:1] == b"\x01", name
        assert atrest.Field(keyring(), f"clinic_everything.{name}").open(raw) is not None
    assert Everything.objects.using(alias).values(*SAMPLES).get() == SAMPLES
    assert Everything.objects.using(alias).values_list("datetime", flat=True).get() == SAMPLES["datetime"]


def keyring():
    from atrest.django.keys import in_force

    return in_force.keyring()


@pytest.mark.parametrize("number", [1.5, -0.1, 3])
def test_a_decimal_takes_floats_as_djangos_own_does(default, number):
    Everything.objects.create(decimal=number)
    assert Everything.objects.get().decimal == round(decimal.Decimal(number), 6)
    wrapped = encrypt(models.DecimalField(max_digits=5, decimal_places=2), context="prices")
    assert wrapped.to_python(1.5) == decimal.Decimal("1.5")
    assert wrapped.clone().column_context == "prices" == wrapped.deconstruct()[3]["context"]


class Color(str, enum.Enum):
    RED = "red"


class Team(models.TextChoices):
    BLUE = "blue", "The blue ones"


@pytest.mark.parametrize(("member", "text"), [(Color.RED, "red"), (Team.BLUE, "blue")])
def test_a_member_of_an_enumeration_is_stored_as_its_value(alias, member, text):
    Everything.objects.using(alias).create(text=member, char=member, email=member)
    row = Everything.objects.using(alias).get()
    assert (row.text, row.char, row.email) == (text, text, text)


def test_null_stays_null(alias, stored):
    row = Everything.objects.using(alias).create()
    read = Everything.objects.using(alias).get(pk=row.pk)
    for name in SAMPLES:
        assert getattr(read, name) is None
        assert stored(alias, field(Everything, name)) == [None]


def test_isnull_and_none_work(alias):
    objects = Everything.objects.using(alias)
    objects.create(text=None)
    objects.create(text="")
    assert objects.filter(text__isnull=True).count() == 1
    assert objects.filter(text=None).count() == 1
    assert objects.exclude(json__isnull=True).count() == 0
    assert objects.exclude(text=None).get().text == ""


@pytest.mark.parametrize(
    "lookup",
    [
        {"text": "a"},
        {"text__exact": "a"},
        {"email__iexact": "a"},
        {"text__contains": "a"},
        {"integer__gt": 3},
        {"integer__in": [3]},
        {"date__year": 2026},
        {"json__a": 1},
        {"json__has_key": "a"},
        {"text__length": 3},
        {"boolean": True},
        {"text": F("char")},
    ],
    ids=str,
)
def test_a_lookup_raises_at_once_and_says_what_to_do(default, lookup):
    with pytest.raises(FieldError, match=r"is encrypted.*keyed hash.*isnull works"):
        Everything.objects.filter(**lookup)


def test_an_address_without_text_is_null_as_in_the_clear_column(alias, stored):
    objects = Everything.objects.using(alias)
    row = objects.create(ip="")
    Everything(ip="").save(using=alias)
    objects.bulk_create([Everything(ip=""), Everything(ip="192.0.2.1")])
    assert stored(alias, field(Everything, "ip"))[:3] == [None] * 3
    assert objects.filter(ip__isnull=True).count() == 3 and objects.exclude(ip=None).get().ip == "192.0.2.1"
    assert objects.update(ip="192.0.2.1") == 4
    row.ip = ""
    objects.bulk_update([row], ["ip"])
    assert objects.filter(ip=None).get().pk == row.pk
    assert objects.update(ip="") == 4
    assert stored(alias, field(Everything, "ip")) == [None] * 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 02:03:04", datetime.timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P1DT2H", datetime.timedelta(days=1, hours=2)),
        ("-00:00:01.5", datetime.timedelta(seconds=-1.5)),
    ],
)
def test_a_duration_is_taken_as_text_too(alias, text, value):
    Everything.objects.using(alias).create(duration=text)
    assert Everything.objects.using(alias).get().duration == value


def test_what_is_no_duration_is_refused_and_not_shown(alias):
    for text in ("tomorrow", "9" * 20 + " 00:00:00"):
        with pytest.raises(DataError, match=r"clinic.Everything.duration got a text that is no duration") as caught:
            Everything.objects.using(alias).create(duration=text)
        assert text not in str(caught.value)
    with pytest.raises(TypeError, match=r"clinic.Everything.duration takes a timedelta.*got a int"):
        Everything.objects.using(alias).create(duration=5)
    assert not Everything.objects.using(alias).exists()


@pytest.mark.parametrize("alias", ["sqlite", "mariadb"])
def test_a_time_with_a_zone_is_refused_as_by_the_clear_field(alias):
    with pytest.raises(ValueError, match="does not support timezone-aware times"):
        Everything.objects.using(alias).create(time=datetime.time(1, tzinfo=datetime.timezone.utc))
    assert not Everything.objects.using(alias).exists()


def test_get_or_create_by_an_encrypted_value_raises(default):
    with pytest.raises(FieldError, match="is encrypted"):
        Patient.objects.get_or_create(email="a@example.org")
    patient, made = Patient.objects.get_or_create(name="a", defaults={"email": "a@example.org"})
    assert made and Patient.objects.get(pk=patient.pk).email == "a@example.org"


@pytest.mark.parametrize(
    "value", [F("name"), Lower("name"), Value("clear"), Value("x", output_field=models.TextField())], ids=str
)
def test_an_expression_that_would_store_clear_text_is_refused(alias, value, stored):
    patient = Patient.objects.using(alias).create(name="ada", email="a@example.org")
    with pytest.raises(FieldError, match="is encrypted.*save"):
        Patient.objects.using(alias).update(email=value)
    patient.email = value
    with pytest.raises(FieldError, match="is encrypted"):
        patient.save()
    # Django itself refuses references to columns in an INSERT.
    with pytest.raises((FieldError, ValueError), match="is encrypted|can only be used to update"):
        Patient.objects.using(alias).create(name="b", email=value)
    assert [v[:4] for v in stored(alias, field(Patient, "email"))] == ["ar1."]


def json_null():
    return models.JSONNull() if hasattr(models, "JSONNull") else Value(None, models.JSONField())


def test_the_null_of_json_is_refused_and_that_of_sql_is_not(alias, stored):
    """The first would stand in the column as `null`, in clear."""
    objects = Everything.objects.using(alias)
    row = objects.create(json={"a": 1})
    for write in (
        lambda: objects.create(json=json_null()),
        lambda: objects.bulk_create([Everything(json=json_null()), Everything(json=1)]),
        lambda: objects.update(json=json_null()),
        lambda: objects.bulk_update([Everything(pk=row.pk, json=json_null())], ["json"]),
    ):
        with pytest.raises(FieldError, match="is encrypted.*None"):
            write()
    assert [v[:4] for v in stored(alias, field(Everything, "json"))] == ["ar1."]
    objects.update(json=Value(None))
    assert objects.get().json is None and stored(alias, field(Everything, "json")) == [None]


def test_bulk_create_bulk_update_and_update(alias, stored):
    objects = Everything.objects.using(alias)
    objects.bulk_create([Everything(text=f"t{n}", integer=n, binary=bytes([n])) for n in range(30)], batch_size=7)
    rows = list(objects.order_by("pk"))
    assert [(r.text, r.integer, r.binary) for r in rows] == [(f"t{n}", n, bytes([n])) for n in range(30)]
    for row in rows:
        row.text, row.integer, row.binary, row.json = row.text + "!", None, row.binary * 2, {"n": row.pk}
    objects.bulk_update(rows, ["text", "integer", "binary", "json"], batch_size=11)
    rows = list(objects.order_by("pk"))
    assert [(r.text, r.integer, r.binary, r.json) for r in rows] == [
        (f"t{n}!", None, bytes([n, n]), {"n": rows[n].pk}) for n in range(30)
    ]
    assert objects.update(text="same", date=datetime.date(2026, 1, 1), boolean=None) == 30
    tokens = stored(alias, field(Everything, "text"))
    assert {r.text for r in objects.all()} == {"same"} and all(t.startswith("ar1.") for t in tokens)


def test_two_seals_of_one_value_differ(default, stored):
    for _ in range(2):
        Patient.objects.create(name="a", email="a@example.org")
    first, second = stored(default, field(Patient, "email"))
    assert first != second


def test_max_length_means_the_clear_value(alias):
    patient = Patient(name="a", email="a@example.org", kind="outpatients!")
    with pytest.raises(ValidationError):
        patient.full_clean()
    with pytest.raises(DataError, match="at most 10 characters, and got 12"):
        patient.save(using=alias)
    row = Everything.objects.using(alias).create(char="🦊" * 60)
    assert Everything.objects.using(alias).get(pk=row.pk).char == "🦊" * 60


NULS = {
    "text": ["\0", "a\0b"],
    "char": ["a\0b"],
    "email": ["a\0@example.org"],
    "url": ["https://example.org/\0"],
    "json": ["\0", {"a": ["b\0"]}, {"\0": 1}, "\\\0"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NULS.items() for value in values])
def test_a_nul_is_refused_where_the_clear_column_refuses_it(alias, stored, name, value):
    objects = Everything.objects.using(alias)
    row = objects.create(**{name: "before"})
    changed = Everything(pk=row.pk, **{name: value})
    writes = [
        lambda: objects.create(**{name: value}),
        lambda: objects.bulk_create([Everything(**{name: value})]),
        lambda: objects.update(**{name: value}),
        lambda: objects.bulk_update([changed], [name]),
        lambda: changed.save(using=alias),
    ]
    for write in writes:
        if alias != "postgres":
            write()
            continue
        # As psycopg2 and psycopg 3 refuse it, each in a way of its own.
        for kind in (ValueError, DataError):
            with pytest.raises(kind, match=rf"clinic.Everything.{name}: .* cannot contain NUL \(0x00\)"):
                write()
    want = ["before"] if alias == "postgres" else [value] * 3
    assert list(objects.order_by("pk").values_list(name, flat=True)) == want


def test_what_is_no_nul_is_taken(alias):
    objects = Everything.objects.using(alias)
    for values in ({"json": "\\u0000"}, {"json": {"\\\\u0000": "u0000"}}, {"text": "\\u0000"}, {"binary": b"\0"}):
        objects.create(**values)
        assert objects.order_by("pk").values(*values).last() == values


def test_validation_is_djangos_own():
    with pytest.raises(ValidationError, match="valid email"):
        field(Everything, "email").clean("no mail", None)
    # The range is the default database's, and SQLite's integers have none.
    assert field(Everything, "integer").validators == models.IntegerField().validators
    assert field(Everything, "big").validators == models.BigIntegerField().validators
    with pytest.raises(ValidationError):
        field(Everything, "decimal").clean(decimal.Decimal("1.1234567"), None)
    with pytest.raises(ValidationError):
        field(Everything, "url").clean("nothing", None)
    with pytest.raises((TypeError, ValueError)):
        Everything(integer="x").save()


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}])
def test_nan_in_json_is_refused(default, value):
    with pytest.raises(ValueError, match="JSON"):
        Everything.objects.create(json=value)
    assert not Everything.objects.exists()


def test_ten_megabytes(alias):
    text = "ä" * 5_000_000
    row = Everything.objects.using(alias).create(text=text, binary=b"\xff" * 10_000_000)
    read = Everything.objects.using(alias).get(pk=row.pk)
    assert read.text == text and read.binary == b"\xff" * 10_000_000


def test_a_token_of_another_column_does_not_open(default, stored, overwrite):
    row = Everything.objects.create(text="a", char="b")
    (token,) = stored(default, field(Everything, "text"))
    overwrite(default, field(Everything, "char"), row.pk, token)
    with pytest.raises(atrest.DecryptionError):
        Everything.objects.get().char
    assert Everything.objects.get().text == "a"


def test_deferred_refreshed_and_only(alias):
    Patient.objects.using(alias).create(name="a", email="a@example.org", notes="n")
    patient = Patient.objects.using(alias).defer("email").get()
    assert "email" not in patient.__dict__ and patient.email == "a@example.org"
    Patient.objects.using(alias).update(email="b@example.org")
    patient.refresh_from_db()
    assert patient.email == "b@example.org"
    assert Patient.objects.using(alias).only("notes").get().notes == "n"
    assert Patient.objects.using(alias).raw("SELECT id, email FROM clinic_patient")[0].email == "b@example.org"


def test_fernet_columns_are_read_by_pyca(alias, stored, settings_with):
    from cryptography.fernet import Fernet

    key = Fernet.generate_key()
    with settings_with(KEYS=key):
        FernetNote.objects.using(alias).create(body="shared")
        (token,) = stored(alias, field(FernetNote, "body"))
        assert token.startswith("gAAAAA") and Fernet(key).decrypt(token) == b"shared"
        FernetNote.objects.using(alias).update(body="ours")
        assert FernetNote.objects.using(alias).get().body == "ours"


@pytest.fixture
def settings_with():
    from django.conf import settings
    from django.test import override_settings

    return lambda **names: override_settings(
        ATREST={**{k: v for k, v in settings.ATREST.items() if k != "KEYS" or "POLICY" not in names}, **names}
    )


def test_mixed_state_reads_both_and_writes_sealed(alias, stored, overwrite):
    objects = Mixed.objects.using(alias)
    row = objects.create(value="x", number=1)
    overwrite(alias, field(Mixed, "value"), row.pk, "still clear")
    overwrite(alias, field(Mixed, "number"), row.pk, "42")
    row = objects.get()
    assert (row.value, row.number) == ("still clear", 42)
    row.save()
    assert stored(alias, field(Mixed, "value"))[0].startswith("ar1.")
    assert stored(alias, field(Mixed, "number"))[0].startswith("ar1.")
    row = objects.get()
    assert (row.value, row.number) == ("still clear", 42)


def test_mixed_state_never_returns_what_looks_sealed(alias, stored, overwrite):
    row = Mixed.objects.using(alias).create(value="x")
    (token,) = stored(alias, field(Mixed, "value"))
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    foreign = atrest.Field(atrest.Keyring(atrest.generate_key()), "clinic_mixed.value").seal("x")
    for bad in (flipped, token[:40], foreign):
        overwrite(alias, field(Mixed, "value"), row.pk, bad)
        with pytest.raises(atrest.DecryptionError):
            Mixed.objects.using(alias).get().value


def test_without_mixed_state_a_clear_value_raises(alias, overwrite):
    row = Patient.objects.using(alias).create(name="a", email="a@example.org")
    overwrite(alias, field(Patient, "email"), row.pk, "clear@example.org")
    with pytest.raises(atrest.DecryptionError) as caught:
        Patient.objects.using(alias).get().email
    assert "clear@example.org" not in str(caught.value)


NETWORKS = ["10.0.0.0/8", "192.0.2.1/24", "2001:db8::/32", "::ffff:192.0.2.1/104"]


def test_an_address_keeps_the_netmask_that_its_clear_column_shows(alias, overwrite):
    row = Everything.objects.using(alias).create(ip="192.0.2.1")
    ip = field(Everything, "ip")
    hosts = {"192.0.2.1/32": "192.0.2.1", "2001:db8::1/128": "2001:db8::1", "192.0.2.1": "192.0.2.1"}
    for text in [*NETWORKS, *hosts]:
        # As encrypt_fields finds it: PostgreSQL's cast of an inet to text writes the mask of a host, too.
        overwrite(alias, ip, row.pk, ip.column_values.seal(text))
        row.refresh_from_db()
        assert row.ip == (hosts.get(text, text) if alias == "postgres" else text)


@pytest.mark.parametrize("text", NETWORKS)
def test_an_address_is_written_where_the_clear_field_takes_it(alias, text):
    connection = connections[alias]
    row = Everything(ip=text)
    try:
        models.GenericIPAddressField().get_db_prep_save(text, connection)
    except ValueError:  # psycopg 3
        with pytest.raises(ValueError, match="clinic.Everything.ip") as refused:
            row.save(using=alias)
        assert text not in str(refused.value)
        return
    row.save(using=alias)
    row.refresh_from_db()
    row.save()
    assert Everything.objects.using(alias).get().ip == models.GenericIPAddressField().get_prep_value(text)


INTERVALS = [
    "1 mon",
    "1 year 2 mons 3 days",
    "-1 mons +3 days -04:05:06.7",
    "1 year -1 days",
    "-1 years -2 mons +400:00:00",
    "1 mon -04:05:06",
    "2 years 00:00:00.000001",
    "3 days",
    "00:00:00",
]


@pytest.mark.parametrize("alias", ["postgres"], indirect=True)
@pytest.mark.parametrize("text", INTERVALS)
def test_an_interval_of_months_is_read_as_the_driver_reads_it(alias, overwrite, text):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT %s::interval, %s::interval::text", [text, text])
        value, written = cursor.fetchone()
    assert written == text
    assert _opened(alias, "duration", text, overwrite) == value


@pytest.mark.parametrize("alias", ["sqlite", "mariadb"], indirect=True)
@pytest.mark.parametrize(
    ("name", "stored_as"), [("boolean", 2), ("boolean", -1), ("boolean", 1), ("integer", 7.5), ("duration", 7.5e9)]
)
def test_what_a_column_took_beyond_its_type_is_read_as_its_clear_field_does(alias, overwrite, name, stored_as):
    if alias == "mariadb" and isinstance(stored_as, float):
        pytest.skip("its columns round")
    connection = connections[alias]
    clear = field(Everything, name).clear_field()
    value = stored_as
    converters = connection.ops.get_db_converters(Value(0, clear)) + clear.get_db_converters(connection)
    for convert in converters:
        value = convert(value, None, connection)
    read = _opened(alias, name, str(stored_as), overwrite)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("boolean", "yes"),
        ("integer", "x"),
        ("duration", "1 moon"),
        ("duration", "9" * 30),
        ("duration", "9" * 9 + " years"),
    ],
)
def test_what_is_no_value_of_the_type_raises_in_its_row_alone(alias, overwrite, name, text):
    with pytest.raises(atrest.DecryptionError, match="it opens, and is no value of a") as refused:
        _opened(alias, name, text, overwrite)
    assert text not in str(refused.value)


def _opened(alias, name, text, overwrite):
    """What the field gives where encrypt_fields found this text."""
    row = Everything.objects.using(alias).create(text="its own")
    overwrite(alias, field(Everything, name), row.pk, field(Everything, name).column_values.seal(text))
    row = Everything.objects.using(alias).get()
    assert row.text == "its own"
    return getattr(row, name)

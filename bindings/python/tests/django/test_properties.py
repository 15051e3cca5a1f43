"""What goes in comes out: every field type, in every database, for values that Hypothesis makes up."""

import datetime
import math

import pytest
from clinic.models import Everything
from django.db.models import GenericIPAddressField
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import atrest

FIELDS = [f.name for f in Everything._meta.fields if f.name != "id"]

# Any text but lone surrogates, which are no Unicode text and are refused, and NUL, which PostgreSQL does not take.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
text = st.text(characters)
zones = st.timezones() | st.integers(-14 * 60, 14 * 60).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
VALUES = {
    "text": text,
    "char": st.text(characters, max_size=60),
    "email": st.emails(),
    "json": json.filter(lambda value: value is not None),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "float": st.floats(allow_nan=False),
    "decimal": st.decimals(-(10**14) + 1, 10**14 - 1, places=6),
    "date": st.dates(),
    "datetime": st.datetimes(datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29), timezones=zones),
    "boolean": st.booleans(),
    "binary": st.binary(),
    "uuid": st.uuids(),
    "big": st.integers(-(2**63), 2**63 - 1),
    "duration": st.timedeltas(datetime.timedelta(days=-100_000), datetime.timedelta(days=100_000)),
    "time": st.times(),
    "url": st.just("https://example.org/") | text.map("https://example.org/?q={}".format),
    "slug": st.from_regex(r"[-a-z0-9_]{1,50}", fullmatch=True),
    # Django spells an address in its own way before it stores it.
    "ip": st.ip_addresses().map(str).map(GenericIPAddressField().get_prep_value),
}


@pytest.mark.parametrize("name", FIELDS)
def test_what_goes_in_comes_out(alias, name):
    objects = Everything.objects.using(alias)

    @settings(
        max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
    )
    @given(st.lists(st.none() | VALUES[name], min_size=1, max_size=8))
    def holds(values):
        objects.all().delete()
        values = [
            v[: Everything._meta.get_field(name).max_length] if name in ("char", "url") and v else v for v in values
        ]
        objects.bulk_create([Everything(**{name: value}) for value in values])
        want = [_moment(value) for value in values]
        rows = list(objects.order_by("pk"))
        assert [getattr(row, name) for row in rows] == want
        assert [type(getattr(row, name)) for row in rows] == [type(value) for value in values]
        assert list(objects.order_by("pk").values_list(name, flat=True)) == want
        for row, value in zip(rows, reversed(values)):
            setattr(row, name, value)
        objects.bulk_update(rows, [name])
        assert list(objects.order_by("pk").values_list(name, flat=True)) == want[::-1]

    holds()


def _moment(value):
    """In UTC, as it is read: in the hour that a zone has twice, Python calls no two zones' times equal (PEP 495)."""
    return value.astimezone(datetime.timezone.utc) if isinstance(value, datetime.datetime) else value


def test_every_field_has_values():
    assert set(VALUES) == set(FIELDS)


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
def test_odd_floats(alias, value):
    Everything.objects.using(alias).create(float=value)
    read = Everything.objects.using(alias).get().float
    assert read == value and math.copysign(1, read) == math.copysign(1, value)


def test_a_float_that_is_no_number(alias):
    Everything.objects.using(alias).create(float=math.nan)
    assert math.isnan(Everything.objects.using(alias).get().float)


def test_a_lone_surrogate_is_refused(alias):
    with pytest.raises(atrest.EncryptionError, match="surrogate"):
        Everything.objects.using(alias).create(text="\ud800")
    assert not Everything.objects.using(alias).exists()


def test_bytes_that_are_no_utf8(alias):
    Everything.objects.using(alias).create(binary=b"\xff\xfe\x00\x80")
    assert Everything.objects.using(alias).get().binary == b"\xff\xfe\x00\x80"
    Everything.objects.using(alias).update(binary=bytearray(b"\xff"))
    Everything.objects.using(alias).update(binary=memoryview(b"\xfe"))
    assert Everything.objects.using(alias).get().binary == b"\xfe"

"""encrypt() of field classes that convert values themselves, or have a type of column of their own.

Whatever the clear field gives for a value, its encrypted form gives too.
"""

import datetime
import decimal
import ipaddress
import json
import types
import uuid

import pytest
from django.contrib.postgres.fields import ArrayField, HStoreField, IntegerRangeField
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, connections, models
from django.test.utils import isolate_apps

import atrest
from atrest import arrays
from atrest.django import EncryptedTextField, encrypt


class Hand:
    def __init__(self, north, east):
        self.north, self.east = north, east

    def __eq__(self, other):
        return vars(self) == vars(other)


def dealt(text):
    pairs = [text[i : i + 2] for i in range(0, len(text), 2)]
    return Hand(pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :])


class HandField(models.Field):
    """As in Django's "How to create custom model fields"."""

    def __init__(self, *args, **kwargs):
        kwargs["max_length"] = 104
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, kwargs

    def get_internal_type(self):
        return "CharField"

    def from_db_value(self, value, expression, connection):
        return value if value is None else dealt(value)

    def to_python(self, value):
        return value if value is None or isinstance(value, Hand) else dealt(value)

    def get_prep_value(self, value):
        return value if value is None else "".join([*value.north, *value.east])

    def value_to_string(self, obj):
        return self.get_prep_value(self.value_from_object(obj))


class Tags:
    """A list, stored as text with commas."""

    def from_db_value(self, value, expression, connection):
        return value if value is None else value.split(",")

    def to_python(self, value):
        return value if value is None or isinstance(value, list) else value.split(",")

    def get_prep_value(self, value):
        return value if value is None else ",".join(value)


class TagsField(Tags, models.TextField):
    pass


class TagsBehindField(models.TextField):
    """Only reading is its own."""

    def from_db_value(self, value, expression, connection):
        return Tags.from_db_value(self, value, expression, connection)

    def get_db_prep_save(self, value, connection):
        return Tags.get_prep_value(self, value)


class ListField(Tags, models.Field):
    def get_internal_type(self):
        return "TextField"


class CentsField(models.Field):
    """Euros in Python, whole cents in the database."""

    def get_internal_type(self):
        return "IntegerField"

    def from_db_value(self, value, expression, connection):
        return value if value is None else value / 100

    def get_prep_value(self, value):
        return value if value is None else round(value * 100)


class NoneIsEmptyField(models.IntegerField):
    """None and 0 are the two the other way round."""

    def from_db_value(self, value, expression, connection):
        return 0 if value is None else value

    def get_prep_value(self, value):
        return value or None


class SpaceField(models.JSONField):
    """An object with attributes, of JSON; by `super()`."""

    def from_db_value(self, value, expression, connection):
        value = super().from_db_value(value, expression, connection)
        return types.SimpleNamespace(**value) if isinstance(value, dict) else value

    def get_prep_value(self, value):
        return vars(value) if isinstance(value, types.SimpleNamespace) else value


class PickyBytesField(models.BinaryField):
    """Text, in a binary column."""

    def from_db_value(self, value, expression, connection):
        return value if value is None else bytes(value).decode()

    def get_db_prep_value(self, value, connection, prepared=False):
        return super().get_db_prep_value(value if value is None else value.encode(), connection, prepared)

    def get_default(self):
        return None


class AddressField(models.GenericIPAddressField):
    def from_db_value(self, value, expression, connection):
        return value if value is None else ipaddress.ip_address(value)

    def get_prep_value(self, value):
        return value if value is None else str(value)


class AnswerField(models.BooleanField):
    def from_db_value(self, value, expression, connection):
        return {True: "yes", False: "no", None: None}[value]

    def get_prep_value(self, value):
        return {"yes": True, "no": False, None: None}[value]


def shifted(base, step):
    """A field whose column holds the value and a step, through Django's own conversions."""

    class ShiftedField(base):
        def from_db_value(self, value, expression, connection):
            return value if value is None else value - step

        def get_db_prep_save(self, value, connection):
            return super().get_db_prep_save(value if value is None else value + step, connection)

    return ShiftedField


DAY = datetime.timedelta(days=1)
MOMENT = datetime.datetime(2026, 2, 3, 4, 5, 6, 789, datetime.timezone.utc)
CASES = {
    "hand": (HandField, {}, [Hand(["AS", "KH"], ["2C", "3D"]), None], "ASKH2C3D"),
    "tags": (TagsField, {}, [["a", "b"], [""], None], "a,b"),
    "tags_behind": (TagsBehindField, {}, [["a", "b"], None], "a,b"),
    "list": (ListField, {}, [["ab", "c"], None], "ab,c"),
    "cents": (CentsField, {}, [12.5, -0.01, None], "1250"),
    "none": (NoneIsEmptyField, {}, [3, 0], "3"),
    "space": (
        SpaceField,
        {},
        [types.SimpleNamespace(a=[1, None], b="é"), [1], None],
        '{"a": [1, null], "b": "\\u00e9"}',
    ),
    "bytes": (PickyBytesField, {}, ["zoë", "", None], "zoë".encode()),
    "address": (AddressField, {}, [ipaddress.ip_address("2001:db8::1"), None], "2001:db8::1"),
    "answer": (AnswerField, {}, ["yes", "no", None], "1"),
    "integer": (shifted(models.BigIntegerField, 7), {}, [1, None], "8"),
    "float": (shifted(models.FloatField, 0.5), {}, [1.25, None], "1.75"),
    "decimal": (
        shifted(models.DecimalField, decimal.Decimal("0.10")),
        {"max_digits": 9, "decimal_places": 2},
        [decimal.Decimal("1.00"), None],
        "1.10",
    ),
    "date": (shifted(models.DateField, DAY), {}, [datetime.date(2026, 1, 1), None], "2026-01-02"),
    "datetime": (shifted(models.DateTimeField, DAY), {}, [MOMENT, None], None),
    "duration": (shifted(models.DurationField, DAY), {}, [datetime.timedelta(hours=3, microseconds=5), None], None),
}


def model_of(label, field):
    meta = type("Meta", (), {"app_label": "clinic", "db_table": f"own_{label}"})
    return type(f"Own{label.title()}", (models.Model,), {"value": field, "__module__": __name__, "Meta": meta})


@pytest.fixture
def made(alias):
    """Makes a model with this field, and its table."""
    connection, models_made = connections[alias], []

    def make(label, field):
        with isolate_apps("clinic"):
            model = model_of(label, field)
        with connection.schema_editor() as editor:
            editor.create_model(model)
        models_made.append(model)
        return model

    yield make
    for model in models_made:
        with connection.schema_editor() as editor:
            editor.delete_model(model)


def token_texts(alias, stored, model):
    from atrest.django.keys import in_force

    native = atrest.Field(in_force.keyring(), f"{model._meta.db_table}.value")
    return [t if t is None else native.open(t) for t in stored(alias, model._meta.get_field("value"))]


@pytest.mark.parametrize("case", CASES)
def test_a_field_with_conversions_of_its_own_gives_what_its_clear_form_gives(alias, made, stored, case):
    make, kwargs, values, text = CASES[case]
    clear = made("clear", make(null=True, **kwargs)).objects.using(alias)
    model = made("sealed", encrypt(make(null=True, **kwargs)))
    objects = model.objects.using(alias)
    for value in values:
        clear.create(value=value)
        objects.create(value=value)

    def read(rows):
        return [row.value for row in rows.order_by("pk")]

    assert read(clear) == read(objects) == values
    assert [type(v) for v in read(objects)] == [type(v) for v in read(clear)]
    assert list(objects.order_by("pk").values_list("value", flat=True)) == values
    raw = stored(alias, model._meta.get_field("value"))
    assert all(t is None or t[:4] == "ar1." or t[:1] == b"\x01" for t in raw) and raw[0] is not None
    if text is not None:
        assert token_texts(alias, stored, model)[0] == text
    for row, value in zip(objects.order_by("pk"), reversed(values)):
        row.value = value
        row.save()
    assert read(objects) == values[::-1]
    rows = list(objects.order_by("pk"))
    for row, value in zip(rows, values):
        row.value = value
    objects.bulk_update(rows, ["value"])
    assert read(objects) == values
    objects.update(value=values[0])
    assert read(objects) == [values[0]] * len(values)


def test_what_the_clear_column_holds_is_read_in_the_middle_of_a_migration(alias, made, overwrite):
    model = made("mixed", encrypt(TagsField(null=True), allow_plaintext=True))
    row = model.objects.using(alias).create(value=["a"])
    overwrite(alias, model._meta.get_field("value"), row.pk, "still,clear")
    assert model.objects.using(alias).get().value == ["still", "clear"]


class LooseField(models.Field):
    """Sends whatever it is given to a column of this kind."""

    def __init__(self, kind, **kwargs):
        self.kind = kind
        super().__init__(**kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, [self.kind], kwargs

    def get_internal_type(self):
        return self.kind


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("TextField", ["a"]),
        ("TextField", b"a"),
        ("TextField", True),
        ("IntegerField", "one"),
        ("IntegerField", 1.5),
        ("FloatField", "one"),
        ("DecimalField", object()),
        ("DateField", "tomorrow"),
        ("DateTimeField", 3.5),
        ("BooleanField", "yes"),
        ("BooleanField", 2),
        ("UUIDField", "x"),
        ("JSONField", {"a": 1}),
        ("JSONField", "{"),
        ("JSONField", "NaN"),
        ("BinaryField", "text"),
    ],
    ids=str,
)
def test_what_has_no_exact_text_is_refused(default, value, kind):
    with isolate_apps("clinic"):
        model = model_of("loose", encrypt(LooseField(kind, null=True)))
    field = model._meta.get_field("value")
    with pytest.raises(DataError, match=r"value sends .*get_prep_value"):
        field.get_db_prep_save(value, connections[default])
    if isinstance(value, (str, bytes)) and len(value) > 1:
        with pytest.raises(DataError) as caught:
            field.get_db_prep_save(value, connections[default])
        assert str(value) not in str(caught.value)


def test_a_token_of_another_type_does_not_pass_for_a_value(alias, made, overwrite):
    from atrest.django.keys import in_force

    model = made("cents", encrypt(CentsField(null=True)))
    row = model.objects.using(alias).create(value=1)
    token = atrest.Field(in_force.keyring(), "own_cents.value").seal("one")
    overwrite(alias, model._meta.get_field("value"), row.pk, token)
    with pytest.raises(atrest.DecryptionError, match="no value of a CentsField"):
        model.objects.using(alias).get().value


def test_an_empty_boolean_is_null_as_in_the_clear_column(alias, made, stored):
    model = made("boolean", encrypt(models.BooleanField(null=True)))
    model.objects.using(alias).create(value="")
    assert stored(alias, model._meta.get_field("value")) == [None]


class FixedField(models.CharField):
    """With a type of column of its own, as in Django's documentation."""

    def db_type(self, connection):
        return "char(25)"


class FixedWithoutBaseField(models.Field):
    def db_type(self, connection):
        return "char(25)"


def test_a_column_type_of_its_own_becomes_the_tokens(alias, made, stored):
    model = made("fixed", encrypt(FixedField(max_length=25, null=True)))
    field = model._meta.get_field("value")
    text = models.TextField().db_type(connections[alias])
    assert field.db_type(connections[alias]) == field.db_parameters(connections[alias])["type"] == text
    row = model.objects.using(alias).create(value="short")
    row.value = "other"
    model.objects.using(alias).bulk_update([row], ["value"])
    assert model.objects.using(alias).get().value == "other"
    with pytest.raises(DataError, match="at most 25"):
        model.objects.using(alias).create(value="x" * 26)


@pytest.mark.parametrize("alias", ["postgres"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (ArrayField(models.TextField()), ["a", "\0"]),
        (ArrayField(models.JSONField()), [{"a": "\0"}]),
        (ArrayField(ArrayField(models.CharField(max_length=3))), [["\0"]]),
        (TagsField(), ["a\0"]),
    ],
    ids=str,
)
def test_a_nul_within_is_refused(alias, made, field, value):
    model = made("nul", encrypt(field))
    with pytest.raises(ValueError, match="cannot contain NUL"):
        model.objects.using(alias).create(value=value)


WORDS = ["a", "", "NULL", "null", 'say "no"', "back\\slash", "b,c", "{d}", " e ", "zoë 🦊\n", None, "(f)"]
ARRAYS = {
    "words": (models.CharField(max_length=20, null=True), [WORDS, [], ["x"], None]),
    "nested": (ArrayField(models.IntegerField(null=True)), [[[1, -2], [3, None]], [], [[1]], None]),
    "floats": (models.FloatField(), [[0.1, float("inf"), 1.0], None]),
    "booleans": (models.BooleanField(), [[True, False], None]),
    "moments": (models.DateTimeField(), [[MOMENT], None]),
    "dates": (models.DateField(), [[datetime.date(1, 1, 1), datetime.date(2026, 1, 2)]]),
    "durations": (models.DurationField(), [[datetime.timedelta(days=2, microseconds=1)], [-DAY * 3]]),
    "decimals": (models.DecimalField(max_digits=9, decimal_places=2), [[decimal.Decimal("-1.50")]]),
    "uuids": (models.UUIDField(), [[uuid.UUID(int=7)]]),
    "bytes": (models.BinaryField(), [[b"\xff\x00", b""]]),
    "addresses": (models.GenericIPAddressField(), [["2001:db8::1", "192.0.2.1"]]),
    "json": (models.JSONField(), [[{"a": ['"', None]}, 1.5, "x"]]),
    "tags": (TagsField(), [[["a", "b"], ["c"]], None]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_sealed_whole(alias, made, stored, name):
    base, values = ARRAYS[name]
    model = made("array", encrypt(ArrayField(base, null=True)))
    for value in values:
        model.objects.using(alias).create(value=value)
    read = [row.value for row in model.objects.using(alias).order_by("pk")]
    assert read == values and type(read[0]) is list and type(read[0][0]) is type(values[0][0])
    raw = stored(alias, model._meta.get_field("value"))
    assert all(t is None or t.startswith("ar1.") for t in raw)
    rows = list(model.objects.using(alias).order_by("pk"))
    for row, value in zip(rows, reversed(values)):
        row.value = value
    model.objects.using(alias).bulk_update(rows, ["value"])
    model.objects.using(alias).filter(pk=rows[0].pk).update(value=values[0])
    assert [r.value for r in model.objects.using(alias).order_by("pk")] == [values[0], *values[::-1][1:]]


@pytest.mark.parametrize("alias", ["postgres"])
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_is_there_is_encrypted_in_place_and_comes_back(alias, made, stored, name):
    from atrest.django import policy

    connection, (base, values) = connections[alias], ARRAYS[name]
    model = made("there", ArrayField(base, null=True))
    clear = model._meta.get_field("value")
    for value in values:
        model.objects.using(alias).create(value=value)
    before = stored(alias, clear)
    with isolate_apps("clinic"):
        sealed = model_of("there", encrypt(ArrayField(base, null=True), allow_plaintext=True))
    field = sealed._meta.get_field("value")
    with connection.schema_editor() as editor:
        editor.alter_field(model, clear, field)

    def read():
        return [row.value for row in sealed.objects.using(alias).order_by("pk")]

    assert read() == values
    made_policy = policy.compose(connection, [field])
    engine = atrest.Engine(made_policy.text, directory=made_policy.directory, environment=made_policy.environment)
    assert engine.encrypt(backup=False)["ok"]
    assert all(t is None or t.startswith("ar1.") for t in stored(alias, field)) and read() == values
    for row in sealed.objects.using(alias).all():
        row.save()
    assert engine.decrypt(backup=False)["ok"] and read() == values
    with connection.schema_editor() as editor:
        editor.alter_field(sealed, field, clear)
    assert stored(alias, clear) == before
    assert [row.value for row in model.objects.using(alias).order_by("pk")] == values


@pytest.mark.parametrize(
    "text",
    ["", "a", "{", "}", "{a", "{a}}", "{a}b", "{a,}", "{,a}", "{a{b}}", '{a"b"}', "{{a}b}", "{a},{b}", '{"a}', "{}{}"],
)
def test_what_is_no_array_does_not_pass_for_one(text):
    with pytest.raises(ValueError, match="no array"):
        arrays.read(text, str)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("{}", []),
        ("[0:1]={a,b}", ["a", "b"]),
        ("[1:1][-2:-1]={{1,2}}", [["1", "2"]]),
        ('{"NULL",NULL,"","a\\"\\\\b"}', ["NULL", None, "", 'a"\\b']),
    ],
)
def test_arrays_as_postgres_writes_them(text, items):
    assert arrays.read(text, str) == items


def test_inner_arrays_of_different_sizes_are_refused(default):
    with isolate_apps("clinic"):
        model = model_of("ragged", encrypt(ArrayField(ArrayField(models.IntegerField()))))
    with pytest.raises(DataError, match="sends a list"):
        model._meta.get_field("value").get_db_prep_save([[1, 2], [3]], connections[default])


def test_an_element_that_is_too_long_is_refused(default):
    """A way back would cut it."""
    with isolate_apps("clinic"):
        model = model_of("long", encrypt(ArrayField(models.CharField(max_length=3))))
    field = model._meta.get_field("value")
    assert field.get_db_prep_save(["abc"], connections[default]).startswith("ar1.")
    with pytest.raises(DataError, match="at most 3 characters, and got 4"):
        field.get_db_prep_save(["abcd"], connections[default])


class PlaceholderField(models.TextField):
    def get_placeholder_sql(self, value, compiler, connection):
        return "UPPER(%s)", [value]


class SelectField(models.TextField):
    def select_format(self, compiler, sql, params):
        return f"UPPER({sql})", params


class UnknownField(models.Field):
    """Whose column nobody knows."""


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (PlaceholderField, "get_placeholder_sql.*ciphertext"),
        (SelectField, "select_format.*ciphertext"),
        (FixedWithoutBaseField, "FixedWithoutBaseField cannot be encrypted.*get_internal_type"),
        (HStoreField, "HStoreField cannot be encrypted.*EncryptedJSONField"),
        (IntegerRangeField, "IntegerRangeField cannot be encrypted"),
        (lambda: ArrayField(HStoreField()), "HStoreField cannot be encrypted"),
        (lambda: ArrayField(EncryptedTextField()), "elements .* encrypted already"),
        (UnknownField, "UnknownField cannot be encrypted.*get_internal_type"),
    ],
)
def test_what_cannot_be_done_exactly_is_refused_at_once(make, why):
    with pytest.raises(ImproperlyConfigured, match=why):
        encrypt(make())


def test_an_encrypted_class_with_a_from_db_value_is_refused_which_would_not_be_called():
    with pytest.raises(ImproperlyConfigured, match=r"TagsField\.from_db_value.*encrypt\("):
        type("TagsField", (Tags, EncryptedTextField), {})
    assert type("LowerField", (EncryptedTextField,), {"to_python": lambda self, value: value.lower()})()


@pytest.mark.parametrize("name", ["hand", "cents", "space"])
def test_it_is_written_into_migrations_as_it_was(name):
    make, kwargs, _, _ = CASES[name]
    field = encrypt(make(null=True, **kwargs), context="a.b")
    again = field.clone()
    assert again.deconstruct()[1:2] == field.deconstruct()[1:2] and again.column_context == "a.b"
    assert type(again) is type(field) and type(again.clear_field()) is make


def test_dumpdata_writes_what_the_clear_field_writes(made, alias):
    from django.core import serializers

    model = made("tags", encrypt(HandField(null=True)))
    row = model(value=Hand(["AS"], ["KH"]))
    assert json.loads(serializers.serialize("json", [row]))[0]["fields"]["value"] == "ASKH"


def test_a_uuid_with_a_class_around_it(alias, made):
    class Id:
        def __init__(self, of):
            self.of = of

    class IdField(models.UUIDField):
        def from_db_value(self, value, expression, connection):
            return value if value is None else Id(value)

        def to_python(self, value):
            return super().to_python(value.of if isinstance(value, Id) else value)

    model = made("id", encrypt(IdField(null=True)))
    model.objects.using(alias).create(value=Id(uuid.UUID(int=7)))
    assert model.objects.using(alias).get().value.of == uuid.UUID(int=7)

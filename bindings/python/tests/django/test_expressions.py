"""What a query may do with an encrypted column: select it as it is, and ask for NULL."""

import pytest
from clinic.models import Everything, Patient, Visit
from django.core.exceptions import FieldError
from django.db.models import (
    Avg,
    Case,
    CharField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    Q,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
    Window,
)
from django.db.models.functions import (
    Cast,
    Coalesce,
    Concat,
    ExtractYear,
    FirstValue,
    Length,
    Lower,
    Rank,
    TruncYear,
)

MAIL = "ada@example.org"


@pytest.fixture
def patients(alias):
    ada = Patient.objects.using(alias).create(name="ada", email=MAIL, notes="first", weight="61.50")
    bob = Patient.objects.using(alias).create(name="bob", email="bob@example.org", notes="second")
    for patient, room in ((ada, "1"), (ada, "2"), (bob, "3")):
        Visit.objects.using(alias).create(patient=patient, room=room, reason=f"reason {room}")
    return Patient.objects.using(alias)


def visits():
    return Visit.objects.filter(patient=OuterRef("pk"))


REFUSED = {
    "max": lambda q: q.aggregate(x=Max("email")),
    "avg": lambda q: q.aggregate(x=Avg("weight")),
    "count": lambda q: q.aggregate(x=Count("email")),
    "count distinct": lambda q: q.aggregate(x=Count("email", distinct=True)),
    "max of an alias": lambda q: q.annotate(e=F("email")).aggregate(x=Max("e")),
    "max of a slice": lambda q: q.order_by("pk")[:1].aggregate(x=Max("email"), y=Max("pk")),
    "max of what is distinct": lambda q: q.distinct().aggregate(x=Max("email")),
    "max over a relation": lambda q: q.annotate(x=Max("visits__reason")),
    "lower": lambda q: q.annotate(x=Lower("email")),
    "lower in values": lambda q: q.values(x=Lower("email")),
    "length": lambda q: q.annotate(x=Length("email")),
    "cast": lambda q: q.annotate(x=Cast("email", TextField())),
    "concat": lambda q: q.annotate(x=Concat("name", Value(" "), "email", output_field=CharField())),
    "coalesce": lambda q: q.annotate(x=Coalesce("email", Value(""))),
    "year": lambda q: q.annotate(x=ExtractYear("born")),
    "trunc": lambda q: q.annotate(x=TruncYear("born")),
    "dates": lambda q: q.dates("born", "year"),
    "arithmetic": lambda q: q.annotate(x=F("weight") + 1),
    "another type": lambda q: q.annotate(x=ExpressionWrapper(F("email"), output_field=TextField())),
    "case": lambda q: q.annotate(x=Case(When(name="ada", then=F("email")), default=Value("none"))),
    "condition of case": lambda q: q.annotate(x=Case(When(name=F("email"), then=1), default=2)),
    "window": lambda q: q.annotate(x=Window(Rank(), order_by=F("email").asc())),
    "partition": lambda q: q.annotate(x=Window(Rank(), partition_by=F("email"), order_by="pk")),
    "first value": lambda q: q.annotate(x=Window(FirstValue("email"), order_by="pk")),
    "order": lambda q: q.order_by("email"),
    "order back": lambda q: q.order_by("-email"),
    "reversed order": lambda q: q.order_by("name", "email").reverse(),
    "order by F": lambda q: q.order_by(F("email").desc(nulls_last=True)),
    "order by an alias": lambda q: q.annotate(e=F("email")).order_by("e"),
    "order by a hidden alias": lambda q: q.alias(e=F("email")).order_by("e"),
    "order by a function": lambda q: q.order_by(Lower("email")),
    "order of values": lambda q: q.values("email").order_by("email"),
    "order of another value": lambda q: q.values("name").order_by("email"),
    "order of values by F": lambda q: q.values_list("email", flat=True).order_by(F("email")),
    "order over a relation": lambda q: q.order_by("visits__reason"),
    "latest": lambda q: q.latest("born"),
    "first by": lambda q: q.order_by("notes").first(),
    "distinct on": lambda q: q.distinct("email"),
    "distinct values": lambda q: q.values("email").distinct(),
    "groups": lambda q: q.values("email").annotate(n=Count("pk")),
    "groups over a relation": lambda q: q.values("visits__reason").annotate(n=Count("pk")),
    "groups by an alias": lambda q: q.annotate(e=F("email")).values("e").annotate(n=Count("pk")),
    "condition": lambda q: q.filter(name=F("email")),
    "condition over a relation": lambda q: q.filter(visits__room=F("email")),
    "condition in values": lambda q: q.filter(name__in=Patient.objects.values("email")),
    "condition by a subquery": lambda q: q.filter(name=Subquery(visits().values("reason")[:1])),
    "condition by an outer column": lambda q: q.filter(Exists(Visit.objects.filter(room=OuterRef("email")))),
    "subquery": lambda q: q.annotate(x=Subquery(visits().values("reason")[:1])),
    "function of a subquery": lambda q: q.annotate(x=Lower(Subquery(visits().values("reason")[:1]))),
    "outer column in a subquery": lambda q: q.annotate(x=Subquery(visits().annotate(y=OuterRef("email")).values("y")[:1])),
    "max of an alias of a slice": lambda q: q.annotate(e=F("email")).order_by("pk")[:1].aggregate(x=Max("e")),
    "max of an alias beside a count": lambda q: q.annotate(e=F("email"), n=Count("visits")).aggregate(x=Max("e")),
    "count of an alias": lambda q: q.annotate(e=F("email")).aggregate(x=Count("e")),
    "max of groups": lambda q: q.annotate(n=Count("visits")).aggregate(x=Max("email"), y=Max("n")),
    "union of values": lambda q: q.filter(pk=1).values("email").union(q.filter(pk=2).values("email")),
    "union of two columns": lambda q: q.values("email").union(q.values("notes"), all=True),
    "union with a clear column": lambda q: q.values("email").union(q.values("name"), all=True),
    "union with another model": lambda q: q.values("email").union(
        Visit.objects.using(q.db).values("reason"), all=True
    ),
    "values of a union of models": lambda q: q.union(Everything.objects.using(q.db), all=True).values("email"),
    "union of columns that change places": lambda q: q.values("email", "notes").union(
        q.values("notes", "email"), all=True
    ),
    "union of unions": lambda q: q.values("email").union(q.values("email").union(q.values("notes"), all=True), all=True),
    "union of annotations": lambda q: q.values(x=F("email")).union(q.values(x=F("notes")), all=True),
    "union of rows with another column": lambda q: q.values("pk", "email").union(q.values("pk", "notes")),
    "intersection": lambda q: q.filter(pk=1).values("email").intersection(q.values("email")),
    "difference": lambda q: q.values("email").difference(q.filter(pk=2).values("email")),
    "distinct over a relation to many": lambda q: q.annotate(x=F("visits__reason")).distinct(),
    "groups by a relation to many": lambda q: q.annotate(x=F("visits__reason"), n=Count("visits")),
    "order of a union": lambda q: q.filter(pk=1).union(q.filter(pk=2)).order_by("email"),
}


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED)
def test_what_the_database_would_compute_of_ciphertexts_is_refused(patients, query):
    with pytest.raises(FieldError, match=r"is encrypted, so the database cannot .*in Python"):
        found = query(patients)
        if not isinstance(found, dict):
            list(found)


WRITES = {
    "F": lambda: F("email"),
    "function": lambda: Lower("email"),
    "case": lambda: Case(When(pk__gt=0, then=F("email")), default=Value("")),
    "subquery": lambda: Subquery(visits().values("reason")[:1]),
}


@pytest.mark.parametrize("value", WRITES.values(), ids=WRITES)
def test_no_ciphertext_is_copied_into_a_clear_column(patients, value):
    with pytest.raises(FieldError, match="is encrypted, so the database cannot"):
        patients.update(name=value())
    row = patients.get(name="ada")
    row.name = value()
    with pytest.raises(FieldError, match="is encrypted, so the database cannot"):
        row.save()
    with pytest.raises(FieldError, match="is encrypted, so the database cannot"):
        patients.bulk_update([row], ["name"])
    assert set(patients.values_list("name", flat=True)) == {"ada", "bob"}


@pytest.mark.parametrize(
    "value",
    [
        lambda: F("name"),
        lambda: F("notes"),
        lambda: Concat("name", Value("@example.org")),
        lambda: Case(When(name="ada", then=Value("clear")), default=F("email")),
        lambda: Subquery(visits().values("room")[:1]),
        lambda: OuterRef("name"),
    ],
    ids=["F", "F of another", "function", "case", "subquery", "outer"],
)
def test_no_clear_value_is_copied_into_an_encrypted_column(patients, value):
    with pytest.raises(FieldError, match="is encrypted.*save"):
        patients.update(email=value())
    row = patients.get(name="ada")
    row.email = value()
    with pytest.raises(FieldError, match="is encrypted.*save"):
        patients.bulk_update([row], ["email"])
    assert patients.get(name="ada").email == MAIL


def test_what_is_selected_as_it_is_is_read(patients):
    assert patients.annotate(x=F("email")).get(name="ada").x == MAIL
    assert patients.values("email").get(name="ada") == {"email": MAIL}
    assert patients.values(x=F("email")).get(name="ada") == {"x": MAIL}
    assert list(patients.order_by("name").values_list("email", flat=True)) == [MAIL, "bob@example.org"]
    assert list(patients.order_by("-name").values_list("weight", "pk").distinct())[1][0] == patients.get(name="ada").weight
    assert list(patients.values_list("visits__reason", flat=True).order_by("visits__room"))[2] == "reason 3"
    rooms = Visit.objects.using(patients.db)
    assert rooms.select_related("patient").get(room="3").patient.email == "bob@example.org"
    assert rooms.annotate(x=F("patient__email")).get(room="1").x == MAIL
    assert rooms.values_list("patient__email", flat=True).get(room="2") == MAIL


def test_rows_are_distinct_grouped_and_counted(patients):
    assert patients.filter(visits__room__in=["1", "2"]).distinct().get().email == MAIL
    assert patients.filter(visits__room__in=["1", "2"]).distinct().count() == 1
    counted = patients.annotate(n=Count("visits")).order_by("-n")
    assert [(p.email, p.n) for p in counted] == [(MAIL, 2), ("bob@example.org", 1)]
    assert counted.count() == 2
    grouped = patients.values("pk", "email").annotate(n=Count("visits")).order_by("n")
    assert [(g["email"], g["n"]) for g in grouped] == [("bob@example.org", 1), (MAIL, 2)]
    assert patients.values("name", "email")[:1].count() == 1
    assert patients.values_list("email")[:1].count() == 1
    mails = patients.annotate(e=F("email"))
    assert mails.count() == mails.distinct().count() == 2
    assert mails[:1].count() == 1
    assert mails.annotate(n=Count("visits")).count() == 2
    assert mails.annotate(n=Count("visits")).aggregate(x=Sum("n")) == {"x": 3}
    assert patients.annotate(n=Count("visits")).filter(n__gt=1).values_list("email").count() == 1
    first = Visit.objects.using(patients.db).annotate(
        mail=F("patient__email"), rank=Window(Rank(), partition_by="patient", order_by="room")
    )
    assert {v.mail for v in first.filter(rank=1)} == {MAIL, "bob@example.org"}
    assert {v.mail for v in first.distinct()} == {MAIL, "bob@example.org"}
    assert first.annotate(n=Count("patient__visits")).count() == 3
    assert patients.aggregate(n=Count("pk", filter=Q(weight__isnull=False)))["n"] == 1
    assert patients.filter(~Q(weight=None)).count() == 1
    assert patients.annotate(has=Exists(visits().filter(reason__isnull=False))).filter(has=True).count() == 2
    assert patients.filter(visits__in=Visit.objects.using(patients.db).filter(room="3")).get().name == "bob"
    both = patients.filter(name="ada").values("email").union(patients.filter(name="bob").values("email"), all=True)
    assert [v["email"] for v in both] == [MAIL, "bob@example.org"]
    assert both.count() == 2
    some = patients.filter(name="ada")
    named = some.annotate(x=F("email")).values("x", "name", "notes")
    assert [row["x"] for row in named.union(named, all=True)] == [MAIL, MAIL]
    nothing = some.values("pk", x=Value(None, output_field=TextField()))
    assert {row["x"] for row in some.values("pk", x=F("email")).union(nothing, all=True)} == {MAIL, None}
    assert [p.email for p in some.defer("notes").union(some.defer("notes"), all=True)] == [MAIL, MAIL]
    assert [row["email"] for row in some.union(some, all=True).values("email")] == [MAIL, MAIL]
    assert [row["email"] for row in some.values("email").union(some, all=True)] == [MAIL, MAIL]
    assert {p.email for p in patients.filter(name="ada").union(patients.filter(name="bob"))} == {MAIL, "bob@example.org"}


def test_rows_are_locked_deleted_and_changed_by_other_columns(patients):
    from django.db import transaction

    with transaction.atomic(using=patients.db):
        assert patients.select_for_update().get(name="ada").email == MAIL
    assert patients.filter(visits__room="1").update(notes="changed") == 1
    assert patients.get(name="ada").notes == "changed"
    patients.filter(visits__reason__isnull=False, name="bob").delete()
    assert patients.get().email == MAIL

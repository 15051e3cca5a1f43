"""Encrypted copies of a user's data: in step on either side's save, filled, emptied, restored."""

from io import StringIO

import pytest
from clinic.models import (
    Badge,
    Cardholder,
    Employee,
    Holder,
    Keyholder,
    Locker,
    LongProfile,
    Member,
    Nametag,
    Pass,
    Profile,
    ProfileProxy,
    Sash,
)
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

import atrest

COPY = Profile._meta.get_field("encrypted_email")


@pytest.fixture
def profile(default):
    user = User.objects.create_user("ada", email="ada@example.org", first_name="Ada", password="pw")
    return Profile.objects.create(user=user)


def fresh(profile):
    return Profile.objects.get(pk=profile.pk), User.objects.get(pk=profile.user_id)


def test_a_new_profile_copies_what_the_user_has(profile, stored):
    copy, user = fresh(profile)
    assert (copy.encrypted_email, copy.encrypted_first_name) == ("ada@example.org", "Ada")
    assert stored("default", COPY)[0].startswith("ar1.")


def test_the_users_save_reaches_the_profile(profile):
    _, user = fresh(profile)
    user.email = "new@example.org"
    user.save()
    copy, user = fresh(profile)
    assert copy.encrypted_email == user.email == "new@example.org"
    assert copy.encrypted_first_name == "Ada"


def test_the_profiles_save_reaches_the_user(profile):
    copy, _ = fresh(profile)
    copy.encrypted_email = "new@example.org"
    copy.save()
    copy, user = fresh(profile)
    assert copy.encrypted_email == user.email == "new@example.org"


def test_a_stale_instance_writes_no_old_value_back(profile):
    stale, stale_user = fresh(profile)
    _, user = fresh(profile)
    user.email = "new@example.org"
    user.save()
    stale.bio = "likes engines"
    stale.save()
    assert [x.email if isinstance(x, User) else x.encrypted_email for x in fresh(profile)] == ["new@example.org"] * 2
    copy, _ = fresh(profile)
    copy.encrypted_first_name = "Augusta"
    copy.save()
    stale_user.last_name = "King"
    stale_user.save()
    copy, user = fresh(profile)
    assert (user.first_name, copy.encrypted_first_name, user.last_name) == ("Augusta", "Augusta", "King")


def test_a_copy_that_was_never_filled_takes_nothing_away(profile):
    Profile.objects.update(encrypted_email="", encrypted_first_name="")
    _, user = fresh(profile)
    user.email = "new@example.org"
    user.save()
    copy, user = fresh(profile)
    assert (user.email, user.first_name) == ("new@example.org", "Ada")
    assert (copy.encrypted_email, copy.encrypted_first_name) == ("new@example.org", "Ada")
    Profile.objects.update(encrypted_email="")
    Profile.objects.get().save()
    copy, user = fresh(profile)
    assert copy.encrypted_email == user.email == "new@example.org"


def test_a_stale_instance_brings_no_cleared_value_back(profile):
    _, stale = fresh(profile)
    copy, _ = fresh(profile)
    copy.encrypted_email = ""
    copy.save()
    stale.save()
    copy, user = fresh(profile)
    assert copy.encrypted_email == user.email == ""


def test_update_fields_touch_only_what_they_name(profile):
    _, user = fresh(profile)
    user.email, user.first_name = "new@example.org", "Nobody"
    user.save(update_fields=["email"])
    copy, user = fresh(profile)
    assert (copy.encrypted_email, copy.encrypted_first_name, user.first_name) == ("new@example.org", "Ada", "Ada")


def test_clearing_a_value_clears_both(profile):
    _, user = fresh(profile)
    user.email = ""
    user.save()
    copy, user = fresh(profile)
    assert copy.encrypted_email == user.email == ""


def test_what_was_read_anew_is_no_change(profile):
    _, user = fresh(profile)
    User.objects.filter(pk=user.pk).update(email="new@example.org")
    user.refresh_from_db()
    copy, _ = fresh(profile)
    copy.encrypted_email = "newer@example.org"
    copy.save()
    user.save()
    copy, user = fresh(profile)
    assert copy.encrypted_email == user.email == "newer@example.org"
    user.email = "kept@example.org"
    user.refresh_from_db(fields=["first_name"])
    user.save(update_fields=["last_login"])
    user.save()
    assert fresh(profile)[0].encrypted_email == "kept@example.org"


def test_instances_that_hang_together_show_the_same(profile):
    _, user = fresh(profile)
    assert user.profile.encrypted_email == "ada@example.org"
    user.email = "new@example.org"
    user.save()
    assert user.profile.encrypted_email == "new@example.org"


@pytest.fixture(params=["keep", "empty"])
def either(request):
    """A profile in either mode, its originals as they are to be."""
    profile = request.getfixturevalue("profile" if request.param == "keep" else "emptying")
    if request.param == "empty":
        command("--empty-originals")
    return profile


def in_step(profile, email):
    """Both sides show this, by every class, and the original's column what it should hold."""
    pk = profile.user_id
    assert [c.objects.get(pk=pk).email for c in (User, Member)] == [email] * 2
    assert [c.objects.get(user=pk).encrypted_email for c in (Profile, ProfileProxy)] == [email] * 2
    assert column("email", pk) == ("" if getattr(Profile, "mirrors_originals", "keep") == "empty" else email)
    assert command()[0] == 0


def hired(user):
    """The user's row in the child's table, as Django makes one for a parent that is there."""
    employee = Employee(user_ptr=user, number="7")
    employee.save_base(raw=True)
    return Employee.objects.get(pk=user.pk)


def test_a_proxy_of_the_originals_model_is_in_step(either):
    member = Member.objects.get(pk=either.user_id)
    assert (member.email, member.first_name, member.get_short_name()) == ("ada@example.org", "Ada", "Ada")
    member.email = "new@example.org"
    member.save()
    in_step(either, "new@example.org")
    member.refresh_from_db()
    assert member.email == "new@example.org"
    member.email = ""
    member.save(update_fields=["email"])
    in_step(either, "")


def test_a_child_of_the_originals_model_is_in_step(either):
    employee = hired(either.user)
    assert (employee.email, employee.first_name) == ("ada@example.org", "Ada")
    employee.email, employee.number = "new@example.org", "8"
    employee.save()
    in_step(either, "new@example.org")
    deferred = Employee.objects.only("number").get()
    assert (deferred.email, deferred.number) == ("new@example.org", "8")
    deferred.email = "newer@example.org"
    deferred.save()
    in_step(either, "newer@example.org")
    # Stale by now: takes the value that is stored.
    employee.number = "9"
    employee.save()
    in_step(either, "newer@example.org")
    assert Employee.objects.get().number == "9"


def test_a_new_child_moves_as_soon_as_there_is_a_profile(either):
    employee = Employee.objects.create(username="bob", email="bob@example.org")
    assert column("email", employee.pk) == "bob@example.org"
    in_step(Profile.objects.create(user=employee.user_ptr), "bob@example.org")
    assert Employee.objects.get().email == "bob@example.org"


def test_a_deleted_original_reads_nobodys_copy(default):
    from atrest.django.mirror.declared import Mirror

    mirror = Mirror(Badge, Badge._meta.get_field("user"), (("last_name", "encrypted_last_name"),), True)
    Badge.objects.create(encrypted_last_name="Nobody")
    user = User.objects.create_user("ada")
    user.delete()
    assert not mirror.copies_of(user, "default").exists()


@pytest.mark.parametrize("model", [ProfileProxy, LongProfile])
def test_a_proxy_and_a_child_of_the_copies_model_are_in_step(either, model):
    if model is LongProfile:
        LongProfile(profile_ptr=either, history="long").save_base(raw=True)
    copy = model.objects.get(pk=either.pk)
    assert copy.encrypted_email == "ada@example.org"
    copy.encrypted_email = "new@example.org"
    copy.save()
    in_step(either, "new@example.org")
    user = User.objects.create_user("bob", email="bob@example.org")
    model.objects.create(user=user)
    in_step(Profile.objects.get(user=user), "bob@example.org")


def test_a_class_that_is_made_later_is_in_step(either):
    class Latecomer(User):  # as in an admin module
        class Meta:
            proxy = True
            app_label = "clinic"

    try:
        user = Latecomer.objects.get(pk=either.user_id)
        assert user.email == "ada@example.org"
        user.email = "new@example.org"
        user.save()
        in_step(either, "new@example.org")
    finally:
        from django.apps import apps

        del apps.all_models["clinic"]["latecomer"]
        apps.clear_cache()


def test_a_save_of_a_child_sends_once(either):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def written(model):
        instance = model.objects.get(pk=either.user_id)
        instance.email = f"{model.__name__}@example.org"
        with CaptureQueriesContext(connection) as queries:
            instance.save()
        return [q["sql"].split()[1] for q in queries if q["sql"].startswith("UPDATE")]

    hired(either.user)
    of_user = written(User)
    assert written(Member) == of_user and of_user.count('"clinic_profile"') == 1
    assert sorted(written(Employee)) == sorted([*of_user, '"clinic_employee"'])


def test_originals_that_the_mirrored_model_has_from_its_parent(default):
    employee = Employee.objects.create(username="bob", number="7", last_name="King")
    Locker.objects.create(owner=employee)

    def both():
        locker, employee = Locker.objects.get(), Employee.objects.get()
        assert (locker.encrypted_number, locker.encrypted_last_name) == (employee.number, employee.last_name)
        return employee.number, employee.last_name

    assert both() == ("7", "King")
    for model in (User, Member):
        user = model.objects.get()
        user.last_name = model.__name__
        user.save()
        assert both() == ("7", model.__name__)
    locker = Locker.objects.get()
    locker.encrypted_number, locker.encrypted_last_name = "8", "Lovelace"
    locker.save()
    assert both() == ("8", "Lovelace")
    User.objects.create_user("nobody", last_name="x").save()
    assert both() == ("8", "Lovelace")


def test_mirrors_of_an_abstract_base_are_those_of_its_children():
    from atrest.django.mirror.declared import all_mirrors

    declared = {m.model: m.pairs for m in all_mirrors()}
    assert declared[Nametag] == declared[Sash] == (("last_name", "encrypted_last_name"),)
    # A child and a proxy of a model with rows share its mirrors.
    assert len(declared) == 4 and declared.keys() >= {Profile, Locker}


def test_a_child_adds_to_the_mirrors_of_its_parent(default, monkeypatch):
    from atrest.django.mirror.declared import declared_by

    more = {**Profile.mirrors, "user.last_name": "encrypted_first_name"}
    monkeypatch.setattr(LongProfile, "mirrors", more, raising=False)
    assert [m.pairs for m in declared_by(LongProfile)] == [(("last_name", "encrypted_first_name"),)]


def test_a_model_with_several_mirrors_sends_each_its_own(either):
    user = User.objects.get(pk=either.user_id)
    tag = Nametag.objects.create(user=user)
    user.email, user.last_name = "new@example.org", "King"
    user.save()
    in_step(either, "new@example.org")
    tag.refresh_from_db()
    assert tag.encrypted_last_name == "King" and not Sash.objects.exists()
    tag.encrypted_last_name = "Lovelace"
    tag.save()
    assert User.objects.get(pk=user.pk).last_name == "Lovelace"
    in_step(either, "new@example.org")


@pytest.fixture
def worn_empty(default):
    """mirrors_originals = "empty" on all that mirror the last name."""
    yield from in_mode("empty", "last_name", Nametag, Sash, Locker)


def test_a_field_that_several_models_empty_is_read_where_the_copy_is(worn_empty):
    names = {"ada": Nametag, "bob": Sash, "eve": None, "kim": Locker}
    for name, model in names.items():
        if model is Locker:
            Locker.objects.create(owner=Employee.objects.create(username=name, last_name=name))
            continue
        user = User.objects.create_user(name, last_name=name)
        if model:
            model.objects.create(user=user)
    for name, model in names.items():
        user = User.objects.get(username=name)
        assert user.last_name == name
        assert column("last_name", user.pk) == ("" if model else name)
        user.last_name = f"{name} King"
        user.save()
        assert column("last_name", user.pk) == ("" if model else f"{name} King")
        assert User.objects.get(username=name).last_name == f"{name} King"
    copies = [m.objects.get().encrypted_last_name for m in (Nametag, Sash, Locker)]
    assert copies == ["ada King", "bob King", "kim King"]


def test_a_field_is_not_emptied_by_one_model_and_kept_by_another(monkeypatch):
    from django.core.exceptions import ImproperlyConfigured

    from atrest.django.mirror.declared import all_mirrors

    monkeypatch.setattr(Sash, "mirrors_originals", "empty", raising=False)
    with pytest.raises(ImproperlyConfigured, match="last_name.*clinic.Locker keeps.*clinic.Sash empties"):
        all_mirrors()


def command(*args):
    out = StringIO()
    chosen = () if "--model" in args else ("--model", "Profile")
    try:
        call_command("mirror_fields", *args, *chosen, stdout=out)
        return 0, out.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)


def test_fill_and_verify_what_was_missed(profile):
    for n in range(25):
        user = User.objects.create_user(f"u{n}", email=f"u{n}@example.org")
        Profile.objects.bulk_create([Profile(user=user)])
    User.objects.filter(pk=profile.user_id).update(email="elsewhere@example.org")
    User.objects.create_user("nobody")
    status, text = command()
    assert status == 1 and "25 not copied" in text and "1 different" in text and "1 of auth.User have no row" in text
    assert str(profile.pk) in text
    status, text = command("--fill", "--batch-size", "7")
    assert status == 0 and "26 values written" in text
    assert command()[0] == 0
    assert {p.encrypted_email for p in Profile.objects.all()} >= {f"u{n}@example.org" for n in range(25)}


def test_a_row_that_belongs_to_nobody_is_passed_over(default):
    from atrest.django.mirror import bulk
    from atrest.django.mirror.declared import Mirror

    mirror = Mirror(Badge, Badge._meta.get_field("user"), (("last_name", "encrypted_last_name"),), False)
    Badge.objects.create(encrypted_last_name="Nobody")
    Badge.objects.create(user=User.objects.create_user("ada", last_name="King"))
    User.objects.create_user("bob")
    counts = bulk.fill(mirror, "default", 1)
    assert (counts.rows, counts.changed, counts.without) == (1, 1, 1)
    bulk.empty_beside(mirror, "default", Badge.objects.all())
    assert set(User.objects.values_list("username", "last_name")) == {("ada", ""), ("bob", "")}
    assert set(b.encrypted_last_name for b in Badge.objects.all()) == {"Nobody", "King"}


def test_emptying_before_the_model_says_so_is_refused(profile):
    status, text = command("--empty-originals")
    assert status == 2 and 'mirrors_originals = "empty"' in text
    assert fresh(profile)[1].email == "ada@example.org"


def in_mode(mode, names, *models):
    """mirrors_originals on these models; signals and attributes as they were afterwards."""
    from django.db.models import signals

    from atrest.django.mirror import sync

    used = "post_init pre_save post_save pre_delete post_delete".split()
    before = {s: list(s.receivers) for s in (getattr(signals, name) for name in used)}
    attributes = {n: User.__dict__[n] for n in names.split()}

    def reset():
        for signal, receivers in before.items():
            signal.receivers = [r for r in receivers if not str(r[0][0]).startswith("atrest.mirror")]
            signal.sender_receivers_cache.clear()

    reset()
    for model in models:
        model.mirrors_originals = mode
    try:
        sync.register()
        yield
    finally:
        reset()
        for signal, receivers in before.items():
            signal.receivers = receivers
            signal.sender_receivers_cache.clear()
        for model in models:
            del model.mirrors_originals
        for name, attribute in attributes.items():
            setattr(User, name, attribute)
            User._meta.get_field(name).__dict__.pop("pre_save", None)


@pytest.fixture
def emptying(profile):
    """A profile whose user's originals are emptied."""
    modes = in_mode("empty", "email first_name", Profile)
    next(modes)
    yield profile
    next(modes, None)


@pytest.fixture
def emptied(default):
    """mirrors_originals = "empty" on the profile, before there is one."""
    yield from in_mode("empty", "email first_name", Profile)


def queries(number):
    """A block of just so many."""
    from django.db import connection
    from django.test import TestCase

    return TestCase().assertNumQueries(number, using=connection.alias)


def column(name, pk, using="default"):
    from django.db import connections

    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {name} FROM auth_user WHERE id = %s", [pk])
        return cursor.fetchone()[0]


def test_emptied_originals_are_read_from_the_copy(emptying):
    status, text = command("--empty-originals")
    assert status == 0 and "2 values written" in text
    pk = emptying.user_id
    assert column("email", pk) == column("first_name", pk) == ""
    user = User.objects.get(pk=pk)
    assert (user.email, user.first_name, user.get_short_name()) == ("ada@example.org", "Ada", "Ada")
    assert user.check_password("pw")
    user.save()
    assert column("email", pk) == ""
    user.email = "new@example.org"
    user.save()
    assert column("email", pk) == "" and user.email == "new@example.org"
    assert User.objects.get(pk=pk).email == "new@example.org"
    user = User.objects.get(pk=pk)
    user.email = ""
    user.save()
    assert User.objects.get(pk=pk).email == Profile.objects.get(user=pk).encrypted_email == ""
    assert User.objects.get(pk=pk).first_name == "Ada"


def test_an_original_that_came_back_in_clear_is_told(emptying):
    assert command("--fill")[0] == 1 and "2 originals are IN CLEAR" in command()[1]
    assert command("--empty-originals")[0] == 0
    status, text = command()
    assert status == 0 and "IN CLEAR" not in text
    # As update() leaves them: the same value again, and another.
    User.objects.update(email="ada@example.org", first_name="Augusta")
    for args in ((), ("--dry-run",)):
        status, text = command(*args)
        assert status == 1 and "2 originals are IN CLEAR" in text and "1 different" in text
    status, text = command("--empty-originals")
    assert status == 1 and "1 originals are IN CLEAR" in text
    assert command("--fill")[0] == 1 and command("--empty-originals")[0] == 0


@pytest.mark.parametrize("name", ["clinic.Profile", "Profile", "profile", "Clinic.profile"])
def test_a_model_is_named_as_in_other_commands(profile, name):
    for chosen in (["--model", name], ["--model", "Badge", "--model", name]):
        assert command(*chosen)[0] == 0
    out = StringIO()
    call_command("mirror_fields", model=name, stdout=out)
    assert "clinic.Profile" in out.getvalue()
    assert command("--model", "Badge")[0] == 2


def test_emptied_mail_is_still_delivered(emptying):
    from django.core import mail
    from django.test.utils import override_settings

    command("--empty-originals")
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"):
        mail.outbox = []
        User.objects.get(pk=emptying.user_id).email_user("Hello", "text")
    assert mail.outbox[0].to == ["ada@example.org"]


def test_a_new_user_is_kept_in_clear_until_there_is_a_profile(emptying):
    user = User.objects.create_user("bob", email="bob@example.org")
    assert column("email", user.pk) == "bob@example.org"
    Profile.objects.create(user=user)
    assert column("email", user.pk) == ""
    assert User.objects.get(pk=user.pk).email == "bob@example.org"


def copied(user, way):
    """As the documentation of Django copies a row, or without its second line, or under a key of one's own."""
    user.pk = user.pk + 1000 if way == "other key" else None
    user.id = user.pk
    user._state.adding = way != "pk alone"
    user.username = "copy"
    return user


@pytest.mark.parametrize("model", [User, Member, Employee])
@pytest.mark.parametrize("way", ["documented", "pk alone", "other key"])
@pytest.mark.parametrize("seen", [False, True])
def test_a_copied_row_keeps_what_it_shows(emptying, model, way, seen):
    command("--empty-originals")
    hired(emptying.user)
    pk = emptying.user_id
    user = model.objects.get(pk=pk)
    if seen:
        assert (user.email, user.profile.pk) == ("ada@example.org", emptying.pk)
    copied(user, way)
    assert (user.email, user.first_name) == ("ada@example.org", "Ada")
    user.first_name = ""
    user.save()
    assert user.pk != pk and column("email", user.pk) == user.email == "ada@example.org"
    assert column("first_name", user.pk) == user.first_name == ""
    assert column("email", pk) == "" and Profile.objects.get().user_id == pk
    # It moves as that of any other new user, and is its own.
    Profile.objects.create(user_id=user.pk)
    assert column("email", user.pk) == ""
    user = model.objects.get(pk=user.pk)
    user.email = "new@example.org"
    user.save()
    assert [User.objects.get(pk=k).email for k in (pk, user.pk)] == ["ada@example.org", "new@example.org"]


def test_a_row_that_was_read_from_a_replica_is_saved_as_ever(emptying):
    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    assert user.email == "ada@example.org"
    user._state.db = "replica"
    Profile.objects.update(encrypted_email="newer@example.org")
    user.last_name = "King"
    user.save(using="default")
    copy, user = fresh(emptying)
    assert copy.encrypted_email == user.email == "newer@example.org" and user.last_name == "King"


def test_a_deleted_row_still_shows_what_it_had(emptying):
    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    assert user.email == "ada@example.org"
    user.delete()
    assert user.email == "ada@example.org"


def test_a_copied_row_keeps_what_it_shows_in_bulk_create_too(emptying):
    user = User.objects.get(pk=emptying.user_id)
    user.save()
    assert column("email", user.pk) == ""
    User.objects.bulk_create([copied(user, "documented"), User(username="new")])
    assert column("email", User.objects.get(username="copy").pk) == "ada@example.org"


def test_a_copied_row_is_not_read_from_the_copy_of_the_first(emptying):
    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    assert user.profile.encrypted_email == "ada@example.org"
    copied(user, "documented")
    user.email = "new@example.org"
    user.save()
    user.email = ""
    user.save()
    assert user.email == column("email", user.pk) == ""
    assert User.objects.get(pk=emptying.user_id).email == Profile.objects.get().encrypted_email == "ada@example.org"


def test_a_row_that_is_saved_to_another_database_takes_its_values_along(emptying, alias):
    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    user.save(using=alias)
    assert column("email", user.pk, alias) == user.email == "ada@example.org"
    Profile(user_id=user.pk).save(using=alias)
    assert column("email", user.pk, alias) == ""
    assert User.objects.using(alias).get().email == "ada@example.org"
    user = User.objects.get(pk=user.pk)
    user.save()
    assert (column("email", user.pk), user.email) == ("", "ada@example.org")


def test_a_copy_of_the_instance_in_memory_is_its_own(emptying):
    import copy

    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    other = copied(copy.copy(user), "documented")
    other.email = "new@example.org"
    other.save()
    assert (user.email, other.email) == ("ada@example.org", "new@example.org")
    user.save()
    assert User.objects.get(pk=user.pk).email == "ada@example.org" and column("email", user.pk) == ""


def test_values_of_an_emptied_original_are_those_of_its_column(emptying):
    command("--empty-originals")
    assert list(User.objects.values_list("email")) == [("",)]


@pytest.mark.parametrize("labels", [("auth.User", "clinic.Profile"), ("clinic.Profile", "auth.User")])
@pytest.mark.parametrize(("kind", "gone"), [("json", True), ("xml", True), ("json", False)])
def test_a_fixture_brings_nothing_back_in_clear(emptied, alias, tmp_path, kind, labels, gone):
    user = User.objects.db_manager(alias).create_user("ada", email="ada@example.org", first_name="Ada")
    Profile(user=user).save(using=alias)
    other = User.objects.db_manager(alias).create_user("bob", email="bob@example.org")
    files = [str(tmp_path / f"{n}.{kind}") for n, _ in enumerate(labels)]
    for label, file in zip(labels, files, strict=True):
        call_command("dumpdata", label, database=alias, format=kind, output=file, verbosity=0)
    if gone:
        Profile.objects.using(alias).all().delete()
        User.objects.using(alias).all().delete()
    call_command("loaddata", *files, database=alias, verbosity=0)
    assert [column(n, user.pk, alias) for n in ("email", "first_name")] == ["", ""]
    assert command("--database", alias)[0] == 0
    read = User.objects.using(alias).get(pk=user.pk)
    assert (read.email, read.first_name) == ("ada@example.org", "Ada")
    assert column("email", other.pk, alias) == "bob@example.org"


def test_a_fixture_with_another_value_than_the_copy_loses_none(emptying, tmp_path):
    file = str(tmp_path / "users.json")
    call_command("dumpdata", "auth.User", output=file, verbosity=0)
    Profile.objects.update(encrypted_email="Ada@example.org")
    call_command("loaddata", file, verbosity=0)
    pk = emptying.user_id
    assert (column("email", pk), column("first_name", pk)) == ("ada@example.org", "")
    assert command()[0] == 1


def test_a_fixture_beside_a_copy_that_does_not_open_is_loaded(emptying, tmp_path):
    pk, _ = damaged()
    file = str(tmp_path / "users.json")
    call_command("dumpdata", "auth.User", "--pks", str(emptying.user_id), output=file, verbosity=0)
    text = (tmp_path / "users.json").read_text()
    user = Profile.objects.get(pk=pk).user_id
    (tmp_path / "users.json").write_text(text.replace(f'"pk": {emptying.user_id}', f'"pk": {user}'))
    User.objects.filter(pk=emptying.user_id).update(username="other")
    call_command("loaddata", file, verbosity=0)
    assert column("email", user) == "ada@example.org"


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_fixture_of_children_brings_nothing_back_in_clear(worn_empty, tmp_path, order):
    employee = Employee.objects.create(username="bob", last_name="King")
    Locker.objects.create(owner=employee)
    Badge.objects.create(encrypted_last_name="Nobody")
    labels = ["auth.User", "clinic.Employee", "clinic.Locker", "clinic.Badge"]
    labels = labels[order:] + labels[:order]
    files = [str(tmp_path / f"{label}.json") for label in labels]
    for label, file in zip(labels, files, strict=True):
        call_command("dumpdata", label, output=file, verbosity=0)
    assert "King" in (tmp_path / "auth.User.json").read_text()
    User.objects.all().delete()
    call_command("loaddata", *files, verbosity=0)
    assert column("last_name", employee.pk) == "" and User.objects.get().last_name == "King"


def test_a_save_that_fails_loses_nothing(emptying):
    from django.db import IntegrityError, transaction

    command("--empty-originals")
    User.objects.create_user("taken")
    user = User.objects.get(pk=emptying.user_id)
    user.email, user.username = "new@example.org", "taken"
    with pytest.raises(IntegrityError), transaction.atomic():
        user.save()
    assert user.email == "new@example.org"
    user.username = "free"
    user.save()
    assert User.objects.get(pk=user.pk).email == "new@example.org" and column("email", user.pk) == ""


@pytest.mark.parametrize("refreshed", [False, True])
def test_a_stale_emptied_original_writes_no_old_value_back(emptying, refreshed):
    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    user.email = "new@example.org"
    user.save()
    if refreshed:
        user.refresh_from_db()
    elsewhere = Profile.objects.get()
    elsewhere.encrypted_email = "newer@example.org"
    elsewhere.save()
    user.first_name = "Augusta"
    user.save()
    assert Profile.objects.get().encrypted_email == "newer@example.org"
    assert Profile.objects.get().encrypted_first_name == "Augusta"
    assert column("email", user.pk) == column("first_name", user.pk) == ""
    assert User.objects.get(pk=user.pk).email == "newer@example.org"


def test_an_original_that_is_still_in_clear_moves_and_takes_nothing_back(emptying):
    user = User.objects.get(pk=emptying.user_id)
    elsewhere = Profile.objects.get()
    elsewhere.encrypted_email = "newer@example.org"
    elsewhere.save()
    user.last_name = "King"
    user.save()
    assert Profile.objects.get().encrypted_email == "newer@example.org"
    assert Profile.objects.get().encrypted_first_name == "Ada"
    assert column("email", user.pk) == column("first_name", user.pk) == ""
    assert user.email == "newer@example.org"


def test_an_original_in_clear_without_a_copy_moves_when_it_is_saved(emptying):
    Profile.objects.update(encrypted_email="")
    user = User.objects.get(pk=emptying.user_id)
    user.save()
    assert column("email", user.pk) == "" and Profile.objects.get().encrypted_email == "ada@example.org"


def test_the_same_value_assigned_again_is_no_change(emptying):
    command("--empty-originals")
    user = User.objects.get(pk=emptying.user_id)
    user.email = "new@example.org"
    user.save()
    user.email = ""
    user.save()
    assert User.objects.get(pk=user.pk).email == Profile.objects.get().encrypted_email == ""
    user.email = "again@example.org"
    user.save()
    assert User.objects.get(pk=user.pk).email == "again@example.org"


@pytest.mark.parametrize("mode", ["profile", "emptying"])
def test_a_copy_that_cannot_be_written_leaves_the_original_as_it_was(request, mode):
    from django.db import DataError

    pk = request.getfixturevalue(mode).user_id
    user = User.objects.get(pk=pk)
    user.last_name, user.first_name = "King", "x" * 151
    with pytest.raises(DataError, match="at most 150"):
        user.save()
    assert (column("last_name", pk), column("first_name", pk)) == ("", "Ada")
    assert Profile.objects.get().encrypted_first_name == "Ada"
    user.first_name = "Augusta"
    user.save()
    assert column("last_name", pk) == "King" and Profile.objects.get().encrypted_first_name == "Augusta"


def test_a_new_row_whose_copy_cannot_be_written_is_not_there(profile, monkeypatch):
    from atrest.django.mirror import side

    def fail(*_):
        raise RuntimeError("the other side")

    monkeypatch.setattr(side.Side, "_refresh_cached", fail)
    other = User.objects.create_user("bob")
    with pytest.raises(RuntimeError):
        Profile.objects.create(user=other, encrypted_email="bob@example.org")
    assert not Profile.objects.filter(user=other).exists() and column("email", other.pk) == ""


def kept(alias):
    """A user of that database whose values are in the copies alone, and the row with these."""
    user = User.objects.db_manager(alias).create_user("ada", email="ada@example.org", first_name="Ada")
    Profile(user=user, bio="engines").save(using=alias)
    assert column("email", user.pk, alias) == column("first_name", user.pk, alias) == ""
    return user, Profile.objects.using(alias).get(user=user)


DELETES = {
    "instance": lambda copy, alias: Profile.objects.using(alias).get(pk=copy.pk).delete(),
    "deferred": lambda copy, alias: Profile.objects.using(alias).only("pk").get(pk=copy.pk).delete(),
    "proxy": lambda copy, alias: ProfileProxy.objects.using(alias).get(pk=copy.pk).delete(),
    "queryset": lambda copy, alias: Profile.objects.using(alias).filter(bio="engines").delete(),
    "queryset of a proxy": lambda copy, alias: ProfileProxy.objects.using(alias).all().delete(),
    "child": lambda copy, alias: child_of(copy, alias).delete(),
    "queryset of a child": lambda copy, alias: type(child_of(copy, alias)).objects.using(alias).all().delete(),
}


def child_of(copy, alias):
    LongProfile(profile_ptr=copy, history="long").save_base(raw=True, using=alias)
    return LongProfile.objects.using(alias).get()


@pytest.mark.parametrize("way", DELETES)
def test_a_deleted_profile_gives_the_values_back(emptied, alias, way):
    user, copy = kept(alias)
    seen = User.objects.using(alias).get(pk=user.pk)
    assert (seen.email, seen.profile.pk) == ("ada@example.org", copy.pk)
    # As stored, not as in memory.
    copy.encrypted_email = "never saved"
    DELETES[way](copy, alias)
    assert not Profile.objects.using(alias).exists()
    assert [column(n, user.pk, alias) for n in ("email", "first_name")] == ["ada@example.org", "Ada"]
    assert User.objects.using(alias).get(pk=user.pk).email == "ada@example.org"
    assert command("--database", alias)[0] == 0
    # One that was loaded before takes nothing away again.
    seen.last_name = "King"
    seen.save()
    assert column("email", user.pk, alias) == seen.email == "ada@example.org"
    Profile(user=seen).save(using=alias)
    assert column("email", user.pk, alias) == ""
    assert Profile.objects.using(alias).get().encrypted_email == "ada@example.org"


def test_a_deleted_profile_gives_back_to_the_user_that_hangs_on_it(emptied):
    user, copy = kept("default")
    assert copy.user.email == "ada@example.org"
    copy.delete()
    assert copy.user.email == "ada@example.org"
    copy.user.save()
    assert column("email", user.pk) == "ada@example.org"
    copy.save()
    assert column("email", user.pk) == "" and Profile.objects.get().encrypted_email == "ada@example.org"


def test_a_child_that_is_deleted_alone_leaves_the_copies(emptied):
    user, copy = kept("default")
    child_of(copy, "default").delete(keep_parents=True)
    assert column("email", user.pk) == "" and Profile.objects.get().encrypted_email == "ada@example.org"


def test_what_the_original_has_in_clear_stays_when_the_profile_is_deleted(emptied):
    user, copy = kept("default")
    User.objects.update(email="newer@example.org")
    copy.delete()
    assert [column(n, user.pk) for n in ("email", "first_name")] == ["newer@example.org", "Ada"]


def test_a_delete_that_is_rolled_back_gives_nothing_back(emptied, alias):
    from django.db import transaction

    user, copy = kept(alias)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        copy.delete()
        assert column("email", user.pk, alias) == "ada@example.org"
        raise ZeroDivisionError
    assert column("email", user.pk, alias) == "" and Profile.objects.using(alias).count() == 1


@pytest.mark.parametrize("model", [User, Member, Employee])
@pytest.mark.parametrize("way", ["instance", "queryset", "deferred"])
def test_a_user_that_was_loaded_before_shows_what_was_given_back(emptied, model, way):
    from django.forms import modelform_factory

    pk = kept("default")[0].pk
    hired(User.objects.get(pk=pk))
    loaded, asked, cleared = (model.objects.get(pk=pk) for _ in range(3))
    cleared.email = ""
    DELETES[way](Profile.objects.get(), "default")
    assert not hasattr(asked, "profile")
    for user in (loaded, asked):
        assert (user.email, user.first_name) == ("ada@example.org", "Ada")
    # As a form does: every value assigned as it was shown.
    form = modelform_factory(model, fields=["email", "last_name"])
    form({**form(instance=loaded).initial, "last_name": "King"}, instance=loaded).save()
    assert (column("email", pk), column("last_name", pk), loaded.email) == ("ada@example.org", "King", "ada@example.org")
    # What was assigned counts, and what is deferred is read as ever.
    assert cleared.email == "" and model.objects.only("pk").get(pk=pk).email == "ada@example.org"
    cleared.save()
    assert column("email", pk) == cleared.email == "" and column("first_name", pk) == "Ada"


def test_a_blank_user_without_a_profile_is_asked_for_once(emptied):
    User.objects.create_user("ada")
    user = User.objects.get()
    with queries(2):  # the profile, the user's row
        assert [user.email, user.first_name, user.email, user.get_short_name()] == ["", "", "", ""]
    new = User(username="new")
    with queries(0):
        assert (new.email, new.first_name) == ("", "")


def test_a_blank_user_is_shown_beside_an_event_loop(emptied):
    import asyncio

    User.objects.create_user("ada")
    user = User.objects.select_related("profile").get()

    async def shown():
        return user.email

    assert asyncio.run(shown()) == ""


@pytest.fixture
def before_delete():
    """A function that connects a receiver of the application's own, for the profile's class, to `pre_delete`."""
    from django.db.models.signals import pre_delete

    connected = []

    def connect(receive):
        connected.append(lambda instance, **_: receive(instance))
        pre_delete.connect(connected[-1], sender=Profile)

    yield connect
    for receive in connected:
        pre_delete.disconnect(receive, sender=Profile)


@pytest.mark.parametrize("way", ["instance", "queryset", "user", "users"])
def test_a_profile_that_is_saved_while_it_is_deleted_goes(emptied, before_delete, way):
    user, copy = kept("default")
    before_delete(lambda instance: instance.save())
    if way in DELETES:
        DELETES[way](copy, "default")
        assert [column(n, user.pk) for n in ("email", "first_name")] == ["ada@example.org", "Ada"]
    else:
        (User.objects.get() if way == "user" else User.objects.all()).delete()
        assert not User.objects.exists()
    assert not Profile.objects.exists()


def test_what_is_saved_while_a_profile_is_deleted_is_given_back(emptied, before_delete):
    def new_email(instance):
        instance.encrypted_email = "new@example.org"
        instance.save(update_fields=["encrypted_email"])

    user, copy = kept("default")
    before_delete(new_email)
    copy.delete()
    assert [column(n, user.pk) for n in ("email", "first_name")] == ["new@example.org", "Ada"]


def test_what_is_blanked_while_a_profile_is_deleted_stays_blank(emptied, before_delete):
    def forget(instance):
        instance.user.email = instance.user.first_name = ""
        instance.user.save()

    user, copy = kept("default")
    before_delete(forget)
    Profile.objects.all().delete()
    assert [column(n, user.pk) for n in ("email", "first_name")] == ["", ""]


# Django itself reads every value of a child before it deletes one, and cannot where one does not open.
@pytest.mark.parametrize(
    ("model", "opens"), [(User, True), (Member, True), (Employee, True), (User, False), (Member, False)]
)
@pytest.mark.parametrize("way", ["instance", "queryset"])
def test_a_user_that_is_deleted_takes_the_profile_along_and_writes_nothing(emptied, alias, model, way, opens):
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    user, copy = kept(alias)
    if model is Employee:
        Employee(user_ptr=user, number="7").save_base(raw=True, using=alias)
    if not opens:
        break_copy(copy, alias)
    chosen = model.objects.using(alias)
    with CaptureQueriesContext(connections[alias]) as queries:
        (chosen.get() if way == "instance" else chosen.all()).delete()
    assert not any(q["sql"].startswith("UPDATE") for q in queries)
    assert not User.objects.using(alias).exists() and not Profile.objects.using(alias).exists()


@pytest.mark.parametrize("model", [User, Member])
def test_deleting_users_asks_no_more_for_each(emptied, model):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def asked(number):
        for n in range(number):
            Profile.objects.create(user=User.objects.create_user(f"u{n}", email=f"u{n}@example.org"))
        with CaptureQueriesContext(connection) as queries:
            model.objects.all().delete()
        assert not User.objects.exists() and not Profile.objects.exists()
        return len(queries)

    assert asked(10) == asked(50)


def test_a_profile_that_goes_with_another_user_gives_back_to_its_own(emptied):
    from django.db.models.deletion import Collector

    user, _ = kept("default")
    other = User.objects.create_user("bob")
    for origin in (other, User.objects.filter(pk=other.pk)):
        copy = Profile.objects.get(user=user)
        collector = Collector(using="default", origin=origin)
        collector.collect([copy])
        collector.delete()
        assert [column(n, user.pk) for n in ("email", "first_name")] == ["ada@example.org", "Ada"]
        Profile.objects.create(user_id=user.pk)
        assert column("email", user.pk) == ""


def test_a_parent_that_stays_keeps_what_is_its_own(worn_empty):
    employee = Employee.objects.create(username="bob", number="7", last_name="King")
    Locker.objects.create(owner=employee)
    assert column("last_name", employee.pk) == ""
    Employee.objects.get().delete(keep_parents=True)
    assert column("last_name", employee.pk) == "King" and not Locker.objects.exists()


def break_copy(copy, alias):
    """Nobody's token in the copy of the e-mail address."""
    from django.db import connections

    token = atrest.Field(atrest.Keyring(atrest.generate_key()), "clinic_profile.encrypted_email").seal("x")
    with connections[alias].cursor() as cursor:
        cursor.execute("UPDATE clinic_profile SET encrypted_email = %s WHERE id = %s", [token, copy.pk])


@pytest.mark.parametrize("way", ["instance", "queryset", "move"])
def test_a_profile_whose_copy_does_not_open_stays_and_says_why(emptied, alias, way):
    user, copy = kept(alias)
    break_copy(copy, alias)
    other = User.objects.db_manager(alias).create_user("bob", email="bob@example.org")
    if way == "move":
        copy = Profile.objects.using(alias).get()
        copy.user = other
    work = copy.save if way == "move" else lambda: DELETES[way](copy, alias)
    advice = r"encrypted_email of the row with pk=.*all that there is of auth.User.email.*write the value anew"
    with pytest.raises(atrest.DecryptionError, match=advice) as caught:
        work()
    assert caught.value.pk == copy.pk and caught.value.field == "encrypted_email"
    assert Profile.objects.using(alias).get().user_id == user.pk
    assert [column(n, user.pk, alias) for n in ("email", "first_name")] == ["", ""]
    assert column("email", other.pk, alias) == "bob@example.org"
    # As the error advises.
    copy = Profile.objects.using(alias).get()
    copy.encrypted_email = "new@example.org"
    copy.save()
    copy.delete()
    assert column("email", user.pk, alias) == "new@example.org"


@pytest.mark.parametrize("fields", [None, ["user"], ["user_id"]])
@pytest.mark.parametrize("stale", [False, True])
def test_a_profile_that_is_given_to_another_user_holds_what_is_theirs(emptied, alias, fields, stale):
    user, copy = kept(alias)
    other = User.objects.db_manager(alias).create_user("bob", email="bob@example.org")
    if stale:
        newer = Profile.objects.using(alias).get()
        newer.encrypted_email = "newer@example.org"
        newer.save()
    copy.user = other
    copy.save(update_fields=fields)
    email = "newer@example.org" if stale else "ada@example.org"
    assert [column(n, user.pk, alias) for n in ("email", "first_name")] == [email, "Ada"]
    assert [column(n, other.pk, alias) for n in ("email", "first_name")] == ["", ""]
    for row in (copy, Profile.objects.using(alias).get()):
        assert (row.encrypted_email, row.encrypted_first_name, row.user_id) == ("bob@example.org", "", other.pk)
    read = User.objects.using(alias).get(pk=other.pk)
    assert (read.email, read.first_name) == ("bob@example.org", "")
    copy.save()
    copy.user = User.objects.using(alias).get(pk=user.pk)
    copy.save()
    assert [column("email", u.pk, alias) for u in (user, other)] == ["", "bob@example.org"]
    assert Profile.objects.using(alias).get().encrypted_email == email
    assert command("--database", alias)[0] == 0


@pytest.mark.parametrize("by", ["user", "user_id"])
def test_the_former_user_does_not_show_what_the_new_one_has(emptied, by):
    former, _ = kept("default")
    other = User.objects.create_user("bob", email="bob@example.org")
    former = User.objects.get(pk=former.pk)
    copy = former.profile
    setattr(copy, by, other if by == "user" else other.pk)
    assert former.email == "ada@example.org"
    copy.save()
    # Django leaves the row with the former user.
    assert former.profile is copy and copy.encrypted_email == "bob@example.org"
    assert former.email != "bob@example.org"
    former.save()
    assert [column("email", u.pk) for u in (former, other)] == ["ada@example.org", ""]
    assert former.email == "ada@example.org" and User.objects.get(pk=other.pk).email == "bob@example.org"


def test_the_former_users_save_does_not_reach_the_row_that_hangs_on_it(emptied):
    former = User.objects.get(pk=kept("default")[0].pk)
    copy = former.profile
    copy.user = User.objects.create_user("bob", email="bob@example.org")
    copy.save()
    former.email = "new@example.org"
    former.save()
    assert copy.encrypted_email == Profile.objects.get().encrypted_email == "bob@example.org"
    assert column("email", former.pk) == "new@example.org"


def test_a_profile_that_is_deleted_unsaved_gives_nothing_to_the_user_it_was_meant_for(emptied):
    user, copy = kept("default")
    copy.user = other = User.objects.create_user("bob")
    copy.delete()
    assert other.email == ""
    other.save()
    assert [column("email", u.pk) for u in (user, other)] == ["ada@example.org", ""]


@pytest.mark.parametrize("alias", ["postgres", "mariadb"], indirect=True)
def test_only_a_profile_that_is_given_to_another_user_is_locked(emptied, alias):
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    def locks(save):
        with CaptureQueriesContext(connections[alias]) as queries:
            save(using=alias)
        return sum("FOR UPDATE" in q["sql"] for q in queries)

    _, copy = kept(alias)
    other, third = (User.objects.db_manager(alias).create_user(n) for n in ("bob", "eve"))
    copy.encrypted_email = "new@example.org"
    assert locks(copy.save) == locks(Profile(user=third).save) == 0
    copy.user = other
    assert locks(copy.save) > 0


def test_signals_that_others_send_need_no_transaction(emptied, alias):
    from django.db.models.signals import post_delete, pre_delete, pre_save

    user, copy = kept(alias)
    pre_save.send(Profile, instance=copy, raw=False, using=alias, update_fields=None)
    copy.user = User.objects.db_manager(alias).create_user("bob", email="bob@example.org")
    pre_save.send(Profile, instance=copy, raw=False, using=alias, update_fields=None)
    copy.save()
    assert [column("email", u.pk, alias) for u in (user, copy.user)] == ["ada@example.org", ""]
    for signal in (pre_delete, post_delete):
        signal.send(Profile, instance=copy, using=alias)
    assert column("email", copy.user_id, alias) == "bob@example.org"


def test_a_value_that_is_given_with_another_user_wins_as_in_a_new_profile(emptied):
    user, copy = kept("default")
    other = User.objects.create_user("bob", email="bob@example.org", first_name="Bob")
    copy.user, copy.encrypted_email = other, "robert@example.org"
    copy.save()
    assert column("email", user.pk) == "ada@example.org" and column("email", other.pk) == ""
    read = User.objects.get(pk=other.pk)
    assert (read.email, read.first_name) == ("robert@example.org", "Bob")
    assert Profile.objects.get().encrypted_first_name == "Bob"


def test_a_profile_is_not_given_to_a_user_who_has_one(emptied, alias):
    from django.db import IntegrityError

    user, copy = kept(alias)
    other = User.objects.db_manager(alias).create_user("bob", email="bob@example.org")
    Profile(user=other).save(using=alias)
    copy.user = other
    with pytest.raises(IntegrityError):
        copy.save()
    assert [column("email", u.pk, alias) for u in (user, other)] == ["", ""]
    emails = [User.objects.using(alias).get(pk=u.pk).email for u in (user, other)]
    assert emails == ["ada@example.org", "bob@example.org"]


def test_a_row_that_belongs_to_nobody_takes_and_gives_back(default, monkeypatch):
    monkeypatch.setattr(Badge, "mirrors", {"user.last_name": "encrypted_last_name"}, raising=False)
    modes = in_mode("empty", "last_name", Badge, Nametag, Sash, Locker)
    next(modes)
    ada, bob = (User.objects.create_user(n, last_name=n) for n in ("ada", "bob"))
    badge = Badge.objects.create(encrypted_last_name="Nobody")
    names = lambda: [column("last_name", u.pk) for u in (ada, bob)] + [Badge.objects.get().encrypted_last_name]  # noqa: E731
    seen = []
    for user in (ada, bob, None):
        badge.user = user
        badge.save()
        seen.append(names())
    next(modes, None)
    assert seen == [["", "bob", "ada"], ["ada", "", "bob"], ["ada", "bob", ""]]


@pytest.fixture(params=["keep", "empty"])
def holding(request, default, monkeypatch):
    """In either mode, a mirror that follows a relation of the parent's: a function that makes a user with a row."""
    monkeypatch.setattr(Keyholder, "mirrors", {"user.last_name": "encrypted_last_name"}, raising=False)
    modes = in_mode(request.param, "last_name", Keyholder, Nametag, Sash, Locker)
    next(modes)

    def hold(name):
        user = User.objects.create_user(name, last_name=name)
        Keyholder.objects.create(user=user)
        return User.objects.get(pk=user.pk), Keyholder.objects.get(user=user)

    yield hold
    next(modes, None)


def held(user, name):
    """The user and the copy show this, and the original's column what it should hold."""
    pk = user.pk
    assert User.objects.get(pk=pk).last_name == Keyholder.objects.get(user=pk).encrypted_last_name == name
    assert column("last_name", pk) == ("" if Keyholder.mirrors_originals == "empty" else name)
    assert command("--model", "Keyholder")[0] == 0


def test_a_relation_that_the_model_has_from_its_parent_is_followed(holding):
    user, copy = holding("ada")
    held(user, "ada")
    assert (user.last_name, user.holder.pk, user.last_name) == ("ada", copy.pk, "ada")
    user.last_name = "King"
    user.save()
    assert user.last_name == "King"
    held(user, "King")
    copy = Keyholder.objects.get()
    copy.encrypted_last_name = "Lovelace"
    copy.save()
    held(user, "Lovelace")
    Holder.objects.get().save()
    held(user, "Lovelace")
    user = Member.objects.get()
    user.last_name = ""
    user.save()
    held(user, "")


def test_a_child_of_the_same_parent_has_no_part_in_its_mirror(holding):
    user, copy = holding("ada")
    card = Cardholder(holder_ptr=copy.holder_ptr, encrypted_last_name="on the card")
    card.save_base(raw=True)
    card = Cardholder.objects.get()
    card.encrypted_last_name = "on the new card"
    card.save()
    held(user, "ada")
    assert Cardholder.objects.get().encrypted_last_name == "on the new card"


@pytest.mark.parametrize("model", [Keyholder, Holder])
@pytest.mark.parametrize("queryset", [False, True])
def test_a_row_with_a_parent_gives_back_what_it_had(holding, model, queryset):
    user, _ = holding("ada")
    (model.objects.all() if queryset else model.objects.get()).delete()
    assert not Holder.objects.exists()
    assert column("last_name", user.pk) == User.objects.get().last_name == "ada"


@pytest.mark.parametrize("model", [Keyholder, Holder, Cardholder])
def test_a_row_with_a_parent_is_given_to_another_user(holding, model):
    (user, copy), other = holding("ada"), User.objects.create_user("bob", last_name="bob")
    Cardholder(holder_ptr=copy.holder_ptr, encrypted_last_name="on the card").save_base(raw=True)
    row = model.objects.get()
    row.user = other
    row.save()
    assert Cardholder.objects.get().encrypted_last_name == "on the card"
    if Keyholder.mirrors_originals == "empty":
        held(other, "bob")
    assert column("last_name", user.pk) == User.objects.get(pk=user.pk).last_name == "ada"


@pytest.mark.parametrize("mode", ["keep", "empty"])
def test_a_relation_that_the_user_knows_nothing_of_is_followed(default, monkeypatch, mode):
    monkeypatch.setattr(Pass, "mirrors", {"user.last_name": "encrypted_last_name"}, raising=False)
    modes = in_mode(mode, "last_name", Pass, Nametag, Sash, Locker)
    next(modes)
    user = User.objects.create_user("ada", last_name="ada")
    Pass.objects.create(user=user)
    user = User.objects.get()
    seen = [user.last_name]
    user.last_name = "King"
    user.save()
    seen += [user.last_name, User.objects.get().last_name, Pass.objects.get().encrypted_last_name]
    seen.append(column("last_name", user.pk))
    Pass.objects.all().delete()
    seen += [User.objects.get().last_name, column("last_name", user.pk)]
    next(modes, None)
    assert seen == ["ada", "King", "King", "King", "" if mode == "empty" else "King", "King", "King"]


def test_the_way_back(emptying):
    command("--empty-originals")
    Profile.mirrors_originals = "keep"
    status, text = command("--restore-originals")
    assert status == 0 and "2 values written" in text
    assert (column("email", emptying.user_id), column("first_name", emptying.user_id)) == ("ada@example.org", "Ada")


def damaged(name="encrypted_email"):
    """Nobody's token in one of three profiles' copies, and the row's key."""
    from django.db import connection

    for n in range(2):
        Profile.objects.bulk_create([Profile(user=User.objects.create_user(f"u{n}", email=f"u{n}@example.org"))])
    bad = Profile.objects.get(user__username="u0")
    token = atrest.Field(atrest.Keyring(atrest.generate_key()), f"clinic_profile.{name}").seal("x")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE clinic_profile SET {name} = %s WHERE id = %s", [token, bad.pk])
    return bad.pk, token


def test_a_copy_that_does_not_open_is_named_and_the_others_are_done(profile, stored):
    pk, token = damaged()
    status, text = command()
    assert status == 1 and "1 not copied" in text and "1 copies do not open" in text
    assert f"encrypted_email of {pk}" in text and "verify_fields --field clinic.Profile.encrypted_email" in text
    status, text = command("--fill", "--batch-size", "1")
    assert status == 1 and "1 values written" in text and "1 copies do not open" in text
    assert Profile.objects.get(user__username="u1").encrypted_email == "u1@example.org"
    assert token in stored("default", COPY)


def test_originals_beside_a_copy_that_does_not_open_stay_as_they_are(emptying):
    pk, token = damaged()
    assert command("--fill")[0] == 1
    status, text = command("--empty-originals")
    assert status == 1 and "1 originals are IN CLEAR" in text and "1 copies do not open" in text
    bad = Profile.objects.get(pk=pk)
    assert column("email", bad.user_id) == "u0@example.org"
    assert column("email", emptying.user_id) == ""
    # Written anew it is as any other.
    bad.encrypted_email = "new@example.org"
    bad.save()
    assert command("--empty-originals")[0] == 0
    assert User.objects.get(username="u0").email == "new@example.org"


def test_restoring_passes_over_what_does_not_open(emptying):
    command("--empty-originals")
    Profile.mirrors_originals = "keep"
    pk, _ = damaged()
    User.objects.filter(username="u0").update(email="")
    status, text = command("--restore-originals")
    assert status == 1 and "1 copies do not open" in text
    assert column("email", emptying.user_id) == "ada@example.org"
    assert column("email", Profile.objects.get(pk=pk).user_id) == ""


def test_what_cannot_run_says_so_and_ends_with_2(profile, monkeypatch, tmp_path):
    from django.db import connections
    from django.test import override_settings

    status, text = command("--database", "nosuch")
    assert status == 2 and "DATABASES has no 'nosuch'" in text
    with override_settings(ATREST={"KEYS": "env:NOT_SET_ANYWHERE"}):
        status, text = command()
    assert status == 2 and "NOT_SET_ANYWHERE" in text
    monkeypatch.setattr(Profile, "mirrors", {"email": "encrypted_email"})
    status, text = command()
    assert status == 2 and "relation.field" in text
    monkeypatch.undo()
    monkeypatch.setitem(connections["sqlite"].settings_dict, "NAME", f"{tmp_path}/none/none.db")
    connections["sqlite"].close()
    status, text = command("--database", "sqlite")
    connections["sqlite"].close()
    assert status == 2 and "'sqlite'" in text and "unable to open" in text

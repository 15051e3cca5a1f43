"""Mirrors after a save that was rolled back: the next one writes what the instance holds, as in clear."""

import copy
import pickle
import unittest

import pytest
from clinic.models import Employee, Locker, Member, Nametag, Profile, Sash
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.signals import post_save
from django.test import TestCase
from test_mirror import column, in_mode

OLD, NEW, OTHER = "old@example.org", "new@example.org", "other@example.org"


class Away(Exception):
    pass


@pytest.fixture(params=["keep", "empty"])
def mode(request):
    yield from in_mode(request.param, "email first_name", Profile)


@pytest.fixture
def using(alias, mode):
    return alias


def made(using, profile=True):
    user = User.objects.using(using).create(username="ada", email=OLD, first_name="Ada")
    if profile:
        Profile.objects.using(using).create(user=user)
    return User.objects.using(using).get()


def in_step(using, email):
    """Both sides show this, and the original's column what it should hold."""
    user, profile = User.objects.using(using).get(), Profile.objects.using(using).get()
    assert (user.email, profile.encrypted_email) == (email, email)
    assert (user.first_name, profile.encrypted_first_name) == ("Ada", "Ada")
    assert column("email", user.pk, using) == ("" if Profile.mirrors_originals == "empty" else email)


def rolled_back(using, *saves):
    with pytest.raises(Away), transaction.atomic(using):
        for save in saves:
            save()
        raise Away


@pytest.mark.parametrize("profile", [True, False])
def test_the_originals_save_is_repeated(using, profile):
    user = made(using, profile)
    user.email = NEW
    for _ in range(2):
        rolled_back(using, user.save)
        assert user.email == NEW and User.objects.using(using).get().email == OLD
    user.save()
    assert user.email == User.objects.using(using).get().email == NEW
    if profile:
        in_step(using, NEW)


def test_the_copys_save_is_repeated(using):
    made(using)
    profile = Profile.objects.using(using).select_related("user").get()
    profile.encrypted_email = NEW
    rolled_back(using, profile.save)
    profile.save()
    in_step(using, NEW)
    assert profile.encrypted_email == profile.user.email == NEW


@pytest.mark.parametrize("remade", [True, False])
def test_new_rows_are_repeated(using, remade):
    user = User(username="ada", email=NEW, first_name="Ada")
    profile = Profile()

    def save():
        user.save(using=using)
        if remade:
            Profile.objects.using(using).create(user=user)
        else:
            profile.user = user
            profile.save(using=using)

    rolled_back(using, save)
    assert (user.email, user.first_name) == (NEW, "Ada")
    with transaction.atomic(using):
        save()
        in_step(using, NEW)
    in_step(using, NEW)
    assert user.email == NEW


def test_a_new_copy_that_is_repeated_takes_what_the_original_has_by_then(using):
    user = made(using, profile=False)
    profile = Profile(user_id=user.pk)
    rolled_back(using, lambda: profile.save(using=using))
    user.email = OTHER
    user.save()
    profile.save(using=using)
    in_step(using, OTHER)


def test_a_new_copys_own_value_is_repeated(using):
    user = made(using, profile=False)
    profile = Profile(user_id=user.pk, encrypted_email=NEW)
    rolled_back(using, lambda: profile.save(using=using))
    profile.save(using=using)
    in_step(using, NEW)


@pytest.mark.parametrize("side", ["original", "copy"])
def test_clearing_is_repeated(using, side):
    user = made(using)
    instance, name = (user, "email") if side == "original" else (user.profile, "encrypted_email")
    setattr(instance, name, "")
    rolled_back(using, instance.save)
    assert getattr(instance, name) == ""
    instance.save()
    in_step(using, "")


def test_a_nested_block_is_repeated(using):
    user = made(using)
    with transaction.atomic(using):
        user.email = OTHER
        user.save()
        in_step(using, OTHER)
        user.email = NEW
        rolled_back(using, user.save)
        assert user.email == NEW
        in_step(using, OTHER)
        user.save()
        in_step(using, NEW)
    in_step(using, NEW)


def test_the_block_around_nested_ones_is_repeated(using):
    user = made(using)

    def saves():
        for email in (OTHER, "", NEW):
            with transaction.atomic(using):
                user.email = email
                user.save()
        user.save()

    rolled_back(using, saves)
    assert user.email == NEW
    user.save()
    in_step(using, NEW)


def test_the_last_of_two_values_is_repeated(using):
    user = made(using)

    def saves():
        for email in (OTHER, ""):
            user.email = email
            user.save()

    rolled_back(using, saves)
    user.save()
    in_step(using, "")


def test_what_is_assigned_after_the_rollback_is_written(using):
    user = made(using)
    user.email = OTHER
    rolled_back(using, user.save)
    user.email = NEW
    user.save()
    in_step(using, NEW)
    user.email = OTHER
    rolled_back(using, user.save)
    user.email = ""
    user.save()
    in_step(using, "")


@pytest.mark.parametrize("around", [True, False])
def test_a_receiver_raises(using, around):
    user = made(using)
    raising = [True]

    def receive(**_):
        if raising:
            raise Away

    post_save.connect(receive, sender=User)
    try:
        user.email = NEW
        with transaction.atomic(using) if around else transaction.atomic("default"):
            with pytest.raises(Away):
                user.save()
            assert user.email == NEW
            in_step(using, OLD)
            raising.clear()
            user.save()
    finally:
        post_save.disconnect(receive, sender=User)
    in_step(using, NEW)


def test_a_receiver_saves_again(using):
    user = made(using)

    def receive(instance, created, **_):
        if instance.last_name != "King":
            instance.last_name = "King"
            instance.save()

    post_save.connect(receive, sender=User)
    try:
        user.email = NEW
        rolled_back(using, user.save)
        user.save()
    finally:
        post_save.disconnect(receive, sender=User)
    in_step(using, NEW)


def test_a_committed_save_is_not_repeated(using):
    user = made(using)
    with transaction.atomic(using):
        user.email = NEW
        user.save()
    later = User.objects.using(using).get()
    later.email = OLD
    later.save()
    user.save()
    in_step(using, OLD)
    later.email = ""
    later.save()
    rolled_back(using, user.save)
    user.save()
    in_step(using, "")


def test_a_stale_instance_writes_nothing_back_in_the_same_block(using):
    user = made(using)
    with transaction.atomic(using):
        user.email = NEW
        user.save()
        later = User.objects.using(using).get()
        later.email = OLD
        later.save()
        with transaction.atomic(using):
            user.save()
        in_step(using, OLD)
    user.save()
    in_step(using, OLD)


def test_a_stale_value_that_was_taken_is_no_change(using):
    stale = made(using)
    stale.last_name = "King"
    user = User.objects.using(using).get()
    user.email = NEW
    user.save()
    rolled_back(using, stale.save)
    user.email = OTHER
    user.save()
    stale.save()
    in_step(using, OTHER)


def test_a_save_that_the_database_refuses_takes_no_value_for_a_change(using):
    stale = made(using)
    User.objects.using(using).create(username="bob")
    user = User.objects.using(using).get(username="ada")
    user.email = NEW
    user.save()
    stale.username = "bob"
    with pytest.raises(Exception, match="(?i)unique|duplicate"):
        stale.save()
    user.email = OTHER
    user.save()
    stale.username = "ada"
    stale.save()
    User.objects.using(using).get(username="bob").delete()
    in_step(using, OTHER)


def test_what_is_read_anew_after_the_rollback_is_no_change(using):
    user = made(using)
    user.email = NEW
    rolled_back(using, user.save)
    user.refresh_from_db()
    assert user.email == OLD
    later = User.objects.using(using).get()
    later.email = OTHER
    later.save()
    user.save()
    in_step(using, OTHER)


def test_what_hangs_on_the_instance_goes_back(using):
    user = made(using)
    profile = user.profile
    user.email = NEW
    rolled_back(using, user.save)
    profile.save()
    in_step(using, OLD)
    user.save()
    in_step(using, NEW)


def test_a_copied_and_a_pickled_instance(using):
    user = made(using)
    user.email = NEW
    with transaction.atomic(using):
        user.save()
        pickled = pickle.dumps(user)
    assert pickle.loads(pickled).email == NEW
    pickle.loads(pickled).save()
    user.email = OTHER
    copies = []
    rolled_back(using, user.save, lambda: copies.append(copy.deepcopy(user)))
    assert copies[0].email == OTHER
    copies[0].save()
    in_step(using, OTHER)


def test_a_value_in_clear_that_moved_is_there_again(alias):
    user = made(alias)
    modes = in_mode("empty", "email first_name", Profile)
    next(modes)
    Profile.objects.using(alias).update(encrypted_email="")
    user = User.objects.using(alias).get()
    rolled_back(alias, user.save)
    assert user.email == OLD
    user.save()
    in_step(alias, OLD)
    next(modes, None)


def test_a_bulk_create_after_the_rollback_has_the_value(using):
    user = User(username="ada", email=NEW)
    rolled_back(using, lambda: user.save(using=using), lambda: Profile.objects.using(using).create(user=user))
    User.objects.using(using).bulk_create([user])
    assert column("email", user.pk, using) == NEW


def test_only_a_change_waits_for_the_commit(using):
    user = made(using)
    connection = transaction.get_connection(using)
    with transaction.atomic(using):
        user.save()
        user.save(update_fields=["last_login"])
        assert connection.run_on_commit == []
        for email in (NEW, OTHER, NEW):
            user.email = email
            user.save()
        assert len(connection.run_on_commit) == 1
        for email in (OTHER, NEW, OTHER):
            with transaction.atomic(using):
                user.email = email
                user.save()
        assert len(user.__dict__["_atrest_undo"]) <= 2
    in_step(using, OTHER)


def test_within_a_test_case(using):
    class Repeated(TestCase):
        databases = {using}

        @classmethod
        def setUpTestData(cls):
            cls.user = made(using)
            cls.user.email = OTHER
            cls.user.save()

        def test_repeated(self):
            assert self.user.email == OTHER
            in_step(using, OTHER)
            self.user.email = NEW
            rolled_back(using, self.user.save)
            in_step(using, OTHER)
            self.user.save()
            in_step(using, NEW)
            with self.captureOnCommitCallbacks(using=using, execute=True):
                self.user.email = ""
                self.user.save()
            in_step(using, "")

        def test_stale(self):
            later = User.objects.using(using).get()
            later.email = OLD
            later.save()
            self.user.save()
            in_step(using, OLD)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Repeated).run(result)
    assert result.testsRun == 2 and not [*result.errors, *result.failures], [*result.errors, *result.failures]


@pytest.mark.parametrize("empties", ["keep", "empty"])
def test_a_field_that_several_models_mirror(alias, empties):
    modes = in_mode(empties, "last_name", Nametag, Sash, Locker)
    next(modes)
    try:
        user = User.objects.using(alias).create(username="ada", last_name=OLD)
        for model in (Nametag, Sash):
            model.objects.using(alias).create(user=user)
        user = User.objects.using(alias).get()
        user.last_name = NEW
        rolled_back(alias, user.save)
        assert user.last_name == NEW
        user.save()
        assert {m.objects.using(alias).get().encrypted_last_name for m in (Nametag, Sash)} == {NEW}
        assert user.last_name == User.objects.using(alias).get().last_name == NEW
        assert column("last_name", user.pk, alias) == (NEW if empties == "keep" else "")
    finally:
        next(modes, None)


@pytest.mark.parametrize("model", [Member, Employee])
def test_a_proxys_and_a_childs_save_is_repeated(using, model):
    user = model(username="ada", email=NEW, first_name="Ada")

    def save():
        user.save(using=using)
        Profile.objects.using(using).create(user=User.objects.using(using).get())

    rolled_back(using, save)
    save()
    in_step(using, NEW)
    user.email = OTHER
    rolled_back(using, user.save)
    user.save()
    in_step(using, OTHER)


def test_a_profile_is_given_to_another_user_again(using):
    if Profile.mirrors_originals == "keep":
        pytest.skip("values move with the copies only where these are all that there is")
    made(using)
    bob = User.objects.using(using).create(username="bob", email=OTHER, first_name="Bob")
    profile = Profile.objects.using(using).get()
    profile.user = bob
    rolled_back(using, profile.save)
    ada = User.objects.using(using).get(username="ada")
    ada.email = NEW
    ada.save()
    profile.save()
    ada, bob = (User.objects.using(using).get(username=name) for name in ("ada", "bob"))
    copied = Profile.objects.using(using).get()
    assert (ada.email, ada.first_name) == (NEW, "Ada")
    assert copied.user_id == bob.pk and copied.encrypted_email == bob.email


def test_a_delete_that_is_rolled_back_takes_nothing_for_a_change(using):
    user = made(using)
    rolled_back(using, user.profile.delete)
    later = User.objects.using(using).get()
    later.email = NEW
    later.save()
    user.save()
    in_step(using, NEW)


def test_a_rolled_back_row_does_not_keep_the_repeated_one_in_clear(using):
    """The same instances, once more, and both sides hold what was assigned in between."""
    user, profile = User(username="ada", email=OLD, first_name="Ada"), Profile()

    def save():
        user.save(using=using)
        profile.user = user
        profile.save(using=using)

    rolled_back(using, save)
    user.email = NEW
    save()
    in_step(using, NEW)


def test_without_autocommit(using):
    connection = transaction.get_connection(using)
    user = made(using)
    user.email = NEW
    connection.set_autocommit(False)
    try:
        user.save()
        connection.rollback()
        user.save()
        connection.commit()
    finally:
        connection.set_autocommit(True)
    in_step(using, NEW)


@pytest.mark.parametrize("first", ["reads", "saves", "raises"])
def test_callbacks_from_before_the_save_find_it_committed(using, first):
    """Django takes all callbacks off its list before it runs the first of them."""
    user = made(using)
    seen = []

    def callback():
        if first == "raises":
            raise Away
        if first == "saves":
            user.last_name = "Lovelace"
            user.save()
        seen.append(user.email)

    try:
        with transaction.atomic(using):
            transaction.on_commit(callback, using=using)
            user.email = NEW
            user.save()
    except Away:
        pass
    assert seen == ([] if first == "raises" else [NEW])
    assert user.email == NEW
    in_step(using, NEW)
    User.objects.using(using).get().profile.delete()
    Profile.objects.using(using).create(user=User.objects.using(using).get())
    # What somebody else has written since is not written over.
    other = User.objects.using(using).get()
    other.email = OTHER
    other.save()
    user.save()
    in_step(using, OTHER)

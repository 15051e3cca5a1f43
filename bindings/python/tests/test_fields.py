"""A policy joined to its keys."""

import os
import pickle

import pytest

import atrest

POLICY = """
[keys]
primary = "file:atrest.key"
previous = ["env:OLD_KEY"]
[database]
url = "sqlite:app.db"
[[column]]
table = "people"
name = "email"
[[column]]
table = "people"
name = "extras"
context = "old.extras"
bind = "row"
suite = "a256cbc-hs512"
"""


@pytest.fixture
def folder(tmp_path, key):
    (tmp_path / "atrest.toml").write_text(POLICY)
    write_key(tmp_path, key)
    return tmp_path


def write_key(folder, key):
    new = folder / "new.key"
    new.write_text(key)
    new.chmod(0o600)
    os.replace(new, folder / "atrest.key")


def test_a_file_and_a_text_are_the_same(folder, key):
    environment = {"OLD_KEY": atrest.generate_key()}
    loaded = atrest.Fields.load(folder / "atrest.toml", environment=environment)
    parsed = atrest.Fields.parse(POLICY, directory=folder, environment=environment)
    for fields in (loaded, parsed):
        assert fields.columns == ["people.email", "people.extras"]
        assert fields.keyring.ids == [atrest.key_id(key), atrest.key_id(environment["OLD_KEY"])]
        extras = fields["people.extras"]
        assert (extras.context, extras.bind, extras.suite) == ("old.extras", "row", "a256cbc-hs512")
        assert "people.email" in fields and "people.mail" not in fields
        assert fields["people.email"] is fields["people.email"]
    token = loaded["people.email"].seal("ada")
    assert parsed["people.email"].open(token) == "ada"
    assert atrest.Field(atrest.Keyring(key), "people.email").open(token) == "ada"


def test_a_name_that_is_near(folder):
    fields = atrest.Fields.load(folder / "atrest.toml", environment={"OLD_KEY": atrest.generate_key()})
    with pytest.raises(atrest.PolicyError, match="people.email"):
        fields["people.emial"]


def test_mistakes_name_their_line(folder):
    with pytest.raises(atrest.PolicyError, match=r"<policy>.*2"):
        atrest.Fields.parse('[keys]\nprimry = "env:K"\n')
    with pytest.raises(atrest.PolicyError, match="nowhere.toml"):
        atrest.Fields.load(folder / "nowhere.toml")
    with pytest.raises(atrest.KeySourceError, match="OLD_KEY is not set"):
        atrest.Fields.load(folder / "atrest.toml", environment={})


def test_a_new_key_file_is_seen_and_taken_up(folder, key):
    environment = {"OLD_KEY": atrest.generate_key()}
    fields = atrest.Fields.load(folder / "atrest.toml", environment=environment)
    token = fields["people.email"].seal("ada")
    assert not fields.changed()
    new = atrest.generate_key()
    write_key(folder, new)
    assert fields.changed()
    again = fields.reload()
    assert again.keyring.primary_id == atrest.key_id(new)
    assert not again.changed()
    assert fields["people.email"].open(token) == "ada"
    with pytest.raises(atrest.KeyNotFound):
        again["people.email"].open(token)


def test_a_changed_variable_is_seen_and_others_are_not(folder, key):
    environment = {"OLD_KEY": atrest.generate_key(), "LANG": "C"}
    fields = atrest.Fields.load(folder / "atrest.toml", environment=environment)
    environment["LANG"] = "de_AT"
    assert not fields.changed()
    environment["OLD_KEY"] = atrest.generate_key()
    assert fields.changed()
    assert fields.reload().keyring.ids[1] == atrest.key_id(environment["OLD_KEY"])


def test_a_broken_key_leaves_the_old_one_in_force(folder):
    fields = atrest.Fields.load(folder / "atrest.toml", environment={"OLD_KEY": atrest.generate_key()})
    write_key(folder, "half a k")
    for _ in range(2):
        assert fields.changed()
        with pytest.raises(atrest.KeySourceError, match="atrest.key"):
            fields.reload()
    assert fields["people.email"].open(fields["people.email"].seal("ada")) == "ada"


def test_a_column_of_subjects_asks_for_its_subject(folder):
    policy = POLICY.replace('name = "email"', 'name = "email"\nsubject = "id"').replace(
        'primary = "file:atrest.key"', 'keyring = "a.keyring"\nroot = "file:atrest.key"'
    )
    with pytest.raises(atrest.KeySourceError, match="a.keyring"):
        atrest.Fields.parse(policy, directory=folder, environment={"OLD_KEY": atrest.generate_key()})


def test_fields_are_not_pickled(folder):
    fields = atrest.Fields.load(folder / "atrest.toml", environment={"OLD_KEY": atrest.generate_key()})
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(fields)

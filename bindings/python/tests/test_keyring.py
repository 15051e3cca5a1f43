"""Keys: read from where they are, and shown nowhere."""

import base64
import copy
import os
import pickle

import pytest

import atrest


def test_a_key_in_every_spelling(key):
    raw = base64.urlsafe_b64decode(key)
    for spelling in (key, key.encode(), raw.hex(), base64.b64encode(raw), f"  {key}\n", f"b'{key}'"):
        assert atrest.key_id(spelling) == atrest.key_id(key)


@pytest.mark.parametrize("bad", ["", "abc", b"\xff" * 44, "tiger" * 9, "\ud800", os.urandom(32)])
def test_a_malformed_key_is_refused_and_not_shown(bad):
    for use in (atrest.key_id, atrest.Keyring, atrest.Fernet):
        with pytest.raises((atrest.KeySourceError, TypeError)) as raised:
            use(bad)
        assert "tiger" not in str(raised.value)


def test_a_key_that_is_no_utf_8_is_malformed():
    """As `os.environ` gives bytes that are not."""
    with pytest.raises(atrest.KeySourceError, match="a key"):
        atrest.Keyring("se\udce4cret")


@pytest.mark.parametrize("make", [atrest.Keyring, atrest.Fernet, atrest.key_id, lambda given: atrest.Keyring("k" * 43, given)])
@pytest.mark.parametrize("given", [None, 5, ["c2VjcmV0"]])
def test_what_is_no_key_at_all_is_named_and_not_shown(make, given):
    with pytest.raises(TypeError, match=rf"str or bytes.* not {type(given).__name__}: None is what a variable") as error:
        make(given)
    assert "c2V" not in str(error.value) and "KeyText" not in str(error.value)


def test_generated_keys_are_fernets():
    from cryptography.fernet import Fernet

    keys = {atrest.generate_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert len(key) == 44
        Fernet(key)


def test_ids_and_representation(key):
    other = atrest.generate_key()
    keyring = atrest.Keyring(key, other.encode())
    assert keyring.ids == [atrest.key_id(key), atrest.key_id(other)]
    assert keyring.primary_id == atrest.key_id(key)
    for shown in (repr(keyring), str(keyring), repr(vars(atrest))):
        assert key not in shown and other not in shown
    assert keyring.primary_id in repr(keyring)


def test_one_key_twice_is_refused(key):
    with pytest.raises(atrest.KeySourceError, match="twice"):
        atrest.Keyring(key, key)


def test_copies_share_and_pickles_are_refused(keyring):
    assert copy.copy(keyring) is keyring and copy.deepcopy({"k": keyring})["k"] is keyring
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(keyring, protocol)


def test_sources(tmp_path, key):
    new = atrest.generate_key()
    (tmp_path / "old.key").write_text(f"# the old one\n{key}\n")
    (tmp_path / "old.key").chmod(0o600)
    keyring = atrest.Keyring.from_source(
        "env:NEW", ["file:old.key"], environment={"NEW": new}, directory=tmp_path
    )
    assert keyring.ids == [atrest.key_id(new), atrest.key_id(key)]
    one = atrest.Keyring.from_source("env:NEW", "file:old.key", environment={"NEW": new}, directory=tmp_path)
    assert one.ids == keyring.ids
    (tmp_path / "old.key").chmod(0o644)
    with pytest.raises(atrest.KeySourceError, match="old.key"):
        atrest.Keyring.from_source("file:old.key", directory=tmp_path)
    atrest.Keyring.from_source("file:old.key", directory=tmp_path, allow_readable_files=True)
    with pytest.raises(atrest.KeySourceError, match="NEW is not set"):
        atrest.Keyring.from_source("env:NEW", environment={})


def test_the_process_environment_is_the_default(monkeypatch, key):
    monkeypatch.setenv("ATREST_TEST_KEY", key)
    # What is not Unicode is somebody else's.
    monkeypatch.setitem(os.environ, "ATREST_TEST_NOISE", "\udcff")
    assert atrest.Keyring.from_source("env:ATREST_TEST_KEY").primary_id == atrest.key_id(key)

"""Against the second implementation of the formats, spec/atrest_spec.py, both ways."""

import importlib.util
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atrest

KEYS = [atrest.generate_key() for _ in range(2)]
SUITES = ("xaes-256-gcm", "a256cbc-hs512", "fernet")


@pytest.fixture(scope="module")
def spec(repository):
    at = importlib.util.spec_from_file_location("atrest_spec", repository / "spec/atrest_spec.py")
    module = importlib.util.module_from_spec(at)
    sys.modules[at.name] = module
    at.loader.exec_module(module)
    return module


def raw(key):
    import base64

    return base64.urlsafe_b64decode(key)


@pytest.mark.parametrize("suite", SUITES)
@given(data=st.data())
def test_both_ways(spec, suite, data):
    value = data.draw(st.text(st.characters(exclude_categories=["Cs"])) | st.binary())
    form, clear = ("text", value.encode()) if isinstance(value, str) else ("bytes", value)
    keys = [raw(key) for key in KEYS]
    field = atrest.Field(atrest.Keyring(*KEYS), "people.email", suite=suite)
    context = ["people.email"]
    if suite != "fernet":  # which binds to nothing
        row = data.draw(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3))
        field = atrest.Field(atrest.Keyring(*KEYS), "people.email", suite=suite, bind="row").row(*row)
        context += row

    token = field.seal(value)
    stored = token.encode() if form == "text" else token
    answer = spec.read(form, keys, context, stored)
    assert answer["stored"] == "sealed" and answer["key"] == field.inspect(token).key_id
    assert spec.base64.b64decode(answer["value"]) == clear

    # The second key seals: ours opens with any.
    theirs = spec.seal(suite, form, keys[1:], context, clear)
    theirs = theirs.decode() if form == "text" else theirs
    assert field.open(theirs) == value
    assert field.inspect(theirs).key_id == atrest.key_id(KEYS[1])


@given(clear=st.binary(max_size=100), name=st.binary(max_size=20))
def test_objects_both_ways(spec, clear, name):
    keyring, keys = atrest.Keyring(*KEYS), [raw(key) for key in KEYS]
    assert atrest.open_object_bytes(spec.object_seal(keys[0], name, clear), keyring, id=name) == clear
    sealed = atrest.seal_object(clear, keyring, id=name)
    assert spec.object_open(keys, name, sealed) == (keys[0], clear)

"""The drop-in against the original and its specification."""

import datetime
import json
import pickle
import time

import cryptography.fernet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import atrest

KEY = atrest.Fernet.generate_key()
OURS, THEIRS = atrest.Fernet(KEY), cryptography.fernet.Fernet(KEY)


def vectors(repository, name):
    folder = repository / "crates/atrest-core/tests/data"
    found = json.loads((folder / f"fernet_{name}.json").read_text())
    for vector in found:
        vector["now"] = int(datetime.datetime.fromisoformat(vector["now"]).timestamp())
    return found


def test_spec_generate(repository):
    (vector,) = vectors(repository, "generate")
    token = atrest.Fernet(vector["secret"]).encrypt_at_time(vector["src"].encode(), vector["now"])
    # The IV is ours; the version and the time are the vector's.
    assert token[:12] == vector["token"].encode()[:12]
    assert atrest.Fernet(vector["secret"]).decrypt(vector["token"]) == vector["src"].encode()


def test_spec_verify(repository):
    (vector,) = vectors(repository, "verify")
    fernet = atrest.Fernet(vector["secret"])
    for token in (vector["token"], vector["token"].encode()):
        clear = fernet.decrypt_at_time(token, vector["ttl_sec"], vector["now"])
        assert clear == vector["src"].encode()


def test_spec_invalid(repository):
    found = vectors(repository, "invalid")
    assert len(found) == 8
    for vector in found:
        fernet = atrest.Fernet(vector["secret"])
        with pytest.raises(atrest.InvalidToken):
            fernet.decrypt_at_time(vector["token"], vector["ttl_sec"], vector["now"])


@given(data=st.binary(max_size=300), when=st.integers(0, 2**36 - 1))
def test_both_ways_against_pyca(data, when):
    assert THEIRS.decrypt(OURS.encrypt(data)) == data
    assert OURS.decrypt(THEIRS.encrypt(data)) == data
    ours, theirs = OURS.encrypt_at_time(data, when), THEIRS.encrypt_at_time(data, when)
    assert THEIRS.extract_timestamp(ours) == OURS.extract_timestamp(theirs) == when
    for token, reader in ((ours, THEIRS), (theirs, OURS), (theirs.decode(), OURS)):
        assert reader.decrypt_at_time(token, 10, when + 10) == data
    for now in (when + 11, when - 61):
        if now < 0:
            continue
        with pytest.raises(cryptography.fernet.InvalidToken):
            THEIRS.decrypt_at_time(ours, 10, now)
        with pytest.raises(atrest.InvalidToken):
            OURS.decrypt_at_time(theirs, 10, now)


@given(token=st.binary(max_size=200) | st.text(max_size=200))
def test_what_is_no_token(token):
    with pytest.raises(atrest.InvalidToken):
        OURS.decrypt(token)


def test_every_byte_of_a_token_counts():
    token = OURS.encrypt(b"eyes of")
    for at in range(len(token)):
        changed = bytearray(token)
        changed[at] ^= 1
        with pytest.raises(atrest.InvalidToken):
            OURS.decrypt(bytes(changed))


def test_a_token_of_ours_is_no_fernet_token():
    for sealed in (atrest.Field(atrest.Keyring(KEY), "").seal("x"), atrest.Field(atrest.Keyring(KEY), "").seal(b"x")):
        with pytest.raises(atrest.InvalidToken):
            OURS.decrypt(sealed)


def test_lists():
    data = [b"", b"one", b"\xff" * 5000] * 2000
    assert [THEIRS.decrypt(token) for token in OURS.encrypt_many(data[:30])] == data[:30]
    tokens = OURS.encrypt_many(data)
    assert OURS.decrypt_many(tokens) == data
    tokens[7] = "no token"
    with pytest.raises(atrest.InvalidToken):
        OURS.decrypt_many(tokens)


def test_ttl_on_the_real_clock():
    old = THEIRS.encrypt_at_time(b"x", int(time.time()) - 100)
    assert OURS.decrypt(old) == OURS.decrypt(old, ttl=200) == b"x"
    with pytest.raises(atrest.InvalidToken, match="older"):
        OURS.decrypt(old, ttl=50)


def test_multi_rotates_as_pyca_does():
    keys = [cryptography.fernet.Fernet.generate_key() for _ in range(3)]
    ours = atrest.MultiFernet([atrest.Fernet(key) for key in keys])
    theirs = cryptography.fernet.MultiFernet([cryptography.fernet.Fernet(key) for key in keys])
    old = cryptography.fernet.Fernet(keys[2]).encrypt_at_time(b"x", 1000)
    for token in (ours.rotate(old), theirs.rotate(old)):
        assert cryptography.fernet.Fernet(keys[0]).decrypt(token) == b"x"
        assert theirs.extract_timestamp(token) == 1000
        assert token != old
    assert theirs.decrypt(ours.encrypt(b"y")) == ours.decrypt(theirs.encrypt(b"y")) == b"y"
    with pytest.raises(atrest.InvalidToken):
        ours.rotate(cryptography.fernet.Fernet(cryptography.fernet.Fernet.generate_key()).encrypt(b"x"))


def test_arguments():
    with pytest.raises(ValueError):
        atrest.MultiFernet([])
    with pytest.raises(TypeError):
        atrest.MultiFernet([KEY])
    twice = atrest.MultiFernet([OURS, OURS])
    assert twice.decrypt(OURS.encrypt(b"x")) == b"x"
    for wrong in ("text", None, 5):
        with pytest.raises(TypeError):
            OURS.encrypt(wrong)
    with pytest.raises(ValueError):
        atrest.Fernet("short")
    with pytest.raises((OverflowError, ValueError)):
        OURS.encrypt_at_time(b"x", -1)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(OURS)
    assert KEY.decode() not in repr(OURS)

    class Mine(atrest.Fernet):
        pass

    assert Mine(KEY).decrypt(OURS.encrypt(b"x")) == b"x"


def subclass(module, method):
    """With an argument of its own. pyca's Fernet takes its key as it is initialized, ours as it is made."""

    def __init__(self, key, more):
        super(made, self).__init__(key)

    def __new__(cls, key, more):
        return super(made, cls).__new__(cls, key)

    made = type("Mine", (module.Fernet,), {method: locals()[method]})
    return made


#: docs/python.md, "In place of pyca's Fernet": what each does.
DIFFERENCES = {
    "backend": (lambda m: m.Fernet(KEY, backend=None).encrypt(b""), None, TypeError),
    "MultiFernet of pyca's": (lambda m: m.MultiFernet([THEIRS]).encrypt(b""), None, TypeError),
    "ttl a float": (lambda m: m.Fernet(KEY).decrypt(THEIRS.encrypt(b""), ttl=60.5), None, TypeError),
    "ttl negative": (lambda m: m.Fernet(KEY).decrypt(THEIRS.encrypt(b""), ttl=-1), cryptography.fernet.InvalidToken, OverflowError),
    "ttl none": (lambda m: m.Fernet(KEY).decrypt_at_time(THEIRS.encrypt(b""), None, 5), ValueError, TypeError),
    "white space": (lambda m: m.Fernet(KEY).decrypt(THEIRS.encrypt(b"") + b"\n"), None, atrest.InvalidToken),
    "not ASCII": (lambda m: m.Fernet(KEY).decrypt("é"), ValueError, atrest.InvalidToken),
    "bytearray": (lambda m: m.Fernet(KEY).encrypt(bytearray(b"")), TypeError, None),
    "bytearray token": (lambda m: m.Fernet(KEY).decrypt(bytearray(THEIRS.encrypt(b""))), TypeError, None),
    "memoryview token": (lambda m: m.Fernet(KEY).extract_timestamp(memoryview(THEIRS.encrypt(b""))), TypeError, None),
    "key without padding": (lambda m: m.Fernet(KEY.rstrip(b"=")), ValueError, None),
    "__init__ of its own": (lambda m: subclass(m, "__init__")(KEY, "more"), None, TypeError),
    "__new__ of its own": (lambda m: subclass(m, "__new__")(KEY, "more").decrypt(THEIRS.encrypt(b"")), TypeError, None),
    "hexadecimal key": (lambda m: m.Fernet("00" * 32), ValueError, None),
    "no key": (lambda m: m.Fernet(b"aa"), ValueError, atrest.KeySourceError),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_are_as_documented(name):
    what, theirs, ours = DIFFERENCES[name]
    for module, error in ((cryptography.fernet, theirs), (atrest, ours)):
        if error is None:
            what(module)
        else:
            with pytest.raises(error):
                what(module)

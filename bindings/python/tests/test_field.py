"""One column's values: what goes in comes out, and nothing else does."""

import copy
import pickle
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atrest

KEYRING = atrest.Keyring(atrest.generate_key(), atrest.generate_key())
FIELDS = [
    atrest.Field(KEYRING, "people.email", suite=suite)
    for suite in ("xaes-256-gcm", "a256cbc-hs512", "fernet")
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(value=TEXT | st.binary() | st.none())
def test_what_goes_in_comes_out(value):
    for field in FIELDS:
        token = field.seal(value)
        assert field.open(token) == value
        assert type(token) is type(value) is type(field.open(token))
        assert field.read(token) == (value, value is not None)


@given(values=st.lists(TEXT | st.binary() | st.none()))
def test_many_are_as_one_at_a_time(values):
    for field in FIELDS:
        tokens = field.seal_many(values)
        assert [field.open(token) for token in tokens] == values
        assert field.open_many([field.seal(value) for value in values]) == values
        assert field.read_many(tokens) == [(v, v is not None) for v in values]


def test_long_lists_keep_their_order(field):
    values = [(None, f"value {n}", f"value {n}".encode())[n % 3] for n in range(20_000)]
    # Some that fill a block alone, and a share of one.
    values[5000:5003] = ["x" * 300_000, b"y" * 1_000_000, "z" * 200_000]
    tokens = field.seal_many(iter(values))
    assert [field.open(token) for token in tokens] == values
    assert field.open_many(token for token in tokens) == values
    assert field.read_many(tuple(tokens)) == [(v, v is not None) for v in values]
    for number in (17, 5000, 12_346, 19_999):
        damaged = [*tokens[:number], field.seal("ada")[:-1], *tokens[number + 1 :]]
        with pytest.raises(atrest.DecryptionError) as raised:
            field.open_many(damaged)
        assert raised.value.index == number
        opened = field.open_many(damaged, errors="return")
        assert opened.pop(number).index == number
        assert opened == values[:number] + values[number + 1 :]


def test_a_long_list_that_breaks_off(field):
    def values():
        yield from ["x"] * 9_000
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        field.seal_many(values())
    with pytest.raises(TypeError, match="people.email"):
        field.seal_many(["x"] * 9_000 + [5])
    assert field.open_many(field.seal_many(["x"] * 9_000)) == ["x"] * 9_000


@given(value=TEXT | st.binary())
def test_inspection_agrees_with_read(value):
    for field in FIELDS:
        kind = field.inspect(value).kind
        if kind == "plaintext":
            assert field.read(value) == (value, False)
        else:
            with pytest.raises(atrest.DecryptionError):
                field.read(value)


def test_shapes_of_bytes_are_bytes(field):
    for value in (b"\xff\x00", bytearray(b"\xff\x00"), memoryview(b"\xff.\x00.")[::2]):
        token = field.seal(value)
        assert type(token) is bytes
        for stored in (token, bytearray(token), memoryview(token)):
            assert field.open(stored) == b"\xff\x00"


def test_a_subclass_of_str_is_text(field):
    class Safe(str):
        pass

    assert field.open(Safe(field.seal(Safe("ada")))) == "ada"


def test_no_two_tokens_are_alike(field):
    tokens = field.seal_many(["same"] * 1000) + [field.seal("same") for _ in range(1000)]
    assert len(set(tokens)) == 2000


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 10_000_000])
def test_long_values(field, size):
    for value in ("ä" * (size // 2), b"\xff" * size):
        token = field.seal(value)
        assert field.open(token) == value
        assert field.read(token) == (value, True)
        assert field.open_many(field.seal_many([value, None, value])) == [value, None, value]
        assert field.inspect(token).kind == "sealed"
        with pytest.raises(atrest.DecryptionError):
            field.open(token[:-5])


def test_clear_values_do_not_open(field):
    for clear in ("ada@example.org", "", b"", b"\x01\x01", "ar1.", "gAAAAA"):
        with pytest.raises(atrest.DecryptionError, match="people.email"):
            field.open(clear)


def test_what_looks_sealed_and_does_not_open_is_no_value(field):
    token = field.seal("ada")
    for damaged in (token[:-4], token[:30], token[:-1] + ("A" if token[-1] != "A" else "Q")):
        with pytest.raises(atrest.DecryptionError):
            field.read(damaged)
        assert field.inspect(damaged).kind == "undecryptable"


def test_text_that_is_none_stays_unread(keyring):
    field = atrest.Field(keyring, "people.email", suite="fernet")
    # Fernet has no forms: bytes that another program sealed stand in a text column.
    token = field.seal(b"\xff").decode()
    for read in (field.open, field.read, lambda token: field.open_many([token])):
        with pytest.raises(atrest.DecryptionError, match="not UTF-8"):
            read(token)
    # Advice that the caller can follow (tests/django/test_damage.py does).
    with pytest.raises(atrest.DecryptionError, match="Engine.inspect.*reveal=True"):
        field.open(token)
    assert field.open(token.encode()) == b"\xff"


def test_another_column_and_another_key_do_not_open(key, keyring):
    token = atrest.Field(keyring, "people.email").seal("ada")
    with pytest.raises(atrest.DecryptionError) as foreign:
        atrest.Field(keyring, "people.phone").open(token)
    assert not isinstance(foreign.value, atrest.KeyNotFound)
    other = atrest.Keyring(atrest.generate_key())
    with pytest.raises(atrest.KeyNotFound) as lacking:
        atrest.Field(other, "people.email").open(token)
    assert lacking.value.key_id == atrest.key_id(key)
    both = atrest.Keyring(atrest.generate_key(), key)
    assert atrest.Field(both, "people.email").open(token) == "ada"


def test_rows(keyring):
    field = atrest.Field(keyring, "people.extras", bind="row")
    with pytest.raises(atrest.PolicyError, match="primary key"):
        field.seal("x")
    token = field.row("17").seal("x")
    assert field.row(17).open(token) == "x"
    for named in (IntEnum("Row", {"OF_ADA": 17}).OF_ADA, type("Named", (int,), {"__str__": lambda _: "ada"})(17)):
        assert field.row(named).open(token) == "x", "a row's key is a number's digits"
    for other in (field.row(18), field.row("1", "7")):
        with pytest.raises(atrest.DecryptionError):
            other.open(token)
    with pytest.raises(atrest.PolicyError, match="primary key"):
        field.row(*[])
    with pytest.raises(TypeError):
        field.row(17.0)
    with pytest.raises(TypeError):
        field.row(True)
    with pytest.raises(atrest.PolicyError):
        atrest.Field(keyring, "people.email").row(17)


def test_errors_in_the_list(field):
    tokens = field.seal_many(["a", "b", "c"])
    tokens[1] = "not one"
    with pytest.raises(atrest.DecryptionError) as raised:
        field.open_many(tokens)
    assert raised.value.index == 1
    a, error, c = field.open_many(tokens, errors="return")
    assert (a, c) == ("a", "c") and isinstance(error, atrest.DecryptionError)
    assert field.read_many(tokens)[1] == ("not one", False)
    with pytest.raises(ValueError):
        field.open_many(tokens, errors="ignore")


def test_what_is_no_text_is_none_beside_others(keyring):
    """Two values that are text only where they lie one behind the other."""
    field = atrest.Field(keyring, "people.email", suite="fernet")
    halves = [field.seal(half).decode() for half in (b"\xc3", b"\xa4")]
    whole = field.seal("ä")
    for tokens in (halves, [whole, *halves, whole], [whole, halves[0], whole, field.seal(b"\xff")]):
        for token, value in zip(tokens, field.open_many(tokens, errors="return"), strict=True):
            if token in halves:
                assert isinstance(value, atrest.DecryptionError) and "UTF-8" in str(value)
            else:
                assert value == field.open(token)


def test_what_is_no_value(field):
    for wrong in (5, 1.5, ["x"], object()):
        for use in (field.seal, field.open, field.read, field.inspect):
            with pytest.raises(TypeError, match="people.email"):
                use(wrong)
        with pytest.raises(TypeError, match="people.email") as raised:
            field.seal_many(["x", wrong])
        assert raised.value.index == 1


def test_what_is_no_value_in_a_list(field):
    """It stands in its place like a token that does not open; the others go on."""
    token = field.seal("ada")
    for count in (3, 5000):
        stored = [token] * count
        stored[1], stored[2], stored[-1] = 5, "secret \ud800", token[:-1]
        for many, good in ((field.open_many, "ada"), (field.read_many, ("ada", True))):
            with pytest.raises(TypeError, match="people.email") as raised:
                many(stored)
            assert raised.value.index == 1
            with pytest.raises(atrest.DecryptionError) as raised:
                many([token, *stored[2:]])
            assert raised.value.index == 1
            values = many(stored, errors="return")
            assert len(values) == count and values[0] == good and set(values[3:-1]) <= {good}
            assert [type(value) for value in values[1:3]] == [TypeError, atrest.DecryptionError]
            assert [value.index for value in values[1:3]] == [1, 2] and "secret" not in repr(values[2])
            if count > 3:
                assert values[-1].index == count - 1
    # What the list itself raises is nobody's value.
    with pytest.raises(KeyError):
        field.open_many((token for _ in [1] if {}["x"]), errors="return")


def test_what_is_no_value_in_a_list_of_fernets(key):
    fernet = atrest.Fernet(key)
    for many in (fernet.encrypt_many, fernet.decrypt_many):
        with pytest.raises(TypeError) as raised:
            many([fernet.encrypt(b"x"), 5])
        assert raised.value.index == 1


def test_lone_surrogates_are_refused_without_being_shown(field):
    for use, error in (
        (field.seal, atrest.EncryptionError),
        (field.open, atrest.DecryptionError),
        (field.read, atrest.DecryptionError),
    ):
        with pytest.raises(error, match="surrogate") as raised:
            use("secret \ud800")
        assert raised.value.__cause__ is None and raised.value.__context__ is None
        assert "secret" not in repr(raised.value)


def test_errors_show_no_value(field):
    for stored in ("tiger@example.org", field.seal("tiger@example.org")[:-9]):
        with pytest.raises(atrest.DecryptionError) as raised:
            field.open(stored)
        assert "tiger" not in str(raised.value) and stored not in str(raised.value)


def test_arguments(keyring):
    with pytest.raises(ValueError, match="xaes-256-gcm"):
        atrest.Field(keyring, "a.b", suite="rot13")
    with pytest.raises(ValueError, match="column"):
        atrest.Field(keyring, "a.b", bind="table")
    field = atrest.Field(keyring, "old.name", id="new.name")
    assert (field.id, field.context) == ("new.name", "old.name")
    assert (field.suite, field.bind) == ("xaes-256-gcm", "column")


def test_copies_share_and_pickles_are_refused(field):
    assert copy.copy(field) is field and copy.deepcopy(field) is field
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(field, protocol)


def test_fernet_binds_to_no_row(keyring):
    with pytest.raises(ValueError, match="binds to nothing"):
        atrest.Field(keyring, "people.email", suite="fernet", bind="row")

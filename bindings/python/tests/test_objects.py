"""Objects as files of Python's."""

import gc
import io
import os
import random

import pytest

import atrest

CHUNK = 16_384


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 7])
def test_any_part_of_an_object(tmp_path, keyring, length):
    clear = random.Random(length).randbytes(length)
    path = tmp_path / "clip"
    with atrest.create_object(path, keyring, id="gate/1") as writer:
        for start in range(0, length, 5000):
            assert writer.write(clear[start : start + 5000]) == len(clear[start : start + 5000])
    assert atrest.open_object_bytes(path.read_bytes(), keyring, id=b"gate/1") == clear
    with atrest.open_object(path, keyring, id="gate/1") as reader:
        assert isinstance(reader, io.RawIOBase) and reader.seekable() and reader.readable()
        assert len(reader) == length
        assert reader.readall() == clear
        for _ in range(50):
            start, count = random.randrange(length + 1), random.randrange(3 * CHUNK)
            assert reader.seek(start) == reader.tell() == start
            read = reader.read(count)
            assert read == clear[start : start + len(read)]
        assert reader.seek(-min(3, length), os.SEEK_END) == length - min(3, length)
        assert reader.read() == clear[length - min(3, length) :]
        assert not reader.writable()
    with pytest.raises(ValueError):
        reader.read(1)


def test_files_of_pythons(keyring):
    clear = os.urandom(100_000)
    target = io.BytesIO()
    with atrest.create_object(target, keyring) as writer:
        writer.write(memoryview(clear))
    assert io.BufferedReader(atrest.open_object(io.BytesIO(target.getvalue()), keyring)).read() == clear
    assert target.getvalue()[:6] == b"ATREST"


def test_a_file_is_whole_or_not_there(tmp_path, keyring):
    path = tmp_path / "clip"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError):
        with atrest.create_object(path, keyring) as writer:
            writer.write(b"x" * 100_000)
            raise RuntimeError
    assert path.read_bytes() == b"before"
    writer = atrest.create_object(path, keyring)
    writer.write(b"x" * 100_000)
    del writer
    gc.collect()
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["clip"]
    writer = atrest.create_object(path, keyring)
    writer.close()
    writer.close()
    assert atrest.open_object_bytes(path.read_bytes(), keyring) == b""
    with pytest.raises(ValueError):
        writer.write(b"x")
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_what_wraps_an_object_does_not_make_it_whole(tmp_path, keyring):
    path = tmp_path / "clip"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError):
        with atrest.create_object(path, keyring) as raw, io.BufferedWriter(raw) as writer:
            writer.write(b"x" * 100_000)
            raise RuntimeError
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["clip"]
    try:
        raise RuntimeError
    except RuntimeError:  # handled before the `with`: it says nothing about the object
        with atrest.create_object(path, keyring) as raw, io.BufferedWriter(raw) as writer:
            writer.write(b"x")
    assert atrest.open_object_bytes(path.read_bytes(), keyring) == b"x"
    with atrest.create_object(path, keyring) as raw:
        raw.write(b"y")
        try:
            raise RuntimeError
        except RuntimeError:
            raw.close()
    assert atrest.open_object_bytes(path.read_bytes(), keyring) == b"y"
    with atrest.create_object(path, keyring) as raw:
        raw.close()
        assert atrest.open_object_bytes(path.read_bytes(), keyring) == b""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_a_closed_reader_lets_go_of_its_file(tmp_path, keyring):
    (tmp_path / "clip").write_bytes(atrest.seal_object(b"x", keyring))
    before = len(os.listdir("/proc/self/fd"))
    readers = [atrest.open_object(tmp_path / "clip", keyring) for _ in range(5)]
    assert len(os.listdir("/proc/self/fd")) == before + 5
    for reader in readers:
        reader.close()
        reader.close()
    assert len(os.listdir("/proc/self/fd")) == before


def _umask():
    now = os.umask(0)
    os.umask(now)
    return now


def test_what_does_not_open(tmp_path, keyring):
    sealed = atrest.seal_object(b"x" * 40_000, keyring, id=b"here")
    with pytest.raises(atrest.DecryptionError):
        atrest.open_object_bytes(sealed, keyring, id=b"there")
    with pytest.raises(atrest.KeyNotFound) as lacking:
        atrest.open_object_bytes(sealed, atrest.Keyring(atrest.generate_key()), id=b"here")
    assert lacking.value.key_id == keyring.primary_id
    for damaged in (sealed[:-1], sealed + b"x", sealed[:60], b"", b"clear"):
        with pytest.raises(atrest.DecryptionError):
            atrest.open_object(io.BytesIO(damaged), keyring, id=b"here").readall()
    damaged = bytearray(sealed)
    damaged[-100] ^= 1
    reader = atrest.open_object(io.BytesIO(damaged), keyring, id=b"here")
    assert reader.read(10) == b"x" * 10
    with pytest.raises(atrest.DecryptionError, match="chunk 2"):
        reader.readall()


def test_errors_of_files_are_their_own(tmp_path, keyring):
    with pytest.raises(FileNotFoundError):
        atrest.open_object(tmp_path / "nowhere", keyring)
    with pytest.raises(FileNotFoundError):
        atrest.create_object(tmp_path / "nowhere" / "clip", keyring)
    with pytest.raises(TypeError):
        atrest.open_object(5, keyring)

    class Failing(io.BytesIO):
        def write(self, data):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        atrest.create_object(Failing(), keyring)

    class Nothing(io.RawIOBase):
        def write(self, data):
            return None

    with pytest.raises(BlockingIOError, match="give one that blocks"):
        atrest.create_object(Nothing(), keyring)

    class TooMuch(io.BytesIO):
        def write(self, data):
            return len(data) + 1

    with pytest.raises(OSError, match="more bytes than it was given"):
        atrest.create_object(TooMuch(), keyring)

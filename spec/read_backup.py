#!/usr/bin/env python3
"""Reads a backup file of spec/backup.md, on atrest_spec.py and pyca/cryptography.

    python3 read_backup.py FILE < KEYS

KEYS is one key per line in base64url. Every row comes out as one line of JSON:
{"target": ..., "pass": ..., "key": [...], "kind": ..., "value": base64 or null}.
The values are what the column held before the change: clear text after `encrypt`.
Of several lines for one row the one of the highest pass counts. The exit status is 1
when the file is damaged, or was not closed: what came out before that is proven, and
something may be missing behind it.
"""

import base64
import json
import struct
import sys

from atrest_spec import AESGCM, InvalidTag, key_id, subkey, xaes_subkey

KINDS = {0: "null", 1: "text", 2: "bytes", 3: "number"}


class Damaged(Exception):
    """The file, or a frame of it, is not what atrest wrote."""


class Unfinished(Exception):
    """Nobody closed the file: where it ends, more may have been."""


def read_backup(data: bytes, keys):
    """Yields (target, pass, row key, kind, value) for each row; raises Damaged, and
    Unfinished at the end of a file that was not closed.

    A last frame that is not whole ends such a file: a crash left it, and its rows
    had not been changed yet.
    """
    header, mark = data[:48], data[48:96]
    if (len(data) < 96 or header[:8] != b"ATRESTBK" or header[8:10] != b"\x01\x01"
            or header[14:16] != b"\0\0"):
        raise Damaged("not a version 1 atrest backup")
    key = next((k for k in keys if key_id(k) == header[10:14]), None)
    if key is None:
        raise Damaged(f"written under key {header[10:14].hex()}, which is not given")
    file_key = subkey(key, "backup", 32)
    closed = mark != bytes(48)
    if closed:
        if unseal(file_key, mark[8:32], mark[32:], header + b"closed" + mark[:8]) is None:
            raise Damaged("its mark does not authenticate")
        if int.from_bytes(mark[:8], "big") != len(data):
            raise Damaged(f"closed at byte {int.from_bytes(mark[:8], 'big')}, "
                          f"and {len(data)} bytes long now")
    at, number = 96, 0
    while at + 28 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        if at + 28 + length > len(data):
            break  # torn
        nonce, sealed = data[at + 4:at + 28], data[at + 28:at + 28 + length]
        content = unseal(file_key, nonce, sealed, header + struct.pack(">Q", number))
        if content is None:
            raise Damaged(f"frame {number} at byte {at} does not authenticate")
        yield from read_page(Cursor(content))
        at, number = at + 28 + length, number + 1
    if closed and at != len(data):
        raise Damaged(f"frame {number} at byte {at} does not end where the file does")
    if not closed:
        raise Unfinished(f"not closed: a crash ended it, or it is being written; {at} of "
                         f"{len(data)} bytes are whole frames, more may have been there")


def unseal(key: bytes, nonce: bytes, sealed: bytes, additional: bytes):
    """XAES-256-GCM; None when it does not open."""
    try:
        return AESGCM(xaes_subkey(key, nonce[:12])).decrypt(nonce[12:], sealed, additional)
    except InvalidTag:
        return None


class Cursor:
    """Takes a frame's content apart from the front."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        if n > len(self.data) - self.at:
            raise Damaged("a frame's content ends too early")
        self.at += n
        return self.data[self.at - n:self.at]

    def bytes(self) -> bytes:
        return self.take(int.from_bytes(self.take(8), "big"))


def read_page(c: Cursor):
    version = c.take(1)
    if version not in (b"\x01", b"\x02"):
        raise Damaged("a frame of a later version")
    token = "token of " if version == b"\x02" else ""  # under its subject's key
    number = int.from_bytes(c.take(4), "big")
    target = c.bytes().decode()
    while c.at < len(c.data):
        key = [read_part(c) for _ in range(c.take(1)[0])]
        kind = c.take(1)[0]
        if kind not in KINDS:
            raise Damaged("a value of a later version")
        yield target, number, key, token + KINDS[kind], None if kind == 0 else c.bytes()


def read_part(c: Cursor):
    kind = c.take(1)[0]
    if kind == 0:
        return int.from_bytes(c.take(16), "big", signed=True)
    if kind == 1:
        return c.bytes().decode()
    if kind == 2:
        return c.bytes()
    if kind == 3:
        return struct.unpack(">d", c.take(8))[0]
    raise Damaged("a key of a later version")


def main() -> None:
    keys = [base64.urlsafe_b64decode(line.strip()) for line in sys.stdin if line.strip()]
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    try:
        for target, number, key, kind, value in read_backup(data, keys):
            key = [part.hex() if isinstance(part, bytes) else part for part in key]
            value = None if value is None else base64.b64encode(value).decode()
            print(json.dumps({"target": target, "pass": number, "key": key,
                              "kind": kind, "value": value}))
    except (Damaged, Unfinished) as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Reads a keyring of spec/keyring.md, on atrest_spec.py and pyca/cryptography.

    python3 read_keyring.py FILE < ROOT
    python3 read_keyring.py FILE SHARE SHARE ... < /dev/null

ROOT is the root key in base64url; SHARE is the text of a recovery share. Every key comes
out as one line of JSON: {"id": ..., "purpose": ..., "state": ..., "created": ...,
"key": base64url or null}; then every forgotten subject, as the file has it. The exit
status is 1 when the file is not a keyring, is damaged, or does not open.
"""

import base64
import hashlib
import hmac
import json
import re
import sys

from atrest_spec import canonical, encode_context, key_id, subkey, unwrap_key

STATES = {"active", "decrypt-only", "destroyed"}
PURPOSES = {"data", "subjects", "index"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Refused(Exception):
    pass


def unwrap(wrapped: bytes, wrapping_key: bytes, context) -> bytes:
    """The key that formats.md, "Wrapped key", says."""
    key = unwrap_key(wrapping_key, wrapped, encode_context(context))
    if key is None:
        raise Refused("a wrapped key does not open")
    return key


def members(line: str, wanted: set, optional=frozenset()) -> dict:
    def once(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refused("a member stands twice")
        return dict(pairs)
    try:
        value = json.loads(line, object_pairs_hook=once)
    except json.JSONDecodeError:
        raise Refused("a line is not JSON") from None
    if not isinstance(value, dict) or not wanted - optional <= set(value) <= wanted:
        raise Refused("a line has other members")
    return value


def b64(text: str) -> bytes:
    data = canonical(text.encode(), padded=False)
    if data is None:
        raise Refused("not base64url")
    return data


def from_shares(texts) -> bytes:
    """The keyring key."""
    points = {}
    sets = set()
    for text in texts:
        text = "".join(text.split()).lower()
        parts = text.split(".")
        if len(parts) != 9 or parts[:2] != ["atrest-share", "1"]:
            raise Refused("not a share")
        body = text[:-len(parts[8])]
        if hashlib.sha256(body.encode()).hexdigest()[:8] != parts[8]:
            raise Refused("a share is damaged")
        sets.add(tuple(parts[2:6]))
        points[int(parts[6])] = bytes.fromhex(parts[7])
    if len(sets) != 1:
        raise Refused("shares of several sets")
    (name, _, k, _), = sets
    if len(points) < int(k):
        raise Refused("too few shares")
    key = bytes(interpolate({x: y[i] for x, y in points.items()}) for i in range(32))
    if key_id(key).hex() != name:
        raise Refused("the shares do not fit")
    return key


def times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11b if a & 0x80 else 0)
        b >>= 1
    return product


def inverse(a: int) -> int:
    return next(b for b in range(1, 256) if times(a, b) == 1)


def interpolate(points: dict) -> int:
    """The polynomial's value at 0; subtraction is XOR."""
    total = 0
    for x, y in points.items():
        for other in points:
            if other != x:
                y = times(y, times(other, inverse(other ^ x)))
        total ^= y
    return total


def read_keyring(text: str, root=None, shares=()):
    first = text.split("\n", 1)[0]
    try:
        head = json.loads(first)
    except json.JSONDecodeError:
        head = None
    if not isinstance(head, dict) or head.get("atrest") != "keyring":
        raise Refused("not a keyring")
    if head.get("version") != 1:
        raise Refused(f"a keyring of version {head.get('version')}")
    if not text.endswith("\n"):
        raise Refused("cut")
    lines = text[:-1].split("\n")
    header = members(lines[0], {"atrest", "version", "generation", "written", "root"})
    if shares:
        keyring_key = from_shares(shares)
    else:
        keyring_key = unwrap(b64(header["root"]["wrapped"]), root, ["atrest/keyring"])
    signed = text[:-len(lines[-1]) - 1]
    mac = hmac.new(subkey(keyring_key, "keyring", 32), signed.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(mac, members(lines[-1], {"mac"})["mac"]):
        raise Refused("the MAC is wrong")
    for line in lines[1:-1]:
        if line.startswith('{"forgotten"'):
            yield members(line, {"forgotten", "keys", "at"})
            continue
        key = members(line, {"id", "created", "state", "purpose", "wrapped", "changed"},
                      optional={"wrapped"})
        if key["state"] not in STATES or key["purpose"] not in PURPOSES \
                or not TIME.fullmatch(key["created"]) \
                or ("wrapped" in key) == (key["state"] == "destroyed"):
            raise Refused("a key line is wrong")
        secret = None
        if "wrapped" in key:
            context = ["atrest/keyring", key["purpose"], key["created"]]
            secret = unwrap(b64(key["wrapped"]), keyring_key, context)
            if key_id(secret).hex() != key["id"]:
                raise Refused("a key has another id")
        yield {"id": key["id"], "purpose": key["purpose"], "state": key["state"],
               "created": key["created"],
               "key": secret and base64.urlsafe_b64encode(secret).decode()}


def main() -> None:
    shares = sys.argv[2:]
    root = None if shares else base64.urlsafe_b64decode(sys.stdin.readline().strip())
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        text = file.read()
    try:
        for line in list(read_keyring(text, root, shares)):
            print(json.dumps(line))
    except (Refused, KeyError, TypeError, ValueError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()

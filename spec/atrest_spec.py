#!/usr/bin/env python3
"""The formats of spec/formats.md, a second time, on pyca/cryptography alone.

This is a reference, not a product: it is written to be read beside the document,
and the tests of atrest-core run it against the Rust implementation both ways.
It needs Python 3.9 or later and `pip install cryptography`.

Command line: one JSON request per line on standard input, one JSON answer per
line on standard output.

    {"op": "seal", "suite": S, "form": F, "keys": [K, ...], "context": [C, ...], "value": V}
        -> {"value": V}
    {"op": "read", "form": F, "keys": [K, ...], "context": [C, ...], "value": V}
        -> {"stored": "sealed", "suite": S, "key": I, "value": V}
         | {"stored": "plaintext", "value": V}
         | {"stored": "undecryptable", "suite": S or null, "key": I or null, "key_known": bool}
    {"op": "open", ...as read}
        -> {"suite": S, "key": I, "value": V} | {"error": "..."}

    {"op": "object_seal", "keys": [K, ...], "id": V, "value": V}
        -> {"value": V}
    {"op": "object_open", "keys": [K, ...], "id": V, "value": V}
        -> {"key": I, "value": V} | {"error": "..."}

S is a suite's name; F is "text" or "bytes"; K is a key in base64url, the first one
the primary; C is the logical id, then the row's key values; I is a key id in hex;
V is base64 of bytes: the clear value, or what is stored; an object's logical id.
"""

import base64
import binascii
import hmac
import json
import os
import re
import sys
import time

try:
    from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
    from cryptography.exceptions import InvalidTag
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet
    from cryptography.hazmat.primitives import hashes, padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hmac import HMAC
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
except ImportError as error:
    sys.exit(f"atrest_spec.py needs the Python package `cryptography` 50 or later ({error}); "
             f"install it with: {sys.executable} -m pip install cryptography")

VERSION = 0x01
CODES = {"xaes-256-gcm": 0x01, "a256cbc-hs512": 0x02}
SUITES = {code: name for name, code in CODES.items()}
B64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# Keys -------------------------------------------------------------------------

def subkey(key: bytes, label: str, length: int) -> bytes:
    """HKDF-Expand-SHA-256(key, "atrest/v1/" label, length)"""
    info = b"atrest/v1/" + label.encode()
    return HKDFExpand(algorithm=hashes.SHA256(), length=length, info=info).derive(key)


def key_id(key: bytes) -> bytes:
    return subkey(key, "key-id", 4)


def journal_mac(key: bytes, name: str, body: str) -> str:
    """The text that authenticates one journal record."""
    mac = HMAC(subkey(key, "journal", 32), hashes.SHA256())
    mac.update(len(name.encode()).to_bytes(4, "big") + name.encode() + body.encode())
    return mac.finalize().hex()


# Text -------------------------------------------------------------------------

def b64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def canonical(text: bytes, padded: bool):
    """The bytes that canonical base64url spells; None for any other text."""
    if not re.fullmatch(rb"[A-Za-z0-9_-]*={0,2}", text):
        return None
    try:
        data = base64.urlsafe_b64decode(text.rstrip(b"=") + b"==")
    except binascii.Error:
        return None
    spelled = base64.urlsafe_b64encode(data) if padded else b64url(data)
    return data if spelled == text else None


# Context and header -----------------------------------------------------------

def encode_context(parts) -> bytes:
    """Each part: its length as 4 bytes big-endian, then the bytes."""
    parts = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def header(suite: str, key: bytes) -> bytes:
    return bytes([VERSION, CODES[suite]]) + key_id(key)


def look(form: str, stored: bytes):
    """(suite or None, key id or None) when it looks like ours, else None."""
    if form == "bytes":
        if len(stored) >= 6 and stored[0] == VERSION and stored[1] in SUITES:
            return SUITES[stored[1]], stored[2:6]
        return None
    if not stored.startswith(b"ar1."):
        return None
    shown = stored[4:12]
    if any(c not in B64URL for c in shown):
        return None
    if len(shown) == 8:
        return look("bytes", base64.urlsafe_b64decode(shown))
    # Which suites could a longer text that starts like this still have?
    bits = "".join(f"{B64URL.index(c):06b}" for c in shown)[:16]
    possible = [name for name, code in CODES.items()
                if f"{VERSION:08b}{code:08b}".startswith(bits)]
    if not possible:
        return None
    return (possible[0] if len(possible) == 1 else None), None


# xaes-256-gcm -----------------------------------------------------------------

def xaes_subkey(key: bytes, prefix: bytes) -> bytes:
    """c2sp.org/XAES-256-GCM: the AES-256-GCM key that 12 nonce bytes lead to."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # single blocks
    top = int.from_bytes(encryptor.update(bytes(16)), "big")
    k1 = ((top << 1) & (2**128 - 1)) ^ (0x87 if top >> 127 else 0)
    derived = b""
    for counter in (1, 2):
        block = bytes([0, counter]) + b"X\0" + prefix
        derived += encryptor.update((int.from_bytes(block, "big") ^ k1).to_bytes(16, "big"))
    return derived


def xaes_seal(key: bytes, head: bytes, context: bytes, plaintext: bytes, nonce=None) -> bytes:
    nonce = nonce or os.urandom(24)
    aes = AESGCM(xaes_subkey(subkey(key, "field/xaes-256-gcm", 32), nonce[:12]))
    return head + nonce + aes.encrypt(nonce[12:], plaintext, head + context)


def xaes_open(key: bytes, token: bytes, context: bytes):
    if len(token) < 6 + 24 + 16:
        return None
    head, nonce, body = token[:6], token[6:30], token[30:]
    aes = AESGCM(xaes_subkey(subkey(key, "field/xaes-256-gcm", 32), nonce[:12]))
    try:
        return aes.decrypt(nonce[12:], body, head + context)
    except InvalidTag:
        return None


def unwrap_key(key: bytes, wrapped: bytes, context: bytes):
    """The key wrapped under `key` for a place; None when it does not open."""
    head, nonce, body = wrapped[:5], wrapped[5:29], wrapped[29:]
    if len(wrapped) != 77 or head != bytes([VERSION]) + key_id(key):
        return None
    aes = AESGCM(xaes_subkey(subkey(key, "key-wrap", 32), nonce[:12]))
    try:
        return aes.decrypt(nonce[12:], body, head + context)
    except InvalidTag:
        return None


def unwrap_token_key(token_key: bytes, wrapped: bytes, context: bytes):
    """The key wrapped in a PKCS#11 token under `token_key` for a place; None when it
    does not open."""
    if len(wrapped) != 61 or wrapped[0] != 2:
        return None
    try:
        return AESGCM(token_key).decrypt(wrapped[1:13], wrapped[13:], wrapped[:1] + context)
    except InvalidTag:
        return None


# a256cbc-hs512 ----------------------------------------------------------------

def cbc_tag(mac_key: bytes, aad: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    mac = HMAC(mac_key, hashes.SHA512())
    mac.update(aad + iv + ciphertext + (8 * len(aad)).to_bytes(8, "big"))
    return mac.finalize()[:32]


def cbc_seal(key: bytes, head: bytes, context: bytes, plaintext: bytes, iv=None) -> bytes:
    iv = iv or os.urandom(16)
    both = subkey(key, "field/a256cbc-hs512", 64)
    mac_key, enc_key = both[:32], both[32:]
    pad = padding.PKCS7(128).padder()
    padded = pad.update(plaintext) + pad.finalize()
    encryptor = Cipher(algorithms.AES(enc_key), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    return head + iv + ciphertext + cbc_tag(mac_key, head + context, iv, ciphertext)


def cbc_open(key: bytes, token: bytes, context: bytes):
    if len(token) < 6 + 16 + 16 + 32 or (len(token) - 54) % 16:
        return None
    head, iv, ciphertext, tag = token[:6], token[6:22], token[22:-32], token[-32:]
    both = subkey(key, "field/a256cbc-hs512", 64)
    mac_key, enc_key = both[:32], both[32:]
    if not hmac.compare_digest(tag, cbc_tag(mac_key, head + context, iv, ciphertext)):
        return None
    decryptor = Cipher(algorithms.AES(enc_key), modes.CBC(iv)).decryptor()
    unpad = padding.PKCS7(128).unpadder()
    try:
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return unpad.update(padded) + unpad.finalize()
    except ValueError:
        return None


# fernet -----------------------------------------------------------------------

FERNETS = {}  # building one costs more than using it


def fernet(key: bytes) -> Fernet:
    if key not in FERNETS:
        FERNETS[key] = Fernet(base64.urlsafe_b64encode(key))
    return FERNETS[key]


def fernet_open(keys, stored: bytes):
    """(key, clear value) or None."""
    if canonical(stored, padded=True) is None:  # pyca's reader is more lenient
        return None
    try:
        plaintext = MultiFernet([fernet(key) for key in keys]).decrypt(stored)
    except InvalidToken:
        return None
    for key in keys:  # MultiFernet does not say which one it was
        try:
            fernet(key).decrypt(stored)
            return key, plaintext
        except InvalidToken:
            continue
    return None


# A stored value ---------------------------------------------------------------

def seal(suite: str, form: str, keys, context, plaintext: bytes) -> bytes:
    """What the column stores. The primary key, keys[0], seals."""
    key = keys[0]
    if suite == "fernet":
        return MultiFernet([fernet(k) for k in keys]).encrypt_at_time(plaintext, int(time.time()))
    construct = {"xaes-256-gcm": xaes_seal, "a256cbc-hs512": cbc_seal}[suite]
    token = construct(key, header(suite, key), encode_context(context), plaintext)
    return b"ar1." + b64url(token) if form == "text" else token


def read(form: str, keys, context, stored: bytes) -> dict:
    """What a stored value is. A prefix is never believed: only a tag is."""
    looks = look(form, stored)
    if looks is not None:
        suite, name = looks
        key = next((k for k in keys if key_id(k) == name), None)
        token = stored if form == "bytes" else canonical(stored[4:], padded=False)
        if key is not None and token is not None:
            construct = {"xaes-256-gcm": xaes_open, "a256cbc-hs512": cbc_open}[suite]
            plaintext = construct(key, token, encode_context(context))
            if plaintext is not None:
                return sealed(suite, key, plaintext)
        return {"stored": "undecryptable", "suite": suite,
                "key": name.hex() if name else None, "key_known": key is not None}
    opened = fernet_open(keys, stored)
    if opened is not None:
        return sealed("fernet", *opened)
    if stored.startswith(b"gAAAAA"):
        return {"stored": "undecryptable", "suite": "fernet", "key": None, "key_known": False}
    return {"stored": "plaintext", "value": to_text(stored)}


def sealed(suite: str, key: bytes, plaintext: bytes) -> dict:
    return {"stored": "sealed", "suite": suite, "key": key_id(key).hex(),
            "value": to_text(plaintext)}


# Objects ----------------------------------------------------------------------

def object_header(key: bytes) -> bytes:
    return b"ATREST" + bytes([VERSION, 0x03]) + key_id(key) + bytes(4)


def object_seal(key: bytes, name: bytes, clear: bytes) -> bytes:
    """The header, then a Cobblestone-256 message whose context begins with it."""
    head = object_header(key)
    sealer = Cobblestone256Encryptor(subkey(key, "object/cobblestone-256", 32), head + name)
    return head + sealer.update(clear) + sealer.finalize()


def object_open(keys, name: bytes, stored: bytes):
    """(key, clear bytes); None when it does not open."""
    head = stored[:16]
    key = next((k for k in keys if object_header(k) == head), None)
    if key is None:
        return None
    opener = Cobblestone256Decryptor(subkey(key, "object/cobblestone-256", 32), head + name)
    try:
        return key, opener.update(stored[16:]) + opener.finalize()
    except Exception:  # its kinds differ between versions of the package; all mean no
        return None


# Command line -----------------------------------------------------------------

def to_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def answer(request: dict) -> dict:
    keys = [base64.urlsafe_b64decode(key) for key in request["keys"]]
    if any(len(key) != 32 for key in keys):
        return {"error": "every key is base64url of 32 bytes"}
    value = base64.b64decode(request["value"], validate=True)
    if request["op"].startswith("object_"):
        name = base64.b64decode(request["id"], validate=True)
        if request["op"] == "object_seal":
            return {"value": to_text(object_seal(keys[0], name, value))}
        opened = object_open(keys, name, value)
        if opened is None:
            return {"error": "the object does not open"}
        return {"key": key_id(opened[0]).hex(), "value": to_text(opened[1])}
    form, context = request["form"], request["context"]
    if request["op"] == "seal":
        return {"value": to_text(seal(request["suite"], form, keys, context, value))}
    result = read(form, keys, context, value)
    if request["op"] == "read":
        return result
    if result.pop("stored") != "sealed":
        return {"error": "the value does not open"}
    return result


def main() -> None:
    for line in sys.stdin:
        if line.strip():
            print(json.dumps(answer(json.loads(line))), flush=False)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

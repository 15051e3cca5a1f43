"""Sealing and opening 64-byte values on one thread, beside pyca's Fernet.

The physical floor of a Fernet token is worked out from this processor's own
throughput, measured in the same round through OpenSSL's assembly on 16 MiB in
one call: AES-128-CBC encryption is one chain of AESENC instructions, SHA-256 one
chain of SHA256RNDS2, so neither can be made faster within one value.
"""

import json
import os
import subprocess
import time
from statistics import median

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256, Hash

VALUE = b'{"template":"0123456789abcdef0123456789abcdef0123456789abcdef0"}'
# 64 bytes are 80 padded: 5 AES blocks. The MAC covers 1 + 8 + 16 + 80 = 105 bytes:
# 2 SHA-256 blocks, and 1 for the outer hash (the key's own two are kept ready).
AES_BLOCKS, SHA_BLOCKS = 5, 3
BULK = b"\0" * (16 << 20)
BATCH, BATCHES = 500, 20


def fastest(work, per):
    """Nanoseconds per piece: the fastest of several goes, as field_rate does."""
    best = float("inf")
    for _ in range(BATCHES):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1e9 / per


def pyca():
    fernet = Fernet(Fernet.generate_key())
    token = fernet.encrypt(VALUE)
    return {
        "seal": fastest(lambda: [fernet.encrypt(VALUE) for _ in range(BATCH)], BATCH),
        "open": fastest(lambda: [fernet.decrypt(token) for _ in range(BATCH)], BATCH),
    }


def floor():
    def cbc(direction):
        context = getattr(Cipher(algorithms.AES128(b"k" * 16), modes.CBC(b"i" * 16)), direction)()
        out = bytearray(len(BULK) + 16)
        return fastest(lambda: context.update_into(BULK, out), len(BULK) // 16)

    def sha():
        Hash(SHA256()).update(BULK)

    sha_block = fastest(sha, len(BULK) // 64)
    seal_block, open_block = cbc("encryptor"), cbc("decryptor")
    return {
        "aes_cbc_seal_block": seal_block,
        "aes_cbc_open_block": open_block,
        "sha256_block": sha_block,
        "seal": AES_BLOCKS * seal_block + SHA_BLOCKS * sha_block,
        "open": AES_BLOCKS * open_block + SHA_BLOCKS * sha_block,
    }


def middle(rounds):
    """Medians of dicts, key by key."""
    first = rounds[0]
    if isinstance(first, dict):
        return {key: middle([r[key] for r in rounds]) for key in first}
    return median(rounds)


def measure(options):
    ours, peer, bottom = [], [], []
    for _ in range(options.rounds):
        ours.append(json.loads(subprocess.check_output([os.environ["ATREST_FIELD_RATE"]])))
        peer.append(pyca())
        bottom.append(floor())
    ours, peer, bottom = middle(ours), middle(peer), middle(bottom)
    rows = []
    for suite in ("xaes-256-gcm", "fernet", "a256cbc-hs512"):
        for what in ("seal", "open"):
            wanted = {"xaes-256-gcm": 50, "fernet": 15}.get(suite)
            ns = {form: ours[suite][form][f"{what}_ns"] for form in ("text", "bytes")}
            times = {form: peer[what] / ns[form] for form in ns}
            met = {
                form: times[form] >= (wanted or 0) and (suite != "xaes-256-gcm" or ns[form] <= 250)
                for form in ns
            }
            answers = [form if met[form] else f"{form} **no**" for form in met]
            rows.append(
                [
                    f"`{suite}`, {what}",
                    f"{ns['text']:,.0f} ns",
                    f"{ns['bytes']:,.0f} ns",
                    f"{peer[what]:,.0f} ns",
                    f"{times['text']:.1f}×",
                    f"{times['bytes']:.1f}×",
                    "" if wanted is None else f"≥ {wanted}×" + (", ≤ 250 ns" if wanted == 50 else ""),
                    "" if wanted is None else "yes" if all(met.values()) else ", ".join(answers),
                ]
            )
    note = (
        f"The floor of a 64-byte Fernet value on this processor: sealing {bottom['seal']:,.0f} ns = "
        f"{AES_BLOCKS} AES blocks in a chain × {bottom['aes_cbc_seal_block']:.1f} ns + {SHA_BLOCKS} SHA-256 blocks × "
        f"{bottom['sha256_block']:.1f} ns; opening {bottom['open']:,.0f} ns, where the AES blocks "
        f"({bottom['aes_cbc_open_block']:.1f} ns) do not wait for each other. Ours takes "
        f"{ours['fernet']['bytes']['seal_ns'] / bottom['seal']:.1f} and "
        f"{ours['fernet']['bytes']['open_ns'] / bottom['open']:.1f} times that, with its base64, its IV and its comparison of the MAC. "
        "(two of a MAC's four key blocks are computed once per key)."
    )
    head = ["64-byte values, one thread", "ours, text", "ours, bytes", "pyca Fernet", "ratio, text", "ratio, bytes", "wanted", "met"]
    return head, rows, [note]

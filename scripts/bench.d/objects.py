"""Sealing and opening objects in memory on one thread, beside pyca's Cobblestone-256
and the crate `cobblestone`."""

import json
import os
import subprocess
import time

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor

from micro import middle

KEY, CONTEXT = b"k" * 32, b"gate/2026-11-22.mp4"
WANTED = {"seal": (6, 1.3, 5), "open": (6, 1.3, 5)}  # GB/s, times pyca, times the crate


def fastest(size, work):
    """GB/s: the fastest of several goes, as object_rate does."""
    best = float("inf")
    for _ in range((1 << 29) // size):
        best = min(best, work())
    return size / best / 1e9


def pyca(size):
    clear = bytes(size)
    message = bytearray(size + (size // 16384 + 1) * 16 + 56)
    out = bytearray(size + 2 * 16384)

    def seal():
        encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
        start = time.perf_counter()
        n = encryptor.update_into(clear, message)
        taken = time.perf_counter() - start
        last = encryptor.finalize()
        message[n : n + len(last)] = last
        return taken

    def opened():
        decryptor = Cobblestone256Decryptor(KEY, CONTEXT)
        start = time.perf_counter()
        n = decryptor.update_into(message, out)
        taken = time.perf_counter() - start
        assert n + len(decryptor.finalize()) == size
        return taken

    return {"seal": fastest(size, seal), "open": fastest(size, opened)}


def measure(options):
    rounds = []
    for _ in range(options.rounds):
        ours = json.loads(subprocess.check_output([os.environ["ATREST_OBJECT_RATE"]]))
        rounds.append({size: rates | {f"pyca_{k}": v for k, v in pyca(int(size)).items()} for size, rates in ours.items()})
    rows = []
    for size, rates in middle(rounds).items():
        for what, (least, pyca_times, crate_times) in WANTED.items():
            ours, peer, crate = rates[what], rates[f"pyca_{what}"], rates[f"crate_{what}"]
            met = ours >= least and ours >= pyca_times * peer and ours >= crate_times * crate
            rows.append(
                [
                    f"{int(size) >> 20} MiB, {what}", f"{ours:.2f} GB/s", f"{peer:.2f} GB/s", f"{ours / peer:.2f}×",
                    f"{crate:.2f} GB/s", f"{ours / crate:.1f}×",
                    f"≥ {least} GB/s, {pyca_times}×, {crate_times}×", "yes" if met else "**no**",
                ]
            )  # fmt: skip
    head = ["objects in memory, one thread", "ours", "pyca `update_into`", "ratio", "crate `cobblestone`", "ratio", "wanted", "met"]
    return head, rows, []

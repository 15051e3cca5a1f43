"""`atrest encrypt` of a folder of many small files, beside a copy in place of each file
with the same fsyncs: both on the disk that /tmp is on."""

import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import atrest
from columns import mark

FILES = 20_000
LENGTH = 50 << 10
FOLDERS = 20


def tree(root):
    for number in range(FILES):
        folder = root / f"{number % FOLDERS:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}.jpg").write_bytes(os.urandom(LENGTH))
    os.sync()


def replaced(path):
    """What atrest does but for the sealing: a new file beside it, durable, renamed over
    it, the folder durable."""
    temporary = path.parent / f".{path.name}.tmp"
    with path.open("rb") as source, temporary.open("wb") as new:
        shutil.copyfileobj(source, new, 1 << 18)
        new.flush()
        os.fsync(new.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def copied(root, workers):
    paths = sorted(root.rglob("*.jpg"))
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(replaced, paths):
            pass
    return time.perf_counter() - start


def sealed(policy, verb, environment):
    start = time.perf_counter()
    command = [atrest.BINARY, "--policy", policy, verb, "--yes"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def measure(options):
    environment = os.environ | {"ATREST_BENCH_KEY": atrest.KEY}
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="atrest-bench.") as folder:
        folder = Path(folder)
        policy = folder / "atrest.toml"
        policy.write_text('[keys]\nprimary = "env:ATREST_BENCH_KEY"\n[[files]]\nlocation = "clips"\n')
        tree(folder / "clips")
        ours, back, peer = [], [], []
        for _ in range(options.rounds):
            peer.append(copied(folder / "clips", workers))
            ours.append(sealed(policy, "encrypt", environment))
            back.append(sealed(policy, "decrypt", environment))
        ours, back, peer = (FILES / median(times) for times in (ours, back, peer))
    head = ["folders", "ours", "beside", "peer", "ratio", "wanted", "met"]
    copy = f"copy with the same fsyncs, {workers} threads"
    rows = [
        [f"`encrypt` of {FILES:,} files of 50 KiB", f"{ours:,.0f} files/s", copy, f"{peer:,.0f} files/s", f"{ours / peer:.2f}×", "≥ 0.5×", mark(ours >= 0.5 * peer)],
        ["`decrypt` of the same", f"{back:,.0f} files/s", copy, f"{peer:,.0f} files/s", f"{back / peer:.2f}×", "", ""],
    ]  # fmt: skip
    return head, rows, []

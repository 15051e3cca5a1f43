"""`atrest file seal` beside `cp` on a file in memory, and its peak memory on a long
pipe."""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import atrest
from columns import mark

LENGTH = 1 << 30
PIPE = 20 << 30


def timed(*command, **more):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    return time.perf_counter() - start


def piped(policy, environment):
    """Seconds and peak bytes of sealing zeros from a pipe to nowhere."""
    source = subprocess.Popen(["head", "-c", str(PIPE), "/dev/zero"], stdout=subprocess.PIPE)
    start, peak = time.perf_counter(), 0
    child = subprocess.Popen(
        [atrest.BINARY, "--policy", policy, "file", "seal"], stdin=source.stdout,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    source.stdout.close()
    while child.poll() is None:
        peak = max(peak, atrest.high_water(child.pid))
        time.sleep(0.02)
    assert child.returncode == 0 and source.wait() == 0
    return time.perf_counter() - start, peak


def measure(options):
    environment = os.environ | {"ATREST_BENCH_KEY": atrest.KEY}
    with tempfile.TemporaryDirectory(prefix="atrest-bench.", dir="/dev/shm") as folder:
        folder = Path(folder)
        policy = folder / "atrest.toml"
        policy.write_text('[keys]\nprimary = "env:ATREST_BENCH_KEY"\n')
        clear, out = folder / "clear", folder / "out"
        with clear.open("wb") as file:
            for _ in range(LENGTH >> 20):
                file.write(os.urandom(1 << 20))
        ours, peer = [], []
        for _ in range(options.rounds):
            out.unlink(missing_ok=True)
            peer.append(timed("cp", clear, out))
            out.unlink()
            ours.append(timed(atrest.BINARY, "--policy", policy, "file", "seal", clear, out, env=environment))
        ours, peer = median(ours), median(peer)
        seconds, peak = piped(policy, environment)
    head = ["files", "ours", "beside", "peer", "ratio", "wanted", "met"]
    rows = [
        ["`file seal` of 1 GiB in /dev/shm", f"{ours:.2f} s", "`cp`", f"{peer:.2f} s", f"{ours / peer:.2f}×", "≤ 1.5×", mark(ours <= 1.5 * peer)],
        [f"`file seal` of 20 GiB through a pipe ({seconds:.0f} s): peak memory", f"{peak / 1e6:,.0f} MB", "", "", "", "< 64 MiB", mark(peak < 64 << 20)],
    ]  # fmt: skip
    return head, rows, []

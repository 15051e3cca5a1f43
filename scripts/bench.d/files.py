"""`atrest file seal` beside `cp` and `age` on a file in memory, its peak memory on a
long pipe, and a part out of the middle of a long object."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import atrest
from columns import mark

LENGTH = 1 << 30
PIPE = 20 << 30
LONG = 10 << 30


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


def part(policy, environment, folder, rounds):
    """Seconds of `file cat` of 1 MiB out of an object of 10 GiB, from start to exit."""
    long = folder / "long"
    command = [atrest.BINARY, "--policy", policy, "file"]
    with subprocess.Popen(["head", "-c", str(LONG), "/dev/zero"], stdout=subprocess.PIPE) as source:
        subprocess.run([*command, "seal", "-", long], stdin=source.stdout, check=True, env=environment, stderr=subprocess.DEVNULL)
    times = []
    for number in range(3 * rounds):
        start = (LONG // 7 * (number % 7)) + 12_345
        range_ = f"--range={start}-{start + (1 << 20) - 1}"
        times.append(timed(*command, "cat", long, range_, env=environment))
    long.unlink()
    return median(times)


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
        ours, peer, age = [], [], []
        identity = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True) if shutil.which("age") else None
        recipient = identity and identity.stderr.split()[-1]
        for _ in range(options.rounds):
            out.unlink(missing_ok=True)
            peer.append(timed("cp", clear, out))
            out.unlink()
            ours.append(timed(atrest.BINARY, "--policy", policy, "file", "seal", clear, out, env=environment))
            out.unlink()
            if recipient:
                age.append(timed("age", "-r", recipient, "-o", out, clear))
        ours, peer = median(ours), median(peer)
        out.unlink(missing_ok=True)
        clear.unlink()
        seconds, peak = piped(policy, environment)
        first = part(policy, environment, folder, options.rounds)
    head = ["files", "ours", "beside", "peer", "ratio", "wanted", "met"]
    rows = [
        ["`file seal` of 1 GiB in /dev/shm", f"{ours:.2f} s", "`cp`", f"{peer:.2f} s", f"{ours / peer:.2f}×", "≤ 1.5×", mark(ours <= 1.5 * peer)],
        [f"`file seal` of 20 GiB through a pipe ({seconds:.0f} s): peak memory", f"{peak / 1e6:,.0f} MB", "", "", "", "< 64 MiB", mark(peak < 64 << 20)],
        ["`file cat` of 1 MiB out of the middle of 10 GiB, from start to exit", f"{first * 1e3:.0f} ms", "", "", "", "", ""],
    ]  # fmt: skip
    if age:
        age = median(age)
        rows.insert(1, ["`file seal` of 1 GiB in /dev/shm", f"{ours:.2f} s", "`age`", f"{age:.2f} s", f"{age / ours:.2f}× as fast", "≥ 1.5×", mark(age >= 1.5 * ours)])
        return head, rows, []
    return head, rows, ["`age` was not at hand (apt-get install age)."]

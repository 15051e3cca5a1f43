"""Runs the atrest binary: wall time and peak memory of one command."""

import base64
import os
import subprocess
import time
from pathlib import Path

BINARY = os.environ["ATREST_BIN"]
KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
POLICY = """[keys]
primary = "env:ATREST_BENCH_KEY"

[database]
url = "{url}"

[[column]]
table = "{table}"
name = "extras"
suite = "{suite}"
"""


def policy(folder, url, table, suite="xaes-256-gcm"):
    path = Path(folder) / f"{table}-{suite}.toml"
    path.write_text(POLICY.format(url=url, table=table, suite=suite))
    path.chmod(0o600)
    return path


def high_water(pid):
    """The process's own peak so far, in bytes; 0 when it is gone. What wait4 tells
    would include the memory of this Python before the exec."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def run(path, verb, *arguments, codes=(0,), watch=False):
    """Seconds and, when watched, peak bytes of `atrest VERB`; its output when it fails."""
    command = [BINARY, "--policy", str(path), verb, *arguments]
    log = Path(path).with_suffix(".log")
    with log.open("w") as out:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env=os.environ | {"ATREST_BENCH_KEY": KEY},
        )  # fmt: skip
        peak = 0
        while watch and child.poll() is None:
            peak = max(peak, high_water(child.pid))
            time.sleep(0.02)
        child.wait()
        seconds = time.perf_counter() - start
    if child.returncode not in codes:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{log.read_text()}")
    return seconds, peak


def encrypt(path, folder, *arguments, watch=False):
    backup = Path(folder) / "bench.backup"
    backup.unlink(missing_ok=True)
    return run(path, "encrypt", "--backup", str(backup), "--yes", *arguments, watch=watch)

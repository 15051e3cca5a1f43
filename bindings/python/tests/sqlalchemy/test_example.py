"""examples/surveillance, from clear data to rollback, on every database."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[4] / "examples" / "surveillance"


def test_surveillance(database):
    arguments = [] if database.kind == "sqlite" else ["--url", database.url]
    # Relative to where it is run, as its README names one.
    environment = {**os.environ, "ATREST_BIN": os.path.relpath(os.environ["ATREST_BIN"], EXAMPLE)}
    done = subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it came back as it was." in done.stdout

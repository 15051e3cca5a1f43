"""The command `atrest`, for what the package leaves to it: making and rotating keyrings."""

import os
import subprocess


def atrest_command(policy, environment, *arguments):
    """Runs the command on a policy, and gives what it printed."""
    binary = os.environ.get("ATREST_BIN")
    assert binary, "ATREST_BIN does not name the atrest command (scripts/test python does)"
    done = subprocess.run(
        [binary, "--policy", str(policy), *map(str, arguments)],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=policy.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout

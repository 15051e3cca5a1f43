"""Keys of other packages' tokens, without a framework at hand."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules["sqlalchemy"] = None
from atrest.takeover import old_key
print(old_key("sqlalchemy-utils", "key"))
"""


def test_it_takes_no_sqlalchemy():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    # base64 of SHA-256("key")
    assert (done.returncode, done.stdout) == (0, "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM=\n"), done.stderr


def test_what_it_does_not_know():
    from atrest.takeover import old_key

    with pytest.raises(ValueError, match="not a format"):
        old_key("rot13", "key")
    with pytest.raises(ValueError, match="salt"):
        old_key("sqlalchemy-utils", "key", salt="x")

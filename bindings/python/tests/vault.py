"""The Vault of scripts/test, over its HTTP interface."""

import json
import os
import time
import urllib.request
from urllib.parse import urlsplit


class Vault:
    """One secret of it."""

    def __init__(self):
        url = urlsplit(os.environ["ATREST_TEST_VAULT"])
        self.address, self.token = f"http://{url.hostname}:{url.port}", url.username
        self.path = f"atrest-python-{os.getpid()}-{time.monotonic_ns()}"
        mounts = self.ask("GET", "sys/mounts")
        if "atrest-python/" not in mounts:
            self.ask("POST", "sys/mounts/atrest-python", {"type": "kv", "options": {"version": "2"}})

    @property
    def source(self):
        return f"vault:atrest-python/{self.path}"

    def ask(self, method, path, data=None):
        request = urllib.request.Request(
            f"{self.address}/v1/{path}",
            method=method,
            data=json.dumps(data).encode() if data else None,
            headers={"X-Vault-Token": self.token},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def put(self, keys):
        self.ask("POST", f"atrest-python/data/{self.path}", {"data": {"key": keys}})

    def remove(self):
        self.ask("DELETE", f"atrest-python/metadata/{self.path}")

"""Keys behind a server: the wheel has every source."""

import json
import os
import urllib.request
from urllib.parse import urlsplit

import pytest

import atrest


@pytest.fixture
def vault(key) -> dict[str, str]:
    """The real server's variables, with a secret that holds the key."""
    url = urlsplit(os.environ["ATREST_TEST_VAULT"])  # http://TOKEN@HOST:PORT
    address = f"{url.scheme}://{url.hostname}:{url.port}"
    request = urllib.request.Request(
        f"{address}/v1/secret/data/atrest-python-{os.getpid()}",
        data=json.dumps({"data": {"key": key}}).encode(),
        headers={"X-Vault-Token": url.username},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    return {"VAULT_ADDR": address, "VAULT_TOKEN": url.username}


def test_a_key_comes_from_a_server(vault, key):
    source = f"vault:secret/atrest-python-{os.getpid()}?field=key"
    keyring = atrest.Keyring.from_source(source, environment=vault)
    assert keyring.ids == [atrest.key_id(key)]


def test_what_is_missing_is_said(vault):
    source = f"vault:secret/atrest-python-{os.getpid()}?field=none"
    with pytest.raises(atrest.KeySourceError, match="none"):
        atrest.Keyring.from_source(source, environment=vault)
    with pytest.raises(atrest.KeySourceError, match="VAULT_TOKEN"):
        atrest.Keyring.from_source(source, environment={"VAULT_ADDR": vault["VAULT_ADDR"]})


@pytest.mark.parametrize("source", ["aws-kms:alias/x", "azure-key:x/y", "gcp-kms:x", "pkcs11:token=x", "os-keyring:a/b"])
def test_every_source_is_in_the_wheel(source):
    with pytest.raises(atrest.KeySourceError) as raised:
        atrest.Keyring.from_source(source, environment={})
    assert "feature" not in str(raised.value), raised.value

"""`atrest serve` beside nginx: a clip of 100 MiB, encrypted here and clear there, that
eight clients fetch over loopback again and again."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

import atrest
from columns import mark

LENGTH = 100 << 20
CLIENTS = 8
SECONDS = 6
# Servers live in sbin, which a user's PATH may leave out.
PATH = os.environ["PATH"] + ":/usr/sbin"

NGINX = """
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error;
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {folder}/clear; }}
}}
"""


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for(url):
    for _ in range(200):
        try:
            return urllib.request.urlopen(url).read()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


def rate(url):
    """Bytes per second that wrk gets."""
    command = ["wrk", "-t2", f"-c{CLIENTS}", f"-d{SECONDS}s", "--timeout", "60s", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(f"{url}:\n{text}")
    # What is under way at the end counts for the part that came.
    number, unit = re.search(r"Transfer/sec:\s+([0-9.]+)([KMGT]?)B", text).groups()
    return float(number) * 1024 ** " KMGT".index(unit or " ")


def measure(options):
    if missing := [tool for tool in ("nginx", "wrk", "curl") if not shutil.which(tool, path=PATH)]:
        raise SystemExit(f"missing: {', '.join(missing)}; apt-get install --no-install-recommends nginx-light wrk curl")
    environment = os.environ | {"ATREST_BENCH_KEY": atrest.KEY, "PATH": PATH}
    with tempfile.TemporaryDirectory(prefix="atrest-bench.", dir="/dev/shm") as folder:
        folder = Path(folder)
        # nginx's workers are not root, and look from outside.
        folder.chmod(0o755)
        for name in ("clear", "sealed"):
            (folder / name).mkdir()
        with (folder / "clear" / "clip").open("wb") as file:
            for _ in range(LENGTH >> 20):
                file.write(os.urandom(1 << 20))
        policy = folder / "atrest.toml"
        policy.write_text('[keys]\nprimary = "env:ATREST_BENCH_KEY"\n[[files]]\nlocation = "sealed"\n')
        conf = folder / "nginx.conf"
        theirs = port()
        conf.write_text(NGINX.format(folder=folder, port=theirs))
        nginx = subprocess.Popen([shutil.which("nginx", path=PATH), "-p", folder, "-c", conf], stderr=subprocess.DEVNULL)
        ours = subprocess.Popen(
            [atrest.BINARY, "--policy", policy, "--json", "serve", "--no-auth", "--listen", "127.0.0.1:0"],
            stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        try:
            url = json.loads(ours.stderr.readline())["fields"]["url"] + "/clips/clip"
            peer = f"http://127.0.0.1:{theirs}/clip"
            put = ["curl", "-sSf", "-T", str(folder / "clear" / "clip"), url]
            subprocess.run(put, check=True)
            if wait_for(url) != wait_for(peer):
                raise SystemExit("the two do not serve the same")
            found = {url: [], peer: []}
            for _ in range(options.rounds):
                for one in (peer, url):
                    found[one].append(rate(one))
            peak = atrest.high_water(ours.pid)
        finally:
            ours.terminate()
            nginx.terminate()
            ours.wait()
            nginx.wait()
    ours, peer = median(found[url]), median(found[peer])
    version = subprocess.run([shutil.which("nginx", path=PATH), "-v"], capture_output=True, text=True).stderr.strip().split("/")[-1]
    head = ["serve", "ours", "beside", "peer", "ratio", "wanted", "met"]
    rows = [
        [
            f"`GET` of a 100 MiB clip, {CLIENTS} clients, loopback, files in memory", f"{ours / 1e9:.2f} GB/s",
            f"nginx {version}, the clear file", f"{peer / 1e9:.2f} GB/s", f"{ours / peer:.2f}×", "≥ 0.5×", mark(ours >= peer / 2),
        ],
        ["the same: peak memory", f"{peak / 1e6:,.0f} MB", "", "", "", "", ""],
    ]  # fmt: skip
    return head, rows, ["Client: wrk, two threads, on the same two cores as the servers."]

"""`atrest serve` beside nginx: a clip of 100 MiB, encrypted here and clear there, that
eight clients fetch over loopback again and again."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

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


def start(servers, command, **more):
    """A server that ends with `servers`."""
    process = subprocess.Popen(command, **more)
    servers.callback(process.wait)
    servers.callback(process.terminate)
    return process


def wait_for(url):
    for _ in range(200):
        try:
            return urllib.request.urlopen(url).read()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


def listening(log):
    """The server's address, out of its log's first line."""
    for _ in range(200):
        lines = log.read_text().splitlines()
        if lines:
            return json.loads(lines[0])["fields"]["url"]
        time.sleep(0.05)
    raise SystemExit("atrest serve does not start")


def fetch(url, until, counts, index):
    """One client: the clip again and again, on one connection. It reads as much at once
    as there is: a client that is busy itself would hide the servers' difference."""
    parts = urlsplit(url)
    buffer = bytearray(1 << 20)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as server:
        while time.perf_counter() < until:
            server.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += server.recv(1)
            if not head.startswith(b"HTTP/1.1 200") or f"content-length: {LENGTH}".encode() not in head.lower():
                raise SystemExit(f"{url}:\n{head.decode()}")
            left = LENGTH
            while left and (got := server.recv_into(buffer, min(left, len(buffer)))):
                left -= got
                counts[index] += got
            if left:
                raise SystemExit(f"{url} ended {left:,} bytes early")


def rate(url):
    """Bytes per second that all clients get together."""
    counts, begin = [0] * CLIENTS, time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for client in [clients.submit(fetch, url, begin + SECONDS, counts, n) for n in range(CLIENTS)]:
            client.result()
    return sum(counts) / (time.perf_counter() - begin)


def measure(options):
    if missing := [tool for tool in ("nginx", "curl") if not shutil.which(tool, path=PATH)]:
        raise SystemExit(f"missing: {', '.join(missing)}; apt-get install --no-install-recommends nginx-light curl")
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
        with contextlib.ExitStack() as servers:
            nginx = [shutil.which("nginx", path=PATH), "-p", folder, "-c", conf]
            start(servers, nginx, stderr=subprocess.DEVNULL)
            serve = [atrest.BINARY, "--policy", policy, "--json", "serve", "--no-auth", "--listen", "127.0.0.1:0"]
            # Into a file: a pipe that nobody empties would fill up and stop the server.
            log = folder / "log"
            with log.open("wb") as out:
                process = start(servers, serve, stderr=out, env=environment)
            url = listening(log) + "/clips/clip"
            peer = f"http://127.0.0.1:{theirs}/clip"
            subprocess.run(["curl", "-sSf", "-T", folder / "clear" / "clip", url], check=True)
            if wait_for(url) != wait_for(peer):
                raise SystemExit("the two do not serve the same")
            found = {url: [], peer: []}
            for _ in range(options.rounds):
                for one in (peer, url):
                    found[one].append(rate(one))
            peak = atrest.high_water(process.pid)
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
    return head, rows, ["The clients run on the same cores as the servers."]

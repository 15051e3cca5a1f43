"""Threads, forks, interpreters."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import atrest


def test_eight_threads_over_one_field(field):
    failures, tokens, begin = [], [[] for _ in range(8)], threading.Barrier(8)

    def work(mine):
        begin.wait()
        try:
            for n in range(300):
                value = f"value {n} " + "x" * (n * 700 % 100_000)
                token = field.seal(value)
                assert field.open(token) == value
                assert field.open_many(field.seal_many([value] * 5)) == [value] * 5
                mine.append(token)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len({token for mine in tokens for token in mine}) == 8 * 300


def nonce(token):
    """The 24 bytes behind the header of a token in bytes."""
    return token[6:30]


def test_children_never_use_a_nonce_of_their_parents(keyring):
    field = atrest.Field(keyring, "people.email")
    seen = [nonce(field.seal(b"x")) for _ in range(10)]
    for _ in range(5):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                # A grandchild, too.
                if os.fork() == 0:
                    os.write(write, b"".join(nonce(field.seal(b"x")) for _ in range(10)))
                    os._exit(0)
                os.wait()
                os.write(write, b"".join(nonce(field.seal(b"x")) for _ in range(10)))
            finally:
                os._exit(0)
        os.close(write)
        seen += [nonce(field.seal(b"x")) for _ in range(10)]
        with open(read, "rb") as pipe:
            theirs = pipe.read()
        assert len(theirs) == 2 * 10 * 24
        seen += [theirs[at : at + 24] for at in range(0, len(theirs), 24)]
        os.waitpid(pid, 0)
    assert len(set(seen)) == len(seen)
    # The random half is new as well, which a mere jump of the counter would not give.
    assert len({each[:12] for each in seen}) == 1 + 2 * 5


def test_a_fork_while_threads_seal(field):
    stop = threading.Event()

    def work():
        while not stop.is_set():
            field.seal_many(["x" * 100] * 20_000)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                ok = field.open(field.seal("y")) == "y" and field.open_many(field.seal_many(["z"])) == ["z"]
                os._exit(0 if ok else 1)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


APPLICATION = """
import os, atrest
field = atrest.Field(atrest.Keyring(os.environ["KEY"]), "people.email")
token = field.seal(b"made before the fork")
field.open_many(field.seal_many(["x"] * 10_000))

def app(environ, start_response):
    assert field.open(token) == b"made before the fork"
    start_response("200 OK", [("Worker", str(os.getpid()))])
    return [field.seal(b"x") for _ in range(10)]
"""


def test_gunicorn_with_preloaded_workers(tmp_path, key):
    (tmp_path / "application.py").write_text(APPLICATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "--workers=3", "--no-control-socket",
         f"--bind=127.0.0.1:{port}", "application:app"],
        cwd=tmp_path, env={**os.environ, "KEY": key},
    )
    try:
        workers, nonces, until = set(), [], time.monotonic() + 60
        while len(workers) < 3 or len(nonces) < 600:
            assert time.monotonic() < until, f"workers {workers}, {len(nonces)} values"
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/")
                answer = connection.getresponse()
            except ConnectionError:
                time.sleep(0.1)
                continue
            assert answer.status == 200
            workers.add(answer.getheader("Worker"))
            body = answer.read()
            assert len(body) % 10 == 0
            size = len(body) // 10
            nonces += [nonce(body[at : at + size]) for at in range(0, len(body), size)]
        assert len(set(nonces)) == len(nonces)
    finally:
        server.terminate()
        server.wait(30)


def test_a_sub_interpreter_is_refused():
    script = textwrap.dedent(
        """
        import atrest
        try:
            import _interpreters as interpreters  # 3.13
        except ImportError:
            import _xxsubinterpreters as interpreters
        inner = interpreters.create()
        code = "try:\\n import atrest\\nexcept ImportError: pass\\nelse: raise SystemError('imported')"
        failed = getattr(interpreters, "exec", None) or interpreters.run_string
        failed = failed(inner, code)
        assert failed is None, failed
        atrest.Keyring(atrest.generate_key())
        print("refused")
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "refused\n", done.stderr


def test_the_gil_stays_on():
    if not hasattr(sys, "_is_gil_enabled"):
        pytest.skip("a Python that always has one")
    assert sys._is_gil_enabled()

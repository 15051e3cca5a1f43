"""The verbs over a database: what they change, what they give, how they stop."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

import atrest

POLICY = """
[keys]
primary = "env:KEY"
[database]
url = "sqlite:app.db"
[[column]]
table = "people"
name = "email"
[[column]]
table = "people"
name = "notes"
bind = "row"
"""
ROWS = 3000


@pytest.fixture
def folder(tmp_path):
    make_database(tmp_path / "app.db", ROWS)
    return tmp_path


def make_database(path, rows):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, notes TEXT)")
        each = ((f"p{n}@example.org", None if n % 3 else f"note {n} 🦉") for n in range(rows))
        database.executemany("INSERT INTO people (email, notes) VALUES (?, ?)", each)


@pytest.fixture
def environment(key):
    return {"KEY": key}


@pytest.fixture
def engine(folder, environment):
    return atrest.Engine(POLICY, directory=folder, environment=environment)


def stored(folder):
    with sqlite3.connect(folder / "app.db") as database:
        return database.execute("SELECT id, email, notes FROM people ORDER BY id").fetchall()


def test_there_and_back(engine, folder, environment):
    before = stored(folder)
    plan = engine.plan()
    assert plan["ok"] and plan["command"] == "plan" and plan["operation"] == "encrypt"
    assert [column["due"] for column in plan["columns"]] == [ROWS, ROWS // 3]
    assert plan["backup"]["bytes"] > 0 and plan["backup"]["free_bytes"] > 0
    assert stored(folder) == before

    done = engine.encrypt()
    assert done["ok"] and [column["changed"] for column in done["columns"]] == [ROWS, ROWS // 3]
    (backup,) = done["backups"]
    assert os.path.dirname(backup) == str(folder)
    fields = atrest.Fields.parse(POLICY, directory=folder, environment=environment)
    email, notes = fields["people.email"], fields["people.notes"]
    for (id, clear_email, clear_note), (_, sealed_email, sealed_note) in zip(before, stored(folder)):
        assert email.open(sealed_email) == clear_email
        assert notes.row(id).open(sealed_note) == clear_note

    assert engine.verify()["ok"] and engine.verify(against=backup)["ok"]
    status = engine.status()
    assert status["ok"] and status["keys"][0]["values"] == ROWS + ROWS // 3
    assert status["journal"]["people.email"]["last_run"]["operation"] == "encrypt"

    with sqlite3.connect(folder / "app.db") as database:
        database.execute("UPDATE people SET email = 'changed since' WHERE id = 7")
    assert engine.restore(backup)["columns"][0]["changed_since"] == 1
    assert engine.restore(backup, force=True)["ok"]
    assert stored(folder) == before

    assert engine.encrypt(backup=folder / "named.atrest")["backups"] == [str(folder / "named.atrest")]
    assert engine.decrypt(backup=False)["backups"] == []
    assert stored(folder) == before


def test_rotation(engine, folder, environment, key):
    engine.encrypt(backup=False)
    new = atrest.generate_key()
    policy = POLICY.replace('"env:KEY"', '"env:NEW"\nprevious = ["env:KEY"]')
    environment["NEW"] = new
    rotated = atrest.Engine(policy, directory=folder, environment=environment)
    assert rotated.rotate(backup=False)["columns"][0]["sealed"] == {atrest.key_id(new): ROWS}
    # The first engine does not know the new key, and says so.
    with pytest.raises(atrest.AtrestError, match=atrest.key_id(new)):
        engine.encrypt()


@pytest.mark.parametrize("verb", ["plan", "encrypt", "rotate", "decrypt", "verify", "status"])
def test_a_list_of_columns_that_came_up_empty_is_not_every_column(engine, folder, verb):
    before = stored(folder)
    with pytest.raises(ValueError, match="only names no column"):
        getattr(engine, verb)(only=[])
    assert stored(folder) == before


def test_only_and_inspect(engine, folder):
    done = engine.encrypt(only=["people.notes"], batch_size=10, workers=1)
    assert [column["column"] for column in done["columns"]] == ["people.notes"]
    assert [column["column"] for column in engine.status(only="people.notes")["columns"]] == ["people.notes"]
    (found,) = engine.inspect("people.notes", 1)["columns"]
    assert found["state"] == "sealed" and found["clear"] is None
    (found,) = engine.inspect("people.notes", "1", reveal=True)["columns"]
    assert found["clear"] == "note 0 🦉"
    assert not engine.verify()["ok"]
    with pytest.raises(atrest.EngineError, match="no row"):
        engine.inspect("people.notes", 10**6)
    with pytest.raises(atrest.PolicyError, match="people.notes"):
        engine.encrypt(only=["people.note"])


def test_progress_is_told_on_the_calling_thread(engine):
    told = []

    def progress(event):
        assert threading.current_thread() is threading.main_thread()
        told.append(event)

    engine.encrypt(progress=progress, batch_size=50)
    passes = [event for event in told if event["event"] == "pass"]
    assert passes[0] == {
        "event": "pass", "column": "people.email", "phase": passes[0]["phase"], "rows": ROWS, "resumed": False,
    }
    assert {"scan", "change", "sweep"} >= {event["phase"] for event in passes}
    assert sum(event["changed"] for event in told if event["event"] == "rows") == ROWS + ROWS // 3
    assert told[-1]["event"] == "pass_end"


def test_an_exception_of_progress_stops_the_run(engine, folder):
    before = stored(folder)
    make_more(folder)

    def progress(event):
        if event["event"] == "rows" and event["changed"]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        engine.encrypt(progress=progress, max_rate=2000, batch_size=100)
    assert engine.status()["open_runs"]
    assert engine.encrypt()["ok"]
    assert not engine.status()["open_runs"]
    assert [row[0] for row in stored(folder)][: len(before)] == [row[0] for row in before]


def make_more(folder):
    with sqlite3.connect(folder / "app.db") as database:
        each = ((f"q{n}@example.org",) for n in range(20_000))
        database.executemany("INSERT INTO people (email) VALUES (?)", each)


INTERRUPTED = """
import atrest, os, signal, sys
engine = atrest.Engine(sys.argv[1])
def progress(event):
    if event["event"] == "rows" and event["changed"]:
        print("working", flush=True)
try:
    engine.encrypt(progress=progress, max_rate=2000, batch_size=100)
except KeyboardInterrupt:
    print("interrupted", [run["column"] for run in engine.status()["open_runs"]], flush=True)
"""


def test_ctrl_c_ends_at_a_whole_page(folder, environment):
    make_more(folder)
    policy = folder / "atrest.toml"
    policy.write_text(POLICY)
    run = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(policy)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout.readline() == "working\n"
    run.send_signal(signal.SIGINT)
    rest, _ = run.communicate(timeout=60)
    assert rest.splitlines()[-1] == "interrupted ['people.email']"
    assert run.returncode == 0
    engine = atrest.Engine(policy, environment=environment)
    done = engine.encrypt()
    assert done["ok"] and done["columns"][0]["changed"] == ROWS + 20_000
    # A file of a policy has its contexts written down before the first token.
    assert 'context = "people.email"' in policy.read_text()


def test_other_threads_run_meanwhile(engine):
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.01):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    engine.encrypt(max_rate=4000, batch_size=100)
    stop.set()
    thread.join()
    assert len(ticks) > 20


def test_a_fork_after_a_run(engine, folder):
    engine.verify()
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if engine.encrypt()["ok"] else 3)
        except BaseException:
            os._exit(4)
    assert os.waitpid(pid, 0)[1] == 0
    assert engine.verify()["ok"]


def test_errors(folder, environment, key):
    with pytest.raises(atrest.PolicyError):
        atrest.Engine("[keys]\nprimary = 5\n")
    engine = atrest.Engine(POLICY, directory=folder, environment={})
    with pytest.raises(atrest.KeySourceError, match="KEY is not set"):
        engine.status()
    missing = POLICY.replace("app.db", "nowhere.db")
    with pytest.raises(atrest.DatabaseError, match="nowhere.db"):
        atrest.Engine(missing, directory=folder, environment=environment).status()
    engine = atrest.Engine(POLICY, directory=folder, environment=environment)
    with pytest.raises(TypeError, match="bach_size"):
        engine.encrypt(bach_size=5)
    with pytest.raises(ValueError):
        engine.encrypt(batch_size=0)
    with pytest.raises(ValueError):
        engine.plan("hide")
    with pytest.raises(atrest.EngineError, match="no.atrest"):
        engine.restore(folder / "no.atrest")
    assert key not in repr(engine)

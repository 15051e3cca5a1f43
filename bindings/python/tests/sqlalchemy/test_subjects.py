"""`Fields` where rows are people's, and where the keyring is in the database."""

import gc
import os
import threading
import time

import pytest

import atrest
from databases import Database

COLUMN = '[[column]]\ntable = "t"\nname = "v"\nsubject = "owner"\n[[column]]\ntable = "t"\nname = "w"\n'


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    database = Database(request.param, tmp_path)
    yield database
    database.close()


@pytest.fixture(params=["atrest.keyring", "database"])
def at(request, database, atrest_on):
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, owner INTEGER, v TEXT, w TEXT)")
    database.execute("INSERT INTO t VALUES (1, 7, 'anna''s', 'x'), (2, 8, 'bob''s', 'y'), (3, NULL, 'nobody''s', 'z')")
    at = atrest_on(database)
    keys = f'[keys]\nkeyring = "{request.param}"\nroot = "env:KEY"\n'
    at.policy.write_text(f'{keys}[database]\nurl = "{database.url}"\n{COLUMN}')
    at.command("key", "init")
    return at


def load(at):
    return atrest.Fields.load(at.policy, environment=at.environment)


def stored(database):
    return {id: v for id, v in database.raw("SELECT id, v FROM t")}


def test_each_persons_values_open_under_their_own_keys(at, database):
    at.command("encrypt", "--no-backup", "--yes")
    field, tokens = load(at)["t.v"], stored(database)
    anna, bob, nobody = field.of(7), field.of("8"), field.of(None)
    assert (anna.open(tokens[1]), bob.open(tokens[2]), nobody.open(tokens[3])) == ("anna's", "bob's", "nobody's")
    for wrong in (bob, nobody, field.of(9)):
        with pytest.raises(atrest.DecryptionError):
            wrong.open(tokens[1])
    assert load(at)["t.w"].open(database.raw("SELECT w FROM t WHERE id = 1")[0][0]) == "x"
    # What is sealed here, the engine counts as theirs.
    database.execute(f"UPDATE t SET v = '{anna.seal('new')}' WHERE id = 1")
    assert anna.seal_many(["a", None])[1] is None
    verified = at.command("verify")
    assert verified["ok"] and verified["columns"][0]["sealed_by_subject"] == 2
    assert field.of(7).open(stored(database)[1]) == "new"
    both = field.of_many([7, 8, None])
    assert both[7].open(stored(database)[1]) == "new" and both[8].open(tokens[2]) == "bob's"
    assert both[None].open(tokens[3]) == "nobody's"


def test_a_new_person_is_made_a_key_when_asked(at, database):
    at.command("encrypt", "--no-backup", "--yes")
    field = load(at)["t.v"]
    with pytest.raises(atrest.EncryptionError, match=r"of\(subject, seal=True\)"):
        field.of(99).seal("x")
    with pytest.raises(atrest.EncryptionError, match=r"of\(subject, seal=True\)"):
        field.of(99).seal_many(["x"])
    token = field.of(99, seal=True).seal("x")
    database.execute(f"INSERT INTO t VALUES (4, 99, '{token}', NULL)")
    assert load(at)["t.v"].of(99).open(token) == "x"
    assert at.command("verify")["columns"][0]["sealed_by_subject"] == 3


def test_who_was_forgotten_raises_so(at, database):
    at.command("encrypt", "--no-backup", "--yes")
    tokens = stored(database)
    at.command("forget", "7", "--now", "--yes")
    anna = load(at)["t.v"].of(7)
    with pytest.raises(atrest.ValueForgotten, match="forgotten"):
        anna.open(tokens[1])
    with pytest.raises(atrest.DecryptionError):
        load(at)["t.v"].of(8).open(tokens[1])
    assert load(at)["t.v"].of(8).open(tokens[2]) == "bob's"


def test_what_is_asked_wrongly_says_what_to_do(at):
    at.command("encrypt", "--no-backup", "--yes")
    fields = load(at)
    with pytest.raises(atrest.PolicyError, match=r"of\(subject\).*of\(None\)"):
        fields["t.v"].seal("x")
    with pytest.raises(atrest.PolicyError, match="has no `subject`.*`Engine.rotate`"):
        fields["t.w"].of(7)
    with pytest.raises(atrest.PolicyError, match="of one subject already"):
        fields["t.v"].of(7).of(8)
    with pytest.raises(TypeError, match="canonical text"):
        fields["t.v"].of(7.5)


def test_the_keyring_is_read_again(at):
    before = load(at)
    at.command("key", "rotate")
    after = before.reload()
    assert len(after.keyring.ids) == len(before.keyring.ids) + 1
    assert after.keyring.primary_id != before.keyring.primary_id


def test_a_database_that_is_not_there(at):
    text = at.policy.read_text()
    at.policy.write_text(text.replace("/", "/nowhere/", 1) if "sqlite" in text else text.replace(":", ":1", 1))
    try:
        fields = load(at)
    except (atrest.DatabaseError, atrest.KeySourceError, atrest.PolicyError):
        return  # its keyring is there
    with pytest.raises((atrest.DatabaseError, atrest.PolicyError)):
        fields["t.v"].of(7)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite's readers wait for nobody
def test_other_threads_run_while_the_database_is_asked(at, database):
    """PostgreSQL holds the table; a thread of Python's goes on meanwhile."""
    at.command("encrypt", "--no-backup", "--yes")
    field, ticks, held = load(at)["t.v"], [], threading.Event()

    def hold():
        with database.engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE atrest_keys IN ACCESS EXCLUSIVE MODE")
            held.set()
            for _ in range(10):
                time.sleep(0.05)
                ticks.append(time.monotonic())

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    field.of(7)
    thread.join()
    assert len(ticks) == 10 and time.monotonic() - ticks[-1] < 5


def test_a_child_of_a_fork_has_connections_of_its_own(at, database):
    at.command("encrypt", "--no-backup", "--yes")
    field, token = load(at)["t.v"], stored(database)[1]
    assert field.of(7).open(token) == "anna's"
    child = os.fork()
    if child == 0:
        os._exit(0 if field.of(8).id == "t.v" and field.of(7).open(token) == "anna's" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert field.of(8).open(stored(database)[2]) == "bob's"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("ends", ["dropped", "replaced"])
def test_a_child_that_ends_leaves_the_parents_connection(at, database, ends):
    """PostgreSQL ends a session for whoever says so on its connection, and both have it."""
    at.command("encrypt", "--no-backup", "--yes")
    fields, token = load(at), stored(database)[1]
    assert fields["t.v"].of(7).open(token) == "anna's"
    before = sessions(database)
    assert before
    child = os.fork()
    if child == 0:
        if ends == "replaced":
            fields["t.v"].of(8)
        del fields
        gc.collect()
        time.sleep(0.5)  # what closes a connection does so on a thread
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    time.sleep(0.5)  # and the server sees an end a moment later
    assert sessions(database) == before, "the parent's session is there, and nobody else's"
    assert fields["t.v"].of(8).open(stored(database)[2]) == "bob's"
    assert sessions(database) == before, "and is the one that is used"


def sessions(database):
    """The server's processes that work for connections of atrest's to this database."""
    found = database.raw(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'atrest'"
    )
    return sorted(pid for (pid,) in found)

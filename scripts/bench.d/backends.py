"""The three databases as the benchmark sees them: make a table, copy it afresh,
run one bare UPDATE, read the column by the database's own client.

Each class has the same names, so that a measurement is written once. Values are
370 bytes of JSON with a template that looks random; they come from a hash in SQL,
so nothing is carried over the wire to make them.
"""

import os
import re
import sqlite3
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

TOKEN = 559  # characters of an xaes-256-gcm token of 370 bytes
VALUE = 370
HEAD, TAIL = '{"kind":"face","quality":87,"template":"', '"}'
BODY = VALUE - len(HEAD) - len(TAIL)


class Postgres:
    name = "PostgreSQL"

    def __init__(self, folder, url=None):
        server = url or os.environ["ATREST_TEST_POSTGRES"]
        self.base = re.sub(r"/[^/]*$", "", server)
        self.database = f"atrest_bench_{os.getpid()}"
        self.server = server
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {self.database}")
        self.url = f"{self.base}/{self.database}"
        self.connection = psycopg.connect(self.url, autocommit=True)
        number = self.connection.info.server_version
        self.version = f"PostgreSQL {number // 10000}.{number % 10000}"

    def sql(self, text):
        self.connection.execute(text)

    def make(self, table, rows):
        """A table of its own, VACUUMed and checkpointed: every round starts alike."""
        self.sql(f"DROP TABLE IF EXISTS {table}")
        self.sql(f"CREATE TABLE {table} (id bigint PRIMARY KEY, extras text NOT NULL)")
        self.sql(
            f"INSERT INTO {table} SELECT i, '{HEAD}' || left(h || h || h || h || h || h || h || h || h || h || h, {BODY}) || '{TAIL}' "
            f"FROM (SELECT i, md5(i::text) AS h FROM generate_series(1, {rows}) AS i) AS v"
        )
        self.settle(table)

    def settle(self, table):
        self.sql(f"VACUUM (ANALYZE, FREEZE) {table}")
        self.sql("CHECKPOINT")

    def bare_update(self, table):
        self.sql(f"UPDATE {table} SET extras = repeat('x', {TOKEN})")

    def read_column(self, table):
        """COPY to the client, whose output goes nowhere."""
        command = ["psql", "-X", "-q", "-d", self.url, "-c", f"COPY (SELECT extras FROM {table}) TO STDOUT"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)

    def close(self):
        self.connection.close()
        with psycopg.connect(self.server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {self.database} WITH (FORCE)")


class Mariadb:
    name = "MariaDB"

    def __init__(self, folder):
        parts = urlsplit(os.environ["ATREST_TEST_MARIADB"])
        self.client = [
            "mariadb", "--no-defaults", "--protocol=tcp", f"--host={parts.hostname}",
            f"--port={parts.port or 3306}", f"--user={unquote(parts.username or 'root')}",
        ]  # fmt: skip
        # A password goes by the environment: arguments can be seen by everyone.
        self.environment = os.environ | ({"MYSQL_PWD": unquote(parts.password)} if parts.password else {})
        self.database = f"atrest_bench_{os.getpid()}"
        self.sql(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4", "")
        self.url = os.environ["ATREST_TEST_MARIADB"].rsplit("/", 1)[0] + f"/{self.database}"
        self.version = "MariaDB " + self.sql("SELECT VERSION()").strip().split("-")[0]

    def sql(self, text, database=None):
        command = self.client + ["--skip-column-names", "--execute", text]
        return subprocess.run(
            command + [database if database is not None else self.database][: database != ""],
            check=True, capture_output=True, text=True, env=self.environment,
        ).stdout  # fmt: skip

    def make(self, table, rows):
        self.sql(
            f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id BIGINT PRIMARY KEY, extras TEXT NOT NULL); "
            f"INSERT INTO {table} SELECT seq, CONCAT('{HEAD}', LEFT(REPEAT(MD5(seq), 11), {BODY}), '{TAIL}') "
            f"FROM seq_1_to_{rows}"
        )
        self.settle(table)

    def settle(self, table):
        self.sql(f"FLUSH TABLES {table}; ANALYZE TABLE {table}")

    def bare_update(self, table):
        self.sql(f"UPDATE {table} SET extras = REPEAT('x', {TOKEN})")

    def read_column(self, table):
        command = self.client + ["--quick", "--skip-column-names", "--execute", f"SELECT extras FROM {table}", self.database]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=self.environment)

    def close(self):
        self.sql(f"DROP DATABASE {self.database}", "")


class Sqlite:
    name = "SQLite"

    def __init__(self, folder):
        self.path = Path(folder) / "bench.db"
        self.url = f"sqlite://{self.path}"
        self.version = f"SQLite {sqlite3.sqlite_version} (the peer's)"

    def connect(self):
        return sqlite3.connect(self.path, isolation_level=None)

    def sql(self, text):
        connection = self.connect()
        connection.execute(text)
        connection.close()

    def make(self, table, rows):
        for old in self.path.parent.glob("bench.db*"):
            old.unlink()
        connection = self.connect()
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, extras TEXT NOT NULL)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO {table} SELECT i, '{HEAD}' || substr(hex(randomblob({(BODY + 1) // 2})), 1, {BODY}) || '{TAIL}' FROM n",
            [rows],
        )
        connection.close()
        os.sync()

    def settle(self, table):
        os.sync()

    def bare_update(self, table):
        connection = self.connect()
        connection.execute(f"UPDATE {table} SET extras = ?", ["x" * TOKEN])
        connection.close()

    def read_column(self, table):
        connection = self.connect()
        for _ in connection.execute(f"SELECT extras FROM {table}"):
            pass
        connection.close()

    def close(self):
        pass

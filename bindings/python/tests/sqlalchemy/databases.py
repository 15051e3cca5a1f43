"""What the tests of the SQLAlchemy type stand on: databases of their own, and the engine at
work on them."""

import json
import os
import shutil
import subprocess
import uuid

import sqlalchemy as sa
from sqlalchemy.engine import make_url

import atrest

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = {
    "postgresql": ("ATREST_TEST_POSTGRES", "postgresql+psycopg"),
    "mariadb": ("ATREST_TEST_MARIADB", "mysql+pymysql"),
}


class Database:
    """A database of its own: its engine for SQLAlchemy, its URL for atrest."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.drop = None
        if kind == "sqlite":
            path = folder / f"{uuid.uuid4().hex}.db"
            self.url = f"sqlite:{path}"
            self.sqlalchemy_url = f"sqlite:///{path}"
        else:
            variable, driver = SERVERS[kind]
            server = os.environ.get(variable)
            assert server, f"{variable} is not set; run scripts/test --servers-only and take over what it prints"
            name = f"at_sa_{uuid.uuid4().hex[:12]}"
            plain = make_url(server)
            admin = sa.create_engine(plain.set(drivername=driver), isolation_level="AUTOCOMMIT")
            with admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            self.drop = (admin, name)
            own = plain.set(database=name)
            self.url = own.render_as_string(hide_password=False)
            url = own.set(drivername=driver)
            if kind == "mariadb":
                url = url.update_query_dict({"charset": "utf8mb4"})
            self.sqlalchemy_url = url.render_as_string(hide_password=False)
        self.engine = sa.create_engine(self.sqlalchemy_url)

    def close(self):
        self.engine.dispose()
        if self.drop:
            admin, name = self.drop
            with admin.connect() as connection:
                force = " WITH (FORCE)" if self.kind == "postgresql" else ""
                connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
            admin.dispose()

    def raw(self, sql):
        """The rows as the database has them, past every type."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def execute(self, sql):
        with self.engine.begin() as connection:
            connection.exec_driver_sql(sql)


#: Made up, and the same in this process and in the command's environment.
KEY = atrest.generate_key()


class Atrest:
    """The engine at work on a database: by `atrest.Engine`, or by the command."""

    def __init__(self, database, folder, columns):
        lines = ['[keys]\nprimary = "env:KEY"\n', f'[database]\nurl = "{database.url}"\n']
        for column in columns:
            table, name, *more = column
            lines.append(f'[[column]]\ntable = "{table}"\nname = "{name}"\n' + "".join(f"{line}\n" for line in more))
        self.folder = folder
        self.policy = folder / "atrest.toml"
        self.policy.write_text("\n".join(lines))
        self.environment = {"KEY": KEY}

    def command(self, *arguments, status=0, **environment):
        """Runs the command, and gives what it printed as JSON."""
        binary = os.environ.get("ATREST_BIN") or shutil.which("atrest")
        assert binary, "ATREST_BIN does not name the atrest command (scripts/test sqlalchemy does)"
        done = subprocess.run(
            [binary, "--policy", str(self.policy), "--json", *map(str, arguments)],
            env={"PATH": os.environ["PATH"], **self.environment, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def run(self, verb, **options):
        """A verb of `atrest.Engine`, or of the command where the wheel has none yet."""
        if hasattr(atrest, "Engine"):
            engine = atrest.Engine(self.policy, environment=self.environment)
            return getattr(engine, verb)(**options)
        flags = []
        for name, value in options.items():
            flags += ["--" + name.replace("_", "-")] * (value is True)
            flags += ["--no-backup"] * (name == "backup" and value is False)
        return self.command(verb, *flags)

"""From clear data through every step to rollback, each as one would do it; every step is
checked, and the first that fails ends the script.

    python run.py                                             SQLite, in a folder of its own
    python run.py --url postgresql://user:password@host/db    an empty database

It needs the command `atrest` in PATH (or named by ATREST_BIN).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

import before
import models
from atrest import DecryptionError, Keyring
from atrest.sqlalchemy import EncryptedQueryError, configure

HERE = Path(__file__).parent
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
SENSITIVE = ("person", "Gate 4", "rtsp://", "no helmet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="an empty database; SQLite in a folder of its own without")
    url = parser.parse_args().url
    with tempfile.TemporaryDirectory() as folder:
        example = Example(Path(folder), url)
        try:
            example.run()
        finally:
            example.close()


class Example:
    def __init__(self, folder: Path, url: str | None) -> None:
        self.folder = folder
        policy = (HERE / "atrest.toml").read_text()
        if url is None:
            self.engine = sa.create_engine(f"sqlite:///{folder / 'surveillance.db'}")
        else:
            policy = policy.replace("sqlite:surveillance.db", url)
            plain = sa.make_url(url)
            self.engine = sa.create_engine(plain.set(drivername=DRIVERS[plain.drivername]))
        (folder / "atrest.toml").write_text(policy)

    def close(self) -> None:
        self.engine.dispose()

    def run(self) -> None:
        step("The application as it was: what is sensitive stands in clear")
        before.Base.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            for row in made_up():
                session.add(row)
                session.flush()
            session.commit()
        self.first = self.dump()
        assert "person" in str(self.first)

        step("A key of 64 hex digits in .env, which only its owner can read")
        self.write_env(ENCRYPTION_KEY=secrets.token_hex(32), OLD_SECRET=before.OLD_SECRET)

        step("The plan: what would change, and which types have to")
        plan = self.atrest("plan", "--only", "annotations.label", "--only", "annotations.box", "--only", "frames.details")
        assert plan["ok"] and self.dump() == self.first
        print("  due:", {column["column"]: column["due"] for column in plan["columns"]})

        step("The column that SQLAlchemy-Utils encrypted is taken over")
        adopted = self.atrest(
            "adopt", "--only", "cameras.stream_url", "--from", "sqlalchemy-utils", "--from-key", "env:OLD_SECRET"
        )
        print("  taken over:", adopted["columns"][0]["changed"])

        step("Everything else is encrypted in place, with a backup of the values as they were")
        done = self.atrest("encrypt", "--apply-schema", "--backup", "clear.atrest")
        print("  encrypted:", {column["column"]: column["changed"] for column in done["columns"]})
        self.engine.dispose()

        step("The release with the encrypted models reads and writes as before")
        configure(self.folder / "atrest.toml")
        self.compare()
        with Session(self.engine) as session:
            session.add(models.Annotation(id=9999, frame_id=1, label="person, no helmet", box=[1.5, 2, 3, 4], confidence=0.9))
            session.commit()
            session.expire_all()
            annotation = session.get_one(models.Annotation, 9999)
            assert (annotation.label, annotation.box, annotation.confidence) == ("person, no helmet", [1.5, 2, 3, 4], 0.9)

        step("Verified: nothing is in clear, and a plain look at the table says the same")
        report = self.atrest("verify")
        assert report["ok"]
        assert all(column["plaintext"] == column["undecryptable"] == 0 for column in report["columns"])
        stored = str(self.dump())
        assert not any(word in stored for word in SENSITIVE)
        print("  stored:", self.one("SELECT label FROM annotations WHERE id = 1")[:40] + "...")

        step("A query that compares an encrypted column is refused, not answered with no rows")
        try:
            sa.select(models.Annotation).where(models.Annotation.label == "person")
            raise AssertionError("not refused")
        except EncryptedQueryError as error:
            print("  refused:", str(error)[:60] + "...")
        with Session(self.engine) as session:
            without = session.scalar(sa.select(sa.func.count()).where(models.Annotation.note.is_(None)))
        print("  annotations without a note:", without)

        step("With another key nothing is read")
        configure(Keyring(secrets.token_hex(32)))
        self.refused(1)
        configure(self.folder / "atrest.toml")

        step("A value that was damaged is found, named, and never shown as if it were one")
        whole = self.one("SELECT label FROM annotations WHERE id = 2")
        self.execute("UPDATE annotations SET label = :label WHERE id = 2", label=whole[:-4] + "AAAA")
        self.refused(2)
        found = self.atrest("verify", "--only", "annotations.label", status=1)
        assert found["columns"][0]["undecryptable_rows"] == ["2"]
        self.execute("UPDATE annotations SET label = :label WHERE id = 2", label=whole)

        step("The key is rotated; the old one stays at hand until nothing needs it")
        old = self.environment()["ENCRYPTION_KEY"]
        self.write_env(ENCRYPTION_KEY=secrets.token_hex(32), ENCRYPTION_KEY_BACKUP=old, OLD_SECRET=before.OLD_SECRET)
        policy = self.folder / "atrest.toml"
        policy.write_text(policy.read_text().replace("previous = []", 'previous = ["env:ENCRYPTION_KEY_BACKUP"]'))
        configure(policy)
        self.compare()
        rotated = self.atrest("rotate", "--backup", "rotated.atrest")
        assert all(len(column["sealed"]) == 1 for column in rotated["columns"])
        self.compare()

        step("Rollback: clear again, in the types there were, and nothing of atrest is left")
        self.execute("DELETE FROM annotations WHERE id = 9999")
        self.atrest("decrypt", "--apply-schema", "--no-backup")
        self.engine.dispose()
        now = self.dump()
        for camera, was in zip(now["cameras"], self.first["cameras"], strict=True):
            # This column was encrypted before, by a package that is not needed any more.
            assert camera["stream_url"].startswith("rtsp://")
            camera["stream_url"] = was["stream_url"]
        assert now == self.first, "rows differ"
        assert sorted(sa.inspect(self.engine).get_table_names()) == ["annotations", "cameras", "frames"]
        print("\nAll of it came back as it was.")

    # --- what the steps are made of

    def atrest(self, *arguments: str, status: int = 0) -> dict:
        binary = shutil.which(os.environ.get("ATREST_BIN") or "atrest")
        if binary is None:
            raise SystemExit("the command atrest is not in PATH; install it, or name it in ATREST_BIN")
        shown = " ".join(f"'{a}'" if " " in a else a for a in arguments)
        print(f"  $ atrest {shown}")
        done = subprocess.run([os.path.abspath(binary), "--json", *arguments], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def environment(self) -> dict[str, str]:
        lines = (self.folder / ".env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def write_env(self, **variables: str) -> None:
        path = self.folder / ".env"
        path.touch(mode=0o600)
        quoted = (f"{name}='{value}'" if " " in value else f"{name}={value}" for name, value in variables.items())
        path.write_text("\n".join(quoted) + "\n")

    def dump(self) -> dict[str, list[dict]]:
        """Every row, as the database has it."""
        tables = before.Base.metadata.sorted_tables
        with self.engine.connect() as connection:
            return {
                table.name: [
                    {name: stable(value) for name, value in row.items()}
                    for row in connection.execute(sa.text(f"SELECT * FROM {table.name} ORDER BY id")).mappings()
                ]
                for table in tables
            }

    def compare(self) -> None:
        """The application reads what was made up."""
        want = {(type(row).__tablename__, row.id): row for row in made_up()}
        with Session(self.engine) as session:
            for model in (models.Camera, models.Frame, models.Annotation):
                for row in session.scalars(sa.select(model).where(model.id < 9999)):
                    was = want.pop((model.__tablename__, row.id))
                    for column in model.__table__.c:
                        assert getattr(row, column.name) == getattr(was, column.name), column
        assert not want

    def refused(self, id: int) -> None:
        with Session(self.engine) as session:
            try:
                session.scalar(sa.select(models.Annotation.label).where(models.Annotation.id == id))
                raise AssertionError("not refused")
            except DecryptionError as error:
                assert "annotations.label" in str(error)
                print("  refused:", str(error)[:60] + "...")

    def one(self, sql: str) -> str:
        with self.engine.connect() as connection:
            return connection.execute(sa.text(sql)).scalar_one()

    def execute(self, sql: str, **values: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(sql), values)


def stable(value: object) -> object:
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def made_up() -> list:
    """Two cameras, forty frames, two hundred annotations of nobody."""
    dice = random.Random(2026)
    rows: list = [
        before.Camera(id=1, name="north", stream_url="rtsp://north.example.org/live?token=n0"),
        before.Camera(id=2, name="south", stream_url="rtsp://south.example.org/live?token=s0"),
    ]
    begin = dt.datetime(2026, 3, 1, 6, 30)
    for n in range(1, 41):
        details = {"site": "Gate 4, Ünterweg", "exposure": dice.random(), "gps": [52.5, 13.4], "night": n > 30}
        taken = begin + dt.timedelta(seconds=2 * n)
        rows.append(before.Frame(id=n, camera_id=n % 2 + 1, number=n, taken_at=taken, details=details if n % 7 else None))
    for n in range(1, 201):
        label = dice.choice(["person", "person, no helmet", "car", "dog 🐕", ""])
        box = [round(dice.uniform(0, 1920), 2) for _ in range(4)]
        note = "no helmet, third time" if n % 5 == 0 else None
        rows.append(
            before.Annotation(id=n, frame_id=n % 40 + 1, label=label, box=box, confidence=dice.random(), note=note)
        )
    return rows


def step(title: str) -> None:
    step.number = getattr(step, "number", 0) + 1  # type: ignore[attr-defined]
    print(f"\n{step.number}. {title}")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

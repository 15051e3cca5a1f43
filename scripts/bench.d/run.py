"""Runs the parts that scripts/bench names, prints them, and writes each into its
place between two markers of docs/performance.md."""

import argparse
import os
import platform
import re
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import backends
import columns
import files
import keys
import micro
import models_django
import objects
import serve
import subjects
import trees

PAGE = Path("docs/performance.md")
PARTS = {
    "micro": lambda options, folder: micro.measure(options),
    "objects": lambda options, folder: objects.measure(options),
    "files": lambda options, folder: files.measure(options),
    "trees": lambda options, folder: trees.measure(options),
    "serve": lambda options, folder: serve.measure(options),
    "postgres": lambda options, folder: columns.measure(backends.Postgres, options, folder),
    "mariadb": lambda options, folder: columns.measure(backends.Mariadb, options, folder),
    "sqlite": lambda options, folder: columns.measure(backends.Sqlite, options, folder),
    "django": models_django.measure,
    "keys": keys.measure,
    "subjects": lambda options, folder: subjects.measure(options, Path(folder)),
    "memory": columns.memory,
}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine():
    model = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    return f"{model}, {os.cpu_count()} cores, {gigabytes:.0f} GiB, {system.group(1) if system else platform.system()}, Linux {platform.release()}"


def versions():
    ours = subprocess.check_output([os.environ["ATREST_BIN"], "--version"], text=True).splitlines()[0]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    peers = ", ".join(f"{name} {version(name)}" for name in ("cryptography", "Django", "django-fernet-encrypted-fields", "psycopg"))
    return f"{ours} ({commit or 'no git'}), Python {platform.python_version()}, {peers}"


def write(part, text):
    page = PAGE.read_text()
    begin, end = f"<!-- bench:{part} -->", f"<!-- /bench:{part} -->"
    if begin not in page or end not in page:
        raise SystemExit(f"{PAGE} lacks the markers {begin} and {end}; put them back")
    before, rest = page.split(begin, 1)
    _, after = rest.split(end, 1)
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    number = lambda name, default: int(os.environ.get(f"ATREST_BENCH_{name}", default))  # noqa: E731
    options.rows, options.read_rows = number("ROWS", 200_000), number("READ_ROWS", 1_000_000)
    options.memory_rows, options.rounds = number("MEMORY_ROWS", 5_000_000), number("ROUNDS", 3)
    chosen = list(PARTS) if options.parts in ([], ["all"]) else options.parts
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix="atrest-bench.") as folder:
            load = os.getloadavg()[0]
            head, rows, notes = PARTS[part](options, folder)
        text = "\n\n".join(
            [
                f"`scripts/bench {part}`, {time.strftime('%Y-%m-%d', time.gmtime())}. {machine()} "
                f"(load {load:.1f} when it began). {versions()}. Medians of {options.rounds} interleaved rounds."
                if part != "memory"
                else f"`scripts/bench {part}`, {time.strftime('%Y-%m-%d', time.gmtime())}. {machine()}. {versions()}.",
                table(head, rows),
                *notes,
            ]
        )
        print(f"\n## {part}\n\n{text}", flush=True)
        if not options.dry:
            write(part, text)


main()

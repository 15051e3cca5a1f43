"""`manage.py benchmark_encryption_performance`: what encryption costs, here and with these keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

import atrest
from atrest.django import conf
from atrest.django.keys import in_force
from atrest.django.management.base import ColumnCommand, number

#: What is asked of one operation, in milliseconds.
ASKED = 50
#: Bytes of one value.
LARGEST = 100_000_000


class Command(ColumnCommand):
    help = (
        "Measures sealing and opening with the project's keys, in memory: in the project's suite, or as the fields "
        "do it that are named. Touches no row."
    )
    batch = "values measured of each size (default: 1000)"

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--sizes", type=int, nargs="+", default=[64, 4096, 1_000_000], metavar="BYTES")

    def handle(self, *args: Any, **options: Any) -> None:
        for size in options["sizes"]:
            if not 0 <= size <= LARGEST:
                raise CommandError(f"--sizes has {size}; give whole numbers from 0 to {number(LARGEST)}", returncode=2)
        for name, field in self.measured(options):
            self.say(f"{name}, {field.suite}, one value at a time: median and 95th percentile")
            for size in options["sizes"]:
                self.one(field, size, max(20, min(options["batch_size"] or 1000, 50_000_000 // max(size, 1))))

    def measured(self, options: dict[str, Any]) -> Iterator[tuple[str, atrest.Field]]:
        if not (options["app"] or options["model"] or options["field"]):
            suite = conf.suite()
            yield "benchmark", atrest.Field(in_force.keyring(), "benchmark", suite=suite, id="benchmark")
            return
        for field in self.chosen(options):
            yield str(field), field.column_values.native()

    def one(self, field: atrest.Field, size: int, count: int) -> None:
        value = "x" * size
        token = field.seal(value)
        works: dict[str, Callable[[], object]] = {
            "seal": lambda: field.seal(value),
            "open": lambda: field.open(token),
            "both": lambda: field.open(field.seal(value)),
        }
        for what, work in works.items():
            middle, p95 = measure(work, count)
            met = "" if what != "both" else f"  {'under' if p95 < ASKED * 1000 else 'NOT under'} {ASKED} ms"
            self.say(f"{size:>10,} bytes  {what}  {middle:>10.1f} µs  p95 {p95:>10.1f} µs{met}")


def measure(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Median and 95th percentile of so many times, in microseconds."""
    times = []
    for _ in range(count):
        begin = perf_counter()
        work()
        times.append((perf_counter() - begin) * 1e6)
    return median(times), quantiles(times, n=20)[-1]

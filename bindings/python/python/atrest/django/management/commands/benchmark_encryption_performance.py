"""`manage.py benchmark_encryption_performance`: what encryption costs, here and with these keys."""

from __future__ import annotations

from statistics import median, quantiles
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

import atrest
from atrest.django import conf
from atrest.django.keys import in_force


class Command(BaseCommand):
    help = "Measures sealing and opening with the project's keys and suite, in memory. Touches no row."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--sizes", type=int, nargs="+", default=[64, 4096, 1_000_000], metavar="BYTES")
        parser.add_argument("--batch-size", type=int, default=1000, metavar="N", help="values measured of each size")
        parser.add_argument("--dry-run", action="store_true", help="accepted; nothing is changed anyway")

    def handle(self, *args: Any, **options: Any) -> None:
        suite = conf.get("SUITE")
        field = atrest.Field(in_force.keyring(), "benchmark", suite=suite, id="benchmark")
        self.stdout.write(f"{suite}, one value at a time; median and 95th percentile")
        for size in options["sizes"]:
            count = max(20, min(options["batch_size"], 50_000_000 // size))
            value = "x" * size
            token = field.seal(value)
            for what, work in (("seal", lambda: field.seal(value)), ("open", lambda: field.open(token))):
                times = []
                for _ in range(count):
                    begin = perf_counter()
                    work()
                    times.append((perf_counter() - begin) * 1e6)
                p95 = quantiles(times, n=20)[-1]
                self.stdout.write(f"{size:>10,} bytes  {what}  {median(times):>10.1f} µs  {p95:>10.1f} µs")

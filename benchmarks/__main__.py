"""``python -m benchmarks``: measure, print a table, write ``var/bench.json``."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Target, rates
from benchmarks.measuring import measure
from benchmarks.population import populate
from tests import postgres

NAMES = ("planning", "importing", "delivery", "channels", "pages", "orchestration", "memory")
#: As a server of this size would be set up; everything is as durable as by default.
SERVER = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
}
_MB = 2**20
_PAGES = {"empty": "an empty route", "my_page": "my page", "click": "a click"}


@dataclass(frozen=True)
class Plan:
    """What is measured, and how large.

    Args:
        sizes: audiences, ascending: planning and the worker's memory are measured on each.
        messages: of a delivery run.
        audience: of a wave through real channels.
        orchestrated: of a wave that Prefect runs.
        workers: how many share it.
        rates: a provider's messages per second, where it is the provider that takes the time.
        records, people: of an import run.
        visitors: learners who look at their pages.
    """

    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    messages: int = 40_000
    audience: int = 100_000
    orchestrated: int = 100_000
    workers: tuple[int, ...] = (1, 2, 4)
    rates: tuple[int, ...] = (600,)
    records: int = 200_000
    people: int = 100_000
    visitors: int = 20_000
    runs: int = 3
    is_whole: bool = True


QUICK = Plan(
    sizes=(2_000, 20_000),
    messages=5_000,
    audience=5_000,
    orchestrated=50_000,  # fewer are not worth a second run
    workers=(1, 2),
    rates=(),
    records=20_000,
    people=10_000,
    visitors=2_000,
    is_whole=False,
)


class Bench:
    """One run of the benchmarks on one server."""

    def __init__(self, server: str, plan: Plan, console: Console) -> None:
        self._server, self._plan, self._console = server, plan, console

    def planning(self) -> Iterator[Figure]:
        """Learners per second, by size; and whether the cost per learner stays the same."""
        cost = {}
        for size in self._plan.sizes:
            with self._organisation(size) as url:
                done = measure("planning", url=url, size=size, runs=self._plan.runs)
            value, each = rates(size, done.seconds)
            cost[size] = 1 / value
            target = Target(at_least=100_000, applies=size >= 1_000_000)
            note = f"{done.counts.pop('planned'):,} planned, " + ", ".join(f"{v:,} {k}" for k, v in done.counts.items())
            yield Figure("planning", size, value, "learners/s", each, done.peak_memory, target, note)
        small, large = min(cost), max(cost)
        if small != large:
            target = Target(at_most=1.25, applies=self._plan.is_whole)
            note = f"cost per learner at {large:,} over that at {small:,}"
            yield Figure("planning is flat", large, cost[large] / cost[small], "×", target=target, note=note)

    def importing(self) -> Iterator[Figure]:
        """Records per second, by kind."""
        plan = self._plan
        with self._organisation(3 * plan.records) as url:
            for kind, size in (("people", plan.people), ("progress", plan.records), ("activity", plan.records)):
                done = measure(kind, url=url, size=size, runs=plan.runs)
                value, each = rates(size, done.seconds)
                target = None if kind == "people" else Target(at_least=20_000, applies=plan.is_whole)
                note = f"CSV of {size:,} rows, {done.counts['accepted']:,} accepted"
                note += ", with two xAPI identities each" if kind == "people" else ""
                yield Figure(f"importing {kind}", size, value, "records/s", each, done.peak_memory, target, note)

    def delivery(self) -> Iterator[Figure]:
        """Messages per second of one process."""
        size = self._plan.messages
        with self._organisation(size) as url:
            done = measure("delivery", url=url, size=size, runs=self._plan.runs)
        messages = done.counts["messages"]
        value, each = rates(messages, done.seconds)
        target = Target(at_least=5_000, applies=self._plan.is_whole)
        note = f"e-mails of {done.counts['bytes'] / messages / self._plan.runs / 1000:.1f} kB, rendered, kept on disk"
        yield Figure("sandbox delivery", messages, value, "messages/s", each, done.peak_memory, target, note)

    def channels(self) -> Iterator[Figure]:
        """Waves through the real adapters: against their own bodies prebuilt, and what one would write instead."""
        size, whole = self._plan.audience, self._plan.is_whole
        done = measure("channels-sink", url="", size=0, runs=self._plan.runs)
        ceiling, each = rates(done.counts["requests"], done.seconds)
        language = "C" if done.counts["sink in C"] else "Python"
        yield Figure(
            "the sink alone", done.counts["requests"], ceiling, "requests/s", each, note=f"written in {language}"
        )
        kinds = (("shared", 60_000), ("full", 12_000), ("sms", 8_000), ("slack", 8_000), ("teams", 8_000))
        with self._organisation(size) as url:
            for kind, least in kinds:
                done = measure(f"channels-{kind}", url=url, size=size, runs=self._plan.runs)
                messages = done.counts["messages"]
                value, each = rates(messages, done.seconds)
                name = {"shared": "e-mail, shared bodies", "full": "e-mail, a body each"}.get(kind, kind)
                prebuilt, posting = done.more["prebuilt"], done.more["posting"]
                note = f"two workers; prebuilt {prebuilt:,.0f}/s with the ledger, {posting:,.0f}/s without it"
                if kind != "shared":
                    note += f"; the sink takes {ceiling / value:.1f} × as many"
                target = Target(at_least=least, applies=whole)
                yield Figure(name, messages, value, "messages/s", each, done.peak_memory, target, note)
                target = Target(at_least=0.5, applies=whole and kind == "shared")
                note = "of the same wave with its bodies prebuilt"
                yield Figure(f"{name}: ratio", messages, value / prebuilt, "×", target=target, note=note)
                if kind == "shared":
                    memory, target = done.peak_memory / _MB, Target(at_most=100)
                    yield Figure("its workers' memory", messages, memory, "MB", (), done.peak_memory, target)
            yield from self._pace(url)
        for peer, name in (("sdk", "peer: the SDK in a loop"), ("prefect", "peer: a Prefect task each")):
            done = measure(f"channels-{peer}", url="", size=0, runs=self._plan.runs)
            value, each = rates(done.counts["messages"], done.seconds)
            yield Figure(name, done.counts["messages"], value, "messages/s", each, note="no ledger, same sink")

    def pages(self) -> Iterator[Figure]:
        """Pages per second under 200 clients, and the slowest hundredth, beside an empty route."""
        size = self._plan.visitors
        with self._organisation(size) as url:
            done = {kind: measure(f"pages-{kind}", url=url, size=size, runs=self._plan.runs) for kind in _PAGES}
        base, _ = rates(1, done["empty"].seconds)
        for kind, name in _PAGES.items():
            value, each = rates(1, done[kind].seconds)
            more = done[kind].more
            note = f"half are answered in {more['median']:.0f} ms, 99 % in {more['p99']:.0f} ms"
            yield Figure(name, done[kind].counts["requests"], value, "requests/s", each, note=note)
            if kind != "empty":
                yield Figure(f"{name}: ratio", size, 100 * value / base, "%", note="of the empty route's requests/s")
                slow = more["p99"] / done["empty"].more["p99"]
                yield Figure(f"{name}: slowest hundredth", size, slow, "×", note="as long as the empty route's")

    def _pace(self, url: str) -> Iterator[Figure]:
        whole = self._plan.is_whole
        done = measure("channels-latency", url=url, size=0, runs=self._plan.runs)
        took, at_once = statistics.median(done.seconds), done.more["at once"]
        value, messages = 100 * (took / at_once - 1), done.counts["messages"]
        target = Target(at_most=20, applies=whole)
        yield Figure("100 ms of latency", messages, value, "% longer", target=target, note="4 senders per worker")
        done = measure("channels-pacing", url=url, size=0, runs=1)
        messages = done.counts["messages"]
        target, value = Target(at_most=1), 100 * abs(1 - done.more["rate"] / 200)
        note = f"{done.more['rate']:.1f}/s arrived, by two workers"
        yield Figure("off the rate of 200/s", messages, value, "%", target=target, note=note)
        most = done.counts["most in a second"]
        yield Figure("most in any second", messages, most, "messages", target=Target(at_most=200))

    def orchestration(self) -> Iterator[Figure]:
        """A wave as runs of a real Prefect server, by some workers: how fast, and what of its time is Prefect's."""
        plan = self._plan
        ways = [*((workers, 0) for workers in plan.workers), *((2, rate) for rate in plan.rates)]
        for workers, rate in ways:
            with self._organisation(plan.orchestrated) as url:
                runs = 1 if rate or not plan.is_whole else plan.runs
                done = measure(f"orchestration-{workers}@{rate}", url=url, size=plan.orchestrated, runs=runs)
            messages, more = done.counts["messages"], done.more
            name = f"a wave by {workers} worker{'s' if workers > 1 else ''}" + (f" at {rate}/s" if rate else "")
            note = f"first claim to last record; {more['plain rate']:,.0f}/s without Prefect"
            yield Figure(name, messages, more["rate"], "messages/s", note=note)
            share = 100 * (more["with"] / more["without"] - 1)
            note = f"{more['with']:.2f} s from Running to the end, {more['without']:.2f} s without; "
            note += f"{more['start']:.1f} s from asking until Running"
            target = Target(at_most=7, applies=plan.is_whole)
            yield Figure(f"{name}: Prefect's share", messages, share, "%", target=target, note=note)
            note = f"in {done.counts['flow runs']} flow runs"
            yield Figure(
                f"{name}: task runs", messages, done.counts["task runs"], "", target=Target(at_most=99), note=note
            )

    def memory(self) -> Iterator[Figure]:
        """The worker's peak memory by size, and what a finished wave costs when it is replayed."""
        for size in self._plan.sizes:
            with self._organisation(size) as url:
                done = measure("memory", url=url, size=size, runs=1)
            messages, peak = done.counts["messages"], done.peak_memory
            note = f"{done.memory_before / _MB:.0f} MB of it before the first message; worker without Prefect"
            yield Figure("worker memory", messages, peak / _MB, "MB", (), peak, Target(at_most=100), note)
            again, whole = sorted(done.seconds)[1], done.more["plan"] + done.more["drain"]
            sent = done.counts["sent again"] + done.counts["log grew"]
            planned, drained = done.more["plan"], done.more["drain"]
            note = f"{sent} sent; {again:.2f} s, after {planned:.2f} s to plan and {drained:.1f} s to send"
            assert not sent, "replaying a finished wave sent something"
            target = Target(at_most=5)
            each = [100 * run / whole for run in done.seconds]
            yield Figure("replaying it", messages, 100 * again / whole, "% of the wave", each, None, target, note)

    @contextmanager
    def _organisation(self, size: int) -> Iterator[str]:
        """A database with an organisation of this size, gone afterwards."""
        with self._console.status(f"making an organisation of {size:,}"), postgres.database(self._server) as url:
            populate(url, size)
            self._console.print(f"[dim]measuring on {size:,} …[/dim]", highlight=False)
            yield url


def show(figures: Sequence[Figure], console: Console, server: str) -> None:
    """Print the table."""
    table = Table(title=f"Pushpull on {server}, {os.cpu_count()} cores", title_justify="left")
    for name in ("what", "size", "median", "", "target", "", "peak memory", "runs", "note"):
        table.add_column(
            name, justify="right" if name in ("size", "median", "target", "peak memory", "runs") else "left"
        )
    for each in figures:
        digits = 0 if each.value >= 1000 else 2
        verdict = {"met": "[green]met[/green]", "missed": "[red]missed[/red]"}.get(each.verdict, "")
        table.add_row(
            each.name,
            f"{each.size:,}",
            f"{each.value:,.{digits}f}",
            each.unit,
            str(each.target or ""),
            verdict,
            f"{each.peak_memory / _MB:.0f} MB" if each.peak_memory else "",
            " ".join(f"{run:,.{digits}f}" for run in each.runs),
            each.note,
        )
    console.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks.

    Returns:
        0 when every target was met, 1 when one was missed.
    """
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure planning to delivery.")
    arguments.add_argument("--quick", action="store_true", help="small sizes: does it run, not how fast")
    arguments.add_argument("--only", choices=NAMES, action="append", help="only this part; may be repeated")
    arguments.add_argument("--sizes", help="audiences, e.g. 10000,100000")
    arguments.add_argument("--json", type=Path, default=Path("var/bench.json"), help="where the figures go")
    given = arguments.parse_args(argv)
    plan = QUICK if given.quick else Plan()
    if given.sizes:
        sizes = tuple(sorted(int(size) for size in given.sizes.split(",")))
        plan = Plan(**{**plan.__dict__, "sizes": sizes})
    console = Console(width=None if os.isatty(1) else 200)
    figures: list[Figure] = []
    with postgres.server(settings=SERVER) as server:
        with psycopg.connect(f"{server}/postgres") as connection:
            version = f"PostgreSQL {connection.info.server_version // 10_000}"
        bench = Bench(server, plan, console)
        for name in given.only or NAMES:
            for figure in getattr(bench, name)():
                verdict = f" ({figure.verdict})" if figure.verdict else ""
                console.print(
                    f"  {figure.name}, {figure.size:,}: {figure.value:,.1f} {figure.unit}{verdict}", highlight=False
                )
                figures.append(figure)
    show(figures, console, version)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "measured_at": datetime.now(UTC),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "database": version,
        "figures": [each.as_json() for each in figures],
    }
    given.json.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
    return int(any(each.verdict == "missed" for each in figures))


if __name__ == "__main__":
    raise SystemExit(main())

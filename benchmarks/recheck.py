"""Rechecks 10,000 links of known fate, and counts what was missed, wrong, sent, and asked too fast.

    python benchmarks/recheck.py [--quick] [--links 10000]

The links lie on 16 addresses of loopback, each a host of its own. Between the publication and the
first recheck some of them got a new refusal (X-Robots-Tag, robots.txt, RSL), other bytes (of the
same length too), a 404, a 410, a parked domain, or a redirect to the same picture. Some servers
refuse HEAD, some know no validators. The second recheck is a day later: what is gone by then goes
out.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import Goals, print_goals, short_cpu
from benchmarks.recheck_site import (
    CHANGED,
    GONE,
    NOT_CHANGED,
    REFUSED,
    Counts,
    PlantedLink,
    picture_bytes,
    plant,
    planted_site,
)
from pipeline.commands.adopt import main as adopt
from pipeline.commands.recheck import main as recheck

HOSTS, LINKS, QUICK_LINKS = 16, 10_000, 2_000
SHARDS = 8
FETCHED_AT = "2024-06-01T00:00:00Z"
DAYS = ("2026-11-01T06:00:00Z", "2026-11-02T06:00:00Z")
INTERVAL_S, PER_HOST = 0.01, 2
WINDOW = 20
"""Requests over which the interval of a host is measured: single ones are early or late."""
TOLERANCE = 0.9
"""An answer's way to the server differs by a part of the interval, on a busy machine."""
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "demo.yaml"


@dataclass(frozen=True)
class Day:
    """The result of one recheck: rows taken out, and costs."""

    taken_out: frozenset[int]
    counts: Counts
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Recheck twice, and print table and goals; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_LINKS:,} links")
    parser.add_argument("--links", type=int, default=LINKS, help=f"default: {LINKS:,}")
    options = parser.parse_args(arguments)
    links = plant(QUICK_LINKS if options.quick else options.links, HOSTS)
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as name:
        first, second, unchanged_files = measure(links, Path(name))
    goals = goals_of(links, first, second)
    goals["other_shards_changed"] = (unchanged_files, "<=", 0)
    _print_table(links, first, second)
    print_goals(goals)
    return 0 if all(_is_met(*goal) for goal in goals.values()) else 1


def _is_met(value: float, sign: str, target: float) -> bool:
    return value <= target if sign == "<=" else value >= target


def measure(links: list[PlantedLink], folder: Path) -> tuple[Day, Day, int]:
    """Publish the links and recheck them on two days.

    Returns both days, and how many files changed without need: the shard without a lost link.
    """
    with planted_site(links, HOSTS) as site:
        dataset = folder / "dataset"
        write_dataset(links, site.port, dataset)
        calm = dataset / "calm.parquet"
        digest = hashlib.sha256(calm.read_bytes()).hexdigest()
        days = []
        for number, at in enumerate(DAYS, start=1):
            site.ask("day", number)
            before = numbers_in(dataset)
            started = time.perf_counter()
            run(dataset, folder / "work", site.port, at)
            seconds = time.perf_counter() - started
            counts: Counts = site.ask("counts")
            days.append(Day(frozenset(before - numbers_in(dataset)), counts, seconds))
        changed = hashlib.sha256(calm.read_bytes()).hexdigest() != digest
    return days[0], days[1], int(changed)


def write_dataset(links: list[PlantedLink], port: int, folder: Path) -> None:
    """Publish links as a dataset of others: one shard holds links alone that do not change."""
    folder.mkdir()
    calm = [link for link in links if link.kind in NOT_CHANGED][: len(links) // SHARDS]
    rest = [link for link in links if link not in set(calm)]
    shards = {"calm": calm} | {f"{n}": rest[n :: SHARDS - 1] for n in range(SHARDS - 1)}
    for name, shard in shards.items():
        pictures = [picture_bytes(link.number) for link in shard]
        table = pa.table(
            {
                "URL": [link.url(port) for link in shard],
                "TEXT": ["words"] * len(shard),
                "key": [f"{link.number:032x}" for link in shard],
                "sha256": [hashlib.sha256(picture).hexdigest() for picture in pictures],
                "size_bytes": [len(picture) for picture in pictures],
                "fetched_at": [FETCHED_AT] * len(shard),
            }
        )
        pq.write_table(table, folder / f"{name}.parquet")
    with contextlib.redirect_stdout(io.StringIO()):
        assert adopt(["--dataset", str(folder)]) == 0


def numbers_in(dataset: Path) -> frozenset[int]:
    """The numbers of the links that are published."""
    keys: list[str] = []
    for path in dataset.glob("*.parquet"):
        keys += pq.read_table(path, columns=["key"])["key"].to_pylist()
    return frozenset(int(key, 16) for key in keys)


def run(dataset: Path, work: Path, port: int, at: str) -> None:
    """Give the command at a time of its own."""
    settings = [
        "fetch.source=web", "fetch.contact=https://example.org/bot", f"fetch.ports=[{port}]",
        "fetch.allow_networks=[127.0.0.0/8]", f"fetch.min_interval_s={INTERVAL_S}",
        f"fetch.connections_per_host={PER_HOST}", "fetch.robots_max_age_h=0",
    ]  # fmt: skip
    arguments = ["--dataset", str(dataset), "--work", str(work), "--config", str(CONFIG)]
    arguments += [f"--set={setting}" for setting in settings]
    arguments += ["--log=quiet", "--direct_num_workers=1"]
    with patch("pipeline.dataset.recheck.now_utc", lambda: at):
        status = recheck(arguments)
    if status:
        sys.exit(f"the recheck ended with status {status}")


def goals_of(links: list[PlantedLink], first: Day, second: Day) -> Goals:
    """Compare both days with what was planted."""
    of_kind: dict[str, set[int]] = {}
    for link in links:
        of_kind.setdefault(link.kind, set()).add(link.number)
    at_once = set().union(*(of_kind[kind] for kind in (*REFUSED, *CHANGED)))
    later = set().union(*(of_kind[kind] for kind in GONE))
    unchanged = set().union(*(of_kind[kind] for kind in NOT_CHANGED))
    goals: Goals = {
        "missed_at_once": (len(at_once - first.taken_out), "<=", 0),
        "false_at_once": (len(first.taken_out - at_once), "<=", 0),
        "missed_a_day_later": (len(later - second.taken_out), "<=", 0),
        "false_a_day_later": (len(second.taken_out - later), "<=", 0),
    }
    for name, day in (("first", first), ("second", second)):
        goals[f"bytes_an_unchanged_link_{name}"] = (mean_bytes(day, unchanged), "<=", 1_000)
        goals[f"hosts_asked_too_fast_{name}"] = (len(too_fast(day.counts)), "<=", 0)
        most = max(day.counts.most_at_once.values())
        goals[f"most_connections_a_host_{name}"] = (most, "<=", PER_HOST)
    return goals


def mean_bytes(day: Day, numbers: set[int]) -> float:
    """Bytes of requests and answers of a link, headers too, in the mean."""
    return statistics.mean(day.counts.bytes_of[number] for number in numbers)


def too_fast(counts: Counts) -> list[str]:
    """The hosts of which some WINDOW requests came faster than their interval allows."""
    hosts = []
    for host, times in counts.times.items():
        spans = [end - start for start, end in zip(times, times[WINDOW:], strict=False)]
        if spans and min(spans) < TOLERANCE * WINDOW * INTERVAL_S:
            hosts.append(host)
    return hosts


def _print_table(links: list[PlantedLink], first: Day, second: Day) -> None:
    planted = Counter(link.kind for link in links)
    print(f"{short_cpu()}; {len(links):,} links on {HOSTS} hosts")
    print(
        "| planted | links | out at once | out a day later | bytes a link |\n|---|---|---|---|---|"
    )
    for kind, number in planted.most_common():
        of_kind = {link.number for link in links if link.kind == kind}
        out = [len(of_kind & day.taken_out) for day in (first, second)]
        print(
            f"| {kind} | {number:,} | {out[0]:,} | {out[1]:,} | {mean_bytes(first, of_kind):,.0f} |"
        )
    for name, day in (("first", first), ("second", second)):
        asked = ", ".join(f"{number:,} {method}" for method, number in day.counts.asked.items())
        print(f"{name} recheck: {day.seconds:.1f} s; {asked}")


if __name__ == "__main__":
    sys.exit(main())

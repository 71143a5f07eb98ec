"""Measures the worst that input made on purpose can do to each function that reads it.

    python benchmarks/hostile.py [--quick] [--only CLASS]

Prints milliseconds an item, and memory. Each class is measured in a process of its own. Every shape
is made in two sizes, n and 4n, and the least processor time of three tries counts. `growth` is how
many times as long the larger one takes, where that is long enough to be measured; 4 is linear.
Pages and pictures go the same way as in a run: in the worker where they are cheap, else in a
process with a deadline.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.hostile_pages import cheap_page_of, page_of, page_shapes
from benchmarks.hostile_pictures import large_picture, metadata_shapes, picture_shapes
from benchmarks.hostile_readers import (
    WORK,
    Decoder,
    Extractor,
    Reader,
    RunsProcess,
    Work,
    metadata_reader,
    pair_detectors,
    read_caption_forms,
    read_header,
    read_licence_file,
    read_query,
    read_robots,
    read_srcset,
    read_url,
)
from benchmarks.hostile_shapes import Shape
from benchmarks.hostile_texts import (
    header_shapes,
    licence_shapes,
    pair_of,
    robots_shapes,
    text_shapes,
    url_shapes,
)
from benchmarks.machine import short_cpu
from filters.detector import Needs
from filters.registry import needing
from pairsieve.images.pdq import orientations_of
from pairsieve.records.page import Page
from pairsieve.web.text import clean_caption

MEASURABLE_S = 0.05  # growth of shorter times is noise
TRIES = 3
# Bare parsing, as the HTML standard asks for it. No growth is demanded: pairsieve/web/cost.py
# limits what is parsed in this way.
QUADRATIC = "page, on the spot"
CAPTION_CHARS = 30_000  # the longest caption that a config of ours allows (laion400m.yaml)


@dataclass(frozen=True)
class Class:
    """One kind of input.

    `shapes` are measured with the length `n` by the function that `open_reader` returns. What runs
    `in_process`, a child process with a deadline, need not grow with its input.
    """

    shapes: Mapping[str, Shape]
    n: int
    open_reader: Callable[[], Reader]
    in_process: bool = False


@dataclass(frozen=True)
class Item:
    """The larger item of a shape, and how its time grew from the smaller one (0: not measured)."""

    shape: str
    bytes: int
    seconds: float
    growth: float


@dataclass(frozen=True)
class Worst:
    """The slowest item of a class, and the fastest growth."""

    name: str
    items: int
    shape: str
    bytes: int
    seconds: float
    growth: float
    growing: str
    peak_mb: float


def main() -> None:
    """Measure, and print the table and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the size, and one try in place of three"
    )
    parser.add_argument("--only", help="one class by its name")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(asdict(_measure(options.child, options.quick))))
        return
    names = [options.only] if options.only else list(classes())
    print(f"{short_cpu()}, {os.cpu_count()} cores")
    print(
        "| class | items | worst item | bytes | ms | growth from n to 4n | peak MB "
        "|\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(prefix="pairsieve-bench-") as folder:
        path = Path(folder) / "work.pickle"
        os.environ[WORK] = str(path)
        _write_work(path)
        all_worst = []
        for name in names:
            worst = _measure_in_child(name, options.quick)
            _print_row(worst)
            all_worst.append(worst)
    growths = [worst.growth for worst in all_worst if worst.name != QUADRATIC]
    print(f"goal worst_growth {max(growths, default=1.0):.3g} <= 8")
    print(f"goal worst_item_s {max(worst.seconds for worst in all_worst):.3g} <= 2")
    print(f"goal peak_mb {max(worst.peak_mb for worst in all_worst):.0f} <= 1000")


def _print_row(worst: Worst) -> None:
    growth = f"{worst.growth:.1f} ({worst.growing})" if worst.growing else ""
    print(
        f"| {worst.name} | {worst.items} | {worst.shape} | {worst.bytes:,} | "
        f"{1000 * worst.seconds:,.1f} | {growth} | {worst.peak_mb:,.0f} |",
        flush=True,
    )


def _measure_in_child(name: str, quick: bool) -> Worst:
    """Measure a class in a process of its own, so that memory is that of one class."""
    command = [sys.executable, __file__, "--child", name]
    if quick:
        command.append("--quick")
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    # Libraries may print something before.
    return Worst(**json.loads(printed.splitlines()[-1]))


def _measure(name: str, quick: bool) -> Worst:
    """Measure all shapes of a class."""
    kind = classes()[name]
    n = max(1, kind.n // 4) if quick else kind.n
    read = kind.open_reader()
    items = []
    for shape, make in kind.shapes.items():
        item = _measure_shape(read, shape, (make(n), make(4 * n)), kind.in_process, quick)
        print(f"{name}: {shape}: {item.bytes:,} bytes, {item.seconds:.3f} s", file=sys.stderr)
        items.append(item)
    if isinstance(read, RunsProcess):
        # The system tells the memory of children that have ended only.
        read.close()
    slowest = max(items, key=lambda item: item.seconds)
    fastest_growing = max(items, key=lambda item: item.growth)
    is_growth_measured = fastest_growing.growth > 0
    children_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Worst(
        name=name,
        items=len(items),
        shape=slowest.shape,
        bytes=slowest.bytes,
        seconds=slowest.seconds,
        growth=max(1.0, fastest_growing.growth),
        growing=fastest_growing.shape if is_growth_measured else "",
        peak_mb=max(_peak_kb(), children_kb) / 1024,
    )


def _measure_shape(
    read: Reader, shape: str, inputs: tuple[Any, Any], in_process: bool, quick: bool
) -> Item:
    """Measure a small and a large input of a shape."""
    small, large = inputs
    # The first call loads things, which is no input's fault.
    read(small)
    tries = 1 if quick else TRIES
    small_s = min(_seconds(read, small, in_process) for _ in range(tries))
    large_s = min(_seconds(read, large, in_process) for _ in range(tries))
    growth = 0.0
    if not in_process and large_s > MEASURABLE_S:
        growth = large_s / max(small_s, 1e-6)
    return Item(shape, _size_bytes(large), large_s, growth)


def _peak_kb() -> int:
    """Return the peak memory of this process since it was started.

    `ru_maxrss` includes the parent's, where the system started this process by vfork.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _seconds(read: Reader, item: Any, in_process: bool) -> float:
    """Return the processor time of a call.

    Where a child process works, it is the time until that process has answered.
    """
    if isinstance(read, RunsProcess):
        read.warm_up()
    clock = time.perf_counter if in_process else time.process_time
    started = clock()
    read(item)
    return clock() - started


def _size_bytes(item: Any) -> int:
    if isinstance(item, Page):
        return len(item.payload)
    if isinstance(item, str):
        return len(item.encode("utf-8", "replace"))
    if isinstance(item, bytes):
        return len(item)
    return len(repr(item))


def classes() -> dict[str, Class]:
    """Return what is measured, by name."""
    pages = page_shapes()
    captions = text_shapes()
    srcsets: dict[str, Shape] = {
        "candidates": lambda n: "a 1x," * n,
        "commas": lambda n: "," * n,
    }
    return {
        "page": Class(
            {name: partial(page_of, make) for name, make in pages.items()},
            5_000,
            Extractor,
            in_process=True,
        ),
        QUADRATIC: Class(
            {name: partial(cheap_page_of, make) for name, make in pages.items()}, 2_000, Extractor
        ),
        "caption": Class(captions, 4_000, lambda: clean_caption),
        "caption, detectors of pairs": Class(
            {name: partial(pair_of, make) for name, make in captions.items()},
            CAPTION_CHARS // 16,
            pair_detectors,
        ),
        "caption, indexed": Class(captions, 4_000, lambda: read_caption_forms),
        # The search page takes 2,000 characters; the command takes what a shell takes.
        "query": Class(
            {**captions, **{f"URL: {name}": make for name, make in url_shapes().items()}},
            4_000,
            lambda: read_query,
        ),
        "URL": Class(url_shapes(), 20_000, lambda: read_url),
        "srcset": Class(srcsets, 50_000, lambda: read_srcset),
        "header": Class(header_shapes(), 16_000, lambda: read_header),
        "robots.txt": Class(robots_shapes(), 10_000, lambda: read_robots),
        "licence file (RSL)": Class(licence_shapes(), 3_000, lambda: read_licence_file),
        "picture, metadata": Class(metadata_shapes(), 100_000, metadata_reader),
        "picture, decoded": Class(picture_shapes(), 1, Decoder, in_process=True),
        "picture, hashed in 8 orientations": Class(
            {"black": large_picture}, 2_000, lambda: orientations_of
        ),
    }


def _write_work(path: Path) -> None:
    """Write what extract needs for the children.

    Planning a run loads torch, which workers of extract do not load.
    """
    from pipeline.load_config import load_config
    from pipeline.orchestrate.config_file import CONFIGS
    from pipeline.orchestrate.job_settings import Jobs
    from pipeline.orchestrate.plan import make_plan
    from pipeline.orchestrate.results import Results

    settings = ["fetch.source=web", "fetch.contact=x"]
    given = {"output": "out", "work": "work"}
    plan = make_plan(load_config(CONFIGS / "demo.yaml", settings, given))
    job = Jobs(Results(plan), 1).extract("")
    work = Work(job.settings, job.detectors, needing(plan.detectors, Needs.PAIR))
    path.write_bytes(pickle.dumps(work))


if __name__ == "__main__":
    main()

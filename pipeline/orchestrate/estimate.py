"""Estimates what a run will take, from measured rates.

That is core hours, GPU hours, bytes through each shuffle, storage, requests, days and cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pairsieve.storage import files
from pipeline.config import Config
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.results import Results

RATES, PRICES = (Path(__file__).parent / name for name in ("rates.yaml", "prices.yaml"))

# Suggested sizes, with which a worker holds little at a time.
PAIRS_PER_BUCKET, PART_ROWS, ROWS_PER_SHARD = 200_000, 4_000, 1_000_000

# Inputs whose size is asked for. The size of the others is their average.
SIZED_FILES = 20
HOUR_S, DAY_S = 3600, 86400

# en, multi, nolang
SUBSETS = 3

# Rows that a worker of a large run holds before it packs them (transforms/shard.py).
HELD_ROWS = 200_000

# Seconds of one core for a pair. The demonstration model is some hundred times smaller than
# ViT-B/32.
DEMO_PAIR_S = 0.01


@dataclass(frozen=True)
class Rates:
    """What one unit of work takes, as measured; pipeline/orchestrate/rates.yaml explains each rate.

    `core_s` holds seconds of one core by unit, `bytes` the size of each kind of row or file.
    """

    measured: Mapping[str, Any]
    warc_bytes_per_page: float
    warc_bytes_per_page_alone: float
    pairs_per_page: float
    archived_files_per_page: float
    kept_share: float
    core_s: Mapping[str, float]
    bytes: Mapping[str, float]


@dataclass(frozen=True)
class Prices:
    """What machines cost, and assumptions; pipeline/orchestrate/prices.yaml explains each."""

    currency: str
    core_hour: float
    gpu_hour: float
    gb_month: float
    gpu_pairs_per_s: float
    cores: int
    gpus: int
    pairs_per_host: float
    largest_host_share: float


@dataclass(frozen=True)
class Work:
    """How much there is to do.

    `known_rows`: the rows of earlier datasets, each of which is read once for all runs. `web`:
    pictures are requested from their hosts. `gpu`: an accelerator scores. `interval_s`: the time
    between two requests to a host.
    """

    pages: float
    pairs: float
    archived_files: float = 0
    web: bool = True
    gpu: bool = False
    interval_s: float = 1.0
    known_rows: float = 0


@dataclass(frozen=True)
class StageEstimate:
    """What one stage takes. No number of workers makes it shorter than `least_days`."""

    stage: str
    core_h: float
    gpu_h: float
    shuffled: float
    stored: float
    requests: float = 0
    least_days: float = 0


def read_rates(path: str | Path = RATES) -> Rates:
    """Rates from a YAML file. Raises ConfigError."""
    rates: Rates = _read(path, Rates)
    return rates


def read_prices(path: str | Path = PRICES) -> Prices:
    """Prices from a YAML file. Raises ConfigError."""
    prices: Prices = _read(path, Prices)
    return prices


def _read(path: str | Path, record_type: Any) -> Any:
    try:
        return TypeAdapter(record_type).validate_python(yaml.safe_load(Path(path).read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{path}: {setting}: {first['msg']}; see {RATES.name} and {PRICES.name}"
        ) from None


def work_of(
    config: Config, inputs: Sequence[str], rates: Rates, known: Sequence[str] = ()
) -> Work | None:
    """The work of a whole run, from the size of its archives; None if that is not known.

    Assumes that the archives are like those that were measured, and that no file of the earlier
    datasets in `known` has been read by a run before. Raises ConfigError for one that is no parquet
    file.
    """
    if config.input.kind != "archives":
        return None
    size = _bytes_of(inputs, config.input.options)
    if size is None:
        return None
    # Archives with pictures have fewer pages in as many bytes.
    if config.fetch.source == "archive":
        pages = size / rates.warc_bytes_per_page
    else:
        pages = size / rates.warc_bytes_per_page_alone
    work = _work(config, pages, pages * rates.pairs_per_page, rates)
    return replace(work, known_rows=_rows_of(known))


def work_left(results: Results, rates: Rates) -> Work | None:
    """Like `work_of`, but with the counted pages and pairs once extract is complete."""
    plan, extracted = results.plan, results.extracted
    if not extracted.complete:
        return work_of(plan.config, plan.inputs, rates, plan.known)
    counts = extracted.read_counts()
    return _work(plan.config, counts["page"].entered, counts["image"].kept, rates)


def _work(config: Config, pages: float, pairs: float, rates: Rates) -> Work:
    archive = config.fetch.source == "archive"
    return Work(
        pages=pages,
        pairs=pairs,
        archived_files=pages * rates.archived_files_per_page if archive else 0,
        web=not archive,
        gpu=bool(config.score.accelerator),
        interval_s=config.fetch.min_interval_s,
    )


def _bytes_of(inputs: Sequence[str], options: files.Options) -> float | None:
    """The size of all archives; None when a store does not tell.

    Only some are asked for: a store answers slowly, and the archives of a crawl are alike.
    """
    sizes = [files.size_of(path, options) for path in _some(inputs)]
    if min(sizes) < 0:
        return None
    return sum(sizes) / len(sizes) * len(inputs)


def _rows_of(paths: Sequence[str]) -> float:
    """The rows of parquet files, from the footers of some. Raises ConfigError."""
    if not paths:
        return 0
    some = _some(paths)
    return sum(map(_rows_of_one, some)) / len(some) * len(paths)


def _rows_of_one(path: str) -> int:
    # pyarrow takes long to import, and most runs have no earlier datasets.
    import pyarrow as pa

    from pairsieve.links.tables import number_of_rows

    try:
        return number_of_rows(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(
            f"{path} is no parquet file that can be read ({type(error).__name__}); it is among "
            "the earlier datasets of extract.known"
        ) from None


def _some(paths: Sequence[str]) -> Sequence[str]:
    """About SIZED_FILES of some files."""
    # Evenly from the whole list: files of one kind may lie together.
    return paths[:: max(1, len(paths) // SIZED_FILES)]


def estimate(
    work: Work, rates: Rates, prices: Prices, settings: Mapping[str, int] | None = None
) -> list[StageEstimate]:
    """The four stages that every run has.

    Settings are those that suit the work, unless `settings` are given.
    """
    settings = settings or settings_for(work, rates)
    parts = parts_of(work, settings, hosts(work, prices))
    return [
        _extract(work, rates, parts),
        _fetch(work, rates, prices, parts),
        _score(work, rates, prices, parts),
        _publish(work, rates, prices, settings["publish.shards"]),
    ]


def _extract(work: Work, rates: Rates, parts: float) -> StageEstimate:
    size = rates.bytes
    return StageEstimate(
        stage="extract",
        core_h=work.pages * _core_h(rates, "page") + work.known_rows * _core_h(rates, "known_row"),
        gpu_h=0,
        shuffled=work.pairs * size["shuffled_pair"]
        + work.archived_files * size["shuffled_location"],
        stored=work.pairs * size["pair"]
        + parts * size["pair_file"]
        + work.known_rows * size["known_row"],
    )


def _fetch(work: Work, rates: Rates, prices: Prices, parts: float) -> StageEstimate:
    size = rates.bytes
    if not work.web:
        return StageEstimate(
            stage="fetch",
            core_h=work.archived_files * _core_h(rates, "archived_picture"),
            gpu_h=0,
            shuffled=0,
            stored=work.pairs * size["image"] + parts * size["image_file"],
        )
    # The host with the most pairs decides how long the fetch takes at least.
    of_largest_host = work.pairs * prices.largest_host_share
    of_average_host = work.pairs / hosts(work, prices)
    least_s = max(of_largest_host, of_average_host) * work.interval_s
    return StageEstimate(
        stage="fetch",
        core_h=work.pairs * _core_h(rates, "answer"),
        gpu_h=0,
        shuffled=0,
        stored=work.pairs * (size["image"] + size["picture"]) + parts * size["image_file"],
        requests=work.pairs + hosts(work, prices),  # each host is asked for its robots.txt
        least_days=least_s / DAY_S,
    )


def _score(work: Work, rates: Rates, prices: Prices, parts: float) -> StageEstimate:
    size = rates.bytes
    core_h, gpu_h = work.pairs * _core_h(rates, "pair"), 0.0
    if work.gpu:
        core_h, gpu_h = 0.0, work.pairs / prices.gpu_pairs_per_s / HOUR_S
    return StageEstimate(
        stage="score",
        core_h=core_h,
        gpu_h=gpu_h,
        shuffled=0,
        stored=work.pairs * size["score"] + parts * size["score_file"],
    )


def _publish(work: Work, rates: Rates, prices: Prices, shards: int) -> StageEstimate:
    size = rates.bytes
    rows = work.pairs * rates.kept_share
    # Each worker sends a batch for each shard of rows and of the ledger, whenever it packs.
    packings = max(prices.cores, (rows + work.pairs) / HELD_ROWS)
    batches = shards * (SUBSETS + 1) * packings
    files_of_shard = SUBSETS * size["row_file"] + size["decision_file"]
    return StageEstimate(
        stage="publish",
        core_h=work.pairs * _core_h(rates, "sample"),
        gpu_h=0,
        shuffled=rows * size["shuffled_row"] + batches * size["shuffled_batch"],
        stored=rows * size["row"] + work.pairs * size["decision"] + shards * files_of_shard,
    )


def _core_h(rates: Rates, unit: str) -> float:
    """Hours of one core for one unit of work."""
    return rates.core_s[unit] / HOUR_S


def parts_of(work: Work, settings: Mapping[str, int], hosts: float) -> float:
    """The expected number of parts.

    Each bucket that has a host has at least one part, and its last part is half full on average.
    """
    buckets = settings["extract.buckets"]
    # The expected number of buckets that are hit, when each host goes to one at random.
    used_buckets: float = buckets * (1 - (1 - 1 / buckets) ** hosts)
    return max(used_buckets, work.pairs / settings["extract.part_rows"] + used_buckets / 2)


def hosts(work: Work, prices: Prices) -> float:
    """The assumed number of hosts."""
    return max(1.0, work.pairs / prices.pairs_per_host)


def days(stage: StageEstimate, prices: Prices) -> float:
    """Days with the machines that `prices` assumes, and not less than politeness allows."""
    hours = stage.core_h / prices.cores + stage.gpu_h / prices.gpus
    return max(hours / 24, stage.least_days)


def _cost(stage: StageEstimate, prices: Prices) -> float:
    return stage.core_h * prices.core_hour + stage.gpu_h * prices.gpu_hour


def core_s_of(stage: str, config: Config, work: Work, rates: Rates) -> float:
    """Seconds of one core that a stage takes, by the measured rates.

    Infinite for a fetch from the web, which waits for hosts and not for a core.
    """
    if stage == "fetch" and work.web:
        return inf
    by_unit = rates.core_s
    is_demo = all(model.demo for model in config.score.models.values())
    pair_s = DEMO_PAIR_S if is_demo else by_unit["pair"]
    seconds = {
        "extract": work.pages * by_unit["page"] + work.known_rows * by_unit["known_row"],
        "fetch": work.archived_files * by_unit["archived_picture"],
        "score": work.pairs * pair_s,
        # The rules run here too, and are most of it.
        "compare": work.pairs * by_unit["sample"],
        "publish": work.pairs * by_unit["sample"],
    }
    return seconds[stage]


def settings_for(work: Work, rates: Rates) -> dict[str, int]:
    """Settings that suit the work, so that a worker holds little of it at a time."""
    rows = work.pairs * rates.kept_share
    return {
        "extract.buckets": max(1, ceil(work.pairs / PAIRS_PER_BUCKET)),
        "extract.part_rows": PART_ROWS if work.pairs > PART_ROWS * 1000 else 1000,
        "publish.shards": max(1, ceil(rows / ROWS_PER_SHARD)),
    }


def estimate_text(work: Work, rates: Rates, prices: Prices) -> str:
    """The estimate for a terminal."""
    stages = estimate(work, rates, prices)
    columns = ("stage", "core hours", "GPU hours", "shuffled", "stored", "requests", "days")
    rows: list[tuple[str, ...]] = [(*columns, prices.currency)]
    rows += [_row(stage, prices) for stage in stages]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    table = ["  ".join(_padded(row, widths)) for row in rows]
    about = _about(work, rates, prices)
    totals = _totals(work, stages, rates, prices)
    return "\n".join([about, "", *table, "", *totals])


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The cells of a row: the first one is a name, all others are numbers."""
    name, *numbers = row
    name_width, *number_widths = widths
    cells = [name.ljust(name_width)]
    for number, width in zip(numbers, number_widths, strict=True):
        cells.append(number.rjust(width))
    return cells


def _row(stage: StageEstimate, prices: Prices) -> tuple[str, ...]:
    return (
        stage.stage,
        short(stage.core_h),
        short(stage.gpu_h),
        scaled(stage.shuffled),
        scaled(stage.stored),
        f"{stage.requests:,.0f}",
        short(days(stage, prices)),
        short(_cost(stage, prices)),
    )


def _about(work: Work, rates: Rates, prices: Prices) -> str:
    """The first line: how much there is to do, and with which machines."""
    measured_on = ", ".join(str(value) for value in rates.measured.values())
    line = (
        f"{work.pages:,.0f} pages, {work.pairs:,.0f} pairs; rates of {measured_on}; "
        f"{prices.cores} cores at work"
    )
    if work.gpu:
        line += (
            f" and {prices.gpus} GPUs, each taken to score {prices.gpu_pairs_per_s:,.0f} pairs a "
            "second (not measured)"
        )
    return line


def _totals(work: Work, stages: Sequence[StageEstimate], rates: Rates, prices: Prices) -> list[str]:
    total_days = sum(days(stage, prices) for stage in stages)
    cost = sum(_cost(stage, prices) for stage in stages)
    # Of the fetch only the rows stay: picture bytes are deleted after scoring.
    kept_bytes = sum(stage.stored for stage in stages if stage.stage != "fetch")
    kept_bytes += work.pairs * rates.bytes["image"]
    monthly = kept_bytes / 1e9 * prices.gb_month
    settings = [f"{name}: {value}" for name, value in settings_for(work, rates).items()]
    total = (
        f"in all {short(total_days)} days, {short(cost)} {prices.currency} of machines, "
        f"{short(monthly)} a month for what stays"
    )
    lines = [total, f"suggested settings: {', '.join(settings)}"]
    fetch = stages[1]
    if fetch.requests:
        lines.append(_about_requests(work, fetch, prices))
    return lines


def _about_requests(work: Work, fetch: StageEstimate, prices: Prices) -> str:
    requests_per_s = fetch.requests / max(1.0, days(fetch, prices) * DAY_S)
    number = hosts(work, prices)
    allowed_per_s = number / max(work.interval_s, 0.001)
    return (
        f"{requests_per_s:,.0f} requests a second to some {number:,.0f} hosts, where politeness "
        f"allows {allowed_per_s:,.0f}; the largest host alone takes {short(fetch.least_days)} days"
    )


def short(number: float) -> str:
    """A number with two significant digits, or without decimals from 10 on."""
    if number >= 10 or not number:
        return f"{number:,.0f}"
    return f"{number:.2g}"


def scaled(number: float) -> str:
    """A number of bytes with its unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000:
            decimals = 0 if unit == "B" else 1
            return f"{number:,.{decimals}f} {unit}"
        number /= 1000
    return f"{number:,.1f} PB"


def core_hours(work: Work, rates: Rates) -> float:
    """Core hours of all stages."""
    return sum(stage.core_h for stage in estimate(work, rates, read_prices()))


def estimate_line(work: Work, rates: Rates, cores: int) -> str:
    """The estimate in one line, for a machine with so many cores."""
    hours = short(core_hours(work, rates) / cores)
    return (
        f"about {work.pages:,.0f} pages and {work.pairs:,.0f} pairs, {hours} hours of {cores} "
        "cores like those measured (--estimate)"
    )

"""What a run will take, computed from measured rates: core hours, GPU hours, bytes through each
shuffle, storage, requests, days, cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pairsieve.storage import files
from pipeline.config import Config
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.results import Results

RATES, PRICES = (Path(__file__).parent / name for name in ("rates.yaml", "prices.yaml"))
PAIRS_PER_BUCKET, PART_ROWS, ROWS_PER_SHARD, SIZED_FILES = 200_000, 4_000, 1_000_000, 20
HOUR_S, DAY_S = 3600, 86400
# en, multi, nolang; what a worker holds of a large run before it packs it (transforms/shard.py)
SUBSETS, HELD_ROWS = 3, 200_000


@dataclass(frozen=True)
class Rates:
    """What a unit takes: seconds of one core by unit, bytes by what they are of; see
    pipeline/orchestrate/rates.yaml.
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
    """What machines cost, and what is assumed; see pipeline/orchestrate/prices.yaml."""

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

    `web`: pictures are asked for; `gpu`: an accelerator scores; `interval_s`: between requests to a
    host.
    """

    pages: float
    pairs: float
    archived_files: float = 0
    web: bool = True
    gpu: bool = False
    interval_s: float = 1.0


@dataclass(frozen=True)
class StageTakes:
    """What one stage takes. `least_days`: what no number of workers makes shorter."""

    stage: str
    core_h: float
    gpu_h: float
    shuffled: float
    stored: float
    requests: float = 0
    least_days: float = 0


def read_rates(path: str | Path = RATES) -> Rates:
    """Rates from a YAML file. Raises ConfigError."""
    found: Rates = _read(path, Rates)
    return found


def read_prices(path: str | Path = PRICES) -> Prices:
    """Prices from a YAML file. Raises ConfigError."""
    found: Prices = _read(path, Prices)
    return found


def _read(path: str | Path, kind: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(yaml.safe_load(Path(path).read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; see {RATES.name} and "
            f"{PRICES.name}"
        ) from None


def work_of(config: Config, inputs: Sequence[str], rates: Rates) -> Work | None:
    """What lies before a run, by the size of its archives, if these are like those that were
    measured; None where nobody says it.
    """
    if config.input.kind != "archives":
        return None
    with_pictures = config.fetch.source == "archive"
    found = _bytes_of(inputs, config.input.options)
    if found is None:
        return None
    pages = found / (
        rates.warc_bytes_per_page if with_pictures else rates.warc_bytes_per_page_alone
    )
    return _work(config, pages, pages * rates.pairs_per_page, rates)


def work_left(plan: Plan, rates: Rates) -> Work | None:
    """The same, by what was counted where the pairs are known already."""
    extracted = Results(plan).extracted
    if not extracted.complete:
        return work_of(plan.config, plan.inputs, rates)
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
    """Of all archives, told by some of them: a store answers slowly, and those of a crawl are
    alike. None where it does not say.
    """
    sized = [files.size_of(path, options) for path in inputs[:: max(1, len(inputs) // SIZED_FILES)]]
    return None if min(sized) < 0 else sum(sized) / len(sized) * len(inputs)


def estimate(
    work: Work, rates: Rates, prices: Prices, settings: Mapping[str, int] | None = None
) -> list[StageTakes]:
    """The four stages, with settings that suit the work where none are given."""
    settings = settings or settings_for(work, rates)
    parts, shards = parts_of(work, settings, hosts(work, prices)), settings["publish.shards"]
    pairs, size, core_h = (
        work.pairs,
        rates.bytes,
        {unit: seconds / HOUR_S for unit, seconds in rates.core_s.items()},
    )
    rows = pairs * rates.kept_share
    # of each shard and of the ledger's, by each worker
    batches = shards * (SUBSETS + 1) * max(prices.cores, (rows + pairs) / HELD_ROWS)
    fetch_core_h = (
        pairs * core_h["answer"] if work.web else work.archived_files * core_h["archived_picture"]
    )
    asked_of_one_s = (
        max(pairs * prices.largest_host_share, pairs / hosts(work, prices)) * work.interval_s
    )
    return [
        StageTakes(
            "extract",
            work.pages * core_h["page"],
            0,
            pairs * size["shuffled_pair"] + work.archived_files * size["shuffled_location"],
            pairs * size["pair"] + parts * size["pair_file"],
        ),
        StageTakes(
            "fetch",
            fetch_core_h,
            0,
            0,
            pairs * (size["image"] + (size["picture"] if work.web else 0))
            + parts * size["image_file"],
            pairs + hosts(work, prices) if work.web else 0,
            asked_of_one_s / DAY_S if work.web else 0,
        ),
        StageTakes(
            "score",
            0 if work.gpu else pairs * core_h["pair"],
            pairs / prices.gpu_pairs_per_s / HOUR_S if work.gpu else 0,
            0,
            pairs * size["score"] + parts * size["score_file"],
        ),
        StageTakes(
            "publish",
            pairs * core_h["sample"],
            0,
            rows * size["shuffled_row"] + batches * size["shuffled_batch"],
            rows * size["row"]
            + pairs * size["decision"]
            + shards * (SUBSETS * size["row_file"] + size["decision_file"]),
        ),
    ]


def parts_of(work: Work, settings: Mapping[str, int], hosts: float) -> float:
    """How many parts: the last one of each bucket that has a host is half full, and none has fewer
    than one.
    """
    buckets = settings["extract.buckets"]
    used: float = buckets * (1 - (1 - 1 / buckets) ** hosts)
    return max(used, work.pairs / settings["extract.part_rows"] + used / 2)


def hosts(work: Work, prices: Prices) -> float:
    """How many hosts are asked."""
    return max(1.0, work.pairs / prices.pairs_per_host)


def days(takes: StageTakes, prices: Prices) -> float:
    """At the workers that `prices` has, and never shorter than politeness makes it."""
    hours = takes.core_h / prices.cores + takes.gpu_h / prices.gpus
    return max(hours / 24, takes.least_days)


# Seconds of one core. The demonstration model is some hundred times smaller than ViT-B/32.
DEMO_PAIR_S = 0.01


def core_s_of(stage: str, config: Config, work: Work, rates: Rates) -> float:
    """Seconds of one core that a stage takes, by what was measured.

    Infinite for a fetch from the web, which waits for hosts and not for a core.
    """
    if stage == "fetch" and work.web:
        return inf
    by_unit = rates.core_s
    is_demo = all(model.demo for model in config.score.models.values())
    seconds = {
        "extract": work.pages * by_unit["page"],
        "fetch": work.archived_files * by_unit["archived_picture"],
        "score": work.pairs * (DEMO_PAIR_S if is_demo else by_unit["pair"]),
        "publish": work.pairs * by_unit["sample"],
    }
    return seconds[stage]


def settings_for(work: Work, rates: Rates) -> dict[str, int]:
    """Settings for so much work: what a worker holds of a bucket, a part or a shard at a time stays
    small.
    """
    rows = work.pairs * rates.kept_share
    return {
        "extract.buckets": max(1, ceil(work.pairs / PAIRS_PER_BUCKET)),
        "extract.part_rows": PART_ROWS if work.pairs > PART_ROWS * 1000 else 1000,
        "publish.shards": max(1, ceil(rows / ROWS_PER_SHARD)),
    }


def estimate_text(work: Work, rates: Rates, prices: Prices) -> str:
    """The estimate for a terminal."""
    stages = estimate(work, rates, prices)
    head = (
        "stage",
        "core hours",
        "GPU hours",
        "shuffled",
        "stored",
        "requests",
        "days",
        prices.currency,
    )
    lines = [head, *(_line(takes, prices) for takes in stages)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    table = [
        "  ".join(_cell(cell, widths[at], at) for at, cell in enumerate(line)) for line in lines
    ]
    return "\n".join(
        [*_about(work, rates, prices), "", *table, "", *_totals(work, stages, rates, prices)]
    )


def _cell(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column else text.ljust(width)


def _line(takes: StageTakes, prices: Prices) -> tuple[str, ...]:
    cost = takes.core_h * prices.core_hour + takes.gpu_h * prices.gpu_hour
    numbers = (
        short(takes.core_h),
        short(takes.gpu_h),
        scaled(takes.shuffled),
        scaled(takes.stored),
        f"{takes.requests:,.0f}",
    )
    return takes.stage, *numbers, short(days(takes, prices)), short(cost)


def _about(work: Work, rates: Rates, prices: Prices) -> list[str]:
    machine = ", ".join(str(said) for said in rates.measured.values())
    said = [
        (
            f"{work.pages:,.0f} pages, {work.pairs:,.0f} pairs; rates of {machine}; {prices.cores} "
            "cores at work"
        )
    ]
    if work.gpu:
        said[0] += (
            f" and {prices.gpus} GPUs, each taken to score {prices.gpu_pairs_per_s:,.0f} pairs a "
            "second (not measured)"
        )
    return said


def _totals(work: Work, stages: Sequence[StageTakes], rates: Rates, prices: Prices) -> list[str]:
    whole_days = sum(days(takes, prices) for takes in stages)
    cost = sum(takes.core_h * prices.core_hour + takes.gpu_h * prices.gpu_hour for takes in stages)
    kept = (
        sum(takes.stored for takes in stages if takes.stage != "fetch")
        + work.pairs * rates.bytes["image"]
    )
    settings, monthly = (
        ", ".join(f"{name}: {value}" for name, value in settings_for(work, rates).items()),
        kept / 1e9 * prices.gb_month,
    )
    said = [
        (
            f"in all {short(whole_days)} days, {short(cost)} {prices.currency} of machines, "
            f"{short(monthly)} a month for what stays"
        ),
        f"settings for so much: {settings}",
    ]
    fetch = stages[1]
    if fetch.requests:
        per_s = fetch.requests / max(1.0, days(fetch, prices) * DAY_S)
        allowed, number = hosts(work, prices) / max(work.interval_s, 0.001), hosts(work, prices)
        said.append(
            f"{per_s:,.0f} requests a second to some {number:,.0f} hosts, where politeness allows "
            f"{allowed:,.0f}; "
            f"the largest host alone takes {short(fetch.least_days)} days"
        )
    return said


def short(number: float) -> str:
    """Two digits that matter."""
    return f"{number:,.0f}" if number >= 10 or not number else f"{number:.2g}"


def scaled(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000:
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} PB"


def core_hours(work: Work, rates: Rates) -> float:
    """Of all stages."""
    return sum(takes.core_h for takes in estimate(work, rates, read_prices()))


def estimate_line(work: Work, rates: Rates, cores: int) -> str:
    """The estimate in a line, for the machine that is at work."""
    hours = short(core_hours(work, rates) / cores)
    return (
        f"about {work.pages:,.0f} pages and {work.pairs:,.0f} pairs, {hours} hours of {cores} "
        "cores like those measured (--estimate)"
    )

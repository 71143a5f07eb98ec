"""Estimates what a run will take, from measured rates.

That is core hours, GPU hours, bytes through each shuffle, storage, requests, days and cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf

from pipeline.config import Config
from pipeline.orchestrate.rates import Prices, Rates, read_prices
from pipeline.orchestrate.work import Work

# Suggested sizes, with which a worker holds little at a time.
PAIRS_PER_BUCKET, PART_ROWS, ROWS_PER_SHARD = 200_000, 4_000, 1_000_000

HOUR_S, DAY_S = 3600, 86400

# en, multi, nolang
SUBSETS = 3

# Rows that a worker of a large run holds before it packs them (transforms/shard.py).
HELD_ROWS = 200_000

# Seconds of one core for a pair. The demonstration model is some hundred times smaller than
# ViT-B/32.
DEMO_PAIR_S = 0.01


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
    core_h = work.pairs * _core_h(rates, "pair")
    gpu_h = 0.0
    if work.gpu:
        core_h = 0.0
        gpu_h = work.pairs / prices.gpu_pairs_per_s / HOUR_S
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
    full_parts = work.pairs / settings["extract.part_rows"]
    return max(used_buckets, full_parts + used_buckets / 2)


def hosts(work: Work, prices: Prices) -> float:
    """The assumed number of hosts."""
    return max(1.0, work.pairs / prices.pairs_per_host)


def days(stage: StageEstimate, prices: Prices) -> float:
    """Days with the machines that `prices` assumes, and not less than politeness allows."""
    hours = stage.core_h / prices.cores + stage.gpu_h / prices.gpus
    return max(hours / 24, stage.least_days)


def cost(stage: StageEstimate, prices: Prices) -> float:
    """What the machines for a stage cost."""
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


def core_hours(work: Work, rates: Rates) -> float:
    """Core hours of all stages."""
    return sum(stage.core_h for stage in estimate(work, rates, read_prices()))


def settings_for(work: Work, rates: Rates) -> dict[str, int]:
    """Settings that suit the work, so that a worker holds little of it at a time."""
    rows = work.pairs * rates.kept_share
    return {
        "extract.buckets": max(1, ceil(work.pairs / PAIRS_PER_BUCKET)),
        "extract.part_rows": PART_ROWS if work.pairs > PART_ROWS * 1000 else 1000,
        "publish.shards": max(1, ceil(rows / ROWS_PER_SHARD)),
    }

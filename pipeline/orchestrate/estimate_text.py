"""The estimate of a run as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.orchestrate.estimate import (
    DAY_S,
    StageEstimate,
    core_hours,
    cost,
    days,
    estimate,
    hosts,
    settings_for,
)
from pipeline.orchestrate.rates import Prices, Rates
from pipeline.orchestrate.work import Work


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
        short(cost(stage, prices)),
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
    total_cost = sum(cost(stage, prices) for stage in stages)
    # Of the fetch only the rows stay: picture bytes are deleted after scoring.
    kept_bytes = sum(stage.stored for stage in stages if stage.stage != "fetch")
    kept_bytes += work.pairs * rates.bytes["image"]
    monthly = kept_bytes / 1e9 * prices.gb_month
    settings = [f"{name}: {value}" for name, value in settings_for(work, rates).items()]
    total = (
        f"in all {short(total_days)} days, {short(total_cost)} {prices.currency} of machines, "
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


def estimate_line(work: Work, rates: Rates, cores: int) -> str:
    """The estimate in one line, for a machine with so many cores."""
    hours = short(core_hours(work, rates) / cores)
    return (
        f"about {work.pages:,.0f} pages and {work.pairs:,.0f} pairs, {hours} hours of {cores} "
        "cores like those measured (--estimate)"
    )

"""The report of a dataset as one HTML page: no network, no script, no picture, no caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment

from pipeline.dataset.card import DEMO_WARNING
from pipeline.dataset.facts import BINS, MOST_DOMAINS, Facts
from pipeline.dataset.figures import histogram_svg, rate_svg
from pipeline.monitoring.progress import PARTS, History

MOST_BARS = 20
NOT_SAID = "(not said)"
UNITS = {"extract": "pieces"}


@dataclass(frozen=True)
class Bar:
    """One bar: its length in percent of the longest."""

    name: str
    number: str
    percent: float
    drop: bool = False


@dataclass(frozen=True)
class Chart:
    """A histogram, or bars."""

    title: str
    svg: str = ""
    bars: Sequence[Bar] = ()


@dataclass(frozen=True)
class Section:
    """Charts, or a table; `numeric` are the columns of numbers."""

    title: str
    charts: Sequence[Chart] = ()
    note: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    numeric: Sequence[int] = field(default=())


def report_page(facts: Facts, history: History | None = None) -> str:
    """The page of one dataset; `history` tells how fast it was made."""
    manifest = facts.manifest
    every = (
        _funnel(facts),
        _reasons(facts),
        *_distributions(facts),
        _contents(facts),
        _throughput(history or {}),
    )
    sections = [section for section in every if section is not None]
    samples: Mapping[str, Any] = (
        manifest.counts["publish"]["sample"]
        if manifest.counts
        else {"entered": facts.rows, "quarantined": {}}
    )
    tiles = [
        ("pairs published", f"{facts.rows:,}"),
        ("candidates judged", f"{samples['entered']:,}"),
        ("not judged, not published", f"{sum(samples['quarantined'].values()):,}"),
        ("domains", f"{len(facts.domains):,}"),
        ("version", str(manifest.version)),
    ]
    warnings = (
        [DEMO_WARNING.replace("> ", "").replace("**", "").strip()] if manifest.demo_model else []
    )
    made = f"Made with pairsieve {manifest.pairsieve} from {len(manifest.inputs)} file(s)."
    return render(manifest.name, made, warnings, tiles, sections)


def render(
    title: str,
    subtitle: str,
    warnings: Sequence[str],
    tiles: Sequence[tuple[str, str]],
    sections: Sequence[Section],
) -> str:
    """The template with everything in it; whatever it is given is text."""
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("pipeline.dataset").joinpath("report.html.j2").read_text("utf-8")
    )
    return template.render(
        title=title, subtitle=subtitle, warnings=warnings, tiles=tiles, sections=sections
    )


def bars(counted: Mapping[str, int], most: int = MOST_BARS, drop: bool = False) -> tuple[Bar, ...]:
    """The largest first; those that are left together at the end."""
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ordered[most:])
    shown = [*ordered[:most], *([(f"{len(ordered) - most} others", rest)] if rest else [])]
    longest = max((number for _, number in shown), default=0) or 1
    return tuple(
        Bar(name or NOT_SAID, f"{number:,}", round(100 * number / longest, 2), drop)
        for name, number in shown
    )


def _funnel(facts: Facts) -> Section | None:
    counts = facts.manifest.counts
    rows = [
        (
            stage,
            unit,
            f"{c['entered']:,}",
            f"{c['kept']:,}",
            f"{sum(c['dropped'].values()):,}",
            f"{sum(c['quarantined'].values()):,}",
        )
        for stage, units in counts.items()
        for unit, c in units.items()
    ]
    if not rows:
        return None
    head = ("stage", "unit", "in", "kept", "dropped", "quarantined")
    return Section(
        "From the crawl to the rows",
        note="in = kept + dropped + quarantined, at every stage",
        head=head,
        rows=rows,
        numeric=(2, 3, 4, 5),
    )


def _reasons(facts: Facts) -> Section:
    charts = []
    for stage, units in facts.manifest.counts.items():
        dropped: Counter[str] = Counter()
        for counts in units.values():
            dropped.update({**counts["dropped"]})
            dropped.update({**counts["quarantined"]})
        if sum(dropped.values()):
            charts.append(
                Chart(
                    f"{stage}: why not",
                    bars=bars({k: n for k, n in dropped.items() if n}, drop=True),
                )
            )
    tagged: Counter[str] = Counter()
    for (_, _, action, reason), number in facts.reasons.items():
        if action in ("tag", "redact", "move"):
            tagged[f"{action}: {reason}"] += number
    if tagged:
        charts.append(Chart("published with a mark, or changed", bars=bars(tagged)))
    return Section(
        "Reasons", charts, "each pair under the first rule that dropped it; marks under every rule"
    )


def _distributions(facts: Facts) -> Iterator[Section]:
    rules = {rule["name"]: rule["settings"] for rule in facts.manifest.rules}
    charts = []
    limits = rules.get("similarity", {}).get("thresholds", {})
    for column, label, reason, thresholds in (
        ("similarity", "cosine of picture and caption", "similarity_low", limits),
        (
            "medical_picture_score",
            "share of medical prompts",
            "medical_picture",
            _some(rules.get("medical"), "picture_alone", "picture_with_other"),
        ),
        (
            "punsafe",
            "chance that the picture is unsafe",
            "nudity",
            _some(rules.get("nudity"), "drop_from", "tag_from"),
        ),
    ):
        histogram = facts.histogram(column, reason)
        if histogram is not None:
            charts.append(Chart(column, histogram_svg(histogram, label, thresholds)))
    if charts:
        yield Section(
            "Scores and thresholds",
            charts,
            "what was dropped is counted from the ledger, by score alone",
        )
    yield from _sizes(facts)


def _sizes(facts: Facts) -> Iterator[Section]:
    sizes = []
    for column, label in (
        ("WIDTH", "width, pixels"),
        ("HEIGHT", "height, pixels"),
        ("size_bytes", "size, bytes"),
    ):
        values = facts.values(column)
        if len(values):
            edges = np.geomspace(max(1.0, values.min()), max(values.max(), 2.0) + 1, BINS + 1)
            histogram = facts.histogram(column, edges=edges)
            assert histogram is not None
            sizes.append(Chart(column, histogram_svg(histogram, label, {}, log=True)))
    if sizes:
        yield Section("Pictures", sizes)


def _some(settings: Mapping[str, Any] | None, *names: str) -> dict[str, float]:
    return {name: settings[name] for name in names if settings and name in settings}


def _contents(facts: Facts) -> Section:
    titles = {
        "LANGUAGE": "languages of captions",
        "licence_kind": "licences",
        "format": "formats",
        "image_attribute": "what named the image",
        "page_source": "what was seen of the page",
        "rights_signals": "signals of rights",
        "face_count": "faces in a picture",
        "NSFW": "NSFW tag",
    }
    charts = [
        Chart(title, bars=bars(facts.counted[name]))
        for name, title in titles.items()
        if set(facts.counted[name]) - {""}
    ]
    domains = Chart(
        f"domains of images, the largest {MOST_DOMAINS}", bars=bars(facts.domains, MOST_DOMAINS)
    )
    return Section("What is in it", [domains, *charts])


def _throughput(history: History) -> Section | None:
    charts = [
        Chart(f"{stage}: {samples[-1][0]:,.0f} s", rate_svg(samples, UNITS.get(stage, PARTS)))
        for stage, samples in history.items()
        if samples and samples[-1][0] > 0
    ]
    return (
        Section(
            "How fast it went",
            charts,
            "over the time that a stage worked, resumed runs one after another",
        )
        if charts
        else None
    )


def compare_page(one: Facts, other: Facts, names: tuple[str, str]) -> str:
    """Two datasets side by side: decisions gained and lost per rule."""
    reasons = sorted(
        {*one.reasons, *other.reasons}, key=lambda r: (-abs(other.reasons[r] - one.reasons[r]), r)
    )
    rows = [
        (
            *reason,
            f"{one.reasons[reason]:,}",
            f"{other.reasons[reason]:,}",
            f"{other.reasons[reason] - one.reasons[reason]:+,}",
        )
        for reason in reasons
    ]
    head = ("stage", "rule", "action", "reason", *names, "change")
    tiles = [
        (f"pairs in {names[0]}", f"{one.rows:,}"),
        (f"pairs in {names[1]}", f"{other.rows:,}"),
        ("change", f"{other.rows - one.rows:+,}"),
    ]
    section = Section("Decisions", head=head, rows=rows, numeric=(4, 5, 6))
    return render(
        f"{names[0]} beside {names[1]}",
        "Rows gained and lost per rule, from the ledgers.",
        [],
        tiles,
        [section],
    )

"""Makes the report of a dataset: one HTML page without network, script, picture or caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any

from pairsieve.audit.result import HEAD, NUMERIC
from pairsieve.recheck.result import HEAD as RECHECK_HEAD
from pairsieve.recheck.result import NUMERIC as RECHECK_NUMERIC
from pairsieve.records.aggregates import MAX_LARGEST, Largest
from pairsieve.records.ranking import largest_first
from pairsieve.web.language import SUBSETS
from pipeline.dataset.card import DEMO_WARNING
from pipeline.dataset.facts import Facts
from pipeline.dataset.figures import histogram_svg, rate_svg
from pipeline.monitoring.progress import PARTS, History

REPORT = "report.html"
MAX_BARS = 20
MAX_LINES = 12
"""Thresholds that are drawn into a chart."""
NO_VALUE = "(not said)"
UNITS = {"extract": "pieces"}
"""Stage -> what its history counts; parts in all other stages."""


@dataclass(frozen=True)
class Bar:
    """One bar: its length in percent of the longest."""

    name: str
    number: str
    percent: float
    drop: bool = False


@dataclass(frozen=True)
class Chart:
    """A drawing (`svg`), or bars."""

    title: str
    svg: str = ""
    bars: Sequence[Bar] = ()


@dataclass(frozen=True)
class Section:
    """Charts, or a table (`head`, `rows`); `numeric` are its columns of numbers, from 0."""

    title: str
    charts: Sequence[Chart] = ()
    note: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    numeric: Sequence[int] = field(default=())


@dataclass(frozen=True)
class Report:
    """The report of one dataset. Its charts are drawn once, for all pages."""

    facts: Facts

    @cached_property
    def _sections(self) -> list[Section]:
        sections = [
            _funnel(self.facts),
            _reasons(self.facts),
            *_audits(self.facts),
            *_rechecks(self.facts),
            _scores(self.facts),
            _sizes(self.facts),
            _contents(self.facts),
        ]
        return [section for section in sections if section is not None]

    def page(self, history: History | None = None) -> str:
        """The report as HTML; `history` adds how fast the dataset was made."""
        manifest = self.facts.manifest
        sections = list(self._sections)
        throughput = _throughput(history or {})
        if throughput:
            sections.append(throughput)
        warnings = []
        if manifest.demo_model:
            # The card has the same warning as Markdown.
            warnings.append(DEMO_WARNING.replace("> ", "").replace("**", "").strip())
        return render(
            manifest.name,
            f"Made with pairsieve {manifest.pairsieve} from {len(manifest.inputs)} file(s).",
            warnings,
            _tiles(self.facts),
            sections,
        )


def render(
    title: str,
    subtitle: str,
    warnings: Sequence[str],
    tiles: Sequence[tuple[str, str]],
    sections: Sequence[Section],
) -> str:
    """Fill the template; every value is escaped, since a dataset's texts come from strangers."""
    from jinja2 import Environment

    source = files("pipeline.dataset").joinpath("report.html.j2").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(
        title=title, subtitle=subtitle, warnings=warnings, tiles=tiles, sections=sections
    )


def bars(
    counted: Mapping[str, int], max_bars: int = MAX_BARS, drop: bool = False
) -> tuple[Bar, ...]:
    """The largest values first; the others together in one bar at the end."""
    listed = largest_first(counted.items())[:max_bars]
    return _bars(listed, len(counted), sum(counted.values()), drop)


def bars_of_largest(top: Largest) -> tuple[Bar, ...]:
    """The bars of a top list; what is not on it together in one bar at the end."""
    return _bars(top.largest, top.values, top.rows)


def _bars(
    listed: Sequence[tuple[str, int]], values: int, rows: int, drop: bool = False
) -> tuple[Bar, ...]:
    """Bars of those that are listed, out of `values` on `rows` in all."""
    shown = list(listed)
    others = rows - sum(number for _, number in listed)
    if others:
        shown.append((f"{values - len(listed)} others", others))
    # Without any value, or with zeros alone, every bar has length 0.
    longest = max((number for _, number in shown), default=0) or 1
    return tuple(
        Bar(name or NO_VALUE, f"{number:,}", round(100 * number / longest, 2), drop)
        for name, number in shown
    )


def _tiles(facts: Facts) -> list[tuple[str, str]]:
    """The numbers on top of the page."""
    judged, not_judged = facts.rows, 0
    # An adopted dataset has no counts: its rows are all that is known.
    if facts.manifest.counts:
        samples = facts.manifest.unit_counts["publish"]["sample"]
        judged, not_judged = samples.entered, sum(samples.quarantined.values())
    return [
        ("pairs published", f"{facts.rows:,}"),
        ("candidates judged", f"{judged:,}"),
        ("not judged, not published", f"{not_judged:,}"),
        ("domains", f"{facts.domains.values:,}"),
        ("version", str(facts.manifest.version)),
    ]


def _funnel(facts: Facts) -> Section | None:
    """What each stage kept, as a table."""
    rows = []
    for stage, units in facts.manifest.unit_counts.items():
        for unit, counts in units.items():
            numbers = (
                counts.entered,
                counts.kept,
                sum(counts.dropped.values()),
                sum(counts.quarantined.values()),
            )
            rows.append((stage, unit, *(f"{number:,}" for number in numbers)))
    if not rows:
        return None
    return Section(
        "From the crawl to the rows",
        note="in = kept + dropped + quarantined, at every stage",
        head=("stage", "unit", "in", "kept", "dropped", "quarantined"),
        rows=rows,
        numeric=(2, 3, 4, 5),
    )


def _reasons(facts: Facts) -> Section:
    """Why pairs were dropped, and which marks others got."""
    charts = []
    for stage, units in facts.manifest.unit_counts.items():
        rejected: Counter[str] = Counter()
        for counts in units.values():
            rejected.update(counts.dropped)
            rejected.update(counts.quarantined)
        rejected = +rejected  # without reasons that nothing was rejected for
        if rejected:
            charts.append(Chart(f"{stage}: why not", bars=bars(rejected, drop=True)))
    marked: Counter[str] = Counter()
    for (_, _, action, reason), number in facts.reasons.items():
        if action in ("tag", "redact", "move"):
            marked[f"{action}: {reason}"] += number
    if marked:
        charts.append(Chart("published with a mark, or changed", bars=bars(marked)))
    return Section(
        "Reasons", charts, "each pair under the first rule that dropped it; marks under every rule"
    )


def _audits(facts: Facts) -> list[Section]:
    """What people found in samples, one section for each question."""
    return [
        Section(
            f"What was missed: {audit.question}",
            note=" ".join(audit.sentences()),
            head=HEAD,
            rows=audit.table(),
            numeric=NUMERIC,
        )
        for audit in facts.audits
    ]


def _rechecks(facts: Facts) -> list[Section]:
    """What links served when they were asked again, the latest recheck first."""
    sections = []
    for result in reversed(facts.rechecks):
        rows = result.table()
        section = Section(
            f"Links asked again on {result.day}",
            note=" ".join(result.sentences()),
            head=RECHECK_HEAD if rows else (),
            rows=rows,
            numeric=RECHECK_NUMERIC,
        )
        sections.append(section)
    return sections


def _scores(facts: Facts) -> Section | None:
    """Histograms of scores, with the thresholds of the rules that read them."""
    settings = {rule["name"]: rule["settings"] for rule in facts.manifest.rules}
    similarity = settings.get("similarity", {}).get("thresholds", {})
    if len(similarity) > MAX_LINES:
        # A hundred languages would hide the bars: the subsets' thresholds are drawn alone.
        similarity = {name: at for name, at in similarity.items() if name in SUBSETS}
    medical = _thresholds(settings.get("medical"), "picture_alone", "picture_with_other")
    nudity = _thresholds(settings.get("nudity"), "drop_from", "tag_from")
    charts = []
    for column, label, reason, thresholds in (
        ("similarity", "cosine of picture and caption", "similarity_low", similarity),
        ("medical_picture_score", "share of medical prompts", "medical_picture", medical),
        ("punsafe", "chance that the picture is unsafe", "nudity", nudity),
    ):
        # Without the column (publish.sensitive: private) the kept rows would look like none.
        if column not in facts.columns:
            continue
        histogram = facts.histogram(column, reason)
        if histogram is not None:
            charts.append(Chart(column, histogram_svg(histogram, label, thresholds)))
    if not charts:
        return None
    note = (
        "what was dropped is counted from the ledger, by score alone; counted in steps of 0.001 "
        "from -1 to 1, with what lies beyond in the outermost"
    )
    return Section("Scores and thresholds", charts, note)


def _thresholds(settings: Mapping[str, Any] | None, *names: str) -> dict[str, float]:
    """The settings of these names that a rule has; none where the rule was not run."""
    return {name: settings[name] for name in names if settings and name in settings}


def _sizes(facts: Facts) -> Section | None:
    """Histograms of the pictures' sizes on a logarithmic axis."""
    charts = []
    for column, label in (
        ("WIDTH", "width, pixels"),
        ("HEIGHT", "height, pixels"),
        ("size_bytes", "size, bytes"),
    ):
        histogram = facts.histogram(column)
        if histogram is not None:
            charts.append(Chart(column, histogram_svg(histogram, label, {}, log=True)))
    return Section("Pictures", charts) if charts else None


def _contents(facts: Facts) -> Section:
    titles = {
        "LANGUAGE": "languages of captions",
        "licence_kind": "licences",
        "format": "formats",
        "image_attribute": "what named the image",
        "caption_source": "where captions stood",
        "page_source": "what was seen of the page",
        "rights_signals": "signals of rights",
        "face_count": "faces in a picture",
        "NSFW": "NSFW tag",
    }
    title = f"domains of images, the largest {MAX_LARGEST}"
    charts = [Chart(title, bars=bars_of_largest(facts.domains))]
    for name, title in titles.items():
        # A column that has no value in any row says nothing.
        if set(facts.counted(name)) - {""}:
            charts.append(Chart(title, bars=bars(facts.counted(name))))
    return Section("What is in it", charts)


def _throughput(history: History) -> Section | None:
    charts = []
    for stage, samples in history.items():
        seconds = samples[-1][0] if samples else 0
        if seconds > 0:
            svg = rate_svg(samples, UNITS.get(stage, PARTS))
            charts.append(Chart(f"{stage}: {seconds:,.0f} s", svg))
    if not charts:
        return None
    note = "over the time that a stage worked, resumed runs one after another"
    return Section("How fast it went", charts, note)


def compare_page(first: Facts, second: Facts, names: tuple[str, str]) -> str:
    """The page of two datasets side by side: decisions gained and lost for each rule."""
    first_name, second_name = names
    change_of = {
        reason: second.reasons[reason] - first.reasons[reason]
        for reason in (*first.reasons, *second.reasons)
    }
    largest_change_first = sorted(change_of, key=lambda reason: (-abs(change_of[reason]), reason))
    rows = []
    for reason in largest_change_first:
        before = first.reasons[reason]
        after = second.reasons[reason]
        rows.append((*reason, f"{before:,}", f"{after:,}", f"{change_of[reason]:+,}"))
    head = ("stage", "rule", "action", "reason", first_name, second_name, "change")
    section = Section("Decisions", head=head, rows=rows, numeric=(4, 5, 6))
    tiles = [
        (f"pairs in {first_name}", f"{first.rows:,}"),
        (f"pairs in {second_name}", f"{second.rows:,}"),
        ("change", f"{second.rows - first.rows:+,}"),
    ]
    return render(
        title=f"{first_name} beside {second_name}",
        subtitle="Rows gained and lost per rule, from the ledgers.",
        warnings=[],
        tiles=tiles,
        sections=[section],
    )

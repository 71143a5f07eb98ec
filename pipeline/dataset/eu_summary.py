"""The public summary of training content that the AI Act asks for, as far as a dataset knows it.

Article 53(1)(d) of Regulation (EU) 2024/1689 obliges the provider of a general-purpose AI model to
publish a summary of the content that the model was trained on, in the template of the AI Office
(Annex to C(2025) 5235, 24 July 2025). The sections here have the numbers of that template. What
only the provider of the model knows is marked.

Every figure is counted in the shards, the ledger and the manifest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files as resources
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jinja2 import Environment, StrictUndefined

from pairsieve.records.foreign import as_ours
from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.manifest import Manifest
from pairsieve.records.ranking import largest_first
from pairsieve.storage import files, openers
from pairsieve.storage.shards import shard_paths
from pairsieve.web.client_settings import ROBOTS_AGENT
from pairsieve.web.reservations import RESERVATIONS
from pairsieve.web.urls import registered_domain
from pipeline.dataset.card import about
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.period import Period, period_of

TOP_SHARE, SMALL_SHARE, SMALL_NUMBER = 0.10, 0.05, 1_000
"""Section 2.3: the top 10 % of all domain names by the size of the content; for small and medium
enterprises the top 5 % or 1,000, whichever is less.
"""
IMAGE_BANDS = (
    (1_000_000, "Less than 1 million images"),
    (1_000_000_000, "1 million to 1 billion images"),
)
LARGEST_BAND = "More than 1 billion images"
"""Section 1.3 of the template."""
RESERVED_BY = ("fetch", "rights", "opt_outs")
"""What leaves out what its publisher has reserved: the fetch client, and rules."""
_NOT_REQUESTED = {f"fetch_{each.name}" for each in RESERVATIONS}
_UNREADABLE = {"fetch_robots_unreachable", "fetch_reservation_unreachable"}
# A site whose opt-outs cannot be read counts as one that has opted out.
RESERVED_FETCHES = _NOT_REQUESTED | _UNREADABLE
UNLAWFUL_BY = (
    "hash_lists", "children", "nudity", "medical", "dicom", "documents", "personal_data", "erasure",
)  # fmt: skip
"""Rules that leave out, or redact, what may be unlawful to hold or to hand on."""
MAX_SHOWN = 100
"""So many domains and input files stand in the page; the list of all goes into a file."""
_COLUMNS = ("URL", "TEXT", "LANGUAGE", "size_bytes", "format")


@dataclass
class Domain:
    """A registered domain that pictures came from: rows, and bytes of the pictures as served."""

    name: str
    rows: int = 0
    bytes: int = 0


@dataclass
class Content:
    """Counts of the contents of a dataset.

    `decisions`: (rule, action, reason) -> rows. `caption_chars` are code points.
    """

    manifest: Manifest
    period: Period
    rows: int = 0
    caption_chars: int = 0
    picture_bytes: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    domains: dict[str, Domain] = field(default_factory=dict)
    decisions: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def largest(self, small_provider: bool) -> list[Domain]:
        """The domains that section 2.3 asks for, the largest first."""
        most_bytes_first = sorted(
            self.domains.values(), key=lambda domain: (-domain.bytes, -domain.rows, domain.name)
        )
        return most_bytes_first[: top_number(len(self.domains), small_provider)]

    def decided_by(self, rules: Sequence[str]) -> list[tuple[str, str, str, int]]:
        """Rule, action, reason and rows of the decisions of some rules, in their order.

        A decision of the fetch client counts only if a publisher's no caused it.
        """
        decided: list[tuple[str, str, str, int]] = []
        for (rule, action, reason), rows in self.decisions.items():
            # A fetch also fails for reasons that nobody has chosen, such as a dead link.
            is_of_publisher = rule != "fetch" or reason in RESERVED_FETCHES
            if rule in rules and is_of_publisher:
                decided.append((rule, action, reason, rows))

        def rank(decision: tuple[str, str, str, int]) -> tuple[int, str, str]:
            rule, action, reason, _ = decision
            return rules.index(rule), action, reason

        return sorted(decided, key=rank)


def top_number(domains: int, small_provider: bool) -> int:
    """How many of so many domains must be named."""
    if small_provider:
        return min(math.ceil(SMALL_SHARE * domains), SMALL_NUMBER)
    return math.ceil(TOP_SHARE * domains)


def count(dataset: str) -> Content:
    """Read a dataset shard by shard. Raises NoSuchDataset."""
    manifest = read_manifest(dataset)
    content = Content(manifest, period_of(dataset, manifest))
    for path in shard_paths(manifest):
        _add_shard(content, files.join(dataset, path))
    for listed in manifest.below(f"{LEDGER_FOLDER}/"):
        _add_ledger(content, files.join(dataset, listed.path))
    return content


def _add_shard(content: Content, path: str) -> None:
    # A dataset of others has names of its own for these columns.
    names = {content.manifest.columns.get(ours, ours): ours for ours in _COLUMNS}
    with openers.open_columns(path) as stream:
        shard = pq.ParquetFile(stream)
        present = [name for name in names if name in shard.schema_arrow.names]
        for batch in shard.iter_batches(columns=present):
            table = pa.Table.from_batches([batch])
            ours = [names[name] for name in table.column_names]
            _add_rows(content, as_ours(table.rename_columns(ours)))


def _add_rows(content: Content, table: pa.Table) -> None:
    content.rows += table.num_rows
    columns = set(table.column_names)
    if "TEXT" in columns:
        content.caption_chars += pc.sum(pc.utf8_length(table["TEXT"])).as_py() or 0
    if "LANGUAGE" in columns:
        content.languages.update(value or "" for value in table["LANGUAGE"].to_pylist())
    if "format" in columns:
        content.formats.update(value or "" for value in table["format"].to_pylist())
    urls = table["URL"].to_pylist() if "URL" in columns else []
    # Datasets of others may not say how large their pictures are.
    sizes = table["size_bytes"].to_pylist() if "size_bytes" in columns else [0] * len(urls)
    for url, size in zip(urls, sizes, strict=True):
        name = registered_domain(url or "")
        domain = content.domains.setdefault(name, Domain(name))
        domain.rows += 1
        domain.bytes += size or 0
        content.picture_bytes += size or 0


def _add_ledger(content: Content, path: str) -> None:
    names = ("rule", "action", "reason")
    with openers.open_columns(path) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(columns=list(names)):
            columns = [batch[name].to_pylist() for name in names]
            content.decisions.update(zip(*columns, strict=True))


def figures(content: Content, small_provider: bool = False) -> dict[str, Any]:
    """Every figure of the summary, as JSON values."""
    largest = content.largest(small_provider)
    period = content.period
    return {
        "rows": content.rows,
        "caption_chars": content.caption_chars,
        "picture_bytes": content.picture_bytes,
        "image_band": image_band(content.rows),
        "languages": dict(largest_first(content.languages.items())),
        "formats": dict(largest_first(content.formats.items())),
        "crawled": [period.crawled.first, period.crawled.last],
        "fetched": [period.fetched.first, period.fetched.last],
        "domains": len(content.domains),
        "largest_domains": [[domain.name, domain.rows, domain.bytes] for domain in largest],
        "largest_bytes": sum(domain.bytes for domain in largest),
        "reserved": content.decided_by(RESERVED_BY),
        "unlawful": content.decided_by(UNLAWFUL_BY),
        "erased_rows": sum(erasure.rows for erasure in content.manifest.erasures),
        "erasures": len(content.manifest.erasures),
    }


def image_band(images: int) -> str:
    """The size that section 1.3 has a box for."""
    return next((band for limit, band in IMAGE_BANDS if images < limit), LARGEST_BAND)


def page(content: Content, small_provider: bool = False) -> str:
    """The summary in Markdown."""
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(month=_month, cell=_cell)
    source = resources("pipeline.dataset").joinpath("eu_summary.md.j2").read_text("utf-8")
    manifest = content.manifest
    return environment.from_string(source).render(
        manifest=manifest,
        publisher=about(manifest),
        contact=about(manifest)["contact"] or manifest.setting("fetch", "contact"),
        fetch=manifest.config.get("fetch", {}),
        agent=ROBOTS_AGENT,
        figures=figures(content, small_provider),
        small_provider=small_provider,
        reservations=RESERVATIONS,
        rules={rule["name"]: rule for rule in manifest.rules},
        unlawful_by=UNLAWFUL_BY,
        max_shown=MAX_SHOWN,
    )


def _month(time: str) -> str:
    """MM/YYYY, as the template writes it."""
    return f"{time[5:7]}/{time[:4]}" if time else "not known"


def _cell(text: str) -> str:
    """A text that others chose, as a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ") or "(none)"


def domain_list(content: Content, small_provider: bool = False) -> str:
    """The domains as CSV: name, rows, bytes."""
    largest = content.largest(small_provider)
    lines = [f"{domain.name},{domain.rows},{domain.bytes}" for domain in largest]
    return "\n".join(["domain,rows,bytes", *lines]) + "\n"

"""Writes the data card from the manifest and from what was counted of the rows, never by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from filters.measured import measured, threshold_source
from pairsieve.audit.result import HEAD
from pairsieve.recheck.result import HEAD as RECHECK_HEAD
from pairsieve.records.column import PRIVACY
from pairsieve.records.manifest import Manifest
from pairsieve.records.ranking import largest_first
from pairsieve.records.row import published_columns
from pipeline.dataset.facts import Facts

CARD = "README.md"
DEMO_WARNING = (
    "> **Demonstration only.** Similarities were computed with a very small model that knows "
    "generated drawings alone. "
    "They mean nothing for real pictures.\n\n"
)
PUBLISHER = ("url", "licence", "contact", "creator", "date")
"""Settings of `publish` that card and Croissant metadata repeat."""
MAX_VALUES = 30
"""So many values of a column are listed; the others are counted together."""
MAX_SETTINGS_LETTERS = 200
"""So much of a plugin's settings stands in a cell of the card's table."""
MIN_LANGUAGE_SHARE = 0.01
"""Share of the rows from which a language counts as one of the dataset's."""
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
)
"""Hugging Face's size categories."""
LARGEST_SIZE = "10B<n<100B"


def data_card(facts: Facts) -> str:
    """Markdown with a Hugging Face front matter.

    Every statement follows from the manifest or was counted in the shards.
    """
    from jinja2 import Environment, StrictUndefined

    manifest = facts.manifest
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    source = files("pipeline.dataset").joinpath("card.md.j2").read_text("utf-8")
    publisher = about(manifest)
    return environment.from_string(source).render(
        manifest=manifest,
        publish=publisher,
        contact=publisher["contact"] or manifest.config["fetch"]["contact"],
        demo_warning=DEMO_WARNING,
        summary=summary_of(manifest),
        size=_size_category(facts.rows),
        languages=_languages(facts),
        subsets=manifest.subsets,
        counted={name: _most_common(facts.counted(name)) for name in ("LANGUAGE", "licence_kind")},
        columns=published_columns(facts.columns),
        privacy=PRIVACY,
        sources=list(_threshold_sources(manifest)),
        measured=measured,
        reasons=_reasons_text,
        settings=_settings_text,
        pictures=_pictures_text(manifest.config),
        kept=_kept_text(manifest.config),
        sensitive=_sensitive_text(manifest),
        gate_prompt=manifest.setting("publish", "gate_prompt"),
        erased=_erased_text(manifest),
        audits=facts.audits,
        audit_head=HEAD,
        rechecks=facts.rechecks,
        recheck_head=RECHECK_HEAD,
    )


def about(manifest: Manifest) -> dict[str, str]:
    """PUBLISHER -> what the publisher says; empty where the config does not have the setting."""
    return {name: manifest.setting("publish", name) for name in PUBLISHER}


def summary_of(manifest: Manifest) -> str:
    """A description of the dataset in two sentences."""
    rows = sum(shard.rows for shard in manifest.below("dataset/"))
    return (
        f"{rows} image-text pairs: links with captions, no pictures. "
        f"Made with pairsieve {manifest.pairsieve} from {len(manifest.inputs)} crawl file(s)."
    )


def _size_category(rows: int) -> str:
    for limit, name in SIZES:
        if rows < limit:
            return name
    return LARGEST_SIZE


def _languages(facts: Facts) -> list[str]:
    """The languages of at least MIN_LANGUAGE_SHARE of the rows, without regions ("zh-Latn": zh)."""
    rows_of: Counter[str] = Counter()
    for code, number in facts.counted("LANGUAGE").items():
        if code:
            rows_of[code.partition("-")[0]] += number
    min_rows = MIN_LANGUAGE_SHARE * facts.rows
    return sorted(code for code, number in rows_of.items() if number >= min_rows)


def _most_common(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    ordered = largest_first(counted.items())
    listed = ordered[:MAX_VALUES]
    # Rare values would make the card as long as the dataset.
    others = sum(number for _, number in ordered[MAX_VALUES:])
    if others:
        listed.append(("others", others))
    return listed


def _threshold_sources(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(plugin.setting, where its usual value comes from), for settings that have a source."""
    for plugin in (*manifest.rules, *manifest.detectors):
        for setting in plugin["settings"]:
            source = threshold_source(plugin["name"], setting)
            if source:
                yield f"{plugin['name']}.{setting}", source


def _pictures_text(config: Mapping[str, Any]) -> str:
    if config["fetch"]["source"] == "archive":
        return "Pictures were taken from the archive itself: no request was made."
    agents = " and the known AI crawlers" if config["fetch"]["robots_ai_agents"] else ""
    return (
        f"Pictures were asked for on the web, where robots.txt allows it to us{agents}, and named "
        f"us with {config['fetch']['contact']}."
    )


def _kept_text(config: Mapping[str, Any]) -> str:
    """The private data that stays in the work directory."""
    if config["fetch"]["source"] != "web":
        pictures = "Pictures were read from the archive and not stored."
    elif config["fetch"]["keep_images"] == "until_scored":
        pictures = "Pictures that were fetched were deleted when they were scored."
    else:
        pictures = "Pictures that were fetched are kept there."
    vectors = " Their vectors are kept there too." if config["score"]["keep_embeddings"] else ""
    return pictures + vectors


def _sensitive_text(manifest: Manifest) -> str:
    """Whether rows say that they show patients, children, faces or documents."""
    if manifest.setting("publish", "sensitive") == "private":
        return (
            "Tags and scores that say whether a picture shows a patient, a child, a face or a "
            "document are kept there too, so that nobody can look up such people in this dataset."
        )
    return (
        "By decision of its publisher this dataset says in tags and scores whether a picture "
        "shows a patient, a child, a face or a document. Use them to leave such rows out, and for "
        "nothing else."
    )


def _erased_text(manifest: Manifest) -> str:
    if not manifest.erasures:
        return "Nobody has been taken out of it so far."
    rows = sum(erasure.rows for erasure in manifest.erasures)
    return (
        f"This is version {manifest.version}: {rows} rows were taken out in "
        f"{len(manifest.erasures)} erasures."
    )


def _reasons_text(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in reasons.items() if number) or "0"


def _settings_text(settings: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name} = {value}" for name, value in settings.items())
    # A bar would end the cell of the Markdown table.
    text = text.replace("|", "\\|")
    if len(text) > MAX_SETTINGS_LETTERS:
        return f"{text[:MAX_SETTINGS_LETTERS]} ... (all in manifest.json)"
    return text or "no settings"

"""The data card: written from the manifest and from what the shards hold, never by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from filters.measured import measured, threshold_source
from pairsieve.records.manifest import Manifest
from pairsieve.records.row import PRIVACY, published_columns
from pipeline.dataset.facts import Facts

CARD = "README.md"
DEMO_WARNING = (
    "> **Demonstration only.** Similarities were computed with a very small model that knows "
    "generated drawings alone. "
    "They mean nothing for real pictures.\n\n"
)
MOST_COUNTED, MOST_SETTINGS = 30, 200
LEAST_SHARE = 0.01  # of the rows: so many make a language one of the dataset's
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


def data_card(facts: Facts) -> str:
    """Markdown with a Hugging Face front matter; every statement follows from the manifest or was
    counted in the shards.
    """
    manifest = facts.manifest
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    template = environment.from_string(
        files("pipeline.dataset").joinpath("card.md.j2").read_text("utf-8")
    )
    config, said = manifest.config, about(manifest)
    return template.render(
        manifest=manifest,
        publish=said,
        contact=said["contact"] or config["fetch"]["contact"],
        demo_warning=DEMO_WARNING,
        summary=summary_of(manifest),
        size=next((name for most, name in SIZES if facts.rows < most), "10B<n<100B"),
        languages=_languages(facts),
        subsets=manifest.subsets,
        counted={name: _most_common(facts.counted[name]) for name in ("LANGUAGE", "licence_kind")},
        columns=published_columns(facts.columns),
        privacy=PRIVACY,
        sources=list(_sources(manifest)),
        measured=measured,
        reasons=_reasons,
        settings=_settings,
        pictures=_pictures(config),
        kept=_kept(config),
        erased=_erased(manifest),
    )


def about(manifest: Manifest) -> dict[str, str]:
    """What the publisher says of a dataset: `url`, `licence`, `contact`; empty where a version that
    did not ask for them made it.
    """
    return {name: manifest.setting("publish", name) for name in ("url", "licence", "contact")}


def summary_of(manifest: Manifest) -> str:
    """One sentence or two on what it is."""
    rows = sum(shard.rows for shard in manifest.below("dataset/"))
    return (
        f"{rows} image-text pairs: links with captions, no pictures. "
        f"Made with pairsieve {manifest.pairsieve} from {len(manifest.inputs)} crawl file(s)."
    )


def _languages(facts: Facts) -> list[str]:
    counted = Counter(
        {
            code.partition("-")[0]: number
            for code, number in facts.counted["LANGUAGE"].items()
            if code
        }
    )
    return sorted(code for code, number in counted.items() if number >= LEAST_SHARE * facts.rows)


def _most_common(counted: Mapping[str, int]) -> list[tuple[str, int]]:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(number for _, number in ordered[MOST_COUNTED:])
    return [*ordered[:MOST_COUNTED], *([("others", rest)] if rest else [])]


def _sources(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for plugin in (*manifest.rules, *manifest.detectors):
        for setting in plugin["settings"]:
            source = threshold_source(plugin["name"], setting)
            if source:
                yield f"{plugin['name']}.{setting}", source


def _pictures(config: Mapping[str, Any]) -> str:
    if config["fetch"]["source"] == "archive":
        return "Pictures were taken from the archive itself: no request was made."
    agents = " and the known AI crawlers" if config["fetch"]["robots_ai_agents"] else ""
    return (
        f"Pictures were asked for on the web, where robots.txt allows it to us{agents}, and named "
        f"us with {config['fetch']['contact']}."
    )


def _kept(config: Mapping[str, Any]) -> str:
    pictures = (
        "were deleted when they were scored"
        if config["fetch"]["keep_images"] == "until_scored"
        else "are kept there"
    )
    vectors = " Their vectors are kept there too." if config["score"]["keep_embeddings"] else ""
    web = config["fetch"]["source"] == "web"
    return (
        f"Pictures that were fetched {pictures}."
        if web
        else "Pictures were read from the archive and not stored."
    ) + vectors


def _erased(manifest: Manifest) -> str:
    erasures = manifest.erasures
    if not erasures:
        return "Nobody has been taken out of it so far."
    rows = sum(erasure.rows for erasure in erasures)
    return (
        f"This is version {manifest.version}: {rows} rows were taken out in {len(erasures)} "
        "erasures."
    )


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in reasons.items() if number) or "0"


def _settings(settings: Mapping[str, Any]) -> str:
    said = (
        ", ".join(f"{name} = {value}" for name, value in settings.items()).replace("|", "\\|")
        or "no settings"
    )
    return (
        said if len(said) <= MOST_SETTINGS else f"{said[:MOST_SETTINGS]} ... (all in manifest.json)"
    )

"""What Croissant metadata says of how a dataset came about: RAI terms, and provenance (PROV-O).

Every statement follows from the manifest, the table of columns or the times of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pairsieve.records.column import Column
from pairsieve.records.manifest import Manifest
from pipeline.dataset.card import about
from pipeline.dataset.period import Period, Span

MAX_INPUTS = 50
"""So many input files are named one by one; a monthly crawl has 90,000, all in the manifest."""


def rai_terms(manifest: Manifest, columns: Sequence[Column], period: Period) -> dict[str, Any]:
    """The terms of the RAI vocabulary 1.0 that a dataset of links can answer."""
    extracted = manifest.unit_counts.get("extract", {})
    raw = ", ".join(f"{counts.entered} {unit}s" for unit, counts in extracted.items())
    crawled, fetched = period.crawled, period.fetched
    times = Span().joined((crawled.first, crawled.last, fetched.first, fetched.last))
    personal = [column for column in columns if column.privacy != "neutral"]
    return {
        "rai:dataCollection": _collection(manifest),
        "rai:dataCollectionType": ["Web Scraping"],
        "rai:dataCollectionRawData": f"HTML pages of web archives ({raw or 'not counted'})",
        "rai:dataCollectionMissingData": (
            "A column is empty where nothing was observed. What could not be judged is left out."
        ),
        **({"rai:dataCollectionTimeFrame": [times.first, times.last]} if times.first else {}),
        "rai:dataPreprocessingProtocol": [
            f"rule {rule['name']} version {rule['version']}" for rule in manifest.rules
        ],
        "rai:machineAnnotationTools": _tools(manifest),
        "rai:dataUseCases": ["Training and evaluation of models of images and texts"],
        "rai:dataBiases": _biases(manifest),
        "rai:dataLimitations": [
            "Links die and change: what a link shows today may not be what was judged",
            "Captions are what pages say of their pictures, and often wrong",
            "Filters miss some of what they look for; the data card says how much was measured",
        ],
        "rai:personalSensitiveInformation": [
            f"{column.name} ({column.privacy}): {column.meaning}" for column in personal
        ],
        "rai:dataReleaseMaintenancePlan": _maintenance(manifest),
    }


def _collection(manifest: Manifest) -> str:
    fetch = manifest.config.get("fetch", {})
    if fetch.get("source") == "web":
        pictures = "Pictures were requested at their URLs, where the host allowed it"
    else:
        pictures = "Pictures were read from the archives, without a request"
    return f"Image URLs and captions were read from pages of web archives. {pictures}."


def _tools(manifest: Manifest) -> list[str]:
    """Detectors with versions, and the models that scored."""
    detectors = [
        f"detector {detector['name']} version {detector['version']}"
        for detector in manifest.detectors
    ]
    return [*detectors, *(f"model {model}" for model in manifest.scored_by)]


def _biases(manifest: Manifest) -> list[str]:
    """The share of each subset, as counted: a web crawl is no sample of the world."""
    rows_of: dict[str, int] = {}
    for subset in manifest.subsets:
        shards = manifest.below(f"dataset/{subset}/")
        rows_of[subset] = sum(shard.rows for shard in shards)
    all_rows = sum(rows_of.values())
    biases = []
    # A dataset without rows has no shares.
    if all_rows:
        for subset, rows in rows_of.items():
            percent = 100 * rows / all_rows
            biases.append(f"{rows} of {all_rows} rows ({percent:.1f} %) are in the subset {subset}")
    biases.append("What people put on the web, and in which languages, decides what is shown")
    return biases


def _maintenance(manifest: Manifest) -> str:
    erased = sum(erasure.rows for erasure in manifest.erasures)
    contact = about(manifest)["contact"] or manifest.setting("fetch", "contact")
    asked = f" Requests to be taken out: {contact}." if contact else ""
    return (
        f"Version {manifest.version}. {erased} rows were taken out in {len(manifest.erasures)} "
        f"erasures; erasures/feed.jsonl tells holders of copies which.{asked}"
    )


def provenance(manifest: Manifest, period: Period) -> dict[str, Any]:
    """Where the dataset comes from, and what made it."""
    inputs = [_entity(name) for name in manifest.inputs[:MAX_INPUTS]]
    if len(manifest.inputs) > MAX_INPUTS:
        inputs.append(_entity(f"{len(manifest.inputs) - MAX_INPUTS} more; see manifest.json"))
    fetch = "pictures from the archives"
    if manifest.setting("fetch", "source") == "web":
        fetch = "requests for the pictures"
    software = f"pairsieve {manifest.pairsieve} {manifest.revision}".strip()
    activities = [
        _activity("crawl of the pages", period.crawled, "the crawler of the archives"),
        _activity(fetch, period.fetched, software),
        _activity("scores, rules and publication", Span(), software),
    ]
    return {"prov:wasDerivedFrom": inputs, "prov:wasGeneratedBy": activities}


def _entity(name: str) -> Mapping[str, Any]:
    return {"@type": "prov:Entity", "prov:label": name}


def _activity(label: str, span: Span, agent: str) -> Mapping[str, Any]:
    times = {"prov:startedAtTime": span.first, "prov:endedAtTime": span.last} if span.first else {}
    return {
        "@type": "prov:Activity",
        "prov:label": label,
        **times,
        "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": agent},
    }

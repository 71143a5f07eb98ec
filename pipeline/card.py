"""The data card: written from the manifest, never by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from records.row import COLUMNS

DEMO_WARNING = (
    "> **Demonstration only.** Similarities were computed with a very small model that knows generated drawings alone. "
    "They mean nothing for real pictures.\n\n"
)


def data_card(manifest: Mapping[str, Any]) -> str:
    """Markdown with a Hugging Face front matter; every statement follows from the manifest."""
    rows = sum(f["rows"] for f in manifest["files"] if f["path"].startswith("dataset/"))
    return f"""---
pretty_name: {manifest["name"]}
configs:
{_subsets(manifest)}---

# {manifest["name"]}

{DEMO_WARNING if manifest["demo_model"] else ""}{rows} image-text pairs: links with captions, no pictures.
Made with pairsieve {manifest["pairsieve"]} from {len(manifest["inputs"])} crawl file(s).

## What was counted

{_counts(manifest["counts"])}
## What decided

Rules, in order, with their settings:

{_plugins(manifest["rules"])}
Detectors that observed the evidence:

{_plugins(manifest["detectors"])}
Models:

{_models(manifest["models"])}
{_computed(manifest["scored_by"])}## Columns

| column | type | meaning |
|---|---|---|
{_columns()}
## Files

| file | rows | sha256 |
|---|---|---|
{_files(manifest["files"])}
## What is private

The work directory holds captions and addresses that no rule has judged; it is not part of this dataset. The ledger in
`ledger/` has one row for each decision under a keyed hash: without the key it leads back to no picture and no person.
{_kept(manifest["config"])}

## Being taken out

Whoever wants a picture, page or domain taken out asks the publisher of this dataset; no name is needed, an example picture or a link is
enough. {_erased(manifest)}
"""


def _kept(config: Mapping[str, Any]) -> str:
    pictures = "were deleted when they were scored" if config["fetch"]["keep_images"] == "until_scored" else "are kept there"
    vectors = " Their vectors are kept there too." if config["score"]["keep_embeddings"] else ""
    web = config["fetch"]["source"] == "web"
    return (f"Pictures that were fetched {pictures}." if web else "Pictures were read from the archive and not stored.") + vectors


def _erased(manifest: Mapping[str, Any]) -> str:
    erasures = manifest.get("erasures", ())
    if not erasures:
        return "Nobody has been taken out of it so far."
    rows = sum(one["rows"] for one in erasures)
    return (
        f"This is version {manifest['version']}: {rows} rows were taken out in {len(erasures)} erasures. "
        "`erasures/` lists their ids for those who hold an earlier version, and are to delete them there."
    )


def _subsets(manifest: Mapping[str, Any]) -> str:
    subsets = sorted({f["path"].split("/")[1] for f in manifest["files"] if f["path"].startswith("dataset/")})
    return "".join(f"  - config_name: {subset}\n    data_files: dataset/{subset}/*.parquet\n" for subset in subsets)


def _counts(stages: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    head = "| stage | unit | in | kept | dropped | quarantined |\n|---|---|---|---|---|---|\n"
    lines = [
        f"| {stage} | {unit} | {c['entered']} | {c['kept']} | {_reasons(c['dropped'])} | {_reasons(c['quarantined'])} |\n"
        for stage, units in stages.items()
        for unit, c in units.items()
    ]
    return head + "".join(lines)


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in reasons.items()) or "0"


def _plugins(plugins: list[Mapping[str, Any]]) -> str:
    return "".join(f"- `{p['name']}` version {p['version']}: {_settings(p['settings'])}\n" for p in plugins)


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items()) or "no settings"


def _models(models: Mapping[str, Mapping[str, str]]) -> str:
    return "".join(f"- {name}: {m['architecture']}, weights sha256 `{m['weights_sha256']}`\n" for name, m in models.items())


def _computed(scored_by: Mapping[str, int]) -> str:
    return "".join(f"{number} pairs were scored by {model_and_numbers}.\n" for model_and_numbers, number in scored_by.items()) + "\n"


def _columns() -> str:
    return "".join(f"| `{column.name}` | {column.type} | {column.meaning} |\n" for column in COLUMNS)


def _files(listed: list[Mapping[str, Any]]) -> str:
    return "".join(f"| {f['path']} | {f['rows']} | `{f['sha256']}` |\n" for f in listed)

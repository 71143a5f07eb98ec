"""What was decided, from a dataset's manifest, its ledger and its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairsieve.records.layout import LEDGER_FOLDER
from pairsieve.records.ledger import keyed
from pairsieve.records.manifest import Manifest
from pairsieve.storage import files
from pairsieve.storage.secret import BadSecret, read_secret
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.monitoring.summary import table

Row = dict[str, Any]
SHOWN = (
    "URL", "TEXT", "similarity", "tags", "rights_signals", "licence_kind", "LANGUAGE", "NSFW",
    "punsafe", "face_count",
    "medical_picture_score", "page_source", "model",
)  # fmt: skip


def explained(dataset: str, key: str, key_file: str | None) -> str:
    """What is published of a row and what the rules said of it; empty where neither is known.
    Raises NoSuchDataset.
    """
    manifest = read_manifest(dataset)
    named = _bytes(key)
    ids = {key.lower()} | ({keyed(_secret(key_file), named).hex()} if key_file else set())
    row = next(_rows_with(dataset, manifest, "dataset/", "key", ids), None)
    decisions = list(_rows_with(dataset, manifest, f"{LEDGER_FOLDER}/", "id", ids))
    if row is None and not decisions:
        return ""
    lines = ["published as" if row else "not published"]
    lines += [f"    {name:<22}{row[name]}" for name in SHOWN if name in row] if row else []
    lines += (
        ["decisions"] + [f"    {_sentence(d)}" for d in decisions]
        if decisions
        else _no_decisions(key_file)
    )
    return "\n".join(lines) + "\n"


def _no_decisions(key_file: str | None) -> list[str]:
    return [
        "decisions",
        "    none"
        if key_file
        else "    not looked up: give --key-file, the secret of the ledger's keys",
    ]


def _bytes(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        raise NoSuchDataset(
            f"{key!r} is no key; a key is 32 hex digits, as in the column `key`"
        ) from None


def _secret(key_file: str) -> bytes:
    try:
        return read_secret(key_file)
    except BadSecret as error:
        raise NoSuchDataset(str(error)) from None


def _sentence(decision: Row) -> str:
    score = "" if decision["score"] is None else f", score {decision['score']:g}"
    return (
        f"{decision['stage']}: {decision['rule']} version {decision['rule_version']} said "
        f"{decision['action']}: {decision['reason']}{score}"
    )


def _rows_with(
    dataset: str, manifest: Manifest, tree: str, column: str, values: set[str]
) -> Iterator[Row]:
    for path in _paths(manifest, tree):
        with files.open_read(files.join(dataset, path)) as stream:
            yield from pq.read_table(
                stream, filters=pc.field(column).isin(pa.array(sorted(values)))
            ).to_pylist()


def _paths(manifest: Manifest, tree: str) -> list[str]:
    return [listed.path for listed in manifest.below(tree)]


def reasons_of(dataset: str) -> list[Row]:
    """Every (stage, rule, version, action, reason) of the ledger with its number and its lowest,
    median and highest score.
    """

    manifest = read_manifest(dataset)
    names = ["stage", "rule", "rule_version", "action", "reason"]
    found = [_read(files.join(dataset, path)) for path in _paths(manifest, f"{LEDGER_FOLDER}/")]
    if not found:
        return []
    scores = [("score", "min"), ("score", "approximate_median"), ("score", "max")]
    grouped = pa.concat_tables(found).group_by(names).aggregate([([], "count_all"), *scores])
    return sorted(
        grouped.to_pylist(), key=lambda row: (-row["count_all"], *(row[name] for name in names))
    )


def _read(path: str) -> pa.Table:
    with files.open_read(path) as stream:
        return pq.read_table(stream)


def audited(dataset: str) -> str:
    """The funnel from the manifest, and the reasons from the ledger."""
    manifest = read_manifest(dataset)
    lines = [
        table(manifest.unit_counts),
        "",
        f"{'number':>9}  {'stage':<8} {'action':<10} {'rule':<18} {'reason':<38} scores",
    ]
    for row in reasons_of(dataset):
        rule = f"{row['rule']}@{row['rule_version']}"
        line = (
            f"{row['count_all']:>9}  {row['stage']:<8} {row['action']:<10} {rule:<18} "
            f"{row['reason']:<38} {_range(row)}"
        )
        lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def _range(row: Row) -> str:
    if row["score_min"] is None:
        return ""
    return (
        f"{row['score_min']:g} to {row['score_max']:g}, median "
        f"{row['score_approximate_median']:.3g}"
    )

"""Explains what was decided, from a dataset's manifest, its ledger and its published rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairsieve.records.layout import LEDGER_FOLDER, sidecar_path
from pairsieve.records.ledger import keyed
from pairsieve.records.manifest import ListedFile
from pairsieve.storage import files, openers
from pairsieve.storage.secret import BadSecret, read_secret
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.sidecar import needed_private_results
from pipeline.monitoring.summary import table

Row = dict[str, Any]
SHOWN_COLUMNS = (
    "URL", "TEXT", "similarity", "tags", "rights_signals", "licence_kind", "LANGUAGE", "NSFW",
    "punsafe", "pwatermark", "face_count", "medical_picture_score", "private_tags", "page_source",
    "model",
)  # fmt: skip
LEDGER_TREE = f"{LEDGER_FOLDER}/"


def explained(dataset: str, key: str, key_file: str | None, work: str = "") -> str:
    """What is published of a row, and what the rules decided on it.

    Empty where neither is known. The ledger holds keyed hashes of keys: decisions are found with
    `key_file` alone. `work` is the work directory of the run, with the private columns; empty for
    none. Raises NoSuchDataset.
    """
    manifest = read_manifest(dataset)
    key_bytes = _key_bytes(key)
    # The published key, and the id of the same pair in the ledger.
    ids = {key.lower()}
    if key_file:
        secret = _secret(key_file)
        keyed_once = keyed(secret, key_bytes)
        # A redacted row is published under the keyed hash of its key. The ledger hashes it again.
        ids |= {keyed_once.hex(), keyed(secret, keyed_once).hex()}
    shards, ledger = manifest.below("dataset/"), manifest.below(LEDGER_TREE)
    row = next(_rows_with(dataset, shards, "key", ids), None)
    if row is not None:
        private = needed_private_results(work, dataset, manifest)
        sidecars = [replace(listed, path=sidecar_path(listed.path)) for listed in shards]
        if private:
            row.update(next(_rows_with(private, sidecars, "key", {row["key"]}), {}))
    decisions = list(_rows_with(dataset, ledger, "id", ids))
    if row is None and not decisions:
        return ""
    lines = [*_row_lines(row), *_decision_lines(decisions, key_file)]
    return "\n".join(lines) + "\n"


def _row_lines(row: Row | None) -> list[str]:
    if row is None:
        return ["not published"]
    values = [f"    {name:<22}{row[name]}" for name in SHOWN_COLUMNS if name in row]
    return ["published as", *values]


def _decision_lines(decisions: list[Row], key_file: str | None) -> list[str]:
    if decisions:
        return ["decisions", *(f"    {_sentence(decision)}" for decision in decisions)]
    if key_file:
        return ["decisions", "    none"]
    return [
        "decisions",
        "    not looked up: give --key-file, the secret of the ledger's keys",
    ]


def _key_bytes(key: str) -> bytes:
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
    folder: str, listed: list[ListedFile], column: str, values: set[str]
) -> Iterator[Row]:
    """The rows of these files below a folder that have one of the values in a column."""
    is_wanted = pc.field(column).isin(pa.array(sorted(values)))
    for parquet in listed:
        with openers.open_row_groups(files.join(folder, parquet.path)) as stream:
            yield from pq.read_table(stream, filters=is_wanted).to_pylist()


def reasons_of(dataset: str) -> list[Row]:
    """Every reason of the ledger with its number of decisions, the most frequent first.

    A reason is (stage, rule, version, action, reason). `score_min`, `score_approximate_median` and
    `score_max` are those of its scores. Raises NoSuchDataset.
    """
    ledger = read_manifest(dataset).below(LEDGER_TREE)
    if not ledger:
        return []
    # All entries at once: medians cannot be summed shard by shard.
    decisions = pa.concat_tables([_read_table(dataset, listed) for listed in ledger])
    names = ["stage", "rule", "rule_version", "action", "reason"]
    scores = [("score", "min"), ("score", "approximate_median"), ("score", "max")]
    grouped = decisions.group_by(names).aggregate([([], "count_all"), *scores])
    return sorted(
        grouped.to_pylist(), key=lambda row: (-row["count_all"], *(row[name] for name in names))
    )


def _read_table(dataset: str, listed: ListedFile) -> pa.Table:
    with files.open_read(files.join(dataset, listed.path)) as stream:
        return pq.read_table(stream)


def audited(dataset: str) -> str:
    """The funnel from the manifest, then the reasons from the ledger. Raises NoSuchDataset."""
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
            f"{row['reason']:<38} {_score_range(row)}"
        )
        lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def _score_range(row: Row) -> str:
    # Rules that look at words or at lists have no scores.
    if row["score_min"] is None:
        return ""
    return (
        f"{row['score_min']:g} to {row['score_max']:g}, median "
        f"{row['score_approximate_median']:.3g}"
    )

"""Reads what a run keeps private of its rows: tags, face counts and scores that speak of people.

The publish stage writes one file beside each shard of rows, in the work directory
(transforms/shard.py). Rows are found by their published key, because an erasure takes rows out of
the dataset alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from pairsieve.records.layout import SENSITIVE_FOLDER, sidecar_path
from pairsieve.records.manifest import Manifest
from pairsieve.records.row import KEY
from pairsieve.storage import files
from pipeline.dataset.manifest import NoSuchDataset

Cells = Mapping[str, Any]


def read_sidecar(private: str, shard_path: str) -> dict[str, Cells]:
    """Return the private cells of a shard's rows by published key.

    `private` is the folder of the run's publish results; empty for none. `shard_path` is relative
    to the dataset, as in its manifest. Raises NoSuchDataset where the run wrote no such file.
    """
    if not private:
        return {}
    path = files.join(private, sidecar_path(shard_path))
    try:
        with files.open_read(path) as stream:
            rows = pq.read_table(stream).to_pylist()
    except FileNotFoundError:
        raise NoSuchDataset(
            f"{path} does not exist: the private columns of this dataset are not complete"
        ) from None
    return {row.pop(KEY): row for row in rows}


def private_results(work: str, dataset: str, manifest: Manifest) -> str:
    """Return the folder of the run that made a dataset, in its work directory.

    It is the latest whose private files have the keys of the published rows. Empty where there is
    none, as where the columns were published.
    """
    results = files.join(work, "publish")
    shards = [listed.path for listed in manifest.below("dataset/") if listed.rows]
    if not shards or not files.exists(results):
        return ""
    with files.open_read(files.join(dataset, shards[0])) as stream:
        keys = set(pq.read_table(stream, columns=[KEY])[KEY].to_pylist())
    runs = [files.join(results, name) for name in files.folders_in(results)]
    with_columns = [run for run in runs if files.exists(files.join(run, SENSITIVE_FOLDER))]
    for private in sorted(with_columns, key=files.last_written, reverse=True):
        # An erasure may have taken rows out of the dataset since.
        try:
            if keys <= read_sidecar(private, shards[0]).keys():
                return private
        except NoSuchDataset:  # another run, with other shards
            continue
    return ""


def needed_private_results(work: str, dataset: str, manifest: Manifest) -> str:
    """As `private_results`; empty without a work directory.

    Raises NoSuchDataset where the work directory has no private columns of the dataset.
    """
    if not work:
        return ""
    private = private_results(work, dataset, manifest)
    if not private:
        raise NoSuchDataset(
            f"{work} holds no private columns of {dataset}: --work wants the work directory of the "
            "run that made it"
        )
    return private

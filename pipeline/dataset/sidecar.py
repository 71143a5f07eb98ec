"""Reads what a run keeps private of its rows: tags, face counts and scores that speak of people.

The publish stage writes one file beside each shard of rows, in the work directory
(transforms/shard.py). Rows are found by their published key, because an erasure takes rows out of
the dataset alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from pairsieve.records.layout import SENSITIVE_FOLDER
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
    path = files.join(private, shard_path.replace("dataset/", f"{SENSITIVE_FOLDER}/", 1))
    try:
        with files.open_read(path) as stream:
            rows = pq.read_table(stream).to_pylist()
    except FileNotFoundError:
        raise NoSuchDataset(
            f"{path} does not exist. --sensitive wants the folder that the run named, as "
            "WORK/publish/RUN, of the run that made this dataset"
        ) from None
    return {row.pop(KEY): row for row in rows}


def private_results(work: str, dataset: str, manifest: Manifest) -> str:
    """Return the folder of the run that made a dataset, in its work directory.

    It is the one whose private files have the keys of the published rows. Empty where there is
    none, as where the columns were published.
    """
    results = files.join(work, "publish")
    shards = [listed.path for listed in manifest.below("dataset/") if listed.rows]
    if not shards or not files.exists(results):
        return ""
    with files.open_read(files.join(dataset, shards[0])) as stream:
        keys = set(pq.read_table(stream, columns=[KEY])[KEY].to_pylist())
    for name in files.folders_in(results):
        private = files.join(results, name)
        if not files.exists(files.join(private, SENSITIVE_FOLDER)):
            continue
        # An erasure may have taken rows out of the dataset since.
        try:
            if keys <= read_sidecar(private, shards[0]).keys():
                return private
        except NoSuchDataset:  # another run, with other shards
            continue
    return ""

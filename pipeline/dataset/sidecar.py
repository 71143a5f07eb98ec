"""Finds what a run keeps private of its rows: tags, face counts and scores that speak of people."""

from __future__ import annotations

import pyarrow.parquet as pq

from pairsieve.records.layout import SENSITIVE_FOLDER
from pairsieve.records.manifest import Manifest
from pairsieve.records.row import KEY
from pairsieve.storage import files, openers
from pairsieve.storage.sidecar import Cells, read_cells
from pipeline.dataset.manifest import NoSuchDataset


def read_sidecar(private: str, shard_path: str) -> dict[str, Cells]:
    """As `read_cells`; raises NoSuchDataset where the run wrote no such file."""
    try:
        return read_cells(private, shard_path)
    except FileNotFoundError as error:
        raise NoSuchDataset(str(error)) from None


def private_results(work: str, dataset: str, manifest: Manifest) -> str:
    """Return the folder of the run that made a dataset, in its work directory.

    It is the latest whose private files have the keys of the published rows. Empty where there is
    none, as where the columns were published.
    """
    results = files.join(work, "publish")
    shards = [listed.path for listed in manifest.below("dataset/") if listed.rows]
    if not shards or not files.exists(results):
        return ""
    with openers.open_columns(files.join(dataset, shards[0])) as stream:
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

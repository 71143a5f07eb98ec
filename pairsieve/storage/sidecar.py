"""Reads the private file beside a shard: what a run keeps private of its rows.

The publish stage writes one for each shard of rows, in the work directory (transforms/shard.py).
Rows are found by their published key, because an erasure takes rows out of the dataset alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq

from pairsieve.records.layout import sidecar_path
from pairsieve.records.row import KEY
from pairsieve.storage import files

Cells = Mapping[str, Any]


def read_cells(private: str, shard_path: str) -> dict[str, Cells]:
    """Return the private cells of a shard's rows by published key.

    `private` is the folder of the run's publish results; empty for none. `shard_path` is relative
    to the dataset, as in its manifest. Raises FileNotFoundError where the run wrote no such file.
    """
    if not private:
        return {}
    path = files.join(private, sidecar_path(shard_path))
    try:
        with files.open_read(path) as stream:
            rows = pq.read_table(stream).to_pylist()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist: the private columns of this dataset are not complete"
        ) from None
    return {row.pop(KEY): row for row in rows}

"""Folder names of a published dataset."""

from __future__ import annotations

LEDGER_FOLDER = "ledger"
"""Holds the ledger: one row for each decision."""

SENSITIVE_FOLDER = "sensitive"
"""Holds the sensitive columns beside a run's private results, one file for each shard of rows."""

EMBEDDINGS_FOLDER = "embeddings"
"""Holds the vectors, in the order of the rows of each shard, if `publish.embeddings` is `npy`."""


def sidecar_path(shard_path: str) -> str:
    """Return where the sensitive columns of a shard lie, relative to a run's private results.

    `shard_path` is relative to the dataset, as in its manifest.
    """
    return shard_path.replace("dataset/", f"{SENSITIVE_FOLDER}/", 1)

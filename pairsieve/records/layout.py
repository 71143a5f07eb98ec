"""Folder names of a published dataset."""

from __future__ import annotations

LEDGER_FOLDER = "ledger"
"""Holds the ledger: one row for each decision."""

EMBEDDINGS_FOLDER = "embeddings"
"""Holds the vectors, in the order of the rows of each shard, if `publish.embeddings` is `npy`."""

"""Names of the folders of a published dataset."""

from __future__ import annotations

LEDGER_FOLDER = "ledger"
"""Decisions, one row each."""

EMBEDDINGS_FOLDER = "embeddings"
"""Vectors, row by row beside the shards, where `publish.embeddings` is `npy`."""

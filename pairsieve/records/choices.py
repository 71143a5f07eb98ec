"""Named choices of a config that transforms act on; importing them needs neither Beam nor torch."""

from __future__ import annotations

from typing import Literal

InputKind = Literal["archives", "index", "pairs"]
"""What input files are: archives, index listings of archives, or tables of links."""

Identity = Literal["pair", "url"]
"""What makes two pairs the same: URL and caption (LAION-400M), or the URL alone (LAION-5B)."""

Embeddings = Literal["none", "npy", "column"]
"""How vectors are published: not at all, as files beside the shards, or as a column of the rows."""

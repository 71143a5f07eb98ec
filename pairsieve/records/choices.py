"""Named choices in a config. This module imports neither Beam nor torch."""

from __future__ import annotations

from typing import Literal

InputKind = Literal["archives", "index", "pairs"]
"""The kind of input files: archives, index listings of archives, or tables of links."""

Identity = Literal["pair", "url"]
"""When two pairs are the same: by URL and caption (LAION-400M), or by URL alone (LAION-5B)."""

Sensitive = Literal["private", "published"]
"""Where evidence goes that says what a picture shows of people: to private files of the work
directory, or into the rows."""

Embeddings = Literal["none", "npy", "column"]
"""How vectors are published: not at all, in files beside the shards, or in a column of the rows."""

"""Which package and which room may import which."""

from __future__ import annotations

# A package may import those before it in the list, and none after it.
LAYERS = ("pairsieve", "filters", "transforms", "pipeline")
# So may a room of pairsieve, which needs no Beam.
ROOMS = (
    "collector",
    "records",
    "storage",
    "web",
    "ahead",
    "attempt",
    "images",
    "recheck",
    "erasure",
    "copies",
    "search",
    "explore",
    "audit",
    "warc",
    "links",
    "clip",
)

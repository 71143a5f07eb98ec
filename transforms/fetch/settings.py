"""Settings of the fetch step; importing them needs neither Beam nor a picture library."""

from __future__ import annotations

from dataclasses import dataclass

from pairsieve.images.decode import DecodeSettings


@dataclass(frozen=True)
class StoreSettings:
    """How pictures are stored, and how much room they may take.

    Pictures whose shorter side has more than `side` pixels are stored as JPEG of that many; None
    stores the bytes as served. `max_bytes` bounds the store, `min_free_bytes` what it leaves of a
    local disk.
    """

    decode: DecodeSettings
    side: int | None = None
    max_bytes: float | None = None
    min_free_bytes: float = 0

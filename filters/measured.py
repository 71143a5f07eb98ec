"""What was measured of each detector, what it misses, and where thresholds come from: for the data
card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

NOT_MEASURED = "not measured by pairsieve"


@dataclass(frozen=True)
class Measured:
    """What a detector finds, with figures where there are some, and what it is known to miss."""

    measured: str = NOT_MEASURED
    misses: str = "unknown"


@lru_cache(1)
def _tables() -> Mapping[str, Mapping[str, Any]]:
    tables: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
        files("filters").joinpath("measured.yaml").read_text("utf-8")
    )
    return tables


def measured(detector: str) -> Measured:
    """What is known of a detector; a stranger's was not measured here."""
    return Measured(**_tables()["detectors"].get(detector, {}))


def threshold_source(plugin: str, setting: str) -> str:
    """Where the usual value of a threshold comes from; empty where none is recorded."""
    source: str = _tables()["thresholds"].get(f"{plugin}.{setting}", "")
    return source

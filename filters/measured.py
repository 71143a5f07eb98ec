"""For the data card: how well each detector works, and where each threshold comes from.

The text is in measured.yaml.
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
    """What was measured of a detector, with figures where there are some, and what it misses."""

    measured: str = NOT_MEASURED
    misses: str = "unknown"


@lru_cache(1)
def _tables() -> Mapping[str, Mapping[str, Any]]:
    text = files("filters").joinpath("measured.yaml").read_text("utf-8")
    tables: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)
    return tables


def measured(detector: str) -> Measured:
    """What was measured of the detector of that name; the defaults for one that is not built in."""
    entry = _tables()["detectors"].get(detector, {})
    return Measured(**entry)


def threshold_source(plugin: str, setting: str) -> str:
    """Where the usual value of a threshold comes from; empty where no source is recorded."""
    source: str = _tables()["thresholds"].get(f"{plugin}.{setting}", "")
    return source

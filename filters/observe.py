"""Several detectors as one function."""

from __future__ import annotations

from collections.abc import Sequence

from filters.detector import Detector, Observe
from pairsieve.records.pair import Evidence


def load_all(detectors: Sequence[Detector]) -> Observe:
    """Load detectors that need the same thing; the function gives the evidence of all of them."""
    functions = [detector.load() for detector in detectors]

    def observe(subject: object) -> Evidence:
        return {name: value for function in functions for name, value in function(subject).items()}

    return observe

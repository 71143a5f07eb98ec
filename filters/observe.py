"""Run several detectors as one function."""

from __future__ import annotations

from collections.abc import Sequence

from filters.detector import Detector, Observe
from pairsieve.records.pair import Evidence


def load_all(detectors: Sequence[Detector]) -> Observe:
    """Load detectors that take the same subject; the function returns the evidence of all."""
    functions = [detector.load() for detector in detectors]

    def observe(subject: object) -> Evidence:
        evidence: dict[str, object] = {}
        for function in functions:
            evidence.update(function(subject))
        return evidence

    return observe

"""The step that extracts pairs from pages and links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from filters.detector import Detector
from pairsieve.records.page import Location
from transforms.extractor import ExtractSettings, GuardedExtractor
from transforms.plumbing.counting import counting


@dataclass
class ExtractPairs(beam.PTransform):  # type: ignore[misc]
    """Pages and links -> pairs, and counts behind them. Locations pass.

    A page on which a detector raises is quarantined whole.
    """

    settings: ExtractSettings
    detectors: Sequence[Detector]
    progress_dir: str = ""

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        make = partial(GuardedExtractor, self.settings, self.detectors)
        find = counting(make, passes=(Location,), progress_dir=self.progress_dir)
        return pages | "Find pairs" >> find

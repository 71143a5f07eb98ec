"""The step that extracts pairs from pages and links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from filters.detector import Detector
from transforms.extractor import ExtractSettings, GuardedExtractor
from transforms.plumbing.route import routed


@dataclass
class ExtractPairs(beam.PTransform):  # type: ignore[misc]
    """Pages and links -> pairs; side outputs "tally" and "problems".

    A page on which a detector raises is quarantined whole.
    """

    settings: ExtractSettings
    detectors: Sequence[Detector]
    progress_dir: str = ""

    def expand(self, pages: beam.PCollection) -> beam.DoOutputsTuple:
        make = partial(GuardedExtractor, self.settings, self.detectors)
        return pages | "Find pairs" >> routed(make, progress_dir=self.progress_dir)

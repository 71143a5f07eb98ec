"""Pages and links to pairs, as a step of a run."""

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
    """Pages and links -> pairs; a page on which a detector raises is quarantined whole. Side
    outputs "tally", "problems".
    """

    settings: ExtractSettings
    detectors: Sequence[Detector]
    progress_dir: str = ""

    def expand(self, pages: beam.PCollection) -> beam.DoOutputsTuple:
        return pages | "Find pairs" >> routed(
            partial(GuardedExtractor, self.settings, self.detectors), progress_dir=self.progress_dir
        )

"""Score parts with RunInference, and write each scored part at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import apache_beam as beam

from filters.detector import Detector
from pairsieve.collector import collector_paused
from pairsieve.records.outcome import Counted
from pairsieve.storage import parts
from transforms.plumbing.counting import Work, counting
from transforms.score.settings import ScoreFolders, ScoreSettings

if TYPE_CHECKING:
    from transforms.score.handler import ScoredPart


def write_scored(scored: ScoredPart, folder: str) -> Iterator[Counted]:
    """Write a scored part."""
    parts.write_part(folder, scored.name, scored.table, scored.tally)
    yield Counted("pair", "in", scored.table.num_rows)


def _make_writer(folder: str) -> Work:
    return partial(write_scored, folder=folder)


@dataclass
class ScoreParts(beam.PTransform):  # type: ignore[misc]
    """Part names -> score parts, which hold their counts, in their folder."""

    settings: ScoreSettings
    detectors: Sequence[Detector]
    folders: ScoreFolders

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        # RunInference imports torch, which the other jobs and their workers do not need.
        with collector_paused():
            from apache_beam.ml.inference.base import RunInference

        from transforms.score.handler import PartHandler

        handler = PartHandler(self.settings, self.detectors, self.folders)
        return (
            names
            | "Score" >> RunInference(handler)
            | "Write scores"
            >> counting(partial(_make_writer, self.folders.samples), without_counts=True)
        )

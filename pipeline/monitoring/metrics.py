"""Writes the counters of a run as Prometheus text.

A node exporter's folder or a push gateway takes the file. Outcomes are those of the manifest: they
are counted in what was written, and stay exact if work was done twice. Beam's own counters may
count such work twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from pairsieve.records.outcome import Unit, UnitCounts
from pairsieve.storage import files
from pipeline.monitoring.progress import read_history

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

METRICS, COUNTERS = "metrics.prom", "counters.json"
Counts = Mapping[str, Mapping[Unit, UnitCounts]]


@dataclass(frozen=True)
class BeamCounters:
    """Beam's counters of one job.

    `committed` leave out work that was thrown away and done again. `attempted` have it too; some
    runners have no others (Flink with an uber jar). After Flink has restarted a job, either kind
    is of the last attempt alone.
    """

    kind: Literal["committed", "attempted"] = "committed"
    numbers: Mapping[str, int] = field(default_factory=dict)


def metrics_text(counts: Counts, folders: Mapping[str, str]) -> str:
    """The metrics of a run; `folders` are those of the stages' results.

    - `pairsieve_outcomes{stage,unit,outcome,reason}`: units by their outcome.
    - `pairsieve_stage_seconds{stage}`: how long all runs together worked at a stage.
    - `pairsieve_beam_counter{stage,name,kind}`: Beam's counters of a stage's last job.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    _add_outcomes(registry, counts)
    seconds = Gauge("pairsieve_stage_seconds", "Seconds of work", ("stage",), registry=registry)
    counters = Gauge(
        "pairsieve_beam_counter",
        "Beam's counters of the stage's last job; after a restart, of its last attempt",
        ("stage", "name", "kind"),
        registry=registry,
    )
    for stage, folder in folders.items():
        history = read_history(folder)
        if history:
            seconds.labels(stage).set(history[-1][0])
        beam_counters = read_counters(folder)
        for name, number in beam_counters.numbers.items():
            counters.labels(stage, name, beam_counters.kind).set(number)
    return str(generate_latest(registry).decode())


def _add_outcomes(registry: CollectorRegistry, counts: Counts) -> None:
    from prometheus_client import Gauge

    outcomes = Gauge(
        "pairsieve_outcomes",
        "Units by what became of them",
        ("stage", "unit", "outcome", "reason"),
        registry=registry,
    )
    for stage, units in counts.items():
        for unit, of_unit in units.items():
            outcomes.labels(stage, unit, "in", "").set(of_unit.entered)
            outcomes.labels(stage, unit, "kept", "").set(of_unit.kept)
            for reason, number in of_unit.dropped.items():
                outcomes.labels(stage, unit, "dropped", reason).set(number)
            for reason, number in of_unit.quarantined.items():
                outcomes.labels(stage, unit, "quarantined", reason).set(number)


def write_counters(folder: str, counters: BeamCounters) -> None:
    """Write the counters of a stage's job beside its result."""
    files.write_text(files.join(folder, COUNTERS), json.dumps(asdict(counters), indent=1))


def read_counters(folder: str) -> BeamCounters:
    """The counters that `write_counters` wrote; none where a stage had no job to run.

    An earlier version wrote the numbers alone; they are nothing that a run depends on.
    """
    path = files.join(folder, COUNTERS)
    if not files.exists(path):
        return BeamCounters()
    written = json.loads(files.read_text(path))
    if "numbers" not in written:
        return BeamCounters()
    return BeamCounters(written["kind"], written["numbers"])


def write_metrics(work: str, counts: Counts, folders: Mapping[str, str]) -> None:
    """Write the metrics into the work directory: they hold times, which are not published."""
    files.write_text(files.join(work, METRICS), metrics_text(counts, folders))

"""Writes the counters of a run as Prometheus text.

A node exporter's folder or a push gateway takes the file. The numbers are those of the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from pairsieve.records.outcome import Unit, UnitCounts
from pairsieve.storage import files
from pipeline.monitoring.progress import read_history

METRICS, COUNTERS = "metrics.prom", "counters.json"
Counts = Mapping[str, Mapping[Unit, UnitCounts]]


def metrics_text(counts: Counts, folders: Mapping[str, str]) -> str:
    """The metrics of a run; `folders` are those of the stages' results.

    - `pairsieve_outcomes{stage,unit,outcome,reason}`: units by their outcome.
    - `pairsieve_stage_seconds{stage}`: how long all runs together worked at a stage.
    - `pairsieve_counter{stage,name}`: Beam's counters of a stage's last job.
    """
    registry = CollectorRegistry()
    _add_outcomes(registry, counts)
    seconds = Gauge("pairsieve_stage_seconds", "Seconds of work", ("stage",), registry=registry)
    counters = Gauge(
        "pairsieve_counter",
        "Beam's counters of the stage's last job",
        ("stage", "name"),
        registry=registry,
    )
    for stage, folder in folders.items():
        history = read_history(folder)
        if history:
            seconds.labels(stage).set(history[-1][0])
        for name, number in read_counters(folder).items():
            counters.labels(stage, name).set(number)
    return str(generate_latest(registry).decode())


def _add_outcomes(registry: CollectorRegistry, counts: Counts) -> None:
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


def write_counters(folder: str, counters: Mapping[str, int]) -> None:
    """Write the counters of a stage's job beside its result."""
    files.write_text(files.join(folder, COUNTERS), json.dumps(counters, indent=1))


def read_counters(folder: str) -> dict[str, int]:
    """The counters that `write_counters` wrote; none where a stage had no job to run."""
    path = files.join(folder, COUNTERS)
    if not files.exists(path):
        return {}
    counters: dict[str, int] = json.loads(files.read_text(path))
    return counters


def write_metrics(work: str, counts: Counts, folders: Mapping[str, str]) -> None:
    """Write the metrics into the work directory: they hold times, which are not published."""
    files.write_text(files.join(work, METRICS), metrics_text(counts, folders))

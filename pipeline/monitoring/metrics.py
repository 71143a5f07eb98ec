"""The counters of a run as Prometheus text, for a node exporter's folder or a push gateway; the
same numbers as in the manifest.
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
    """`pairsieve_outcomes{stage,unit,outcome,reason}`, and for each stage's folder
    `pairsieve_stage_seconds{stage}`: how long it took in all runs that worked at it.
    """
    registry = CollectorRegistry()
    outcomes = Gauge(
        "pairsieve_outcomes",
        "Units by what became of them",
        ("stage", "unit", "outcome", "reason"),
        registry=registry,
    )
    for stage, units in counts.items():
        for unit, c in units.items():
            outcomes.labels(stage, unit, "in", "").set(c.entered)
            outcomes.labels(stage, unit, "kept", "").set(c.kept)
            for outcome, reasons in (("dropped", c.dropped), ("quarantined", c.quarantined)):
                for reason, number in reasons.items():
                    outcomes.labels(stage, unit, outcome, reason).set(number)
    seconds = Gauge("pairsieve_stage_seconds", "Seconds of work", ("stage",), registry=registry)
    for stage, folder in folders.items():
        history = read_history(folder)
        if history:
            seconds.labels(stage).set(history[-1][0])
    counters = Gauge(
        "pairsieve_counter",
        "Beam's counters of the stage's last job",
        ("stage", "name"),
        registry=registry,
    )
    for stage, folder in folders.items():
        for name, number in read_counters(folder).items():
            counters.labels(stage, name).set(number)
    return str(generate_latest(registry).decode())


def write_counters(folder: str, counters: Mapping[str, int]) -> None:
    """The counters of a stage's job, beside its result."""
    files.write_text(files.join(folder, COUNTERS), json.dumps(counters, indent=1))


def read_counters(folder: str) -> dict[str, int]:
    """What `write_counters` wrote; nothing where a stage had no job to run."""
    path = files.join(folder, COUNTERS)
    found: dict[str, int] = json.loads(files.read_text(path)) if files.exists(path) else {}
    return found


def write_metrics(work: str, counts: Counts, folders: Mapping[str, str]) -> None:
    """Write them into the work directory; published data holds no times."""
    files.write_text(files.join(work, METRICS), metrics_text(counts, folders))

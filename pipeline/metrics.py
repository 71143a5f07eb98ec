"""The counters of a run as Prometheus text, for a node exporter's folder or a push gateway; the same numbers as in the manifest."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from pipeline.progress import read_history
from records.outcome import Unit, UnitCounts
from storage import files

METRICS = "metrics.prom"
Counts = Mapping[str, Mapping[Unit, UnitCounts]]


def metrics_text(counts: Counts, folders: Mapping[str, str]) -> str:
    """`pairsieve_outcomes{stage,unit,outcome,reason}`, and for each stage's folder `pairsieve_stage_seconds{stage}`: how long it took in
    all runs that worked at it."""
    registry = CollectorRegistry()
    outcomes = Gauge("pairsieve_outcomes", "Units by what became of them", ("stage", "unit", "outcome", "reason"), registry=registry)
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
    return str(generate_latest(registry).decode())


def write_metrics(work: str, counts: Counts, folders: Mapping[str, str]) -> None:
    """Write them into the work directory; published data holds no times."""
    files.write_text(files.join(work, METRICS), metrics_text(counts, folders))

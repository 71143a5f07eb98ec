"""Writes the files for readers beside the data: data card, Croissant metadata and report.

All three are made from the same facts.
"""

from __future__ import annotations

import json

from pairsieve.records.aggregates import Aggregates
from pairsieve.records.manifest import Manifest
from pairsieve.storage import files
from pipeline.dataset.card import CARD, data_card
from pipeline.dataset.croissant import CROISSANT, croissant
from pipeline.dataset.facts import facts_of, gather
from pipeline.dataset.period import counted_period
from pipeline.dataset.report_page import REPORT, Report
from pipeline.monitoring.progress import History

PAGES = (CARD, CROISSANT, REPORT)


def write_pages(
    dataset: str, manifest: Manifest, aggregates: Aggregates | None = None
) -> Report | None:
    """Write the pages of a dataset whose shards are in place under this manifest.

    `aggregates` are what the run's job has counted; without them the files are read. An adopted
    dataset has pages of its own: only a report that `pairsieve report` wrote there is written anew,
    and None is returned.
    """
    report_path = files.join(dataset, REPORT)
    if manifest.adopted:
        if files.exists(report_path):
            files.write_text(report_path, Report(gather(dataset, manifest)).page())
        return None
    if aggregates is None:
        facts = gather(dataset, manifest)
    else:
        facts = facts_of(dataset, manifest, aggregates)
    files.write_text(files.join(dataset, CARD), data_card(facts))
    document = croissant(manifest, facts.columns, counted_period(facts.aggregates))
    metadata = json.dumps(document, indent=1, ensure_ascii=False)
    files.write_text(files.join(dataset, CROISSANT), metadata + "\n")
    report = Report(facts)
    files.write_text(report_path, report.page())
    return report


def write_private_report(work: str, report: Report, history: History) -> None:
    """Write the report with the time of each stage into the work directory.

    Published files hold no times: equal datasets have equal files.
    """
    files.write_text(files.join(work, REPORT), report.page(history))

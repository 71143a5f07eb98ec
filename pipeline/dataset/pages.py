"""What stands beside the data for those who read it: data card, Croissant metadata and report, all
from the same facts.
"""

from __future__ import annotations

import json

from pairsieve.records.manifest import Manifest
from pairsieve.storage import files
from pipeline.commands.report import REPORT
from pipeline.dataset.card import CARD, data_card
from pipeline.dataset.croissant import CROISSANT, croissant
from pipeline.dataset.facts import Facts, gather
from pipeline.dataset.report_page import report_page
from pipeline.monitoring.progress import History

PAGES = (CARD, CROISSANT, REPORT)


def write_pages(dataset: str, manifest: Manifest) -> Facts | None:
    """Write them for shards that are in place under this manifest; of a dataset that others made,
    the report alone where it has one.
    """
    if manifest.adopted:
        if files.exists(files.join(dataset, REPORT)):
            files.write_text(files.join(dataset, REPORT), report_page(gather(dataset, manifest)))
        return None
    facts = gather(dataset, manifest)
    files.write_text(files.join(dataset, CARD), data_card(facts))
    files.write_text(
        files.join(dataset, CROISSANT),
        json.dumps(croissant(manifest, facts.columns), indent=1, ensure_ascii=False) + "\n",
    )
    files.write_text(files.join(dataset, REPORT), report_page(facts))
    return facts


def write_private_report(work: str, facts: Facts, history: History) -> None:
    """The report with the time that each stage took, in the work directory: published files are the
    same for the same dataset.
    """
    files.write_text(files.join(work, REPORT), report_page(facts, history))

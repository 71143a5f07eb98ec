"""Log messages of workers, each a JSON object: stage, part and counts.

They never hold a caption, a URL or a picture.
"""

from __future__ import annotations

import json
import logging

from pairsieve.records.outcome import Tally

LOGGER = logging.getLogger(__name__)


def log_finished(stage: str, part: str, rows: int, tally: Tally | None = None) -> None:
    """Log that a part or a shard is written."""
    outcomes = {}
    for key, number in sorted((tally or {}).items()):
        # As "page_dropped_http_404": the reason may be empty.
        outcomes["_".join(filter(None, key))] = number
    message = {
        "event": "finished",
        "stage": stage,
        "part": part,
        "rows": rows,
        "outcomes": outcomes,
    }
    LOGGER.info(json.dumps(message))


def stage_in(folder: str) -> str:
    """The stage in a folder's path, which is WORK/STAGE/FINGERPRINT; empty for other paths."""
    names = folder.rstrip("/").rsplit("/", 2)
    return names[-2] if len(names) == 3 else ""

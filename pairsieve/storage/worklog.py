"""What workers log of their work, one JSON object each: stage, part, counts. Never a caption, a URL
or a picture.
"""

from __future__ import annotations

import json
import logging

from pairsieve.records.outcome import Tally

LOGGER = logging.getLogger(__name__)


def log_finished(stage: str, part: str, rows: int, tally: Tally | None = None) -> None:
    """A part or a shard is in place."""
    outcomes = {
        "_".join(filter(None, key)): number for key, number in sorted((tally or {}).items())
    }
    LOGGER.info(
        json.dumps(
            {"event": "finished", "stage": stage, "part": part, "rows": rows, "outcomes": outcomes}
        )
    )


def stage_in(folder: str) -> str:
    """The stage whose folder this is: WORK/STAGE/FINGERPRINT."""
    return folder.rstrip("/").rsplit("/", 2)[-2] if folder.rstrip("/").count("/") >= 2 else ""

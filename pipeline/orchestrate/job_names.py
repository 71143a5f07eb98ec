"""Names of jobs and values of labels that every runner accepts."""

from __future__ import annotations

import re

# The longest name of a Dataflow job, and of a Google Cloud label.
LONGEST_NAME = 63


def job_name(begins: str, stage: str) -> str:
    """A job name that every runner accepts, from "pairsieve" to the stage.

    Dataflow allows small letters, digits and dashes only.
    """
    words = re.sub(r"[^a-z0-9]+", "-", begins.lower()).strip("-")
    if not words.startswith("pairsieve"):
        words = f"pairsieve-{words}".strip("-")
    max_chars = LONGEST_NAME - 1 - len(stage)
    return f"{words[:max_chars].strip('-')}-{stage}"


def label(text: str) -> str:
    """The text as a value that a Google Cloud label accepts."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:LONGEST_NAME]

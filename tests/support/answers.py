"""What a rule answers about one row, as something that two ways of asking can be compared by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from filters.rule import Decision, Rule


def answer_of(rule: Rule, evidence: Mapping[str, Any]) -> list[Decision] | str:
    """The decisions of a rule, or the class of what it raises."""
    try:
        return list(rule.judge(evidence))
    except Exception as error:  # noqa: BLE001 - whatever a rule raises is its answer
        return type(error).__name__

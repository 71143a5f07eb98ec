"""The contract of a rule.

A rule is a frozen dataclass of thresholds. It reads the evidence of one sample and answers with decisions; no decision
means that the sample may stay:

    @dataclass(frozen=True)
    class ShortCaption:
        name: ClassVar[str] = "short_caption"
        version: ClassVar[int] = 1
        reads: ClassVar[tuple[str, ...]] = ("caption_chars",)
        saves_request: ClassVar[bool] = False

        min_chars: int

        def judge(self, evidence: Evidence) -> Iterable[Decision]:
            if evidence["caption_chars"] < self.min_chars:
                yield Decision(Action.DROP, "caption_short")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

Readable: TypeAlias = Mapping[str, Any]
"""Evidence as rules read it: every record column and every detector's columns of one sample."""


class Action(StrEnum):
    """What a rule does with a sample."""

    DROP = "drop"
    REDACT = "redact"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the caption that hold something of a kind (EMAIL, PHONE ...)."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says: an action, a stable snake_case reason, the score that led to it, and what to redact."""

    action: Action
    reason: str
    score: float | None = None
    spans: tuple[Span, ...] = ()


@runtime_checkable
class Rule(Protocol):
    """What the flow asks of a rule.

    `reads` names the evidence columns it needs from detectors. A rule with `saves_request` needs no picture, and
    also runs before the fetch: nothing is requested for a pair that it drops.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    reads: ClassVar[tuple[str, ...]]
    saves_request: ClassVar[bool]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """The decisions on one sample. Evidence that is missing or of another type may raise: that is a quarantine."""
        ...

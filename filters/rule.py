"""The contract of a rule.

A rule is a frozen dataclass of thresholds. It reads the evidence of one sample and answers with
decisions; no decision means that the sample may stay:

    @dataclass(frozen=True)
    class ShortCaption:
        name: ClassVar[str] = "short_caption"
        version: ClassVar[int] = 1
        reads: ClassVar[tuple[str, ...]] = ("caption_chars",)
        actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
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
    """What a rule does with a sample: leave it out, take spans out of its caption, put it in a
    subset of the rule's own, mark it.
    """

    DROP = "drop"
    REDACT = "redact"
    MOVE = "move"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the caption that hold something of a kind (EMAIL, PHONE ...)."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says: an action, a stable snake_case reason, the score that led to it, what to
    redact, and the subset to move to.

    An `unlinked` decision stands in the ledger without the identity of its row.
    """

    action: Action
    reason: str
    score: float | None = None
    spans: tuple[Span, ...] = ()
    subset: str | None = None
    unlinked: bool = False


@runtime_checkable
class Rule(Protocol):
    """What the flow asks of a rule.

    `reads` names the evidence columns it needs from detectors, `actions` what it may do. A rule
    with `saves_request` needs no picture, and also runs before the fetch: nothing is requested for
    a pair that it drops. One that moves samples has `subsets`, the names of those it moves them to.
    One that reads files has `prepare`: it reads them before anything starts, raises MissingModel
    where that fails, and gives a digest of what they hold, which stands for their paths wherever
    the rule is named.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    reads: ClassVar[tuple[str, ...]]
    actions: ClassVar[tuple[Action, ...]]
    saves_request: ClassVar[bool]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """The decisions on one sample.

        Evidence that is missing or of another type may raise: that is a quarantine.
        """
        ...

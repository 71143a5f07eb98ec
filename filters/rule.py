"""The contract of a rule: it reads the evidence of one sample and answers with decisions.

A rule is a frozen dataclass of thresholds. It returns no decision when the sample may stay:

    @dataclass(frozen=True)
    class ShortCaption:
        name: ClassVar[str] = "short_caption"
        version: ClassVar[int] = 1
        reads: ClassVar[tuple[str, ...]] = ("caption_chars",)
        actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
        saves_request: ClassVar[bool] = False

        min_chars: int

        def judge(self, evidence: Readable) -> Iterable[Decision]:
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
    """What a rule can do with a sample."""

    DROP = "drop"  # leave the sample out of the dataset
    REDACT = "redact"  # replace spans of its caption
    MOVE = "move"  # publish it in a subset of the rule's own
    TAG = "tag"  # publish it with the reason as a tag


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a caption that hold data of one kind, such as EMAIL or PHONE."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of a rule on one sample.

    - `reason`: a stable snake_case code; it is written to the ledger and counted.
    - `score`: the number that led to the decision, where there is one.
    - `spans`: what to redact, for Action.REDACT.
    - `subset`: where to put the sample, for Action.MOVE.
    - `unlinked`: write the decision to the ledger without the identity of its row.
    """

    action: Action
    reason: str
    score: float | None = None
    spans: tuple[Span, ...] = ()
    subset: str | None = None
    unlinked: bool = False


@runtime_checkable
class Rule(Protocol):
    """The members that every rule has.

    - `name`: the name in a config; unique among all rules.
    - `version`: raise it when the same evidence leads to other decisions.
    - `reads`: the evidence columns that it needs from detectors. A run does not start when no
      configured detector adds one of them.
    - `actions`: every action that its decisions may hold.
    - `saves_request`: True for a rule that needs no picture. Such a rule also runs before the
      fetch, and nothing is requested for a pair that it drops.

    Four members are optional:

    - `subsets`, a tuple of names: the subsets to which a rule with Action.MOVE moves samples.
    - `says_nothing_of_people`: True for a rule whose tags may be published, since they do not say
      what a picture or caption shows of people. Tags of all other rules stay in private files,
      unless the config publishes them (`publish.sensitive`).
    - `prepare`, for a rule that reads files. It takes no argument and is called before the run
      starts. It reads the files and returns a digest of their content as hex digits. This digest
      is published in place of the settings. Raises MissingModel when the files cannot be read.
    - `speaks`, for a rule that can tell from whole columns which rows it has nothing to say about.
      It takes a mapping of names to Arrow columns, with the names that `judge` reads, and returns
      one truth value a row (`filters.batch.RowMask`). Where it is False, `judge` must yield
      nothing and raise nothing. Where it is True, `judge` is asked, and may still yield nothing.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    reads: ClassVar[tuple[str, ...]]
    actions: ClassVar[tuple[Action, ...]]
    saves_request: ClassVar[bool]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """Yield the decisions on one sample.

        It may raise when evidence is missing or has another type: the sample then goes to
        quarantine.
        """
        ...

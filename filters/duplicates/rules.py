"""Rules on copies: repeats of a picture, pictures of evaluation sets, and what is memorised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from filters.batch import RowMask, SampleColumns, is_there, numbers
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public

DropOrTag = Literal["drop", "tag"]
MOST_CAPTIONS = 10
"""So many captions of a picture get a rank (transforms/compare/pictures.py)."""


@dataclass(frozen=True)
class NearDuplicate:
    """Drop or tag pairs whose picture another pair represents.

    Of each picture `keep_captions` pairs stay, all with different captions: the one that
    represents it and the next best ones (`caption_rank`). With 1 only the representative stays. At
    most 10.

    Put this rule behind others where it matters which reason is counted. The representative is
    chosen among pairs that no other rule drops, wherever the rule stands.
    """

    name: ClassVar[str] = "near_duplicate"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("copies", "caption_rank")
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False
    says_nothing_of_people: ClassVar[bool] = True

    action: Public[DropOrTag]
    keep_captions: Public[Annotated[int, Field(ge=1, le=MOST_CAPTIONS)]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        copies, rank = evidence["copies"], evidence["caption_rank"]
        if copies is None:
            return  # there is no picture
        if rank is None or rank >= self.keep_captions:
            yield Decision(Action(self.action), "near_duplicate", score=copies)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows with a picture that are none of the first."""
        is_first = numbers(columns["caption_rank"]) < self.keep_captions
        return is_there(columns["copies"]) & ~is_first


@dataclass(frozen=True)
class Memorisable:
    """Tag pairs whose picture more than `tag_above` image URLs show.

    Models memorise what stands often in their training data (Carlini et al., "Extracting Training
    Data from Diffusion Models", 2023, found it for pictures with 100 copies and more). The pairs
    are counted before any rule drops them.
    """

    name: ClassVar[str] = "memorisable"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("copies",)
    actions: ClassVar[tuple[Action, ...]] = (Action.TAG,)
    saves_request: ClassVar[bool] = False
    says_nothing_of_people: ClassVar[bool] = True

    tag_above: Public[Annotated[int, Field(ge=1)]]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        copies = evidence["copies"]
        if copies is not None and copies > self.tag_above:
            yield Decision(Action.TAG, "memorisable", score=copies)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows whose picture is shown more often."""
        mask: RowMask = numbers(columns["copies"]) > self.tag_above
        return mask


@dataclass(frozen=True)
class Decontaminate:
    """Drop or tag pairs whose picture is near one of an evaluation set.

    The detector `benchmark_pictures` names the sets. The reason is `near_benchmark_` and the name
    of the set.
    """

    name: ClassVar[str] = "decontaminate"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("near_benchmark",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False
    says_nothing_of_people: ClassVar[bool] = True

    action: Public[DropOrTag]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        name = evidence["near_benchmark"]
        if name is not None:
            yield Decision(Action(self.action), f"near_benchmark_{name}")

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows that are near a set."""
        return is_there(columns["near_benchmark"])

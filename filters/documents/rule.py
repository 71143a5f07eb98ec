"""The rules on pictures of documents, and on captions that only repeat what stands in a picture.

Sources of the thresholds: benchmarks/documents.py, on documents that were rendered for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from filters.batch import RowMask, SampleColumns, is_there, numbers
from filters.rule import Action, Decision, Readable
from pairsieve.records.privacy import Public

Profile = Literal["strict", "default", "lenient", "audit"]


@dataclass(frozen=True)
class Documents:
    """Drop pictures of identity documents, résumés, letters, forms, accounts and medical records.

    A false drop costs one link, and a false keep may cost a person. Evidence is clear or weak:

    clear  `words_from` or more words of one kind of document, or a line that machines read
    weak   `words_with_other` or more words of one kind, together with the look of a page or card,
           or with personal data in the writing

    Profiles:

    strict   drops clear and weak evidence, and every picture in whose writing personal data stand
    default  drops clear and weak evidence
    lenient  drops clear evidence and tags weak evidence
    audit    drops nothing: everything that `default` drops is tagged with the same reason

    The reason names the kind of document. A picture in which nothing was looked for, because
    another rule drops it, is not judged.
    """

    name: ClassVar[str] = "documents"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = (
        "document_words", "document_machine_lines", "text_kinds", "text_page_like",
    )  # fmt: skip
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False

    profile: Public[Profile]
    words_from: Public[int]
    words_with_other: Public[int]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        # Picture detectors look at no picture that another rule drops.
        if evidence["document_words"] is None:
            return
        kind, words = _most_words(evidence["document_words"])
        has_other = evidence["text_page_like"] or bool(evidence["text_kinds"])
        if evidence["document_machine_lines"]:
            yield Decision(self._action(clear=True), "document_identity_document", score=words)
        elif words >= self.words_from:
            yield Decision(self._action(clear=True), f"document_{kind}", score=words)
        elif words >= self.words_with_other and has_other:
            yield Decision(self._action(clear=False), f"document_{kind}", score=words)
        elif evidence["text_kinds"]:
            action = Action.DROP if self.profile == "strict" else Action.TAG
            yield Decision(action, "personal_data_in_picture", score=words)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows whose picture was looked at."""
        return is_there(columns["document_words"])

    def _action(self, clear: bool) -> Action:
        if self.profile == "audit":
            return Action.TAG
        if self.profile == "lenient" and not clear:
            return Action.TAG
        return Action.DROP


def _most_words(document_words: Iterable[dict[str, int | str]]) -> tuple[str, int]:
    """The kind of document of which most words were read, and their number."""
    numbers = {str(row["kind"]): int(row["words"]) for row in document_words}
    if not numbers:
        return "", 0
    # of kinds with equally many, the first by name, so that a reason does not depend on order
    kind = min(numbers, key=lambda name: (-numbers[name], name))
    return kind, numbers[kind]


@dataclass(frozen=True)
class Parrot:
    """Tag captions that only repeat what stands in the picture.

    A model that learns from such pairs learns to read, and not to see. `caption_from`: share of the
    caption's letters, by words, that were read in the picture.
    """

    name: ClassVar[str] = "parrot"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("caption_in_picture",)
    actions: ClassVar[tuple[Action, ...]] = (Action.TAG,)
    says_nothing_of_people: ClassVar[bool] = True
    saves_request: ClassVar[bool] = False

    caption_from: Public[float]

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        share: float | None = evidence["caption_in_picture"]
        # Nothing was read in most pictures.
        if share is not None and share >= self.caption_from:
            yield Decision(Action.TAG, "parrot", score=share)

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows of whose caption enough was read in the picture."""
        mask: RowMask = numbers(columns["caption_in_picture"]) >= self.caption_from
        return mask

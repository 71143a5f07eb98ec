"""What is done about personal data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from filters.privacy.spans import Kind
from filters.rule import Action, Decision, Readable, Span
from pairsieve.records.privacy import Public

InCaption = Literal["redact", "drop", "tag"]


@dataclass(frozen=True)
class PersonalData:
    """Redact personal data in captions, drop or tag the pair. `kinds` names those that are treated
    in another way than the rest.

    `urls`: what is done where a URL gives something away; a link cannot be redacted. Names, where
    `person_names` looks for them, are tagged.
    """

    name: ClassVar[str] = "personal_data"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("personal_spans", "personal_in_urls")
    actions: ClassVar[tuple[Action, ...]] = (Action.REDACT, Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = False

    captions: Public[InCaption]
    urls: Public[Literal["drop", "tag"]]
    kinds: Public[Mapping[Kind, InCaption]] = field(default_factory=dict)

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        spans: Iterable[dict[str, Any]] = evidence["personal_spans"]
        found = [Span(**span) for span in spans]
        actions: dict[str, InCaption] = {str(kind): action for kind, action in self.kinds.items()}
        for kind in sorted({span.kind for span in found}):
            of_kind = tuple(span for span in found if span.kind == kind)
            yield Decision(
                Action(actions.get(kind, self.captions)),
                f"personal_data_{kind.lower()}",
                spans=of_kind,
            )
        if evidence.get("person_names"):
            yield Decision(Action.TAG, "personal_data_name", score=evidence["person_names"])
        for kind in evidence["personal_in_urls"]:
            yield Decision(Action(self.urls), f"personal_data_in_url_{kind.lower()}")

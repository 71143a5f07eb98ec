"""The rule on personal data: redact it, or drop or tag the pair."""

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
    """Redact personal data in captions, or drop or tag the pair.

    - `captions`: what to do with personal data in a caption.
    - `urls`: what to do when a URL contains personal data. A link cannot be redacted.
    - `kinds`: kind -> what to do, for kinds that need something else than `captions`.

    Names of persons, where the detector `person_names` looks for them, are always tagged.
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
        rows: Iterable[dict[str, Any]] = evidence["personal_spans"]
        spans_by_kind: dict[str, list[Span]] = {}
        for row in rows:
            span = Span(**row)
            spans_by_kind.setdefault(span.kind, []).append(span)
        actions: dict[str, InCaption] = {str(kind): action for kind, action in self.kinds.items()}
        for kind, spans in sorted(spans_by_kind.items()):
            action = Action(actions.get(kind, self.captions))
            yield Decision(action, f"personal_data_{kind.lower()}", spans=tuple(spans))
        if evidence.get("person_names"):
            yield Decision(Action.TAG, "personal_data_name", score=evidence["person_names"])
        for kind in evidence["personal_in_urls"]:
            yield Decision(Action(self.urls), f"personal_data_in_url_{kind.lower()}")

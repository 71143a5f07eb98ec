"""The verdict of all rules on one sample, and the caption after redaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from filters.rule import Action, Decision, Readable, Rule, Span


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision, with the name and version of the rule that made it.

    `is_public`: its reason may be published as a tag, because it says nothing of people.
    """

    rule: str
    version: int
    decision: Decision
    is_public: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """All decisions on one sample, in the order of the rules."""

    rulings: tuple[Ruling, ...]

    @property
    def drop(self) -> Ruling | None:
        """The first ruling that drops the sample; the sample is counted under its reason."""
        return self._first(Action.DROP)

    @property
    def subset(self) -> str | None:
        """The subset that the first rule to move the sample names."""
        move = self._first(Action.MOVE)
        return move.decision.subset if move else None

    @property
    def tags(self) -> tuple[str, ...]:
        """The sorted reasons of all decisions that do not drop the sample."""
        return self._tags(self.rulings)

    @property
    def public_tags(self) -> tuple[str, ...]:
        """Those of the tags that may be published whatever the config says."""
        return self._tags([ruling for ruling in self.rulings if ruling.is_public])

    @staticmethod
    def _tags(rulings: Iterable[Ruling]) -> tuple[str, ...]:
        decisions = [ruling.decision for ruling in rulings]
        reasons = {d.reason for d in decisions if d.action is not Action.DROP}
        return tuple(sorted(reasons))

    @property
    def spans(self) -> tuple[Span, ...]:
        """Everything that is to be redacted in the caption."""
        spans: list[Span] = []
        for ruling in self.rulings:
            if ruling.decision.action is Action.REDACT:
                spans.extend(ruling.decision.spans)
        return tuple(spans)

    def _first(self, action: Action) -> Ruling | None:
        for ruling in self.rulings:
            if ruling.decision.action is action:
                return ruling
        return None


def judge(rules: Sequence[Rule], evidence: Readable) -> Verdict:
    """Ask every rule about one sample.

    Raises whatever a rule raises: the caller puts the sample in quarantine.
    """
    rulings: list[Ruling] = []
    for rule in rules:
        says_nothing = getattr(rule, "says_nothing_of_people", False)
        for decision in rule.judge(evidence):
            # The published caption shows what was redacted, so its tag says nothing more.
            is_public = says_nothing or decision.action is Action.REDACT
            rulings.append(Ruling(rule.name, rule.version, decision, is_public))
    return Verdict(tuple(rulings))


def redact(caption: str, spans: Iterable[Span]) -> str:
    """Replace each span of a caption by its kind in brackets.

    Spans that overlap become one, of the kind of the first.
    """
    pieces: list[str] = []
    end = 0  # everything before it is in `pieces` already
    # of two spans that start together, the longer one comes first and covers the other
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if span.start >= end:
            pieces.append(caption[end : span.start])
            pieces.append(f"[{span.kind}]")
        end = max(end, span.end)
    pieces.append(caption[end:])
    return "".join(pieces)

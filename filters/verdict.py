"""All rules on one sample: the verdict, and the caption after redaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from filters.rule import Action, Decision, Readable, Rule, Span


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision and the rule that made it."""

    rule: str
    version: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything the rules said of one sample, in the order of the rules."""

    rulings: tuple[Ruling, ...]

    @property
    def drop(self) -> Ruling | None:
        """The first ruling that drops the sample: the one it is counted under."""
        return next((r for r in self.rulings if r.decision.action is Action.DROP), None)

    @property
    def subset(self) -> str | None:
        """The subset that the first rule to move the sample names."""
        return next(
            (r.decision.subset for r in self.rulings if r.decision.action is Action.MOVE), None
        )

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(
            sorted(
                {r.decision.reason for r in self.rulings if r.decision.action is not Action.DROP}
            )
        )

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(
            span
            for r in self.rulings
            if r.decision.action is Action.REDACT
            for span in r.decision.spans
        )


def judge(rules: Sequence[Rule], evidence: Readable) -> Verdict:
    """Ask every rule. Raises what a rule raises: the caller quarantines the sample."""
    return Verdict(
        tuple(
            Ruling(rule.name, rule.version, decision)
            for rule in rules
            for decision in rule.judge(evidence)
        )
    )


def redact(caption: str, spans: Iterable[Span]) -> str:
    """The caption with each span replaced by its kind in brackets; overlapping spans become one, of
    the first kind.
    """
    pieces: list[str] = []
    end = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if span.start >= end:
            pieces += [caption[end : span.start], f"[{span.kind}]"]
        end = max(end, span.end)
    return "".join([*pieces, caption[end:]])

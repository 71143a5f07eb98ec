"""Says which pairs cannot be published any more, so that costly detectors need not look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from filters.rule import Rule
from filters.verdict import judge
from pairsieve.attempt import Failure, attempt
from pairsieve.records.sample import Sample
from pairsieve.storage.settled import SIMILARITY


@dataclass(frozen=True)
class Prospects:
    """The rules that tell, before costly detectors look, which pairs will not be published.

    `costly_from` is the lowest similarity that may be published. `rules` are asked by their
    digests, which the score keeps: a later run with other rules looks again.
    """

    costly_from: float
    rules: Mapping[str, Rule]

    def spared_by(self, sample: Sample) -> str | None:
        """What drops the sample: "similarity" or the digest of a rule; None where nothing does."""
        # `not >=`: a similarity of NaN is never published
        if not (sample.score.similarity or 0.0) >= self.costly_from:
            return SIMILARITY
        evidence = sample.columns()
        for digest, rule in self.rules.items():
            verdict = attempt(partial(judge, (rule,)), evidence)
            # a rule that fails puts the sample into quarantine later, whatever detectors find
            if not isinstance(verdict, Failure) and verdict.drop:
                return digest
        return None

"""Where each stage's result lies: its fingerprint is made of what the result depends on, and of
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from filters.detector import Detector, Needs
from filters.registry import identity, needing
from filters.rule import Rule
from pairsieve.storage import files
from pairsieve.storage.settled import Earlier
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.retry import generation_of
from pipeline.orchestrate.reuse import LOOKED_FROM
from pipeline.orchestrate.stage_result import Stage, StageResult, manifests, plain

FETCH_DECIDES = (
    "source", "max_bytes", "max_redirects", "ports", "allow_networks", "robots_ai_agents", "tdmrep",
    "ai_txt", "trust_txt", "rsl",
    "store_size",
)  # fmt: skip
# How fast it is, or said in another way.
SCORE_COSTS = (
    "models",
    "accelerator",
    "min_ram",
    "decode_processes",
    "detect_timeout_s",
    "detect_margin",
)
# Raised when the code of a stage gives another result for the same input: what older code left is
# then done again.
VERSIONS = {"extract": 6, "fetch": 7, "score": 7, "publish": 5}
PICTURES = "pictures"


@dataclass(frozen=True)
class Results:
    """The results of a plan's four stages, whether they are there yet or not."""

    plan: Plan

    @property
    def extracted(self) -> StageResult:
        plan, config = self.plan, self.plan.config
        settings = {
            "inputs": [(path, files.ukey(path)) for path in plan.inputs],
            "input": {name: getattr(config.input, name) for name in ("kind", "columns", "base")},
            "known": [(path, files.ukey(path)) for path in plan.known],
            "extract": config.extract,
            "locate": config.fetch.source == "archive",
            "detectors": [identity(d) for d in needing(plan.detectors, Needs.PAGE)],
        }
        return self._result("extract", settings, "")

    @property
    def fetched(self) -> StageResult:
        plan, consent = self.plan, self.plan.consent
        fetch = plan.config.fetch
        settings = {
            "fetch": {name: getattr(fetch, name) for name in FETCH_DECIDES},
            "buckets": plan.config.extract.buckets,
            "plugins": [
                identity(p) for p in (*consent.response_detectors, *consent.content_detectors)
            ],
        }
        opinions = [*map(identity, consent.rules), *map(identity, consent.pair_detectors)]
        return self._result("fetch", settings, self.extracted.stage.fingerprint, opinions)

    @property
    def scored(self) -> StageResult:
        plan = self.plan
        settings = {
            "score": {
                name: value
                for name, value in plain(plan.config.score).items()
                if name not in SCORE_COSTS
            },
            "models": plan.models,
            "buckets": plan.config.extract.buckets,
            "detectors": [
                identity(d) for d in needing(plan.detectors, Needs.IMAGE, Needs.EMBEDDING)
            ],
        }
        upstream = self._generation(generation_of(self.fetched))
        return self._result(
            "score", settings, upstream, [_opinion(self._looked_from(plain(settings), upstream))]
        )

    @property
    def detect_from(self) -> float:
        """The similarity from which picture detectors look, or have looked."""
        (opinion,) = self.scored.stage.opinions
        return inf if opinion["similarity"] is None else float(opinion["similarity"])

    def _looked_from(self, settings: Any, upstream: str) -> float:
        """As the plan wants it; or as an earlier result has it, so that its scores hold: where that
        suffices for what may be published now, and looks at no more than is wanted (of the same
        pairs it may: it is there).
        """
        wanted = self.plan.detect_from
        same = [
            m
            for m in manifests(self.plan.config.work, "score")
            if (m["version"], m["settings"]) == (VERSIONS["score"], settings)
        ]
        looked = [(m["opinions"][0]["similarity"], m["upstream"] == upstream) for m in same]
        held = [
            x
            for x, of_these in looked
            if x is not None and x <= self.plan.published_from and (of_these or x >= wanted)
        ]
        return max(held, default=wanted) if wanted != inf else inf

    def _generation(self, number: int) -> str:
        """The fetch as scoring knows it: what was asked again is another one."""
        return (
            f"{self.fetched.stage.fingerprint}.{number}"
            if number
            else self.fetched.stage.fingerprint
        )

    @property
    def published(self) -> StageResult:
        plan = self.plan
        plugins: tuple[Detector | Rule, ...] = (
            *needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE),
            *plan.rules,
        )
        settings = {
            "name": plan.config.name,
            "publish": {
                name: value
                for name, value in plain(plan.config.publish).items()
                if name != "max_quarantine"
            },
            "output": plan.config.output,
            "plugins": [identity(p) for p in plugins],
        }
        return self._result("publish", settings, self.scored.stage.fingerprint)

    def _result(
        self, name: str, settings: Mapping[str, Any], upstream: str, opinions: Any = None
    ) -> StageResult:
        return StageResult(
            Stage(name, VERSIONS[name], settings, upstream, opinions), self.plan.config.work
        )

    def of(self, stage: str) -> StageResult:
        """The result of a stage."""
        return next(result for result in self.in_order if result.stage.name == stage)

    @property
    def in_order(self) -> tuple[StageResult, ...]:
        """All four, the first one first."""
        return self.extracted, self.fetched, self.scored, self.published

    @property
    def pictures(self) -> str:
        """Where `fetch` keeps the bytes of pictures."""
        return self.fetched.path(PICTURES)

    @property
    def earlier(self) -> Earlier:
        """What the web need not be asked for again.

        From an archive pictures are read where they lie, at no request.
        """
        if self.plan.config.fetch.source != "web":
            return Earlier()
        folders = tuple(self.fetched.earlier())
        pictures = tuple(files.join(folder, PICTURES) for folder in folders)
        return Earlier(folders, pictures, tuple(self.scored.earlier()), self.detect_from)


def _opinion(similarity: float) -> dict[str, Any]:
    return {"name": LOOKED_FROM, "similarity": None if similarity == inf else similarity}

"""Where the result of each stage lies: in a folder that is named by the stage's fingerprint.

A fingerprint covers what the result depends on, and nothing else. A change of any other setting
reuses the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

from filters.detector import Detector, Needs
from filters.registry import identity, needing
from filters.rule import Rule
from pairsieve.storage import files
from pairsieve.storage.settled import EarlierResults
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.retry import generation_of
from pipeline.orchestrate.reuse import DETECT_FROM
from pipeline.orchestrate.stage_result import Stage, StageResult, manifests, plain

# Settings of `fetch` that decide what is fetched. All others decide how fast it goes.
FETCH_DECIDES = (
    "source",
    "max_bytes",
    "max_redirects",
    "ports",
    "allow_networks",
    "robots_ai_agents",
    "tdmrep",
    "ai_txt",
    "trust_txt",
    "rsl",
    "store_size",
)

# Settings of `score` that are no part of its fingerprint. They decide how fast it goes, or the
# fingerprint covers what they mean: the weights instead of `models`, the similarity from which
# detectors look instead of `detect_margin`.
SCORE_LEAVES_OUT = (
    "models",
    "accelerator",
    "min_ram",
    "decode_processes",
    "detect_timeout_s",
    "detect_margin",
)

# Raise a number when the code of the stage gives another result for the same input. Results of
# older code are then made anew.
VERSIONS = {"extract": 8, "fetch": 7, "score": 7, "publish": 7}

PICTURES = "pictures"


@dataclass(frozen=True)
class Results:
    """The results of a plan's four stages, whether they are there yet or not.

    Each is looked up once, when it is first asked for. Make a new object after a fetch was
    reopened: scoring then has another name.
    """

    plan: Plan

    @cached_property
    def extracted(self) -> StageResult:
        plan, config = self.plan, self.plan.config
        settings = {
            "inputs": [(path, files.ukey(path)) for path in plan.inputs],
            "input": {name: getattr(config.input, name) for name in ("kind", "columns", "base")},
            "known": [(path, files.ukey(path)) for path in plan.known],
            "extract": config.extract,
            "locate": config.fetch.source == "archive",
            "detectors": _identities(needing(plan.detectors, Needs.PAGE)),
        }
        return self._result("extract", settings, upstream="")

    @cached_property
    def fetched(self) -> StageResult:
        consent, fetch = self.plan.consent, self.plan.config.fetch
        settings = {
            "fetch": {name: getattr(fetch, name) for name in FETCH_DECIDES},
            "buckets": self.plan.config.extract.buckets,
            "plugins": _identities([*consent.response_detectors, *consent.content_detectors]),
        }
        opinions = _identities([*consent.rules, *consent.pair_detectors])
        return self._result("fetch", settings, self.extracted.stage.fingerprint, opinions)

    @cached_property
    def scored(self) -> StageResult:
        plan = self.plan
        score = plain(plan.config.score)
        settings = {
            "score": {name: v for name, v in score.items() if name not in SCORE_LEAVES_OUT},
            "models": plan.models,
            "buckets": plan.config.extract.buckets,
            "detectors": _identities(needing(plan.detectors, Needs.IMAGE, Needs.EMBEDDING)),
        }
        # A fetch that was asked again is another input: its generation is in the name.
        upstream = self.fetched.stage.fingerprint
        generation = generation_of(self.fetched)
        if generation:
            upstream = f"{upstream}.{generation}"
        similarity = self._detect_from(plain(settings), upstream)
        opinion = {"name": DETECT_FROM, "similarity": None if similarity == inf else similarity}
        return self._result("score", settings, upstream, [opinion])

    @cached_property
    def published(self) -> StageResult:
        plan = self.plan
        publish = plain(plan.config.publish)
        settings = {
            "name": plan.config.name,
            "publish": {name: v for name, v in publish.items() if name != "max_quarantine"},
            "output": plan.config.output,
            "plugins": _identities(
                [*needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE), *plan.rules]
            ),
        }
        return self._result("publish", settings, self.scored.stage.fingerprint)

    @property
    def detect_from(self) -> float:
        """The similarity from which picture detectors look, or have looked."""
        (opinion,) = self.scored.stage.opinions
        similarity = opinion["similarity"]
        return inf if similarity is None else float(similarity)

    def _detect_from(self, settings: Any, upstream: str) -> float:
        """Lowest similarity at which picture detectors run.

        The plan wants one. An earlier result with another one is reused where its detectors looked
        at everything that may be published now. If it is a result of other pairs, it must not ask
        for more detector work on the new ones than the plan does.
        """
        wanted = self.plan.detect_from
        if wanted == inf:
            return inf  # there are no picture detectors
        usable = []
        for manifest in manifests(self.plan.config.work, "score"):
            if (manifest["version"], manifest["settings"]) != (VERSIONS["score"], settings):
                continue
            looked_from = manifest["opinions"][0]["similarity"]
            if looked_from is None or looked_from > self.plan.published_from:
                continue
            same_pairs = manifest["upstream"] == upstream
            if same_pairs or looked_from >= wanted:
                usable.append(looked_from)
        return max(usable, default=wanted)

    def _result(
        self, name: str, settings: Mapping[str, Any], upstream: str, opinions: Any = None
    ) -> StageResult:
        stage = Stage(name, VERSIONS[name], settings, upstream, opinions)
        return StageResult(stage, self.plan.config.work)

    def of(self, stage: str) -> StageResult:
        """The result of a stage."""
        return next(result for result in self.in_order if result.stage.name == stage)

    @property
    def in_order(self) -> tuple[StageResult, ...]:
        """All four, in the order of the flow."""
        return self.extracted, self.fetched, self.scored, self.published

    @property
    def pictures(self) -> str:
        """The folder in which `fetch` keeps the bytes of pictures."""
        return self.fetched.path(PICTURES)

    @property
    def earlier(self) -> EarlierResults:
        """What earlier runs have asked the web for, and need not ask again.

        Empty for an archive: its pictures are read where they lie, without a request.
        """
        if self.plan.config.fetch.source != "web":
            return EarlierResults()
        folders = tuple(self.fetched.earlier())
        pictures = tuple(files.join(folder, PICTURES) for folder in folders)
        return EarlierResults(folders, pictures, tuple(self.scored.earlier()), self.detect_from)


def _identities(plugins: Sequence[Detector | Rule]) -> list[Any]:
    return [identity(plugin) for plugin in plugins]

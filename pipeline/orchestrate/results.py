"""Where the result of each stage lies: in a folder that is named by the stage's fingerprint.

A fingerprint covers what the result depends on, and nothing else. A change of any other setting
reuses the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

from filters.detector import Detector, Needs
from filters.registry import digest_of, identity, needing
from filters.rule import Rule
from pairsieve.storage import files
from pairsieve.storage.settled import EarlierResults, Looking
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.retry import generation_of
from pipeline.orchestrate.reuse import COSTLY, DETECT_FROM
from pipeline.orchestrate.stage_result import Manifests, Stage, StageResult, plain

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
    "threads",
    "decode_processes",
    "detect_timeout_s",
    "detect_margin",
)

# Raise a number when the code of the stage gives another result for the same input. Results of
# older code are then made anew.
VERSIONS = {"extract": 11, "fetch": 9, "score": 11, "compare": 1, "publish": 12}

PICTURES = "pictures"


@dataclass(frozen=True)
class Results:
    """The results of a plan's stages, whether they are there yet or not.

    Each is looked up once, when it is first asked for: inputs, weights and lists may be large. Call
    `again` after a fetch was reopened: the result of scoring then has another fingerprint.
    """

    plan: Plan
    _identities_by_id: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _manifests(self) -> Manifests:
        return Manifests(self.plan.config.work)

    def again(self) -> Results:
        """The results as they are now. The files that extract and fetch depend on are not read
        again.
        """
        results = Results(self.plan, self._identities_by_id)
        for name in ("extracted", "fetched"):
            stage = getattr(self, name).stage
            results.__dict__[name] = StageResult(stage, results._manifests)
        return results

    @cached_property
    def extracted(self) -> StageResult:
        plan, config = self.plan, self.plan.config
        settings = {
            "inputs": _with_keys(plan.inputs),
            "input": {name: getattr(config.input, name) for name in ("kind", "columns", "base")},
            "known": _with_keys(plan.known),
            "extract": config.extract,
            "locate": config.fetch.source == "archive",
            "detectors": self._identities(needing(plan.detectors, Needs.PAGE)),
        }
        return self._result("extract", settings, upstream="")

    @cached_property
    def fetched(self) -> StageResult:
        consent, fetch = self.plan.consent, self.plan.config.fetch
        settings = {
            "fetch": {name: getattr(fetch, name) for name in FETCH_DECIDES},
            "buckets": self.plan.config.extract.buckets,
            "plugins": self._identities([*consent.response_detectors, *consent.content_detectors]),
        }
        opinions = self._identities([*consent.rules, *consent.pair_detectors])
        return self._result("fetch", settings, self.extracted.stage.fingerprint, opinions)

    @cached_property
    def scored(self) -> StageResult:
        plan = self.plan
        score = plain(plan.config.score)
        settings = {
            "score": {name: v for name, v in score.items() if name not in SCORE_LEAVES_OUT},
            "models": plan.models,
            "buckets": plan.config.extract.buckets,
            "detectors": self._identities(needing(plan.detectors, Needs.IMAGE, Needs.EMBEDDING)),
        }
        # A fetch that was asked again is another input: its generation is in the name.
        upstream = self.fetched.stage.fingerprint
        generation = generation_of(self.fetched)
        if generation:
            upstream = f"{upstream}.{generation}"
        opinions = self._score_opinions(plain(settings), upstream)
        return self._result("score", settings, upstream, opinions)

    @cached_property
    def compared(self) -> StageResult:
        plan = self.plan
        # Which pair represents a picture depends on what the other rules drop.
        deciding = [*needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)]
        settings = {
            "detectors": self._identities(plan.comparing),
            "plugins": self._identities([*deciding, *plan.rules_before_comparing]),
        }
        return self._result("compare", settings, self.scored.stage.fingerprint)

    @cached_property
    def published(self) -> StageResult:
        plan = self.plan
        publish = plain(plan.config.publish)
        settings = {
            "name": plan.config.name,
            # `max_quarantine` only decides whether a run stops.
            "publish": {name: v for name, v in publish.items() if name != "max_quarantine"},
            # The job writes its shards below the output directory.
            "output": plan.config.output,
            "plugins": self._identities(
                [*needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE), *plan.rules]
            ),
        }
        before = self.compared if plan.comparing else self.scored
        return self._result("publish", settings, before.stage.fingerprint)

    @property
    def looking(self) -> Looking:
        """At which pairs picture detectors look, or have looked."""
        first, *rest = self.scored.stage.opinions
        detect_from = inf if first["similarity"] is None else float(first["similarity"])
        if not rest:
            return Looking(detect_from)
        (costly,) = rest
        return Looking(detect_from, float(costly["similarity"]), frozenset(costly["rules"]))

    @property
    def sparing(self) -> tuple[Rule, ...]:
        """The rules that spare costly detectors the pairs that they drop."""
        digests = self.looking.sparing
        return tuple(rule for rule in self.plan.sparing if digest_of(rule) in digests)

    def _score_opinions(self, settings: Any, upstream: str) -> list[dict[str, Any]]:
        """From which similarities picture detectors run, and which rules spare costly ones.

        These are what the plan wants, or what an earlier result has. An earlier result is reused if
        its detectors looked at everything that may be published now. If it is a result of other
        pairs, reusing its similarities must not make detectors look at more of the new pairs than
        the plan wants.
        """
        plan = self.plan
        detect_from = None if plan.detect_from == inf else plan.detect_from
        wanted: list[dict[str, Any]] = [{"name": DETECT_FROM, "similarity": detect_from}]
        if plan.costly_from != inf:
            rules = sorted(map(digest_of, plan.sparing))
            wanted.append({"name": COSTLY, "similarity": plan.costly_from, "rules": rules})
        if detect_from is None:
            return wanted  # there are no picture detectors
        usable = []
        for manifest in self._manifests.of("score"):
            if (manifest["version"], manifest["settings"]) != (VERSIONS["score"], settings):
                continue
            same_pairs = manifest["upstream"] == upstream
            if _serves(manifest["opinions"], wanted, plan.published_from, same_pairs):
                usable.append(manifest["opinions"])
        # The highest similarity leaves detectors the least work.
        return max(usable, key=lambda opinions: opinions[0]["similarity"], default=wanted)

    def _result(
        self, name: str, settings: Mapping[str, Any], upstream: str, opinions: Any = None
    ) -> StageResult:
        stage = Stage(name, VERSIONS[name], settings, upstream, opinions)
        return StageResult(stage, self._manifests)

    def _identities(self, plugins: Sequence[Detector | Rule]) -> list[Any]:
        """What the results of plugins depend on; each is asked once, because it may read files."""
        identities = []
        for plugin in plugins:
            # By object: a plugin with a mapping among its settings cannot be the key of a dict.
            # The plan keeps its plugins, so that no id stands for two of them.
            key = id(plugin)
            if key not in self._identities_by_id:
                self._identities_by_id[key] = identity(plugin)
            identities.append(self._identities_by_id[key])
        return identities

    def of(self, stage: str) -> StageResult:
        """The result of a stage."""
        return next(result for result in self.in_order if result.stage.name == stage)

    @property
    def in_order(self) -> tuple[StageResult, ...]:
        """All that this plan needs, in the order of the flow."""
        compared = (self.compared,) if self.plan.comparing else ()
        return self.extracted, self.fetched, self.scored, *compared, self.published

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
        return EarlierResults(folders, pictures, tuple(self.scored.earlier()), self.looking)


def _serves(
    before: Sequence[Mapping[str, Any]],
    wanted: Sequence[Mapping[str, Any]],
    published_from: float,
    same_pairs: bool,
) -> bool:
    """Whether detectors that looked as `before` says have seen all that may be published now."""
    # One of them has costly detectors, and the other has none.
    if len(before) != len(wanted):
        return False
    for then, now in zip(before, wanted, strict=True):
        looked_from = then["similarity"]
        if looked_from is None or looked_from > published_from:
            return False
        if not same_pairs and looked_from < now["similarity"]:
            return False
        # a pair that a rule spared then must be dropped by the same rule now
        if not set(then.get("rules", ())) <= set(now.get("rules", ())):
            return False
    return True


def _with_keys(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Each path with a text that changes when its file does."""
    return list(zip(paths, files.ukeys(paths), strict=True))

"""The output directory: what readers may see, put in place in one order, the manifest last."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filters.erasure import Erasure
from filters.rule import Rule
from pairsieve.records.manifest import (
    KEYS_OF_A_RUN,
    MANIFEST,
    BadManifest,
    ListedFile,
    Manifest,
    is_from_pairsieve,
    parse_manifest,
)
from pairsieve.records.outcome import Unit, UnitCounts
from pairsieve.storage import files
from pairsieve.storage.marked import is_ours, mark, remove_ours
from pairsieve.storage.names import LeadsOut, check_names, lies_in
from pairsieve.storage.shards import DELTAS
from pipeline import __version__
from pipeline.config import Config
from pipeline.dataset.manifest import UNFINISHED
from pipeline.dataset.pages import PAGES, write_pages, write_private_report
from pipeline.dataset.published_settings import public_config, public_input, public_plugin, shown
from pipeline.monitoring.progress import History
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.stage_result import StageResult, plain

INSTALLED = "installed.json"
TREES = ("dataset", "ledger", "embeddings")
PREVIOUS = "previous.json"  # the manifest before, while a new one is put in place
UNRELEASED = "unreleased"  # below the output directory: what the release check did not let pass

Counts = Mapping[str, Mapping[Unit, UnitCounts]]


def check_erasures(output: str, rules: Sequence[Rule]) -> None:
    """Raise ConfigError where what was erased from a dataset would come back with the next one in
    its place.
    """
    keys = {key for erasure in _manifest_in(output).erasures for key in erasure.keys}
    held = {key for rule in rules if isinstance(rule, Erasure) for key in rule.key_ids}
    if keys - held:
        raise ConfigError(
            f"people were taken out of {output} under the key {', '.join(sorted(keys - held))}, "
            "and this config would bring them back; "
            "name the folder of tombstones that `pairsieve erase` used, as "
            f"filters.rules.erasure: {{tombstones: {output.rstrip('/')}.erased}}"
        )


def _manifest_in(output: str) -> Manifest:
    """The manifest of a directory, or the one it had before an installation that was cut off.

    It is empty where there is none of ours: check_output refuses such a directory.
    """
    unfinished = [files.join(folder, PREVIOUS) for folder in _unfinished(output)]
    path = next(
        (path for path in (files.join(output, MANIFEST), *unfinished) if files.exists(path)), None
    )
    if path is None:
        return Manifest()
    try:
        text = files.read_text(path)
        return parse_manifest(text) if is_from_pairsieve(text) else Manifest()
    except (BadManifest, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is damaged: {error}. Get it back from a copy, or choose another --output"
        ) from None


def _unfinished(output: str) -> list[str]:
    """The folders in which runs have written what they had not put in place when they ended."""
    found = [
        files.join(output, name) for name in files.folders_in(output) if name.startswith(UNFINISHED)
    ]
    return [folder for folder in found if is_ours(folder)]


def check_apart(config: Config) -> None:
    """Raise ConfigError where something private would lie in the output directory, by whatever
    links.
    """
    erasure = config.filters.rules.get("erasure") or {}
    private = {
        "--work": config.work,
        "publish.key_file": config.publish.key_file,
        "filters.rules.erasure.tombstones": erasure.get("tombstones"),
    }
    for name, path in private.items():
        if path and lies_in(str(path), config.output):
            raise ConfigError(
                f"{name} ({path}) lies in the output directory {config.output}, which is "
                "published; name another place"
            )


def check_output(output: str) -> None:
    """Raise ConfigError where the output directory holds what is not ours to replace."""
    unreleased = files.join(output, UNRELEASED)
    if files.exists(unreleased) and not is_ours(unreleased):
        raise ConfigError(
            f"{unreleased} is there, and pairsieve did not make it; move it away, or choose "
            "another --output"
        )
    try:
        check_names(output, [f"{tree}/any" for tree in TREES])
    except LeadsOut as error:
        raise ConfigError(f"{output}: {error}; choose another --output") from None
    if _unfinished(output):
        # a run was cut off while it put its result in place, and is finished by the next one
        return
    manifest = _manifest_in(output)
    listed = set[str]()
    if manifest.keys and not manifest.adopted:
        listed = {MANIFEST, *PAGES, *manifest.by_path}
    others = [name for name in _held(output) if name not in listed]
    if others:
        raise ConfigError(
            f"{output} holds {others[0]}, which pairsieve did not make; move it away, or choose "
            "another --output"
        )


def _held(output: str) -> list[str]:
    """What an installation would replace: the files in TREES, and pages."""
    pages = [name for name in (MANIFEST, *PAGES) if files.exists(files.join(output, name))]
    return [
        *pages,
        *(
            f"{tree}/{name}"
            for tree in TREES
            for name in files.files_below(files.join(output, tree))
        ),
    ]


@dataclass(frozen=True)
class Made:
    """What a run has made: shards, the counts of each stage, problems, how many pairs were scored
    by which model in which numbers, and how each stage went on over time.
    """

    shards: Sequence[Sequence[Any]]
    counts: Counts
    problems: Sequence[Sequence[str]]
    computed: Mapping[str, int]
    history: History = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """An output directory and the publish stage that fills it."""

    output: str
    published: StageResult

    @property
    def staging(self) -> str:
        """Where shards are written before they are put in place; readers leave it alone."""
        return files.join(self.output, UNFINISHED + self.published.stage.fingerprint)

    @property
    def place(self) -> str:
        """Where this stage has put its dataset: the output directory, or `unreleased/` below it;
        empty where it has not.
        """
        installed = self.published.path(INSTALLED)
        return (
            files.join(self.output, json.loads(files.read_text(installed)).get("place", ""))
            if files.exists(installed)
            else ""
        )

    def is_whole(self) -> bool:
        """Whether the directory still holds what this stage put there."""
        place = self.place
        manifest = files.join(place, MANIFEST)
        if not place or not files.exists(manifest):
            return False
        text = files.read_text(manifest)
        if (
            _digest(text)
            != json.loads(files.read_text(self.published.path(INSTALLED)))["manifest_sha256"]
        ):
            return False
        return all(
            files.size_of(files.join(place, listed.path)) == listed.bytes
            for listed in parse_manifest(text).files
        )

    def install(self, plan: Plan, made: Made, below: str = "") -> None:
        """Put staged shards, pages and manifest in place, or `below` it.

        A reader who waits for the manifest never sees a mixture.
        """
        place = files.join(self.output, below)
        manifest = self._following(make_manifest(plan, made))
        text = manifest.text()
        mark(self.staging)
        if below:
            mark(place)
        if files.exists(files.join(place, MANIFEST)):
            files.copy(files.join(place, MANIFEST), files.join(self.staging, PREVIOUS))
        files.remove_file(files.join(place, MANIFEST))
        for tree in TREES:
            if files.exists(files.join(self.staging, tree)):
                files.replace_tree(files.join(self.staging, tree), files.join(place, tree))
            else:
                files.remove_tree(files.join(place, tree))
        facts = write_pages(place, manifest)
        files.write_text(files.join(place, MANIFEST), text)
        files.write_text(
            self.published.path(INSTALLED),
            json.dumps({"manifest_sha256": _digest(text), "place": below}),
        )
        self._remove_unfinished()
        if not below:
            remove_ours(files.join(self.output, UNRELEASED))
        if facts:
            write_private_report(plan.config.work, facts, made.history)

    def _following(self, manifest: Manifest) -> Manifest:
        """The manifest with the erasures of the dataset that it replaces, as their next version.

        The lists of erased row ids stay too, for those who hold an earlier version. A dataset that
        nobody was taken out of is version 1.
        """
        before = _manifest_in(self.output)
        return replace(
            manifest,
            files=[*manifest.files, *before.below(DELTAS + "/")],
            version=before.version + 1 if before.erasures else 1,
            erasures=before.erasures,
        )

    def _remove_unfinished(self) -> None:
        for folder in _unfinished(self.output):
            remove_ours(folder)


def make_manifest(plan: Plan, made: Made) -> Manifest:
    """What was run on what, and what came out.

    No times, and no private settings: equal runs have equal manifests.
    """
    config = plan.config
    detectors = [public_plugin(detector) for detector in plan.detectors]
    rules = [public_plugin(rule) for rule in plan.rules]
    return Manifest(
        pairsieve=__version__,
        revision=code_revision(),
        name=shown(config.name),
        demo_model=any(config.score.models[name].demo for name in plan.models),
        inputs=[public_input(path) for path in plan.inputs],
        config={**public_config(config, plan.models), "filters": _by_name(detectors, rules)},
        models={name: plain(model) for name, model in plan.models.items()},
        scored_by=dict(made.computed),
        detectors=detectors,
        rules=rules,
        counts={
            stage: {unit: asdict(counts) for unit, counts in units.items()}
            for stage, units in made.counts.items()
        },
        problems=[
            {"where": where, "unit": unit, "reason": reason}
            for where, unit, reason in made.problems
        ],
        files=[ListedFile(path, rows, size, sha256) for path, rows, size, sha256 in made.shards],
        keys=KEYS_OF_A_RUN,
    )


def _by_name(
    detectors: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    kinds = {"detectors": detectors, "rules": rules}
    return {
        kind: {plugin["name"]: plugin["settings"] for plugin in plugins}
        for kind, plugins in kinds.items()
    }


def code_revision() -> str:
    """The commit of the checkout this runs from, or an empty string where it is no checkout."""
    here = Path(__file__).resolve().parents[2]
    git = shutil.which("git")
    if git is None or not (here / ".git").exists():
        return ""
    command = [git, "-C", str(here), "rev-parse", "HEAD"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return asked.stdout.strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

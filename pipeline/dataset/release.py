"""Puts a run's result into the output directory in one order: data, pages, and last the manifest.

Everything is written to a folder `unfinished-...` first. Readers who wait for the manifest see the
earlier dataset, then none, then the new one, and never a mixture.
"""

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
from pairsieve.audit.result import AUDIT
from pairsieve.recheck.result import RECHECK
from pairsieve.records.aggregates import Aggregates
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
"""In the folder of the publish stage: what it has put in place, and where."""
TREES = ("dataset", "ledger", "embeddings")
PREVIOUS = "previous.json"
"""In the unfinished folder: the earlier manifest, while a new one is put in place."""
UNRELEASED = "unreleased"
"""Below the output directory: a dataset that the release check did not let pass."""

Counts = Mapping[str, Mapping[Unit, UnitCounts]]


def check_erasures(output: str, rules: Sequence[Rule]) -> None:
    """Raise ConfigError where rows that were erased from a dataset would come back.

    A run replaces the dataset in its output directory. It must know the tombstones of every
    erasure there.
    """
    needed_keys: set[str] = set()
    for erasure in _manifest_in(output).erasures:
        needed_keys.update(erasure.keys)
    known_keys: set[str] = set()
    for rule in rules:
        if isinstance(rule, Erasure):
            known_keys.update(rule.key_ids)
    missing = sorted(needed_keys - known_keys)
    if missing:
        raise ConfigError(
            f"people were taken out of {output} under the key {', '.join(missing)}, "
            "and this config would bring them back; "
            "name the folder of tombstones that `pairsieve erase` used, as "
            f"filters.rules.erasure: {{tombstones: {output.rstrip('/')}.erased}}"
        )


def _manifest_in(output: str) -> Manifest:
    """The manifest of a directory, or the earlier one where a run was cut off in between.

    It is empty where there is none of ours: check_output refuses such a directory.
    """
    candidates = [files.join(output, MANIFEST)]
    # `_remove_manifest` keeps the earlier one there before it removes it.
    candidates += [files.join(folder, PREVIOUS) for folder in _unfinished(output)]
    for path in candidates:
        if files.exists(path):
            return _read_ours(path)
    return Manifest()


def _read_ours(path: str) -> Manifest:
    try:
        text = files.read_text(path)
        return parse_manifest(text) if is_from_pairsieve(text) else Manifest()
    except (BadManifest, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is damaged: {error}. Get it back from a copy, or choose another --output"
        ) from None


def _unfinished(output: str) -> list[str]:
    """The folders that runs have left when they were cut off."""
    # A folder of that name that has no mark of ours belongs to somebody else.
    names = [name for name in files.folders_in(output) if name.startswith(UNFINISHED)]
    folders = [files.join(output, name) for name in names]
    return [folder for folder in folders if is_ours(folder)]


def check_apart(config: Config) -> None:
    """Raise ConfigError where something private would lie in the output directory.

    Links are followed.
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
    """Raise ConfigError where the output directory holds files that are not ours to replace."""
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
        # A run was cut off while it put its result in place. The next one finishes it.
        return
    manifest = _manifest_in(output)
    listed = set[str]()
    # A run may not replace a dataset that others made, nor one without a manifest of ours.
    if manifest.keys and not manifest.adopted:
        listed = {MANIFEST, *PAGES, *manifest.by_path}
    others = [name for name in _replaced_files(output) if name not in listed]
    if others:
        raise ConfigError(
            f"{output} holds {others[0]}, which pairsieve did not make; move it away, or choose "
            "another --output"
        )


def _replaced_files(output: str) -> list[str]:
    """The files that an installation would replace: manifest, pages, and all below TREES."""
    names = [name for name in (MANIFEST, *PAGES) if files.exists(files.join(output, name))]
    for tree in TREES:
        names += [f"{tree}/{name}" for name in files.files_below(files.join(output, tree))]
    return names


@dataclass(frozen=True)
class Made:
    """The results of a run.

    `shards`: path, rows, bytes, sha256 of each file. `counts`: of each stage. `problems`: where,
    unit, reason of inputs that could not be read. `computed`: model -> pairs that it scored.
    `aggregates`: what was counted of all rows and decisions. `history`: how each stage went on over
    time.
    """

    shards: Sequence[Sequence[Any]]
    counts: Counts
    problems: Sequence[Sequence[str]]
    computed: Mapping[str, int]
    aggregates: Aggregates = field(default_factory=Aggregates)
    history: History = field(default_factory=dict)


@dataclass(frozen=True)
class Release:
    """An output directory, and the publish stage that fills it."""

    output: str
    published: StageResult

    @property
    def staging(self) -> str:
        """The folder that shards are written to before they are put in place."""
        return files.join(self.output, UNFINISHED + self.published.stage.fingerprint)

    @property
    def place(self) -> str:
        """Where this stage has put its dataset: the output directory, or `unreleased/` below it.

        Empty where it has put it nowhere yet.
        """
        if not files.exists(self.published.path(INSTALLED)):
            return ""
        return files.join(self.output, self._installed().get("place", ""))

    def _installed(self) -> dict[str, str]:
        installed: dict[str, str] = json.loads(files.read_text(self.published.path(INSTALLED)))
        return installed

    def is_whole(self) -> bool:
        """Whether the directory still holds what this stage put there.

        The manifest must be the same, byte for byte, and each file must have its size.
        """
        place = self.place
        if not place or not files.exists(files.join(place, MANIFEST)):
            return False
        text = files.read_text(files.join(place, MANIFEST))
        if _digest(text) != self._installed()["manifest_sha256"]:
            return False
        # By size alone: to read every byte of a dataset takes long, and `pairsieve verify` does it.
        return all(
            files.size_of(files.join(place, listed.path)) == listed.bytes
            for listed in parse_manifest(text).files
        )

    def install(self, plan: Plan, made: Made, below: str = "") -> None:
        """Put shards, pages and manifest in place: in the output directory, or a folder `below` it.

        A crash anywhere leaves an unfinished folder, and the next run installs again.
        """
        place = files.join(self.output, below)
        manifest = self._following(make_manifest(plan, made))
        text = manifest.text()
        mark(self.staging)
        if below:
            mark(place)
        self._remove_results(place)
        self._remove_manifest(place)
        self._replace_trees(place)
        report = write_pages(place, manifest, made.aggregates)
        # The manifest comes last: from here on readers take the dataset for complete.
        files.write_text(files.join(place, MANIFEST), text)
        installed = {"manifest_sha256": _digest(text), "place": below}
        files.write_text(self.published.path(INSTALLED), json.dumps(installed))
        for folder in _unfinished(self.output):
            remove_ours(folder)
        if not below:
            # This dataset has passed the release check; an earlier one there is out of date.
            remove_ours(files.join(self.output, UNRELEASED))
        if report:
            write_private_report(plan.config.work, report, made.history)

    def _remove_results(self, place: str) -> None:
        """Remove the results of audits and rechecks: they are about the rows that were there."""
        listed = _manifest_in(place).by_path
        for name in (AUDIT, RECHECK):
            # A file of that name that the manifest does not list belongs to somebody else.
            if name in listed:
                files.remove_file(files.join(place, name))

    def _remove_manifest(self, place: str) -> None:
        """Remove the earlier manifest; a copy keeps its erasures in case of a crash."""
        manifest = files.join(place, MANIFEST)
        if files.exists(manifest):
            files.copy(manifest, files.join(self.staging, PREVIOUS))
        files.remove_file(manifest)

    def _replace_trees(self, place: str) -> None:
        # One tree after the other, while there is no manifest: readers wait for it.
        for tree in TREES:
            staged, present = files.join(self.staging, tree), files.join(place, tree)
            if files.exists(staged):
                files.replace_tree(staged, present)
            else:
                # This run publishes none, as embeddings that a setting has turned off.
                files.remove_tree(present)

    def _following(self, manifest: Manifest) -> Manifest:
        """The manifest with the erasures of the dataset that it replaces, as their next version.

        The lists of erased row ids stay too, for those who hold an earlier version. A dataset that
        nobody was taken out of is version 1.
        """
        before = _manifest_in(self.output)
        version = before.version + 1 if before.erasures else 1
        deltas = before.below(DELTAS + "/")
        return replace(
            manifest,
            files=[*manifest.files, *deltas],
            version=version,
            erasures=before.erasures,
        )


def make_manifest(plan: Plan, made: Made) -> Manifest:
    """The manifest of a run: what was run on what, and what came out.

    It holds no times and no private settings: equal runs have equal manifests.
    """
    config = plan.config
    detectors = [public_plugin(detector) for detector in plan.detectors]
    rules = [public_plugin(rule) for rule in plan.rules]
    filters = {"detectors": _settings_by_name(detectors), "rules": _settings_by_name(rules)}
    return Manifest(
        pairsieve=__version__,
        revision=code_revision(),
        name=shown(config.name),
        demo_model=any(config.score.models[name].demo for name in plan.models),
        inputs=[public_input(path) for path in plan.inputs],
        config={**public_config(config, plan.models), "filters": filters},
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


def _settings_by_name(plugins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {plugin["name"]: plugin["settings"] for plugin in plugins}


def code_revision() -> str:
    """The commit of the checkout that this runs from; empty where it is no checkout."""
    root = Path(__file__).resolve().parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    command = [git, "-C", str(root), "rev-parse", "HEAD"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return ran.stdout.strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

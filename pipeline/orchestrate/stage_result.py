"""The result of a stage: what identifies it, where it lies, and whether it is complete."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, Literal, get_args

from pairsieve.records.outcome import Tally, Unit, UnitCounts, balance
from pairsieve.storage import files, parts
from pairsieve.storage.sealed import Damaged

MANIFEST = "manifest.json"
StageName = Literal["extract", "fetch", "score", "compare", "publish"]
STAGES: tuple[StageName, ...] = get_args(StageName)
READERS = 16
NEEDED_OF_EARLIER = {"version", "settings", "upstream", "opinions"}


@dataclass(frozen=True)
class Stage:
    """One stage of one run: its result depends on these values, and on nothing else.

    `upstream` is the fingerprint of the stage before it. `opinions` are the rules that run before a
    request (fetch), or the similarities from which detectors look (score). Changing an opinion
    creates a new result, which reuses what is settled in earlier ones.
    """

    name: str
    version: int
    settings: Mapping[str, Any]
    upstream: str
    opinions: Any = None

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over everything that the result depends on."""
        values = [
            self.name,
            self.version,
            plain(self.settings),
            self.upstream,
            plain(self.opinions),
        ]
        canonical = json.dumps(values, sort_keys=True)
        return sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Manifests:
    """The manifests of complete results in a work directory. Those of a stage are read once.

    A run may add its own result later. It is not read, since it is no earlier result.
    """

    work: str
    _read: dict[str, list[dict[str, Any]]] = field(default_factory=dict, repr=False, compare=False)

    def of(self, stage: str) -> list[dict[str, Any]]:
        """The manifests of a stage, each with its `folder`, the newest last."""
        if stage not in self._read:
            self._read[stage] = manifests(self.work, stage)
        return self._read[stage]


@dataclass(frozen=True)
class StageResult:
    """A stage's folder below the work directory. It is complete when its manifest is there.

    `manifests` are those of all results there. This result's own manifest is read once, too: make a
    new object when somebody else may have written or removed it.
    """

    stage: Stage
    manifests: Manifests

    @property
    def work(self) -> str:
        return self.manifests.work

    @property
    def folder(self) -> str:
        return files.join(self.work, self.stage.name, self.stage.fingerprint)

    def path(self, name: str) -> str:
        return files.join(self.folder, name)

    @property
    def complete(self) -> bool:
        return files.exists(self.path(MANIFEST))

    def earlier(self) -> list[str]:
        """Folders of complete results with the same settings, the newest last.

        They have other input or other opinions.
        """
        wanted = (self.stage.version, plain(self.stage.settings))
        folders = []
        for manifest in self.manifests.of(self.stage.name):
            is_same = (manifest["version"], manifest["settings"]) == wanted
            if is_same and manifest["folder"] != self.folder:
                folders.append(manifest["folder"])
        return folders

    def read_counts(self) -> dict[Unit, UnitCounts]:
        """The balance of each unit of a complete stage."""
        counts = self._manifest["counts"]
        return {unit: UnitCounts(**of_unit) for unit, of_unit in counts.items()}

    def read_rows(self) -> dict[str, int]:
        """Part -> rows of a complete stage."""
        return {name: rows for name, rows, _ in self._manifest["parts"]}

    def missing(self) -> list[str]:
        """The files of a complete stage that are not there any more.

        These are parts, and files of locations in an archive. Raises Damaged.
        """
        parts_there = set(parts.part_names(self.folder))
        locations_there = set(files.names_in(self.path(parts.LOCATIONS)))
        gone = [name for name in self.read_rows() if name not in parts_there]
        gone += [name for name in self._manifest["locations"] if name not in locations_there]
        return gone

    def check_parts(self) -> None:
        """Check that the parts of a complete stage are those that it was finished with.

        Raises Damaged.
        """
        finished = {name: digest for name, _, digest in self._manifest["parts"]}
        for part in summaries(self.folder, list(finished)):
            if part.sha256 != finished[part.name]:
                raise Damaged(parts.part_path(self.folder, part.name))

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        path = self.path(MANIFEST)
        try:
            manifest: dict[str, Any] = json.loads(files.read_text(path))
            return {name: manifest[name] for name in ("counts", "parts", "locations")}
        except (ValueError, KeyError, TypeError):
            raise Damaged(path) from None

    def finish(self, counts: Mapping[Unit, UnitCounts]) -> None:
        """Write the manifest: from now on the stage is complete."""
        # Temporary files of workers that were killed.
        files.remove_leftovers(self.folder)
        finished = summaries(self.folder, parts.part_names(self.folder))
        manifest = {
            "stage": self.stage.name,
            "version": self.stage.version,
            "upstream": self.stage.upstream,
            "settings": plain(self.stage.settings),
            "opinions": plain(self.stage.opinions),
            "finished": time.time(),
            "counts": {unit: asdict(of_unit) for unit, of_unit in counts.items()},
            "parts": [[part.name, part.rows, part.sha256] for part in finished],
            "locations": files.names_in(self.path(parts.LOCATIONS)),
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        files.write_text(self.path(MANIFEST), text)
        # What was read before it was written is out of date.
        self.__dict__.pop("_manifest", None)


def manifests(work: str, stage: str) -> list[dict[str, Any]]:
    """The manifests of all complete results of a stage, each with its `folder`, the newest last.

    A manifest that is damaged is left out: that result cannot be reused.
    """
    below = files.join(work, stage)
    readable = []
    for name in files.folders_in(below):
        folder = files.join(below, name)
        manifest = _read_or_none(files.join(folder, MANIFEST))
        if manifest is not None:
            readable.append({**manifest, "folder": folder})
    return sorted(
        readable, key=lambda manifest: (manifest.get("finished", 0.0), manifest["folder"])
    )


def _read_or_none(path: str) -> dict[str, Any] | None:
    """An earlier result's manifest; None where it is missing or damaged."""
    try:
        manifest = json.loads(files.read_text(path))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(manifest, dict) or not set(manifest) >= NEEDED_OF_EARLIER:
        return None
    return manifest


def plain(value: Any) -> Any:
    """Settings as JSON holds them."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(child) for name, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(child) for child in value]
    return value


def summaries(folder: str, names: Sequence[str]) -> list[parts.Summary]:
    """Summaries of parts, from their footers. Raises Damaged.

    Many are read at a time, because an object store takes its time for each request.
    """
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(partial(parts.part_summary, folder), names))


def sum_parts(folder: str, names: Sequence[str]) -> tuple[int, Tally]:
    """Rows and counts of parts, from their footers. Raises Damaged."""
    rows, total = 0, Tally()
    for summary in summaries(folder, names):
        rows += summary.rows
        total.update(summary.tally)
    return rows, total


class CountsDoNotAddUp(RuntimeError):
    """Something was lost or counted twice; the run must not be published."""


def checked(counts: UnitCounts, what: str) -> UnitCounts:
    """The counts, if in = kept + dropped + quarantined. Raises CountsDoNotAddUp."""
    if not counts.adds_up:
        raise CountsDoNotAddUp(
            f"{what}: {counts.entered} in, but {counts.kept} kept, {dict(counts.dropped)} "
            f"dropped, {dict(counts.quarantined)} quarantined"
        )
    return counts


class TooMuchQuarantined(RuntimeError):
    """Too much could not be judged: something must be broken, and nothing is published."""


def check_quarantine(counts: UnitCounts, max_share: float, what: str) -> None:
    """Raise TooMuchQuarantined where more than `max_share` of a unit could not be judged."""
    number = sum(counts.quarantined.values())
    if number > max_share * counts.entered:
        reasons = ", ".join(f"{reason} {n}" for reason, n in counts.quarantined.items() if n)
        raise TooMuchQuarantined(
            f"{what}: {number} of {counts.entered} could not be judged ({reasons}), more than "
            f"publish.max_quarantine = {max_share:g} allows. "
            "Nothing was published. The log names the place in the code. Repair or leave out what "
            "raises there, or raise the limit"
        )


def balances(tally: Tally, units: Sequence[Unit], stage: str) -> dict[Unit, UnitCounts]:
    """The checked balance of several units."""
    return {unit: checked(balance(tally, unit), f"{stage}, {unit}") for unit in units}

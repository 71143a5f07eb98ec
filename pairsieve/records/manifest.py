"""The manifest of a dataset: its files, and how they were made, checked once when it is read.

`manifest.json` lies in the dataset's folder. Four commands write it: `run` describes the whole run,
`adopt` and `export` list the files and their columns alone, `erase` raises the version. What a
manifest lacks has the default given below, so that datasets of older versions stay readable. What
it has beyond this (a newer version wrote it) is kept: parsing and writing give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pairsieve.records.outcome import Unit, UnitCounts

_Expected = Mapping[str, tuple[Callable[[Any], bool], str]]
"""Key -> whether a value is right, and words for what it must be."""

MANIFEST = "manifest.json"
PRODUCT = "pairsieve"
"""The key under which the version of the program stands; a manifest without it is not ours."""

KEYS_OF_A_RUN = (
    PRODUCT, "revision", "name", "demo_model", "inputs", "config", "models", "scored_by",
    "detectors", "rules", "counts", "problems", "files", "version", "erasures",
)  # fmt: skip
KEYS_OF_A_COPY = (PRODUCT, "adopted", "name", "version", "rows", "columns", "files")


class BadManifest(ValueError):
    """A text is no manifest; the message says which entry is wrong, and what belongs there."""


@dataclass(frozen=True)
class ListedFile:
    """A file of the dataset: its path below the dataset's folder, its size and its digest.

    `rows` are the rows of a parquet file, or the vectors of a `.npy` file.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as it stands in `manifest.json`."""
        own = {"path": self.path, "rows": self.rows, "bytes": self.bytes, "sha256": self.sha256}
        return {**own, **self.extra}


@dataclass(frozen=True)
class ListedErasure:
    """What one erasure took out: `rows` in `shards`, for this number of requests.

    `version` is the dataset's version after it. `keys` are the ids of the secrets under which the
    tombstones lie.
    """

    version: int
    requests: int
    rows: int
    shards: int
    keys: Sequence[str]
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The entry as it stands in `manifest.json`."""
        own = {
            "version": self.version,
            "requests": self.requests,
            "rows": self.rows,
            "shards": self.shards,
            "keys": list(self.keys),
        }
        return {**own, **self.extra}


@dataclass(frozen=True)
class Manifest:
    """The manifest of a dataset: its inputs, settings, models, counts and files.

    `pairsieve` and `revision` are the version and the commit of the program. `adopted` says that
    no run of ours made the folder: `adopt` or `export` did. `rows_folder` begins the paths of the
    files that hold rows; `columns` maps our name of a column to the dataset's own. `config`,
    `detectors` and `rules` hold public settings alone. `counts` is stage -> unit -> the fields of
    UnitCounts. `scored_by` is model -> pairs. `keys` are the keys of the file in their order, and
    `extra` holds the values of those that this version does not know.
    """

    pairsieve: str = ""
    revision: str = ""
    adopted: bool = False
    name: str = ""
    demo_model: bool = False
    inputs: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)
    scored_by: Mapping[str, int] = field(default_factory=dict)
    detectors: Sequence[Mapping[str, Any]] = ()
    rules: Sequence[Mapping[str, Any]] = ()
    counts: Mapping[str, Mapping[Unit, Mapping[str, Any]]] = field(default_factory=dict)
    problems: Sequence[Mapping[str, Any]] = ()
    rows_folder: str = "dataset/"
    columns: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[ListedFile] = ()
    version: int = 1
    erasures: Sequence[ListedErasure] = ()
    keys: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def by_path(self) -> dict[str, ListedFile]:
        """The listed files by their paths, in the order of the list."""
        return {listed.path: listed for listed in self.files}

    def below(self, folder: str) -> list[ListedFile]:
        """The listed files whose paths begin with a folder, as "dataset/"."""
        return [listed for listed in self.files if listed.path.startswith(folder)]

    @property
    def subsets(self) -> list[str]:
        """The folders below `dataset/`, sorted."""
        return sorted({listed.path.split("/")[1] for listed in self.below("dataset/")})

    @property
    def unit_counts(self) -> dict[str, dict[Unit, UnitCounts]]:
        """Stage -> unit -> its balance."""
        return {
            stage: {unit: _unit_counts(counts) for unit, counts in units.items()}
            for stage, units in self.counts.items()
        }

    def setting(self, section: str, name: str, default: Any = "") -> Any:
        """A public setting of the config that made the dataset, or the default without one."""
        return self.config.get(section, {}).get(name, default)

    def text(self) -> str:
        """The content of `manifest.json`."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"

    def as_json(self) -> dict[str, Any]:
        """The manifest as JSON values: `keys` in their order, then what was set since."""
        values = _values(self)
        defaults = _values(Manifest())
        result = {key: values[key] for key in self.keys}
        for key, value in values.items():
            if value != defaults.get(key):
                result.setdefault(key, value)
        return result


def parse_manifest(text: str) -> Manifest:
    """Read the content of a `manifest.json`. Raises BadManifest."""
    document = _document(text)
    if not isinstance(document, dict):
        raise BadManifest("it is no JSON object")
    # Every manifest of every version lists files. Everything else may be missing.
    if not isinstance(document.get("files"), list):
        raise BadManifest("it lists no files")
    _check(document, _EXPECTED, "")
    values = {name: document[key] for key, name in _NAME_OF.items() if key in document}
    values["files"] = _listed(ListedFile, document, "files", _EXPECTED_OF_A_FILE)
    values["erasures"] = _listed(ListedErasure, document, "erasures", _EXPECTED_OF_AN_ERASURE)
    extra = {key: value for key, value in document.items() if key not in _NAME_OF}
    return Manifest(**values, keys=tuple(document), extra=extra)


def is_from_pairsieve(text: str) -> bool:
    """Whether a program of this name wrote the text; it may be damaged all the same.

    Raises BadManifest where it is no JSON.
    """
    document = _document(text)
    return isinstance(document, dict) and PRODUCT in document


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadManifest("it is cut off or no JSON") from None


def _unit_counts(counts: Mapping[str, Any]) -> UnitCounts:
    return UnitCounts(**{each.name: counts[each.name] for each in fields(UnitCounts)})


# In the file the key is "rows", which says too little beside the rows of each file.
_KEY_OF = {"rows_folder": "rows"}
_NAME_OF = {
    _KEY_OF.get(each.name, each.name): each.name
    for each in fields(Manifest)
    if each.name not in ("keys", "extra")
}


def _values(manifest: Manifest) -> dict[str, Any]:
    """Every key with its value, also those that the file does not have."""
    values = {key: getattr(manifest, name) for key, name in _NAME_OF.items()}
    values["files"] = [listed.as_json() for listed in manifest.files]
    values["erasures"] = [listed.as_json() for listed in manifest.erasures]
    return {**values, **manifest.extra}


def _listed(
    of_type: Callable[..., Any], document: Mapping[str, Any], key: str, expected: _Expected
) -> tuple[Any, ...]:
    """The entries of a list as dataclasses of one type. Raises BadManifest."""
    entries = []
    for number, entry in enumerate(document.get(key, ()), start=1):
        where = f"{key}, entry {number}: "
        if not isinstance(entry, dict):
            raise BadManifest(f"{where}it is no JSON object")
        missing = [name for name in expected if name not in entry]
        if missing:
            raise BadManifest(f"{where}it has no {missing[0]}")
        _check(entry, expected, where)
        own = {name: entry[name] for name in expected}
        extra = {name: value for name, value in entry.items() if name not in expected}
        entries.append(of_type(**own, extra=extra))
    return tuple(entries)


def _check(document: Mapping[str, Any], expected: _Expected, where: str) -> None:
    """Raise BadManifest for the first value of another type than expected."""
    for name, (is_right, what) in expected.items():
        if name in document and not is_right(document[name]):
            # A hostile value may be long: its beginning is enough to find it.
            found = repr(document[name])[:60]
            raise BadManifest(f"{where}{name} is {found}, and must be {what}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_yes_or_no(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """A whole number from 0; JSON's true and false are none, though Python takes them for one."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_version(value: Any) -> bool:
    return _is_number(value) and value >= 1


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _list_of(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A check of lists in which every item passes a check."""

    def is_list_of(value: Any) -> bool:
        return isinstance(value, list) and all(map(is_right, value))

    return is_list_of


def _object_of(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A check of objects in which every value passes a check."""

    def is_object_of(value: Any) -> bool:
        return isinstance(value, dict) and all(map(is_right, value.values()))

    return is_object_of


def _is_config(value: Any) -> bool:
    """Sections that commands read are objects; everything else is for people."""
    read_sections = ("fetch", "score", "publish")
    return isinstance(value, dict) and all(
        isinstance(value.get(section, {}), dict) for section in read_sections
    )


def _is_plugin(value: Any) -> bool:
    return isinstance(value, dict) and (
        isinstance(value.get("name"), str) and isinstance(value.get("settings"), dict)
    )


def _is_balance(value: Any) -> bool:
    """The fields of UnitCounts."""
    if not isinstance(value, dict):
        return False
    numbers = [value.get(name) for name in ("entered", "kept")]
    by_reason = [value.get(name) for name in ("dropped", "quarantined")]
    return all(map(_is_number, numbers)) and all(map(_object_of(_is_number), by_reason))


_TEXT = (_is_text, "text")
_YES_OR_NO = (_is_yes_or_no, "true or false")
_NUMBER = (_is_number, "a whole number from 0")
_VERSION = (_is_version, "a whole number from 1")
_PLUGINS = (_list_of(_is_plugin), "a list of objects with name and settings")

_EXPECTED: _Expected = {
    PRODUCT: _TEXT,
    "revision": _TEXT,
    "adopted": _YES_OR_NO,
    "name": _TEXT,
    "demo_model": _YES_OR_NO,
    "inputs": (_list_of(_is_text), "a list of texts"),
    "config": (_is_config, "an object whose fetch, score and publish are objects"),
    "models": (_object_of(_is_object), "an object of objects"),
    "scored_by": (_object_of(_is_number), "an object of whole numbers"),
    "detectors": _PLUGINS,
    "rules": _PLUGINS,
    "counts": (
        _object_of(_object_of(_is_balance)),
        "for each stage and unit: entered, kept, dropped, quarantined",
    ),
    "problems": (_list_of(_is_object), "a list of objects"),
    "rows": _TEXT,
    "columns": (_object_of(_is_text), "an object of texts"),
    "version": _VERSION,
    "erasures": (_is_list, "a list"),
}
_EXPECTED_OF_A_FILE: _Expected = {
    "path": _TEXT,
    "rows": _NUMBER,
    "bytes": _NUMBER,
    "sha256": _TEXT,
}
_EXPECTED_OF_AN_ERASURE: _Expected = {
    "version": _VERSION,
    "requests": _NUMBER,
    "rows": _NUMBER,
    "shards": _NUMBER,
    "keys": (_list_of(_is_text), "a list of texts"),
}

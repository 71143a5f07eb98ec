"""Build the detectors and rules that a config names, and answer questions about them.

A name in a config is one of

- a built-in plugin, from the tables below;
- an entry point of an installed package (groups `pairsieve.detectors` and `pairsieve.rules`);
- a path `package.module:Class`.

The tables hold paths and not classes: importing this module imports no plugin, and a run imports
only the plugins that its config names.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, TypeVar

from filters.detector import Detector, MissingExtra, MissingModel, Needs
from filters.rule import Rule

Settings = Mapping[str, Mapping[str, Any]]
"""Plugin name -> setting name -> value, as `filters.detectors` and `filters.rules` in a config."""

Plugin = TypeVar("Plugin")

DETECTOR_GROUP, RULE_GROUP = "pairsieve.detectors", "pairsieve.rules"


class BuiltIns(Mapping[str, type[Plugin]]):
    """The built-in plugins of one kind: name -> class.

    A look-up imports the module of that one class. `in`, `len` and iteration import nothing.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths

    def __getitem__(self, name: str) -> type[Plugin]:
        return _imported(self._paths[name])

    def __contains__(self, name: object) -> bool:
        return name in self._paths  # Mapping would import the class in order to answer

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


DETECTORS: BuiltIns[Detector] = BuiltIns(
    {
        "page_rights": "filters.rights.rights:PageRights",
        "response_rights": "filters.rights.rights:ResponseRights",
        "picture_metadata": "filters.rights.picture_metadata:PictureMetadata",
        "c2pa": "filters.rights.c2pa:ContentCredentials",
        "licence": "filters.rights.licence:Licence",
        "page_types": "filters.pages.page_types:PageTypes",
        "page_head": "filters.pages.page_head:PageHead",
        "personal_data": "filters.privacy.detector:PersonalDataInPair",
        "person_names": "filters.privacy.names:PersonNames",
        "medical_caption": "filters.medical.caption:MedicalCaption",
        "medical_page": "filters.medical.page:MedicalPage",
        "medical_picture": "filters.medical.picture:MedicalPicture",
        "radiograph": "filters.medical.looks:Radiograph",
        "halves": "filters.medical.looks:Halves",
        "burned_in_text": "filters.medical.burned_in:BurnedInText",
        "dicom": "filters.medical.dicom:DicomContent",
        "children_caption": "filters.children.caption:ChildrenCaption",
        "children_page": "filters.children.page:ChildrenPage",
        "children_urls": "filters.children.place:ChildrenUrls",
        "content_sha1": "filters.erasure:ContentSha1",
        "picture_hash": "filters.pictures.picture_hash:PictureHash",
        "faces": "filters.pictures.faces:Faces",
        "prompt_groups": "filters.pictures.prompts:PromptGroups",
        "text_in_picture": "filters.documents.detector:TextInPicture",
        "nsfw_head": "filters.heads.detectors:NsfwHead",
        "nsfw_picture": "filters.pictures.nsfw_picture:NsfwPicture",
        "watermark_head": "filters.heads.detectors:WatermarkHead",
        "aesthetic_head": "filters.heads.detectors:AestheticHead",
        "near_copies": "filters.duplicates.detectors:NearCopies",
        "benchmark_pictures": "filters.duplicates.detectors:BenchmarkPictures",
        "concepts": "filters.balance.concepts:Concepts",
        "language_pairs": "filters.balance.languages:LanguagePairs",
    }
)
RULES: BuiltIns[Rule] = BuiltIns(
    {
        "erasure": "filters.erasure:Erasure",
        "hash_lists": "filters.erasure:HashLists",
        "opt_outs": "filters.rights.opt_outs:OptOutRegistries",
        "subset": "filters.subset:Subset",
        "rights": "filters.rights.rights:Rights",
        "dicom": "filters.medical.dicom:Dicom",
        "image_size": "filters.pictures.size:ImageSize",
        "similarity": "filters.similarity:Similarity",
        "medical": "filters.medical.rule:Medical",
        "children": "filters.children.rule:Children",
        "nudity": "filters.pictures.nudity:Nudity",
        "documents": "filters.documents.rule:Documents",
        "parrot": "filters.documents.rule:Parrot",
        "personal_data": "filters.privacy.rule:PersonalData",
        "decontaminate": "filters.duplicates.rules:Decontaminate",
        "near_duplicate": "filters.duplicates.rules:NearDuplicate",
        "memorisable": "filters.duplicates.rules:Memorisable",
        "balance": "filters.balance.rule:Balance",
        "language_quota": "filters.balance.languages:LanguageQuota",
    }
)


class FilterConfigError(ValueError):
    """A config names an unknown detector or rule, or gives it settings that it does not accept.

    The message says where in the config, and names the remedy.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: "did you mean X?" where X is similar, else all known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}"


def build_detectors(settings: Settings) -> tuple[Detector, ...]:
    """Build the configured detectors, in the order of the config.

    Raises FilterConfigError when a detector is unknown, when its settings are wrong, when two
    detectors would add the same column, or when none adds a column that one reads.
    """
    detectors: list[Detector] = []
    for name, options in settings.items():
        detectors.append(_build(name, options, DETECTORS, DETECTOR_GROUP, "detector"))
    columns = [column for detector in detectors for column in detector.columns]
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise FilterConfigError(
            f"filters.detectors: {', '.join(repeated)} would be observed by two detectors; "
            "leave one out"
        )
    _check_reads(detectors, columns, "detector")
    return tuple(detectors)


def build_rules(settings: Settings, detectors: Sequence[Detector]) -> tuple[Rule, ...]:
    """Build the configured rules, in the order of the config.

    Raises FilterConfigError when a rule is unknown, when its settings are wrong, or when none of
    `detectors` adds a column that the rule reads.
    """
    rules: list[Rule] = []
    for name, options in settings.items():
        rules.append(_build(name, options, RULES, RULE_GROUP, "rule"))
    _check_reads(rules, evidence_columns(detectors), "rule")
    return tuple(rules)


def _check_reads(plugins: Sequence[Detector | Rule], observed: Iterable[str], kind: str) -> None:
    """Raise FilterConfigError where no detector observes a column that one of the plugins reads."""
    known = set(observed)
    for plugin in plugins:
        for column in getattr(plugin, "reads", ()):
            if column not in known:
                raise FilterConfigError(_missing_evidence(plugin, column, kind))


def _missing_evidence(plugin: Detector | Rule, column: str, kind: str) -> str:
    observers = [name for name, detector in DETECTORS.items() if column in detector.columns]
    remedy = "add a detector that observes it"
    if observers:
        remedy = f"add `{observers[0]}: {{}}` there"
    return (
        f"filters.{kind}s.{plugin.name} reads {column}, which no detector under filters.detectors "
        f"observes; {remedy}"
    )


def _build(
    name: str, options: Mapping[str, Any], built_ins: BuiltIns[Any], group: str, kind: str
) -> Any:
    """One plugin with its settings; `kind` is "detector" or "rule"."""
    plugin = _find(name, built_ins, group, kind)
    where = f"filters.{kind}s.{name}"
    _check_option_names(where, options, fields(plugin))
    # pydantic takes 80 ms to import; workers read this module and build nothing
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(plugin).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise FilterConfigError(f"{where}.{path}: {first['msg']}") from None


def _check_option_names(
    where: str, options: Mapping[str, Any], settings: Iterable[Field[Any]]
) -> None:
    """Raise FilterConfigError for an unknown setting, or for one that must be set and is not."""
    known = {setting.name: setting for setting in settings}
    for option in options:
        if option not in known:
            hint = nearest(option, known) if known else "it takes none"
            raise FilterConfigError(f"{where}: unknown setting {option!r}; {hint}")
    missing = [
        name for name, setting in known.items() if name not in options and not _has_default(setting)
    ]
    if missing:
        raise FilterConfigError(
            f"{where}: {', '.join(missing)} must be set; a setting that decides which samples "
            "survive has no default"
        )


def _has_default(setting: Field[Any]) -> bool:
    return setting.default is not MISSING or setting.default_factory is not MISSING


def _find(name: str, built_ins: BuiltIns[Any], group: str, kind: str) -> type[Any]:
    """The class that a name in a config means. Raises FilterConfigError when there is none."""
    if name in built_ins:
        return built_ins[name]
    if ":" in name:
        try:
            return _imported(name)
        except (ImportError, AttributeError) as error:
            raise FilterConfigError(
                f"filters.{kind}s: {name!r} cannot be imported ({error}); install its package or "
                "correct the path"
            ) from None
    points = {point.name: point for point in entry_points(group=group)}
    if name in points:
        plugin: type[Any] = points[name].load()
        return plugin
    hint = nearest(name, [*built_ins, *points])
    raise FilterConfigError(f"filters.{kind}s: unknown {kind} {name!r}; {hint}")


def _imported(path: str) -> type[Any]:
    """The class at `package.module:Class`. Raises ImportError or AttributeError."""
    module, _, class_name = path.partition(":")
    plugin: type[Any] = getattr(import_module(module), class_name)
    return plugin


def needing(detectors: Sequence[Detector], *needs: Needs) -> tuple[Detector, ...]:
    """Those of the detectors whose `needs` is one of the given ones."""
    return tuple(detector for detector in detectors if detector.needs in needs)


def evidence_columns(detectors: Sequence[Detector]) -> dict[str, Any]:
    """Every evidence column of these detectors, with its Arrow type."""
    columns: dict[str, Any] = {}
    for detector in detectors:
        columns.update(detector.columns)
    return columns


def subsets_of(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The names of all subsets to which these rules move samples, sorted."""
    subsets: set[str] = set()
    for rule in rules:
        subsets.update(getattr(rule, "subsets", ()))
    return tuple(sorted(subsets))


def identity(plugin: Detector | Rule) -> dict[str, Any]:
    """Everything that a plugin's results depend on: its name, version and settings.

    Settings that name files are replaced by digests of the files' content, so that moving a file
    changes nothing. The fingerprint of a stage is made from identities.
    """
    # imported here because reading heads needs numpy and the storage layer
    from filters.heads.network import file_digest, head_digest

    settings = {f.name: getattr(plugin, f.name) for f in fields(plugin)}  # type: ignore[arg-type]
    if settings.get("weights"):
        settings["weights"] = f"sha256:{file_digest(settings['weights'])}"
    if hasattr(plugin, "prepare"):
        settings = {"content": plugin.prepare()}
    elif "heads" in settings:
        heads: Mapping[str, str] = settings["heads"]
        settings["heads"] = {model: f"sha256:{head_digest(path)}" for model, path in heads.items()}
    return {"name": plugin.name, "version": plugin.version, "settings": settings}


def digest_of(plugin: Detector | Rule) -> str:
    """16 hex digits over the identity of a plugin."""
    canonical = json.dumps(identity(plugin), sort_keys=True, default=list)
    return sha256(canonical.encode()).hexdigest()[:16]


def check_files(detectors: Sequence[Detector], rules: Sequence[Rule]) -> None:
    """Raise FilterConfigError when the files of a detector or rule cannot be read.

    These are files that the fingerprint of a stage covers. Models are read by `check_models`.
    """
    for kind, plugins in (("detectors", detectors), ("rules", rules)):
        for plugin in plugins:
            if not hasattr(plugin, "prepare"):
                continue
            try:
                plugin.prepare()
            except MissingModel as error:
                raise FilterConfigError(f"filters.{kind}.{plugin.name}: {error}") from None


def check_models(detectors: Sequence[Detector], models: Iterable[str]) -> None:
    """Load every detector once, so that a missing model stops the run before it starts.

    `models` are the identities of the CLIP models that the run uses. Raises FilterConfigError when
    a detector cannot be loaded, or has heads but none for one of these models. One message names
    all extras that are not installed.
    """
    models = tuple(models)
    missing_extras: dict[str, str] = {}
    for detector in detectors:
        _check_heads(detector, models)
        try:
            detector.load()
        except MissingExtra as error:
            missing_extras[detector.name] = error.extra
        except MissingModel as error:
            raise FilterConfigError(f"filters.detectors.{detector.name}: {error}") from None
    if missing_extras:
        names = ", ".join(f"filters.detectors.{name}" for name in missing_extras)
        extras = ",".join(sorted(set(missing_extras.values())))
        raise FilterConfigError(
            f"{names}: the packages that these need are not installed; install them with: "
            f"pip install 'pairsieve[{extras}]' (or set the detectors to null in the config)"
        )


def _check_heads(detector: Detector, models: Iterable[str]) -> None:
    heads: Mapping[str, str] | None = getattr(detector, "heads", None)
    if heads is None:
        return
    for model in models:
        if model not in heads:
            existing = ", ".join(sorted(heads)) or "none"
            raise FilterConfigError(
                f"filters.detectors.{detector.name} has no head for the model {model}; add "
                f"`{model}: FILE` to its heads (it has {existing}; the head of another model "
                "gives wrong scores)"
            )

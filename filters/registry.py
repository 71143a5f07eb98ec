"""Names to detectors and rules: built-in ones from a table, others by entry point or dotted
path.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pydantic import TypeAdapter, ValidationError

from filters.detector import Detector, MissingModel, Needs
from filters.erasure import ContentSha1, Erasure, HashLists
from filters.heads.detectors import AestheticHead, NsfwHead
from filters.heads.network import head_digest
from filters.medical.burned_in import BurnedInText
from filters.medical.caption import MedicalCaption
from filters.medical.dicom import Dicom, DicomContent
from filters.medical.looks import Halves, Radiograph
from filters.medical.page import MedicalPage
from filters.medical.picture import MedicalPicture
from filters.medical.rule import Medical
from filters.pages.page_head import PageHead
from filters.pages.page_types import PageTypes
from filters.pictures.faces import Faces
from filters.pictures.nsfw_picture import NsfwPicture
from filters.pictures.nudity import Nudity
from filters.pictures.picture_hash import PictureHash
from filters.pictures.prompts import PromptGroups
from filters.pictures.size import ImageSize
from filters.privacy.detector import PersonalDataInPair
from filters.privacy.names import PersonNames
from filters.privacy.rule import PersonalData
from filters.rights.c2pa import ContentCredentials
from filters.rights.licence import Licence
from filters.rights.opt_outs import OptOutRegistries
from filters.rights.picture_metadata import PictureMetadata
from filters.rights.rights import PageRights, ResponseRights, Rights
from filters.rule import Rule
from filters.similarity import Similarity
from filters.subset import Subset

_DETECTORS = (
    PageRights, ResponseRights, PictureMetadata, ContentCredentials, Licence, PageTypes, PageHead,
    PersonalDataInPair, PersonNames,
    MedicalCaption, MedicalPage, MedicalPicture, Radiograph, Halves, BurnedInText, DicomContent,
    ContentSha1, PictureHash, Faces,
    PromptGroups, NsfwHead, NsfwPicture, AestheticHead,
)  # fmt: skip
DETECTORS: Mapping[str, type[Detector]] = {kind.name: kind for kind in _DETECTORS}
_RULES = (
    Erasure,
    HashLists,
    OptOutRegistries,
    Subset,
    Rights,
    Dicom,
    ImageSize,
    Similarity,
    Medical,
    Nudity,
    PersonalData,
)
RULES: Mapping[str, type[Rule]] = {kind.name: kind for kind in _RULES}
DETECTOR_GROUP, RULE_GROUP = "pairsieve.detectors", "pairsieve.rules"

Settings = Mapping[str, Mapping[str, Any]]


class FilterConfigError(ValueError):
    """A detector or rule that is not there, or settings it does not take; the message names the
    remedy.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """ "did you mean X?" where a known name is near, else the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def build_detectors(settings: Settings) -> tuple[Detector, ...]:
    """The configured detectors, in the order of the config. Raises FilterConfigError."""
    built = tuple(
        _build(name, options, DETECTORS, DETECTOR_GROUP, "detector")
        for name, options in settings.items()
    )
    columns = [column for detector in built for column in detector.columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise FilterConfigError(
            f"filters.detectors: {', '.join(twice)} would be observed by two detectors; leave one "
            "out"
        )
    return built


def build_rules(settings: Settings, detectors: Sequence[Detector]) -> tuple[Rule, ...]:
    """The configured rules, in the order of the config.

    Raises FilterConfigError where evidence would be missing.
    """
    rules = tuple(
        _build(name, options, RULES, RULE_GROUP, "rule") for name, options in settings.items()
    )
    observed = {column for detector in detectors for column in detector.columns}
    for rule in rules:
        for column in rule.reads:
            if column not in observed:
                raise FilterConfigError(_missing_evidence(rule, column))
    return rules


def _missing_evidence(rule: Rule, column: str) -> str:
    observers = [name for name, kind in DETECTORS.items() if column in kind.columns]
    remedy = f"add `{observers[0]}: {{}}` there" if observers else "add a detector that observes it"
    return (
        f"filters.rules.{rule.name} reads {column}, which no detector under filters.detectors "
        f"observes; {remedy}"
    )


def _build(
    name: str, options: Mapping[str, Any], table: Mapping[str, type], group: str, what: str
) -> Any:
    kind = _find(name, table, group, what)
    known = {f.name: f for f in fields(kind)}
    for option in options:
        if option not in known:
            raise FilterConfigError(
                f"filters.{what}s.{name}: unknown setting {option!r}; "
                f"{nearest(option, known) if known else 'it takes none'}"
            )
    missing = [
        n
        for n, f in known.items()
        if n not in options and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise FilterConfigError(
            f"filters.{what}s.{name}: {', '.join(missing)} must be set; what decides what "
            "survives has no hidden default"
        )
    try:
        return TypeAdapter(kind).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise FilterConfigError(f"filters.{what}s.{name}.{place}: {first['msg']}") from None


def _find(name: str, table: Mapping[str, type], group: str, what: str) -> type:
    if name in table:
        return table[name]
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found: type = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise FilterConfigError(
                f"filters.{what}s: {name!r} cannot be imported ({error}); install its package or "
                "mend the path"
            ) from None
        return found
    plugins = {point.name: point for point in entry_points(group=group)}
    if name in plugins:
        loaded: type = plugins[name].load()
        return loaded
    raise FilterConfigError(
        f"filters.{what}s: unknown {what} {name!r}; {nearest(name, [*table, *plugins])}"
    )


def needing(detectors: Sequence[Detector], *needs: Needs) -> tuple[Detector, ...]:
    """The detectors that need one of these."""
    return tuple(detector for detector in detectors if detector.needs in needs)


def evidence_columns(detectors: Sequence[Detector]) -> dict[str, Any]:
    """Every evidence column of these detectors with its Arrow type."""
    return {name: kind for detector in detectors for name, kind in detector.columns.items()}


def subsets_of(rules: Sequence[Rule]) -> tuple[str, ...]:
    """The subsets that rules move samples to."""
    return tuple(sorted({subset for rule in rules for subset in getattr(rule, "subsets", ())}))


def identity(plugin: Detector | Rule) -> dict[str, Any]:
    """What makes a detector's evidence or a rule's decisions what they are: name, version,
    settings; of model files their sha256.
    """
    settings = {f.name: getattr(plugin, f.name) for f in fields(plugin)}  # type: ignore[arg-type]
    if settings.get("weights"):
        settings["weights"] = f"sha256:{head_digest(settings['weights'])}"
    if hasattr(plugin, "prepare"):
        return {
            "name": plugin.name,
            "version": plugin.version,
            "settings": {"content": plugin.prepare()},
        }
    if "heads" in settings:
        settings["heads"] = {
            model: f"sha256:{head_digest(path)}" for model, path in settings["heads"].items()
        }
    return {"name": plugin.name, "version": plugin.version, "settings": settings}


def check_files(rules: Sequence[Rule]) -> None:
    """Raise FilterConfigError where a rule's files cannot be read."""
    for rule in rules:
        if hasattr(rule, "prepare"):
            try:
                rule.prepare()
            except MissingModel as error:
                raise FilterConfigError(f"filters.rules.{rule.name}: {error}") from None


def check_models(detectors: Sequence[Detector], models: Iterable[str]) -> None:
    """Raise FilterConfigError where a detector cannot be loaded, or has heads and lacks that of one
    of these models.
    """
    for detector in detectors:
        heads: Mapping[str, str] | None = getattr(detector, "heads", None)
        for model in () if heads is None else models:
            assert heads is not None
            if model not in heads:
                raise FilterConfigError(
                    f"filters.detectors.{detector.name} has no head for the model {model}; add "
                    f"`{model}: FILE` to its heads "
                    f"(it has {', '.join(sorted(heads)) or 'none'}; a head of another model tells "
                    "nothing)"
                )
        try:
            detector.load()
        except MissingModel as error:
            raise FilterConfigError(f"filters.detectors.{detector.name}: {error}") from None

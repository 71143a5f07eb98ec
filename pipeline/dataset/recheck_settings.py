"""How a recheck asks: with the limits and the consent of the run that made the dataset.

They come from the dataset's config, or from the public settings in its manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from filters.detector import Detector, MissingExtra, MissingModel, Needs
from filters.registry import DETECTORS, FilterConfigError, build_detectors, build_rules, needing
from filters.rights.rights import Rights
from pairsieve.images.decode import FORMATS, DecodeSettings
from pairsieve.records.manifest import Manifest
from pairsieve.web.client_settings import ClientSettings
from pipeline.config import Config, ExtractConfig, FetchConfig
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.orchestrate.config_file import ConfigError
from transforms.fetch.open_part import Consent, load_gate

RIGHTS = "rights"
RESPECT: Mapping[str, Any] = {"profile": "respect"}
SIGNALS_SUFFIX = "_rights_signals"
# What the rule reads must be observed by somebody; these need no settings.
ALWAYS = ("page_rights", "response_rights", "picture_metadata")
DECODE = DecodeSettings(FORMATS, max_pixels=89_478_484, max_aspect_ratio=200)
"""As Pillow warns of bombs; used where the dataset's own limits are not known."""


@dataclass(frozen=True)
class Asking:
    """How links are asked, and which refusals count.

    `buckets` are those of hosts, and `part_rows` the links of a part. The files of sites are read
    again after `robots_max_age_s`.
    """

    client: ClientSettings
    consent: Consent
    rights: Rights
    decode: DecodeSettings
    buckets: int
    part_rows: int
    robots_max_age_s: float


def asking_of(manifest: Manifest, config: Config | None) -> Asking:
    """How the links of a dataset are asked; without `config` as its manifest says.

    Raises ConfigError, and NoSuchDataset where the manifest does not say enough.
    """
    rights, consent = rights_of(manifest, config)
    fetch = config.fetch if config else _fetch_in(manifest)
    if not fetch.contact:
        raise NoSuchDataset(
            "nothing says to whom a publisher can turn, so no request is made: give the --config "
            "of the dataset with fetch.contact set (--set fetch.contact=https://...)"
        )
    if config:
        decode = config.score.decode
        buckets = config.extract.buckets
        part_rows = config.extract.part_rows
    else:
        decode = _decode_in(manifest)
        buckets = _number(manifest, "buckets")
        part_rows = _number(manifest, "part_rows")
    return Asking(
        client=fetch.client(),
        consent=consent,
        rights=rights,
        decode=decode,
        buckets=buckets,
        part_rows=part_rows,
        robots_max_age_s=fetch.robots_max_age_h * 3600,
    )


def rights_of(manifest: Manifest, config: Config | None) -> tuple[Rights, Consent]:
    """The dataset's rule on rights, and the detectors that hear a publisher's no.

    Raises ConfigError.
    """
    if config:
        detectors = dict(config.filters.detectors)
        settings = config.filters.rules.get(RIGHTS, RESPECT)
    else:
        # Detectors of plugins are built from a config alone: a manifest comes from strangers.
        listed = [each for each in manifest.detectors if each["name"] in DETECTORS]
        detectors = {each["name"]: each["settings"] for each in listed}
        rules = {each["name"]: each["settings"] for each in manifest.rules}
        settings = rules.get(RIGHTS, RESPECT)
    chosen = {name: options for name, options in detectors.items() if _hears(name)}
    for name in ALWAYS:
        chosen.setdefault(name, {})
    try:
        built = [each for each in build_detectors(chosen) if _adds_signals(each)]
        (rights,) = build_rules({RIGHTS: settings}, built)
        assert isinstance(rights, Rights)
        consent = Consent(
            rules=(rights,),
            pair_detectors=(),
            response_detectors=needing(built, Needs.RESPONSE),
            content_detectors=needing(built, Needs.CONTENT),
        )
        # Here, and not first on a worker: an extra may be missing.
        load_gate(consent)
    except (FilterConfigError, MissingExtra, MissingModel) as error:
        raise ConfigError(str(error)) from None
    return rights, consent


def _hears(name: str) -> bool:
    """Whether a detector may find a publisher's no; those of plugins are looked at when built."""
    return name not in DETECTORS or _adds_signals(DETECTORS[name])


def _adds_signals(detector: Detector | type[Detector]) -> bool:
    return any(column.endswith(SIGNALS_SUFFIX) for column in detector.columns)


def _fetch_in(manifest: Manifest) -> FetchConfig:
    """The public settings of the fetch in a manifest. Raises NoSuchDataset."""
    given = manifest.config.get("fetch", {})
    known = {each.name for each in fields(FetchConfig)}
    values = {name: value for name, value in given.items() if name in known}
    values.setdefault("source", "web")
    # Of a dataset that others made nothing is known, and the body of a picture must have a limit.
    values.setdefault("max_bytes", 20_000_000)
    try:
        return TypeAdapter(FetchConfig).validate_python(values)
    except ValidationError:
        raise NoSuchDataset(
            "the settings of the fetch in the manifest cannot be used; give the --config of the "
            "dataset"
        ) from None


def _decode_in(manifest: Manifest) -> DecodeSettings:
    values = manifest.setting("score", "decode", None)
    try:
        return TypeAdapter(DecodeSettings).validate_python(values)
    except ValidationError:
        return DECODE


def _number(manifest: Manifest, name: str) -> int:
    """A setting of extract that is a number from 1, or its default."""
    default: int = getattr(ExtractConfig, name)
    value = manifest.setting("extract", name, default)
    return value if isinstance(value, int) and value >= 1 else default

"""Turns a config into a plan: inputs found, plugins built, models identified.

Errors in the config are found here, before anything starts.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from random import Random

import pyarrow as pa

from filters.detector import Detector, MissingModel, Needs, is_costly
from filters.duplicates.detectors import BenchmarkPictures, NearCopies
from filters.registry import (
    FilterConfigError,
    build_detectors,
    build_rules,
    check_files,
    check_models,
    evidence_columns,
    needing,
)
from filters.rule import Rule
from filters.similarity import Similarity
from pairsieve.clip.model import identify
from pairsieve.clip.settings import ModelError, ModelIdentity
from pairsieve.links.columns import MissingColumns, find_columns
from pairsieve.links.tables import column_names
from pairsieve.storage import files
from pairsieve.storage.settled import Looking
from pairsieve.warc.source import ArchiveSettings
from pairsieve.web.language import LanguageConfigError, find_detector
from pipeline.config import Config, InputConfig
from pipeline.orchestrate.config_file import ConfigError
from transforms.fetch.open_part import Consent
from transforms.score.settings import ScoreSettings

BEFORE_COSTLY = (Needs.PAGE, Needs.RESPONSE, Needs.CONTENT, Needs.IMAGE, Needs.EMBEDDING)
"""What is observed of a pair before costly detectors look at its picture."""


@dataclass(frozen=True)
class Plan:
    """A config with its input files, plugins and models.

    `known` are the files of earlier datasets, whose pairs are not taken again.
    """

    config: Config
    inputs: tuple[str, ...]
    detectors: tuple[Detector, ...]
    rules: tuple[Rule, ...]
    models: Mapping[str, ModelIdentity]
    known: tuple[str, ...] = ()

    @property
    def published_from(self) -> float:
        """The lowest similarity at which a pair may be published."""
        thresholds: list[float] = []
        for rule in self.rules:
            if isinstance(rule, Similarity):
                thresholds += rule.thresholds.values()
        # Without a threshold every similarity may be published; -1 is the lowest there is.
        return min(thresholds, default=-1.0)

    @property
    def detect_from(self) -> float:
        """The lowest similarity at which picture detectors run; infinite if there are none."""
        if not needing(self.detectors, Needs.IMAGE):
            return inf
        return self.published_from - self.config.score.detect_margin

    @property
    def costly_from(self) -> float:
        """The lowest similarity at which costly picture detectors run; infinite without any."""
        if not any(map(is_costly, self.detectors)):
            return inf
        return self.published_from

    @property
    def sparing(self) -> tuple[Rule, ...]:
        """The rules that spare costly detectors the pairs that they drop.

        They can be asked while pairs are scored: they read what is known by then. Rules that read
        files are left out, so that workers hold no lists. `similarity` is known by its number.
        """
        if not any(map(is_costly, self.detectors)):
            return ()
        early = needing(self.detectors, *BEFORE_COSTLY)
        known = evidence_columns([d for d in early if not is_costly(d)])
        return tuple(
            rule
            for rule in self.rules
            if known.keys() >= set(rule.reads)
            and not isinstance(rule, Similarity)
            and not hasattr(rule, "prepare")
        )

    @property
    def comparing(self) -> tuple[Detector, ...]:
        """The detectors that need all samples; without any there is nothing to compare."""
        return needing(self.detectors, Needs.SAMPLES)

    @property
    def rules_before_comparing(self) -> tuple[Rule, ...]:
        """The rules that read nothing of what the comparison finds."""
        found = evidence_columns(self.comparing).keys()
        return tuple(rule for rule in self.rules if found.isdisjoint(rule.reads))

    @property
    def consent(self) -> Consent:
        """The rules that can save a request, with the detectors that run during the fetch."""
        rules = tuple(rule for rule in self.rules if rule.saves_request)
        # Of the detectors of pairs only those that these rules read; all others run in publish.
        columns_read: set[str] = set()
        for rule in rules:
            columns_read.update(rule.reads)
        pair_detectors = [
            detector
            for detector in needing(self.detectors, Needs.PAIR)
            if not columns_read.isdisjoint(detector.columns)
        ]
        return Consent(
            rules=rules,
            pair_detectors=tuple(pair_detectors),
            response_detectors=needing(self.detectors, Needs.RESPONSE),
            content_detectors=needing(self.detectors, Needs.CONTENT),
        )


@dataclass(frozen=True)
class LookedUp:
    """The plugins and models that a config names."""

    detectors: tuple[Detector, ...]
    rules: tuple[Rule, ...]
    models: Mapping[str, ModelIdentity]


def look_up(config: Config, check: bool = True) -> LookedUp:
    """Build the plugins of a config and identify its models.

    With `check` every detector is loaded once, which takes a second or more. Raises ConfigError
    that names what is missing and what to do.
    """
    try:
        detectors = build_detectors(config.filters.detectors)
        rules = build_rules(config.filters.rules, detectors)
        models = identify_models(config)
        check_files(detectors, rules)
        find_detector(config.extract.language.detector)
    except (FilterConfigError, ModelError, LanguageConfigError) as error:
        raise ConfigError(str(error)) from None
    looked_up = LookedUp(detectors, rules, models)
    if check:
        check_ready(looked_up)
    return looked_up


def identify_models(config: Config) -> dict[str, ModelIdentity]:
    """The identity of each model that a config uses, by its name there. Raises ModelError."""
    used = sorted(set(config.score.routes.values()))
    return {name: identify(config.score.models[name]) for name in used}


def check_ready(plugins: LookedUp | Plan) -> None:
    """Load every detector once, so that a missing model stops the run before it starts.

    Raises ConfigError.
    """
    try:
        check_models(plugins.detectors, [str(model) for model in plugins.models.values()])
    except FilterConfigError as error:
        raise ConfigError(str(error)) from None


def score_settings(
    config: Config,
    models: Mapping[str, ModelIdentity],
    archive: ArchiveSettings,
    looking: Looking,
    sparing: tuple[Rule, ...] = (),
) -> ScoreSettings:
    """The settings of the score step.

    `looking` says at which pairs picture detectors look, and `sparing` are the rules that it names.
    """
    score = config.score
    return ScoreSettings(
        models={name: score.models[name] for name in models},
        identities=models,
        routes=score.routes,
        encoder=score.encoder,
        decode_processes=score.decode_processes,
        decode=score.decode,
        looking=looking,
        detect_timeout_s=score.detect_timeout_s,
        keep_embeddings=score.keep_embeddings,
        archive=archive,
        sparing=sparing,
    )


def make_plan(config: Config, check: bool = True) -> Plan:
    """Make the plan of a config. Raises ConfigError that names what is missing and what to do.

    Without `check` detectors are not loaded (`check_ready` does that).
    """
    looked_up = look_up(config, check)
    _check_vectors(config, looked_up)
    known = find_known(config)
    inputs = find_inputs(config.input)
    if config.input.kind == "pairs":
        # The first table alone: opening every file of a large set would take long.
        _check_columns(inputs[0], config.input)
    return Plan(
        config=config,
        inputs=inputs,
        detectors=looked_up.detectors,
        rules=looked_up.rules,
        models=looked_up.models,
        known=known,
    )


def _check_vectors(config: Config, plugins: LookedUp) -> None:
    """Raise ConfigError where vectors are to be compared and are not kept, or are of two models."""
    for detector in plugins.detectors:
        if not isinstance(detector, NearCopies | BenchmarkPictures) or detector.cosine is None:
            continue
        if not config.score.keep_embeddings:
            raise ConfigError(
                f"filters.detectors.{detector.name}.cosine: the vectors are not kept; set "
                "score.keep_embeddings to true"
            )
        if isinstance(detector, BenchmarkPictures):
            try:
                detector.check_models(map(str, plugins.models.values()))
            except MissingModel as error:
                raise ConfigError(f"filters.detectors.{detector.name}: {error}") from None


def _check_columns(path: str, config: InputConfig) -> None:
    """Raise ConfigError when the first table of links lacks a column that it must have."""
    try:
        find_columns(column_names(path, config.options), config.columns)
    except MissingColumns as error:
        raise ConfigError(f"{path}: {error}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(
            f"{path} is no parquet file that can be read ({type(error).__name__}); input.kind is "
            "pairs"
        ) from None


def find_known(config: Config) -> tuple[str, ...]:
    """The files of earlier datasets. Raises ConfigError for a pattern that matches nothing."""
    known: list[str] = []
    for pattern in config.extract.known:
        known += _matches(pattern, files.NO_OPTIONS)
    return tuple(known)


def find_inputs(config: InputConfig) -> tuple[str, ...]:
    """Every input file once, sorted. Raises ConfigError for a pattern that matches nothing."""
    if not (config.files or config.listings):
        raise ConfigError(
            "no input: give --input PATTERN or set input.files or input.listings in the config"
        )
    distinct: set[str] = set()
    for listing in config.listings:
        distinct.update(config.base + line for line in _lines(listing, config.options))
    for pattern in config.files:
        distinct.update(_matches(pattern, config.options))
    paths = sorted(distinct)
    if config.sample is not None:
        if config.sample > len(paths):
            raise ConfigError(
                f"input.sample is {config.sample}, but there are only {len(paths)} files"
            )
        # From sorted paths and a seed, so that every run draws the same files.
        paths = sorted(Random(config.seed).sample(paths, config.sample))  # noqa: S311 - seeded
    # After the sample, as `InputConfig` says.
    return tuple(paths[: config.limit])


def _matches(pattern: str, options: files.Options) -> list[str]:
    """The files that match a pattern. Raises ConfigError when there are none."""
    matched = files.expand(pattern, options)
    if not matched:
        raise ConfigError(
            f"no file matches {pattern}; check the path (patterns may hold *, ? and [])"
        )
    return matched


def _lines(listing: str, options: files.Options) -> list[str]:
    """The lines of a listing that are not empty. Raises ConfigError when it cannot be read."""
    try:
        lines = [line.strip() for line in files.read_text(listing, options).splitlines()]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ConfigError(
            f"cannot read the listing {listing} ({type(error).__name__}); give a text file with "
            "one WARC path a line"
        ) from None
    return [line for line in lines if line]

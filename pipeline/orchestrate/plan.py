"""A config with everything looked up: what can be found wrong is found before anything starts."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from random import Random

import pyarrow as pa

from filters.detector import Detector, Needs
from filters.registry import (
    FilterConfigError,
    build_detectors,
    build_rules,
    check_files,
    check_models,
    needing,
)
from filters.rule import Rule
from filters.similarity import Similarity
from pairsieve.clip.model import identify
from pairsieve.clip.settings import ModelError, ModelIdentity
from pairsieve.links.columns import MissingColumns, find_columns
from pairsieve.links.tables import column_names
from pairsieve.storage import files
from pairsieve.warc.source import ArchiveSettings
from pairsieve.web.language import LanguageConfigError, find_detector
from pipeline.config import Config, InputConfig
from pipeline.orchestrate.config_file import ConfigError
from transforms.fetch.open_part import Consent
from transforms.score.settings import ScoreSettings


@dataclass(frozen=True)
class Plan:
    """Files found, plugins built, models identified; nothing has been started."""

    config: Config
    inputs: tuple[str, ...]
    detectors: tuple[Detector, ...]
    rules: tuple[Rule, ...]
    models: Mapping[str, ModelIdentity]
    known: tuple[str, ...] = ()

    @property
    def published_from(self) -> float:
        """The lowest similarity at which a pair may be published."""
        return min(
            (
                least
                for rule in self.rules
                if isinstance(rule, Similarity)
                for least in rule.thresholds.values()
            ),
            default=-1.0,
        )

    @property
    def detect_from(self) -> float:
        """The similarity from which picture detectors run; infinite where there are none."""
        return (
            self.published_from - self.config.score.detect_margin
            if needing(self.detectors, Needs.IMAGE)
            else inf
        )

    @property
    def consent(self) -> Consent:
        """The rules that can save a request, with the detectors that those read."""
        rules = tuple(rule for rule in self.rules if rule.saves_request)
        read = {column for rule in rules for column in rule.reads}
        pair = tuple(d for d in needing(self.detectors, Needs.PAIR) if read & set(d.columns))
        return Consent(
            rules,
            pair,
            needing(self.detectors, Needs.RESPONSE),
            needing(self.detectors, Needs.CONTENT),
        )


@dataclass(frozen=True)
class LookedUp:
    """What a config names: plugins built, models identified."""

    detectors: tuple[Detector, ...]
    rules: tuple[Rule, ...]
    models: Mapping[str, ModelIdentity]


def look_up(config: Config, check: bool = True) -> LookedUp:
    """Plugins and models of a config. Raises ConfigError naming what is missing and what to do.

    With `check` every detector is loaded once, which takes a second or more.
    """
    try:
        detectors = build_detectors(config.filters.detectors)
        rules = build_rules(config.filters.rules, detectors)
        used = sorted(set(config.score.routes.values()))
        models = {name: identify(config.score.models[name]) for name in used}
    except (FilterConfigError, ModelError) as error:
        raise ConfigError(str(error)) from None
    found = LookedUp(detectors, rules, models)
    if check:
        check_ready(config, found)
    return found


def check_ready(config: Config, found: LookedUp | Plan) -> None:
    """Check that everything can be loaded: models of detectors, files of rules, language detectors.

    Raises ConfigError.
    """
    try:
        check_models(found.detectors, [str(model) for model in found.models.values()])
        check_files(found.rules)
        find_detector(config.extract.language.detector)
    except (FilterConfigError, LanguageConfigError) as error:
        raise ConfigError(str(error)) from None


def score_settings(
    config: Config,
    models: Mapping[str, ModelIdentity],
    archive: ArchiveSettings,
    detect_from: float,
) -> ScoreSettings:
    """How pictures are scored; picture detectors run from the similarity `detect_from` on."""
    score = config.score
    return ScoreSettings(
        models={name: score.models[name] for name in models},
        identities=models,
        routes=score.routes,
        encoder=score.encoder,
        threads=score.threads,
        decode_processes=score.decode_processes,
        decode=score.decode,
        detect_from=detect_from,
        detect_timeout_s=score.detect_timeout_s,
        keep_embeddings=score.keep_embeddings,
        archive=archive,
    )


def make_plan(config: Config, check: bool = True) -> Plan:
    """Look everything up. Raises ConfigError naming what is missing and what to do.

    Without `check` detectors are not loaded (`check_ready` does that).
    """
    found = look_up(config, check)
    known: list[str] = []
    for pattern in config.extract.known:
        known += _matches(pattern, {})
    inputs = find_inputs(config.input)
    if config.input.kind == "pairs":
        _check_columns(inputs[0], config.input)
    return Plan(config, inputs, found.detectors, found.rules, found.models, tuple(known))


def _check_columns(path: str, config: InputConfig) -> None:
    """Whether the first table of links has the columns that it must have."""
    try:
        find_columns(column_names(path, config.options), config.columns)
    except MissingColumns as error:
        raise ConfigError(f"{path}: {error}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(
            f"{path} is no parquet file that can be read ({type(error).__name__}); input.kind is "
            "pairs"
        ) from None


def find_inputs(config: InputConfig) -> tuple[str, ...]:
    """Every input file once, sorted. Raises ConfigError for a pattern that matches nothing."""
    if not (config.files or config.listings):
        raise ConfigError(
            "no input: give --input PATTERN or set input.files or input.listings in the config"
        )
    listed = (
        config.base + line
        for listing in config.listings
        for line in _lines(listing, config.options)
    )
    found = sorted(
        {*listed, *(path for pattern in config.files for path in _matches(pattern, config.options))}
    )
    if config.sample is not None:
        if config.sample > len(found):
            raise ConfigError(
                f"input.sample is {config.sample}, but there are only {len(found)} files"
            )
        found = sorted(Random(config.seed).sample(found, config.sample))  # noqa: S311 - seeded on purpose
    return tuple(found[: config.limit])


def _matches(pattern: str, options: files.Options) -> list[str]:
    matched = files.expand(pattern, options)
    if not matched:
        raise ConfigError(
            f"no file matches {pattern}; check the path (patterns may hold *, ? and [])"
        )
    return matched


def _lines(listing: str, options: files.Options) -> list[str]:
    try:
        lines = [line.strip() for line in files.read_text(listing, options).splitlines()]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ConfigError(
            f"cannot read the listing {listing} ({type(error).__name__}); give a text file with "
            "one WARC path a line"
        ) from None
    return [line for line in lines if line]

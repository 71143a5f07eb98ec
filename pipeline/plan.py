"""A config with everything looked up: what can be found wrong is found before anything starts."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from clip.model import ModelError, ModelIdentity, identify
from filters.detector import Detector, Needs
from filters.registry import FilterConfigError, build_detectors, build_rules, needing
from filters.rule import Rule
from pipeline.config import Config, ConfigError, InputConfig
from storage import files
from transforms.fetch import Consent


@dataclass(frozen=True)
class Plan:
    """Files found, plugins built, models identified; nothing has been started."""

    config: Config
    inputs: tuple[str, ...]
    detectors: tuple[Detector, ...]
    rules: tuple[Rule, ...]
    models: Mapping[str, ModelIdentity]

    @property
    def consent(self) -> Consent:
        """The rules that can save a request, with the detectors that those read."""
        rules = tuple(rule for rule in self.rules if rule.saves_request)
        read = {column for rule in rules for column in rule.reads}
        pair = tuple(d for d in needing(self.detectors, Needs.PAIR) if read & set(d.columns))
        return Consent(rules, pair, needing(self.detectors, Needs.RESPONSE))


def make_plan(config: Config) -> Plan:
    """Look everything up. Raises ConfigError naming what is missing and what to do."""
    try:
        detectors = build_detectors(config.filters.detectors)
        rules = build_rules(config.filters.rules, detectors)
        used = sorted(set(config.score.routes.values()))
        models = {name: identify(config.score.models[name]) for name in used}
    except (FilterConfigError, ModelError) as error:
        raise ConfigError(str(error)) from None
    return Plan(config, find_inputs(config.input), detectors, rules, models)


def find_inputs(config: InputConfig) -> tuple[str, ...]:
    """Every input file once, sorted. Raises ConfigError for a pattern that matches nothing."""
    if not (config.files or config.listings):
        raise ConfigError("no input: give --input PATTERN or set input.files or input.listings in the config")
    listed = (config.base + line for listing in config.listings for line in _lines(listing))
    found = sorted({*listed, *(path for pattern in config.files for path in _matches(pattern))})
    if config.sample is not None:
        if config.sample > len(found):
            raise ConfigError(f"input.sample is {config.sample}, but there are only {len(found)} files")
        found = sorted(Random(config.seed).sample(found, config.sample))  # noqa: S311 - seeded on purpose
    return tuple(found[: config.limit])


def _matches(pattern: str) -> list[str]:
    matched = files.expand(pattern)
    if not matched:
        raise ConfigError(f"no file matches {pattern}; check the path (patterns may hold *, ? and [])")
    return matched


def _lines(listing: str) -> list[str]:
    try:
        lines = [line.strip() for line in files.read_text(listing).splitlines()]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ConfigError(
            f"cannot read the listing {listing} ({type(error).__name__}); give a text file with one WARC path a line"
        ) from None
    return [line for line in lines if line]

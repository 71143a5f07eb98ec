"""Reads the config of a run: one YAML file becomes one frozen, validated object.

Unknown settings and missing values are errors, before anything starts.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from filters.registry import DETECTORS, RULES, nearest
from pairsieve.images.decode import problem_of_formats
from pairsieve.web.language import BUILT_IN_LANGUAGES, SUBSETS
from pairsieve.web.places import NotAPlace, read_host
from pairsieve.web.urls import UrlSettings
from pipeline.config import Config
from pipeline.orchestrate.config_file import ConfigError, merged, read_config_file


def load_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
    plugins: bool = True,
) -> Config:
    """Read a config. Raises ConfigError.

    `overrides` like "a.b=value" change the settings of the file; the mapping `given` is merged
    last. `{here}` in a file is the file's own folder; every other relative path starts at the
    working directory. Without `plugins` a config that names plugins is refused, and none of their
    modules is imported.
    """
    settings = read_config_file(Path(path))
    for override in overrides:
        _set(settings, override)
    settings = merged(settings, given or {})
    _check_keys(settings, Config, "")
    try:
        config = TypeAdapter(Config).validate_python(settings)
    except ValidationError as error:
        raise ConfigError(_first_error(error, str(path))) from None
    _check_sense(config)
    if not plugins:
        _refuse_plugins(config)
    extract = replace(config.extract, url=_with_read_hosts(config))
    return replace(config, extract=extract)


def _with_read_hosts(config: Config) -> UrlSettings:
    """The hosts to drop as URLs have them. Raises ConfigError for one that cannot be read."""
    url = config.extract.url
    return replace(
        url,
        drop_hosts=_read_hosts("extract.url.drop_hosts", url.drop_hosts),
        drop_domains=_read_hosts("extract.url.drop_domains", url.drop_domains),
    )


def _read_hosts(setting: str, texts: Sequence[str]) -> tuple[str, ...]:
    hosts = []
    for text in texts:
        try:
            hosts.append(read_host(text))
        except NotAPlace as error:
            raise ConfigError(f"{setting} holds {text!r}: {error}") from None
    return tuple(hosts)


def config_of(options: argparse.Namespace, given: Mapping[str, Any] | None = None) -> Config:
    """The config of a command's options --config, --set and --no-plugins. Raises ConfigError."""
    return load_config(options.config, options.set, given, plugins=not options.no_plugins)


def as_yaml(config: Config) -> str:
    """A config with all its settings, as YAML that gives the same config again."""
    settings = TypeAdapter(Config).dump_python(config, mode="json")
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _set(settings: dict[str, Any], override: str) -> None:
    """Apply an override like "a.b=value"."""
    name, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: write it as --set name.of.setting=value")
    *sections, last = name.split(".")
    section = settings
    for section_name in sections:
        section = section.setdefault(section_name, {})
        if not isinstance(section, dict):
            raise ConfigError(f"--set {override}: {section_name} is a value and holds no settings")
    try:
        section[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {value!r} is no YAML; quote it") from None


def _check_keys(settings: Any, settings_type: Any, prefix: str) -> None:
    """Raise ConfigError for the first unknown or missing setting.

    The message names the nearest setting that there is. `prefix` is the dotted name of the section,
    with a dot at its end.
    """
    if not isinstance(settings, dict):
        return  # pydantic reports a value of the wrong type
    if get_origin(settings_type) is Mapping:
        _, value_type = get_args(settings_type)
        for name, value in settings.items():
            _check_keys(value, value_type, f"{prefix}{name}.")
    if not (is_dataclass(settings_type) and isinstance(settings_type, type)):
        return
    types = get_type_hints(settings_type)
    for name, value in settings.items():
        if name not in types:
            raise ConfigError(f"unknown setting {prefix}{name}; {nearest(str(name), types)}")
        _check_keys(value, types[name], f"{prefix}{name}.")
    for setting in fields(settings_type):
        has_default = setting.default is not MISSING or setting.default_factory is not MISSING
        if setting.name not in settings and not has_default:
            raise ConfigError(
                f"{prefix}{setting.name} must be set; a setting that decides what is kept has no "
                "hidden default"
            )


def _first_error(error: ValidationError, path: str) -> str:
    first = error.errors()[0]
    setting = ".".join(map(str, first["loc"]))
    return f"{path}: {setting}: {first['msg']} (found {first['input']!r})"


def _check_sense(config: Config) -> None:
    """Raise ConfigError for settings that are valid alone, but not together."""
    _check_contact(config)
    _check_routes(config)
    _check_captions(config)
    problem = problem_of_formats(config.score.decode.formats)
    if problem:
        raise ConfigError(f"score.decode.formats: {problem}")
    _check_counts(config)
    _check_publish(config)
    _check_input(config)
    _check_folders(config)


def _check_contact(config: Config) -> None:
    if config.fetch.source == "web" and not config.fetch.contact:
        raise ConfigError(
            "fetch.source is web: set fetch.contact to a URL or address that publishers can turn to"
        )


def _check_routes(config: Config) -> None:
    for subset in SUBSETS:
        model = config.score.routes.get(subset)
        if model not in config.score.models:
            raise ConfigError(
                f"score.routes.{subset} is {model!r}; name one of score.models: "
                f"{', '.join(config.score.models)}"
            )


def _check_captions(config: Config) -> None:
    captions = config.extract.captions
    if not captions or len(set(captions)) < len(captions):
        raise ConfigError(
            f"extract.captions is {list(captions)}; name at least one source, and none twice"
        )


def _check_counts(config: Config) -> None:
    """Raise ConfigError for a number below 1 that must be at least 1; None means "not set"."""
    counts = {
        "input.sample": config.input.sample,
        "input.limit": config.input.limit,
        "score.batch_size": config.score.batch_size,
        "score.decode_processes": config.score.decode_processes,
        "extract.buckets": config.extract.buckets,
        "extract.part_rows": config.extract.part_rows,
        "publish.shards": config.publish.shards,
        "publish.rows_per_shard": config.publish.rows_per_shard,
    }
    for setting, count in counts.items():
        if count is not None and count < 1:
            raise ConfigError(f"{setting} is {count}; it must be at least 1")


def _check_publish(config: Config) -> None:
    if config.publish.embeddings != "none" and not config.score.keep_embeddings:
        raise ConfigError(
            "publish.embeddings: the vectors are not kept; set score.keep_embeddings to true"
        )
    if not 0 <= config.publish.max_quarantine <= 1:
        raise ConfigError(
            f"publish.max_quarantine is {config.publish.max_quarantine:g}; it is a share, from 0 "
            "to 1"
        )


def _check_input(config: Config) -> None:
    if not 0 < config.input.split_mb < math.inf:
        raise ConfigError(
            f"input.split_mb is {config.input.split_mb:g}; it must be a number above 0"
        )
    if not 0 <= config.input.max_unreadable <= 1:
        raise ConfigError(
            f"input.max_unreadable is {config.input.max_unreadable:g}; it is a share, from 0 to 1"
        )
    if config.input.kind == "pairs" and config.fetch.source == "archive":
        raise ConfigError(
            "input.kind is pairs: links have no archive to take pictures from; set fetch.source "
            "to web"
        )


def _check_folders(config: Config) -> None:
    if os.path.abspath(config.output) == os.path.abspath(config.work):
        raise ConfigError(
            "output and work are the same directory; the work directory is private and must lie "
            "elsewhere"
        )


def _refuse_plugins(config: Config) -> None:
    """Raise ConfigError for the first detector, rule or language detector that is a plugin."""
    language_detector = config.extract.language.detector
    _refuse_others("filters.detectors", config.filters.detectors, DETECTORS)
    _refuse_others("filters.rules", config.filters.rules, RULES)
    _refuse_others("extract.language.detector", [language_detector], BUILT_IN_LANGUAGES)


def _refuse_others(setting: str, names: Iterable[str], built_in: Collection[str]) -> None:
    for name in names:
        if name not in built_in:
            raise ConfigError(
                f"{setting} names {name!r}, which is a plugin: code of others, which this command "
                "would run; --no-plugins refuses it. Read that code and leave the option out, or "
                "take the name out of the config"
            )

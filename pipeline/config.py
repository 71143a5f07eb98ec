"""Reads the config of a run: one YAML file becomes one frozen, validated object.

Unknown settings and missing values are errors, before anything starts. Every setting has a line in
docs/settings.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from filters.registry import DETECTORS, RULES, nearest
from pairsieve.clip.settings import EncoderSettings, ModelSettings, Precision
from pairsieve.images.decode import DecodeSettings, problem_of_formats
from pairsieve.records.choices import Embeddings, Identity, InputKind, Sensitive
from pairsieve.records.privacy import Public
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.html import ALT_ALONE, CaptionSource, ImageRule
from pairsieve.web.language import BUILT_IN_LANGUAGES, SUBSETS, LanguageSettings
from pairsieve.web.places import NotAPlace, read_host
from pairsieve.web.text import CaptionSettings
from pairsieve.web.urls import UrlSettings
from pipeline.orchestrate.config_file import ConfigError, merged, read_config_file
from transforms.fetch.settings import StoreSettings

GIGABYTE = 1_000_000_000

# Statuses of pictures that may be fetched successfully another time.
TRANSIENT = (
    "timeout", "connection_error", "host_busy", "host_left_alone", "robots_unreachable",
    "reservation_unreachable",
    "http_408", "http_425", "http_429", "http_5xx",
)  # fmt: skip


@dataclass(frozen=True)
class InputConfig:
    """The inputs of a run.

    `files` are files or patterns: local paths, or URLs that fsspec reads. `listings` are files with
    one path a line, plain or gzipped, like Common Crawl's warc.paths.gz; `base` is put before each
    line. `kind` says what the inputs are:

    - `archives`: WARC, WAT or ARC files (plain, gzip, zstd, LZ4), or WACZ files;
    - `index`: index listings (CDXJ lines or parquet), whose rows name records by file, offset and
      length. Only these records are read, by range; `base` is put before each file name. A WACZ
      file is read by the index in it;
    - `pairs`: parquet files of links that others collected, with URL and caption. `columns` names
      their columns where they are not those of a known dataset, as {url: link, caption: words, id:
      number}.

    Of all files together `sample` are drawn without replacement, with `seed`, and then the first
    `limit` are read. `options` go to fsspec, like {anon: true} for a public bucket; secrets belong
    in the environment. Archives larger than `split_mb` are read in pieces of that size by several
    workers, unless there are MANY_FILES or more. `max_unreadable`: nothing is published when a
    larger share of the files, of their pieces, or of the records that an index names cannot be
    read. A run that could read nothing at all always fails.
    """

    files: tuple[str, ...] = ()
    listings: tuple[str, ...] = ()
    base: str = ""
    sample: int | None = None
    seed: int = 0
    limit: int | None = None
    kind: InputKind = "archives"
    columns: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    split_mb: float = 4
    max_unreadable: float = 0.1


MANY_FILES = 100
"""From so many files on every worker is busy without splitting them."""


@dataclass(frozen=True)
class ExtractConfig:
    """Which `<img>` elements become pairs, and how pairs are grouped.

    `images`: `plain` takes src, like LAION; `best` takes the largest candidate of picture and
    srcset, and what lazy loaders name. `captions` says where the words of an image may stand, in
    the order in which they are tried. `buckets` is the number of buckets of hosts, and `part_rows`
    the number of pairs from which a part is full. `dedup` keeps one pair for each URL and caption
    (`pair`) or for each URL (`url`). `known` are parquet files of earlier datasets, whose pairs are
    not taken again. `check_digests`: a page whose payload does not match its digest is not taken.
    """

    images: Public[ImageRule]
    caption: Public[CaptionSettings]
    url: UrlSettings
    language: LanguageSettings
    max_page_bytes: Public[int] = 10_000_000
    buckets: Public[int] = 64
    part_rows: Public[int] = 1000
    dedup: Public[Identity] = "pair"
    known: tuple[str, ...] = ()
    check_digests: Public[bool] = False
    captions: Public[tuple[CaptionSource, ...]] = ALT_ALONE


@dataclass(frozen=True)
class FetchConfig:
    """How images are fetched.

    `source`: `archive` reads images from the WARC files; `web` requests them from their hosts, and
    then needs `contact`. `keep_images`: the bytes of pictures are deleted when scoring is complete
    (`until_scored`) or kept (`always`). `allow_networks` lists networks beyond the public internet
    that may be requested from, as CIDR.

    All limits are those of the whole run: workers share them. A busy host is asked `retries` times
    more, after the pause that it asks for, or a growing one. A host that wants a longer pause than
    `max_pause_s`, or fails `host_failures` times in a row, is left alone. `bytes_per_s`: nothing
    new is requested while more than this has come on average.

    `robots_ai_agents`: a robots.txt that refuses a known AI crawler (pairsieve/web/ai_agents.yaml)
    refuses us. `tdmrep`, `ai_txt`, `trust_txt`, `rsl`: these files of a site are respected too
    (docs/consent.md), each for one more request a host. The files of a site are read again after
    `robots_max_age_h` hours.

    `--retry-failed` fetches pictures again whose status is among `transient` (http_503 and http_5xx
    stand for the server's answer). With `store_size`, pictures whose shorter side has more pixels
    are stored as JPEG of that size, and scored from these. A run stops before its pictures take
    more than `max_store_gb`, or leave less than `min_free_gb` of a local disk.
    """

    source: Public[Literal["web", "archive"]]
    max_bytes: Public[int]
    keep_images: Public[Literal["until_scored", "always"]] = "until_scored"
    contact: Public[str] = ""
    connections: Public[int] = 64
    connections_per_host: Public[int] = 2
    min_interval_s: Public[float] = 0.5
    connect_timeout_s: Public[float] = 20
    read_timeout_s: Public[float] = 10
    total_timeout_s: Public[float] = 60
    max_redirects: Public[int] = 5
    ports: Public[tuple[int, ...]] = (80, 443)
    allow_networks: tuple[str, ...] = ()
    retries: Public[int] = 2
    max_pause_s: Public[float] = 30
    host_failures: Public[int] = 10
    robots_ai_agents: Public[bool] = True
    tdmrep: Public[bool] = True
    ai_txt: Public[bool] = True
    trust_txt: Public[bool] = True
    rsl: Public[bool] = True
    bytes_per_s: Public[float | None] = None
    robots_max_age_h: Public[float] = 24
    transient: Public[tuple[str, ...]] = TRANSIENT
    store_size: Public[int | None] = None
    max_store_gb: float | None = None
    min_free_gb: float = 1

    def store(self, decode: DecodeSettings) -> StoreSettings:
        """How pictures are stored, and how much disk space they may take."""
        max_bytes = None if self.max_store_gb is None else self.max_store_gb * GIGABYTE
        return StoreSettings(decode, self.store_size, max_bytes, self.min_free_gb * GIGABYTE)

    def client(self) -> ClientSettings:
        """The limits of the web client."""
        names = [setting.name for setting in fields(ClientSettings)]
        return ClientSettings(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True)
class ScoreConfig:
    """How pictures are scored.

    `models` are by name, and `routes` names the model of each subset. `detect_margin`: picture
    detectors, which are costly, run on pictures whose similarity is at most so much below the
    lowest threshold. Then a threshold that is lowered by no more than that needs no new detection.
    `detect_timeout_s`: a picture on which detectors take longer, including the wait for their turn,
    is quarantined.

    `device`, `batch_size`, `precision`, `compile`: see pairsieve/clip/settings.py. With `precision:
    auto` each worker measures which precision is fastest on it; name one to get the same digits on
    all machines of a kind. `threads` are those of one worker inside the model. `decode_processes`
    are those of one worker (default: as many as there are cores, divided among the workers of one
    machine).

    `accelerator` is Beam's resource hint for the workers of this job alone, like
    "type:nvidia-tesla-t4;count:1;install-nvidia-driver", and `min_ram` the one for their memory,
    like "16GB".
    """

    models: Mapping[str, ModelSettings]
    routes: Public[Mapping[str, str]]
    decode: Public[DecodeSettings]
    detect_margin: Public[Annotated[float, Field(ge=0)]]
    detect_timeout_s: Public[float] = 120
    device: str = "cpu"
    batch_size: int | None = None
    precision: Public[Precision] = "auto"
    compile: Public[bool] = False
    threads: int = 1
    decode_processes: int | None = None
    accelerator: str = ""
    min_ram: str = ""
    keep_embeddings: Public[bool] = False

    @property
    def encoder(self) -> EncoderSettings:
        """How models are run."""
        return EncoderSettings(self.device, self.batch_size, self.precision, self.compile)


@dataclass(frozen=True)
class FiltersConfig:
    """Detectors and rules by name, each with its settings. Rules decide in this order."""

    detectors: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PublishConfig:
    """How the dataset is published.

    Each subset has at least `shards` shards, and more if one of them could get more than
    `rows_per_shard` rows. `max_quarantine`: nothing is published when a larger share of the pages
    or samples was quarantined. `key_file` holds the secret of the ledger's keys (default: made in
    the work directory).

    `embeddings`: the vectors of pictures (float16) are published beside the shards, row by row, as
    clip-retrieval reads them (`npy`), or as a `column` of the rows, or not at all (`none`). They
    tell what a picture shows, and need `score.keep_embeddings`.

    `sensitive`: tags and columns that say whether a picture shows a patient, a child, a face or a
    document. They are `private`, in files of the work directory, or `published` in the rows.

    `gate_prompt`: the text under which Hugging Face asks people to apply for the dataset; without
    it everybody may read it.

    `url` (where the dataset is published), `licence` (a URL; of the list of links, because pictures
    have their own), `contact` (for requests to be taken out; default: `fetch.contact`), `creator`
    (the person or organisation that answers for it) and `date` (the day of publication, ISO 8601;
    default: the day of the newest row) stand in the data card and the Croissant metadata.

    With `release_check` a dataset stays in `unreleased/` below the output directory when
    pipeline/dataset/review.py finds more than `release_limits` (kind -> share of the rows).
    """

    shards: Public[int]
    max_quarantine: Public[float] = 0.01
    embeddings: Public[Embeddings] = "none"
    sensitive: Public[Sensitive] = "private"
    gate_prompt: Public[str] = ""
    rows_per_shard: Public[int] = 1_000_000
    url: Public[str] = ""
    licence: Public[str] = ""
    contact: Public[str] = ""
    creator: Public[str] = ""
    date: Public[str] = ""
    release_check: Public[bool] = False
    release_limits: Public[Mapping[str, float]] = field(default_factory=dict)
    key_file: str = ""


@dataclass(frozen=True)
class Config:
    """A reproducible run. The directory `output` may be published, and `work` is private."""

    name: Public[str]
    extract: ExtractConfig
    fetch: FetchConfig
    score: ScoreConfig
    filters: FiltersConfig
    publish: PublishConfig
    output: str
    work: str
    input: InputConfig = InputConfig()


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
    return replace(config, extract=replace(config.extract, url=_with_read_hosts(config)))


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
    section[last] = yaml.safe_load(value)


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
    if config.fetch.source == "web" and not config.fetch.contact:
        raise ConfigError(
            "fetch.source is web: set fetch.contact to a URL or address that publishers can turn to"
        )
    for subset in SUBSETS:
        model = config.score.routes.get(subset)
        if model not in config.score.models:
            raise ConfigError(
                f"score.routes.{subset} is {model!r}; name one of score.models: "
                f"{', '.join(config.score.models)}"
            )
    captions = config.extract.captions
    if not captions or len(set(captions)) < len(captions):
        raise ConfigError(
            f"extract.captions is {list(captions)}; name at least one source, and none twice"
        )
    problem = problem_of_formats(config.score.decode.formats)
    if problem:
        raise ConfigError(f"score.decode.formats: {problem}")
    _check_counts(config)
    _check_publish(config)
    if config.input.split_mb <= 0:
        raise ConfigError(f"input.split_mb is {config.input.split_mb:g}; it must be more than 0")
    if not 0 <= config.input.max_unreadable <= 1:
        raise ConfigError(
            f"input.max_unreadable is {config.input.max_unreadable:g}; it is a share, from 0 to 1"
        )
    if config.input.kind == "pairs" and config.fetch.source == "archive":
        raise ConfigError(
            "input.kind is pairs: links have no archive to take pictures from; set fetch.source "
            "to web"
        )
    if os.path.abspath(config.output) == os.path.abspath(config.work):
        raise ConfigError(
            "output and work are the same directory; the work directory is private and must lie "
            "elsewhere"
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

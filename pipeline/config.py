"""One YAML file -> one frozen, validated object.

Unknown keys and missing values are errors before anything starts.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from filters.registry import DETECTORS, RULES, nearest
from pairsieve.clip.settings import EncoderSettings, ModelSettings, Precision
from pairsieve.images.decode import DecodeSettings
from pairsieve.records.choices import Embeddings, Identity, InputKind
from pairsieve.records.privacy import Public
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.html import ImageRule
from pairsieve.web.language import BUILT_IN_LANGUAGES, SUBSETS, LanguageSettings
from pairsieve.web.text import CaptionSettings
from pairsieve.web.urls import UrlSettings
from pipeline.orchestrate.config_file import ConfigError, merged, read_config_file
from transforms.fetch.settings import StoreSettings

GIGABYTE = 1_000_000_000
TRANSIENT = (
    "timeout", "connection_error", "host_busy", "host_left_alone", "robots_unreachable",
    "reservation_unreachable",
    "http_408", "http_425", "http_429", "http_5xx",
)  # fmt: skip


@dataclass(frozen=True)
class InputConfig:
    """`files`: files or patterns (local paths or URLs that fsspec reads). `kind` says what they
    are:

    - `archives`: WARC, WAT or ARC files, gzipped or not;
    - `index`: index listings (CDXJ lines or parquet) whose rows name records by file, offset and
      length: only these are read, by range, `base` put before each file name;
    - `pairs`: parquet files of links that others collected, with URL and caption; `columns` names
      their columns where they are not those of a known dataset, as {url: link, caption: words, id:
      number}.

    `listings`: files with one path a line, plain or gzipped, as Common Crawl's warc.paths.gz;
    `base` is put before each line. Of all files together `sample` are drawn without replacement by
    `seed`, and the first `limit` are read. `options` go to fsspec, as {anon: true} for a public
    bucket; keep secrets in the environment. Archives larger than `split_mb` are read in pieces of
    that size by several workers, unless there are MANY_FILES or more.
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
    split_mb: float = 64


MANY_FILES = 100
"""So many files keep every worker busy as they are."""


@dataclass(frozen=True)
class ExtractConfig:
    """What makes an `<img>` a pair, and how pairs are grouped: `buckets` of hosts, parts of about
    `part_rows`.

    `images`: `plain` takes src as LAION did; `best` the largest candidate of picture and srcset,
    and lazy attributes. `dedup`: one pair for each URL and caption (`pair`) or for each URL
    (`url`). `known`: parquet files of earlier datasets, whose pairs are not taken again.
    `check_digests`: pages whose payload is not what its digest says are not taken.
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


@dataclass(frozen=True)
class FetchConfig:
    """`source`: `archive` reads images from the WARC files, `web` asks their hosts (and then needs
    `contact`).

    `keep_images`: picture bytes are deleted when scoring is complete (`until_scored`) or kept
    (`always`). `allow_networks` lists networks beyond the public internet that may be asked, as
    CIDR. A host that is busy is asked `retries` times more, after the pause that it asks for or a
    growing one; one that wants more than `max_pause_s`, or fails `host_failures` times in a row, is
    left alone. With `robots_ai_agents` a robots.txt that refuses a known AI crawler
    (pairsieve/web/ai_agents.yaml) refuses us. `tdmrep`, `ai_txt`, `trust_txt`, `rsl`: these files
    of a site are heard too (docs/consent.md), each for one more request a host. `bytes_per_s`:
    nothing new is asked for while more than this has come on average. These limits are those of the
    whole run: workers share them. What a site says is read again after `robots_max_age_h` hours.
    `--retry-failed` asks again for pictures whose status is among `transient` (http_503, http_5xx:
    by the server's answer). With `store_size` pictures whose shorter side has more pixels are
    stored as JPEG of that many, and scored from these. A run stops before its pictures take more
    than `max_store_gb`, or leave less than `min_free_gb` of a local disk.
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
        """How pictures are stored, and how much room they may take."""
        max_bytes = None if self.max_store_gb is None else self.max_store_gb * GIGABYTE
        return StoreSettings(decode, self.store_size, max_bytes, self.min_free_gb * GIGABYTE)

    def client(self) -> ClientSettings:
        """The limits of the web client."""
        return ClientSettings(**{f.name: getattr(self, f.name) for f in fields(ClientSettings)})


@dataclass(frozen=True)
class ScoreConfig:
    """Models by name; `routes` says which one scores which subset. Picture detectors, which are
    dear, run on pictures whose similarity is at most `detect_margin` below the lowest threshold: a
    threshold that comes down later by no more than that needs nothing new.

    `device`, `batch_size`, `precision`, `compile`: see pairsieve/clip/encoder.py. With `precision:
    auto` each worker measures which numbers are fastest on it; name one to have the same digits on
    all machines of a kind. `threads` of each worker inside the model. Each worker decodes in
    `decode_processes` processes (without it, as many as there are cores). `accelerator` is Beam's
    resource hint for workers of this job alone, as
    "type:nvidia-tesla-t4;count:1;install-nvidia-driver", and `min_ram` that for their memory, as
    "16GB". A picture on which detectors take longer than `detect_timeout_s`, waiting for their turn
    included, is quarantined.
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
    """Detectors and rules by name, each with its settings; rules are asked in this order."""

    detectors: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class PublishConfig:
    """At least `shards` a subset, and more where one of them could hold over `rows_per_shard`;
    `key_file` holds the secret of the ledger's keys (default: made in the work directory).

    `embeddings`: the pictures' vectors (float16) are published beside the shards, row by row, as
    clip-retrieval reads them (`npy`), or as a `column` of the rows, or not (`none`). They tell what
    a picture shows, and need `score.keep_embeddings`.

    `url` (where it is published), `licence` (URL; of the list of links, for the pictures have their
    own) and `contact` (whom to ask to be taken out; else `fetch.contact`) stand in the data card
    and the Croissant metadata.

    With `release_check` a dataset in which pipeline/dataset/review.py finds more than
    `release_limits` (kind -> share of the rows) is left in `unreleased/` below the output
    directory.

    Nothing is published where more than the share `max_quarantine` of pages or samples could not be
    judged.
    """

    shards: Public[int]
    max_quarantine: Public[float] = 0.01
    embeddings: Public[Embeddings] = "none"
    rows_per_shard: Public[int] = 1_000_000
    url: Public[str] = ""
    licence: Public[str] = ""
    contact: Public[str] = ""
    release_check: Public[bool] = False
    release_limits: Public[Mapping[str, float]] = field(default_factory=dict)
    key_file: str = ""


@dataclass(frozen=True)
class Config:
    """A reproducible run. `output` is what may be published, `work` is private."""

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

    `overrides` are "a.b=value" and are applied to what the file says; the mapping `given` is merged
    last. `{here}` in a file is the file's own folder; every other relative path starts at the
    working directory. Without `plugins` a config that names code of others is refused, and no
    module of theirs is imported.
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
    return config


def config_of(options: argparse.Namespace, given: Mapping[str, Any] | None = None) -> Config:
    """The config that a command's --config, --set and --no-plugins name. Raises ConfigError."""
    return load_config(options.config, options.set, given, plugins=not options.no_plugins)


def as_yaml(config: Config) -> str:
    """A config with every setting, as YAML that gives the same config again."""
    settings = TypeAdapter(Config).dump_python(config, mode="json")
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def _set(raw: dict[str, Any], override: str) -> None:
    name, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: write it as --set name.of.setting=value")
    *folders, last = name.split(".")
    place = raw
    for folder in folders:
        place = place.setdefault(folder, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override}: {folder} is a value and holds no settings")
    place[last] = yaml.safe_load(value)


def _check_keys(raw: Any, kind: Any, place: str) -> None:
    """Raise ConfigError for the first key that `kind` does not have, naming the nearest one that it
    has.
    """
    if get_origin(kind) is Mapping and isinstance(raw, dict):
        for name, value in raw.items():
            _check_keys(value, get_args(kind)[1], f"{place}{name}.")
    if not (is_dataclass(kind) and isinstance(kind, type) and isinstance(raw, dict)):
        return
    known = get_type_hints(kind)
    for name, value in raw.items():
        if name not in known:
            raise ConfigError(f"unknown setting {place}{name}; {nearest(str(name), known)}")
        _check_keys(value, known[name], f"{place}{name}.")
    for f in fields(kind):
        if f.name not in raw and f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(
                f"{place}{f.name} must be set; what decides what survives has no hidden default"
            )


def _first_error(error: ValidationError, path: str) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{path}: {place}: {first['msg']} (found {first['input']!r})"


def _check_sense(config: Config) -> None:
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
    given = [
        (f"input.{name}", n)
        for name in ("sample", "limit")
        if (n := getattr(config.input, name)) is not None
    ]
    given += [
        (f"score.{name}", n)
        for name in ("batch_size", "decode_processes")
        if (n := getattr(config.score, name)) is not None
    ]
    for setting, value in (
        *given,
        ("extract.buckets", config.extract.buckets),
        ("extract.part_rows", config.extract.part_rows),
        ("publish.shards", config.publish.shards),
        ("publish.rows_per_shard", config.publish.rows_per_shard),
    ):
        if value < 1:
            raise ConfigError(f"{setting} is {value}; it must be at least 1")
    _check_publish(config)
    if config.input.split_mb <= 0:
        raise ConfigError(f"input.split_mb is {config.input.split_mb:g}; it must be more than 0")
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


def _refuse_plugins(config: Config) -> None:
    """Raise ConfigError for the first detector, rule or language detector that is not pairsieve's
    own.
    """
    named: tuple[tuple[str, Iterable[str], Collection[str]], ...] = (
        ("filters.detectors", config.filters.detectors, DETECTORS),
        ("filters.rules", config.filters.rules, RULES),
        ("extract.language.detector", [config.extract.language.detector], BUILT_IN_LANGUAGES),
    )
    for setting, names, own in named:
        for name in (name for name in names if name not in own):
            raise ConfigError(
                f"{setting} names {name!r}, which is a plugin: code of others, which this command "
                "would run; --no-plugins refuses it. "
                "Read that code and leave the option out, or take the name out of the config"
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

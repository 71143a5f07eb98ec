"""The settings of a run. Every setting has a line in docs/settings.md.

pipeline/load_config.py reads them from a YAML file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import Field

from pairsieve.clip.settings import EncoderSettings, ModelSettings, Precision
from pairsieve.images.decode import DecodeSettings
from pairsieve.records.choices import Embeddings, Identity, InputKind, Sensitive
from pairsieve.records.privacy import Public
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.html import ALT_ALONE, CaptionSource, ImageRule
from pairsieve.web.language import LanguageSettings
from pairsieve.web.text import CaptionSettings
from pairsieve.web.urls import UrlSettings
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
    - `index`: index listings (CDXJ, CDX or parquet), whose rows name records by file, offset and
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
    all machines of a kind. `threads` are those of one worker inside the model, and each computes a
    batch of its own. `decode_processes` are those of one worker (default: as many as there are
    cores, divided among the workers of one machine).

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
        return EncoderSettings(
            self.device, self.batch_size, self.precision, self.compile, self.threads
        )


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

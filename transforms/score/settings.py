"""Settings of the score step. Importing them imports neither Beam nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from filters.rule import Rule
from pairsieve.clip.settings import EncoderSettings, ModelIdentity, ModelSettings
from pairsieve.images.decode import DecodeSettings
from pairsieve.storage.settled import Looking
from pairsieve.warc.source import ArchiveSettings


@dataclass(frozen=True)
class ScoreSettings:
    """Which models score, and how they are run.

    `models` and `identities` are by name; an identity is the one that the run was started with.
    `routes` names the model of each subset. `looking` says at which pairs picture detectors look,
    and `sparing` are the rules that it names. `archive` says how pictures are read that stayed in
    their WARC files.
    """

    models: Mapping[str, ModelSettings]
    identities: Mapping[str, ModelIdentity]
    routes: Mapping[str, str]
    encoder: EncoderSettings
    decode_processes: int | None
    decode: DecodeSettings
    looking: Looking
    detect_timeout_s: float
    keep_embeddings: bool
    archive: ArchiveSettings
    sparing: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class ScoreFolders:
    """Folders of the score stage: its inputs, and `samples` for its result.

    `before` are the folders of earlier results, whose scores are reused.
    """

    pairs: str
    images: str
    pictures: str
    samples: str
    before: tuple[str, ...] = ()

"""Settings of the score step. Importing them imports neither Beam nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pairsieve.clip.settings import EncoderSettings, ModelIdentity, ModelSettings
from pairsieve.images.decode import DecodeSettings
from pairsieve.warc.source import ArchiveSettings


@dataclass(frozen=True)
class ScoreSettings:
    """Models by name with the identity that the run was started with, the model of each subset, and
    how they are run.

    `threads` bounds the threads of one worker process inside the model: with more than one the last
    digits may change.
    """

    models: Mapping[str, ModelSettings]
    identities: Mapping[str, ModelIdentity]
    routes: Mapping[str, str]
    encoder: EncoderSettings
    threads: int
    decode_processes: int | None
    decode: DecodeSettings
    detect_from: float
    detect_timeout_s: float
    keep_embeddings: bool
    archive: ArchiveSettings


@dataclass(frozen=True)
class ScoreFolders:
    """Where pairs, images and picture bytes are, where samples go, and where those are that need
    not be scored again.
    """

    pairs: str
    images: str
    pictures: str
    samples: str
    before: tuple[str, ...] = ()

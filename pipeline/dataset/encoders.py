"""Loads the models that made a dataset's vectors, to make vectors of what somebody searches for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairsieve.records.manifest import Manifest
from pipeline.config import Config
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.orchestrate.plan import look_up
from pipeline.orchestrate.stage_result import plain

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder


def load_encoders(config: Config, manifest: Manifest) -> dict[str, Encoder]:
    """Load the models of a config by name.

    Raises NoSuchDataset where they are not those of the dataset: vectors of two models cannot be
    compared.
    """
    from pairsieve.clip.encoder import load_encoder

    models = look_up(config).models
    if {name: plain(model) for name, model in models.items()} != manifest.models:
        raise NoSuchDataset(
            "the config has other models than those that made this dataset's embeddings; give the "
            "config it was made with"
        )
    return {
        name: load_encoder(config.score.models[name], identity, config.score.encoder)
        for name, identity in models.items()
    }

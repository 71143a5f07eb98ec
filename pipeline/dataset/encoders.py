"""Loads the models of a config, to make vectors of what somebody has or searches for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pairsieve.records.manifest import Manifest
from pipeline.config import Config
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.orchestrate.config_file import ConfigError
from pipeline.orchestrate.plan import identify_models, look_up
from pipeline.orchestrate.stage_result import plain

if TYPE_CHECKING:
    from pairsieve.clip.encoder import Encoder
    from pairsieve.clip.settings import ModelIdentity


def load_encoders(config: Config, manifest: Manifest) -> dict[str, Encoder]:
    """Load the models of a config by name.

    Raises NoSuchDataset where they are not those of the dataset: vectors of two models cannot be
    compared.
    """
    models = look_up(config).models
    if {name: plain(model) for name, model in models.items()} != manifest.models:
        raise NoSuchDataset(
            "the config has other models than those that made this dataset's embeddings; give the "
            "config it was made with"
        )
    return _load(config, models)


def load_all_encoders(config: Config) -> dict[str, Encoder]:
    """Load the models of a config by name, for no dataset. Raises ConfigError."""
    from pairsieve.clip.settings import ModelError

    try:
        return _load(config, identify_models(config))
    except ModelError as error:
        raise ConfigError(str(error)) from None


def _load(config: Config, models: Mapping[str, ModelIdentity]) -> dict[str, Encoder]:
    from pairsieve.clip.encoder import load_encoder

    return {
        name: load_encoder(config.score.models[name], identity, config.score.encoder)
        for name, identity in models.items()
    }

"""Small models of every shape that open_clip has for texts, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

from pairsieve.clip.settings import ModelSettings
from tests.support.paths import REPOSITORY

DEMO = ModelSettings(f"local-dir:{REPOSITORY}/configs/demo/clip", demo=True)
VISION = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2}


def small_model(folder: Path, text: dict[str, object], custom_text: bool = False) -> ModelSettings:
    """A folder in open_clip's form with random weights."""
    config = {
        "embed_dim": 32,
        "vision_cfg": VISION,
        "text_cfg": {**TEXT, **text},
        "custom_text": custom_text,
    }
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {}})
    )
    torch.manual_seed(5)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return ModelSettings(f"local-dir:{folder}")

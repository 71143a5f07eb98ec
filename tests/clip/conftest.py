"""What the tests of scoring share."""

from __future__ import annotations

import pytest

from pairsieve.clip.settings import ModelSettings


@pytest.fixture(scope="session")
def vit_b_32(tmp_path_factory):
    """A randomly initialised ViT-B-32 checkpoint, as a user would give one by path."""
    # Here, since every process of the suite reads this file, and few need a model.
    import open_clip
    import torch

    torch.manual_seed(11)
    path = tmp_path_factory.mktemp("vit") / "vit-b-32.pt"
    architecture = open_clip.create_model("ViT-B-32", pretrained=None, load_weights=False)
    torch.save(architecture.state_dict(), path)
    return ModelSettings("ViT-B-32", str(path))

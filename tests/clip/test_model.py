"""Which model is meant, and what a checkpoint that is not there is answered."""

from __future__ import annotations

import fsspec
import pytest

from pairsieve.clip.model import checkpoint_of, identify
from pairsieve.clip.settings import ModelError, ModelSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (ModelSettings("local-dir:/nonexistent"), "no model in /nonexistent"),
        (ModelSettings("ViT-Z-99", "openai"), "open_clip knows no model 'ViT-Z-99'"),
        (
            ModelSettings("ViT-B-32", "/nonexistent.pt"),
            "neither a checkpoint file nor a tag of ViT-B-32; tags: openai",
        ),
        (
            ModelSettings("ViT-B-32", "memory://nowhere/weights.pt"),
            "the checkpoint memory://nowhere/weights.pt cannot be read",
        ),
        (ModelSettings("ViT-B-32", "ftpq://nowhere/weights.pt"), "cannot be read"),
    ],
)
def test_models_that_are_not_there(settings, message, tmp_path, monkeypatch):
    monkeypatch.setattr("pairsieve.clip.model.CACHE", tmp_path)
    with pytest.raises(ModelError, match=message):
        identify(settings)


def test_a_checkpoint_elsewhere_is_copied_once_and_again_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr("pairsieve.clip.model.CACHE", tmp_path)
    store, url = fsspec.filesystem("memory"), "memory://models/weights.pt"
    store.pipe("/models/weights.pt", b"first")
    settings = ModelSettings("ViT-B-32", url)
    first = identify(settings)
    assert checkpoint_of(settings).is_relative_to(tmp_path)
    assert identify(settings) == first
    store.pipe("/models/weights.pt", b"second")
    assert identify(settings) != first
    store.rm("/models", recursive=True)

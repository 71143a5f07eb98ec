"""The makers of the demonstration data: seeded, and the model they make loads as any other."""

from __future__ import annotations

import sys
from random import Random

import numpy as np
import pytest

from demo import train
from demo.crawl import make_crawl, write_warc
from demo.pictures import picture
from demo.scenes import SENTENCES, Scene, all_scenes, caption
from pairsieve.clip.encoder import load_encoder
from pairsieve.clip.model import identify
from pairsieve.clip.settings import EncoderSettings, ModelSettings
from pipeline.orchestrate.config_file import CONFIGS


@pytest.mark.parametrize(
    "scene", [Scene("star", "red", "white"), Scene("hand_xray"), Scene("before_after")]
)
def test_equal_seeds_give_equal_pictures(scene):
    first, second, other = (np.asarray(picture(scene, Random(seed), 48)) for seed in (1, 1, 2))
    assert first.shape == (48, 48, 3)
    assert (first == second).all()
    assert (first != other).any()


@pytest.mark.parametrize("language", SENTENCES)
def test_every_scene_can_be_told_in_every_language(language):
    assert all(len(caption(scene, language, Random(1))) >= 5 for scene in all_scenes())


def test_held_out_scenes_are_not_trained_on():
    seen, held_out, special = train.split_scenes()
    assert not set(seen) & set(held_out)
    assert len(seen) + len(held_out) + len(special) == len(all_scenes())


def test_the_committed_crawl_is_the_one_that_the_script_makes(tmp_path):
    write_warc(make_crawl(), tmp_path / "crawl.warc.gz")
    made, committed = (
        (tmp_path / "crawl.warc.gz").stat().st_size,
        (CONFIGS / "demo" / "crawl.warc.gz").stat().st_size,
    )
    assert abs(made - committed) < committed / 20, (
        "other versions of Pillow compress a little differently, no more"
    )


def test_training_writes_a_model_that_loads(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "BATCH", 8)
    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path / "clip"), "--steps", "2"])
    train.main()
    settings = ModelSettings(f"local-dir:{tmp_path}/clip", demo=True)
    encoder = load_encoder(settings, identify(settings), EncoderSettings(precision="fp32"))
    assert encoder.texts(["a red star"]).shape == (1, 64)
    assert "Retrieval among" in (tmp_path / "clip" / "README.md").read_text()

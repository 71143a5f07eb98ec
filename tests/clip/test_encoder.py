"""A vector is open_clip's own, and depends on its picture or text alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg
from safetensors.torch import load_file, save_file

from pairsieve.clip.encoder import KEPT_TEXTS, load_encoder, square_of
from pairsieve.clip.model import identify
from pairsieve.clip.packed import is_packable
from pairsieve.clip.settings import EncoderSettings, ModelError, ModelSettings
from pairsieve.images.prepare import Square
from tests.support.clip_models import DEMO, small_model

CAPTIONS = [
    "",
    "a star",
    "a car in blue on a yellow background",
    "x-ray " * 12,
    "words " * 500,
    "猫の写真です",
    "🎉" * 40,
]
PIXELS = list(np.random.default_rng(3).integers(0, 256, (11, 64, 64, 3), dtype=np.uint8))
TOWERS = {
    "clip": ({}, False),
    "eos": ({"pool_type": "eos"}, False),
    "custom text": ({}, True),
    "not causal": ({"no_causal_mask": True}, False),
    "last": ({"pool_type": "last"}, False),
}


def load(model: ModelSettings, **settings):
    return load_encoder(
        model,
        identify(model),
        EncoderSettings(**{"batch_size": 4, "precision": "fp32", **settings}),
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("models") / "small", {})


def whole_texts(model: ModelSettings, texts) -> np.ndarray:
    """open_clip's own vectors, at its full length."""
    whole = open_clip.create_model(model.architecture).eval()
    with torch.inference_mode():
        return whole.encode_text(
            open_clip.get_tokenizer(model.architecture)(texts), normalize=True
        ).numpy()


@pytest.mark.parametrize("name", TOWERS)
def test_cut_texts_give_open_clips_own_vectors(name, tmp_path):
    text, custom = TOWERS[name]
    model = small_model(tmp_path / "model", text, custom)
    encoder = load(model)
    assert is_packable(encoder.model) == (name in ("clip", "eos"))
    np.testing.assert_allclose(encoder.texts(CAPTIONS), whole_texts(model, CAPTIONS), atol=1e-5)


def test_texts_are_as_long_as_they_are():
    tower = load(DEMO).text_tower
    texts = ["a star in red", "a star", "x-ray " * 12, "words " * 500]
    batches = [(numbers, [len(row) for row in rows]) for numbers, rows in tower.batches(texts, 20)]
    assert batches == [([1, 0], [4, 6]), ([2], [38]), ([3], [40])], (
        "40 is all that the demo model reads"
    )


def test_a_device_without_memory_gets_half_of_the_texts(small):
    encoder, whole = load(small), load(small).texts(CAPTIONS)
    sizes, embed = [], encoder.model.token_embedding.forward

    def little_memory(tokens):
        sizes.append(len(tokens))
        if len(tokens) > 90:
            raise torch.OutOfMemoryError("made up")
        return embed(tokens)

    encoder.model.token_embedding.forward = little_memory
    np.testing.assert_allclose(encoder.texts(CAPTIONS), whole, atol=1e-5)
    assert max(sizes) > 90


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_company_order_and_place_do_not_change_a_bit(precision, small):
    encoder = load(small, precision=precision)
    together = encoder.pictures(PIXELS)
    assert np.array_equal(together, np.concatenate([encoder.pictures([one]) for one in PIXELS]))
    assert np.array_equal(together, encoder.pictures(PIXELS[::-1])[::-1])
    texts = encoder.texts(CAPTIONS)
    assert np.array_equal(
        texts, np.concatenate([load(small, precision=precision).texts([one]) for one in CAPTIONS])
    )
    assert np.array_equal(texts, load(small, precision=precision).texts(CAPTIONS[::-1])[::-1])


@pytest.fixture
def one_thread():
    """torch with one thread in a pass, as a worker has it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_passes_side_by_side_do_not_change_a_bit(precision, small, one_thread):
    alone = load(small, precision=precision)
    for passes in (2, 3):
        encoder = load(small, precision=precision, passes=passes)
        assert np.array_equal(encoder.pictures(PIXELS), alone.pictures(PIXELS))
        assert np.array_equal(encoder.texts(CAPTIONS), alone.texts(CAPTIONS))
        assert sorted(encoder.meter.batches) == sorted(alone.meter.batches)
        alone.meter.reset()
        alone._text_cache.clear()


def test_passes_run_at_the_same_time(small):
    """Two passes that wait for each other come to an end."""
    encoder = load(small, passes=2)
    both = threading.Barrier(2, timeout=60)
    encode = encoder.model.encode_image

    def meeting(rows):
        both.wait()
        return encode(rows)

    encoder.model.encode_image = meeting
    assert len(encoder.pictures(PIXELS[:8])) == 8, "two batches of four"


@pytest.mark.parametrize("passes", [1, 2])
def test_after_an_error_few_batches_are_still_computed(passes, small):
    encoder = load(small, passes=passes)
    begun = []

    def failing(rows):
        begun.append(len(rows))
        raise RuntimeError("a broken device")

    encoder.model.encode_image = failing
    with pytest.raises(RuntimeError, match="a broken device"):
        encoder.pictures(PIXELS[:1] * 80)
    encoder.executor.shutdown()
    assert len(begun) <= passes + 1, "of twenty"


def test_bf16_is_within_two_thousandths(vit_b_32):
    pixels = list(np.random.default_rng(1).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8))
    exact, fast = (load(vit_b_32, precision=precision) for precision in ("fp32", "bf16"))
    expected = exact.pictures(pixels) @ exact.texts(CAPTIONS).T
    np.testing.assert_allclose(fast.pictures(pixels) @ fast.texts(CAPTIONS).T, expected, atol=0.002)


def test_auto_takes_what_is_fastest_here(small, monkeypatch):
    costs = {torch.float32: 2.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(
        "pairsieve.clip.precision._seconds",
        lambda model, probe: costs[next(model.parameters()).dtype],
    )
    assert load(small, precision="auto").precision == "fp32", (
        "in bf16 so small a model is too far off"
    )
    monkeypatch.setattr("pairsieve.clip.precision.MAX_DEVIATION", 0.01)
    assert load(small, precision="auto").precision == "bf16"
    costs[torch.bfloat16] = 3.0
    encoder = load(small, precision="auto")
    assert encoder.precision == "fp32"
    assert np.array_equal(encoder.pictures(PIXELS[:4]), load(small).pictures(PIXELS[:4]))


def test_auto_measures(small):
    assert load(small, precision="auto").precision in ("fp32", "bf16")


def test_out_of_memory_halves_the_batch(small):
    encoder = load(small)
    expected, sizes, encode = encoder.pictures(PIXELS), [], encoder.model.encode_image

    def little_memory(rows):
        sizes.append(len(rows))
        if len(rows) > 1:
            raise torch.OutOfMemoryError("made up")
        return encode(rows)

    encoder.model.encode_image = little_memory
    np.testing.assert_allclose(encoder.pictures(PIXELS[:4]), expected[:4], atol=1e-6)
    assert sizes == [4, 2, 1, 1, 2, 1, 1]


def test_out_of_memory_for_one_picture_is_an_error(small):
    def no_memory(rows):
        raise torch.OutOfMemoryError("made up")

    encoder = load(small)
    encoder.model.encode_image = no_memory
    with pytest.raises(torch.OutOfMemoryError):
        encoder.pictures(PIXELS[:1])


def test_texts_are_kept_within_bounds(monkeypatch, small):
    assert KEPT_TEXTS >= 1000
    monkeypatch.setattr("pairsieve.clip.encoder.KEPT_TEXTS", 2)
    encoder = load(small)
    encoder.texts(["a", "b", "c"])
    done = len(encoder.meter.batches)
    encoder.texts(["b", "c"])
    assert len(encoder.meter.batches) == done
    encoder.texts(["a"])
    assert len(encoder.meter.batches) == done + 1


def test_compiled_or_not_is_the_same(small):
    pytest.importorskip("torch._inductor")
    compiled = load(small, compile=True)
    np.testing.assert_allclose(
        compiled.pictures(PIXELS[:4]), load(small).pictures(PIXELS[:4]), atol=1e-5
    )


def test_weights_that_are_no_numbers_are_refused(small, tmp_path):
    folder = tmp_path / "damaged"
    folder.mkdir()
    source = small.architecture.removeprefix("local-dir:")
    (folder / "open_clip_config.json").write_bytes(
        Path(source, "open_clip_config.json").read_bytes()
    )
    weights = load_file(f"{source}/open_clip_model.safetensors")
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, folder / "open_clip_model.safetensors")
    with pytest.raises(ModelError, match="not finite; the checkpoint is damaged"):
        load(ModelSettings(f"local-dir:{folder}"))


def test_other_weights_than_the_run_started_with_are_refused():
    other = replace(identify(DEMO), weights_sha256="0" * 64)
    with pytest.raises(ModelError, match="the weights on this worker are"):
        load_encoder(DEMO, other, EncoderSettings())


def test_how_pictures_are_prepared():
    assert square_of(
        PreprocessCfg(size=224, interpolation="bicubic", resize_mode="squash")
    ) == Square(224, "bicubic", squash=True)
    for wrong in (
        PreprocessCfg(size=(224, 112)),
        PreprocessCfg(size=224, resize_mode="longest"),
        PreprocessCfg(size=224, interpolation="random"),
    ):
        with pytest.raises(ModelError, match="is not supported"):
            square_of(wrong)

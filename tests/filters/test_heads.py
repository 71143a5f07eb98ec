from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.numpy import save_file

from filters.heads.bundle import read_bundle
from filters.heads.detectors import AestheticHead, NsfwHead
from filters.heads.network import HeadError, read_network, sigmoid
from filters.pictures.faces import Faces
from filters.pictures.nudity import Nudity
from filters.pictures.prompts import PromptGroups
from filters.registry import FilterConfigError, check_models, identity
from filters.subjects import Embedding

# made by TensorFlow 2.15: Normalization, Dense 6, 4, 1 with ReLU, sigmoid
KERAS = Path(__file__).parent / "data" / "keras_head"
MODEL = "ViT-B-32@0123456789abcdef"
RNG = np.random.default_rng(7)
WIDE = {
    "layers.0.weight": RNG.normal(size=(3, 8)),
    "layers.0.bias": RNG.normal(size=3),
    "layers.2.weight": RNG.normal(size=(1, 3)),
    "layers.2.bias": RNG.normal(size=1),
}
WIDE = {name: values.astype(np.float32) for name, values in WIDE.items()}
VECTOR = (RNG.normal(size=8) / 3).astype(np.float32)


def embedding(vector=VECTOR, model=MODEL) -> Embedding:
    return Embedding(
        vector, lambda texts: np.eye(len(texts), len(vector), dtype=np.float32), 10.0, model
    )


def write(path: Path, arrays) -> str:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)
    return str(path)


def test_a_keras_head_gives_what_keras_gave(tmp_path):
    expected = np.load(KERAS / "expected.npz")
    archive = tmp_path / "head.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in ("variables.index", "variables.data-00000-of-00001"):
            zipped.write(KERAS / name, f"clip_autokeras/variables/{name}")
    shutil.copytree(KERAS, tmp_path / "saved" / "variables")
    for path in (KERAS, archive, tmp_path / "saved"):
        network = read_network(str(path))
        assert [sigmoid(network(vector)) for vector in expected["vectors"]] == pytest.approx(
            expected["scores"], abs=1e-6
        )


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth"])
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_heads_are_what_numpy_says(suffix, activation, tmp_path):
    network = read_network(write(tmp_path / f"head{suffix}", WIDE), activation)
    hidden = WIDE["layers.0.weight"] @ VECTOR + WIDE["layers.0.bias"]
    hidden = np.maximum(hidden, 0) if activation == "relu" else hidden
    assert network(VECTOR) == pytest.approx(
        float((WIDE["layers.2.weight"] @ hidden + WIDE["layers.2.bias"])[0]), abs=1e-6
    )


def test_one_layer_and_normalisation(tmp_path):
    arrays = {
        "weight": np.ones((1, 8), np.float32),
        "bias": np.zeros(1, np.float32),
        "mean": VECTOR,
        "variance": np.full(8, 4, np.float32),
    }
    assert read_network(write(tmp_path / "one.npz", arrays))(VECTOR + 2) == pytest.approx(
        8.0, abs=1e-5
    )


@pytest.mark.parametrize(
    "arrays",
    [
        {"weight": np.ones((2, 8), np.float32), "bias": np.zeros(2, np.float32)},
        {"weight": np.ones((1, 8), np.float32)},
        {"bias": np.zeros(1, np.float32)},
        {**WIDE, "layers.2.weight": np.ones((1, 5), np.float32)},
        {"weight": np.ones((1, 8), np.float32), "bias": np.zeros(2, np.float32)},
        {"weight": np.full((1, 8), np.nan, np.float32), "bias": np.zeros(1, np.float32)},
    ],
)
def test_what_is_no_head(arrays, tmp_path):
    with pytest.raises(HeadError):
        read_network(write(tmp_path / "bad.npz", arrays))


@pytest.mark.parametrize(
    "name", ["bad.npz", "bad.safetensors", "bad.pth", "bad.zip", "missing.npz"]
)
def test_broken_files(name, tmp_path):
    if "missing" not in name:
        (tmp_path / name).write_bytes(b"junk" * 20)
    with pytest.raises(HeadError, match=name):
        read_network(str(tmp_path / name))


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"x" * 100,
        (KERAS / "variables.index").read_bytes()[:-1],
        b"\xff" * 40 + (KERAS / "variables.index").read_bytes()[-8:],
    ],
)
def test_what_is_no_bundle(index):
    with pytest.raises((ValueError, IndexError)):
        read_bundle(index, b"")


def test_laions_columns(tmp_path):
    path = write(tmp_path / "head.npz", WIDE)
    found = NsfwHead({MODEL: path}, 0.45, 0.95).load()(embedding())
    assert found["punsafe"] == pytest.approx(sigmoid(read_network(path)(VECTOR)))
    tags = [
        NsfwHead({MODEL: path}, *limits).load()(embedding())["nsfw"]
        for limits in ((1.1, 1.2), (0.0, 1.1), (0.0, 0.0))
    ]
    assert tags == ["UNLIKELY", "UNSURE", "NSFW"]
    assert AestheticHead({MODEL: path}).load()(embedding())["aesthetic_score"] == pytest.approx(
        read_network(path, "none")(VECTOR)
    )


def test_a_head_refuses_another_model(tmp_path):
    head = NsfwHead({MODEL: write(tmp_path / "head.npz", WIDE)}, 0.45, 0.95)
    with pytest.raises(HeadError):
        head.load()(embedding(model="ViT-L-14@0"))
    with pytest.raises(HeadError):
        head.load()(embedding(vector=np.ones(9, np.float32)))
    check_models([head], [MODEL])
    with pytest.raises(
        FilterConfigError, match="no head for the model ViT-L-14@0; add `ViT-L-14@0: FILE`"
    ):
        check_models([head], [MODEL, "ViT-L-14@0"])
    with pytest.raises(FilterConfigError, match="missing"):
        check_models([NsfwHead({MODEL: str(tmp_path / "missing.npz")}, 0.45, 0.95)], [MODEL])


def test_weights_of_a_detector_are_one_file_of_any_name(tmp_path):
    (tmp_path / "yunet.onnx").write_bytes(b"weights")
    detector = Faces(0.5, model="yunet", weights=str(tmp_path / "yunet.onnx"))
    digest = hashlib.sha256(b"weights").hexdigest()
    assert identity(detector)["settings"]["weights"] == f"sha256:{digest}"


def test_another_file_is_another_detector(tmp_path):
    head = AestheticHead({MODEL: write(tmp_path / "head.npz", WIDE)})
    before = identity(head)
    write(tmp_path / "head.npz", {**WIDE, "layers.2.bias": np.zeros(1, np.float32)})
    assert identity(head) != before
    assert str(tmp_path) not in str(before), "a manifest names no folder of this machine"
    moved = AestheticHead({MODEL: write(tmp_path / "elsewhere.npz", WIDE)})
    assert identity(moved) == before, "the same head elsewhere is the same"


def test_shares_of_prompt_groups_add_up():
    found = PromptGroups({"scan": ("a scan", "an x-ray"), "other": ("a dog",)}).load()(embedding())[
        "prompt_scores"
    ]
    assert [part["group"] for part in found] == ["scan", "other"]
    assert sum(part["score"] for part in found) == pytest.approx(1)
    table = pa.array([found], PromptGroups.columns["prompt_scores"])
    assert table.to_pylist()[0][0]["group"] == "scan"


@pytest.mark.parametrize(
    ("punsafe", "actions"),
    [
        (0.1, []),
        (0.5, ["tag"]),
        (0.96, ["drop"]),
        (float("nan"), ["drop"]),
        (None, []),  # not looked at, because its similarity is too low
    ],
)
def test_nudity(punsafe, actions):
    assert [
        str(decision.action) for decision in Nudity(0.95, 0.45).judge({"punsafe": punsafe})
    ] == actions

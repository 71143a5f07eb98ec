"""A head's numbers, and how it is read.

Formats, by what the path names:

- a folder or `.zip`: a Keras SavedModel, as LAION published its NSFW heads
  (github.com/LAION-AI/CLIP-based-NSFW-Detector);
- `.npz`, `.safetensors`, `.pth`, `.pt`: arrays named as torch names them, `weight` (out, in) and
  `bias` for one layer, or with a number before (`layers.0.weight`, `linear_1.weight`) for several;
  `mean` and `variance`, where there are any, normalise first.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from filters.detector import MissingModel
from filters.heads.bundle import read_bundle
from pairsieve.storage import files

Numbers = NDArray[np.float32]
Activation = Literal["relu", "none"]
INDEX, DATA = "variables.index", "variables.data-00000-of-00001"
UNREADABLE = (
    OSError, ValueError, TypeError, IndexError, KeyError, EOFError, RuntimeError,
    zipfile.BadZipFile, UnpicklingError, SafetensorError,
)  # fmt: skip
EPSILON = 1e-7  # Keras: the least deviation that Normalization divides by
_NUMBER = re.compile(r"(\d+)\D*$")


class HeadError(MissingModel):
    """A head that cannot be read or used; the message says what to do."""


@dataclass(frozen=True)
class Layer:
    """`weight` (out, in), `bias` (out)."""

    weight: Numbers
    bias: Numbers


@dataclass(frozen=True)
class Network:
    """Linear layers with `activation` between them; `mean` and `deviation` (d) normalise what comes
    in.
    """

    layers: tuple[Layer, ...]
    activation: Activation
    mean: Numbers | None = None
    deviation: Numbers | None = None

    @property
    def dimensions(self) -> int:
        """Of the vectors that it takes."""
        return int(self.layers[0].weight.shape[1])

    def __call__(self, vector: Numbers) -> float:
        """What the last layer gives for a vector (d).

        Raises HeadError for a vector of another model's length.
        """
        if vector.shape != (self.dimensions,):
            raise HeadError(
                f"a head for vectors of {self.dimensions} numbers was given one of {vector.shape}"
            )
        found = (
            vector
            if self.mean is None or self.deviation is None
            else (vector - self.mean) / self.deviation
        )
        for number, layer in enumerate(self.layers):
            if number and self.activation == "relu":
                found = np.maximum(found, 0)
            found = layer.weight @ found + layer.bias
        return float(found[0])


def sigmoid(value: float) -> float:
    """A share between 0 and 1."""
    return float(1 / (1 + np.exp(-np.clip(value, -60, 60))))


def read_network(path: str, activation: Activation = "relu") -> Network:
    """Read a head.

    Raises HeadError where there is none, or where its layers do not fit each other.
    """
    try:
        arrays = _arrays(path)
        network = _network(arrays, activation)
    except UNREADABLE as error:
        raise HeadError(
            f"{files.public_name(path)} is no head that can be read ({type(error).__name__}: "
            f"{error})"
        ) from None
    widths = [layer.weight.shape for layer in network.layers]
    fitting = (
        all(before[0] == after[1] for before, after in pairwise(widths)) and widths[-1][0] == 1
    )
    if not fitting or any(layer.bias.shape != layer.weight.shape[:1] for layer in network.layers):
        raise HeadError(f"{files.public_name(path)}: layers of {widths} do not lead to one number")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise HeadError(
            f"{files.public_name(path)} holds what is no finite number; the file is damaged"
        )
    return network


def head_files(path: str) -> tuple[str, ...]:
    """The files that a head is read from."""
    if path.endswith((".zip", ".npz", ".safetensors", ".pth", ".pt")):
        return (path,)
    folder = path if files.exists(files.join(path, INDEX)) else files.join(path, "variables")
    return files.join(folder, INDEX), files.join(folder, DATA)


def head_digest(path: str) -> str:
    """sha256 of what a head is read from."""
    return sha256(b"".join(map(_read, head_files(path)))).hexdigest()


def _read(path: str) -> bytes:
    with files.open_read(path) as stream:
        return stream.read()


def _arrays(path: str) -> Mapping[str, Numbers]:
    contents = [_read(name) for name in head_files(path)]
    if path.endswith(".npz"):
        return dict(np.load(io.BytesIO(contents[0]), allow_pickle=False))
    if path.endswith(".safetensors"):
        from safetensors.numpy import load

        return dict(load(contents[0]))
    if path.endswith((".pth", ".pt")):
        return _torch_arrays(contents[0])
    return dict(_keras_arrays(*(_unzipped(contents[0]) if path.endswith(".zip") else contents)))


def _torch_arrays(content: bytes) -> Mapping[str, Numbers]:
    import torch

    state: Mapping[str, Any] = torch.load(
        io.BytesIO(content), map_location="cpu", weights_only=True
    )
    return {name: value.float().numpy() for name, value in state.items()}


def _unzipped(content: bytes) -> list[bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [
            next((name for name in archive.namelist() if name.endswith(end)), end)
            for end in (INDEX, DATA)
        ]
        return [archive.read(name) for name in names]


def _keras_arrays(index: bytes, data: bytes) -> Iterator[tuple[str, Numbers]]:
    for (number, kind), values in read_bundle(index, data).items():
        if kind == "kernel":
            yield f"{number}.weight", values.T
        else:
            yield (f"{number}.bias" if kind == "bias" else kind), values


def _network(arrays: Mapping[str, Numbers], activation: Activation) -> Network:
    weights = sorted((name for name in arrays if name.endswith("weight")), key=_number)
    if not weights:
        raise ValueError("it holds no weights")
    layers = tuple(
        Layer(_float(arrays[name]), _float(arrays[name.removesuffix("weight") + "bias"]).ravel())
        for name in weights
    )
    named = {name.rpartition(".")[2]: _float(values).ravel() for name, values in arrays.items()}
    if "mean" not in named:
        return Network(layers, activation)
    return Network(
        layers, activation, named["mean"], np.maximum(np.sqrt(named["variance"]), EPSILON)
    )


def _number(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found[1]) if found else 0


def _float(values: Any) -> Numbers:
    return np.asarray(values, np.float32)

"""Read a head from a file, and run it.

The format follows from the path:

- a folder or `.zip`: a Keras SavedModel, as LAION published its NSFW heads
  (github.com/LAION-AI/CLIP-based-NSFW-Detector);
- `.npz`, `.safetensors`, `.pth`, `.pt`: arrays named as torch names them. One layer has `weight`
  (out, in) and `bias`; several layers have a number in front (`layers.0.weight`,
  `linear_1.weight`). `mean` and `variance`, where there are any, normalise the input.
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
INDEX, DATA = "variables.index", "variables.data-00000-of-00001"  # files of a Keras SavedModel
SINGLE_FILES = (".zip", ".npz", ".safetensors", ".pth", ".pt")
# Everything that the readers raise for a damaged file.
UNREADABLE = (
    OSError, ValueError, TypeError, IndexError, KeyError, EOFError, RuntimeError,
    zipfile.BadZipFile, UnpicklingError, SafetensorError,
)  # fmt: skip
EPSILON = 1e-7  # Keras: the smallest deviation that Normalization divides by
MAX_EXPONENT = 60  # keeps exp from overflowing; the sigmoid of 60 is 1 in float64
_NUMBER = re.compile(r"(\d+)\D*$")


class HeadError(MissingModel):
    """A head that cannot be read, or does not fit the model; the message says what to do."""


@dataclass(frozen=True)
class Layer:
    """One linear layer: `weight` has shape (out, in), `bias` has shape (out,)."""

    weight: Numbers
    bias: Numbers


@dataclass(frozen=True)
class Network:
    """Linear layers with `activation` between them.

    `mean` and `deviation`, of shape (d,), normalise the input; they are None without normalisation.
    """

    layers: tuple[Layer, ...]
    activation: Activation
    mean: Numbers | None = None
    deviation: Numbers | None = None

    @property
    def dimensions(self) -> int:
        """The number of dimensions of the input vector."""
        return int(self.layers[0].weight.shape[1])

    def __call__(self, vector: Numbers) -> float:
        """The one number that the last layer gives for a vector of shape (d,).

        Raises HeadError for a vector of another length: it is of another model.
        """
        if vector.shape != (self.dimensions,):
            raise HeadError(
                f"a head for vectors of {self.dimensions} numbers was given one of {vector.shape}"
            )
        values = vector
        if self.mean is not None and self.deviation is not None:
            values = (vector - self.mean) / self.deviation
        for number, layer in enumerate(self.layers):
            # the activation stands between layers, so not before the first one
            if number > 0 and self.activation == "relu":
                values = np.maximum(values, 0)
            values = layer.weight @ values + layer.bias
        return float(values[0])


def sigmoid(value: float) -> float:
    """The logistic function: a number between 0 and 1."""
    clipped = np.clip(value, -MAX_EXPONENT, MAX_EXPONENT)
    return float(1 / (1 + np.exp(-clipped)))


def read_network(path: str, activation: Activation = "relu") -> Network:
    """Read a head from a file or folder.

    Raises HeadError when it cannot be read, when its layers do not fit together, or when it holds
    numbers that are not finite.
    """
    name = files.public_name(path)
    try:
        arrays = _arrays(path)
        network = _network(arrays, activation)
    except UNREADABLE as error:
        raise HeadError(
            f"{name} is no head that can be read ({type(error).__name__}: {error})"
        ) from None
    if not _layers_fit(network.layers):
        shapes = [layer.weight.shape for layer in network.layers]
        raise HeadError(f"{name}: layers of {shapes} do not lead to one number")
    if not all(np.isfinite(values).all() for values in arrays.values()):
        raise HeadError(f"{name} holds numbers that are not finite; the file is damaged")
    return network


def _layers_fit(layers: tuple[Layer, ...]) -> bool:
    """Whether each layer takes what the one before gives, and the last one gives one number."""
    for layer, next_layer in pairwise(layers):
        if layer.weight.shape[0] != next_layer.weight.shape[1]:
            return False
    for layer in layers:
        if layer.bias.shape != layer.weight.shape[:1]:
            return False
    outputs: int = layers[-1].weight.shape[0]
    return outputs == 1


def head_files(path: str) -> tuple[str, ...]:
    """The paths of the files that a head is read from."""
    if path.endswith(SINGLE_FILES):
        return (path,)
    # the path of a SavedModel is either its folder or the folder `variables` inside
    folder = path
    if not files.exists(files.join(path, INDEX)):
        folder = files.join(path, "variables")
    return files.join(folder, INDEX), files.join(folder, DATA)


def head_digest(path: str) -> str:
    """SHA-256 of the files that a head is read from, in hex."""
    contents = [_read(file) for file in head_files(path)]
    return sha256(b"".join(contents)).hexdigest()


def file_digest(path: str) -> str:
    """SHA-256 of one file, in hex."""
    return sha256(_read(path)).hexdigest()


def _read(path: str) -> bytes:
    with files.open_read(path) as stream:
        return stream.read()


def _arrays(path: str) -> Mapping[str, Numbers]:
    """Name -> array, as the file names them; Keras names are turned into torch names."""
    contents = [_read(file) for file in head_files(path)]
    if path.endswith(".npz"):
        return dict(np.load(io.BytesIO(contents[0]), allow_pickle=False))
    if path.endswith(".safetensors"):
        from safetensors.numpy import load

        return dict(load(contents[0]))
    if path.endswith((".pth", ".pt")):
        return _torch_arrays(contents[0])
    if path.endswith(".zip"):
        contents = _unzipped(contents[0])
    index, data = contents
    return dict(_keras_arrays(index, data))


def _torch_arrays(content: bytes) -> Mapping[str, Numbers]:
    import torch

    # `weights_only`: the file may not run code
    state: Mapping[str, Any] = torch.load(
        io.BytesIO(content), map_location="cpu", weights_only=True
    )
    return {name: value.float().numpy() for name, value in state.items()}


def _unzipped(content: bytes) -> list[bytes]:
    """The index and the data of a zipped SavedModel, from whatever folder of the archive."""
    contents: list[bytes] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for file in (INDEX, DATA):
            members = [name for name in archive.namelist() if name.endswith(file)]
            # without a member, read() raises a KeyError that names the file
            member = members[0] if members else file
            contents.append(archive.read(member))
    return contents


def _keras_arrays(index: bytes, data: bytes) -> Iterator[tuple[str, Numbers]]:
    for (number, kind), values in read_bundle(index, data).items():
        if kind == "kernel":
            yield f"{number}.weight", values.T  # Keras keeps (in, out), torch (out, in)
        elif kind == "bias":
            yield f"{number}.bias", values
        else:
            yield kind, values  # the mean or variance of the input


def _network(arrays: Mapping[str, Numbers], activation: Activation) -> Network:
    weight_names = sorted((name for name in arrays if name.endswith("weight")), key=_number)
    if not weight_names:
        raise ValueError("it holds no weights")
    layers: list[Layer] = []
    for weight_name in weight_names:
        bias_name = weight_name.removesuffix("weight") + "bias"
        weights = _float(arrays[weight_name])
        biases = _float(arrays[bias_name]).ravel()
        layers.append(Layer(weights, biases))
    by_last_part: dict[str, Numbers] = {}
    for name, values in arrays.items():
        by_last_part[name.rpartition(".")[2]] = _float(values).ravel()
    if "mean" not in by_last_part:
        return Network(tuple(layers), activation)
    deviation = np.maximum(np.sqrt(by_last_part["variance"]), EPSILON)
    return Network(tuple(layers), activation, by_last_part["mean"], deviation)


def _number(name: str) -> int:
    """The last number in an array's name: the position of its layer."""
    match = _NUMBER.search(name)
    return int(match[1]) if match else 0


def _float(values: Any) -> Numbers:
    return np.asarray(values, np.float32)
